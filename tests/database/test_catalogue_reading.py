"""How the catalogue is read: nothing waits for a lock, one snapshot, nothing left behind in the session."""

from __future__ import annotations

import asyncio
import time

import psycopg
import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql import reader
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.postgresql.statements import statements
from fkexplorer.database.source import find_source
from tests.database.catalogue import by_label, load, run, version
from tests.proxy import Proxy

pytestmark = pytest.mark.matrix

TABLES = [
    "CREATE TABLE p (id int PRIMARY KEY, d text DEFAULT 'x')",
    "CREATE TABLE c (id int, p int CONSTRAINT fk REFERENCES p, CHECK (id > 0))",
    "CREATE INDEX expression ON c ((id + 1)) WHERE p IS NOT NULL",
    "CREATE TABLE part (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (9)",
    "CREATE VIEW v AS SELECT * FROM p",
]


@pytest.mark.parametrize(
    "held",
    [
        ["ALTER TABLE p ADD extra int", "ALTER TABLE c ADD extra int", "ALTER TABLE part ADD extra int"],
        ["LOCK TABLE p, c, part, part_1 IN ACCESS EXCLUSIVE MODE"],
        ["DROP TABLE p, c, part CASCADE"],
        ["ALTER TABLE c DROP CONSTRAINT fk", "DROP INDEX expression"],
        ["TRUNCATE p, c, part"],
        ["CREATE TYPE t AS (a int)", "CREATE TABLE coming (id int REFERENCES p)"],
    ],
)
async def test_nothing_waits_for_a_lock(database_url: str, held: list[str]) -> None:
    before = await load(database_url, *TABLES)
    assert set(by_label(before)) == {"p", "c", "part"}
    with psycopg.connect(database_url) as other:
        for statement in held:
            other.execute(statement.encode())
        started = time.monotonic()
        during = await load(database_url)
        # A wait would end in an error after the lock timeout of 2 s.
        assert time.monotonic() - started < 1.9
        other.rollback()
    # What is not committed is not there yet.
    assert (during.tables, during.edges) == (before.tables, before.edges)


async def test_the_lock_is_one_that_others_wait_for(database_url: str) -> None:
    """Without this the test above could pass for want of a lock."""
    run(database_url, *TABLES)
    with psycopg.connect(database_url) as other, psycopg.connect(database_url) as ours:
        other.execute("LOCK TABLE p, c IN ACCESS EXCLUSIVE MODE")
        ours.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ours.execute("SELECT pg_get_indexdef('expression'::regclass)")
        other.rollback()


async def test_tables_that_go_while_others_read(database_url: str) -> None:
    """The functions that look past the snapshot meet tables that are no longer there: no error, no half table."""
    run(database_url, *TABLES)
    stop = asyncio.Event()

    async def churn() -> None:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            while not stop.is_set():
                await other.execute("CREATE TABLE going (id int PRIMARY KEY, up int CONSTRAINT up REFERENCES going)")
                await other.execute("DROP TABLE going")

    task = asyncio.create_task(churn())
    database = await Database.connect(find_source(database_url, None, {}))
    try:
        seen = set()
        for _ in range(40):
            schema = await read_schema(database)
            labels = set(by_label(schema))
            assert labels - {"going"} == {"p", "c", "part"}
            assert len(schema.edges) == (2 if "going" in labels else 1)
            seen.add("going" in labels)
    finally:
        stop.set()
        await task
        await database.close()


async def test_it_takes_one_round_trip(database_url: str) -> None:
    run(database_url, *TABLES)
    # Late enough that all is said before an answer comes: the server begins to answer once it has 8 kB to send.
    async with Proxy(database_url, delay=0.1) as proxy:
        database = await Database.connect(find_source(proxy.conninfo, None, {}))
        try:
            before = proxy.round_trips
            await read_schema(database)
            assert proxy.round_trips - before == 1
        finally:
            await database.close()


async def test_nothing_is_left_in_the_session(database_url: str) -> None:
    run(database_url, *TABLES)
    database = await Database.connect(find_source(database_url, None, {}))
    shown = (
        "SELECT current_setting('search_path'), current_setting('statement_timeout'), current_setting('row_security')"
    )
    try:
        async with database.raw() as connection:
            before = await (await connection.execute(shown)).fetchone()
        await read_schema(database)
        async with database.raw() as connection:
            assert await (await connection.execute(shown)).fetchone() == before
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    finally:
        await database.close()


async def test_it_reads_in_one_snapshot_that_may_not_write(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = """SELECT extract(epoch FROM clock_timestamp())::float8 FROM (SELECT
        1 / (current_setting('transaction_read_only') = 'on')::int,
        1 / (current_setting('transaction_isolation') = 'repeatable read')::int,
        1 / (current_setting('search_path') = '')::int, 1 / (current_setting('row_security') = 'off')::int,
        1 / (current_setting('statement_timeout') = '30s')::int, 1 / (current_setting('lock_timeout') = '2s')::int
        OFFSET 0) x"""
    texts = statements(version(database_url))
    monkeypatch.setattr(reader, "statements", lambda _: {**texts, "clock": probe})
    assert (await load(database_url)).loaded_at is not None


async def test_an_error_ends_the_transaction(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database_url, *TABLES)
    texts = statements(version(database_url))
    database = await Database.connect(find_source(database_url, None, {}))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(reader, "statements", lambda _: {**texts, "keys": "SELECT 1 / 0"})
            with pytest.raises(Trouble, match="division by zero"):
                await read_schema(database)
        async with database.raw() as connection:
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert len((await read_schema(database)).tables) == 3
    finally:
        await database.close()


async def test_a_cancelled_read_ends_its_transaction(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database_url, *TABLES)
    texts = statements(version(database_url))
    database = await Database.connect(find_source(database_url, None, {}))
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    try:
        with monkeypatch.context() as patch, psycopg.connect(database_url, autocommit=True) as other:
            patch.setattr(reader, "statements", lambda _: {**texts, "keys": "SELECT pg_sleep(60)"})
            task = asyncio.create_task(read_schema(database))
            async with asyncio.timeout(10):
                while other.execute(sleeping).fetchone() != (1,):  # noqa: ASYNC110 - it happens on the server
                    await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert other.execute(sleeping).fetchone() == (0,)
        assert len((await read_schema(database)).tables) == 3
    finally:
        await database.close()


def test_no_statement_has_a_placeholder() -> None:
    for number in (120000, 130000, 140000, 150000, 160000, 170000, 180000):
        for name, text in statements(number).items():
            assert "%" not in text, name
            assert "$user" not in text, name
