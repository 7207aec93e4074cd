"""Races of two connections as PostgreSQL decides them, and what a diagnosis says of the error that one of them got."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.diagnosis.diagnose import diagnose
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.schema.graph import Graph
from tests.diagnosis.cases import GIB, by_code, by_hand
from tests.orphans.connected import opened, run
from tests.orphans.watched import watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fkexplorer.diagnosis.model import Diagnosis

TABLES = """
CREATE TABLE spaces (id int PRIMARY KEY);
CREATE TABLE people (id int PRIMARY KEY, space int CONSTRAINT people_fk REFERENCES spaces);
INSERT INTO spaces SELECT generate_series(1, 5);
"""
_WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

Connection = psycopg.AsyncConnection[tuple[object, ...]]


@asynccontextmanager
async def two(conninfo: str) -> AsyncIterator[tuple[Connection, Connection]]:
    """One that will wait, in autocommit, and the one that it waits for, which goes first whatever happens."""
    async with (
        await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as waiting,
        await psycopg.AsyncConnection.connect(conninfo) as first,
    ):
        yield waiting, first


async def waits(conninfo: str, connection: Connection, statement: str) -> asyncio.Task[object]:
    """Begin a statement, and give it once it waits for a lock."""
    task: asyncio.Task[object] = asyncio.create_task(connection.execute(statement.encode()))
    async with asyncio.timeout(20):
        while not by_hand(conninfo, _WAITING):
            assert not task.done(), task
            await asyncio.sleep(0.01)
    return task


async def diagnosed(conninfo: str, error: psycopg.Error, statement: str = "") -> Diagnosis:
    """What is said of an error as the server's log has it."""
    lines = [f"ERROR:  {error.diag.sqlstate}: {error.diag.message_primary}"]
    lines += [f"DETAIL:  {error.diag.message_detail}"] if error.diag.message_detail else []
    lines += [f"STATEMENT:  {statement}"] if statement else []
    [found] = read_text("\n".join(lines) + "\n").found
    async with opened(conninfo) as (database, schema):
        return await diagnose(database, schema, Graph(schema), found, max_bytes=GIB)


def codes(diagnosis: Diagnosis) -> set[str]:
    return {each.code for each in diagnosis.findings}


async def test_a_parent_whose_commit_comes_after_the_insert(database_url: str) -> None:
    await run(database_url, TABLES)
    async with two(database_url) as (late, first):
        await first.execute("INSERT INTO spaces VALUES (7)")
        # What is not committed is not there: nobody waits for it.
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as raised:
            await late.execute("INSERT INTO people VALUES (1, 7)")
        before = await diagnosed(database_url, raised.value)
        await first.commit()
        after = await diagnosed(database_url, raised.value)
        await late.execute("INSERT INTO people VALUES (1, 7)")
    assert before.live is True
    assert "key_missing" in codes(before)
    assert after.live is False
    assert {"key_exists_now", "parent_came_later"} <= codes(after)


async def test_a_delete_that_comes_between_read_and_insert_leaves_nothing_to_count(database_url: str) -> None:
    await run(database_url, TABLES)
    errors: list[psycopg.Error] = []
    async with watched(database_url) as told:
        since, edge = len(told.events), told.monitor.schema.edges[told.oid("people")]
        async with two(database_url) as (late, first):
            for space in (1, 2, 3):
                assert await (await late.execute("SELECT 1 FROM spaces WHERE id = %s", [space])).fetchone()
                await first.execute("DELETE FROM spaces WHERE id = %s", [space])
                insert = await waits(database_url, late, f"INSERT INTO people VALUES ({space}, {space})")
                await first.commit()
                with pytest.raises(psycopg.errors.ForeignKeyViolation) as raised:
                    await insert
                errors.append(raised.value)
        await told.confirmed("people", times=2)
        assert {count.orphans for count in told.counted("people", since)} <= {0}
        assert told.count("people").orphans == 0
        course = told.monitor.history.of(edge)
        assert course is not None
        assert ({point.orphans for point in course.points}, course.appeared) == ({0}, None)
    diagnosis = await diagnosed(database_url, errors[0])
    assert diagnosis.live is True
    assert "concurrent_delete" in codes(diagnosis)
    assert {"corrupt_data", "no_row_left"} <= by_code(diagnosis.ruled_out).keys()
    assert any("FOR KEY SHARE" in each.sql for each in diagnosis.suggestions)


async def test_a_lock_on_the_parent_prevents_it(database_url: str) -> None:
    """The advice holds: whoever locks the parent first is never refused, and the delete is."""
    await run(database_url, TABLES)
    async with two(database_url) as (deleter, inserter):
        row = await inserter.execute("SELECT 1 FROM spaces WHERE id = 1 FOR KEY SHARE")
        assert await row.fetchone() == (1,)
        delete = await waits(database_url, deleter, "DELETE FROM spaces WHERE id = 1")
        await inserter.execute("INSERT INTO people VALUES (1, 1)")
        await inserter.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as raised:
            await delete
    diagnosis = await diagnosed(database_url, raised.value)
    assert diagnosis.found.error.kind is ErrorKind.STILL_REFERENCED
    assert diagnosis.live is True
    assert by_code(diagnosis.findings)["still_referenced"].result == "1 row"
    await run(database_url, "DELETE FROM people")
    assert (await diagnosed(database_url, raised.value)).live is False


async def test_two_starts_that_create_the_same_table(database_url: str) -> None:
    statement = "CREATE TABLE IF NOT EXISTS made (id int PRIMARY KEY)"
    async with two(database_url) as (late, first):
        await first.execute(statement)
        create = await waits(database_url, late, statement)
        await first.commit()
        with pytest.raises(psycopg.errors.UniqueViolation) as raised:
            await create
    assert raised.value.diag.constraint_name == "pg_type_typname_nsp_index"
    diagnosis = await diagnosed(database_url, raised.value, statement)
    assert diagnosis.live is False
    assert {"two_starts", "exists_now"} <= codes(diagnosis)


async def test_two_starts_that_add_the_same_constraint(database_url: str) -> None:
    await run(database_url, TABLES.replace("CONSTRAINT people_fk REFERENCES spaces", ""))
    statement = "ALTER TABLE people ADD CONSTRAINT people_fk FOREIGN KEY (space) REFERENCES spaces"
    async with two(database_url) as (late, first):
        await first.execute(statement)
        add = await waits(database_url, late, statement)
        await first.commit()
        with pytest.raises(psycopg.errors.DuplicateObject) as raised:
            await add
    diagnosis = await diagnosed(database_url, raised.value, statement)
    assert diagnosis.live is False
    assert {"two_starts", "exists_now"} <= codes(diagnosis)
