"""Guesses of one column: what its name speaks of, and everything else that tells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.inference.choosing import key_meant, same_key_word
from fkexplorer.inference.columns import external_word
from fkexplorer.inference.drafts import Draft
from fkexplorer.inference.extension import extension_of
from fkexplorer.inference.habits import is_generic
from fkexplorer.inference.keys import under_domain
from fkexplorer.inference.structure import column_reasons, equality, place_reason, types_reason
from fkexplorer.inference.vocabulary import DONE, ID_WORDS, KEY_WORDS, SELF
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import references, same, words
from fkexplorer.inference.world import says_some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.inference.keys import Target
    from fkexplorer.inference.model import Reason
    from fkexplorer.inference.naming import Named
    from fkexplorer.inference.words import Reference
    from fkexplorer.inference.world import World
    from fkexplorer.schema.model import Column, Table

_STRONG = frozenset(
    [
        "name_of_table",
        "name_with_context",
        "name_with_prefix",
        "name_without_prefix",
        "end_of_name",
        "abbreviation",
        "same_as_key",
        "self",
        "declared_alone",
        "comment_alone",
        "joined_alone",
    ]
)
"""Names that are to be believed even where the two types can't be compared: that is then the finding."""
_DOUBTS = frozenset({"other_key_word", "own_end"})
"""What such a name must not have against it then."""
_OWN_TOO = frozenset({"self", "actor", "end_of_name", "declared_alone", "joined_alone", "comment_alone"})
"""What may lead to the table itself; its bare name, as `users.user_id`, only says whose column it is."""
_NOT_OF_KEYS = frozenset({"end_of_table", "shortened", "bare_end", "actor", "end_is_key"})
"""What is too little for a column that is its own table's primary key."""
_BY_PART = frozenset({"end_of_name", "name_without_prefix"})
"""What is too little for one that also begins like its table."""
_SHARED = 3
"""Tables that have a key's column before that tells that it is known beyond its table."""
_WEAKER = frozenset({"name_with_context", "end_of_table", "shortened"})
_NOT_TO_FOLLOWERS = frozenset(
    {"end_of_table", "shortened", "name_without_prefix", "same_as_key", "same_as_plain_key", "end_is_key"}
)
_REFERS = re.compile(
    r"(?:refers? to|references?|foreign key (?:to|of)|fk (?:to|of)|points? (?:to|at)|key of|->|→)\s+"
    r"(?:the\s+|a\s+|table\s+)?[\"']?([\w$]+(?:\.[\w$]+)?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hint:
    """A key that something says the column refers to."""

    target: Target
    why: Reason
    more: tuple[Reason, ...] = ()

    @property
    def points(self) -> float:
        """How much it says."""
        return self.why.points + sum(each.points for each in self.more)


def drafts_of_column(world: World, table: Table, column: Column) -> list[Draft]:
    """All that one column may refer to, by anything that tells of it, with all reasons but the data's."""
    best: dict[tuple[int, int], Hint] = {}
    for hint in _hints(world, table, column):
        key = (hint.target.table.oid, hint.target.columns[0].number)
        if key != (table.oid, column.number) and (key not in best or hint.points > best[key].points):
            best[key] = hint
    found = [_draft(world, table, column, hint) for hint in best.values()]
    return [draft for draft in found if draft is not None]


def _draft(world: World, table: Table, column: Column, hint: Hint) -> Draft | None:
    target, code = hint.target, hint.why.code
    operator = equality(world.evidence, column, target.columns[0])
    if operator is None and (code not in _STRONG or any(each.code in _DOUBTS for each in hint.more)):
        return None
    if world.owns(table, column.number) and (code in _NOT_OF_KEYS or (code in _BY_PART and _is_own(table, column))):
        return None
    draft = Draft(table, (column,), target, [hint.why, *hint.more])
    draft.add(types_reason(operator, column, target.columns[0]))
    draft.add(place_reason(table, target.table, world.times_named, code))
    draft.add(*column_reasons(table, (column.number,)))
    key = (target.table.oid, target.columns[0].number)
    own = None
    if world.owns(table, column.number) and code not in ("extension_by_name", "same_table_elsewhere"):
        own = _of_own_key(table, column)
    if code != "declared_alone" and own is None:
        draft.add(world.habits.sibling_reason(column.name, key))
    if code in ("bare_text", "bare_end"):
        draft.add(world.regular)
    times = world.holders[world.plain(table, column.name)]
    # What text is called so in many tables is a code that none of them owns, unless its name tells.
    owned = column.category != "S" or says_some(target) or world.prefixes[target.table.oid]
    if code == "same_as_plain_key" and times > _SHARED and target.primary and owned:
        draft.add(reason("shared", f"{times - 1:,} tables have this column"))
    draft.add(world.habits.manner(world.plain(table, column.name)))
    draft.add(_joined(world, (table.oid, column.number), key), _commented(column, target))
    draft.add(own)
    return draft


def _is_own(table: Table, column: Column) -> bool:
    """Whether a key begins like its table, as `protein_class_id` of `protein_classification`, or lacks its prefix."""
    own = words(table.name)
    stems = [each.stem for each in references(column.name) if each.stem]
    return any(stem[:1] == own[:1] or same(stem) == same(own[1:]) for stem in stems)


def _of_own_key(table: Table, column: Column) -> Reason | None:
    """What speaks against a primary key that is also a reference."""
    if column.has_default or column.identity:
        return reason("own_default", "the table's own key, which makes its values")
    own = words(table.name)
    ways = [each for each in references(column.name) if each.stem]
    stems = {same(each.stem) for each in ways}
    glued = tuple(same(each.stem) for each in ways if each.glued and same(each.stem) != same(own))
    if any(same(own[start:]) in stems for start in range(1, len(own))) or same(own).endswith(glued):
        return reason("own_key", "the table's own key, named like its end")
    return None


def _hints(world: World, table: Table, column: Column) -> Iterator[Hint]:
    plain = world.plain(table, column.name)
    for name in dict.fromkeys((plain, column.name)):
        speaks_of = list(world.names.of(table, name, trusted=name != column.name))
        yield from (hint for named in speaks_of if (hint := _of_name(world, table, column, named)))
        if speaks_of:
            break
    yield from _of_key_names(world, table, column, plain)
    yield from _of_siblings(world, column)
    yield from _of_joins(world, table, column)
    yield from _of_comment(world, table, column)
    if world.owns(table, column.number):
        for target, why in extension_of(world, table, column):
            yield Hint(target, why[0], why[1:])


def _of_name(world: World, table: Table, column: Column, named: Named) -> Hint | None:
    """The hint of a table that the column names."""
    code, reference = named.code, named.reference
    if column.category == "S" and words(column.name)[-1:] == ("uid",):
        # A number is a user's; what text is called so comes from anywhere.
        return None
    if code == "bare_end" and DONE.intersection(named.rest) and under_domain(column).name != "uuid":
        # A number or a text of `user_created` is rather when, or who by name.
        return None
    target = key_meant(world, named.table, column, reference) if _may_mean(world, table, column, named) else None
    if target is None:
        return None
    key = target.columns[0]
    if code in ("bare_name", "bare_with_context", "bare_end") and (column.category == "S" or not target.primary):
        code = "bare_text"
    elif code in ("actor", "self") and not reference.key and column.category == "S" and not world.text_keys:
        # `voted_by` and `alias` of text are rather names, unless most keys are text too.
        code = "bare_text"
    more = []
    if reference.key and reference.key not in ID_WORDS and not same_key_word(key, reference):
        more.append(reason("other_key_word", f"its key is called {key.name}"))
    if named.table.oid == table.oid and code == "end_of_name" and not SELF.intersection(named.rest):
        more.append(reason("own_end", "of the table itself, whose other rows it does not speak of"))
    more += _external(reference, target)
    return Hint(target, reason(code, _said(named, target)), tuple(more))


def _may_mean(world: World, table: Table, column: Column, named: Named) -> bool:
    """Whether what a column's name speaks of can be what it refers to, by the two tables alone."""
    parent, code = named.table, named.code
    if parent.oid == table.oid:
        return code in _OWN_TOO
    # `account_id` of one of two tables `account` is its own.
    if same(words(parent.name)) == same(words(table.name)):
        return False
    if parent.oid in world.followers and code in _NOT_TO_FOLLOWERS:
        return False
    # A table that has the same column is one more child, as `list_accounts(account_id)`, unless it is its key.
    if code == "name_with_context" and world.says_whole(table, parent, column):
        return False
    # Where a key is called `status_id`, a `status_id` is not the `order_status_id` of `order_status`.
    if code in ("name_with_context", "name_with_prefix") and world.has_owner(column.name):
        keys = [each.columns[0].name for each in world.singles.get(parent.oid, ()) if each.primary]
        if keys and not is_generic(keys[0]) and words(keys[0]) != words(column.name):
            return False
    lists = code == "name_with_prefix" and bool(world.names.called(named.reference.stem))
    lists = lists or (code == "name_without_prefix" and world.has_owner(column.name))
    return not ((code in _WEAKER or lists) and world.has_beside_key(parent, column.name))


def _said(named: Named, target: Target) -> str:
    parent = f"{target.table.name}.{target.columns[0].name}"
    return {
        "above": f"a word for a row of {target.table.name}, which the table is named after",
        "self": "a word for another row of the same table",
        "actor": f"a word for somebody of {target.table.name}",
        "end_of_name": f"its last words are named like {parent}",
        "abbreviation": f"short for {parent}",
        "shortened": f"short for {parent}",
        "end_of_table": f"named like the end of {parent}",
    }.get(named.code, f"named like {parent}")


def _external(reference: Reference, target: Target) -> list[Reason]:
    word = external_word(reference.stem, words(target.table.name))
    return [reason("external", f"{word} says that its key comes from elsewhere")] if word else []


def _of_key_names(world: World, table: Table, column: Column, plain: str) -> Iterator[Hint]:
    """Keys of the same name, or of a name that the column's ends with."""
    for name in dict.fromkeys((plain, column.name)):
        own = words(name)
        for start in range(len(own)):
            targets = world.by_key_name.get("".join(own[start:]), ())
            sure = any(each.key in ID_WORDS for each in references("_".join(own[start:])))
            for target in targets:
                code = _code_of_key(world, (table, column), target, whole=start == 0, sure=sure)
                if code:
                    said = "named like" if start == 0 else "its last words are named like"
                    why = reason(code, f"{said} {target.table.name}.{target.columns[0].name}")
                    more = [each for reference in references(name)[:1] for each in _external(reference, target)]
                    yield Hint(target, why, tuple(more))
            if targets:
                break


def _code_of_key(world: World, child: tuple[Table, Column], target: Target, *, whole: bool, sure: bool) -> str:
    """What it says that a column has a key's name, or one that ends with it; '' for nothing."""
    table, column = child
    if target.table.oid in world.followers or world.borrowed(target):
        return ""
    # Of two tables of one name in two schemas each has its own.
    if same(words(target.table.name)) == same(words(table.name)):
        return ""
    if whole and target.primary and world.names.is_called(target.table, words(world.plain(table, column.name))):
        return "name_of_table"
    code = ""
    if whole:
        # Of two words, as `zc_code`, it is hardly called so by chance.
        several = words(world.plain(table, column.name))
        sure = sure or (len(several) > 1 and several[-1] in KEY_WORDS and target.primary)
        called = "".join(several).startswith(same(words(target.table.name)))
        sure = sure or (called and target.primary)
        # `trxn_id` that is unique in one table and stands in another is hardly the key of `contributions`.
        code = "same_as_key" if sure and (target.primary or says_some(target)) else "same_as_plain_key"
    elif sure and len(target.columns[0].name) > 3:
        code = "end_is_key"
    # A table's own key is not another's for being called like it, unless the other one's is the shorter name.
    if world.owns(table, column.number) and not world.lent(table, column):
        return ""
    return code if target.primary or sure else ""


def _of_siblings(world: World, column: Column) -> Iterator[Hint]:
    """What columns of the same name are declared to refer to."""
    for (oid, number), times in world.habits.siblings(column.name).items():
        target = _key_of(world, oid, number)
        if target is not None:
            where = "another table" if times == 1 else f"{times:,} other tables"
            more = (reason("declared_elsewhere" if times < 3 else "declared_often", "declared by this name alone"),)
            yield Hint(target, reason("declared_alone", f"the same column is declared in {where}"), more)


def _of_joins(world: World, table: Table, column: Column) -> Iterator[Hint]:
    for (oid, number), where in world.joins.get((table.oid, column.number), ()):
        target = _key_of(world, oid, number)
        # Of a table's own key it is mostly the other one that refers to it.
        if target is not None and not world.owns(table, column.number):
            yield Hint(target, reason("joined_alone", f"{where} compares the two"))


def _of_comment(world: World, table: Table, column: Column) -> Iterator[Hint]:
    """What the column's comment says that it refers to."""
    for said in _REFERS.findall(column.comment or ""):
        # `users`, `auth.users`, or `users.id`.
        parts = said.split(".")
        for parent in world.names.called(words(parts[-1])) or world.names.called(words(parts[0])):
            for reference in references(column.name)[:1]:
                target = key_meant(world, parent, column, reference)
                if target is not None and target.table.oid != table.oid:
                    yield Hint(target, reason("comment_alone", f"its comment says that it refers to {parent.name}"))


def _key_of(world: World, oid: int, number: int) -> Target | None:
    return next((each for each in world.singles.get(oid, ()) if each.columns[0].number == number), None)


def _joined(world: World, child: tuple[int, int], parent: tuple[int, int]) -> Reason | None:
    """The views and functions that compare the two."""
    where = sorted({place for other, place in world.joins.get(child, ()) if other == parent})
    if not where:
        return None
    said = where[0] if len(where) == 1 else f"{len(where):,} views and functions"
    return reason("joined", f"joined by {said}")


def _commented(column: Column, target: Target) -> Reason | None:
    """That the comment has the name of the other table in it."""
    if not column.comment:
        return None
    wanted = same(words(target.table.name))
    if any(same((word,)) == wanted for word in words(column.comment)) or target.table.name in column.comment:
        return reason("comment", f"its comment speaks of {target.table.name}")
    return None
