"""Two columns that no operator compares (42804): which, what a change of type would meet, and the statement for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_pairs
from fkexplorer.diagnosis.asking import Answer, Look, ask
from fkexplorer.diagnosis.cannot_change import LOOK_MS, Change, s
from fkexplorer.diagnosis.cannot_sides import Sides, of_catalogue
from fkexplorer.diagnosis.model import Evidence, Part, Suggestion
from fkexplorer.fixes import sql
from fkexplorer.orphans.casting import misfit
from fkexplorer.schema.names import columns_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Column, Relationship, Table

_CANDIDATES = 3
"""Pairs whose types are told where the text may mean several."""
_GOOD = frozenset({"casts", "no_orphans_after_cast"})
"""What does not stand against a change."""


async def types(case: Case, sides: Sides) -> Part:
    """Both sides' types, and what a change of the one that is off would meet.

    Returns:
        `live` is False where the two can be compared now.

    Raises:
        Trouble: the connection is lost.
    """
    child, parent = sides.child, sides.parent
    if child is None or parent is None or not sides.whole:
        return _candidates(case) or _untold(case, sides)
    part = await conflict(case, sides)
    if part is None:
        text = f"The types agree now: {_typed(child, sides.columns)} and {_typed(parent, sides.parent_columns)}."
        text += " They were changed after the error, or it is of another database."
        return Part((of_catalogue(case, "types_agree", text, weight=100, query=_query(sides)),), live=False)
    return replace(part, suggestions=(*part.suggestions, *_constraint(case, sides)))


async def conflict(ground: Ground, sides: Sides, *, ms: int = LOOK_MS) -> Part | None:
    """Which columns no operator compares, which had better change, and what that would meet.

    Args:
        ground: where to look.
        sides: both of them, whole.
        ms: what one look into the rows may take.

    Returns:
        None where all can be compared.

    Raises:
        Trouble: the connection is lost.
    """
    child, parent = _tables(sides)
    own, other = (child, sides.columns), (parent, sides.parent_columns)
    [edge] = await read_pairs(ground.database, ground.schema, [(own, other, None)])
    off = [(pair.child, pair.parent) for pair in edge.pairs if pair.equals is None]
    if not off:
        return None
    changes = [Change.of(ground, (child, one), (parent, other)) for one, other in off]
    findings = [_differ(ground, sides, off)]
    for change in changes:
        findings.append(change.direction(ground))
        findings.append(await change.uncastable(ground, ms))
        findings += await change.in_the_way(ground)
    if all(change.of_child for change in changes):
        findings += await _orphans(ground, sides, edge, ms)
    return Part(
        tuple(each for each in findings if each.code not in _GOOD),
        tuple(each for each in findings if each.code in _GOOD),
        tuple(change.suggestion() for change in changes),
        live=True,
    )


def _candidates(case: Case) -> Part | None:
    """The types of each pair that the text may mean, where it may mean several; None where it does not."""
    tables, found = case.schema.tables, []
    for guess in case.placed.candidates if len(case.placed.candidates) > 1 else ():
        child, parent = tables.get(guess.child or 0), tables.get(guess.parent or 0)
        if child and parent and guess.child_columns and guess.parent_columns:
            own = [child.column(number) for number in guess.child_columns]
            other = [parent.column(number) for number in guess.parent_columns]
            text = f"If {guess.label} is meant: {_typed(child, own)}, {_typed(parent, other)}."
            query = _query(Sides(child, tuple(own), parent, tuple(other)))
            found.append(of_catalogue(case, "types_of_candidate", text, weight=90, query=query))
    return Part(tuple(found[:_CANDIDATES])) if found else None


def _untold(case: Case, sides: Sides) -> Part:
    """The text does not tell both sides, or one of them is not here."""
    told = case.error.types
    if told is None:
        text = (
            "Two columns have types that no operator compares (42804); the server's DETAIL, which the text does not"
            " have, names them."
        )
        return Part((of_catalogue(case, "types_differ", text, weight=90),))
    names = " and ".join(", ".join(each) for each in (case.error.columns, case.error.parent_columns) if each)
    text = (
        f"{names or 'The two columns'} are of types {told[0]} and {told[1]}, says the text: no operator compares them."
    )
    findings = [of_catalogue(case, "types_differ", text, weight=100, result=f"{told[0]}, {told[1]}")]
    if sides.parent is not None and sides.parent_columns:
        text = f"{_typed(sides.parent, sides.parent_columns)} here: that is what the child has to be."
        findings.append(of_catalogue(case, "parent_type", text, weight=80, query=_query(sides)))
    return Part(tuple(findings))


def _tables(sides: Sides) -> tuple[Table, Table]:
    assert sides.child is not None and sides.parent is not None  # noqa: S101, PT018 - both sides are whole
    return sides.child, sides.parent


def _typed(table: Table, columns: Sequence[Column]) -> str:
    types = ", ".join(column.type_text for column in columns)
    return f"{columns_label(table, columns)} is {types}"


def _query(sides: Sides) -> str:
    """The types as the catalogue has them."""
    ends = [
        f"({table.oid}, {column.number})"
        for table, columns in ((sides.child, sides.columns), (sides.parent, sides.parent_columns))
        for column in (columns if table else ())
        if table is not None
    ]
    return (
        "SELECT attrelid::regclass, attname, pg_catalog.format_type(atttypid, atttypmod)\n"
        f"FROM pg_catalog.pg_attribute WHERE (attrelid, attnum) IN ({', '.join(ends)});"
    )


def _differ(ground: Ground, sides: Sides, off: Sequence[tuple[Column, Column]]) -> Evidence:
    """Which columns no operator compares."""
    child, parent = _tables(sides)
    said = "; ".join(f"{_typed(child, [one])}, {_typed(parent, [other])}" for one, other in off)
    text = f"{said}: no operator compares the two (42804)."
    result = ", ".join(f"{one.type_text} and {other.type_text}" for one, other in off)
    return of_catalogue(ground, "types_differ", text, weight=100, result=result, query=_query(sides))


async def _orphans(ground: Ground, sides: Sides, edge: Relationship, ms: int) -> list[Evidence]:
    """The rows that would have no parent after the change: the next error, 23503."""
    child, parent = _tables(sides)
    found = misfit(ground.schema, edge, ground.database.facts.version_number)
    if found is None:
        return []
    query = f"SELECT pg_catalog.count(*) FROM {sql.source(child, 'c')} WHERE {found.orphan}"
    # Both tables are read: the larger one is what it costs.
    large = max((child, parent), key=lambda table: table.likely_bytes)
    columns = sides.columns if large is child else sides.parent_columns
    answer = await ask(ground, Look(query, large, columns), ms=ms)
    answer = _of_child(answer, child)
    number = answer.number
    if number is None:
        return [answer.unknown(f"How many rows of {table_label(child)} would have no parent after that", weight=55)]
    if not number:
        if answer.as_role:
            return []
        text = f"Of the values that cast, every one has its row in {table_label(parent)}."
        return [answer.evidence("no_orphans_after_cast", text, result="0 orphans", weight=50, number=0)]
    rows = f"{number:,} row{s(number)}"
    text = (
        f"After the change {rows} of {table_label(child)} would still name no row of {table_label(parent)}: the next"
        " error would be 23503."
    )
    return [answer.evidence("orphans_after_cast", text, result=rows, weight=88, number=number)]


def _of_child(answer: Answer, child: Table) -> Answer:
    """The answer as one about the child."""
    return replace(answer, look=replace(answer.look, table=child))


def _constraint(case: Case, sides: Sides) -> list[Suggestion]:
    """The statements that make the constraint once the types agree."""
    child, parent = _tables(sides)
    name = case.error.constraint or "_".join((child.name, *(each.name for each in sides.columns), "fkey"))
    columns = ", ".join(quote(each.name) for each in sides.columns)
    key = ", ".join(quote(each.name) for each in sides.parent_columns)
    table = table_label(child)
    statement = (
        f"ALTER TABLE {table} ADD CONSTRAINT {quote(name)} FOREIGN KEY ({columns}) REFERENCES {table_label(parent)}"
        f" ({key}) NOT VALID;\nALTER TABLE {table} VALIDATE CONSTRAINT {quote(name)};"
    )
    text = "Then make the constraint: NOT VALID first, and have it checked once no orphan is left."
    return [Suggestion(text, sql=statement, weight=80)]
