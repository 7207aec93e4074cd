"""The parent locked against writes: announced, seen in pg_locks, and in a script too; no two runs deadlock by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.dry import dry_run
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import DataStep, Ending, Request
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, edge_named
from tests.fixes.test_guards import PATIENT, session, waits
from tests.fixes.test_locks import of_tables, seen_locks
from tests.fixes.test_script import ACTIONS, FAMILY, Case, request_for
from tests.fixes.trying import locks_of
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

__all__ = ["seen_locks"]

SHARE, WRITTEN = "ShareLock", "ShareRowExclusiveLock"
MODES = {
    "delete": SHARE,
    "repoint": SHARE,
    "quarantine": SHARE,
    "insert-parents": WRITTEN,
    "backfill": WRITTEN,
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", MODES)
async def test_each_batch_holds_what_was_announced(
    make_database: Callable[[str], str], open_folder: Path, seen_locks: list[dict[int, str]], name: str
) -> None:
    action, asked = ACTIONS[name]
    async with opened(make_database(FAMILY)) as (database, schema):
        edge = edge_named(schema, "c.fk")
        found = await preview(database, schema, replace(request_for(schema, edge, action, asked), strict=True))
        [step] = found.plan.steps
        assert locks_of(step)[edge.parent] == MODES[name]
        limits = RunLimits(batch_rows=3)
        outcome = await run(database, schema, found, Journal(open_folder), limits=limits)
        # A backfill brings what its source has, and not all parents.
        assert outcome.ending in (Ending.DONE, Ending.REMAINING), outcome.words
        assert len(seen_locks) > 1 or MODES[name] == WRITTEN
        assert of_tables(schema, seen_locks) == [locks_of(step, of_run=True)] * len(seen_locks)


OTHERS = {
    "a parent of itself": (
        (
            "CREATE TABLE p (id int PRIMARY KEY, pid int); INSERT INTO p VALUES (1, 1), (2, 9);"
            "ALTER TABLE p ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID"
        ),
        "p.fk",
        WRITTEN,
        {"p"},
    ),
    "a parent that the cascade reaches": (
        (
            "CREATE TABLE c (id int PRIMARY KEY, pid int); INSERT INTO c VALUES (1, 1), (2, 9);"
            "CREATE TABLE p (id int PRIMARY KEY, cid int REFERENCES c ON DELETE CASCADE); INSERT INTO p VALUES (1, 1);"
            "INSERT INTO p VALUES (2, 2);"
            "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID"
        ),
        "c.fk",
        WRITTEN,
        {"p"},
    ),
    "a parent in partitions": (
        (
            "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id);"
            "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
            "CREATE TABLE p2 PARTITION OF p DEFAULT; CREATE TABLE c (id int PRIMARY KEY, pid int);"
            "INSERT INTO p VALUES (1), (2); SET session_replication_role = replica;"
            "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p; INSERT INTO c VALUES (1, 1), (2, 9);"
        ),
        "c.fk",
        SHARE,
        {"p", "p1", "p2"},
    ),
    "a parent with heirs": (
        (
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE heir () INHERITS (p); CREATE TABLE c (id int, pid int);"
            "INSERT INTO c VALUES (2, 9); ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID"
        ),
        "c.fk",
        SHARE,
        {"p"},
    ),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", OTHERS)
async def test_which_relations_are_locked(
    make_database: Callable[[str], str], open_folder: Path, seen_locks: list[dict[int, str]], name: str
) -> None:
    statements, label, mode, locked = OTHERS[name]
    conninfo = make_database(statements)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, label)
        found = await preview(database, schema, Request(edge, FixAction.DELETE, strict=True))
        assert locks_of(found.plan.steps[0])[edge.parent] == mode
        outcome = await run(database, schema, found, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.DONE, outcome.words
        assert of_tables(schema, seen_locks) == [locks_of(found.plan.steps[0], of_run=True)]
    with psycopg.connect(conninfo) as connection:
        relations = connection.execute("SELECT oid::int8, relname::text FROM pg_class WHERE relkind IN ('r', 'p')")
        names: dict[int, str] = dict(relations.fetchall())
    assert {names[table] for table, held in seen_locks[0].items() if held == mode} == locked


async def test_nobody_slips_in(make_database: Callable[[str], str], open_folder: Path) -> None:
    """While the run waits for a row, a new parent waits for the run; other children come in."""
    conninfo = make_database(FAMILY)
    async with opened(conninfo) as (database, schema), session(conninfo) as other:
        found = await preview(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE, strict=True))
        await other.execute("UPDATE c SET note = 'x' WHERE id = 15")
        running = asyncio.create_task(run(database, schema, found, Journal(open_folder), limits=PATIENT))
        await waits(conninfo)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            await execute(conninfo, "SET lock_timeout = '50ms'; INSERT INTO p VALUES (15)")
        await execute(conninfo, "INSERT INTO c VALUES (100, 1)")
        await other.execute("COMMIT")
        outcome = await running
    assert outcome.ending is Ending.DONE, outcome.words


@pytest.mark.parametrize("name", ["insert-parents", "delete"])
async def test_two_of_them(make_database: Callable[[str], str], open_folder: Path, name: str) -> None:
    """The second waits for the first, and finds then that rows have moved; neither is a victim of a deadlock."""
    action, asked = ACTIONS[name]
    conninfo = make_database(FAMILY)
    journal, limits = Journal(open_folder), replace(PATIENT, batch_rows=2)
    async with opened(conninfo) as (one, schema), opened(conninfo) as (two, again):
        edge = edge_named(schema, "c.fk")
        found = await preview(one, schema, replace(request_for(schema, edge, action, asked), strict=True))
        ran = await asyncio.gather(
            run(one, schema, found, journal, limits=limits), run(two, again, found, journal, limits=limits)
        )
    assert sorted(each.ending for each in ran) == [Ending.DONE, Ending.MOVED], [each.words for each in ran]
    assert not any(event.get("reason", "").startswith("deadlock") for event in journal.events())


async def test_the_privilege(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    async with new_role(conninfo) as role:
        await execute(conninfo, f"GRANT ALL ON c, g, h TO {role}; GRANT SELECT, INSERT ON p TO {role}")
        async with opened(conninfo, role) as (database, schema):
            request = Request(edge_named(schema, "c.fk"), FixAction.DELETE, strict=True)
            with pytest.raises(Trouble, match="has none of UPDATE, DELETE, TRUNCATE") as caught:
                await preview(database, schema, request)
            assert caught.value.code == "denied"
            await execute(conninfo, f"GRANT TRUNCATE ON p TO {role}")
            found = await preview(database, schema, request)
            assert found.privilege == "DELETE on public.c, and UPDATE, DELETE or TRUNCATE on public.p"
            assert (await dry_run(database, schema, found)).rows == 5
            outcome = await run(database, schema, found, Journal(open_folder), limits=QUICK)
    assert outcome.ending is Ending.DONE, outcome.words


async def test_the_script_holds_it_too(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    conninfo = make_database(FAMILY)
    async with opened(conninfo) as (database, schema):
        found = await preview(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE, strict=True))
        text = await script(database, schema, found)
    [step] = found.plan.steps
    assert isinstance(step, DataStep)
    assert "-- Locks ShareLock on public.p: reads go on; all writes to the table wait" in text
    case = Case(conninfo, server, tmp_path)
    async with session(conninfo) as other:
        await other.execute("INSERT INTO p VALUES (77)")
        quick = text.replace("lock_timeout = '2000ms'", "lock_timeout = '50ms'")
        assert quick.index(f"{step.hold};") < quick.index("FOR UPDATE OF c")
        ran = await case.run(quick)
        assert (ran.code, "lock timeout" in ran.err) == (3, True), ran
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
