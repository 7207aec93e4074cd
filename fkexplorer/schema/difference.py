"""What changed between two readings of a catalogue, as far as foreign keys are concerned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.schema.model import Relationship, Schema, Table


class Change(StrEnum):
    """What happened to a table or an edge."""

    TABLE_ADDED = "table added"
    TABLE_DROPPED = "table dropped"
    TABLE_RENAMED = "table renamed"
    TABLE_ALTERED = "table altered"
    """Its columns, keys, indexes, partitions, privileges or row security."""
    EDGE_ADDED = "foreign key added"
    EDGE_DROPPED = "foreign key dropped"
    EDGE_RENAMED = "foreign key renamed"
    EDGE_ALTERED = "foreign key altered"
    """Its columns, actions, index, or what is known of it, as after VALIDATE CONSTRAINT or DISABLE TRIGGER."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One change."""

    change: Change
    oid: int
    """Of the table, or of the edge's constraint."""
    name: str
    """As it is called now, or was last: `schema.table`, `schema.table.constraint`, quoted as SQL does."""
    before: str | None = None
    """As it was called, where that changed; an altered edge's former state, where that changed."""
    after: str | None = None
    """An altered edge's state now, where that changed."""


def differences(before: Schema, after: Schema) -> tuple[Difference, ...]:
    """All changes, tables first, each kind in the order of the newer schema; sizes and statistics are no change."""
    return (*_of_tables(before, after), *_of_edges(before, after))


def same_question(before: Schema, after: Schema, edge: int) -> bool:
    """Whether a count of this edge, taken of the first schema, still answers for the second one's.

    Names, actions and what PostgreSQL knows of the edge may differ; tables, columns, operators and partitions may not.
    """
    old, new = before.edges.get(edge), after.edges.get(edge)
    if old is None or new is None:
        return False
    ends = ((before.child_of(old), after.child_of(new)), (before.parent_of(old), after.parent_of(new)))
    return _asks(old) == _asks(new) and all(
        (one.oid, one.kind, sorted(one.partitions)) == (two.oid, two.kind, sorted(two.partitions)) for one, two in ends
    )


def _asks(edge: Relationship) -> tuple[object, ...]:
    pairs = tuple(
        (pair.child.number, pair.child.type, pair.parent.number, pair.parent.type, pair.equals, pair.collate)
        for pair in edge.pairs
    )
    return pairs, edge.match, edge.period


def _of_tables(before: Schema, after: Schema) -> Iterator[Difference]:
    for oid, table in before.tables.items():
        if oid not in after.tables:
            yield Difference(Change.TABLE_DROPPED, oid, table_label(table))
    for oid, table in after.tables.items():
        old = before.tables.get(oid)
        label = table_label(table)
        if old is None:
            yield Difference(Change.TABLE_ADDED, oid, label)
        elif table_label(old) != label:
            yield Difference(Change.TABLE_RENAMED, oid, label, before=table_label(old))
        elif _shown(old) != _shown(table):
            yield Difference(Change.TABLE_ALTERED, oid, label)


def _shown(table: Table) -> tuple[object, ...]:
    """All but what a table's size and statistics are."""
    return (
        table.kind,
        table.columns,
        table.keys,
        table.indexes,
        table.persistence,
        sorted(table.partitions),
        table.inherits,
        table.row_security,
        table.row_security_forced,
        table.row_security_active,
        table.owner,
        table.privileges,
        table.comment,
    )


def _of_edges(before: Schema, after: Schema) -> Iterator[Difference]:
    for oid, edge in before.edges.items():
        if oid not in after.edges:
            yield Difference(Change.EDGE_DROPPED, oid, edge_label(before, edge))
    for oid, edge in after.edges.items():
        old = before.edges.get(oid)
        label = edge_label(after, edge)
        if old is None:
            yield Difference(Change.EDGE_ADDED, oid, label)
        elif old.name != edge.name:
            yield Difference(Change.EDGE_RENAMED, oid, label, before=old.name)
        elif old != edge:
            changed = old.state is not edge.state
            yield Difference(
                Change.EDGE_ALTERED,
                oid,
                label,
                before=old.state.value if changed else None,
                after=edge.state.value if changed else None,
            )
