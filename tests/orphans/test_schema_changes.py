"""Changes of the schema while the monitor runs: noticed, told, and without loss of counts that still answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.fingerprint import FINGERPRINT
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.events import Confirmed, Counted, SchemaChanged
from fkexplorer.orphans.model import Status
from fkexplorer.schema.difference import Change, differences
from fkexplorer.schema.model import EdgeState
from tests.orphans.connected import new_role, run
from tests.orphans.watched import watched

if TYPE_CHECKING:
    from tests.orphans.watched import Watched

TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE c (pid int); INSERT INTO c VALUES (1), (99);
ALTER TABLE c ADD CONSTRAINT c_fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
CREATE TABLE other (pid int REFERENCES p);
"""


async def changed(told: Watched) -> SchemaChanged:
    """The next change that is told."""
    event = await told.changed()
    assert told.monitor.schema is event.schema
    return event


async def test_what_is_altered_keeps_its_count(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        counted = told.count("c")
        edge = told.oid("c")
        for statement, change, before, after in (
            ("ALTER TABLE p DISABLE TRIGGER ALL", Change.EDGE_ALTERED, "not_valid", "disabled"),
            ("ALTER TABLE p ENABLE TRIGGER ALL", Change.EDGE_ALTERED, "disabled", "not_valid"),
            ("ALTER TABLE c RENAME CONSTRAINT c_fk TO renamed", Change.EDGE_RENAMED, "c_fk", None),
        ):
            await run(database_url, statement)
            event = await changed(told)
            [difference] = [each for each in event.differences if each.oid == edge]
            assert (difference.change, difference.before, difference.after) == (change, before, after)
            assert event.recounted == frozenset()
            assert told.count("c").orphans == counted.orphans == 1
        await run(database_url, "DELETE FROM c WHERE pid = 99; ALTER TABLE c VALIDATE CONSTRAINT renamed")
        await changed(told)
        assert told.monitor.schema.edges[edge].state is EdgeState.ENFORCED
        await told.until(lambda: told.count("c").status is Status.CLEAN)


async def test_what_is_renamed_is_counted_under_its_new_name(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        edge = told.oid("c")
        await run(database_url, "ALTER TABLE c RENAME TO d; ALTER TABLE d RENAME pid TO parent")
        event = await changed(told)
        assert {(each.change, each.name, each.before) for each in event.differences} >= {
            (Change.TABLE_RENAMED, "public.d", "public.c")
        }
        assert event.recounted == frozenset()
        await run(database_url, "INSERT INTO d SELECT 1 FROM generate_series(1, 3); DELETE FROM d WHERE parent = 99")
        await told.until(lambda: told.monitor.counts[edge].status is Status.CLEAN)


async def test_what_is_dropped_is_no_more(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        dropped, kept = told.oid("c"), told.oid("other")
        before = told.monitor.counts[kept]
        await run(database_url, "DROP TABLE c")
        event = await changed(told)
        assert {each.change for each in event.differences} == {Change.TABLE_DROPPED, Change.EDGE_DROPPED}
        assert dropped not in told.monitor.counts
        since = len(told.events)
        await told.confirmed("other", times=2)
        assert all(dropped not in each.edges for each in told.of(Confirmed, since))
        assert all(each.count.edge == kept for each in told.of(Counted, since))
        assert told.monitor.counts[kept].orphans == before.orphans


async def test_a_constraint_that_is_added_is_counted(database_url: str) -> None:
    await run(database_url, TABLES + "CREATE TABLE late (pid int); INSERT INTO late VALUES (77), (78);")
    async with watched(database_url) as told:
        await run(database_url, "ALTER TABLE late ADD FOREIGN KEY (pid) REFERENCES p NOT VALID")
        event = await changed(told)
        assert event.recounted == {told.oid("late")}
        await told.until(lambda: told.counted("late"))
        assert told.count("late").orphans == 2


async def test_the_history_goes_on_when_a_constraint_is_replaced(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        old = told.oid("c")
        await run(
            database_url,
            "INSERT INTO c SELECT 1; ALTER TABLE c DROP CONSTRAINT c_fk,"
            " ADD CONSTRAINT c_fk FOREIGN KEY (pid) REFERENCES p ON DELETE CASCADE NOT VALID",
        )
        await changed(told)
        new = told.oid("c")
        assert new != old
        await told.until(lambda: new in told.monitor.counts)
        [event] = [each for each in told.of(Counted) if each.count.edge == new][:1]
        assert event.before is not None
        assert (event.before.edge, event.added) == (old, 0)
        course = told.monitor.history.of(told.monitor.schema.edges[new])
        assert course is not None
        assert [point.orphans for point in course.points] == [1]
        assert course.counted >= 2


async def test_another_question_is_asked_anew(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        edge = told.oid("other")
        await run(database_url, "ALTER TABLE other ALTER COLUMN pid TYPE bigint")
        # PostgreSQL makes the constraint anew, under the OID that it had or another one.
        event = await changed(told)
        assert edge in event.recounted or edge not in event.schema.edges
        await told.until(lambda: told.oid("other") in told.monitor.counts)
        assert told.count("other").status is Status.CLEAN


async def test_a_privilege_that_is_granted_lets_it_be_counted(database_url: str) -> None:
    await run(database_url, TABLES)
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT ON p, other TO {role}")
        async with watched(database_url, role=role) as told:
            assert told.count("c").status is Status.DENIED
            await run(database_url, f"GRANT SELECT ON c TO {role}")
            await told.until(lambda: told.count("c").known)
            assert told.count("c").orphans == 1


async def test_a_count_that_runs_while_its_table_is_renamed(database_url: str) -> None:
    """It fails on the server, by the name that is gone, and is asked again without a word of that."""
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        since = len(told.events)
        for number in range(5):
            name = "c" if number == 0 else f"c_{number}"
            await run(database_url, f"INSERT INTO {name} VALUES (1); ALTER TABLE {name} RENAME TO c_{number + 1}")
            await changed(told)
        await told.until(lambda: told.oid("c_5") in told.monitor.counts)
        await told.confirmed("c_5")
        assert told.count("c_5").orphans == 1
        assert [each.count for each in told.of(Counted, since) if each.count.status is Status.FAILED] == []


# What a catalogue's fingerprint must tell, and what it must not.
TELLS = (
    "ALTER TABLE c RENAME TO c2",
    "ALTER TABLE c2 RENAME TO c",
    "ALTER TABLE c ADD COLUMN more int",
    "ALTER TABLE c ALTER COLUMN pid SET NOT NULL",
    "CREATE INDEX ON c (pid)",
    "ALTER TABLE c ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT ON c TO PUBLIC",
    "CREATE TABLE fresh (id int)",
    "ALTER TABLE c DISABLE TRIGGER ALL",
    "CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parted DEFAULT",
    "ALTER TABLE parted DETACH PARTITION part",
    "CREATE SCHEMA s; ALTER TABLE c SET SCHEMA s",
    "DROP TABLE s.c",
)
TELLS_NOT = (
    "INSERT INTO c VALUES (1)",
    "ANALYZE",
    "VACUUM",
    "TRUNCATE other",
    "CREATE TEMP TABLE t (id int PRIMARY KEY, pid int); DROP TABLE t",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
)


@pytest.mark.matrix
async def test_what_a_fingerprint_tells(database_url: str) -> None:
    await run(database_url, TABLES)
    database = await Database.connect(Source(database_url, "argument"))
    try:

        async def fingerprint() -> str:
            [[row]] = await database.glance(FINGERPRINT)
            return str(row[0])

        schema = await read_schema(database)
        assert schema.fingerprint == await fingerprint()
        for statement in TELLS_NOT:
            before = await fingerprint()
            await run(database_url, statement)
            assert await fingerprint() == before, statement
        again = await read_schema(database)
        assert differences(schema, again) == ()
        for statement in TELLS:
            before, schema = await fingerprint(), await read_schema(database)
            await run(database_url, statement)
            assert await fingerprint() != before, statement
            # What a superuser may do does not change with a grant.
            assert differences(schema, await read_schema(database)) or "GRANT" in statement, statement
    finally:
        await database.close()
