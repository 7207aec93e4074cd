"""Guesses of several columns: one table has all columns of another one's key, by name and type."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fkexplorer.inference.drafts import Draft
from fkexplorer.inference.habits import is_generic
from fkexplorer.inference.structure import column_reasons, equality, place_reason
from fkexplorer.inference.vocabulary import KEY_WORDS, SELF
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import meant, references, same, singular, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.inference.keys import Target
    from fkexplorer.inference.world import World
    from fkexplorer.schema.model import Column, Table

_NAMES = frozenset({"name", "code"})
"""Columns of a key that a child calls by the table alone: `city` is the `name` of a city."""
Held = tuple[int, tuple[str, ...], "Column"]
Found = dict[int, dict[tuple[str, ...], "Column"]]


def drafts_of_keys(world: World) -> Iterator[Draft]:
    """All tables that hold a whole key of several columns of another one."""
    by_name = _columns_by_name(world)
    kinds = _kinds(world)
    own = {target.table.oid for target, kind in zip(world.composites, kinds, strict=True) if kind == "whole_key"}
    for target, kind in zip(world.composites, kinds, strict=True):
        if target.table.oid in world.followers or _has_key_inside(world, target):
            continue
        if kind != "whole_key" and not target.primary:
            continue
        parts = [_spellings(world, target, column) for column in target.columns]
        holders = [_holders(by_name, part) for part in parts]
        for oid in sorted(set.intersection(*(set(each) for each in holders))):
            child = world.schema.tables[oid]
            for role, columns in _choices([each[oid] for each in holders]):
                # Another spelling of its own key is none of another row, as `parent_order_id` is.
                if oid == target.table.oid and not SELF.intersection(role):
                    continue
                draft = _draft(world, child, columns, target, kind)
                if draft is not None and not (oid in own and _are_twins(child, target)):
                    yield draft


def _are_twins(child: Table, target: Target) -> bool:
    """Whether two tables have one key, and neither's name is more of the other's: then each could be the parent."""
    key = child.primary_key if child.oid != target.table.oid else None
    names = {child.column(number).name for number in key.columns} if key else set()
    return names == {column.name for column in target.columns} and not set(words(target.table.name)) < set(
        words(child.name)
    )


def _has_key_inside(world: World, target: Target) -> bool:
    """Whether one column of it is a key by itself: then that one is referred to."""
    return any(single.columns[0].number in target.numbers for single in world.singles.get(target.table.oid, ()))


def _kinds(world: World) -> list[str]:
    """What having the whole of each key of several columns says."""
    kinds = [_kind(world, target) for target in world.composites]
    parts = {
        _spelled(words(column.name))
        for target, kind in zip(world.composites, kinds, strict=True)
        if kind == "whole_key"
        for column in target.columns
    }
    # `yearID, teamID, playerID` of `Appearances` are a team's key and a player's: it links them.
    for place, (target, kind) in enumerate(zip(world.composites, kinds, strict=True)):
        names = [world.plain(target.table, column.name) for column in target.columns]
        if kind == "whole_plain_key" and all(
            _spelled(words(name)) in parts or _refers(world, target.table, name) for name in names
        ):
            kinds[place] = "whole_link" if any(_spelled(words(name)) in parts for name in names) else kind
    return kinds


def _kind(world: World, target: Target) -> str:
    """What having the whole key says.

    Much where a part of it is named like its table, little where each part is the key of another.
    """
    plain = [world.plain(target.table, column.name) for column in target.columns]
    own = words(target.table.name)
    ends = {same(own[start:]) for start in range(len(own))}
    if all(_refers(world, target.table, name) for name in plain):
        # A table that only links others has nothing beside its key.
        return "whole_link" if len(target.columns) == len(target.table.columns) else "whole_plain_key"
    for name in plain:
        stems = {same(each.stem) for each in references(name) if each.key}
        if words(name) in (("id",), ("uuid",)) or stems & ends or (target.primary and name.lower() in _NAMES):
            return "whole_key"
    return "whole_plain_key"


def _refers(world: World, table: Table, name: str) -> bool:
    if any(key.table.oid != table.oid for key in world.by_key_name.get("".join(words(name)), ())):
        return True
    return any(
        each.key and each.stem and any(named.oid != table.oid for named in world.named(each.stem))
        for each in references(name)
    )


def _spellings(world: World, target: Target, column: Column) -> list[str]:
    """What a child may call a part of the key, the likeliest first; `order_id` for the `id` of `orders`."""
    names = [words(column.name), words(world.plain(target.table, column.name))]
    own = words(target.table.name)
    found = [_spelled(name) for name in names if not is_generic("_".join(name))]
    if len(names[0]) == 1 and names[0][0] in KEY_WORDS | _NAMES:
        found.append(_spelled((*own[:-1], singular(own[-1]), *names[0])))
        found += [_spelled(own)] if target.primary else []
    return list(dict.fromkeys(found))


def _spelled(some: tuple[str, ...]) -> str:
    """Words without their breaks, abbreviations written out, and one word for all that tell a key."""
    if len(some) > 1 and some[-1] in KEY_WORDS:
        return f"{meant(some[:-1])} key"
    return meant(some)


def _columns_by_name(world: World) -> dict[str, list[Held]]:
    """All columns by the beginnings and ends of their names: OID of the table, the other words, the column."""
    wanted = {
        spelling
        for target in world.composites
        for column in target.columns
        for spelling in _spellings(world, target, column)
    }
    found: dict[str, list[Held]] = defaultdict(list)
    for table in world.tables if wanted else ():
        skip = world.prefixes[table.oid]
        for column in table.columns:
            own = words(column.name)
            ends = [(start, len(own)) for start in range(len(own))]
            for start, end in ends + [(skip, end) for end in range(skip + 1, len(own))]:
                spelling = _spelled(own[start:end])
                if spelling in wanted:
                    rest = (*own[skip:start], *own[end:])
                    found[spelling].append((table.oid, rest, column))
    return found


def _holders(by_name: dict[str, list[Held]], spellings: list[str]) -> Found:
    """By table the columns that may be a part, by the words before its name."""
    found: Found = defaultdict(dict)
    for spelling in spellings:
        for oid, rest, column in by_name.get(spelling, ()):
            # A letter or two is part of another name, as in `c_w_id` of a customer's warehouse.
            if not rest or len("".join(rest)) > 2:
                found[oid].setdefault(rest, column)
    return found


def _choices(parts: list[dict[tuple[str, ...], Column]]) -> Iterator[tuple[tuple[str, ...], tuple[Column, ...]]]:
    """The ways to choose a column for each part, with the role that all have, or those that have no plain name."""
    seen: set[tuple[int, ...]] = set()
    for role in sorted({role for part in parts for role in part}):
        chosen = [part.get(role) or part.get(()) for part in parts]
        columns = tuple(column for column in chosen if column is not None)
        numbers = tuple(column.number for column in columns)
        if len(columns) == len(parts) == len(set(numbers)) and numbers not in seen:
            seen.add(numbers)
            yield role, columns


def _draft(world: World, child: Table, columns: tuple[Column, ...], target: Target, kind: str) -> Draft | None:
    numbers = tuple(column.number for column in columns)
    parent = target.table
    if child.oid == parent.oid and set(numbers) & set(target.numbers) == set(target.numbers):
        return None
    own = child.primary_key
    # A table that has its parent's key in its own is its child; of two of one key neither is unless its name says so.
    if own and (set(own.columns) < set(numbers) or (kind != "whole_key" and set(own.columns) == set(numbers))):
        return None
    pairs = list(zip(columns, target.columns, strict=True))
    if any(equality(world.evidence, one, other) is None for one, other in pairs):
        return None
    names = ", ".join(column.name for column in target.columns)
    draft = Draft(child, columns, target, [reason(kind, f"the whole key of {parent.name}: {names}")])
    if all((one.base_type or one.type) == (other.base_type or other.type) for one, other in pairs):
        draft.add(reason("same_type", "same types"))
    else:
        draft.add(reason("comparable", "types that compare"))
    draft.add(place_reason(child, parent, world.times_named, kind), *column_reasons(child, numbers))
    return draft
