"""A cancelled task stops its query on the server, and closing takes less than a second whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Database
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from tests.database.listening import listening
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# One that sleeps, one that works, one that works inside of a pipeline's statement.
SLEEP = "SELECT pg_sleep(100)"
WORK = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"


async def active(conninfo: str) -> int:
    """How many others run a statement in this database."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as watcher:
        cursor = await watcher.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def until_active(conninfo: str, number: int, seconds: float = 5.0) -> float:
    """Wait until so many statements run, and tell how many seconds that took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout(seconds):
        while await active(conninfo) != number:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    return loop.time() - started


async def read(database: Database, statement: str) -> Any:  # noqa: ANN401
    """The first value of a statement."""
    async with database.read() as connection:
        return (await connection.exec_driver_sql(statement)).scalar()


async def raw(database: Database, statement: str) -> Any:  # noqa: ANN401
    """The same in a pipeline."""
    async with database.raw() as connection, connection.pipeline():
        cursor = await connection.execute(statement)
        return await cursor.fetchone()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connected database."""
    connected = await Database.connect(Source(database_url, "argument"))
    yield connected
    await connected.close()


@pytest.mark.parametrize("how", [read, raw])
@pytest.mark.parametrize("statement", [SLEEP, WORK])
async def test_cancel_reaches_the_server(database: Database, database_url: str, statement: str, how: Any) -> None:  # noqa: ANN401
    tasks = [asyncio.create_task(how(database, statement)) for _ in range(3)]
    await until_active(database_url, 3)
    loop = asyncio.get_running_loop()
    for left, task in zip((2, 1, 0), tasks, strict=True):
        started = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.time() - started < 1.0
        assert await until_active(database_url, left) < 1.0
    # Nothing of the cancelled ones is left behind: three at once still work, and each says its own.
    assert await asyncio.gather(*(read(database, f"SELECT {n}") for n in range(6))) == list(range(6))


async def test_cancelled_between_statements(database: Database, database_url: str) -> None:
    async def hold() -> None:
        async with database.read() as connection:
            await connection.exec_driver_sql("SELECT 1")
            await asyncio.sleep(100)

    holding = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0.2)
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    async with await psycopg.AsyncConnection.connect(database_url) as watcher:
        cursor = await watcher.execute(
            "SELECT DISTINCT state FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert await cursor.fetchall() == [("idle",)]
    assert await asyncio.gather(*(read(database, f"SELECT {n}") for n in range(6))) == list(range(6))


async def test_cancelled_at_any_moment(database: Database) -> None:
    """Whenever it comes, in the wait for a connection, in BEGIN, in COMMIT: the next reads work."""
    for step in range(60):
        tasks = [asyncio.create_task(read(database, f"SELECT {n}, pg_sleep(0.001)")) for n in range(5)]
        await asyncio.sleep(step * 0.0002)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert done[1::2] == [1, 3]
        assert all(result == n or isinstance(result, asyncio.CancelledError) for n, result in enumerate(done))
    assert await asyncio.gather(*(read(database, f"SELECT {n}") for n in range(6))) == list(range(6))


async def test_cancelled_twice(database: Database, database_url: str) -> None:
    task = asyncio.create_task(read(database, SLEEP))
    await until_active(database_url, 1)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.gather(*(read(database, f"SELECT {n}") for n in range(6))) == list(range(6))


async def closes(database: Database) -> None:
    """Close, and see that it takes less than a second."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    await database.close()
    assert loop.time() - started < 1.0


async def failures(tasks: list[asyncio.Task[Any]]) -> list[BaseException]:
    """What each task raised; it must have by now, or very soon."""
    async with asyncio.timeout(1.0):
        return [result for result in await asyncio.gather(*tasks, return_exceptions=True) if result is not None]


async def test_close_stops_what_runs(database_url: str) -> None:
    database = await Database.connect(Source(database_url, "argument"))
    tasks = [asyncio.create_task(read(database, statement)) for statement in (SLEEP, WORK, SLEEP, "SELECT 1")]
    await until_active(database_url, 3)
    await closes(database)
    assert await until_active(database_url, 0) < 1.0
    *stopped, waited = await failures(tasks)
    for error in stopped:
        assert isinstance(error, DBAPIError)
        assert translate(error).kind is Kind.STOPPED
    assert isinstance(waited, Trouble)
    assert waited.code == "lost"
    await closes(database)
    with pytest.raises(Trouble) as caught:
        await read(database, "SELECT 1")
    assert caught.value.code == "lost"


async def test_close_while_somebody_holds_a_connection(database_url: str) -> None:
    database = await Database.connect(Source(database_url, "argument"))

    async def hold() -> None:
        async with database.read() as connection:
            await asyncio.sleep(1.2)
            await connection.exec_driver_sql("SELECT 1")

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.1)
    await closes(database)
    with pytest.raises(Trouble) as caught:
        await holding
    assert caught.value.code == "lost"


async def test_close_with_a_dead_network(database_url: str) -> None:
    async with Proxy(database_url) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        tasks = [asyncio.create_task(how(database, SLEEP)) for how in (read, raw, read)]
        await until_active(database_url, 3)
        proxy.silence()
        # Somebody pressed the key that stops it, and then the one that quits.
        tasks[0].cancel()
        await asyncio.sleep(0.05)
        await closes(database)
        cancelled, *lost = await failures(tasks)
        assert isinstance(cancelled, asyncio.CancelledError)
        assert [type(error) for error in lost] == [Trouble, Trouble]
        assert {error.code for error in lost if isinstance(error, Trouble)} == {"lost"}


async def test_close_with_an_idle_connection_on_a_dead_network(database_url: str) -> None:
    async with Proxy(database_url) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        proxy.silence()
        stuck = asyncio.create_task(read(database, "SELECT 1"))
        await asyncio.sleep(0.05)
        await closes(database)
        (error,) = await failures([stuck])
        assert isinstance(error, Trouble)


async def test_close_after_the_network_hung_up(database_url: str) -> None:
    async with Proxy(database_url) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        running = asyncio.create_task(read(database, SLEEP))
        await until_active(database_url, 1)
        proxy.hang_up()
        (error,) = await failures([running])
        assert isinstance(error, Trouble)
        assert error.code == "lost"
        assert await read(database, "SELECT 1") == 1
        await closes(database)


async def test_close_with_the_server_stopped_or_gone() -> None:
    with listening() as found:
        conninfo = found.server.conninfo()
        postmaster = int((found.server.data / "postmaster.pid").read_text().split()[0])
        frozen = await Database.connect(Source(conninfo, "argument"))
        running = asyncio.create_task(read(frozen, SLEEP))
        await until_active(conninfo, 1)
        pid = await read(frozen, "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(100)'")
        for process in (postmaster, pid):
            os.kill(process, signal.SIGSTOP)
        try:
            await closes(frozen)
            (error,) = await failures([running])
            assert isinstance(error, Trouble)
        finally:
            for process in (pid, postmaster):
                os.kill(process, signal.SIGCONT)
        gone = await Database.connect(Source(conninfo, "argument"))
        running = asyncio.create_task(read(gone, SLEEP))
        await until_active(conninfo, 1)
        found.server.stop()
        (error,) = await failures([running])
        assert isinstance(error, Trouble)
        with pytest.raises(Trouble) as caught:
            await read(gone, "SELECT 1")
        assert caught.value.code == "no_socket"
        await closes(gone)


async def test_cancelled_while_connecting_to_a_slow_server(database_url: str) -> None:
    async with Proxy(database_url, delay=0.05) as proxy:
        for step in range(6):
            connecting = asyncio.create_task(Database.connect(Source(proxy.conninfo, "argument")))
            await asyncio.sleep(step * 0.06)
            connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await connecting).close()
        await asyncio.sleep(0.3)
        async with await psycopg.AsyncConnection.connect(database_url) as watcher:
            cursor = await watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            )
            assert await cursor.fetchone() == (0,)
