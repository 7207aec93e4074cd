"""A connected database: what it knows, READ ONLY reads and their limits, at most three connections, reconnecting."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Database, Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from tests.database.listening import listening
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fkexplorer.demo.server import EmbeddedServer


@asynccontextmanager
async def connected(conninfo: str) -> AsyncIterator[Database]:
    """A database that is closed with the block."""
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        yield database
    finally:
        await database.close()


async def ask(database: Database, statement: str, **read: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The one row of a statement, read on its own."""
    async with database.read(**read) as connection:
        return tuple((await connection.exec_driver_sql(statement)).one())


def run(conninfo: str, *statements: str) -> list[tuple[Any, ...]]:
    """Execute each statement on a connection of its own; the rows of the last one that has any."""
    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            if cursor.description:
                rows = cursor.fetchall()
    return rows


@pytest.mark.matrix
async def test_facts(database_url: str, server: EmbeddedServer) -> None:
    name = conninfo_to_dict(database_url)["dbname"]
    ((number, version),) = run(
        database_url, "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    async with connected(database_url) as database:
        facts = database.facts
    assert (facts.database, facts.user) == (name, "postgres")
    assert (facts.host, facts.port) == (str(server.folder), 5432)
    assert facts.version_number == number
    assert facts.version == f"PostgreSQL {version.split()[0]}"
    assert (facts.superuser, facts.bypasses_row_security) == (True, True)
    assert (facts.standby, facts.pooled, facts.replication_role) == (False, False, "origin")
    assert abs(facts.connected_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert facts.connected_at.utcoffset() == timedelta(0)


async def test_facts_of_another_role(database_url: str) -> None:
    name = conninfo_to_dict(database_url)["dbname"]
    run(
        database_url,
        "CREATE ROLE carol LOGIN BYPASSRLS",
        f"ALTER DATABASE {name} SET session_replication_role = replica",
        f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'",
    )
    try:
        async with connected(make_conninfo(database_url, options="-c role=carol")) as database:
            facts = database.facts
        assert (facts.user, facts.superuser, facts.bypasses_row_security) == ("carol", False, True)
        assert facts.replication_role == "replica"
        assert abs(facts.connected_at - datetime.now(UTC)) < timedelta(seconds=5)
    finally:
        run(database_url, "DROP ROLE carol")


SETTINGS = (
    "SELECT current_setting('transaction_read_only'), current_setting('transaction_isolation'), "
    "current_setting('statement_timeout'), current_setting('lock_timeout'), "
    "current_setting('idle_in_transaction_session_timeout'), current_setting('row_security'), "
    "current_setting('search_path'), current_setting('jit'), current_setting('max_parallel_workers_per_gather'), "
    "current_setting('application_name')"
)
DEFAULTS = ("on", "read committed", "30s", "2s", "1min", "off", "", "off", "0", "fkexplorer")


@pytest.mark.matrix
async def test_limits_hold_in_the_transaction_and_nowhere_else(database_url: str) -> None:
    own = make_conninfo(database_url, application_name="mine", options="-c search_path=pg_temp -c jit=on")
    async with connected(own) as database:
        assert await ask(database, SETTINGS) == DEFAULTS
        limits = Limits(statement_timeout_ms=1234, lock_timeout_ms=5, idle_timeout_ms=6789, row_security=True)
        assert await ask(database, SETTINGS, limits=limits, snapshot=True) == (
            "on",
            "repeatable read",
            "1234ms",
            "5ms",
            "6789ms",
            "on",
            *DEFAULTS[6:],
        )
        assert await ask(database, SETTINGS) == DEFAULTS
        async with database.raw() as connection:
            assert connection.autocommit
            row = await (await connection.execute(SETTINGS)).fetchone()
        assert row is not None
        assert row[:3] == ("off", "read committed", "0")
        assert (row[6], row[9]) == ("pg_temp", "mine")
        assert row[7:9] != ("off", "0")


@pytest.mark.matrix
@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE t ()", "INSERT INTO public.kept VALUES (2)", "SELECT nextval('public.s')"],
)
async def test_nothing_can_be_written(database_url: str, statement: str) -> None:
    run(database_url, "CREATE TABLE kept AS SELECT 1 AS n", "CREATE SEQUENCE s")
    async with connected(database_url) as database:
        with pytest.raises(DBAPIError) as caught:
            await ask(database, statement)
        assert isinstance(caught.value.orig, psycopg.errors.ReadOnlySqlTransaction)
        assert await ask(database, "SELECT n FROM public.kept") == (1,)


async def test_a_statement_after_the_transaction_is_refused(database_url: str) -> None:
    run(database_url, "CREATE TABLE kept AS SELECT 1 AS n")
    async with connected(database_url) as database:

        async def commit_and_write() -> None:
            async with database.read() as connection:
                await connection.exec_driver_sql("SELECT 1")
                await connection.commit()
                await connection.exec_driver_sql("DELETE FROM public.kept")

        with pytest.raises(RuntimeError, match="outside of a READ ONLY transaction"):
            await commit_and_write()
    assert run(database_url, "SELECT n FROM kept") == [(1,)]


async def test_a_server_that_does_not_begin_read_only_is_left(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = psycopg.AsyncConnection.execute

    async def rewritten(
        self: psycopg.AsyncConnection[Any],
        query: bytes,
        *args: Any,  # noqa: ANN401
        **more: Any,  # noqa: ANN401
    ) -> psycopg.AsyncCursor[Any]:
        return await execute(self, query.replace(b"READ ONLY", b"READ WRITE"), *args, **more)

    async with connected(database_url) as database:
        monkeypatch.setattr(psycopg.AsyncConnection, "execute", rewritten)
        with pytest.raises(Trouble) as caught:
            await ask(database, "SELECT 1")
        assert caught.value.code == "not_read_only"
        with pytest.raises(Trouble) as caught:
            await Database.connect(Source(database_url, "argument"))
        assert caught.value.code == "not_read_only"


async def test_a_server_that_is_too_old(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkexplorer.database.facts.OLDEST_VERSION", 990000)
    with pytest.raises(Trouble) as caught:
        await Database.connect(Source(database_url, "argument"))
    assert caught.value.code == "too_old"
    assert "too old" in caught.value.reason


async def test_a_snapshot_is_one_state(database_url: str) -> None:
    run(database_url, "CREATE TABLE t AS SELECT 1 AS n")
    counting = text("SELECT count(*) FROM public.t")
    async with connected(database_url) as database:
        for snapshot, expected in ((True, 1), (False, 2)):
            run(database_url, "DELETE FROM t", "INSERT INTO t VALUES (1)")
            async with database.read(snapshot=snapshot) as connection:
                assert (await connection.execute(counting)).scalar_one() == 1
                run(database_url, "INSERT INTO t VALUES (1)")
                assert (await connection.execute(counting)).scalar_one() == expected


async def test_a_failed_statement_leaves_the_connection_usable(database_url: str) -> None:
    async with connected(database_url) as database:
        (before,) = await ask(database, "SELECT pg_backend_pid()")
        with pytest.raises(DBAPIError):
            await ask(database, "SELECT 1/0")
        with pytest.raises(ZeroDivisionError):
            async with database.read():
                raise ZeroDivisionError
        assert await ask(database, "SELECT pg_backend_pid()") == (before,)
        assert _states(database_url) == ["idle"]


async def test_a_lock_is_waited_for_shortly(database_url: str) -> None:
    run(database_url, "CREATE TABLE t ()")
    async with connected(database_url) as database:
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE t")
            with pytest.raises(DBAPIError) as caught:
                await ask(database, "SELECT count(*) FROM public.t", limits=Limits(lock_timeout_ms=50))
    assert isinstance(caught.value.orig, psycopg.errors.LockNotAvailable)


async def test_at_most_three_connections(database_url: str) -> None:
    seen = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fkexplorer'"
    )
    async with connected(database_url) as database:
        most = await asyncio.gather(*(ask(database, f"SELECT pg_sleep(0.05), ({seen})") for _ in range(10)))
        counts = {row[1] for row in most}
        assert max(counts) == 3
        async with database.raw(), database.raw(), database.raw():
            assert run(database_url, seen) == [(3,)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await ask(database, "SELECT 1")
        assert await ask(database, "SELECT 1") == (1,)
        assert run(database_url, seen) == [(3,)]


async def test_round_trips(database_url: str) -> None:
    async with Proxy(database_url, delay=0.02) as proxy:
        database = await Database.connect(Source(make_conninfo(proxy.conninfo, sslmode="disable"), "argument"))
        # Start-up; begin, settings and facts.
        assert proxy.round_trips == 2
        before = proxy.round_trips
        assert await ask(database, "SELECT 1") == (1,)
        # Begin and settings; the statement; commit.
        assert proxy.round_trips - before == 3
        before = proxy.round_trips
        async with database.raw():
            pass
        assert proxy.round_trips == before
        await database.close()


async def test_raw_left_inside_a_transaction_is_thrown_away(database_url: str) -> None:
    async with connected(database_url) as database:
        async with database.raw() as connection:
            first = connection.info.backend_pid
            await connection.execute("BEGIN")
        async with database.raw() as connection:
            second = connection.info.backend_pid
            assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        assert second != first
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with database.raw() as connection, connection.pipeline():
                await connection.execute("SELECT 1/0")
        async with database.raw() as connection:
            assert connection.info.backend_pid not in (first, second)
        assert await ask(database, "SELECT 1") == (1,)


def _states(conninfo: str) -> list[str]:
    return [
        state
        for (state,) in run(
            conninfo,
            "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend' ORDER BY 1",
        )
    ]


def _terminate(conninfo: str) -> None:
    run(
        conninfo,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


async def test_an_idle_connection_that_was_ended_is_replaced(database_url: str) -> None:
    async with connected(database_url) as database:
        await asyncio.gather(*(ask(database, "SELECT pg_sleep(0.05)") for _ in range(3)))
        _terminate(database_url)
        await asyncio.sleep(0.1)
        for _ in range(4):
            assert await ask(database, "SELECT 1") == (1,)
        async with database.raw() as connection:
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)


@pytest.mark.parametrize("raw", [False, True])
async def test_a_connection_lost_in_a_statement(database_url: str, *, raw: bool) -> None:
    async with connected(database_url) as database:

        async def sleep() -> None:
            if raw:
                async with database.raw() as connection:
                    await connection.execute("SELECT pg_sleep(100)")
            await ask(database, "SELECT pg_sleep(100)")

        sleeping = asyncio.create_task(sleep())
        await asyncio.sleep(0.2)
        assert _states(database_url) == ["active"]
        _terminate(database_url)
        with pytest.raises(Trouble) as caught:
            await sleeping
        assert caught.value.code == "lost"
        assert caught.value.reason.startswith("the connection to the server is lost")
        assert await ask(database, "SELECT 1") == (1,)


async def test_the_server_restarts() -> None:
    with listening() as found:
        database = await Database.connect(Source(found.server.conninfo(), "argument"))
        sleeping = asyncio.create_task(ask(database, "SELECT pg_sleep(100)"))
        await asyncio.sleep(0.2)
        (pid,) = await ask(database, "SELECT pg_backend_pid()")
        # A backend that is killed takes all others with it; the server restarts by itself.
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Trouble) as caught:
            await sleeping
        assert caught.value.code == "lost"
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await ask(database, "SELECT 1") == (1,)
                    break
                except Trouble as trouble:
                    if trouble.code not in ("lost", "starting", "closed", "no_socket", "refused"):
                        raise
                await asyncio.sleep(0.05)
        await database.close()


async def test_any_byte_of_a_sql_ascii_database_is_shown(server: EmbeddedServer) -> None:
    run(
        server.conninfo(),
        "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
    )
    conninfo = server.conninfo("bytes")
    try:
        run(
            make_conninfo(conninfo, client_encoding="SQL_ASCII"),
            "CREATE TYPE mood AS ENUM (E'caf\\xe9')",
            'CREATE TABLE "☃" ()',
            "CREATE TABLE t AS SELECT E'caf\\xe9'::text AS a, E'd\\xc3\\xa9j\\xc3\\xa0'::varchar AS b, "
            "E'\\xe9'::char(1) AS c, E'caf\\xe9'::mood AS d, ARRAY[E'\\xe9', 'x'] AS e",
        )
        async with connected(conninfo) as database:
            assert await ask(database, "SELECT * FROM public.t") == (
                "caf\\xe9",
                "déjà",
                "\\xe9",
                "caf\\xe9",
                ["\\xe9", "x"],
            )
            async with database.raw() as connection:
                row = await (await connection.execute("SELECT a FROM t")).fetchone()
                named = await (
                    await connection.execute("SELECT %s, oid FROM pg_class WHERE relname = '☃'", ("☃",))
                ).fetchone()
            assert row == ("caf\\xe9",)
            assert named is not None
            assert named[0] == "☃"
            assert await ask(
                database,
                "SELECT relname, relname = '☃' FROM public.\"☃\" RIGHT JOIN pg_class ON true WHERE relname = '☃'",
            ) == ("☃", True)
            with pytest.raises(DBAPIError) as caught:
                await ask(database, "SELECT a::int FROM public.t")
            assert "caf" in str(caught.value.orig)
    finally:
        run(server.conninfo(), "DROP DATABASE bytes")


async def test_text_comes_as_utf8_whatever_the_user_set(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    async with connected(make_conninfo(database_url, client_encoding="WIN1252")) as database:
        assert await ask(database, "SELECT '☃é', current_setting('client_encoding')") == ("☃é", "UTF8")


async def test_the_password_is_not_in_what_a_read_raises(database_url: str) -> None:
    async with connected(make_conninfo(database_url, password="♠-s3cret")) as database:  # noqa: S106 - of this test
        with pytest.raises(DBAPIError) as caught:
            await ask(database, "SELECT 1/0")
        _terminate(database_url)
        sleeping = asyncio.create_task(ask(database, "SELECT pg_sleep(100)"))
        await asyncio.sleep(0.1)
        _terminate(database_url)
        with pytest.raises(Trouble) as lost:
            await sleeping
        shown = "".join(f"{error!r}{error}{vars(error)}" for error in (caught.value, caught.value.orig, lost.value))
        assert "s3cret" not in shown
        assert "s3cret" not in repr(database)
