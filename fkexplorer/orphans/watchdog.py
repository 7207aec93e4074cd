"""What a count that takes long is to others: whether somebody waits for it, and whether the server has better to do."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import APPLICATION_NAME, Limits
from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.course import Course

T = TypeVar("T")

EVERY = 0.5
"""Seconds between two looks, and before the first: who waits for a count has it out of the way within one."""
_BUSY = 2
"""Other sessions at work from which on the server counts as busy.

How many cores it has is not known. Of the smallest that people run, with two, one other session leaves a core to each;
from two on a count takes what somebody else would have had."""
_PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before a count that stepped aside begins again, each time; after the last of them it gives up."""
_LIMITS = Limits(statement_timeout_ms=2000)

# pg_blocking_pids is dear (it stops the lock manager for a moment), so that only those who wait at all are asked about.
# A role without pg_read_all_stats is not told the state of others: such a session counts as one at work.
_LOOK = f"""
SELECT (
 SELECT count(*) FROM pg_stat_activity a
 WHERE a.datid IS NOT NULL AND (a.state = 'active' OR a.state IS NULL) AND a.wait_event_type IS DISTINCT FROM 'Lock'
 AND a.application_name IS DISTINCT FROM '{APPLICATION_NAME}'
), w.pid, w.usename::text, w.query, w.mode
FROM (SELECT 1) one LEFT JOIN (
 SELECT l.pid, a.usename, a.query, l.mode FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE NOT l.granted AND %d = ANY (pg_blocking_pids(l.pid)) ORDER BY l.pid LIMIT 1
) w ON true
"""  # noqa: S608 - constants, and a number
# What a statement does, without a word of what it is done to.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*((?:ALTER|CREATE|DROP|REFRESH|REINDEX)\s+[A-Z]+|VACUUM(?:\s+FULL)?|[A-Z]+)",
    re.IGNORECASE | re.DOTALL,
)


class InTheWay(Exception):  # noqa: N818 - a fact about a count, not a fault
    """A count was stopped since somebody waited for it; the text says who."""


class Watch:
    """What the one who counts tells, and is told."""

    __slots__ = ("busy", "pid")

    def __init__(self) -> None:
        self.pid: int | None = None
        """The server process of the count's transaction, to be told as soon as it has begun."""
        self.busy = False
        """Whether others were at work when somebody last looked."""


async def stepping_aside(database: Database, count: Callable[[Watch], Awaitable[T]], course: Course) -> T:
    """Run a count that makes way for who waits for it, and begins again a little later.

    Args:
        database: where it counts.
        count: it; cancelled when somebody waits. It tells the watch its server process.
        course: of the count; told why it rests, and reported twice a second.

    Returns:
        What the count returned.

    Raises:
        InTheWay: somebody waited for it again and again.
    """
    found: InTheWay | None = None
    for pause in _PAUSES:
        try:
            return await _watched(database, count, course)
        except InTheWay as who:
            found = who
        except DBAPIError as error:
            # Whoever it made way for may still have the lock.
            if found is None or translate(error).kind is not Kind.LOCK:
                raise
        await _rest(course, f"stepped aside for {found}", pause)
    return await _watched(database, count, course)


async def _rest(course: Course, why: str, seconds: float) -> None:
    course.resting = why
    for _ in range(round(seconds / EVERY)):
        course.report()
        await asyncio.sleep(EVERY)


async def _watched(database: Database, count: Callable[[Watch], Awaitable[T]], course: Course) -> T:
    """Run a count while another connection looks out for who waits for it.

    Where no connection is free to look, the count goes on unwatched.

    Raises:
        InTheWay: the count is stopped, and its transaction over.
    """
    watch = Watch()
    counting = asyncio.ensure_future(count(watch))
    looking = asyncio.create_task(_look_out(database, watch, course))
    try:
        await asyncio.wait((counting, looking), return_when=asyncio.FIRST_COMPLETED)
    finally:
        counting.cancel()
        looking.cancel()
        await asyncio.gather(counting, looking, return_exceptions=True)
    if counting.cancelled():
        raise InTheWay(looking.result())
    return counting.result()


async def _look_out(database: Database, watch: Watch, course: Course) -> str:
    """Look until somebody waits, and say who."""
    while True:
        await asyncio.sleep(EVERY)
        course.report()
        if watch.pid is None:
            continue
        try:
            waiter = await _look(database, watch, watch.pid)
        except (psycopg.Error, Trouble):
            # The look failed, not the count; where the connection to the server is lost, the count says so itself.
            continue
        if waiter is not None:
            return waiter


async def _look(database: Database, watch: Watch, pid: int) -> str | None:
    [[(others, waiting, role, query, mode)]] = await database.glance(_LOOK % pid, limits=_LIMITS)
    watch.busy = others >= _BUSY
    if waiting is None:
        return None
    words = _STATEMENT.match(query or "")
    # A statement that is one of several, as in `BEGIN; ALTER TABLE …`, or that is not told, is known by its lock.
    told = words is not None and words[1].upper() not in {"BEGIN", "START", "SET", "SELECT", "WITH"}
    statement = " ".join(words[1].upper().split()) if words and told else mode
    return f"{statement} of {one_line(role or 'another role')} (process {waiting})"
