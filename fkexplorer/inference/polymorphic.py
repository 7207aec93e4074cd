"""Columns that refer to one table or another, as a column beside them tells: one conditional edge for each table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.inference.choosing import key_meant
from fkexplorer.inference.drafts import Draft
from fkexplorer.inference.keys import under_domain
from fkexplorer.inference.model import Lonely
from fkexplorer.inference.structure import column_reasons, equality, place_reason, types_reason
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import Reference, references, same, words
from fkexplorer.schema.model import Condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.inference.world import World
    from fkexplorer.schema.model import Column, Table

_TYPE_WORDS = frozenset(["type", "kind", "class", "model", "table", "entity"])
_GLUED_TYPE = 6
"""Letters of a word that may have a type at its end, as `itemtype` beside `items_id`."""
_DJANGO = ("content", "type")
_DJANGO_STEM = ("object",)


@dataclass(slots=True)
class Polymorphic:
    """What the polymorphic pairs of one table give."""

    columns: set[int] = field(default_factory=set)
    """Numbers of the columns that are no plain reference."""
    drafts: list[Draft] = field(default_factory=list)
    lonely: list[Lonely] = field(default_factory=list)


def polymorphic_of(world: World, table: Table, candidates: list[Column]) -> Polymorphic:
    """The polymorphic pairs among the candidate columns of a table, each with its conditional edges.

    `account_type` beside `account_id` is none where there are `accounts`, unless its values name tables.
    """
    found = Polymorphic()
    taken = {column.number for column in candidates}
    for column, kind, stem in polymorphic_pairs(table):
        if column.number not in taken:
            continue
        # A number is not the name of a table, but Django's for one.
        django = kind.category == "N"
        values = world.evidence.kinds.get((table.oid, kind.number), ())
        named = {value: tables for value in values if (tables := _tables_of(world, table, value, django=django))}
        own = world.names.called(stem)
        if own and len(named) * 2 < max(len(values), 1):
            continue
        for value, parents in sorted(named.items()):
            for parent in parents:
                draft = _draft(world, table, column, Condition(kind, value), parent)
                found.drafts += [draft] if draft else []
        if named or django or stem[-1].endswith("able"):
            found.columns.add(column.number)
        if not named and (django or not own):
            said = "whose values name no table here" if values else "whose values are not known"
            found.lonely.append(Lonely(table.oid, (column.number,), f"its table is told by {kind.name}, {said}"))
    return found


def polymorphic_pairs(table: Table) -> Iterator[tuple[Column, Column, tuple[str, ...]]]:
    """Columns that may refer to what a type column beside them tells: both, and the words that they share.

    `owner_id` and `owner_type`, a text or an enum, or Django's `object_id` and `content_type_id`.
    """
    for kind in table.columns:
        own = words(kind.name)
        stem: tuple[str, ...] = ()
        if own in (_DJANGO, (*_DJANGO, "id")) and under_domain(kind).name in ("int2", "int4", "int8"):
            stem = _DJANGO_STEM
        elif own[-1:] and own[-1] in _TYPE_WORDS and kind.category in "SE":
            stem = own[:-1]
        elif kind.category in "SE" and own[-1:] and own[-1].endswith("type") and len(own[-1]) > _GLUED_TYPE:
            stem = (*own[:-1], own[-1].removesuffix("type"))
        found = (each for each in table.columns if stem and each.number != kind.number and _is_key_of(each, stem))
        for column in found:
            yield column, kind, stem
            break


def _is_key_of(column: Column, stem: tuple[str, ...]) -> bool:
    # `assigned_to` beside `assigned_type` is one too.
    return words(column.name) == (*stem, "to") or any(
        each.key and not each.first and same(each.stem) == same(stem) for each in references(column.name)
    )


def _tables_of(world: World, child: Table, value: str, *, django: bool) -> list[Table]:
    r"""The tables that a value names: `Post`, `App\Models\Post`, `Admin::User`, `blog.post`; those near the child."""
    if django:
        value = world.evidence.content_types.get(value, "")
    parts = [words(part) for part in re.split(r"[^\w$-]+", value) if words(part)]
    if not parts:
        return []
    whole = tuple(word for part in parts for word in part)
    # `blog.post` and `Admin::User` are mostly tables `blog_post` and `admin_users`, `App\Models\Post` never is.
    found = next(
        (
            tables
            for tables in (
                world.names.called(whole),
                world.names.called(whole[-2:]) if len(parts) > 1 else [],
                world.names.called(parts[-1]),
                world.names.ends_in(parts[-1]),
            )
            if tables
        ),
        [],
    )
    return [table for table in found if table.schema == child.schema] or found


def _draft(world: World, table: Table, column: Column, only: Condition, parent: Table) -> Draft | None:
    target = key_meant(world, parent, column, Reference(words(parent.name), "id"))
    if target is None or not target.primary:
        return None
    key = target.columns[0]
    value = only.value if len(only.value) <= 40 else only.value[:39] + "…"
    why = reason("kind", f"{only.column.name} says {value}, named like {parent.name}")
    draft = Draft(table, (column,), target, [why], only)
    draft.add(types_reason(equality(world.evidence, column, key), column, key))
    draft.add(place_reason(table, parent, world.times_named, "kind"))
    draft.add(*column_reasons(table, (column.number,)))
    return draft
