"""What comes in between a preview and its run: nothing is changed, and it is said what moved or who refused."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import fkexplorer
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.dry import dry_run
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.run import run
from fkexplorer.fixes.writer import WriteLimits, looking, writing
from tests.fixes.byhand import QUICK, delete, do, edge_named, events, hashes, preview_of
from tests.fixes.test_kinds import SIMPLE
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import holding, new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fkexplorer.database.connection import Database

PATIENT = RunLimits(WriteLimits(lock_timeout_ms=10_000), retries=0)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM c WHERE id = 15", "4 rows of public.c are there, in place of 5"),
        ("INSERT INTO p VALUES (15)", "4 rows of public.c are there, in place of 5"),
        ("SET session_replication_role = replica; INSERT INTO c VALUES (99, 99)", "more than 5 rows"),
        ("INSERT INTO g (cid) VALUES (15)", "public.g: 11 deleted, in place of 10 deleted"),
        ("INSERT INTO h (cid) VALUES (15)", "public.h: 6 updated, in place of 5 updated"),
        ("CREATE TABLE n (cid int REFERENCES c); INSERT INTO n VALUES (15)", "violates foreign key constraint"),
        ("DROP TABLE c CASCADE", "the table is gone"),
    ],
)
async def test_what_moved_before_the_run(
    make_database: Callable[[str], str], open_folder: Path, statement: str, said: str
) -> None:
    conninfo = make_database(FAMILY)

    async def between() -> None:
        await execute(conninfo, statement)
        now.update(hashes(conninfo))

    now: dict[str, str] = {}
    outcome = await do(conninfo, open_folder, "c.fk", delete, between=between)
    assert outcome.ending in {Ending.MOVED, Ending.REFUSED}
    assert said in outcome.words
    assert outcome.words.endswith("nothing was changed")
    assert hashes(conninfo) == now
    [entry] = Journal(open_folder).entries()
    assert (entry.state, entry.touched, entry.backup) == (State.NOTHING, (), "")
    assert not list((open_folder / "backups").glob("*/*"))


@asynccontextmanager
async def session(conninfo: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """Another client, in a transaction that its block ends by itself."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("BEGIN")
        yield connection


async def waits(conninfo: str) -> None:
    """Until some session of this database waits for a lock."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection, asyncio.timeout(10):
        while True:
            found = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = await found.fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("statement", "then", "said"),
    [
        # Its lock is waited for, and by then it has a parent.
        ("UPDATE c SET pid = 1 WHERE id = 15", "", "4 rows of public.c are wanted still, in place of 5"),
        # The orphan is waited for; its parent comes meanwhile, unseen by the statement that waits.
        (
            "UPDATE c SET note = 'x' WHERE id = 15",
            "INSERT INTO p VALUES (15)",
            "4 rows of public.c are wanted still, in place of 5",
        ),
        ("DELETE FROM g WHERE cid = 15", "", "public.g: 8 deleted, in place of 10 deleted"),
        ("UPDATE h SET cid = NULL WHERE cid = 15", "", "public.h: 4 updated, in place of 5 updated"),
    ],
)
async def test_a_writer_during_the_run(
    make_database: Callable[[str], str], open_folder: Path, statement: str, then: str, said: str
) -> None:
    conninfo = make_database(FAMILY)
    async with session(conninfo) as other:
        await other.execute(statement.encode())
        running = asyncio.create_task(do(conninfo, open_folder, "c.fk", delete, limits=PATIENT))
        await waits(conninfo)
        if then:
            await execute(conninfo, then)
        await other.execute("COMMIT")
        outcome = await running
    assert outcome.ending is Ending.MOVED
    assert said in outcome.words
    with psycopg.connect(conninfo) as connection:
        left = connection.execute("SELECT count(*) FROM c WHERE id > 10").fetchall()
    assert left == [(5,)]


async def test_a_parent_that_comes_while_rows_below_are_waited_for(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """READ COMMITTED would let it through: the DELETE looks for parents before its trigger waits."""
    conninfo = make_database(
        SIMPLE + "CREATE TABLE slow (n int); CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN LOCK TABLE slow; RETURN old; END';"
        "CREATE TRIGGER slowly BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION wait();"
    )
    async with session(conninfo) as other:
        await other.execute("LOCK TABLE slow IN SHARE MODE")
        running = asyncio.create_task(do(conninfo, open_folder, "c.fk", delete, limits=PATIENT, consent=True))
        await waits(conninfo)
        await execute(conninfo, "INSERT INTO p VALUES (30, 'late')")
        await other.execute("COMMIT")
        outcome = await running
    assert (outcome.ending, outcome.after and outcome.after.orphans) == (Ending.MOVED, 24)
    assert outcome.words.startswith("1 of the missing parents are there now")


async def test_a_lock_is_waited_for_and_given_up(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(SIMPLE)
    was = hashes(conninfo)
    async with holding(conninfo, "SELECT 1 FROM c WHERE id = 15 FOR UPDATE"):
        outcome = await do(conninfo, open_folder, "c.fk", delete)
    assert outcome.ending is Ending.REFUSED
    assert outcome.words.startswith("somebody else holds a lock (tried 2 times)")
    assert events(open_folder).count("rolled_back") == 2
    assert hashes(conninfo) == was
    waited: list[str] = []
    async with opened(conninfo) as (database, schema), session(conninfo) as other:
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        await other.execute("SELECT 1 FROM c WHERE id = 15 FOR UPDATE")
        free = asyncio.Event()

        def told(what: str) -> None:
            waited.append(what)
            free.set()

        limits = RunLimits(WriteLimits(lock_timeout_ms=100), retries=50, pause_seconds=0.05)
        running = asyncio.create_task(
            run(
                database,
                schema,
                preview,
                Journal(open_folder),
                limits=limits,
                on_progress=lambda each: told(each.waits) if each.waits else None,
            )
        )
        await free.wait()
        await other.execute("COMMIT")
        outcome = await running
    assert outcome.ending is Ending.DONE, outcome.words
    assert "lock timeout" in waited[0]


async def test_a_privilege_is_lost(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    async with new_role(conninfo) as role:
        await execute(conninfo, f"GRANT ALL ON p, c, g, h TO {role}")
        was = hashes(conninfo)

        async def between() -> None:
            await execute(conninfo, f"REVOKE {what} FROM {role}")

        for what in ("DELETE ON c", "SELECT ON g", "UPDATE ON h"):
            outcome = await do(conninfo, open_folder, "c.fk", delete, between=between, role=role)
            assert outcome.ending is Ending.REFUSED
            assert outcome.words == f"permission denied for table {what[-1]}; nothing was changed"
            assert hashes(conninfo) == was
            await execute(conninfo, f"GRANT ALL ON p, c, g, h TO {role}")


async def test_a_time_limit(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(
        SIMPLE
        + "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN old; END';"
        "CREATE TRIGGER nap BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION nap();"
    )
    was = hashes(conninfo)
    limits = RunLimits(WriteLimits(statement_timeout_ms=300))
    outcome = await do(conninfo, open_folder, "c.fk", delete, limits=limits, consent=True)
    assert outcome.ending is Ending.REFUSED
    assert outcome.words.startswith("the server stopped it at its time limit")
    assert hashes(conninfo) == was


LOGGED = (
    SIMPLE
    + """
CREATE TABLE log (id int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (old.id); RETURN old; END';
CREATE TRIGGER noted BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION note();
"""
)
CANCELS = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
 'BEGIN IF old.id = 20 THEN RETURN NULL; END IF; RETURN old; END';
CREATE TRIGGER kept BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION keep();
"""


async def test_triggers_of_users(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(LOGGED)
    was = hashes(conninfo)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    assert (outcome.entry, outcome.ending) == ("", Ending.REFUSED)
    assert outcome.words == "nobody has agreed to what these triggers may change: noted"

    async def cancels() -> None:
        await execute(conninfo, CANCELS)

    outcome = await do(conninfo, open_folder, "c.fk", delete, consent=True, between=cancels)
    assert outcome.ending is Ending.MOVED
    assert outcome.words.startswith("the trigger kept on public.c fires")
    assert hashes(conninfo) == was
    await execute(conninfo, "DROP TRIGGER kept ON c")
    outcome = await do(conninfo, open_folder, "c.fk", delete, consent=True)
    assert outcome.ending is Ending.DONE, outcome.words
    assert {(each.table, each.deleted, each.inserted) for each in Journal(open_folder).entries()[0].touched} == {
        ("public.c", 25, 0),
        ("public.log", 0, 25),
    }


async def test_a_dry_run_says_what_triggers_do(make_database: Callable[[str], str], open_folder: Path) -> None:
    """Then nobody has to agree to more than that, and no more is done."""
    conninfo = make_database(LOGGED)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        dry = await dry_run(database, schema, preview)
        assert hashes(conninfo) == was
        await execute(conninfo, "CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN"
                      " INSERT INTO log VALUES (old.id), (0); RETURN old; END'")  # fmt: skip
        outcome = await run(database, schema, dry, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.MOVED
        assert outcome.words.startswith("public.log: 50 inserted, in place of 25 inserted")
        assert hashes(conninfo) == was
        dry = await dry_run(database, schema, preview)
        outcome = await run(database, schema, dry, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.DONE, outcome.words


async def test_a_second_fkexplorer(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    async with opened(conninfo) as (one, schema), opened(conninfo) as (other, same):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(one, schema, edge, delete(schema, edge))
        journal = Journal(open_folder)
        outcomes = await asyncio.gather(
            run(one, schema, preview, journal, limits=PATIENT), run(other, same, preview, journal, limits=PATIENT)
        )
    assert sorted(each.ending for each in outcomes) == [Ending.DONE, Ending.MOVED]
    states = sorted(each.state for each in journal.entries())
    assert states == [State.ALL, State.NOTHING]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("-c default_transaction_read_only=on", "read_only"),
        ("-c track_counts=off", "not_counted"),
        ("-c session_replication_role=replica", "replica"),
    ],
)
async def test_where_nothing_may_be_written(database_url: str, options: str, code: str) -> None:
    async with opened(make_conninfo(database_url, options=options)) as (database, _):
        with pytest.raises(Trouble) as caught:
            async with writing(database, WriteLimits()):
                pass
        assert caught.value.code == code


async def test_a_transaction_to_look_in_writes_nothing(database_url: str) -> None:
    await execute(database_url, "CREATE TABLE t (n int)")
    async with opened(database_url) as (database, _):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with looking(database, WriteLimits()) as tx:
                await tx.run("INSERT INTO t VALUES (1)")


async def too_slow(database: Database) -> None:
    """Leave the server waiting for longer than it may."""
    async with writing(database, WriteLimits(idle_timeout_ms=50)) as tx:
        await tx.run("INSERT INTO t VALUES (2)")
        await asyncio.sleep(0.5)
        await tx.run("SELECT 1")


async def test_what_is_not_committed_is_rolled_back(database_url: str) -> None:
    await execute(database_url, "CREATE TABLE t (n int)")
    async with opened(database_url) as (database, _):
        async with writing(database, WriteLimits()) as tx:
            assert await tx.run("INSERT INTO t VALUES (1)") == 1
        with pytest.raises(Trouble) as caught:
            await too_slow(database)
        assert caught.value.code == "lost"
        async with database.read() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM public.t")).scalar() == 0


def test_only_fixes_and_the_demo_can_write() -> None:
    """Whoever takes a raw connection, on which anything could be begun, is on this list."""
    root = Path(fkexplorer.__file__).parent
    raw, writers = set(), set()
    for path in root.rglob("*.py"):
        name, text = str(path.relative_to(root)), path.read_text(encoding="utf-8")
        if re.search(r"\.raw\(", text):
            raw.add(name)
        if re.search(r"\bwriting\(|import .*\bwriting\b", text):
            writers.add(name)
    readers = {"database/connection.py", "database/pipeline.py", "database/postgresql/reader.py"}
    # Statements that no transaction takes (CONCURRENTLY) have a connection of their own.
    assert raw - readers == {"fixes/writer.py", "fixes/alone.py"}
    assert all(name.startswith("fixes/") for name in writers)
    assert {"fixes/writer.py", "fixes/parts.py"} <= writers
