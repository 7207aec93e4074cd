"""Why an error could happen, or could not: each cause found or ruled out, with what was looked at, weighed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.causes_deletes import Known, deleted
from fkexplorer.diagnosis.causes_server import ask_server, lock_waits, replication
from fkexplorer.diagnosis.causes_state import state
from fkexplorer.diagnosis.causes_younger import younger
from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.diagnosis.rules import rules
from fkexplorer.diagnosis.totals import involved
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.causes_server import Server
    from fkexplorer.diagnosis.model import Gap, Sighting, Totals, Trace
    from fkexplorer.schema.model import Relationship

_INTEGERS = frozenset({"int2", "int4", "int8"})
_SHOWN = 3
"""Names in one sentence."""


async def causes(case: Case, totals: Sequence[Totals], trace: Trace | None, gap: Gap | None) -> Part:
    """Weigh the causes of a foreign key that was violated.

    Args:
        case: the error.
        totals: the edges that it involves, in numbers.
        trace: where its key lives; None where that is not known.
        gap: the gap that its key is a part of.

    Returns:
        Findings and what is ruled out, the heaviest first; nothing for an error of another kind, or without an edge.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    edge = case.edge
    if edge is None or not _violated(case):
        return Part()
    child, parent = case.schema.child_of(edge), case.schema.parent_of(edge)
    server = await ask_server(case, child, parent)
    missing = case.error.kind is ErrorKind.MISSING_PARENT
    parts = [
        state(case, involved(case), totals),
        rules(case),
        lock_waits(server, child, parent),
        replication(server, parent, missing=missing),
        await younger(case, totals),
    ]
    if missing:
        parts += [_other_schemas(case, edge), _twins(case, gap), _origin(case, edge, trace, gap)]
        if not _there(edge, trace):
            parts.append(deleted(case, server, parent, _known(case, edge, trace, gap)))
        else:
            parts.append(_came_later(case, edge, server))
    return Part(
        _heaviest(each for part in parts for each in part.findings),
        _heaviest(each for part in parts for each in part.ruled_out),
    )


def _violated(case: Case) -> bool:
    """Whether a foreign key was violated, and rows can tell why."""
    error = case.error
    if error.topic is Topic.MATCH_FULL_NULLS:
        return False
    return error.kind in {ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED} or (
        error.topic is Topic.UNKNOWN_DIRECTION
    )


def _heaviest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(sorted(evidence, key=lambda each: -each.weight))


def _of_parent(edge: Relationship, sighting: Sighting) -> bool:
    """Whether it is the key that the edge refers to."""
    return sighting.table == edge.parent and set(sighting.columns) == {pair.parent.number for pair in edge.pairs}


def _there(edge: Relationship, trace: Trace | None) -> bool:
    """Whether the parent is there now."""
    return trace is not None and any(_of_parent(edge, each) for each in trace.holding)


def _telling(case: Case, trace: Trace | None) -> list[Sighting]:
    """Where the key is, but for columns that hold the same integer by chance."""
    edge = case.edge
    if edge is None or trace is None:
        return []
    chance = all((pair.parent.base_type or pair.parent.type).name in _INTEGERS for pair in edge.pairs)
    return [each for each in trace.holding if each.tied or not chance]


def _known(case: Case, edge: Relationship, trace: Trace | None, gap: Gap | None) -> Known:
    left = [
        each
        for each in _telling(case, trace)
        if each.tied
        and any(
            (other.child, other.only) == (each.table, each.only)
            and set(each.columns) == {pair.child.number for pair in other.pairs}
            for other in case.graph.children(edge.parent)
        )
    ]
    return Known(elsewhere=gap is not None, left=left[0].label if left else "")


def _origin(case: Case, edge: Relationship, trace: Trace | None, gap: Gap | None) -> Part:
    """Whether the key comes from outside this database: a trace finds it nowhere."""
    if trace is None or _there(edge, trace):
        return Part()
    found, left_out = _telling(case, trace), len(trace.not_searched)
    searched = f"{trace.searched:,} column{'' if trace.searched == 1 else 's'} searched"
    rest = f" ({left_out} not searched)" if left_out else ""
    if found or gap is not None:
        names = ", ".join(each.label for each in found[:_SHOWN])
        names = names or table_label(case.schema.tables[gap.source] if gap else case.schema.parent_of(edge))
        text = f"The key is known in this database: {names} {'have' if len(found) > 1 else 'has'} it."
        result = f"found in {len(trace.holding)} of {searched}{rest}"
        return Part(ruled_out=(Evidence("from_outside", text, trace.at, "all keys", "", result, weight=38),))
    unread = any(each.table == edge.parent and each.tied for each in trace.not_searched)
    if trace.holding or not trace.searched or unread:
        # The same integer elsewhere, nothing at all, or a parent that may have it: none says where it comes from.
        return Part()
    may, hidden = ("may come", ", or it is where nobody searched") if left_out else ("comes", "")
    text = (
        f"The key was found in 0 of {searched}{rest}: it {may} from outside this database (a session, a cache, another"
        f" database), or every trace of it is deleted{hidden}."
    )
    # What was not searched may hold it.
    weight = 75 if not left_out else 74 if trace.searched > left_out else 60
    return Part((Evidence("from_outside", text, trace.at, "all keys", "", f"0 of {searched}{rest}", weight=weight),))


def _twins(case: Case, gap: Gap | None) -> Part:
    """Whether a trigger keeps the pair in step that the key is missing from."""
    if gap is None or not gap.missing:
        return Part()
    source, target = table_label(case.schema.tables[gap.source]), table_label(case.schema.tables[gap.target])
    query = (
        "SELECT tgname, tgenabled, tgfoid::regproc FROM pg_catalog.pg_trigger"
        f" WHERE tgrelid = {gap.source} AND NOT tgisinternal;"
    )
    lacking = f"{gap.missing:,} of {gap.rows:,}" if gap.rows is not None else f"{gap.missing:,}"
    if gap.trigger:
        text = (
            f"The trigger {gap.trigger} of {source} makes rows of {target}, and yet {lacking} have none: it came later"
            " than they, or a failure of it is swallowed."
        )
        return Part((Evidence("sync_trigger_fails", text, gap.at, source, query, gap.trigger, weight=83),))
    if gap.trigger_off:
        text = f"The trigger {gap.trigger_off} of {source}, which makes rows of {target}, is off: {lacking} have none."
        return Part((Evidence("sync_trigger_off", text, gap.at, source, query, gap.trigger_off, weight=90),))
    text = f"No trigger of {source} makes rows of {target}: whoever inserts the one has to insert the other."
    return Part((Evidence("no_sync_trigger", text, gap.at, source, query, "no trigger", weight=85),))


def _other_schemas(case: Case, edge: Relationship) -> Part:
    """Whether a search_path could have led to another table of the parent's name."""
    parent = case.schema.parent_of(edge)
    others = [each for each in case.schema.tables.values() if each.name == parent.name and each.oid != parent.oid]
    query = (
        "SELECT oid::regclass FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'f') AND relname ="
        f" (SELECT relname FROM pg_catalog.pg_class WHERE oid = {parent.oid});"
    )
    at, label = case.schema.loaded_at, table_label(parent)
    if not others:
        text = f"No other schema has a table of that name: a search_path can't have led past {label}."
        return Part(ruled_out=(Evidence("other_schema", text, at, "pg_class", query, "1 table", weight=18),))
    listed = ", ".join(table_label(each) for each in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    text = (
        f"There {'is' if len(others) == 1 else 'are'} also {listed}{more}: code that reads the parent there by its"
        f" search_path, or that is connected to another database, writes a key that {label} does not have."
    )
    result = f"{len(others) + 1} tables"
    return Part((Evidence("other_schema", text, at, "pg_class", query, result, weight=42),))


def _came_later(case: Case, edge: Relationship, server: Server) -> Part:
    """The parent is there now: it was not seen by the insert, or was not yet there."""
    label = table_label(case.schema.parent_of(edge))
    text = (
        f"The row of {label} is there now: the insert came before the COMMIT that brought it, as where two connections"
        " or two services write one after the other; else the error is of another database."
    )
    return Part((Evidence("parent_came_later", text, server.at, label, weight=88),))
