"""The one writable transaction of this program: short, limited, and sure of what came of its COMMIT.

It keeps the role's own settings, since the user's triggers run under them; what must not depend on them (the images of
rows) is read between `images` and its end. Nothing outlives the transaction, so that a pooler does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import not_read_only
from fkexplorer.database.errors import translate
from fkexplorer.database.facts import INSTANCE, identity
from fkexplorer.database.lanes import Lane
from fkexplorer.database.limits import APPLICATION_NAME
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fkexplorer.database.connection import Database
    from fkexplorer.database.driver import Driver

_ROLLBACK_SECONDS = 1.0
"""How long to wait for a ROLLBACK; the server does the same by itself once the connection is closed."""

_NEVER = "22023"
"""What `txid_status` says of an id "in the future": there was a crash, and nothing of it had come to the disk."""

IMAGES = {
    # No name is taken for visible, no format for known: a row is printed alike today and at the undo.
    "search_path": "",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmlbinary": "base64",
}
"""Settings under which rows are printed for a backup, and read again from it."""


class Fate(Enum):
    """What came of a transaction."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "unknown"
    """The server could not be asked, does not remember, or the transaction still runs."""


class CommitUnknown(Exception):  # noqa: N818 - nobody's fault: the connection went between COMMIT and its answer
    """The connection was lost after COMMIT was sent and before its answer came."""


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """Bounds of one transaction; the server keeps them. Times are in milliseconds."""

    lock_timeout_ms: int = 2_000
    statement_timeout_ms: int = 60_000
    idle_timeout_ms: int = 60_000

    def settings(self) -> dict[str, str]:
        """Each setting by its name."""
        return {
            "lock_timeout": f"{self.lock_timeout_ms:d}ms",
            "statement_timeout": f"{self.statement_timeout_ms:d}ms",
            "idle_in_transaction_session_timeout": f"{self.idle_timeout_ms:d}ms",
            "application_name": APPLICATION_NAME,
        }


class Transaction:
    """An open READ COMMITTED transaction. Made by `writing`, which rolls it back unless `commit` was called.

    Row security is off, so that no policy hides a row from a lock or a backup; `change` alone runs as the role has it.
    """

    def __init__(self, driver: Driver, own: dict[str, str]) -> None:
        self._driver = driver
        self._own = own

    async def rows(self, statement: str | bytes) -> list[tuple[Any, ...]]:
        """Run a statement and give its rows.

        Raises:
            psycopg.Error: the server refused it.
        """
        cursor = await self._run(statement)
        return await cursor.fetchall() if cursor.description else []

    async def run(self, statement: str | bytes) -> int:
        """Run a statement and give how many rows it touched (-1 where it is none that touches rows)."""
        return (await self._run(statement)).rowcount

    async def change(self, statement: str | bytes) -> tuple[int, list[tuple[Any, ...]]]:
        """Run a statement with row security as the role has it: how many rows it touched, and what it returns.

        Afterwards every trigger that was deferred to the COMMIT has run too.
        """
        await self._set({"row_security": self._own["row_security"]})
        cursor = await self._run(statement)
        touched, returned = cursor.rowcount, await cursor.fetchall() if cursor.description else []
        await self._run("SET CONSTRAINTS ALL IMMEDIATE")
        await self._set({"row_security": "off"})
        return touched, returned

    async def copy_out(self, query: str) -> AsyncIterator[bytes]:
        """The rows of a query in COPY's text format, in pieces as they come."""
        cursor = self._driver.cursor()
        async with cursor.copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
            async for piece in copy:
                yield bytes(piece)

    @asynccontextmanager
    async def images(self, *, paths: bool = True) -> AsyncIterator[None]:
        """Print and read values independently of the role's settings, see `IMAGES`, while the block lasts.

        Args:
            paths: whether of the search_path too. The triggers of users need their own.
        """
        settings = {name: value for name, value in IMAGES.items() if paths or name != "search_path"}
        await self._set(settings)
        yield
        await self._set({name: self._own[name] for name in settings})

    async def id(self) -> int:
        """Its id (`txid_current`, 64 bits with the epoch), by which the server knows later what came of it."""
        [(number,)] = await self.rows("SELECT pg_catalog.txid_current()")
        return int(number)

    async def commit(self) -> None:
        """Commit, whoever stops waiting for it.

        Raises:
            CommitUnknown: the connection was lost before the answer came.
            psycopg.Error: the server refused, and rolled back.
            asyncio.CancelledError: the task was cancelled meanwhile; the transaction is committed.
        """
        committing = asyncio.ensure_future(self._commit())
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait([committing])
            committing.result()
            raise

    async def _commit(self) -> None:
        try:
            cursor = await self._run("COMMIT")
        except psycopg.Error:
            if self._driver.closed:
                raise CommitUnknown from None
            raise
        if cursor.statusmessage != "COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("the server rolled back in place of COMMIT")

    async def _set(self, settings: dict[str, str]) -> None:
        await self._run(f"SELECT {_set_configs(settings)}")

    async def _run(self, statement: str | bytes) -> psycopg.AsyncCursor[tuple[Any, ...]]:
        return await self._driver.execute(statement.encode() if isinstance(statement, str) else statement)


def _set_configs(settings: dict[str, str]) -> str:
    quoted = {name: value.replace("'", "''") for name, value in settings.items()}
    return ", ".join(f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in quoted.items())


@asynccontextmanager
async def writing(database: Database, limits: WriteLimits) -> AsyncIterator[Transaction]:
    """A writable transaction, on a connection of the counts' lane; rolled back at its end unless it was committed.

    Raises:
        Trouble: the connection is lost (`lost`) or could not be made; another server answers than was connected to, or
            as another user (`other_server`); it is a standby (`standby`), takes no writes from this role (`read_only`),
            does not count what a transaction changes (`not_counted`), or checks no foreign keys in this session
            (`replica`).
        psycopg.Error: the server refused a statement of the block.
    """
    async with database.raw(Lane.COUNTS) as driver:
        try:
            own, begun = await _begin(driver, limits, "ISOLATION LEVEL READ COMMITTED")
            _check(begun, database)
            yield Transaction(driver, own)
        finally:
            await _roll_back(driver)


def _check(begun: dict[str, str], database: Database) -> None:
    """Make sure that it is where somebody armed writing, that it may write, and that what it does can be counted."""
    if (begun["user"], begun["database"], begun["instance"]) != identity(database.facts):
        raise Trouble(
            f"another server answers now than {database.facts.place} was when it was connected, or as another user",
            "connect again, look what is there, and arm writing for it",
            code="other_server",
        )
    if begun["in_recovery"] == "true":
        raise Trouble("the server is a standby, which takes no writes", "connect to the primary", code="standby")
    if begun["transaction_read_only"] != "off":
        raise Trouble(
            "the server begins this role's transactions READ ONLY",
            "its default_transaction_read_only is on, by a setting of the role, of the database or of the server",
            code="read_only",
        )
    if begun["track_counts"] != "on":
        raise Trouble(
            "track_counts is off: what a change touches beside its own rows could not be counted",
            "ask for track_counts = on; without the numbers nothing is written",
            code="not_counted",
        )
    if begun["session_replication_role"] == "replica":
        raise Trouble(
            "session_replication_role is replica: no foreign key holds in this session",
            "it is set for the role, the database or the server: connect as another role",
            code="replica",
        )


@asynccontextmanager
async def looking(database: Database, limits: WriteLimits) -> AsyncIterator[Transaction]:
    """A READ ONLY transaction of one snapshot, on a connection of the counts' lane, to foresee what a writing one does.

    Raises:
        Trouble: the connection is lost (`lost`), could not be made, or the transaction is not READ ONLY.
        psycopg.Error: the server refused a statement of the block.
    """
    async with database.raw(Lane.COUNTS) as driver:
        own, begun = await _begin(driver, limits, "ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if begun["transaction_read_only"] != "on":
            raise not_read_only()
        try:
            yield Transaction(driver, own)
        finally:
            await _roll_back(driver)


async def _roll_back(driver: Driver) -> None:
    if not driver.closed and driver.info.transaction_status is not TransactionStatus.IDLE:
        with contextlib.suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(_ROLLBACK_SECONDS):
                await driver.execute(b"ROLLBACK")


async def _begin(driver: Driver, limits: WriteLimits, how: str) -> tuple[dict[str, str], dict[str, str]]:
    """Begin, and set all limits, in one message.

    Returns:
        The role's own values of the settings that are changed for a while; and what else decides whether to go on.
    """
    kept = [*IMAGES, "row_security"]
    decisive = ["transaction_read_only", "track_counts", "session_replication_role"]
    asked = ", ".join(f"pg_catalog.current_setting('{name}')" for name in (*kept, *decisive))
    also = {"user": "current_user::text", "database": "pg_catalog.current_database()::text", "instance": INSTANCE}
    # What the server calls committed has to stay so: the journal says it, and a crash may not make it a lie.
    durable = "coalesce(nullif(pg_catalog.current_setting('synchronous_commit'), 'off'), 'on')"
    cursor = await driver.execute(
        (
            f"BEGIN {how}; SELECT {asked}, pg_catalog.pg_is_in_recovery()::text, {', '.join(also.values())};"
            f" SELECT {_set_configs(limits.settings() | {'row_security': 'off'})},"
            f" pg_catalog.set_config('synchronous_commit', {durable}, true)"
        ).encode()
    )
    cursor.nextset()
    row = await cursor.fetchone()
    if row is None:
        raise AssertionError("a SELECT of settings has a row")
    found = dict(zip((*kept, *decisive, "in_recovery", *also), row, strict=True))
    return {name: found.pop(name) for name in kept}, found


async def fate_of(database: Database, transaction_id: int, *, seconds: float) -> Fate:
    """Ask the server what came of a transaction (`txid_status`), again until it has ended, for this time at most.

    After a crash of the server an id that was not on its disk yet is given out once more: what is called committed may
    be another transaction, so that this has to be confirmed by what is in the tables.
    """
    clock = asyncio.get_running_loop().time
    end, pause = clock() + seconds, 0.05
    while True:
        try:
            async with database.read() as connection:
                asked = await connection.exec_driver_sql(f"SELECT pg_catalog.txid_status({transaction_id:d})")
                status = str(asked.scalar())
        except DBAPIError as error:
            if translate(error).sqlstate == _NEVER:
                return Fate.ROLLED_BACK
            status = "in progress"
        except Trouble:
            status = "in progress"
        if status != "in progress":
            fates = {"committed": Fate.COMMITTED, "aborted": Fate.ROLLED_BACK}
            return fates.get(status, Fate.UNKNOWN)
        if clock() + pause > end:
            return Fate.UNKNOWN
        await asyncio.sleep(pause)
        pause = min(2 * pause, 2.0)
