"""Counts several edges of one child in one scan of it: integers without an index, each against its own parent.

Five such keys of 20 million rows take 1.8 times a scan together where the parents have no holes, and five times as
much one after the other. What a scan alone does not tell, as a join for each, is not for here: 9 to 75 times a scan.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, or_, select, true
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Lane, backend_of
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.orphans.attempts import attempts
from fkexplorer.orphans.cost import candidates
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.course import Course
from fkexplorer.orphans.long import count_orphans
from fkexplorer.orphans.model import Status, Way
from fkexplorer.orphans.outcome import at_least, counted, refused, without_number
from fkexplorer.orphans.predicate import EdgePredicate, relation, taken_at
from fkexplorer.orphans.slices import CutShort, Pace, by_blocks, by_rows, run_pieces
from fkexplorer.orphans.watchdog import InTheWay, stepping_aside
from fkexplorer.orphans.ways.choice import counting
from fkexplorer.orphans.ways.keys import integers, ordered_pairs
from fkexplorer.orphans.ways.way import PLACES_SINCE, Scanning, block_range, marked_rows
from fkexplorer.schema.keys import is_one_to_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, FromClause, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.cost import Candidate
    from fkexplorer.orphans.model import Count, Progress
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.schema.model import Relationship, Schema

_WORTH_MS = 20.0
"""An edge that takes less is counted sooner by itself, in a window of many."""
_MOST = 8
"""Edges of one scan: as many bitmaps, of 16 MiB each at most, are in the server's memory at once."""


def together(schema: Schema, edges: Iterable[Relationship]) -> list[list[Relationship]]:
    """Which of these edges to count in one scan: groups of two or more, with one child each.

    An edge qualifies whose key is an integer without an index, and that needs nothing but its orphans counted.
    """
    by_child: dict[int, list[Relationship]] = {}
    for edge in edges:
        if not integers(edge) or ordered_pairs(schema, edge) or is_one_to_one(schema.child_of(edge), edge):
            continue
        best = _by_scan(schema, edge)
        if best is not None and best.ms >= _WORTH_MS:
            by_child.setdefault(edge.child, []).append(edge)
    groups = [found[at : at + _MOST] for found in by_child.values() for at in range(0, len(found), _MOST)]
    return [group for group in groups if len(group) > 1]


def _by_scan(schema: Schema, edge: Relationship) -> Candidate | None:
    """The cheapest of the ways that test each row by itself: a join may be cheaper, but for one edge alone."""
    return next((each for each in candidates(schema, edge) if each.way in {Way.BITMAP, Way.RANGE}), None)


async def count_together(
    database: Database,
    schema: Schema,
    edges: Sequence[Relationship],
    *,
    timeout_seconds: float = 30.0,
    snapshot_seconds: float = 300.0,
    eager: bool = False,
    trust_catalogue: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Count]:
    """Count the orphans of one of the groups of `together`, in one snapshot.

    Args:
        database: where to count.
        schema: the schema that the edges are of.
        edges: of one child.
        timeout_seconds: as for `count_edge`, like the others; they hold for all edges together.
        snapshot_seconds: for how long the snapshot may be held.
        eager: whether it never rests.
        trust_catalogue: whether an edge that the server would refuse, going by the catalogue, is left out of it.
        on_progress: called with the progress of each edge.

    Returns:
        A count for each edge, in their order.

    Raises:
        Trouble: the connection is lost (code `lost`) or could not be made again.
    """
    user = database.facts.user
    refusals = {edge.oid: refusal for edge in edges if trust_catalogue and (refusal := refused(schema, edge, user))}
    wanted = [edge for edge in edges if edge.oid not in refusals]
    if len(wanted) > 1:
        scan = _Scan(database, schema, wanted, on_progress)
        counts = await scan.counts(Pace(timeout_seconds, snapshot_seconds, eager))
        if counts is not None:
            return [refusals.get(edge.oid) or counts[edge.oid] for edge in edges]
    # One is left; or one of them is at fault, and each by itself will tell which.
    return [
        refusals.get(edge.oid)
        or await count_edge(
            database,
            schema,
            edge,
            timeout_seconds=timeout_seconds,
            snapshot_seconds=snapshot_seconds,
            eager=eager,
            trust_catalogue=trust_catalogue,
            on_progress=on_progress,
        )
        for edge in edges
    ]


class _Scan:
    """One scan of a child for the keys of several edges."""

    def __init__(
        self,
        database: Database,
        schema: Schema,
        edges: Sequence[Relationship],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._database = database
        self._schema = schema
        self._edges = edges
        self._child = schema.child_of(edges[0])
        self._version = database.facts.version_number
        self._courses = [Course(edge.oid, on_progress) for edge in edges]
        shared = relation(self._child, "c", [edge.pairs[0].child for edge in edges])
        self._predicates = [EdgePredicate(schema, edge, child=shared) for edge in edges]
        self._ways = self._ways_of(self._predicates)

    def _ways_of(self, predicates: Sequence[EdgePredicate]) -> list[Scanning]:
        """Those of one parent share what they know of it: `created_by` and `updated_by` most often refer to one key."""
        ways: list[Scanning] = []
        known: dict[object, Scanning] = {}
        for predicate in predicates:
            edge = predicate.edge
            [pair] = edge.pairs
            best = _by_scan(self._schema, edge)
            assert best is not None  # noqa: S101 - see `together`
            parent = edge.parent, pair.parent.number, pair.parent_cast, best.way
            if parent not in known:
                made = counting(best.way, self._schema, predicate, self._version)
                assert isinstance(made, Scanning)  # noqa: S101 - as those two are
                known[parent] = made
            ways.append(known[parent].of_column(predicate))
        return ways

    async def counts(self, pace: Pace) -> dict[int, Count] | None:
        """The counts by edge; None where the server refused the statement for the sake of one of them."""

        async def count(watch: Watch) -> dict[int, Count]:
            pace.begin()
            limits = Limits(statement_timeout_ms=max(1, round(pace.work_seconds * 1000)))
            async with self._database.read(limits, snapshot=True, lane=Lane.COUNTS) as connection:
                watch.pid = backend_of(connection)
                return await self._counted(connection, pace, watch)

        try:
            return await stepping_aside(self._database, count, self._courses[0])
        except DBAPIError as error:
            kind = translate(error).kind
            seconds = time.perf_counter() - pace.statement_began
            if kind is not Kind.TIMED_OUT or seconds < pace.work_seconds:
                return None
            reason = "the server stopped the count at its time limit"
        except CutShort as limit:
            reason = str(limit)
        except InTheWay as who:
            reason = f"stepped aside again and again, at last for {who}"
        seconds = pace.worked + pace.rested
        return {
            edge.oid: at_least(edge, course.most, reason, seconds)
            if course.most
            else without_number(edge, Status.TIMED_OUT, reason, seconds)
            for edge, course in zip(self._edges, self._courses, strict=True)
        }

    async def _counted(self, connection: AsyncConnection, pace: Pace, watch: Watch) -> dict[int, Count]:
        started = time.perf_counter()
        taken = (await connection.execute(select(*taken_at(self._version)))).one()
        for course in self._courses:
            course.begin(datetime.fromtimestamp(taken.as_of, UTC), taken.snapshot)
        if self._version >= PLACES_SINCE:
            pieces = by_blocks(connection, self._child, self._piecewise)
        else:
            pieces = by_rows(connection, self._child, self._marked, len(self._edges))
        found = await run_pieces(pieces, self._courses, pace=pace, watch=watch)
        counts = {}
        for edge, predicate, way, course, number in zip(
            self._edges, self._predicates, self._ways, self._courses, found, strict=True
        ):
            orphans, used = number, way.way
            if orphans is None:
                others = attempts(
                    self._schema, EdgePredicate(self._schema, edge), self._version, full=False, deep=False
                )
                others = [attempt for attempt in others if attempt.counting.way is not way.way]
                orphans, attempt = await count_orphans(
                    connection, others, predicate, course=course, pace=pace, watch=watch
                )
                used = attempt.counting.way
            row = {"orphans": orphans, "childless": None, "snapshot": taken.snapshot, "as_of": taken.as_of}
            counts[edge.oid] = counted(edge, row, time.perf_counter() - started, used)
        return counts

    def _piecewise(self, numbers: FromClause, low: ColumnElement[int], high: ColumnElement[int]) -> Select[Any]:
        conditions = block_range(self._predicates[0].child.name, low, high)
        rows = self._numbers(*conditions).lateral("t")
        return select().add_columns(*self._served(rows)).select_from(numbers.join(rows, true()))

    def _marked(self, of: int) -> Select[Any]:
        return marked_rows(self._predicates[0], self._ways, of)

    def _numbers(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """One row: for each edge, `n0`, …, the rows without a parent."""
        columns = [func.count().filter(way.missing).label(f"n{at}") for at, way in enumerate(self._ways)]
        # Of most rows this is all that is asked: without it five such filters take 15 % longer.
        any_missing = or_(*(way.missing for way in self._ways))
        return self._predicates[0].from_child(*columns).where(*conditions, any_missing)

    def _served(self, rows: FromClause) -> list[ColumnElement[int]]:
        """The same, NULL where the edge's way does not serve."""
        return [case((way.serves, rows.c[f"n{at}"])) for at, way in enumerate(self._ways)]
