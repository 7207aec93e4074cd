"""What the ON DELETE rules on the way to a parent do to each other: how it can go unseen, or a delete be stopped."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.fixes import sql
from fkexplorer.schema.model import Action, EdgeKind
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Relationship, Table

_STOPPING = frozenset({Action.NO_ACTION, Action.RESTRICT})
_SHOWN = 3
"""Constraints that are named in one sentence."""
_PLURALS = {"goes on": "go on", "stops": "stop"}


def stopping(edge: Relationship) -> bool:
    """Whether the constraint refuses a delete of a parent, in place of doing something to the child."""
    return edge.on_delete in _STOPPING


def referring(case: Case, parent: Table) -> list[Relationship]:
    """The enforced foreign keys to a table."""
    return [each for each in case.graph.children(parent.oid) if each.kind is EdgeKind.DECLARED and each.enforced]


def rules(case: Case) -> Part:
    """Whether the rules of all that refers to the edge's parent agree, and what deletes its rows from above.

    Returns:
        `rules_disagree` and `cascade_from_above`, each found or ruled out, as of the catalogue's reading.
    """
    if case.edge is None:
        return Part()
    parent = case.schema.parent_of(case.edge)
    edges = referring(case, parent)
    found = [_disagreement(case, parent, edges)] if disagree(edges) else []
    ruled_out = [_agreement(case, parent, edges)] if edges and not found else []
    above = _above(case, parent)
    if above:
        said = "; ".join(
            f"{table_label(case.schema.child_of(each))} with {table_label(case.schema.parent_of(each))}"
            f" ({quote(each.name)})"
            for each in above[:_SHOWN]
        )
        text = f"Rows of {table_label(parent)} go by ON DELETE CASCADE too, without being named in a DELETE: {said}."
        found.append(_evidence(case, parent, "cascade_from_above", text, f"{len(above)}", "conrelid", 58))
    elif case.error.kind is ErrorKind.MISSING_PARENT:
        text = f"No ON DELETE CASCADE deletes rows of {table_label(parent)}: nothing takes them along."
        ruled_out.append(_evidence(case, parent, "cascade_from_above", text, "0", "conrelid", 15))
    return Part(tuple(found), tuple(ruled_out))


def disagree(edges: Sequence[Relationship]) -> bool:
    """Whether a delete of a parent goes on by one of these constraints and is stopped by another."""
    return len({stopping(each) for each in edges}) == 2


def _disagreement(case: Case, parent: Table, edges: Sequence[Relationship]) -> Evidence:
    on = [each for each in edges if not stopping(each)]
    stop = [each for each in edges if stopping(each)]
    # The error's own first, since it is the one that is known.
    own = [each for each in stop if case.edge and each.oid == case.edge.oid]
    stop = [*own, *(each for each in stop if each not in own)]
    text = f"ON DELETE disagrees about {table_label(parent)}: {named(on, 'goes on')}; {named(stop, 'stops')}."
    tables = _tables(case, on)
    if case.error.kind is ErrorKind.STILL_REFERENCED:
        text += f" A delete there would go on into {tables}, and is refused as a whole."
    else:
        text += (
            f" A delete there goes on into {tables}, and nothing stops it while no row of"
            f" {_tables(case, stop[:1])} refers to it yet."
        )
    result = f"{_counted(on, 'goes on')}, {_counted(stop, 'stops')}"
    return _evidence(case, parent, "rules_disagree", text, result, "confrelid", 70)


def _agreement(case: Case, parent: Table, edges: Sequence[Relationship]) -> Evidence:
    label = table_label(parent)
    names = {each.on_delete.value.upper() for each in edges}
    if len(edges) == 1:
        text = f"No two ON DELETE rules disagree: only {quote(edges[0].name)} ({min(names)}) refers to {label}."
    elif len(names) == 1:
        every = "both" if len(edges) == 2 else f"all {len(edges)}"
        text = f"No two ON DELETE rules disagree: {every} constraints that refer to {label} are {min(names)}."
    else:
        does = "stops" if stopping(edges[0]) else "goes on with"
        text = f"No two ON DELETE rules disagree: each of the {len(edges)} that refer to {label} {does} a delete."
    return _evidence(case, parent, "rules_disagree", text, ", ".join(sorted(names)), "confrelid", 30)


def named(edges: Sequence[Relationship], does: str) -> str:
    """Some of these with their rules, and how many more do the same: `goes on` or `stops`."""
    listed = ", ".join(f"{quote(each.name)} is {each.on_delete.value.upper()}" for each in edges[:_SHOWN])
    more = edges[_SHOWN:]
    return f"{listed} and {_counted(more, does, 'more ')}" if more else listed


def _counted(edges: Sequence[Relationship], does: str, more: str = "") -> str:
    """`1 goes on`, `2 more stop`."""
    return f"{len(edges)} {more}{does if len(edges) == 1 else _PLURALS[does]}"


def _tables(case: Case, edges: Sequence[Relationship]) -> str:
    labels = list(dict.fromkeys(table_label(case.schema.child_of(each)) for each in edges))
    listed = ", ".join(labels[:_SHOWN])
    return f"{listed} and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else listed


def _above(case: Case, parent: Table) -> list[Relationship]:
    """The cascades that end in this table, the nearest first."""
    found: list[Relationship] = []
    seen, queue = {parent.oid}, deque([parent.oid])
    while queue:
        for edge in case.graph.parents(queue.popleft()):
            cascades = edge.on_delete is Action.CASCADE and edge.kind is EdgeKind.DECLARED and edge.enforced
            if cascades and not edge.self_referencing:
                found.append(edge)
                if edge.parent not in seen:
                    seen.add(edge.parent)
                    queue.append(edge.parent)
    return found


def _evidence(case: Case, parent: Table, code: str, text: str, result: str, side: str, weight: int) -> Evidence:  # noqa: PLR0917 - what an evidence is made of
    """Evidence of the constraints that have this table on that side of theirs."""
    query = (
        "SELECT conrelid::regclass, confrelid::regclass, conname, confdeltype FROM pg_catalog.pg_constraint\n"
        f" WHERE contype = 'f' AND conparentid = 0 AND {side} = {sql.literal(sql.table_name(parent))}::regclass;"
    )
    return Evidence(code, text, case.schema.loaded_at, "pg_constraint", query, result, weight=weight)
