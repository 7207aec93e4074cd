"""What the screen of a finding makes of it: its line in a list, the key that it is about, where rows hold that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Diagnosis
from fkexplorer.reports.diagnosis import kind_words, seen_words, title
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, fit, inert

if TYPE_CHECKING:
    from fkexplorer.diagnosis.model import Key, Sighting, Trace
    from fkexplorer.diagnosis.reading.model import Found
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


def listed(found: Found, cells: int, *, ascii: bool) -> Line:
    """A finding on one line of that width: which foreign key, how often, what."""
    name = fit(title(Diagnosis(found, None), None), max(20, cells // 2), ascii=ascii)
    said = f"  {exact(found.occurrences):>6}x  {kind_words(found.error)}; {seen_words(found)}"
    return (Span(" " + name, "key"), Span(inert(said, ascii=ascii), "dim"))


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
