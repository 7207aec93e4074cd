"""One guarded transaction of a fix or of an undo: tried again where a lock is in the way, and known to the journal.

Whatever happens to this process, to the server or to the line between them, the journal has a line from which it can be
found out whether the transaction was committed.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.backup import Backup
from fkexplorer.fixes.evidence import contradicted
from fkexplorer.fixes.guard import Numbers
from fkexplorer.fixes.model import BATCH_ROWS, Ending
from fkexplorer.fixes.standing import BUSY
from fkexplorer.fixes.writer import CommitUnknown, Fate, WriteLimits, fate_of, writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.guard import Names, Tally
    from fkexplorer.fixes.journal import Journal, Pending
    from fkexplorer.fixes.writer import Transaction

_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How a run behaves."""

    transaction: WriteLimits = field(default_factory=WriteLimits)
    batch_rows: int = BATCH_ROWS
    """More rows than this are changed in several transactions, where the step allows it."""
    retries: int = 5
    """How often a transaction is tried again that a lock, or a deadlock, kept from being done."""
    pause_seconds: float = 0.2
    """Before the first time; doubled for each of the following."""
    ask_seconds: float = 15.0
    """How long to ask the server what came of a COMMIT whose answer was lost."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the work of a part did, before its COMMIT."""

    tally: Tally
    names: Names
    expected: Tally = field(default_factory=dict)
    """What it had to do, whatever triggers made of it."""
    kept: int = 0
    """Rows that it was to change, and that triggers kept from it."""
    undone: int | None = None
    """Of an undo: the part that it takes back."""

    def touched(self) -> list[dict[str, Any]]:
        """For the journal."""
        return [
            {
                "table": self.names.label(oid),
                "deleted": numbers.deleted,
                "updated": numbers.updated,
                "inserted": numbers.inserted,
            }
            for oid, numbers in self.tally.items()
            if numbers != Numbers()
        ]


class Halt(Exception):  # noqa: N818 - how a run ends early, not a fault
    """A part was not committed, or nobody knows whether it was.

    Args:
        ending: how the run ends.
        words: why, in a line.
        left: whether something of it may have stayed all the same, which the words name.
    """

    def __init__(self, ending: Ending, words: str, *, left: bool = False) -> None:
        super().__init__(words)
        self.ending = ending
        self.words = words
        self.left = left


def stop_if_asked(stop: asyncio.Event | None) -> None:
    """Between two parts.

    Raises:
        Halt: somebody asked to stop.
    """
    if stop is not None and stop.is_set():
        raise Halt(Ending.STOPPED, "stopped")


class Ledger:
    """Runs the parts of one entry.

    Args:
        database: where.
        journal: where they are written down.
        entry: their entry.
        limits: how they behave.
        waiting: told what a part waits for before it is tried again, and "" when it goes on.

    Attributes:
        remarks: what people have to know beside the outcome, a sentence each.
    """

    def __init__(
        self,
        database: Database,
        journal: Journal,
        entry: str,
        limits: RunLimits,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.database = database
        self.entry = entry
        self.limits = limits
        self.remarks: list[str] = []
        self._journal = journal
        self._waiting = waiting

    async def note(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Write an event into the journal.

        Raises:
            Halt: it could not be written.
        """
        try:
            await asyncio.to_thread(self._journal.append, self.entry, event, **fields)
        except OSError as error:
            raise Halt(Ending.REFUSED, f"the journal cannot be written: {error.strerror or error}") from None

    async def part(
        self,
        number: int,
        work: Callable[[Transaction, Backup], Awaitable[Done]],
        limits: WriteLimits | None = None,
    ) -> Done:
        """Do this work in a transaction, and commit it.

        Args:
            number: of the part, from 0.
            work: does everything but the COMMIT; it may be called again after a rollback.
            limits: of the transaction, where they are not the run's own.

        Raises:
            Halt: it was rolled back, or nobody knows what came of it.
        """
        pause = self.limits.pause_seconds
        for left in range(self.limits.retries, -1, -1):
            try:
                return await self._tried(number, work, limits or self.limits.transaction)
            except psycopg.Error as error:
                failure = translate(error)
                reason = failure.reason
                await self._rolled_back(number, reason)
                if failure.kind not in {Kind.LOCK, Kind.CONFLICT}:
                    raise Halt(Ending.REFUSED, _refused(failure.kind, reason, error)) from None
                if not left:
                    tries = f"tried {self.limits.retries + 1} times"
                    raise Halt(Ending.REFUSED, f"somebody else holds a lock ({tries}): {reason}") from None
            except Trouble as trouble:
                await self._rolled_back(number, trouble.reason)
                raise _halted(trouble) from None
            except OSError as error:
                await self._rolled_back(number, f"the backup cannot be written: {error.strerror or error}")
                words = f"the backup cannot be written ({error.strerror or error}): without one nothing is changed"
                raise Halt(Ending.REFUSED, words) from None
            self._waiting(f"{reason}; tried again, {left} times more at most")
            await asyncio.sleep(min(pause, _LONGEST_PAUSE))
            pause *= 2
            self._waiting("")
        raise AssertionError("the last try either returns or raises")

    async def _tried(
        self, number: int, work: Callable[[Transaction, Backup], Awaitable[Done]], limits: WriteLimits
    ) -> Done:
        xid, done = None, None
        try:
            async with writing(self.database, limits) as transaction:
                done = await work(transaction, Backup(self._journal.backup_folder(self.entry, number), transaction))
                asked = await transaction.id()
                undone = {} if done.undone is None else {"undone": done.undone}
                await self.note("committing", part=number, xid=asked, touched=done.touched(), **undone)
                xid = asked
                await transaction.commit()
        except asyncio.CancelledError:
            # Cancelled at COMMIT, the transaction is committed all the same, see `Transaction.commit`.
            await (self._committed(number) if xid else self._rolled_back(number, "stopped"))
            raise
        except Halt:
            await self._rolled_back(number, "the journal could not be written")
            raise
        except CommitUnknown:
            if xid is None:
                raise AssertionError("a COMMIT comes after its id") from None
            await self._find_out(number, xid)
        else:
            await self._committed(number)
        if done is None:
            raise AssertionError("without an error the work is done")
        return done

    async def _find_out(self, number: int, xid: int) -> None:
        with suppress(Halt):
            await self.note("unknown", part=number)
        folder = self._journal.backup_folder(self.entry, number)
        match await _confirmed(self.database, folder, xid, self.limits.ask_seconds):
            case Fate.COMMITTED:
                self.remarks.append("the connection was lost at COMMIT; asked again, the server says: committed")
                await self._committed(number)
            case Fate.ROLLED_BACK:
                await self._rolled_back(number, "the connection was lost at COMMIT")
                words = "the connection was lost at COMMIT; asked again, the server says: rolled back"
                raise Halt(Ending.REFUSED, words)
            case Fate.UNKNOWN:
                words = "the connection was lost at COMMIT, and the server cannot be asked yet what came of it"
                raise Halt(Ending.UNKNOWN, words)

    async def _committed(self, number: int) -> None:
        try:
            await self.note("committed", part=number)
        except Halt as halt:
            self.remarks.append(f"it is committed, but {halt.words}; the next look at the journal asks the server")

    async def _rolled_back(self, number: int, reason: str) -> None:
        # Without this line the entry says the same: a part that never came to `committing` has changed nothing.
        with suppress(Halt):
            await self.note("rolled_back", part=number, reason=one_line(reason))
        await asyncio.to_thread(shutil.rmtree, self._journal.backup_folder(self.entry, number), ignore_errors=True)


def _refused(kind: Kind, reason: str, error: psycopg.Error) -> str:
    if kind is Kind.TIMED_OUT:
        return f"the server stopped it at its time limit: {reason}"
    detail = error.diag.message_detail
    return f"{reason} ({one_line(detail)})" if detail else reason


def _halted(trouble: Trouble) -> Halt:
    if trouble.code == Kind.LOST.value:
        return Halt(Ending.REFUSED, "the connection was lost before COMMIT: the server rolled back")
    ending = Ending.MOVED if trouble.code == "moved" else Ending.REFUSED
    return Halt(ending, f"{trouble.reason}: {trouble.hint}")


async def _confirmed(database: Database, folder: Path, xid: int, seconds: float) -> Fate:
    """What came of a transaction, by its id and by the rows of its backup."""
    fate = await fate_of(database, xid, seconds=seconds)
    if fate is Fate.COMMITTED and await contradicted(database, folder):
        return Fate.ROLLED_BACK
    return fate


async def system_of(database: Database) -> str:
    """What tells a database from others: its cluster's `system_identifier`, where the role may ask, address and name.

    A clone made from a snapshot has the identifier of its origin, and never heard of its later transactions.
    """
    identifier = ""
    with suppress(DBAPIError):
        async with database.read() as connection:
            asked = await connection.exec_driver_sql("SELECT system_identifier::text FROM pg_control_system()")
            identifier = str(asked.scalar())
    async with database.read() as connection:
        asked = await connection.exec_driver_sql("SELECT host(inet_server_addr()) || ' ' || inet_server_port()")
        return f"{identifier} {asked.scalar() or socket.gethostname()} {database.facts.database}"


async def resolve(database: Database, journal: Journal) -> int:
    """Ask the server about the parts of which the journal does not know what came of them; write down what it says.

    Returns:
        How many parts of this database are unknown still.

    Raises:
        Trouble: the connection is lost.
        OSError: the journal cannot be written.
    """
    pending = journal.pending()
    if not pending:
        return 0
    system, unknown = await system_of(database), 0
    for each in pending:
        if each.system != system:
            continue
        if each.query:
            unknown += await _built(database, journal, each)
            continue
        match await _confirmed(database, journal.backup_folder(each.entry, each.part), each.xid, 0):
            case Fate.COMMITTED:
                journal.append(each.entry, "committed", part=each.part, xid=each.xid)
            case Fate.ROLLED_BACK:
                # Its backup stays: whoever runs it may be trying again at this moment, in the same folder.
                journal.append(each.entry, "rolled_back", part=each.part, xid=each.xid, reason="the server says so")
            case Fate.UNKNOWN:
                unknown += 1
    return unknown


async def _built(database: Database, journal: Journal, each: Pending) -> int:
    """Write down what became of a statement that was in no transaction; 1 where that is not known yet."""
    try:
        [[(word,)]] = await database.glance(each.query)
    except psycopg.Error:
        return 1
    if word == BUSY:
        return 1
    if word in each.done:
        journal.append(each.entry, "committed", part=each.part, xid=each.xid)
    else:
        journal.append(each.entry, "rolled_back", part=each.part, xid=each.xid, reason=f"it is {word}")
    return 0
