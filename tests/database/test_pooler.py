"""Behind pgbouncer in transaction mode: everything works, and nothing of a session's leaks to other clients."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Database, Limits, backend_of
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.model import Trouble
from fkexplorer.database.pipeline import pipelined
from fkexplorer.database.source import Source
from tests.database.listening import free_port, listening
from tests.servers import missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

POOL = 2
"""Connections of pgbouncer's to the server: fewer than are used, so that they are shared and change hands."""

# What a session-level SET of any of these would change for whoever gets the connection next.
SESSION = (
    "SELECT " + ", ".join(f"current_setting('{name}')" for name in (
        "default_transaction_read_only", "transaction_read_only", "statement_timeout", "lock_timeout",
        "idle_in_transaction_session_timeout", "row_security", "search_path", "jit", "max_parallel_workers_per_gather",
    ))
)  # fmt: skip


@pytest.fixture(scope="module")
def pooled() -> Iterator[str]:
    """The conninfo of a pgbouncer before a server of its own."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        missing("pgbouncer")
    with listening() as found, tempfile.TemporaryDirectory() as folder:
        found.run("CREATE TABLE kept AS SELECT 1 AS n")
        found.add_rules("host all all all trust")
        port = free_port()
        (Path(folder) / "users").write_text('"postgres" ""\n')
        (Path(folder) / "pgbouncer.ini").write_text(
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {POOL}\n"
            "server_login_retry = 1\nquery_wait_timeout = 20\n"
            f"[databases]\n* = host=127.0.0.1 port={found.port} user=postgres\n"
        )
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        Path(folder).chmod(0o755)
        with subprocess.Popen(
            [program, "-q", *account, f"{folder}/pgbouncer.ini"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                conninfo = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
                for attempt in range(100):
                    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(conninfo):
                        break
                    assert attempt < 99, "pgbouncer does not answer"
                    time.sleep(0.05)
                yield conninfo
            finally:
                process.terminate()


@pytest.fixture
async def database(pooled: str) -> AsyncIterator[Database]:
    """A database behind the pooler."""
    connected = await Database.connect(Source(pooled, "argument"))
    yield connected
    await connected.close()


async def read(database: Database, statement: str, **how: Any) -> Any:  # noqa: ANN401
    """The first value of a statement."""
    async with database.read(**how) as connection:
        return (await connection.exec_driver_sql(statement)).scalar()


async def others(conninfo: str) -> list[tuple[Any, ...]]:
    """The settings that other clients have, on every connection that the pooler shares."""
    async with contextlib.AsyncExitStack() as clients:
        found = []
        for _ in range(POOL):
            client = await clients.enter_async_context(
                await psycopg.AsyncConnection.connect(conninfo, prepare_threshold=None)
            )
            cursor = await client.execute(SESSION.encode())
            found += await cursor.fetchall()
        return found


async def test_it_is_seen(database: Database) -> None:
    assert database.facts.pooled
    assert database.facts.user == "postgres"
    assert database.facts.version.startswith("PostgreSQL ")


async def test_a_read_knows_the_process_that_runs_it(database: Database) -> None:
    async with database.read() as one, database.read() as other:
        pids = [(await each.exec_driver_sql("SELECT pg_backend_pid()")).scalar() for each in (one, other)]
        assert [backend_of(one), backend_of(other)] == pids
        assert len(set(pids)) == 2


async def test_reads_work_and_nothing_leaks(database: Database, pooled: str) -> None:
    before = await others(pooled)
    assert len(set(before)) == 1
    assert await asyncio.gather(*(read(database, f"SELECT {n:d}, pg_sleep(0.01)") for n in range(20))) == [*range(20)]
    limits = Limits(statement_timeout_ms=77, row_security=True)
    ask = "SELECT concat_ws(' ', current_setting('transaction_read_only'), current_setting('statement_timeout'))"
    assert await read(database, ask, limits=limits, snapshot=True) == "on 77ms"
    with pytest.raises(DBAPIError) as caught:
        await read(database, "SELECT pg_sleep(10)", limits=limits)
    assert translate(caught.value).kind is Kind.TIMED_OUT
    with pytest.raises(DBAPIError):
        await read(database, "DELETE FROM public.kept")
    async with database.raw() as connection, connection.pipeline():
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute("SELECT set_config('search_path', '', true)")
        cursor = await connection.execute("SELECT count(*) FROM public.kept")
        await connection.execute("COMMIT")
        assert await cursor.fetchone() == (1,)
    assert await others(pooled) == before
    async with await psycopg.AsyncConnection.connect(pooled, autocommit=True, prepare_threshold=None) as client:
        for _ in range(2 * POOL):
            cursor = await client.execute("UPDATE kept SET n = 1")
            assert cursor.rowcount == 1


async def test_a_pipeline_works_and_nothing_leaks(database: Database, pooled: str) -> None:
    before = await others(pooled)
    limits = Limits(statement_timeout_ms=77)
    ask = "SELECT concat_ws(' ', current_setting('transaction_read_only'), current_setting('statement_timeout')) AS a"
    statements = [ask, "DELETE FROM public.kept RETURNING n", "SELECT pg_sleep(10)", ask] * 8

    async def run() -> list[Any]:
        found: list[Any] = []
        await pipelined(database, statements, limits, lambda _, answer: found.append(answer))
        return [each["a"] if not isinstance(each, psycopg.Error) else each.sqlstate for each in found]

    for found in await asyncio.gather(run(), run()):
        assert found == ["on 77ms", "25006", "57014", "on 77ms"] * 8
    assert await others(pooled) == before
    assert await read(database, "SELECT count(*) FROM public.kept") == 1


async def test_cancel_reaches_the_server(database: Database, pooled: str) -> None:
    before = await others(pooled)

    async def active() -> int:
        async with await psycopg.AsyncConnection.connect(pooled, autocommit=True, prepare_threshold=None) as watcher:
            cursor = await watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(100)'"
            )
            row = await cursor.fetchone()
            return int(row[0]) if row else -1

    async def until(number: int) -> None:
        async with asyncio.timeout(1.0):
            while await active() != number:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)

    task = asyncio.create_task(read(database, "SELECT pg_sleep(100)"))
    await until(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(0)
    assert await asyncio.gather(*(read(database, f"SELECT {n}") for n in range(6))) == [*range(6)]
    assert await others(pooled) == before


async def test_startup_options_that_the_pooler_refuses(pooled: str) -> None:
    with pytest.raises(Trouble) as caught:
        await Database.connect(Source(make_conninfo(pooled, options="-c geqo=off"), "argument"))
    assert caught.value.code == "pooler_options"
    with pytest.raises(Trouble) as caught:
        await Database.connect(Source(make_conninfo(pooled, dbname="absent"), "argument"))
    assert caught.value.code == "no_database"
