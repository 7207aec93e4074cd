"""What went wrong in a read is told by SQLSTATE, in any language; each error here is a server's own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Database, Limits
from fkexplorer.database.errors import Failure, Kind, translate, trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from tests.database.listening import listening_in_french

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.database.listening import Listening


@contextlib.asynccontextmanager
async def connected(conninfo: str) -> AsyncIterator[Database]:
    """A database that is closed with the block."""
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        yield database
    finally:
        await database.close()


async def failure(database: Database, statement: str, limits: Limits | None = None) -> Failure:
    """What a read of this statement failed with."""
    error = await error_of(database, statement, limits)
    assert trouble_of(error).code == translate(error).kind.value
    assert trouble_of(error).hint.isprintable()
    return translate(error)


async def error_of(database: Database, statement: str, limits: Limits | None = None) -> BaseException:
    """The error itself."""
    with pytest.raises(DBAPIError) as caught:
        await read(database, statement, limits)
    return caught.value


async def read(database: Database, statement: str, limits: Limits | None = None) -> Any:  # noqa: ANN401
    """The first value of a statement."""
    async with database.read(limits or Limits()) as connection:
        return (await connection.exec_driver_sql(statement)).scalar()


def run(conninfo: str, *statements: str) -> None:
    """Execute each statement on a connection of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A connected database."""
    async with connected(database_url) as found:
        yield found


@pytest.mark.parametrize(
    ("statement", "kind", "sqlstate", "reason"),
    [
        ("SELECT 1/0", Kind.FAILED, "22012", "division by zero"),
        ("SELECT 1 = 'a'::text", Kind.INCOMPARABLE, "42883", "operator does not exist: integer = text"),
        (
            "SELECT CASE WHEN true THEN 1 ELSE now() END",
            Kind.INCOMPARABLE,
            "42804",
            "CASE types timestamp with time zone and integer cannot be matched",
        ),
        ("SELECT * FROM nothing", Kind.FAILED, "42P01", 'relation "nothing" does not exist'),
        (
            "SELECT pg_sleep(10)",
            Kind.TIMED_OUT,
            "57014",
            "canceling statement due to statement timeout",
        ),
        (
            "SELECT 'a\n\x1b[31m\u202e'::text::int",
            Kind.FAILED,
            "22P02",
            'invalid input syntax for type integer: "a \\x1b[31m\\u202e"',
        ),
    ],
)
async def test_kinds(database: Database, statement: str, kind: Kind, sqlstate: str, reason: str) -> None:
    limits = Limits(statement_timeout_ms=200)
    assert await failure(database, statement, limits) == Failure(kind, reason, sqlstate)


async def test_a_long_message_is_cut(database: Database) -> None:
    told = await failure(database, "SELECT repeat('x', 100000)::int")
    assert len(told.reason) == 500
    assert told.reason.endswith("…")


async def test_locks(database: Database, database_url: str) -> None:
    run(database_url, "CREATE TABLE t ()")
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE t")
        told = await failure(database, "SELECT * FROM public.t", Limits(lock_timeout_ms=50))
    assert (told.kind, told.sqlstate) == (Kind.LOCK, "55P03")


def test_conflicts(database_url: str) -> None:
    run(database_url, "CREATE TABLE t AS SELECT 1 AS n")
    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        first.isolation_level = second.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        first.execute("SELECT * FROM t")
        second.execute("UPDATE t SET n = 2")
        second.commit()
        with pytest.raises(psycopg.Error) as caught:
            first.execute("UPDATE t SET n = 3")
    told = translate(caught.value)
    assert (told.kind, told.sqlstate) == (Kind.CONFLICT, "40001")


async def test_who_stopped_it(database: Database, database_url: str) -> None:
    reading = asyncio.create_task(error_of(database, "SELECT pg_sleep(10)"))
    await asyncio.sleep(0.2)
    run(
        database_url,
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
        "AND pid <> pg_backend_pid()",
    )
    error = await reading
    assert translate(error) == translate(error, cancelled=True)
    assert translate(error).kind is Kind.STOPPED
    timed_out = await error_of(database, "SELECT pg_sleep(10)", Limits(statement_timeout_ms=50))
    assert translate(timed_out).kind is Kind.TIMED_OUT
    # The caller knows better than the text, which may be translated.
    assert translate(timed_out, cancelled=True).kind is Kind.STOPPED


POLICED = (
    "CREATE ROLE dave LOGIN",
    "CREATE TABLE hidden (n int)",
    "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT ON hidden TO dave",
    "CREATE TABLE secret (n int)",
)


async def test_denied_and_row_security(database_url: str) -> None:
    run(database_url, *POLICED)
    try:
        async with connected(make_conninfo(database_url, options="-c role=dave")) as database:
            told = await failure(database, "SELECT * FROM public.hidden")
            assert (told.kind, told.sqlstate) == (Kind.ROW_SECURITY, "42501")
            assert await read(database, "SELECT count(*) FROM public.hidden", Limits(row_security=True)) == 0
            told = await failure(database, "SELECT * FROM public.secret")
            assert (told.kind, told.reason) == (Kind.DENIED, "permission denied for table secret")
    finally:
        run(database_url, "DROP OWNED BY dave", "DROP ROLE dave")


@pytest.fixture(scope="module")
def french() -> Iterator[Listening]:
    """A server that speaks French."""
    with listening_in_french() as found:
        found.run(*POLICED)
        yield found


async def test_in_another_language(french: Listening) -> None:
    conninfo = french.server.conninfo()
    async with connected(make_conninfo(conninfo, options="-c role=dave")) as database:
        told = await failure(database, "SELECT * FROM public.hidden")
        assert told.kind is Kind.ROW_SECURITY
        told = await failure(database, "SELECT * FROM public.secret")
        assert told == Failure(Kind.DENIED, "droit refusé pour la table secret", "42501")
        told = await failure(database, "SELECT pg_sleep(10)", Limits(statement_timeout_ms=50))
        assert (told.kind, told.sqlstate) == (Kind.TIMED_OUT, "57014")
        told = await failure(database, "SELECT 1 = 'a'::text")
        assert told.kind is Kind.INCOMPARABLE


def test_lost(database_url: str) -> None:
    connection = psycopg.connect(database_url, autocommit=True)
    run(database_url, f"SELECT pg_terminate_backend({connection.info.backend_pid:d})")
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("SELECT 1")
    told = translate(caught.value)
    assert (told.kind, told.sqlstate) == (Kind.LOST, "57P01")
    assert trouble_of(caught.value).reason == (
        "the connection to the server is lost: terminating connection due to administrator command"
    )
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("SELECT 1")
    assert translate(caught.value) == Failure(Kind.LOST, "the connection is closed", None)
    assert trouble_of(caught.value).reason == "the connection to the server is lost"


async def test_the_server_ends_an_idle_transaction(database: Database) -> None:
    async def idle() -> None:
        async with database.read(Limits(idle_timeout_ms=50)) as connection:
            await connection.exec_driver_sql("SELECT 1")
            await asyncio.sleep(0.3)
            await connection.exec_driver_sql("SELECT 1")

    with pytest.raises(Trouble) as caught:
        await idle()
    assert caught.value.code == "lost"
    assert await read(database, "SELECT 1") == 1


def test_a_fault_of_the_program_is_not_told_as_the_servers() -> None:
    with pytest.raises(ZeroDivisionError):
        trouble_of(ZeroDivisionError())
    trouble = Trouble("reason", "hint", code="code")
    assert trouble_of(trouble) is trouble
