"""That a foreign-key error is no duplicate: 23503 is often taken for 23505, and mended as such in vain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import ask, clock
from fkexplorer.diagnosis.keyed import MOST, count_text, equality, key_text, rows_look
from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.refused import refused_row
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Column, Operator, Relationship, Table

_NO_DUPLICATE = "23503 is no duplicate (that would be 23505), and ON CONFLICT does not absorb it"


async def not_a_duplicate(case: Case, edge: Relationship) -> Part:
    """Whether the refused row is there already, by each unique key that the text tells.

    Raises:
        Trouble: the connection is lost.
    """
    table = case.schema.child_of(edge)
    values = refused_row(case, table)
    told = {name for name, text in (values or {}).items() if text is not None}
    unique = _keys(table, edge, told)
    keys = unique or _references(case, table, told)
    if values is None or not keys:
        why = "the text does not tell the row" if values is None else "the text tells no unique key of the row"
        text = f"{_NO_DUPLICATE}; {why}, so that it was not looked for."
        return Part(ruled_out=(Evidence("no_duplicate", text, await clock(case.database), "the error", weight=40),))
    findings, ruled_out = [], []
    for columns, by in keys:
        given = tuple(values[column.name] for column in columns)
        answer = await ask(case, rows_look(table, columns, given, by, MOST + 1))
        key = key_text(columns, given)
        number = answer.number
        if number is None or (number == 0 and answer.as_role):
            text = f"{_NO_DUPLICATE}. Whether {table_label(table)} has {key} already is not known"
            reason = answer.reason or "row security hides rows from this role"
            ruled_out.append(answer.evidence("no_duplicate", f"{text}: {reason}.", weight=40))
        elif number:
            why = "with its parent, the insert would be refused as a duplicate"
            if not unique:
                why = f"{count_text(number)}, which no unique key keeps out"
            text = f"{table_label(table)} has {key} already: {why}."
            findings.append(answer.evidence("duplicate_exists", text, result=count_text(number), weight=50))
        else:
            text = f"{_NO_DUPLICATE}. {table_label(table)} has no row with {key}."
            ruled_out.append(answer.evidence("no_duplicate", text, result="0 rows", weight=40))
    return Part(tuple(findings), tuple(ruled_out))


def _references(case: Case, table: Table, told: set[str]) -> list[tuple[list[Column], list[Operator]]]:
    """All that the row refers to, together: where no unique key is told, that makes it the same as another.

    What tells the kind of a reference is a part of it.
    """
    pairs = {
        pair.child.name: pair
        for edge in case.graph.parents(table.oid)
        for pair in edge.pairs
        if pair.child.name in told and pair.equals is not None
    }
    if len(pairs) < 2:
        return []
    own = {pair.child.number: (pair.child, equality(table, pair.child, pair)) for pair in pairs.values()}
    for only in {edge.only for edge in case.graph.parents(table.oid) if edge.only}:
        if only.column.name in told:
            own.setdefault(only.column.number, (only.column, equality(table, only.column)))
    columns, by = zip(*(own[number] for number in sorted(own)), strict=True)
    return [(list(columns), list(by))]


def _keys(table: Table, edge: Relationship, told: set[str]) -> list[tuple[list[Column], list[Operator]]]:
    """The unique keys all of whose columns are told, but those that are made up for each row.

    Such have a default or an identity; so does, most often, a primary key of one column that refers to nothing: it is
    looked for where there is no other.
    """
    foreign = {pair.child.number for pair in edge.pairs}
    columns = {column.number: column for column in table.columns}
    found: dict[tuple[int, ...], tuple[list[Column], list[Operator]]] = {}
    rest: list[tuple[list[Column], list[Operator]]] = []
    for index in table.indexes:
        numbers = tuple(part.number for part in index.columns)
        if not index.unique or not index.valid or index.partial or index.has_expressions:
            continue
        own = [columns[number] for number in numbers]
        by = [part.equal or equality(table, column) for part, column in zip(index.columns, own, strict=True)]
        made_up = all(column.has_default or column.identity or column.generated for column in own)
        if made_up or not {column.name for column in own} <= told:
            continue
        if index.primary and len(own) == 1 and not foreign.intersection(numbers):
            rest.append((own, by))
        else:
            found.setdefault(numbers, (own, by))
    return list(found.values()) or rest
