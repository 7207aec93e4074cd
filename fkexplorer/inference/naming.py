"""Which tables a column's name speaks of. Names alone: whether the two can be compared is asked elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.inference.keys import sole_key
from fkexplorer.inference.vocabulary import (
    ACTORS,
    BARE_STOP,
    CHIEFS,
    DONE,
    ENDS,
    FILLERS,
    GLUED_ROLES,
    LINKS,
    SELF,
    TABLE_PREFIXES,
    TREES,
    VAGUE,
)
from fkexplorer.inference.words import Reference, abbreviates, meant, references, same, singular, words, written_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fkexplorer.schema.model import Table

_WAYS = ("from", "to", "of")
_SELF_WHOLE = ("reply", "replied", "superseded", "replaced", "duplicate", "forked", "copied", "cloned", "merged")
_PEOPLE = (
    ("user",),
    ("account", "person", "member", "employee", "staff", "profile"),
    ("contact", "actor", "customer"),
)
"""What tables of people are called, the likeliest first."""
Rank = tuple[int, int, int, int]
_SHARED = 3
"""Tables that begin with one word before that is taken for a prefix."""


def _stems(name: str) -> set[str]:
    return {same(each.stem) for each in references(name) if each.stem and (each.key or not each.by)}


def _stems_of(table: Table) -> Iterator[tuple[str, ...]]:
    """What is left of a table's columns, each read in the likeliest way."""
    for column in table.columns:
        yield from (each.stem for each in references(column.name)[:1])


@dataclass(frozen=True, slots=True)
class Named:
    """A table that a column's name speaks of."""

    table: Table
    code: str
    """Which of the ways, a code of `weights.POINTS`."""
    reference: Reference
    rest: tuple[str, ...] = ()
    """The words of the column before those that name the table."""


class Names:
    """The tables of a schema, found by what columns call them."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._full: dict[str, list[Table]] = defaultdict(list)
        self._meant: dict[str, list[Table]] = defaultdict(list)
        self._less: dict[str, list[Table]] = defaultdict(list)
        self._tails: dict[str, list[Table]] = defaultdict(list)
        self._long: dict[str, list[tuple[str, Table]]] = defaultdict(list)
        tables = sorted(tables, key=lambda table: (table.schema, table.name, table.oid))
        firsts: dict[str, int] = defaultdict(int)
        for table in tables:
            for first in words(table.name)[:1]:
                firsts[first] += 1
        # `issue_categories` are categories of `issues`, where there are these.
        entities = {same(words(table.name)) for table in tables}
        shared = {first for first, times in firsts.items() if times >= _SHARED and same((first,)) not in entities}
        self._prefixes = shared | TABLE_PREFIXES
        self._modules = self._modules_of(tables, firsts)
        for table in tables:
            self._learn(table, words(table.name))
        self.people = sorted(self._people_of(tables), key=lambda each: each[0])

    @staticmethod
    def _modules_of(tables: Sequence[Table], firsts: Mapping[str, int]) -> set[tuple[str, str]]:
        """The first two words of tables that several have, where all begin with one: `act_re` of `act_re_procdef`."""
        common = max(firsts, key=lambda first: firsts[first], default="")
        rest = [words(table.name)[1:] for table in tables if words(table.name)[:1] == (common,)]
        if len(rest) * 5 < len(tables) * 4 or len(rest) < _SHARED:
            return set()
        entities = set(map(same, rest))
        seconds = Counter(own[0] for own in rest if len(own) > 1 and same(own[:1]) not in entities)
        return {(common, second) for second, times in seconds.items() if times > 1}

    def _people_of(self, tables: Sequence[Table]) -> Iterator[tuple[Rank, Table]]:
        """The tables of people: users, or else those that most columns name, or else the likeliest by their name."""
        named = Counter(name for table in tables for column in table.columns for name in _stems(column.name))
        for table in tables:
            own = words(table.name)
            names = [meant(own), *([same(own[1:])] if len(own) > 1 and own[0] in self._prefixes else [])]
            for group, people in enumerate(_PEOPLE):
                for place, name in enumerate(names):
                    if name in people:
                        yield (group, -named[name] if group else 0, people.index(name), place), table

    def _learn(self, table: Table, own: tuple[str, ...]) -> None:
        if not own:
            return
        self._full[same(own)].append(table)
        self._meant[meant(own)].append(table)
        if len(own) == 1 and len(own[0]) > 4:
            self._long[own[0][0]].append((own[0], table))
        for start in range(1, len(own)):
            # `tax_taxclass` is the class `TaxClass` of Django's application `tax`.
            if start == 1 and (own[0] in self._prefixes or own[1].startswith(own[0])):
                self._less[same(own[1:])].append(table)
            if start == 2 and own[:2] in self._modules:
                self._less[same(own[2:])].append(table)
            self._tails[same(own[start:])].append(table)

    def called(self, some: Sequence[str]) -> list[Table]:
        """The tables of exactly this name, whatever its number and its word breaks."""
        return self._full.get(same(tuple(some)), [])

    def ends_in(self, some: Sequence[str]) -> list[Table]:
        """The tables of this name behind a prefix that several tables have."""
        return self._less.get(same(tuple(some)), [])

    def _less_or_full(self, some: Sequence[str]) -> list[Table]:
        return self.called(some) or self.ends_in(some)

    def is_called(self, table: Table, some: Sequence[str]) -> bool:
        """Whether these words are the table's name, abbreviated or not."""
        return bool(some) and meant(tuple(some)) == meant(words(table.name))

    def of(self, child: Table, name: str, *, trusted: bool = False) -> Iterator[Named]:
        """All tables that a column of this name of `child` may speak of; one table several times, in several ways.

        A `trusted` name speaks of a table even by a common word, as `rev_page` does.
        """
        ways = [reference for reference in references(name) if reference.stem]
        found: list[Named] = []
        for reference in ways:
            last = reference.stem[-1]
            if reference.sure and singular(last) != last and self._ends_like(child, reference.stem):
                # `groups_id` in `glpi_groups` is another one of them; its own key would be `group_id`.
                found.append(Named(child, "self", reference))
            if reference.key or reference.by:
                found += [*self._keyed(child, reference), *self._roles(child, reference)]
            else:
                found += self._bare(child, reference, trusted=trusted)
        yield from found or (self._another_row(child, ways[0]) if ways else [])

    def _bare(self, child: Table, reference: Reference, *, trusted: bool) -> Iterator[Named]:
        """A name without any word for a key: a whole table's, the end of one, or a role."""
        stem = reference.stem
        # `pages` is rather how many there are.
        if stem[-1].endswith("s") and singular(stem[-1]) != stem[-1]:
            return
        # `titles` of a `partner` is what it can have for a `title`, however common that word is.
        common = same(stem) in BARE_STOP
        beside = self._near(child, words(child.name), stem) if common else self._nearest(child, stem)
        yield from (Named(table, "bare_with_context", reference) for table in beside)
        plain = self._plainly(child, reference) if not common else self.called(stem) if trusted else []
        yield from (Named(table, "bare_name", reference) for table in plain)
        if plain or beside:
            return
        if len(stem) > 1 and stem[-1] in DONE:
            yield from (Named(table, "bare_end", reference, stem[-1:]) for table in self._less_or_full(stem[:-1]))
            return
        roles = list(self._roles(child, reference))
        yield from roles
        if not roles and stem[-1] not in BARE_STOP:
            for start in range(1, len(stem)):
                if ends := self._end(child, stem, start, reference):
                    yield from (Named(named.table, "bare_end", reference, named.rest) for named in ends)
                    return

    def _whole(self, child: Table, reference: Reference) -> list[Named]:
        """Tables that all words of the stem name, alone or behind the first ones of the child's own name."""
        stem = reference.stem
        found = [Named(table, "name_of_table", reference) for table in self._full.get(same(stem), ())]
        own = words(child.name)
        for count in range(1, len(own) + 1):
            context = self._meant.get(meant((*own[:count], *stem)), ())
            # What all tables begin with tells nothing of a table's rows, what it alone does may.
            code = "name_with_prefix" if count == 1 and own[0] in self._prefixes else "name_with_context"
            found += [Named(table, code, reference) for table in context if table.oid != child.oid]
        if not found:
            less = self._less.get(same(stem), ())
            # An `object_id` is hardly of `link_objects`, but where its own table is one of links too.
            code = "end_of_table" if same(stem) in VAGUE else "name_without_prefix"
            found = [Named(table, code, reference) for table in less]
        if not found:
            found = [Named(table, "abbreviation", reference) for table in self._meant.get(meant(stem), ())]
        return found

    def _keyed(self, child: Table, reference: Reference) -> list[Named]:
        """A name with a word for a key: the tables that the likeliest way finds that finds any."""
        if reference.glued:
            # `paid` is no `id` of a `pa`.
            if len(reference.stem[-1]) < 3:
                return []
            return [Named(table, "glued", reference, reference.after) for table in self._glued(child, reference)]
        if reference.after:
            return self._with_rest(child, reference, reference.stem, reference.after)
        for way in (self._whole, self._beginning, self._ends, self._with_role, self._tail, self._shortened):
            if found := way(child, reference):
                return found
        return []

    def _plainly(self, child: Table, reference: Reference) -> list[Table]:
        """Tables that all words of the stem name without the words of the child's own name."""
        return [named.table for named in self._whole(child, reference) if named.code != "name_with_context"]

    def _glued(self, child: Table, reference: Reference) -> list[Table]:
        """Tables that a word with a key glued to it names, or a role before it too, as in `targetuserid`."""
        found = self._nearest(child, reference.stem) or self._plainly(child, reference)
        last = reference.stem[-1]
        roles = [role for role in GLUED_ROLES if last.startswith(role) and len(last) >= len(role) + 4]
        role = max(roles, key=len, default="")
        if found or not role:
            return found
        return self._plainly(child, replace(reference, stem=(last[len(role) :],)))

    def _with_role(self, child: Table, reference: Reference) -> list[Named]:
        """`basepricelist_id` is of `pricelists`, and so is `m_warehousesource_id` of `m_warehouse`."""
        *first, last = reference.stem
        found: list[Named] = []
        for role in GLUED_ROLES:
            for rest in (last.removeprefix(role), last.removesuffix(role)):
                if rest != last and len(rest) > 3:
                    found += self._with_rest(child, reference, (*first, rest), (role,))
        return found

    def _with_rest(
        self, child: Table, reference: Reference, stem: tuple[str, ...], rest: tuple[str, ...]
    ) -> list[Named]:
        found = self._whole(child, replace(reference, stem=stem))
        found = [named for named in found if named.code != "name_with_context"] or found
        return [Named(named.table, "end_of_name", reference, rest) for named in found]

    def _beginning(self, child: Table, reference: Reference) -> list[Named]:
        """`id_address_delivery` is one of `addresses`, and so are `address_from_id` and `address_to_id`."""
        stem = reference.stem
        if not reference.first and stem[-1] not in DONE.union(_WAYS):
            return []
        # `fk_product_type` is one of types, and none of products.
        if stem[-1] in BARE_STOP:
            return []
        least = 0 if reference.first else max(0, len(stem) - 2)
        for end in range(len(stem) - 1, least, -1):
            if found := self._with_rest(child, reference, stem[:end], stem[end:]):
                return found
        return []

    def _ends(self, child: Table, reference: Reference) -> list[Named]:
        """Tables that as many of the last words as possible name."""
        for start in range(1, len(reference.stem)):
            if found := self._end(child, reference.stem, start, reference):
                return found
        return []

    def _tail(self, _: Table, reference: Reference) -> list[Named]:
        """Tables whose name ends so, whatever it begins with."""
        return [Named(table, "end_of_table", reference) for table in self._tails.get(same(reference.stem), ())[:4]]

    def _shortened(self, _: Table, reference: Reference) -> list[Named]:
        """Tables whose only word it is without some letters."""
        if len(reference.stem) > 1:
            return []
        short = written_out(reference.stem[0])
        return [
            Named(table, "shortened", reference)
            for long, table in self._long.get(reference.stem[0][0], ())
            if abbreviates(short, written_out(long))
        ]

    def _end(self, child: Table, stem: tuple[str, ...], start: int, reference: Reference) -> list[Named]:
        """Tables that the last words of a stem name, which have to be more than a letter or two.

        Those behind the first words of the child's own name come first: of `forum_categories` a `last_topic_id` is one
        of `forum_topics`.
        """
        key = same(stem[start:])
        if len(key) < 3:
            return []
        rest = stem[:start]
        if near := self._nearest(child, stem[start:], rest):
            return [Named(table, "end_of_name", reference, rest) for table in near]
        # Where there are `shipments`, a `shipment_type_id` is not of the `order_types`.
        other = any(same(rest[first:]) in self._full for first in range(len(rest)))
        for index in (self._full,) if other else (self._full, self._less):
            if found := index.get(key):
                return [Named(table, "end_of_name", reference, rest) for table in found]
        return [Named(table, "end_of_name", reference, rest) for table in self._meant.get(meant(stem[start:]), ())]

    def _near(
        self, child: Table, context: tuple[str, ...], stem: tuple[str, ...], rest: tuple[str, ...] = ()
    ) -> list[Table]:
        """Tables that are called like some words behind others, but for those that have such a column themselves.

        Such a table is one more child, as `list_accounts` that has an `account_id`.
        """
        key = same(stem)
        whole = (*context, *stem)
        return [
            table
            for table in self._full.get(same(whole)) or ([] if key in self._full else self._meant.get(meant(whole), []))
            if (table.oid != child.oid or SELF.intersection(rest))
            and not any(key in _stems(column.name) for column in table.columns if column.number != sole_key(table))
        ]

    def _nearest(self, child: Table, stem: tuple[str, ...], rest: tuple[str, ...] = ()) -> list[Table]:
        """The same behind as many of the first words of the child's own name as possible."""
        own = words(child.name)
        return next((near for end in range(len(own), 0, -1) if (near := self._near(child, own[:end], stem, rest))), [])

    def _roles(self, child: Table, reference: Reference) -> Iterator[Named]:
        """A row of the same table, or somebody, by what it or they do."""
        # `comment_parent` of `wp_comments` is a parent.
        own = {singular(word) for word in words(child.name)[-1:]}
        stem = self._without_own(child, reference.stem)
        core = tuple(word for word in stem if word not in FILLERS)
        core = core or reference.stem
        # `parent_location` of `locations` is a parent; an author before its own name stays one.
        if len(core) > 1 and core[0] in SELF and singular(core[-1]) in own:
            core = core[:-1]
        tail = tuple(word for word in reference.stem if word not in SELF and word not in FILLERS)
        elsewhere = any(table.oid != child.oid for table in self._full.get(same(tail), ())) if tail else False
        people = [table for _, table in self.people]
        chief = core[-1] in CHIEFS
        if (
            (len(core) == 1 and core[0] in SELF and not reference.by and not elsewhere and not self._has_below(child))
            or (core[0] in _SELF_WHOLE and (len(core) == 1 or core[-1] in SELF))
            or (chief and any(table.oid == child.oid for table in people))
        ):
            yield Named(child, "self", reference)
            if reference.stem == ("parent",) and not TREES.intersection(own):
                # The parent of `order_payments` may be an order, and hardly is another payment.
                above = self._full.get(same(words(child.name)[:-1]), ())
                yield from (Named(table, "above", reference) for table in above if table.oid != child.oid)
        elif own & LINKS and self._is_end(core) and sum(map(self._is_end, _stems_of(child))) > 1:
            # Subject and object of a `feature_relationship` are features.
            above = self._full.get(same(words(child.name)[:-1]), ())
            yield from (Named(table, "above", reference) for table in above if table.oid != child.oid)
        elif reference.by or chief or core[-1] in ACTORS or (reference.key and len(core) == 1 and core[0] in DONE):
            yield from self._somebody(child, reference)

    def _ends_like(self, child: Table, stem: tuple[str, ...]) -> bool:
        own = words(child.name)
        return own[-len(stem) :] == stem and all(table.oid == child.oid for table in self.called(stem))

    @staticmethod
    def _has_below(child: Table) -> bool:
        """Whether a table tells of a child beside a parent: then it ties rows of others."""
        return any(stem in (("child",), ("descendant",)) for stem in _stems_of(child))

    @staticmethod
    def _is_end(stem: tuple[str, ...]) -> bool:
        return len(stem) == 1 and stem[0] in ENDS

    @staticmethod
    def _without_own(child: Table, stem: tuple[str, ...]) -> tuple[str, ...]:
        """A stem without the child's own name before it: `product_category_parent` of `product_categories`."""
        own = words(child.name)
        for start in range(len(own)):
            end = len(own) - start
            if end < len(stem) and same(stem[:end]) == same(own[start:]):
                return stem[end:]
        return stem

    @staticmethod
    def _another_row(child: Table, reference: Reference) -> list[Named]:
        """The table itself, of whose rows a column speaks in a word that no table has: `parent_station` of `stops`."""
        first, last = reference.stem[0], reference.stem[-1]
        if len(reference.stem) < 2 or first != "parent" or last in BARE_STOP or reference.by or reference.glued:
            return []
        return [Named(child, "self", reference)]

    def _somebody(self, child: Table, reference: Reference) -> Iterator[Named]:
        near = [each for each in self.people if each[1].schema == child.schema] or self.people
        if near:
            best = near[0][0]
            yield from (Named(table, "actor", reference) for rank, table in near if rank == best)
