"""Counts never hold the last connection, and what a person waits for comes first."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.database.connection import Database, Lane
from fkexplorer.database.lanes import Lanes
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from tests.orphans.connected import new_role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def entering(lanes: Lanes, *wanted: Lane) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(lanes.enter(lane)) for lane in wanted]


async def inside(tasks: list[asyncio.Task[None]]) -> list[bool]:
    """Who has a slot, once the event loop has nothing left to do for it."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_counts_leave_one_to_the_screen() -> None:
    lanes = Lanes(3)
    counts = entering(lanes, *[Lane.COUNTS] * 3)
    assert await inside(counts) == [True, True, False]
    screen = entering(lanes, Lane.SCREEN, Lane.SCREEN)
    assert await inside(screen) == [True, False]
    lanes.leave(Lane.COUNTS)
    # The screen asked later, and comes first.
    assert await inside([*screen, counts[2]]) == [True, True, False]
    lanes.leave(Lane.SCREEN)
    assert await inside(counts) == [True, True, True]
    assert lanes.held == 3


async def test_the_screen_may_have_all_of_them() -> None:
    lanes = Lanes(3)
    assert await inside(entering(lanes, *[Lane.SCREEN] * 3)) == [True] * 3
    count = entering(lanes, Lane.COUNTS)
    assert await inside(count) == [False]
    lanes.leave(Lane.SCREEN)
    assert await inside(count) == [True]


async def test_one_connection_serves_both() -> None:
    lanes = Lanes(3)
    assert lanes.shrink()
    assert lanes.shrink()
    assert not lanes.shrink()
    first = entering(lanes, Lane.COUNTS, Lane.COUNTS, Lane.SCREEN)
    assert await inside(first) == [True, False, False]
    lanes.leave(Lane.COUNTS)
    assert await inside(first) == [True, False, True]
    lanes.leave(Lane.SCREEN)
    assert await inside(first) == [True, True, True]


async def test_who_is_cancelled_takes_no_slot() -> None:
    lanes = Lanes(1)
    await lanes.enter(Lane.SCREEN)
    gone, granted, last = entering(lanes, Lane.SCREEN, Lane.SCREEN, Lane.SCREEN)
    await inside([gone])
    gone.cancel()
    lanes.leave(Lane.SCREEN)
    # The slot was given to it already, and it has not run since.
    granted.cancel()
    assert await inside([granted, last]) == [True, True]
    assert granted.cancelled()
    assert lanes.held == 1


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connected database."""
    connected = await Database.connect(Source(database_url, "argument"))
    yield connected
    await connected.close()


async def value(database: Database) -> object:
    [[row]] = await database.glance("SELECT 1")
    return row[0]


async def test_counts_that_hang_leave_the_screen_alone(database: Database) -> None:
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(database.read(lane=Lane.COUNTS))
        waiting = asyncio.create_task(held.enter_async_context(database.raw(Lane.COUNTS)))
        for _ in range(3):
            assert await value(database) == 1
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_server_that_allows_two_leaves_one_to_the_screen(database_url: str) -> None:
    async with new_role(database_url, "LOGIN CONNECTION LIMIT 2") as role:
        database = await Database.connect(Source(make_conninfo(database_url, user=role), "argument"))
        async with database.read(lane=Lane.COUNTS):
            async with database.read():
                # There is no third: this is how it finds out.
                counting = asyncio.create_task(count_once(database))
                await asyncio.sleep(0.1)
                assert not counting.done()
            assert await value(database) == 1
            assert not counting.done()
        await counting
        await database.close()


async def count_once(database: Database) -> None:
    async with database.read(lane=Lane.COUNTS) as connection:
        await connection.exec_driver_sql("SELECT 1")


async def test_a_glance_is_one_read_only_transaction_with_limits(database: Database) -> None:
    settings = "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')"
    first, second = await database.glance(
        f"{settings}, now()", f"{settings}, now()", limits=Limits(statement_timeout_ms=1234)
    )
    assert first == second
    assert first[0][:2] == ("on", "1234ms")
    [[after]] = await database.glance("SELECT current_setting('statement_timeout')")
    assert after == ("30s",)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await database.glance("SELECT 1", "CREATE TABLE t ()")
    assert await value(database) == 1


async def test_a_glance_on_a_lost_connection(database: Database, database_url: str) -> None:
    sleeping = asyncio.create_task(database.glance("SELECT pg_sleep(100)"))
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watcher:
        async with asyncio.timeout(5):
            ended = None
            while ended is None:
                cursor = await watcher.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE '%pg_sleep(100)' AND pid <> pg_backend_pid()"
                )
                ended = await cursor.fetchone()
    with pytest.raises(Trouble) as caught:
        await sleeping
    assert caught.value.code == "lost"
