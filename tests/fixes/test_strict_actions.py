"""What comes between the preview of a change of type, key or index and its run: nothing is called done that is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.schema.actions import FixAction
from tests.fixes.psqlrun import psql_of, run_script
from tests.fixes.schemafixes import ask, do, seen, written
from tests.fixes.test_indexes import BUILDING, INDEXES, until, working

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

TYPES = "CREATE TABLE p (k uuid PRIMARY KEY); CREATE TABLE c (k text)"
PAIR = "c(k):p(k)"
PARTS = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p) PARTITION BY LIST (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1);
CREATE TABLE c2 PARTITION OF c DEFAULT;
"""
DEFINED = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), l.collname"
DEFINED += "::text FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
DEFINED += " LEFT JOIN pg_collation l ON l.oid = a.attcollation WHERE a.attrelid = '{}'::regclass AND a.attnum > 0"


@pytest.mark.matrix
async def test_the_other_side_got_the_type_that_this_one_had(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    conninfo = make_database(TYPES)
    text = await written(conninfo, PAIR, FixAction.CHANGE_TYPE)
    other = "ALTER TABLE p ALTER k TYPE text USING k::text"
    done = await do(conninfo, tmp_path, PAIR, FixAction.CHANGE_TYPE, between=lambda: ask(conninfo, other))
    assert (done.ending, "it is text beside text now" in done.words) == (Ending.MOVED, True), done.words
    ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
    assert (ran.code, "it is text beside text now; nothing was changed" in ran.err) == (3, True), ran


@pytest.mark.matrix
async def test_how_a_change_of_type_is_taken_back_is_told_whole(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo = make_database(
        "CREATE TABLE p (k uuid DEFAULT 'a0000000-0000-0000-0000-000000000000'); CREATE TABLE c (k text);"
        "CREATE TABLE q (k text); CREATE TABLE d (k varchar(4) COLLATE \"C\" DEFAULT 'x')"
    )
    for pair, table, side in ((PAIR, "p", "parent"), ("d(k):q(k)", "d", "child")):
        before = ask(conninfo, DEFINED.format(table))
        done = await do(conninfo, tmp_path, pair, FixAction.CHANGE_TYPE, side=side)
        assert done.ending is Ending.DONE, done.words
        assert ask(conninfo, DEFINED.format(table)) != before
        told = next(entry.undo[0] for entry in Journal(tmp_path).entries() if entry.id == done.entry)
        ask(conninfo, told.partition(" takes it back")[0].replace("…", table))
        after = ask(conninfo, DEFINED.format(table))
        assert [(name, of, on) for name, of, _, on in after] == [(name, of, on) for name, of, _, on in before]
        assert ask(conninfo, f"INSERT INTO {table} DEFAULT VALUES RETURNING k IS NOT NULL") == [(True,)]


async def test_a_value_that_would_be_rounded_is_told(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (k numeric(5,2)); CREATE TABLE c (k text); INSERT INTO c VALUES ('1.234'), ('1.23')"
    )
    found = await seen(conninfo, PAIR, FixAction.CHANGE_TYPE)
    assert any("1 value is spelled otherwise than numeric(5,2) writes them, as 1.234" in each for each in found.lasting)
    ask(conninfo, "INSERT INTO c VALUES ('12345')")
    with pytest.raises(Trouble, match=r"1 row .* does not cast to numeric\(5,2\): 12345"):
        await seen(conninfo, PAIR, FixAction.CHANGE_TYPE)


@pytest.mark.matrix
async def test_tables_whose_rows_are_a_type(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (k uuid); CREATE TYPE made AS (k text); CREATE TABLE c OF made;"
        "CREATE TABLE d (k text); CREATE TABLE e (x d[])"
    )
    for pair, said in ((PAIR, "of a type that its table is made of"), ("d(k):p(k)", r"column public\.e\.x, which has")):
        with pytest.raises(Trouble, match=said) as raised:
            await seen(conninfo, pair, FixAction.CHANGE_TYPE)
        assert raised.value.code == "blocked"


@pytest.mark.matrix
async def test_the_session_that_builds_an_index_is_ended(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int, pid int REFERENCES p)")
    with working(conninfo, "c") as other:
        building = asyncio.ensure_future(do(conninfo, tmp_path, "c.c_pid_fkey", FixAction.CREATE_INDEX))
        await until(conninfo, BUILDING)
        ask(conninfo, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'")
        # What it left can be taken away once nobody uses the table any more.
        await until(conninfo, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'DROP INDEX CONCURRENTLY%'")
        other.rollback()
        done = await building
    assert done.ending is Ending.REFUSED
    assert done.words == "the connection was lost, and it was not done; nothing was changed"
    assert ask(conninfo, INDEXES.format("c")) == []
    assert [entry.state for entry in Journal(tmp_path).entries()] == [State.NOTHING]


@pytest.mark.matrix
async def test_indexes_of_partitions_whose_names_are_taken(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(PARTS + "CREATE VIEW c1_pid_idx AS SELECT 1; CREATE INDEX c_pid_idx ON ONLY c (pid)")
    with pytest.raises(Trouble, match="there is something else of that name"):
        await seen(conninfo, "c.fk", FixAction.CREATE_INDEX)
    # The name that it is told to be given is one for those of the partitions too.
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX, name="own")).ending is Ending.DONE
    assert ask(conninfo, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'own'::regclass") == [
        ("own_1",),
        ("own_2",),
    ]
    ask(conninfo, "DROP INDEX own; DROP VIEW c1_pid_idx")
    # An index that somebody made of the whole table alone is not ours to take away, and does not stand in the way.
    done = await do(conninfo, tmp_path, "c.fk", FixAction.CREATE_INDEX)
    assert done.ending is Ending.DONE, done.words
    assert ask(conninfo, INDEXES.format("c")) == [("c_pid_idx", False), ("c_pid_idx_2", True)]


async def test_a_key_that_somebody_else_made_is_not_said_to_be_built(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo = make_database(TYPES.replace(" PRIMARY KEY", "").replace("text", "uuid"))
    other = "CREATE UNIQUE INDEX mine ON p (k)"
    done = await do(conninfo, tmp_path, PAIR, FixAction.ADD_UNIQUE, between=lambda: ask(conninfo, other))
    assert (done.ending, done.words.endswith("nothing was changed")) == (Ending.MOVED, True), done.words
    assert (await do(conninfo, tmp_path, PAIR, FixAction.ADD_UNIQUE)).words == "nothing to do"


async def test_a_key_without_overlaps_serves_no_ordinary_foreign_key(
    make_database: Callable[[str], str], server: EmbeddedServer
) -> None:
    assert server.major >= 18
    columns = "id int4range, v tstzrange"
    conninfo = make_database(f"CREATE TABLE p ({columns}, UNIQUE (id, v WITHOUT OVERLAPS)); CREATE TABLE c ({columns})")
    for action in (FixAction.ADD_CONSTRAINT, FixAction.ADD_UNIQUE):
        with pytest.raises(Trouble, match=r"the key p_id_v_key of public\.p is WITHOUT OVERLAPS"):
            await seen(conninfo, "c(id, v):p(id, v)", action)


async def test_what_was_to_be_enforced_is_another_constraint_now(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    assert server.major >= 18
    made = "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (k) REFERENCES p"
    conninfo = make_database(f"CREATE TABLE p (k int PRIMARY KEY); CREATE TABLE c (k int); {made} NOT ENFORCED")
    text = await written(conninfo, "c.fk", FixAction.ENFORCE)
    ask(conninfo, f"ALTER TABLE c DROP CONSTRAINT fk; INSERT INTO c VALUES (7); {made} NOT VALID")
    ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
    assert (ran.code, "the constraint fk is not as it was (a false in place of a off)" in ran.err) == (3, True), ran
    ask(conninfo, f"ALTER TABLE c DROP CONSTRAINT fk; DELETE FROM c; {made} NOT ENFORCED")
    for said in ("fkexplorer: done", "fkexplorer: nothing to do"):
        ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
        assert (ran.code, said in ran.out) == (0, True), ran


async def test_a_trigger_for_some_rows_only_is_said_to_be_one(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE u (id int PRIMARY KEY, kind text);"
        "CREATE TABLE prof (id int PRIMARY KEY CONSTRAINT fk REFERENCES u);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO prof VALUES (NEW.id); RETURN NULL; END';"
        "CREATE TRIGGER \"some\" AFTER INSERT ON u FOR EACH ROW WHEN (NEW.kind = 'x') EXECUTE FUNCTION f()"
    )
    some = (await seen(conninfo, "prof.fk", FixAction.SYNC_TRIGGER)).notes[0]
    assert 'by the trigger "some", but only for rows that meet its condition (WHEN)' in some
    ask(conninfo, 'CREATE TRIGGER "whole" AFTER INSERT ON u FOR EACH ROW EXECUTE FUNCTION f()')
    assert (await seen(conninfo, "prof.fk", FixAction.SYNC_TRIGGER)).notes[0].endswith("by the trigger whole")


@pytest.mark.matrix
async def test_orphans_of_a_key_that_is_looked_at_again(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id bigint PRIMARY KEY, t varchar UNIQUE);"
        "CREATE TABLE c (id int CONSTRAINT fk REFERENCES p, t text CONSTRAINT texts REFERENCES p (t));"
        "ALTER TABLE c DISABLE TRIGGER ALL; INSERT INTO c VALUES (1, 'x'); ALTER TABLE c ENABLE TRIGGER ALL"
    )
    with pytest.raises(Trouble, match=r"public\.c\.fk has 1 orphan: the server looks through its rows again"):
        await seen(conninfo, "c.fk", FixAction.CHANGE_TYPE)
    # Where no row is written, the server looks at none.
    ask(conninfo, "ALTER TABLE c DROP CONSTRAINT fk, ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES p NOT VALID")
    for label in ("c.texts", "c.fk"):
        done = await do(conninfo, tmp_path, label, FixAction.CHANGE_TYPE)
        assert done.ending is Ending.DONE, done.words
    assert ask(conninfo, "SELECT convalidated FROM pg_constraint WHERE conname = 'fk'") == [(False,)]
