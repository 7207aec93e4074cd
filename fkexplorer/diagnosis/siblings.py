"""The other foreign keys of the refused row: PostgreSQL names only the first that fails; the next would fail then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import ask, clock
from fkexplorer.diagnosis.keyed import edge_text, parent_look
from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.refused import refused_row
from fkexplorer.orphans.outcome import incomparable
from fkexplorer.orphans.predicate import Incomparable
from fkexplorer.schema.model import EdgeKind, Match
from fkexplorer.schema.names import find_tables, qualified, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Relationship, Table

_EDGES = 20
"""Foreign keys of one row that are looked at, each of which is a statement."""


async def siblings(case: Case) -> Part:
    """Look for the parent of each other foreign key of the refused row.

    Returns:
        Nothing where the text does not tell the row, or its table has no other foreign key.

    Raises:
        Trouble: the connection is lost.
    """
    table = _table(case)
    values = refused_row(case, table) if table else None
    if table is None or values is None:
        return Part()
    own = case.edge.oid if case.edge else None
    edges = [edge for edge in case.graph.parents(table.oid) if edge.oid != own and edge.kind is EdgeKind.DECLARED]
    if not edges:
        return Part()
    findings: list[Evidence] = []
    ruled_out: list[Evidence] = []
    at = await clock(case.database)
    for edge in edges[:_EDGES]:
        evidence = _untold(case, edge, values, at) or await _looked(case, edge, values)
        (ruled_out if evidence.code in {"other_key_present", "other_key_null"} else findings).append(evidence)
    if rest := edges[_EDGES:]:
        text = f"{len(rest)} more foreign keys of {table_label(table)} were not looked at: {_names(rest)}."
        findings.append(Evidence("other_key_unknown", text, at, table_label(table), weight=20))
    return Part(tuple(findings), tuple(ruled_out))


def _table(case: Case) -> Table | None:
    """The table of the refused row."""
    if case.edge is not None:
        return case.schema.child_of(case.edge)
    if case.row is None:
        return None
    label = qualified(case.row.schema, case.row.table) if case.row.schema else quote(case.row.table)
    found = find_tables(case.schema, label)
    return found[0] if len(found) == 1 else None


def _untold(case: Case, edge: Relationship, values: Mapping[str, str | None], at: datetime) -> Evidence | None:
    """What the row's own values say, so that there is no parent to look for; None where there is."""
    label = quote(edge.name)
    columns = [pair.child for pair in edge.pairs]
    untold = [quote(column.name) for column in columns if column.name not in values]
    of_child = table_label(case.schema.child_of(edge))

    def evidence(code: str, text: str, weight: int) -> Evidence:
        return Evidence(code, text, at, "the refused row", edge=edge.oid, weight=weight)

    nulls = [column.name for column in columns if values.get(column.name, "") is None]
    if nulls and edge.match is Match.SIMPLE:
        text = f"{label} lets the row pass: {', '.join(map(quote, nulls))} is NULL."
        return evidence("other_key_null", text, 20)
    if untold:
        text = f"{label}: the text does not tell {', '.join(untold)} of {of_child}, so that it was not looked at."
        return evidence("other_key_unknown", text, 20)
    key = [values[column.name] for column in columns]
    if nulls:
        if len(nulls) == len(columns):
            return evidence("other_key_null", f"{label} lets the row pass: all of its key is NULL.", 20)
        text = f"{label} refuses the row too: it is MATCH FULL, and {', '.join(map(quote, nulls))} alone is NULL."
        return evidence("other_key_missing", text, 85)
    if edge.self_referencing and key == [values.get(pair.parent.name) for pair in edge.pairs]:
        shown = edge_text(edge, tuple(key), of_parent=False)
        text = f"{label}: the row refers to itself ({shown}), and brings its own parent."
        return evidence("other_key_present", text, 20)
    return None


async def _looked(case: Case, edge: Relationship, values: Mapping[str, str | None]) -> Evidence:
    """Whether the parent is there."""
    label, table = quote(edge.name), table_label(case.schema.parent_of(edge))
    key = tuple(values[pair.child.name] for pair in edge.pairs)
    shown = edge_text(edge, key, of_parent=True)
    try:
        answer = await ask(case, parent_look(case.schema, edge, key))
    except Incomparable:
        text = f"{label}: whether {table} has {shown} can't be asked: {incomparable(edge).error}."
        return Evidence("other_key_unknown", text, await clock(case.database), table, edge=edge.oid, weight=30)
    number = answer.number
    if number:
        text = f"{label} is fine: {table} has {shown}."
        return answer.evidence("other_key_present", text, result="1 row", weight=50, edge=edge.oid)
    if number == 0 and not answer.as_role:
        text = f"{label} would refuse the row next: {table} has no row with {shown}."
        return answer.evidence("other_key_missing", text, result="0 rows", weight=85, edge=edge.oid)
    reason = answer.reason or "row security hides rows from this role"
    text = f"{label}: whether {table} has {shown} is not known: {reason}."
    return answer.evidence("other_key_unknown", text, result=answer.code.replace("_", " "), weight=30, edge=edge.oid)


def _names(edges: list[Relationship]) -> str:
    return ", ".join(quote(edge.name) for edge in edges)
