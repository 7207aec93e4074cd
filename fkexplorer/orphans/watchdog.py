"""What a count that takes long is to others: whether somebody waits for it, and whether the server has better to do."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.limits import APPLICATION_NAME, Limits
from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fkexplorer.database.connection import Database

T = TypeVar("T")

EVERY = 0.5
"""Seconds between two looks, and before the first: who waits for a count has it out of the way within one."""
_BUSY = 2
"""Other sessions at work from which on the server counts as busy.

How many cores it has is not known. Of the smallest that people run, with two, one other session leaves a core to each;
from two on a count takes what somebody else would have had."""
_LIMITS = Limits(statement_timeout_ms=2000)

# pg_blocking_pids is dear (it stops the lock manager for a moment), so that only those who wait at all are asked about.
# A role without pg_read_all_stats is not told the state of others: such a session counts as one at work.
_LOOK = text("""
SELECT (
 SELECT count(*) FROM pg_stat_activity a
 WHERE a.datid IS NOT NULL AND (a.state = 'active' OR a.state IS NULL) AND a.wait_event_type IS DISTINCT FROM 'Lock'
 AND a.application_name IS DISTINCT FROM :ours
) AS others, w.pid, w.usename::text AS role, w.query, w.mode
FROM (SELECT 1) one LEFT JOIN (
 SELECT l.pid, a.usename, a.query, l.mode FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE NOT l.granted AND :pid = ANY (pg_blocking_pids(l.pid)) ORDER BY l.pid LIMIT 1
) w ON true
""")
# What a statement does, without a word of what it is done to.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*((?:ALTER|CREATE|DROP|REFRESH|LOCK|TRUNCATE|REINDEX)\s+[A-Z]+|VACUUM(?:\s+FULL)?|[A-Z]+)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Waiter:
    """A session that waits for a lock of a count."""

    pid: int
    role: str | None
    statement: str
    """What it runs, in a word or two (`ALTER TABLE`), or the lock that it waits for where its statement is not told."""

    def __str__(self) -> str:
        return f"{self.statement} of {one_line(self.role or 'another role')} (process {self.pid})"


class InTheWay(Exception):  # noqa: N818 - a fact about a count, not a fault
    """A count was stopped since somebody waited for it."""

    def __init__(self, waiter: Waiter) -> None:
        super().__init__(str(waiter))
        self.waiter = waiter


class Watch:
    """What the one who counts tells, and is told."""

    __slots__ = ("busy", "pid")

    def __init__(self) -> None:
        self.pid: int | None = None
        """The server process of the count's transaction, to be told as soon as it has begun."""
        self.busy = False
        """Whether others were at work when somebody last looked."""


async def watched(database: Database, count: Callable[[Watch], Awaitable[T]], *, on_look: Callable[[], None]) -> T:
    """Run a count while another connection looks out for who waits for it.

    Where no connection is free to look, the count goes on unwatched.

    Args:
        database: where it counts.
        count: it; cancelled when somebody waits.
        on_look: called before each look, twice a second from the first half second on.

    Returns:
        What the count returned.

    Raises:
        InTheWay: the count is stopped, and its transaction over.
    """
    watch = Watch()
    counting = asyncio.ensure_future(count(watch))
    looking = asyncio.create_task(_look_out(database, watch, on_look))
    try:
        await asyncio.wait((counting, looking), return_when=asyncio.FIRST_COMPLETED)
    finally:
        counting.cancel()
        looking.cancel()
        await asyncio.gather(counting, looking, return_exceptions=True)
    if counting.cancelled():
        raise InTheWay(looking.result())
    return counting.result()


async def _look_out(database: Database, watch: Watch, on_look: Callable[[], None]) -> Waiter:
    """Look until somebody waits."""
    while True:
        await asyncio.sleep(EVERY)
        on_look()
        if watch.pid is None:
            continue
        try:
            waiter = await _look(database, watch, watch.pid)
        except (DBAPIError, Trouble):
            # The look failed, not the count; where the connection to the server is lost, the count says so itself.
            continue
        if waiter is not None:
            return waiter


async def _look(database: Database, watch: Watch, pid: int) -> Waiter | None:
    async with database.read(_LIMITS) as connection:
        found = (await connection.execute(_LOOK, {"pid": pid, "ours": APPLICATION_NAME})).one()
    watch.busy = found.others >= _BUSY
    if found.pid is None:
        return None
    words = _STATEMENT.match(found.query or "")
    # A statement that is one of several, as in `BEGIN; ALTER TABLE …`, or that is not told, is known by its lock.
    told = words is not None and words[1].upper() not in {"BEGIN", "START", "SET", "SELECT", "WITH"}
    return Waiter(found.pid, found.role, " ".join(words[1].upper().split()) if words and told else found.mode)
