"""Many fixes run one by one: what fails leaves the others, what needs it is left out, each is in the journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.programme import Wish
from fkexplorer.fixes.programme_plan import make_programme
from fkexplorer.fixes.programme_run import Came, run_programme
from fkexplorer.fixes.programme_script import programme_script
from fkexplorer.known.bind import read_known
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, hashes, take_back
from tests.fixes.programmes import NOWHERE, Linked, planned
from tests.fixes.psqlrun import psql_of, run_script
from tests.fixes.schemafixes import ask
from tests.fixes.test_programme import CHAIN, CHAINED, VALID
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.programme import Programme
    from fkexplorer.fixes.programme_run import Result
    from fkexplorer.schema.model import Schema


async def done(
    conninfo: str,
    folder: Path,
    linked: Linked,
    *,
    role: str | None = None,
    between: Callable[[], object] = lambda: None,
    on_result: Callable[[Result], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> tuple[Programme, list[Result]]:
    """Plan it, let something happen, run it."""
    async with opened(conninfo, role) as (database, _):
        made = await planned(database, linked)
        between()

        async def fresh() -> Schema:
            return (await read_known(database, linked.settings, NOWHERE)).schema

        results = await run_programme(
            database, made, fresh, Journal(folder), limits=QUICK, on_result=on_result, stop=stop
        )
        return made, list(results)


@pytest.mark.matrix
async def test_all_of_a_chain_and_its_undo(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(CHAIN)
    was = hashes(conninfo)
    told: list[Result] = []
    made, results = await done(conninfo, tmp_path, CHAINED, on_result=told.append)
    assert [result.came for result in results] == [Came.DONE] * len(made.items), [each.words for each in results]
    assert told == results
    assert ask(conninfo, VALID.format("= 'b'")) == [("b_a_code_fkey", True), ("b_a_id_fkey", True)]
    entries = Journal(tmp_path).entries()
    assert [entry.action for entry in reversed(entries)] == [item.request.action for item in made.items]
    # Again there is nothing in it.
    made, results = await done(conninfo, tmp_path, CHAINED)
    assert (made.items, results) == ((), [])
    # What was moved comes back, once nothing forbids it.
    ask(conninfo, "ALTER TABLE b DROP CONSTRAINT b_a_code_fkey, DROP CONSTRAINT b_a_id_fkey")
    ask(conninfo, "ALTER TABLE b ALTER COLUMN a_code TYPE text; ALTER TABLE a DROP CONSTRAINT a_code_key")
    for entry in [entry.id for entry in entries if entry.action == FixAction.QUARANTINE]:
        _, undone = await take_back(conninfo, tmp_path, entry)
        assert undone.ending.value == "done", undone.words
    ask(conninfo, "DROP TABLE b_quarantine, b_quarantine_2")
    assert hashes(conninfo) == was


async def test_what_is_done_meanwhile_is_nothing_to_do(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id int)")
    _, [result] = await done(
        conninfo,
        tmp_path,
        Linked.of("c(p_id):p(id)"),
        between=lambda: ask(conninfo, "ALTER TABLE c ADD CONSTRAINT mine FOREIGN KEY (p_id) REFERENCES p"),
    )
    assert (result.came, result.outcome) == (Came.NOTHING, None)
    assert Journal(tmp_path).entries() == []


async def test_one_without_a_permission_leaves_the_others(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c1 (p_id int); CREATE TABLE c2 (p_id text); CREATE TABLE c3 (p_id int);
        INSERT INTO p VALUES (1); INSERT INTO c2 VALUES (1);
        """
    )
    linked = Linked.of("c1(p_id):p(id)", "c2(p_id):p(id)", "c3(p_id):p(id)")
    async with new_role(conninfo) as role:
        ask(conninfo, f"GRANT SELECT, REFERENCES ON p, c1, c2, c3 TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
        for table in ("p", "c1", "c3"):
            ask(conninfo, f"ALTER TABLE {table} OWNER TO {role}")
        made, results = await done(conninfo, tmp_path, linked, role=role)
        found = {(made.items[each.item].label, made.items[each.item].request.action): each for each in results}
        kept = found["public.c2(p_id):public.p(id)", FixAction.CHANGE_TYPE]
        assert (kept.came, kept.words) == (
            Came.FAILED,
            f"{role} is not the owner of public.c2; GRANT postgres TO {role}, or connect as it",
        )
        after = found["public.c2(p_id):public.p(id)", FixAction.ADD_CONSTRAINT]
        assert (after.came, after.words) == (
            Came.LEFT_OUT,
            "this was not done before: change p_id of public.c2 to integer",
        )
        others = [each.came for (label, _), each in found.items() if "c2" not in label]
        assert others == [Came.DONE, Came.DONE]
        assert [name for name, _ in ask(conninfo, VALID.format("LIKE 'c_'"))] == ["c1_p_id_fkey", "c3_p_id_fkey"]
        ask(conninfo, f"REASSIGN OWNED BY {role} TO CURRENT_USER")


async def test_rows_that_moved_are_left(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(CHAIN + "CREATE TABLE d (a_id int); INSERT INTO d VALUES (1)")
    linked = Linked.of("b(a_code):a(code)", "b(a_id):a(id)", "d(a_id):a(id)")
    made, results = await done(
        conninfo, tmp_path, linked, between=lambda: ask(conninfo, "INSERT INTO b VALUES (30, 'new', 1)")
    )
    came = {(made.items[each.item].label, made.items[each.item].request.action): each.came for each in results}
    code, ids = "public.b(a_code):public.a(code)", "public.b(a_id):public.a(id)"
    assert came[code, FixAction.QUARANTINE] is Came.MOVED
    assert came[code, FixAction.CHANGE_TYPE] is Came.LEFT_OUT
    # The other's rows were counted without those that were to go before.
    assert came[ids, FixAction.QUARANTINE] is Came.LEFT_OUT
    assert came["public.d(a_id):public.a(id)", FixAction.ADD_CONSTRAINT] is Came.DONE
    assert results[0].words == (
        "it would touch 3 rows in place of 2, or others by foreign keys: nothing of it was done; make the plan again"
    )
    assert ask(conninfo, "SELECT count(*) FROM b") == [(24,)]


async def test_orphans_that_came_keep_the_constraint_away(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id int)")
    _, [result] = await done(
        conninfo, tmp_path, Linked.of("c(p_id):p(id)"), between=lambda: ask(conninfo, "INSERT INTO c VALUES (7)")
    )
    assert result.came is Came.MOVED
    assert "1 row has no parent" in result.words
    assert ask(conninfo, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'c'::regclass AND contype = 'f'") == [
        (0,)
    ]


async def test_it_stops_between_two(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(CHAIN)
    stop = asyncio.Event()
    _, results = await done(conninfo, tmp_path, CHAINED, stop=stop, on_result=lambda _: stop.set())
    assert [each.came for each in results] == [Came.DONE, *[Came.STOPPED] * (len(results) - 1)]


PARTS = """
CREATE TABLE p (a int NOT NULL, b bigint NOT NULL);
INSERT INTO p SELECT n % 7, n FROM generate_series(1, 50) n;
CREATE TABLE c (id int, a int, b text) PARTITION BY LIST (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1);
CREATE TABLE c2 PARTITION OF c FOR VALUES IN (2);
INSERT INTO c SELECT 1 + n % 2, n % 7, n FROM generate_series(1, 50) n;
INSERT INTO c VALUES (1, 1, '99'), (2, 1, 'none'), (2, NULL, 'none');
"""
COMPOSITE = "c(a, b):p(a, b)"
WANTED = (FixAction.CHANGE_TYPE, FixAction.ADD_UNIQUE, FixAction.CREATE_INDEX, FixAction.ADD_CONSTRAINT)


async def parts(database: Database, clean: FixAction = FixAction.DELETE) -> Programme:
    """All that a key of two columns of a partitioned table lacks."""
    known = await read_known(database, Linked.of(COMPOSITE).settings, NOWHERE)
    [edge] = known.schema.edges.values()
    return await make_programme(
        database, known.schema, [Wish(edge.oid, WANTED)], clean=clean, counts={}, max_bytes=1 << 30
    )


@pytest.mark.matrix
async def test_a_key_of_two_columns_of_partitions(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    """What each step says is planned before the first has run, and is what it says once its turn has come."""
    conninfo = make_database(PARTS)
    async with opened(conninfo) as (database, _):
        made = await parts(database)
    # It is in the way of the type, and not of the key, which is NULL in part.
    assert (made.items, made.left_out[0][1]) == (
        (),
        "1 row has a value that does not cast in public.c.b beside a part that is NULL: mend those by hand first",
    )
    ask(conninfo, "DELETE FROM c WHERE a IS NULL")
    async with opened(conninfo) as (database, _):
        made = await parts(database)
        text = await programme_script(database, made)

        async def fresh() -> Schema:
            return (await read_known(database, Linked.of(COMPOSITE).settings, NOWHERE)).schema

        results = await run_programme(database, made, fresh, Journal(tmp_path), limits=QUICK)
    assert [item.request.action for item in made.items] == [FixAction.DELETE, *WANTED]
    assert [each.came for each in results] == [Came.DONE] * 5, [each.words for each in results]
    assert ask(conninfo, VALID.format("= 'c'")) == [("c_a_b_fkey", True)]
    assert ask(conninfo, "SELECT count(*) FROM c") == [(50,)]
    ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert "fkexplorer: nothing to do" in ran.out
    other = make_database(PARTS.replace(", (2, NULL, 'none')", ""))
    async with opened(other) as (database, _):
        text = await programme_script(database, await parts(database))
    ran = await run_script(psql_of(server.major), other, text, tmp_path)
    assert ran.code == 0, ran.said
    assert ask(other, VALID.format("= 'c'")) == [("c_a_b_fkey", True)]
