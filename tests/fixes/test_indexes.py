"""An index on the key, and a unique key, built CONCURRENTLY: done once, whatever comes between, and nothing is left."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import resolve
from fkexplorer.fixes.run import run
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges
from tests.database.test_pooler import pooled  # noqa: F401 - a fixture
from tests.fixes.psqlrun import finish, psql_of, run_script, start
from tests.fixes.schemafixes import ask, do, look, seen, written
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Advance

BASE = """
CREATE TABLE p (id int PRIMARY KEY, email text, a int, b int);
CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p, email text, a int, b int);
INSERT INTO p SELECT n, 'm' || n, n, n FROM generate_series(1, 100) n;
INSERT INTO c SELECT n, n, 'm' || n FROM generate_series(1, 100) n;
"""
INDEXES = (
    "SELECT i.relname::text, x.indisvalid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
    " WHERE x.indrelid = '{}'::regclass ORDER BY 1"
)
PARTS = """
CREATE TABLE p (id int, k int, UNIQUE (id));
CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p (id)) PARTITION BY LIST (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1);
CREATE TABLE c2 PARTITION OF c DEFAULT PARTITION BY LIST (id);
CREATE TABLE "c 21" PARTITION OF c2 DEFAULT;
CREATE TABLE q (id int, k int) PARTITION BY LIST (k);
CREATE TABLE q1 PARTITION OF q DEFAULT;
"""


@contextmanager
def working(conninfo: str, table: str) -> Iterator[psycopg.Connection]:
    """Somebody's transaction that has written to the table, and goes on."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(f"INSERT INTO {table} (id) VALUES (0)".encode())
        yield connection
        connection.rollback()


async def until(conninfo: str, query: str) -> None:
    """Wait until a query gives true."""
    async with asyncio.timeout(30), await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        while True:
            row = await (await connection.execute(query.encode())).fetchone()
            if row and row[0]:
                return
            await asyncio.sleep(0.01)


BUILDING = (
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'CREATE%CONCURRENTLY%' AND wait_event_type = 'Lock'"
)

WAITING = (
    "SELECT count(*) > 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND (query LIKE 'CREATE%CONCURRENTLY%' OR query LIKE 'LOCK TABLE%')"
)


@pytest.mark.matrix
async def test_an_index_is_built_once(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    found = await seen(conninfo, "c.fk", FixAction.CREATE_INDEX)
    assert (found.confirm, found.blockers, found.effects) == ("c_pid_idx", (), ())
    [step] = found.plan.steps
    assert step.statements == ('CREATE INDEX CONCURRENTLY "c_pid_idx" ON "public"."c" ("pid")',)
    assert [lock.mode for lock in step.locks] == ["ShareUpdateExclusiveLock"]
    done = await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)
    assert (done.ending, done.words) == (Ending.DONE, "done")
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", True)]
    [entry] = Journal(tmp_path).entries()
    assert (entry.action, entry.state) == ("create-index", State.ALL)
    assert entry.undo == ("DROP INDEX CONCURRENTLY public.c_pid_idx takes it back",)
    again = await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)
    assert (again.ending, again.words, again.entry) == (Ending.DONE, "nothing to do", "")


async def test_a_name_of_ones_own_and_one_that_is_taken(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE + "CREATE VIEW taken AS SELECT 1 AS one")
    with pytest.raises(Trouble, match="there is something else of that name") as raised:
        await seen(conninfo, "c.fk", FixAction.CREATE_INDEX, name="taken")
    assert raised.value.code == "incomplete"
    done = await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX, name='my "own"')
    assert done.ending is Ending.DONE
    assert ask(conninfo, INDEXES.format("c")) == [('my "own"', True)]


@pytest.mark.matrix
async def test_what_a_failed_try_left_is_taken_away(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    with working(conninfo, "c"), psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("CREATE INDEX CONCURRENTLY c_pid_idx ON c (pid)")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("CREATE INDEX CONCURRENTLY somebodys ON c (pid)")
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", False), ("somebodys", False)]
    found = await seen(conninfo, "c.fk", FixAction.CREATE_INDEX)
    assert any("an invalid index, which an earlier try left, is taken away before" in note for note in found.notes)
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)).ending is Ending.DONE
    # One of another name may be anybody's.
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", True), ("somebodys", False)]


async def test_stopped_it_leaves_nothing(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    stop, waits = asyncio.Event(), asyncio.Event()

    def tell(at: Advance) -> None:
        if "waiting" in at.waits:
            waits.set()

    with working(conninfo, "c") as other:
        building = asyncio.ensure_future(do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX, stop=stop, told=tell))
        await until(conninfo, BUILDING)
        await waits.wait()
        stop.set()
        # The invalid index is taken away only once nobody uses the table any more.
        await until(conninfo, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP INDEX CONCURRENTLY%'")
        other.rollback()
        done = await building
    assert done.ending is Ending.STOPPED, done.words
    assert "nothing was changed" in done.words
    assert ask(conninfo, INDEXES.format("c")) == []
    [entry] = Journal(tmp_path).entries()
    assert entry.state is State.NOTHING


async def test_cancelled_it_leaves_nothing(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    with working(conninfo, "c") as other:
        building = asyncio.ensure_future(do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX))
        await until(conninfo, BUILDING)
        threading.Timer(0.2, other.rollback).start()
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    assert ask(conninfo, INDEXES.format("c")) == []
    [entry] = Journal(tmp_path).entries()
    assert entry.state is State.NOTHING


async def test_two_at_once_both_end_well(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    with working(conninfo, "c") as other:
        both = [asyncio.ensure_future(do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)) for _ in range(2)]
        await until(conninfo, BUILDING)
        other.rollback()
        ended = await asyncio.gather(*both)
    assert [each.ending for each in ended] == [Ending.DONE, Ending.DONE]
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", True)]


async def test_the_journal_asks_what_became_of_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)

    class Cut(Journal):
        """Whoever runs it is gone once the statement has begun."""

        def append(self, entry: str, event: str, **fields: object) -> None:
            if event in ("begun", "building"):
                super().append(entry, event, **fields)

    async with opened(conninfo) as (database, schema):
        found = await look(database, schema, "c.fk", FixAction.CREATE_INDEX)
        await run(database, schema, found, Cut(tmp_path))
        journal = Journal(tmp_path)
        assert [each.state for each in journal.entries()] == [State.UNKNOWN]
        assert await resolve(database, journal) == 0
        # It had come to its end, and the journal says so, though nobody wrote down that the whole fix had.
        assert [each.state for each in journal.entries()] == [State.PART]
        ask(conninfo, "DROP INDEX c_pid_idx")
        await run(database, schema, found, Cut(tmp_path))
        ask(conninfo, "DROP INDEX c_pid_idx")
        assert await resolve(database, journal) == 0
        assert {each.state for each in journal.entries()} == {State.PART, State.NOTHING}


@pytest.mark.matrix
async def test_partitions(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(PARTS + 'CREATE INDEX has ON c1 (pid); CREATE INDEX other ON "c 21" (pid, id)')
    found = await seen(conninfo, "c.fk", FixAction.CREATE_INDEX)
    assert [step.statements[0].split(" ON ")[0] for step in found.plan.steps] == [
        'CREATE INDEX CONCURRENTLY "c1_pid_idx"',
        'CREATE INDEX CONCURRENTLY "c 21_pid_idx"',
        'CREATE INDEX "c_pid_idx"',
    ]
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)).ending is Ending.DONE
    # The one that was there is taken up, and nothing is built under a lock that keeps writers waiting.
    assert ask(conninfo, INDEXES.format("c1")) == [("has", True)]
    assert ask(conninfo, INDEXES.format('"c 21"')) == [("c 21_pid_idx", True), ("other", True)]
    assert ask(conninfo, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'c_pid_idx'::regclass") == [(2,)]
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)).words == "nothing to do"
    with pytest.raises(Trouble, match=r"public\.q is partitioned by k, which the key has not"):
        await seen(conninfo, "c(pid):q(id)", FixAction.ADD_UNIQUE)
    assert (await do(conninfo, tmp_path, "c(id, pid):q(id, k)", FixAction.ADD_UNIQUE)).ending is Ending.DONE
    assert ask(conninfo, INDEXES.format("q")) == [("q_id_k_key", True)]
    assert (await do(conninfo, tmp_path, "c(id, pid):q(id, k)", FixAction.ADD_CONSTRAINT)).ending is Ending.DONE


@pytest.mark.matrix
async def test_a_unique_key_is_made_and_pointed_at(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    pair = "c(email):p(email)"
    found = await seen(conninfo, pair, FixAction.ADD_UNIQUE)
    assert found.confirm == "p_email_key"
    assert [step.statements for step in found.plan.steps] == [
        ('CREATE UNIQUE INDEX CONCURRENTLY "p_email_key" ON "public"."p" ("email")',),
        ('ALTER TABLE "public"."p" ADD CONSTRAINT "p_email_key" UNIQUE USING INDEX "p_email_key"',),
    ]
    assert found.notes == ("rows where email is NULL are not kept apart by it, and nothing can refer to them",)
    assert (await do(conninfo, tmp_path, pair, FixAction.ADD_UNIQUE)).ending is Ending.DONE
    made = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'p_email_key'"
    assert ask(conninfo, made) == [("UNIQUE (email)",)]
    assert (await do(conninfo, tmp_path, pair, FixAction.ADD_UNIQUE)).words == "nothing to do"
    assert (await do(conninfo, tmp_path, pair, FixAction.ADD_CONSTRAINT)).ending is Ending.DONE
    assert (await do(conninfo, tmp_path, "c(b, a):p(b, a)", FixAction.ADD_UNIQUE)).ending is Ending.DONE
    assert ask(conninfo, made.replace("email", "b_a")) == [("UNIQUE (b, a)",)]


async def test_duplicates_refuse_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE + "INSERT INTO p VALUES (101, 'm1'), (102, 'm1'), (103, 'm2'), (104, NULL)")
    with pytest.raises(Trouble) as raised:
        await seen(conninfo, "c(email):p(email)", FixAction.ADD_UNIQUE)
    assert raised.value.code == "blocked"
    assert raised.value.reason == "2 keys are there more than once, in 5 rows of public.p (email): m1, m2"
    ask(conninfo, "DELETE FROM p WHERE id IN (101, 102, 103)")
    done = await do(
        conninfo,
        tmp_path,
        "c(email):p(email)",
        FixAction.ADD_UNIQUE,
        between=lambda: ask(conninfo, "INSERT INTO p VALUES (106, 'm1')"),
    )
    # One that comes after the preview is found by the server, and no invalid index stays.
    assert done.ending is Ending.REFUSED
    assert "Key (email)=(m1) is duplicated" in done.words
    assert ask(conninfo, INDEXES.format("p")) == [("p_pkey", True)]


@pytest.mark.matrix
async def test_who_may_and_what_would_permit_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE + "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    async with new_role(conninfo, "LOGIN") as role:
        await execute(conninfo, f"GRANT USAGE ON SCHEMA public TO {role}")
        for told, permits in (
            (f"{role} is not the owner of public.c", f"ALTER TABLE c OWNER TO {role}"),
            ("no CREATE on the schema public", f"GRANT CREATE ON SCHEMA public TO {role}"),
        ):
            async with opened(conninfo, role) as (database, schema):
                found = await choices(database, schema, find_edges(schema, "fk")[0], None)
            choice = next(each for each in found if each.action is FixAction.CREATE_INDEX)
            assert choice.reason == told
            assert choice.remedy == permits or choice.remedy.endswith("or connect as it")
            await execute(conninfo, permits)
        async with opened(conninfo, role) as (database, schema):
            preview = await look(database, schema, "c.fk", FixAction.CREATE_INDEX)
            assert preview.privilege == "owner of public.c"
            assert (await run(database, schema, preview, Journal(tmp_path))).ending is Ending.DONE


async def test_through_a_pooler(pooled: str, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    ask(pooled, "CREATE TABLE pool_p (id int, k int); CREATE TABLE pool_c (pid int)")
    pair = "pool_c(pid):pool_p(id)"
    for action in (FixAction.CREATE_INDEX, FixAction.ADD_UNIQUE, FixAction.ADD_CONSTRAINT):
        done = await do(pooled, tmp_path, pair, action)
        assert done.ending is Ending.DONE, done.words
    assert ask(pooled, "SELECT convalidated FROM pg_constraint WHERE conname = 'pool_c_pid_fkey'") == [(True,)]


@pytest.mark.matrix
async def test_the_script(make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path) -> None:
    conninfo, psql = make_database(BASE), psql_of(server.major)
    text = await written(conninfo, "c(email):p(email)", FixAction.ADD_UNIQUE)
    ask(conninfo, "INSERT INTO p VALUES (101, 'm1')")
    ran = await run_script(psql, conninfo, text, tmp_path)
    assert ran.code == 3, ran
    assert "it is invalid, and not done; nothing was changed" in ran.err
    assert "an invalid index of a try that failed is taken away" in ran.out
    assert ask(conninfo, INDEXES.format("p")) == [("p_pkey", True)]
    ask(conninfo, "DELETE FROM p WHERE id = 101")
    ran = await run_script(psql, conninfo, text, tmp_path)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "step 2 of 2 is committed" in ran.out
    ran = await run_script(psql, conninfo, text, tmp_path)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "fkexplorer: nothing to do" in ran.out
    assert ask(conninfo, INDEXES.format("p")) == [("p_email_key", True), ("p_pkey", True)]


async def test_two_scripts_at_once(make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path) -> None:
    conninfo, psql = make_database(BASE), psql_of(server.major)
    text = await written(conninfo, "c.fk", FixAction.CREATE_INDEX)
    with working(conninfo, "c") as other:
        both = [await start(psql, conninfo, text, tmp_path) for _ in range(2)]
        await until(conninfo, WAITING)
        other.rollback()
        ran = [await finish(each) for each in both]
    assert [each.code for each in ran] == [0, 0], [(each.code, each.err) for each in ran]
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", True)]
