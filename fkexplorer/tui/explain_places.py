"""What a diagnosis tells of places: which key it is about, and where rows hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkexplorer.diagnosis.model import Diagnosis, Key, Sighting, Trace
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


def key_of(
    diagnosis: Diagnosis, edge: Relationship | None, schema: Schema | None
) -> tuple[Table, list[Column], Key] | None:
    """The parent's key that an error is about: its table, its columns, and the value of each; None if not known.

    Args:
        diagnosis: of the error.
        edge: the one that it is certain to mean, if it is.
        schema: the catalogue as it is now.
    """
    placed = diagnosis.placed
    guess = placed.candidates[0] if placed is not None and len(placed.candidates) == 1 else None
    if edge is not None:
        oid, numbers = edge.parent, tuple(pair.parent.number for pair in edge.pairs)
    elif guess is not None and guess.parent is not None:
        oid, numbers = guess.parent, guess.parent_columns
    else:
        return None
    value = diagnosis.trace.value if diagnosis.trace is not None else diagnosis.found.error.values
    table = schema.tables.get(oid) if schema is not None else None
    if table is None or not value or len(value) != len(numbers):
        return None
    return table, [table.column(number) for number in numbers], value


def places_of(trace: Trace | None) -> list[Sighting]:
    """Where rows that refer to the key hold it."""
    return [each for each in trace.holding if each.tied and each.role != "parent key"] if trace else []
