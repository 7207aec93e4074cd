"""Every kind of change, done and taken back: batches, inserts, side tables, partitions, rows without a key, formats."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.fixes import sql
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Change, DdlStep, Effect, Ending, Lock, Verb
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.run import run
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, delete, do, edge_named, hashes, orphans_of, preview_of, set_to, take_back
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.schema.model import Relationship, Schema

SIMPLE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int DEFAULT 1, note text);
INSERT INTO p SELECT n, 'p' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n, 'c' || n FROM generate_series(1, 35) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


def to(value: str) -> Callable[[Schema, Relationship], Change]:
    return lambda schema, edge: set_to(schema, edge, value)


async def there_and_back(
    conninfo: str, folder: Path, edge: str, change: Callable[[Schema, Relationship], Change]
) -> None:
    was = hashes(conninfo)
    outcome = await do(conninfo, folder, edge, change)
    assert outcome.ending is Ending.DONE, outcome.words
    assert hashes(conninfo) != was
    _, undone = await take_back(conninfo, folder, outcome.entry)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


@pytest.mark.parametrize("value", ["NULL", "DEFAULT", "7"])
async def test_updates(make_database: Callable[[str], str], open_folder: Path, value: str) -> None:
    conninfo = make_database(SIMPLE)
    await there_and_back(conninfo, open_folder, "c.fk", to(value))


async def test_batches_and_a_stop_between_them(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo, journal = make_database(SIMPLE), Journal(open_folder)
    was, stop, limits = hashes(conninfo), asyncio.Event(), RunLimits(batch_rows=10)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        seen: list[int] = []

        def watch(done: int) -> None:
            seen.append(done)
            if done == 20:
                stop.set()

        outcome = await run(
            database, schema, preview, journal, limits=limits, stop=stop, on_progress=lambda each: watch(each.done)
        )
        assert (outcome.ending, seen) == (Ending.STOPPED, [0, 10, 20])
        assert outcome.words == "stopped; 20 of 25 rows of this step are done"
        assert outcome.after is not None
        assert (outcome.after.orphans, sum(each.deleted for each in outcome.effects)) == (5, 20)
        assert journal.entries()[0].state is State.PART
        # What was previewed is no more, and the rest is previewed anew.
        again = await run(database, schema, preview, journal, limits=limits)
        assert (again.ending, again.after and again.after.orphans) == (Ending.MOVED, 5)
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        rest = await run(database, schema, preview, journal, limits=limits)
        assert rest.ending is Ending.DONE
    for entry, parts in ((rest.entry, (0,)), (outcome.entry, (1, 0))):
        backwards, undone = await take_back(conninfo, open_folder, entry)
        assert (backwards.parts, undone.ending) == (parts, Ending.DONE), undone.words
    assert hashes(conninfo) == was


def stubs(schema: Schema, edge: Relationship) -> Change:
    """The parents that the orphans name."""
    parent, child = schema.parent_of(edge), sql.source(schema.child_of(edge), "c")
    head = f"INSERT INTO {sql.table_name(parent)} (id, name) SELECT DISTINCT c.pid, 'stub' FROM {child}"
    return Change(Verb.INSERT, parent.oid, head, orphans_of(schema, edge), "ON CONFLICT DO NOTHING")


async def inserted(conninfo: str, folder: Path, rows: int, role: str | None = None) -> str:
    async with opened(conninfo, role) as (_, schema):
        parent = edge_named(schema, "c.fk").parent
    outcome = await do(
        conninfo,
        folder,
        "c.fk",
        stubs,
        role=role,
        action=FixAction.INSERT_PARENTS,
        effects=[Effect(parent, inserted=rows)],
    )
    assert outcome.ending is Ending.DONE, outcome.words
    return outcome.entry


async def test_parents_that_were_inserted_go_again(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(SIMPLE)
    was = hashes(conninfo)
    entry = await inserted(conninfo, open_folder, 25)
    preview, undone = await take_back(conninfo, open_folder, entry)
    assert undone.ending is Ending.DONE, undone.words
    assert preview.ways == ("public.c.fk: its triggers are off while the rows come back",)
    assert hashes(conninfo) == was
    entry = await inserted(conninfo, open_folder, 25)
    await execute(conninfo, "INSERT INTO c VALUES (100, 35), (101, 35); UPDATE p SET name = 'kept' WHERE id = 20")
    now = hashes(conninfo)
    preview, undone = await take_back(conninfo, open_folder, entry)
    assert {(each.place, each.words, each.rows) for each in preview.conflicts} == {
        ("public.p", "changed or deleted since", 1),
        ("public.c.fk", "name the rows that would go, since", 1),
    }
    assert undone.ending is Ending.REFUSED
    assert hashes(conninfo) == now


async def test_the_owner_without_superuser(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(SIMPLE)
    async with new_role(conninfo) as owner, new_role(conninfo) as guest:
        await execute(
            conninfo,
            f"ALTER TABLE p OWNER TO {owner}; ALTER TABLE c OWNER TO {owner}; COMMENT ON CONSTRAINT fk ON c IS 'it''s';"
            f"GRANT ALL ON p, c TO {guest}",
        )
        was = hashes(conninfo)
        outcome = await do(conninfo, open_folder, "c.fk", delete, role=owner)
        assert outcome.ending is Ending.DONE, outcome.words
        preview, undone = await take_back(conninfo, open_folder, outcome.entry, role=guest)
        assert undone.ending is Ending.REFUSED
        assert "undo it as" in preview.conflicts[0].words
        preview, undone = await take_back(conninfo, open_folder, outcome.entry, role=owner)
        assert undone.ending is Ending.DONE, undone.words
        assert preview.ways == ("public.c.fk: dropped, and added again NOT VALID",)
        assert hashes(conninfo) == was
        with psycopg.connect(conninfo) as connection:
            found = connection.execute(
                "SELECT pg_get_constraintdef(oid), obj_description(oid) FROM pg_constraint WHERE conname = 'fk'"
            ).fetchall()
    assert found == [("FOREIGN KEY (pid) REFERENCES p(id) NOT VALID", "it's")]


def quarantine(schema: Schema, edge: Relationship) -> Change:
    head = f"WITH moved AS (DELETE FROM {sql.source(schema.child_of(edge), 'c')}"
    tail = "RETURNING c.*) INSERT INTO public.side (id, pid, note) SELECT id, pid, note FROM moved"
    return Change(Verb.DELETE, edge.child, head, orphans_of(schema, edge), tail, into="public.side")


async def test_a_side_table(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(SIMPLE)
    was = hashes(conninfo)
    table = "CREATE TABLE IF NOT EXISTS public.side (LIKE public.c, at timestamptz DEFAULT now())"
    outcome = await do(conninfo, open_folder, "c.fk", quarantine, first=(table,), limits=RunLimits(batch_rows=10))
    assert outcome.ending is Ending.DONE, outcome.words
    assert {(each.deleted, each.inserted) for each in outcome.effects} == {(25, 0), (0, 25)}
    _, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


PARTITIONED = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (pid int, note text) PARTITION BY LIST (pid);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1, 2, 3);
CREATE TABLE c2 PARTITION OF c DEFAULT;
CREATE TABLE g (cid int PRIMARY KEY, pid int);
INSERT INTO p VALUES (1), (2), (3);
SET session_replication_role = replica;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p ON DELETE SET NULL;
INSERT INTO c SELECT n % 8, 'same' FROM generate_series(1, 40) n;
"""


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["delete", "1"])
async def test_rows_of_partitions_and_without_a_key(
    make_database: Callable[[str], str], open_folder: Path, what: str
) -> None:
    """The update moves them to another partition; all of one key are alike."""
    conninfo = make_database(PARTITIONED)
    await there_and_back(conninfo, open_folder, "c.fk", delete if what == "delete" else to(what))


VALUES = """
CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE DOMAIN short AS varchar(8) CHECK (value <> 'never');
CREATE TABLE p (id text COLLATE "C" PRIMARY KEY);
CREATE TABLE c (
 id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pid text COLLATE "C", "n" int, "Ünï ""q"" %s" text,
 d date, t timestamptz, i interval, f float8, m money, b bytea, j json, x numeric(20, 4), a text[], e mood, s short,
 r int4range, cmp p, k char(6), bits bit(3), regc regclass, twice int GENERATED ALWAYS AS (n * 2) STORED);
INSERT INTO c (pid, n, "Ünï ""q"" %s", d, t, i, f, m, b, j, x, a, e, s, r, cmp, k, bits, regc) VALUES
 ('gone', 1, E'tab\\t nl\\n cr\\r back\\\\slash \\\\N ''q'' {}', '2026-02-03', '2026-02-03 04:05:06.789+02',
  '-1 day -02:03:04', 0.1, '-1234.5', '\\xdeadbeef00', '{"a":  1}', 1.5000,
  ARRAY['a,b', NULL, '"', E'back\\\\slash', ''], 'it''s', 'x', '[1,5)', ROW('a,"b'), 'k', B'101', 'pg_class'),
 ('gone', 2, '', 'infinity', '-infinity', '1 mon -1 day +00:00:01', 'NaN', '0', '', 'null', NULL, '{}', 'sad', NULL,
  'empty', NULL, '', B'000', 'c'),
 (E'go\\\\ne', NULL, NULL, '0044-03-15 BC', NULL, NULL, 1e-300, NULL, NULL, NULL, 'NaN', NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@pytest.mark.matrix
@pytest.mark.parametrize("what", ["delete", "NULL"])
async def test_values_of_all_kinds_whatever_the_settings(
    make_database: Callable[[str], str], open_folder: Path, what: str
) -> None:
    conninfo = make_database(VALUES)
    odd = "-c DateStyle=SQL,DMY -c IntervalStyle=sql_standard -c TimeZone=Asia/Kolkata -c bytea_output=escape"
    odd += " -c extra_float_digits=0 -c standard_conforming_strings=off -c search_path="
    await there_and_back(
        make_conninfo(conninfo, options=odd),
        open_folder,
        "c.fk",
        delete if what == "delete" else nulled,
    )


def nulled(schema: Schema, edge: Relationship) -> Change:
    head = f"UPDATE {sql.source(schema.child_of(edge), 'c')} SET pid = NULL"
    number = edge.pairs[0].child.number
    return Change(Verb.UPDATE, edge.child, head, orphans_of(schema, edge), sets=((number, "CAST(NULL AS text)"),))


async def test_ddl_in_transactions_of_their_own(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(SIMPLE)

    def steps(schema: Schema, *statements: str) -> tuple[DdlStep, ...]:
        child = edge_named(schema, "c.fk").child
        lock = (Lock(child, "ShareUpdateExclusiveLock", "other DDL"),)
        return tuple(DdlStep(each, (each,), lock, "it cannot be taken back") for each in statements)

    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        validate = "ALTER TABLE public.c VALIDATE CONSTRAINT fk"
        change = delete(schema, edge, "c.id = 12")
        preview = await preview_of(database, schema, edge, change, after=steps(schema, validate))
        outcome = await run(database, schema, preview, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.REFUSED
        assert "violates foreign key constraint" in outcome.words
        assert outcome.words.endswith("done before: delete")
        assert outcome.after is not None
        assert outcome.after.orphans == 24
        preview = await preview_of(database, schema, edge, delete(schema, edge), after=steps(schema, validate))
        await execute(conninfo, "ALTER TABLE c ALTER CONSTRAINT fk DEFERRABLE")
        outcome = await run(database, schema, preview, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.MOVED
        assert outcome.words.startswith("the constraint fk is another now")
        await execute(conninfo, "ALTER TABLE c ALTER CONSTRAINT fk NOT DEFERRABLE")
        await execute(
            conninfo, "INSERT INTO p VALUES (99); SET session_replication_role = replica; INSERT INTO c VALUES (98, 98)"
        )
        preview = await preview_of(database, schema, edge, delete(schema, edge), after=steps(schema, validate))
        outcome = await run(database, schema, preview, Journal(open_folder), limits=QUICK)
        assert (outcome.ending, outcome.may_validate) == (Ending.DONE, False), outcome.words
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'").fetchall() == [(True,)]
    assert Journal(open_folder).entries()[0].undo == ("by its backup", "it cannot be taken back")
