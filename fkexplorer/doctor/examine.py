"""The examination: what all rules start from is gathered, each rule asked, what they found put in order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import clock
from fkexplorer.doctor.cannot import cannot
from fkexplorer.doctor.exam import Exam
from fkexplorer.doctor.hurts import hurts
from fkexplorer.doctor.model import Examination, Severity
from fkexplorer.doctor.unsure import unsure
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.queue import CountQueue
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.doctor.model import Finding
    from fkexplorer.known.model import WrittenRelation
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema

_RULES: tuple[Callable[[Exam], Awaitable[list[Finding]]], ...] = (cannot, unsure, hurts)
_ORDER = {severity: place for place, severity in enumerate(Severity)}
SECONDS = 2.0


async def examine(
    database: Database,
    schema: Schema,
    graph: Graph,
    edges: Sequence[Relationship] | None,
    *,
    max_bytes: int,
    seconds: float = SECONDS,
    counts: Mapping[int, Count] | None = None,
    unbound: Sequence[WrittenRelation] = (),
    told: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Look at foreign keys, and at pairs of columns that could be such, for all that is wrong with them.

    Args:
        database: where to look.
        schema: its schema, with the configured edges and the pairs of `edges` in it.
        graph: the graph of that schema.
        edges: those to be examined; None for all that are declared or configured. A guess is never examined.
        max_bytes: tables up to this size, in bytes, may be read whole; edges up to it are counted.
        seconds: that one look into rows may take, besides the counts.
        counts: orphans as they were counted already, by the edge's OID; what is not among them is counted.
        unbound: relationships of which a table or a column is not in the schema, so that they are no edges.
        told: called with what is being done, in a few words.

    Raises:
        Trouble: the connection is lost (`lost`).
    """
    began, at = time.monotonic(), await clock(database)
    chosen = tuple(
        each for each in (schema.edges.values() if edges is None else edges) if each.kind is not EdgeKind.INFERRED
    )
    known = await _counted(database, schema, chosen, max_bytes=max_bytes, counts=counts or {}, told=told)
    exam = Exam(
        database=database,
        schema=schema,
        graph=graph,
        edges=chosen,
        whole=edges is None,
        counts=known,
        unbound=tuple(unbound),
        max_bytes=max_bytes,
        ms=max(1, round(1000 * seconds)),
        at=at,
    )
    told("looking for what is wrong")
    found = [finding for rule in _RULES for finding in await rule(exam)]
    skipped = [each for each in chosen if known[each.oid].status is Status.SKIPPED]
    return Examination(
        findings=tuple(sorted(found, key=lambda each: _ORDER[each.severity])),
        edges=chosen,
        counts=known,
        not_looked=(*_uncounted(exam), *exam.missed),
        skipped=tuple((edge_label(schema, each), known[each.oid].error or "") for each in skipped),
        at=at,
        seconds=time.monotonic() - began,
    )


def _uncounted(exam: Exam) -> list[tuple[str, str]]:
    """The edges whose orphans are not known; those that can't be compared are a finding."""
    other = {Status.CLEAN, Status.ORPHANS, Status.SKIPPED, Status.INCOMPARABLE}
    return [
        (f"the orphans of {edge_label(exam.schema, each)}", exam.counts[each.oid].error or "")
        for each in exam.edges
        if exam.counts[each.oid].status not in other
    ]


async def _counted(
    database: Database,
    schema: Schema,
    edges: Sequence[Relationship],
    *,
    max_bytes: int,
    counts: Mapping[int, Count],
    told: Callable[[str], None],
) -> dict[int, Count]:
    """A count of each edge: those that are given, and the others counted now."""
    # A count may come without a number since somebody stopped it; nobody does so here.
    found = {each.oid: counts[each.oid] for each in edges if each.oid in counts and _serves(counts[each.oid])}
    wanted = [each.oid for each in edges if each.oid not in found]
    if not wanted:
        return found

    def on_count(count: Count) -> None:
        found[count.edge] = count
        told(f"{len(found)} of {len(edges)} foreign keys counted")

    queue = CountQueue(database, schema, max_bytes=max_bytes, on_start=lambda _: None, on_count=on_count)
    queue.add_all(wanted)
    runner = asyncio.create_task(queue.run())
    try:
        await queue.idle()
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
    return found


def _serves(count: Count) -> bool:
    return count.status is not Status.STOPPED
