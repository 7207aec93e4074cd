"""One connected PostgreSQL: at most three connections, and nothing but short READ ONLY transactions on them."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from fkexplorer.database import dialect
from fkexplorer.database.driver import CANCEL_SECONDS, Driver, cancel, hang_up, is_active, is_alive, take_any_byte
from fkexplorer.database.errors import Kind, translate, trouble_of
from fkexplorer.database.facts import FACTS, WHO, facts_of, identity
from fkexplorer.database.lanes import Lane, Lanes
from fkexplorer.database.limits import APPLICATION_NAME, DEFAULT, Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.refusals import Attempt, explain, explain_code
from fkexplorer.database.resolving import with_addresses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.database.source import Source

__all__ = ["DEFAULT", "Database", "Lane", "Limits"]

CONNECTIONS = 3
DRAIN_SECONDS = 0.3
PAUSE_SECONDS = 0.005
_BACKEND = "backend"
"""Where a connection keeps the process id that its last transaction was told."""


class Database:
    """A connected database; made by `connect`, ended by `close`.

    Attributes:
        facts: the server and the session, as of connecting.
        round_trip: seconds that the quickest message took there and back, next to nothing being done there.
        on_reconnect: told when a connection was made in place of one that broke, or in place of any and reached another
            server, database or user: whether it is the same three.
    """

    facts: ServerFacts

    def __init__(self, source: Source, password: str | None, seconds: float) -> None:
        self._source = source
        self._password = password
        self._seconds = seconds
        self._encoding = "UTF8"
        self.round_trip = seconds
        self._closed = False
        self.on_reconnect: Callable[[bool], None] = lambda _: None
        self._known: ServerFacts | None = None
        self._made = 0
        self._broken = False
        self._mourned: weakref.WeakSet[Driver] = weakref.WeakSet()
        self._drivers: weakref.WeakSet[Driver] = weakref.WeakSet()
        self._lanes = Lanes(CONNECTIONS)
        self._returned = asyncio.Event()
        self._engine = create_async_engine(
            dialect.ENGINE_URL,
            async_creator=self._open,
            pool_size=CONNECTIONS,
            max_overflow=0,
            use_native_hstore=False,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "before_cursor_execute", _only_in_a_transaction)

    @classmethod
    async def connect(cls, source: Source, *, password: str | None = None, timeout: float = 10.0) -> Database:  # noqa: ASYNC109
        """Connect, and ask what server it is.

        Args:
            source: what libpq is to connect with.
            password: typed by a person; it takes the place of any other.
            timeout: seconds that each connection may take, over all hosts and addresses.

        Raises:
            Trouble: it could not; `code` says why, `needs_password` that a password would help.
        """
        database = cls(source, password, timeout)
        try:
            database.facts = database._known = await database._ask_facts()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def backends(self) -> list[int]:
        """The server processes of our connections; none behind a pooler, where they are not ours alone."""
        return [] if self.facts.pooled else [each.info.backend_pid for each in self._drivers if not each.closed]

    @asynccontextmanager
    async def read(
        self, limits: Limits = DEFAULT, *, snapshot: bool = False, lane: Lane = Lane.SCREEN
    ) -> AsyncIterator[AsyncConnection]:
        """A READ ONLY transaction with these limits; it ends with the block.

        Args:
            limits: what it may take.
            snapshot: whether all statements see one state (REPEATABLE READ).
            lane: what it is for.

        Raises:
            Trouble: the connection is lost (`lost`), could not be made again, or the transaction did not begin.
            sqlalchemy.exc.DBAPIError: the server refused a statement of the block.
        """
        async with self._checkout(lane) as (connection, driver):
            began = time.perf_counter()
            await _begin(connection, driver, limits, snapshot=snapshot)
            self.round_trip = min(self.round_trip, time.perf_counter() - began)
            try:
                yield connection
                await connection.commit()
            except DBAPIError as error:
                if translate(error).kind is Kind.LOST:
                    await connection.invalidate()
                    raise _lost(error) from None
                raise

    @asynccontextmanager
    async def raw(self, lane: Lane = Lane.SCREEN) -> AsyncIterator[Driver]:
        """A connection of the driver's, for pipelines: in autocommit, nothing sent on it, nothing limited.

        What runs on it must set its own READ ONLY transaction and end it. A connection that is left inside of one is
        thrown away.

        Raises:
            Trouble: the connection is lost (`lost`) or could not be made.
            psycopg.Error: the server refused a statement of the block.
        """
        async with self._checkout(lane) as (connection, driver):
            try:
                yield driver
            except BaseException as error:
                self._broken |= driver.broken
                await connection.invalidate()
                if isinstance(error, psycopg.Error) and translate(error).kind is Kind.LOST:
                    raise _lost(error) from None
                raise
            if driver.info.transaction_status is not TransactionStatus.IDLE:
                await connection.invalidate()

    async def glance(self, *statements: str, limits: Limits = DEFAULT) -> list[list[tuple[Any, ...]]]:
        """The rows of each of these statements: one message, one READ ONLY transaction, one round trip.

        Args:
            statements: SQL without placeholders; READ COMMITTED, each sees what was committed when it began.
            limits: what each of them may take.

        Raises:
            Trouble: the connection is lost (`lost`), could not be made again, or the transaction was not READ ONLY.
            psycopg.Error: the server refused a statement.
        """
        # Without BEGIN the message is one implicit transaction, that ends with it also where a statement fails.
        message = f"{set_limits(limits)}; {'; '.join(statements)}"
        async with self.raw() as driver:
            began = time.perf_counter()
            cursor = await driver.execute(message.encode())
            self.round_trip = min(self.round_trip, time.perf_counter() - began)
            rows = [await cursor.fetchall()]
            while cursor.nextset():
                rows.append(await cursor.fetchall())
        if rows[0][0][0] != "on":
            raise not_read_only()
        return rows[1:]

    async def close(self) -> None:
        """End all connections within a second, whatever runs on them and however dead the server is.

        What runs on the server is cancelled. Whoever waits for it gets an error.
        """
        if self._closed:
            return
        self._closed = True
        clock = asyncio.get_running_loop().time
        end = clock() + CANCEL_SECONDS
        while clock() < end and (busy := [driver for driver in self._drivers if is_active(driver)]):
            requests = [asyncio.ensure_future(cancel(driver)) for driver in busy]
            await asyncio.wait(requests, timeout=end - clock())
            # In a pipeline the next statement begins at once, and has to be stopped as well.
            await self._drained(PAUSE_SECONDS)
        await self._drained(DRAIN_SECONDS)
        for driver in self._drivers:
            if self._lanes.held:
                # Who waits on the socket sees its end. Closed under it, its number could be another file's by the time
                # that the event loop is told to watch it no more.
                hang_up(driver)
        await self._drained(DRAIN_SECONDS / 3)
        for driver in list(self._drivers):
            await driver.close()
        await self._engine.dispose(close=False)

    async def _drained(self, seconds: float) -> None:
        """Wait until nobody holds a connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._lanes.held:
                    self._returned.clear()
                    await self._returned.wait()

    async def _ask_facts(self) -> ServerFacts:
        async with self._checkout(Lane.SCREEN) as (connection, driver):
            row = await _begin(connection, driver, DEFAULT, then=f"{FACTS}; COMMIT")
            return facts_of(row, driver, self._source.label())

    @asynccontextmanager
    async def _checkout(self, lane: Lane) -> AsyncIterator[tuple[AsyncConnection, Driver]]:
        connection, driver = await self._take(lane)
        try:
            yield connection, driver
        except Trouble as trouble:
            self._broken |= trouble.code == Kind.LOST.value
            raise
        finally:
            # A cancelled task does not wait for it, and yet it goes on: the slot is free when the connection is.
            returning = asyncio.ensure_future(connection.close())
            returning.add_done_callback(lambda _: self._release(lane))
            await asyncio.shield(returning)

    async def _take(self, lane: Lane) -> tuple[AsyncConnection, Driver]:
        """A live connection and its slot. The pool itself never waits: it would give up after 30 s."""
        while True:
            await self._lanes.enter(lane)
            try:
                connection = await self._engine.connect()
            except BaseException as error:
                # The server, or a limit of the role, may allow fewer than three: those that are there must do.
                few = isinstance(error, Trouble) and error.code == "too_many_connections"
                again = few and self._lanes.held > 1 and self._lanes.shrink()
                self._release(lane)
                if again:
                    continue
                raise
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, Driver)  # noqa: S101 - `_open` makes no other
            if is_alive(driver) and not self._closed:
                return connection, driver
            self._broken |= driver not in self._mourned
            await connection.invalidate()
            await connection.close()
            self._release(lane)

    def _release(self, lane: Lane) -> None:
        self._lanes.leave(lane)
        self._returned.set()

    async def _open(self) -> Driver:
        """A new connection, for the pool. The password stays out of whatever is raised."""
        if self._closed:
            raise _gone()
        trouble: BaseException
        try:
            async with asyncio.timeout(self._seconds):
                driver = await self._connect()
                if driver.info.parameter_status("server_encoding") == "SQL_ASCII" and self._encoding != "SQL_ASCII":
                    # Asked for UTF-8, such a server fails at the first byte that is none.
                    self._encoding = "SQL_ASCII"
                    await driver.close()
                    driver = await self._connect()
                await self._compare(driver)
        except TimeoutError:
            trouble = explain_code("timeout", self._source.label())
        except (OSError, UnicodeError):
            trouble = explain_code("unknown_host", self._source.label())
        except psycopg.ProgrammingError:
            trouble = explain_code("malformed_url", self._source.label())
        except psycopg.Error as error:
            trouble = explain(Attempt.of(error, self._source.label()))
        except asyncio.CancelledError:
            trouble = asyncio.CancelledError()
        else:
            self._drivers.add(driver)
            return driver
        # Outside of the handlers, so that what was caught goes at once: libpq's error holds the password, and the
        # frames under a cancellation hold a half-made connection, which would stay until garbage is collected.
        raise trouble

    async def _compare(self, driver: Driver) -> None:
        """Where this connection takes the place of one that is gone: tell whether it reached the same server."""
        # One that is idle may be dead without anybody having looked; one that is in use has a reader of its own.
        there = [each for each in self._drivers if not each.closed]
        idle = [each for each in there if each.info.transaction_status is TransactionStatus.IDLE]
        dead = [each for each in idle if not is_alive(each)]
        self._mourned.update(dead)
        self._broken |= bool(dead)
        replaces, self._made = self._broken or len(there) < self._made, len(there) + 1
        if self._known is None or not replaces:
            return
        try:
            same = await (await driver.execute(WHO.encode())).fetchone() == identity(self._known)
        except BaseException:
            await driver.close()  # nobody else knows of it yet
            raise
        broken, self._broken = self._broken, False
        if broken or not same:
            self.on_reconnect(same)

    async def _connect(self) -> Driver:
        driver = await Driver.connect(
            await with_addresses(self._source.conninfo),
            autocommit=True,
            prepare_threshold=None,
            client_encoding=self._encoding,
            fallback_application_name=APPLICATION_NAME,
            password=self._password,
        )
        if self._encoding == "SQL_ASCII":
            take_any_byte(driver)
        return driver


async def _begin(
    connection: AsyncConnection, driver: Driver, limits: Limits, *, snapshot: bool = False, then: str = ""
) -> tuple[Any, ...]:
    """Begin and set all limits in one message, and make sure that nothing can be written.

    Returns:
        The row of the statement `then`, which goes with the same message; without it, that of the settings.
    """
    isolation = "ISOLATION LEVEL REPEATABLE READ " if snapshot else ""
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in limits.settings().items())
    first = "current_setting('transaction_read_only'), pg_backend_pid()"
    message = f"BEGIN {isolation}READ ONLY; SELECT {first}, {settings}; {then}"
    try:
        cursor = await driver.execute(message.encode())
        cursor.nextset()
        row = await cursor.fetchone()
        read_only = row is not None and row[0] == "on"
        if row is not None:
            connection.info[_BACKEND] = row[1]
        if then:
            cursor.nextset()
            row = await cursor.fetchone()
    except psycopg.Error as error:
        await connection.invalidate()
        raise _lost(error) from None
    except BaseException:
        await connection.invalidate()
        raise
    if row is None or not read_only:
        await connection.invalidate()
        raise not_read_only()
    return row


def set_limits(limits: Limits) -> str:
    """A statement that makes the transaction READ ONLY, with these limits; its first value is `on` if it is so."""
    settings = {"transaction_read_only": "on"} | limits.settings()
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


def not_read_only() -> Trouble:
    """What to raise where `set_limits` did not make it so."""
    return Trouble(
        "the server did not begin a READ ONLY transaction",
        "what stands between may rewrite statements: connect to the server itself",
        code="not_read_only",
    )


def backend_of(connection: AsyncConnection) -> int:
    """The process id of the server that runs this transaction: behind a pooler another one for each."""
    pid: int = connection.info[_BACKEND]
    return pid


def _lost(error: DBAPIError | psycopg.Error) -> BaseException:
    """What to raise for a lost connection: to a task that was cancelled meanwhile, that it was."""
    task = asyncio.current_task()
    return asyncio.CancelledError() if task is not None and task.cancelling() else trouble_of(error)


def _only_in_a_transaction(connection: Connection, *_: object) -> None:
    """Refuse a statement that would run outside of the READ ONLY transaction, as one after a commit would."""
    driver = connection.connection.driver_connection
    if isinstance(driver, Driver) and driver.info.transaction_status is TransactionStatus.IDLE:
        raise RuntimeError("a statement outside of a READ ONLY transaction")


def _gone() -> Trouble:
    return Trouble("the connection was closed", "connect again", code=Kind.LOST.value)
