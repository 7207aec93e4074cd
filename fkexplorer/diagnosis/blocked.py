"""A parent that could not go: whether it is there now, and which children refer to it still."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import ask
from fkexplorer.diagnosis.keyed import (
    child_text,
    children_look,
    count_text,
    edge_text,
    equality,
    rows_look,
    secrets,
    sides,
)
from fkexplorer.diagnosis.looked import Looked, fitting
from fkexplorer.diagnosis.model import Part, Side
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Evidence, Key
    from fkexplorer.schema.model import Relationship


async def still_referenced(case: Case, edge: Relationship, keys: list[Key]) -> Part:
    """Look for the parent, and for what refers to it, by each of these keys of the parent.

    Raises:
        Incomparable: no operator compares the two sides.
        Trouble: the connection is lost.
    """
    columns, others = sides(edge, of_parent=True)
    table = case.schema.parent_of(edge)
    by = [equality(table, pair.parent, pair) for pair in edge.pairs]
    looked = []
    for key in keys:
        parent = await ask(case, replace(rows_look(table, columns, key, by), secrets=secrets(columns, key, others)))
        child = None if parent.code == "not_of_type" else await ask(case, children_look(case.schema, edge, key))
        looked.append(Looked(key, parent, child))
    findings, possible = fitting(edge, looked, of_parent=True)
    ruled_out = []
    lives = set()
    for each in possible:
        findings += _row_there(case, edge, each)
        found, without = _referring(case, edge, each)
        findings += found
        ruled_out += without
        told = (each.parent_there, None if each.children is None else each.children > 0)
        lives.add(False if False in told else None if None in told else True)
    live = lives.pop() if len(lives) == 1 else None
    return Part(tuple(findings), tuple(ruled_out), live=live, side=Side.CHILD if live else None)


def _row_there(case: Case, edge: Relationship, looked: Looked) -> list[Evidence]:
    """Whether the parent's row, which was to be deleted, is there."""
    answer, table = looked.parent, table_label(case.schema.parent_of(edge))
    key = edge_text(edge, looked.key, of_parent=True)
    if looked.parent_there is None:
        return [answer.unknown(f"Whether {table} still has {key}", weight=90)]
    result = count_text(answer.number or 0)
    if looked.parent_there:
        return [answer.evidence("parent_there", f"{table} still has the row with {key}.", result=result, weight=70)]
    text = f"{table} has no row with {key} any more: it was deleted, or changed, after the error."
    return [answer.evidence("parent_gone", text, result=result, weight=100)]


def _referring(case: Case, edge: Relationship, looked: Looked) -> tuple[list[Evidence], list[Evidence]]:
    """Which children refer to it: a finding, or what that rules out."""
    answer, table = looked.child, child_text(case.schema, edge)
    if answer is None:
        return [], []
    key = edge_text(edge, looked.key, of_parent=True)
    number = looked.children
    if number is None:
        return [answer.unknown(f"Whether rows of {table} refer to {key}", weight=100)], []
    if number == 0:
        text = f"No row of {table} refers to {key} any more."
        return [], [answer.evidence("no_longer_referenced", text, result="0 rows", weight=100)]
    rows = count_text(number)
    text = f"{rows[0].upper()}{rows[1:]} of {table} refer{'s' if number == 1 else ''} to {key}."
    return [answer.evidence("still_referenced", text, result=rows, weight=100)], []
