"""Statements in a pipeline: each in a READ ONLY transaction of its own, whatever becomes of those beside it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.pipeline import pipelined
from fkexplorer.database.source import Source
from tests.database.test_cancel import active, until_active
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connected database."""
    connected = await Database.connect(Source(database_url, "argument"))
    yield connected
    await connected.close()


async def answers(database: Database, statements: Sequence[str], timeout_ms: int = 30_000) -> list[Any]:
    """The first value that each gave, or the SQLSTATE of its error."""
    found: list[Any] = []

    def answered(position: int, answer: Mapping[str, Any] | psycopg.Error) -> None:
        assert position == len(found)
        found.append(answer.sqlstate if isinstance(answer, psycopg.Error) else next(iter(answer.values())))

    await pipelined(database, statements, Limits(statement_timeout_ms=timeout_ms), answered)
    return found


@pytest.mark.matrix
async def test_each_is_a_transaction_of_its_own(database: Database) -> None:
    now = "SELECT extract(epoch FROM now())::float8"
    first, failed, refused, second = await answers(
        database, [now, "SELECT 1/0", "CREATE TABLE public.t AS SELECT 1 AS n", now]
    )
    assert (failed, refused) == ("22012", "25006")
    assert first < second
    set_now = "SELECT concat_ws(' ', current_setting('transaction_read_only'), current_setting('statement_timeout'))"
    assert await answers(database, [set_now, set_now], timeout_ms=1234) == ["on 1234ms"] * 2
    [[after]] = await database.glance("SELECT count(*) FROM pg_class WHERE relname = 't'")
    assert after == (0,)
    async with database.raw() as driver:
        cursor = await driver.execute("SHOW transaction_read_only")
        assert await cursor.fetchone() == ("off",)  # the limits ended with the transactions


async def test_more_than_the_buffers_of_both_sides_hold(database: Database) -> None:
    wide = [f"SELECT '{n:03}' || repeat('x', 100000) -- {'y' * 20000}" for n in range(200)]
    found = await answers(database, wide)
    assert [value[:3] for value in found] == [f"{n:03}" for n in range(200)]


async def test_one_that_takes_too_long_takes_nothing_from_the_others(database: Database) -> None:
    found = await answers(database, ["SELECT 1", "SELECT pg_sleep(100)", "SELECT 2"], timeout_ms=50)
    assert found == [1, "57014", 2]


async def test_one_round_trip_for_all(database_url: str) -> None:
    async with Proxy(database_url, delay=0.02) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        before = proxy.round_trips
        assert await answers(database, [f"SELECT {n}" for n in range(64)]) == [*range(64)]
        assert proxy.round_trips - before == 1
        await database.close()


async def test_none_at_all(database: Database) -> None:
    assert await answers(database, []) == []


async def test_cancelling_stops_what_runs_and_what_would(database: Database, database_url: str) -> None:
    pipeline = asyncio.create_task(answers(database, ["SELECT pg_sleep(100)"] * 20))
    await until_active(database_url, 1)
    pipeline.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pipeline
    assert await until_active(database_url, 0) < 1.0
    assert await answers(database, ["SELECT 1"]) == [1]


async def test_closing_ends_it(database_url: str) -> None:
    database = await Database.connect(Source(database_url, "argument"))
    pipeline = asyncio.create_task(answers(database, ["SELECT pg_sleep(100)"] * 20))
    await until_active(database_url, 1)
    await database.close()
    assert await until_active(database_url, 0) < 1.0
    # Each was stopped as it began, or none is heard of any more.
    with contextlib.suppress(Trouble):
        async with asyncio.timeout(1):
            assert await pipeline == ["57014"] * 20


async def test_a_lost_connection(database: Database, database_url: str) -> None:
    pipeline = asyncio.create_task(answers(database, ["SELECT 1", "SELECT pg_sleep(100)", "SELECT 2"]))
    await until_active(database_url, 1)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watcher:
        await watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(Trouble) as caught:
        await pipeline
    assert caught.value.code == "lost"
    assert await active(database_url) == 0


async def test_what_the_callback_raises_ends_it(database: Database) -> None:
    def fails(*_: object) -> None:
        raise LookupError("from the callback")

    with pytest.raises(LookupError):
        await pipelined(database, ["SELECT 1", "SELECT 2"], Limits(), fails)
    assert await answers(database, ["SELECT 1"]) == [1]


async def test_any_byte_of_a_database_without_an_encoding(
    database_url: str, make_database: Callable[[str], str]
) -> None:
    plain = make_database("SELECT 1")
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        await connection.execute(
            "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    ascii_url = psycopg.conninfo.make_conninfo(plain, dbname="ascii")
    database = await Database.connect(Source(ascii_url, "argument"))
    try:
        assert await answers(database, ["SELECT 'ä'", "SELECT convert_from('\\xff', 'SQL_ASCII')"]) == ["ä", "\\xff"]

        failed: list[psycopg.Error | Mapping[str, Any]] = []
        await pipelined(database, ['SELECT 1 FROM public."ä"'], Limits(), lambda _, answer: failed.append(answer))
        assert isinstance(failed[0], psycopg.Error)
        assert (translate(failed[0]).kind, translate(failed[0]).reason) == (
            Kind.FAILED,
            'relation "public.ä" does not exist',
        )
    finally:
        await database.close()
        async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
            await connection.execute("DROP DATABASE ascii WITH (FORCE)")
