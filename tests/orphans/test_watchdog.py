"""A count steps aside for who waits for it, and knows when others are at work."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.connection import backend_of
from fkexplorer.orphans import counter, watchdog
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.course import Course
from fkexplorer.orphans.model import Bound, Status
from fkexplorer.orphans.watchdog import Watch, stepping_aside
from tests.orphans.connected import edge_of, new_role, opened, run
from tests.orphans.slow import ORPHANS, SLOW, slowed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Progress


async def _locked(conninfo: str) -> None:
    """Return when somebody has a lock on the child."""
    async with asyncio.timeout(10), await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as watcher:
        while True:
            found = await watcher.execute("SELECT FROM pg_locks WHERE relation = 'c'::regclass AND granted")
            if found.rowcount:
                return
            await asyncio.sleep(0.01)


@pytest.mark.matrix
@pytest.mark.parametrize("long_ms", [1e9, -1.0], ids=["at once", "in slices"])
async def test_a_statement_that_waits_gets_its_lock_and_the_count_its_number(
    database_url: str, monkeypatch: pytest.MonkeyPatch, long_ms: float
) -> None:
    monkeypatch.setattr(counter, "LONG_MS", long_ms)
    await run(database_url, SLOW)
    told: list[Progress] = []
    async with opened(database_url) as (database, schema):
        async with slowed(database_url):
            counting = asyncio.create_task(
                count_edge(database, schema, edge_of(schema, "c"), timeout_seconds=600, on_progress=told.append)
            )
            await _locked(database_url)
            # Without the watchdog it would wait for some ten seconds, and all others behind it.
            async with asyncio.timeout(5):
                await run(database_url, "/* mine */ ALTER TABLE c ADD COLUMN more int")
            assert not counting.done()
        count = await counting
    assert (count.status, count.orphans, count.bound, count.error) == (Status.ORPHANS, ORPHANS, Bound.EXACT, None)
    assert "stepped aside for ALTER TABLE of postgres" in {progress.resting.split(" (")[0] for progress in told}
    assert all("more" not in progress.resting for progress in told)


async def test_a_count_gives_up_where_somebody_waits_again_and_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "LONG_MS", -1.0)
    monkeypatch.setattr(watchdog, "EVERY", 0.2)
    monkeypatch.setattr(watchdog, "_PAUSES", (0.2, 0.2))
    await run(database_url, SLOW)
    altered = 0

    async def alter() -> None:
        nonlocal altered
        while True:
            await _locked(database_url)
            # So that it finds some before it has to go.
            await asyncio.sleep(0.3)
            await run(database_url, "ALTER TABLE c ALTER COLUMN note SET DEFAULT NULL")
            altered += 1

    async with opened(database_url) as (database, schema), slowed(database_url):
        altering = asyncio.create_task(alter())
        count = await count_edge(database, schema, edge_of(schema, "c"), timeout_seconds=600)
        altering.cancel()
        await asyncio.gather(altering, return_exceptions=True)
    assert altered >= 2
    assert count.error is not None
    assert count.error.startswith("stepped aside again and again, at last for ALTER TABLE of postgres (process ")
    assert count.orphans is None if count.status is Status.TIMED_OUT else count.bound is Bound.LOWER


async def test_whoever_it_stepped_aside_for_may_keep_the_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "EVERY", 0.2)
    monkeypatch.setattr(watchdog, "_PAUSES", (0.2, 0.2, 0.2))
    await run(database_url, SLOW)
    async with opened(database_url) as (database, schema):
        async with slowed(database_url):
            counting = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c"), timeout_seconds=600))
            await _locked(database_url)
            async with await psycopg.AsyncConnection.connect(database_url) as alterer:
                await alterer.execute("ALTER TABLE c ADD COLUMN more int")
                # Longer than the count waits for a lock.
                await asyncio.sleep(2.6)
                assert not counting.done()
        assert (await counting).orphans == ORPHANS


async def test_a_count_that_is_cancelled_while_it_rests(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "EVERY", 0.1)
    monkeypatch.setattr(watchdog, "_PAUSES", (100.0,))
    await run(database_url, SLOW)
    async with opened(database_url) as (database, schema), slowed(database_url):
        counting = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c"), timeout_seconds=600))
        await _locked(database_url)
        await run(database_url, "ALTER TABLE c ADD COLUMN more int")
        counting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(counting, 1)


@asynccontextmanager
async def _working(conninfo: str, sessions: int) -> AsyncIterator[None]:
    """Meanwhile, so many sessions run a statement."""
    connections = [await psycopg.AsyncConnection.connect(conninfo, autocommit=True) for _ in range(sessions)]
    tasks = [asyncio.create_task(_sleep(connection)) for connection in connections]
    yield
    for connection in connections:
        await connection.cancel_safe()
    await asyncio.gather(*tasks)
    for connection in connections:
        await connection.close()


async def _sleep(connection: psycopg.AsyncConnection) -> None:
    try:
        await connection.execute("SELECT pg_sleep(100)")
    except psycopg.errors.QueryCanceled:
        return


@pytest.mark.parametrize("privileged", [True, False])
async def test_a_server_is_busy_when_two_others_are_at_work(
    database_url: str, monkeypatch: pytest.MonkeyPatch, privileged: bool
) -> None:
    monkeypatch.setattr(watchdog, "EVERY", 0.05)
    async with new_role(database_url) as role, opened(database_url, None if privileged else role) as (database, _):
        # What others do is not told to a role without privilege: whoever is there counts as at work.
        for sessions, busy in ((1, False), (3, True)):
            async with _working(database_url, sessions):
                assert await _looks(database, monkeypatch) == [busy] * 3


async def _looks(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What a count is told in three looks."""
    told: list[bool] = []
    look = watchdog._look

    async def noted(database: Database, watch: Watch, pid: int) -> str | None:
        waiter = await look(database, watch, pid)
        told.append(watch.busy)
        return waiter

    async def count(watch: Watch) -> None:
        async with database.read() as connection:
            watch.pid = backend_of(connection)
            while len(told) < 3:  # noqa: ASYNC110 - the watchdog tells nobody
                await asyncio.sleep(0.01)

    with monkeypatch.context() as patched:
        patched.setattr(watchdog, "_look", noted)
        await stepping_aside(database, count, Course(0))
    return told[:3]
