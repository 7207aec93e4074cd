"""Runs a statement that can't be in a transaction, CREATE INDEX CONCURRENTLY: whatever ends it, no invalid index stays.

No limit is set on it, since that could only be set for the session, which behind a pooler is not ours. It waits for
transactions that are older than it, keeps no reader and no writer waiting meanwhile, and is ended by who asked for it.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.driver import cancel
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.facts import WHO, identity
from fkexplorer.database.lanes import Lane
from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.guard import Names
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import Done, Halt
from fkexplorer.fixes.sql import literal
from fkexplorer.fixes.standing import BUSY, INVALID

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.database.driver import Driver
    from fkexplorer.fixes.backup import Backup
    from fkexplorer.fixes.model import DdlStep
    from fkexplorer.fixes.parts import Ledger
    from fkexplorer.fixes.standing import Standing
    from fkexplorer.fixes.writer import Transaction

_CLEAN_SECONDS = 20.0
"""What taking away an invalid index may take: it waits for those who use the table, and a person waits for it."""
_LOOK_SECONDS = 1.0
"""How often it is looked how far the server is."""
_CANCEL_SECONDS = 2.0
_NAME_TAKEN = "42P07"
"""What the second of two that build the same index is told when the first is done."""
_TRIES = 3

# Its text is cut at `track_activity_query_size`, 1,024 bytes where nobody has set it; of other roles none is shown.
_RUNNING = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid <> pg_catalog.pg_backend_pid()
 AND a.datname = pg_catalog.current_database() AND a.state = 'active'
 AND pg_catalog.strpos({statement}, pg_catalog.left(a.query, 900)) = 1)
"""
_PHASE = """
SELECT p.phase, p.lockers_total - p.lockers_done FROM pg_catalog.pg_stat_progress_create_index p
WHERE p.relid = {table} AND p.datname = pg_catalog.current_database()
"""


class _Stopped(Exception):  # noqa: N818 - somebody asked for it
    """Somebody stopped it while it ran."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One step that is alone.

    Args:
        database: where.
        ledger: of the run.
        step: the step.
        part: its number in the journal.
        stop: set to end it.
        waiting: told how far it is, and "" when it is done.
    """

    database: Database
    ledger: Ledger
    step: DdlStep
    part: int
    stop: asyncio.Event | None
    waiting: Callable[[str], None]

    async def run(self) -> bool:
        """Do it; whether there was anything to do.

        Raises:
            Halt: it could not be done, and nothing of it is left, or the words say what is.
            asyncio.CancelledError: the task was cancelled; what the statement left is taken away.
        """
        try:
            return await self._run()
        except psycopg.Error as error:
            raise Halt(Ending.REFUSED, translate(error).reason) from None
        except Trouble as trouble:
            raise Halt(Ending.REFUSED, f"{trouble.reason}: {trouble.hint}") from None
        finally:
            self.waiting("")

    async def _run(self) -> bool:
        standing = self.step.standing
        assert standing is not None  # noqa: S101 - each step that is alone has one
        for left in range(_TRIES - 1, -1, -1):
            word = await self._free()
            if word in standing.done:
                return False
            if word not in standing.before:
                raise Halt(Ending.MOVED, f"{self.step.title}: its name is that of something else now ({word})")
            if word == INVALID and (stays := await self._cleaned()):
                raise Halt(Ending.REFUSED, stays, left=True)
            await self.ledger.note(
                "building", part=self.part, query=standing.query, done=list(standing.done), touched=[]
            )
            try:
                await self._execute(self.step.statements[0])
                break
            except asyncio.CancelledError:
                await asyncio.shield(self._gave_up("stopped"))
                raise
            except _Stopped:
                stays = await self._gave_up("stopped")
                if await self._word() not in standing.done:
                    raise _halt(Ending.STOPPED, "stopped", stays) from None
                break  # it was done before the server heard of it
            except Trouble as trouble:
                if trouble.code != Kind.LOST.value:
                    raise
                await self._lost()
                break
            except psycopg.Error as error:
                failure = translate(error)
                stays = await self._gave_up(failure.reason)
                again = failure.kind in {Kind.LOCK, Kind.CONFLICT} or failure.sqlstate == _NAME_TAKEN
                if not left or not again:
                    detail = error.diag.message_detail
                    words = f"{failure.reason} ({one_line(detail)})" if detail else failure.reason
                    raise _halt(Ending.REFUSED, words, stays) from None
                # Two that meet are not to meet again.
                await asyncio.sleep(secrets.randbelow(1000) / 1000)
        await self.ledger.part(self.part, self._check)
        return True

    async def _check(self, tx: Transaction, _: Backup) -> Done:
        """That it is there now: a transaction that changes nothing, by which the journal knows of it."""
        standing = self.step.standing
        if standing is not None and await standing.wanted(tx, self.step.title):
            raise Trouble(f"{self.step.title}: it is not there", "look what became of it", code="moved")
        return Done({}, Names([]))

    async def _free(self) -> str:
        """How it stands once no other session builds an index of the table.

        Raises:
            Halt: somebody stopped it.
        """
        while (word := await self._word()) == BUSY:
            self.waiting("another session builds an index of the table, or vacuums it")
            await asyncio.sleep(_LOOK_SECONDS)
            if self.stop is not None and self.stop.is_set():
                raise Halt(Ending.STOPPED, "stopped")
        return word

    async def _word(self) -> str:
        standing = self.step.standing
        assert standing is not None  # noqa: S101 - as above
        [[(word,)]] = await self.database.glance(standing.query)
        return str(word)

    async def _execute(self, statement: str) -> None:
        """Run it in autocommit, until it is done or somebody stops it."""
        async with self.database.raw(Lane.COUNTS) as driver:
            # A connection that takes the place of another may lead elsewhere.
            if await (await driver.execute(WHO.encode())).fetchone() != identity(self.database.facts):
                raise Trouble("another server answers now, or as another user", "connect again", code="other_server")
            running = asyncio.ensure_future(driver.execute(statement.encode()))
            try:
                await self._watch(running)
            finally:
                await _ended(driver, running)
            running.result()

    async def _watch(self, running: asyncio.Future[Any]) -> None:
        """Until it is done; say how far it is."""
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK_SECONDS)
            if self.stop is not None and self.stop.is_set() and not running.done():
                raise _Stopped
            if not running.done():
                self.waiting(await self._phase())

    async def _phase(self) -> str:
        with suppress(psycopg.Error, Trouble):
            for lock in self.step.locks:
                [rows] = await self.database.glance(_PHASE.format(table=lock.table))
                for phase, waits in rows:
                    others = f", {waits} transactions of others" if waits and waits > 1 else ""
                    return f"{phase}{others}"
        return "the server is at it"

    async def _lost(self) -> None:
        """After the connection was lost while it ran, which the server may not have heard of: see that it is done.

        Raises:
            Halt: it is not, and what it left is taken away; or the server is at it still, or can't be asked.
        """
        standing = self.step.standing
        assert standing is not None  # noqa: S101 - as above
        try:
            async with asyncio.timeout(self.ledger.limits.ask_seconds):
                word = await self._settled(standing)
        except TimeoutError:
            words = "the connection was lost while it ran: the server may be at it still, and the journal will tell"
            raise Halt(Ending.UNKNOWN, words) from None
        if word not in standing.done:
            stays = await self._gave_up("the connection was lost")
            raise _halt(Ending.REFUSED, "the connection was lost, and it was not done", stays)

    async def _settled(self, standing: Standing) -> str:
        """How it stands once no session runs the statement any more, and the server can be asked."""
        running = _RUNNING.format(statement=literal(self.step.statements[0]))
        while True:
            with suppress(psycopg.Error, Trouble):
                [[(goes_on,)], [(word,)]] = await self.database.glance(running, standing.query)
                if not goes_on and word != BUSY:
                    return str(word)
            await asyncio.sleep(_LOOK_SECONDS / 4)

    async def _gave_up(self, reason: str) -> str:
        """After a failure: take away what it left, and write it down; what stays, and empty where nothing does."""
        stays = ""
        try:
            if await self._word() == INVALID:
                stays = await self._cleaned()
        except (psycopg.Error, Trouble):
            stays = self._stays()
        with suppress(Halt):
            await self.ledger.note("rolled_back", part=self.part, reason=one_line(reason))
        return stays

    async def _cleaned(self) -> str:
        """Take an invalid index away; that it stays, and what to do, where it can't be."""
        self.waiting("taking away the invalid index of a try that failed")
        try:
            async with asyncio.timeout(_CLEAN_SECONDS):
                await self._execute(self.step.clean)
        except (psycopg.Error, Trouble, TimeoutError):
            return self._stays()
        return ""

    def _stays(self) -> str:
        return f"an invalid index may have stayed: {self.step.clean}"


def _halt(ending: Ending, words: str, stays: str) -> Halt:
    return Halt(ending, f"{words}; {stays}" if stays else words, left=bool(stays))


async def _ended(driver: Driver, running: asyncio.Future[Any]) -> None:
    """See to it that the statement does not go on when nobody waits for it any more."""
    if running.done():
        return
    await cancel(driver)
    await asyncio.wait([running], timeout=_CANCEL_SECONDS)
    if running.done() and not running.cancelled():
        running.exception()
    else:
        running.cancel()
