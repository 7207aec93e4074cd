"""Counts one edge: exactly, in a READ ONLY transaction, and with an honest word where there is no number.

A small edge is one statement and one round trip. A larger one is counted in the way that should be the cheapest, going
by the catalogue, if the server's plan is the one that makes it so; else in the next one.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Lane, backend_of
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.orphans.attempts import attempts, key_attempts, lone_attempts
from fkexplorer.orphans.cost import lone_candidates
from fkexplorer.orphans.course import FIRST, Course
from fkexplorer.orphans.estimate import estimate_edge
from fkexplorer.orphans.first import has_orphans
from fkexplorer.orphans.long import LONG_MS, Wanted, count_long
from fkexplorer.orphans.misfits import count_misfits
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.outcome import at_least, counted, failed, refused, without_number
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable
from fkexplorer.orphans.slices import CutShort, Pace
from fkexplorer.orphans.watchdog import InTheWay, stepping_aside
from fkexplorer.schema.keys import is_one_to_one

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.attempts import Attempt
    from fkexplorer.orphans.model import Count, Progress
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.schema.model import Relationship, Schema

_DOUBT = 4.0
"""So many times what the catalogue lets expect a count takes on a slow or busy machine, or with little of it cached."""


async def count_edge(
    database: Database,
    schema: Schema,
    edge: Relationship,
    *,
    full: bool = False,
    deep: bool = False,
    timeout_seconds: float = 30.0,
    snapshot_seconds: float = 300.0,
    eager: bool = False,
    trust_catalogue: bool = True,
    slow: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Count:
    """Count the orphans of an edge.

    A count that takes longer than a second rests every other moment while others are at work on the server, and steps
    aside for whoever waits for its lock, to begin again a little later.

    Args:
        database: where to count.
        schema: the schema that the edge is of.
        edge: the edge.
        full: whether to count rows, NULLs, missing keys and childless parents too, of the same snapshot. Without it
            they are None where they would cost another scan; childless parents are counted for 1:1 edges always.
        deep: whether no index is trusted: what a corrupt one hides is then counted too.
        timeout_seconds: the server stops a statement after this time; all of them together may work no longer.
        snapshot_seconds: for how long a count of many statements may hold its snapshot, its rests included.
        eager: whether it never rests.
        trust_catalogue: whether the privileges and row security that the schema was loaded with decide beforehand
            that the server would refuse, so that its log stays quiet. If not, the server is asked.
        slow: whether it has turned out to take long, whatever the catalogue lets expect.
        on_progress: called four times a second at most, from the first second on; with an estimate too, as soon as
            there is one.

    Returns:
        The count; a status in place of a number when the statement fails or may not be asked. One that came to a limit
        after it had found some orphans has them as a lower bound.

    Raises:
        Trouble: the connection is lost (code `lost`) or could not be made again.
    """
    version = database.facts.version_number
    childless = full or is_one_to_one(schema.child_of(edge), edge)
    try:
        predicate = EdgePredicate(schema, edge)
        tries = attempts(schema, predicate, version, full=full, deep=deep)
        ms = tries[0].ms + (lone_candidates(schema, edge)[0].ms if full else 0.0)
        takes_long = slow or _DOUBT * ms > LONG_MS
        wanted = Wanted(tries)
        if takes_long and childless:
            tries = attempts(schema, predicate, version, full=False, deep=deep, alone=True)
            keys = key_attempts(schema, predicate, version, deep=deep) if full else []
            wanted = Wanted(tries, keys, lone_attempts(schema, predicate, version, deep=deep))
    except Incomparable:
        return await count_misfits(
            database,
            schema,
            edge,
            limits=Limits(statement_timeout_ms=max(1, round(timeout_seconds * 1000))),
            trust_catalogue=trust_catalogue,
            course=Course(edge.oid, on_progress),
        )
    if trust_catalogue and (refusal := refused(schema, edge, database.facts.user)):
        return refusal
    limits = Limits(statement_timeout_ms=max(1, round(timeout_seconds * 1000)), planner=tries[0].settings)
    course = Course(edge.oid, on_progress)
    pace = Pace(timeout_seconds, snapshot_seconds, eager)

    async def count(watch: Watch) -> Count:
        pace.begin()
        async with database.read(limits, snapshot=takes_long, lane=Lane.COUNTS) as connection:
            watch.pid = backend_of(connection)
            started = pace.statement_began = time.perf_counter()
            if takes_long:
                row, attempt = await count_long(
                    connection,
                    wanted,
                    predicate,
                    server_version=version,
                    course=course,
                    pace=pace,
                    watch=watch,
                )
            else:
                row, attempt = await _at_once(connection, tries)
            return counted(edge, row, time.perf_counter() - started, attempt.counting.way)

    try:
        if not takes_long or on_progress is None:
            return await stepping_aside(database, count, course)
        async with _estimating(database, schema, edge, course, after=0.0 if slow or ms > LONG_MS else FIRST):
            return await stepping_aside(database, count, course)
    except DBAPIError as error:
        seconds = time.perf_counter() - pace.statement_began
        status, reason = await failed(database, schema, edge, error, timed_out=seconds >= timeout_seconds)
    except CutShort as limit:
        seconds = pace.worked + pace.rested
        status, reason = Status.TIMED_OUT, str(limit)
    except InTheWay as who:
        seconds = pace.worked + pace.rested
        status, reason = Status.TIMED_OUT, f"stepped aside again and again, at last for {who}"
    found = _at_limit(edge, course, reason, seconds) if status is Status.TIMED_OUT else None
    return found or without_number(edge, status, reason, seconds)


def _at_limit(edge: Relationship, course: Course, reason: str, seconds: float) -> Count | None:
    """What is known of an edge whose count came to a limit; None where that is nothing."""
    if course.known is not None:
        # What else was wanted is not known, but the orphans are.
        row, way = course.known
        return replace(counted(edge, row, seconds, way), error=reason)
    return at_least(edge, course.most, reason, seconds) if course.most is not None else None


@asynccontextmanager
async def _estimating(
    database: Database, schema: Schema, edge: Relationship, course: Course, *, after: float
) -> AsyncIterator[asyncio.Task[None]]:
    """Meanwhile, after so many seconds, look at a sample, and for a first orphan: there is something to tell early."""

    async def look() -> None:
        await asyncio.sleep(after)
        with suppress(Trouble):
            course.estimate = await estimate_edge(database, schema, edge)
            # A sample that found some has said that there are any.
            if not (course.estimate and course.estimate.low) and (first := await has_orphans(database, schema, edge)):
                course.seen(first)

    looking = asyncio.create_task(look())
    try:
        yield looking
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _at_once(connection: AsyncConnection, tries: Sequence[Attempt]) -> tuple[Mapping[str, Any], Attempt]:
    """The row of the first attempt that brings one, and that attempt."""
    before = tries[0]
    for attempt in tries:
        if attempt is not before:
            await attempt.replace(before, connection)
            before = attempt
        if (row := await attempt.run(connection)) is not None:
            return row, attempt
    raise AssertionError("the predicate as it stands always gives a number")
