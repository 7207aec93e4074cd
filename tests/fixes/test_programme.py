"""Many fixes as one script for psql: incident 4 in one go, again, twice at once, and where it stops."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.schema.actions import FixAction
from tests.fixes.programmes import Linked, planned, written
from tests.fixes.psqlrun import finish, psql_of, run_script, start
from tests.fixes.schemafixes import ask
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

SESSIONS = "nextauth.sessions(user_id):nextauth.users(id)"
LINKED = Linked.of(SESSIONS)
VALID = """
SELECT conname::text, convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text {} ORDER BY 1
"""

# A key that is missing, a type that differs, a row that is in the way of two, a name that another table's has.
CHAIN = """
CREATE TABLE a (id int PRIMARY KEY, code int NOT NULL);
INSERT INTO a SELECT n, n FROM generate_series(1, 20) n;
CREATE TABLE b (id int PRIMARY KEY, a_code text, a_id int);
INSERT INTO b SELECT n, n::text, n FROM generate_series(1, 20) n;
INSERT INTO b VALUES (21, '99', 77), (22, 'x', 1), (23, '1', 78);
CREATE TABLE c (id int PRIMARY KEY, b_id int CONSTRAINT c_b REFERENCES b);
INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
CREATE TABLE other (a_id int CONSTRAINT b_a_id_fkey REFERENCES a);
"""
CHAINED = Linked.of("b(a_code):a(code)", "b(a_id):a(id)")


def of_nextauth(table: str) -> bool:
    return table.startswith("nextauth.")


def backed_up(folder: Path) -> int:
    """Rows in the files of the backups."""
    files = folder.glob("fkexplorer-backup-*/*.csv")
    return sum(len(file.read_text().splitlines()) - 1 for file in files)


@pytest.mark.matrix
async def test_incident_4_in_one_go(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    conninfo = make_database("")
    build_demo(conninfo)
    made, text = await written(conninfo, LINKED, only=of_nextauth)
    assert [item.request.action for item in made.items] == [
        FixAction.QUARANTINE,
        FixAction.CHANGE_TYPE,
        FixAction.VALIDATE,
        FixAction.ADD_CONSTRAINT,
    ]
    assert (made.rows, made.left_out, made.confirm) == (8, (), "8 rows 4 fixes")
    assert not re.search(r"^(?!--).*(DROP TABLE|TRUNCATE)", text, re.MULTILINE)
    psql = psql_of(server.major)
    ran = await run_script(psql, conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert "step 5 of 5 is committed" in ran.out
    valid = [("accounts_user_id_fkey", True), ("sessions_user_id_fkey", True)]
    assert ask(conninfo, VALID.format("LIKE 'nextauth.%'")) == valid
    assert ask(conninfo, "SELECT count(*) FROM nextauth.sessions_quarantine") == [(8,)]
    assert backed_up(tmp_path) == 8
    for _ in range(2):
        again = await run_script(psql, conninfo, text, tmp_path)
        assert again.code == 0, again.said
        assert "fkexplorer: nothing to do" in again.out.splitlines()
        assert "committed" not in re.sub("no step is committed", "", again.out)
    # A plan that is made now has nothing in it.
    made, text = await written(conninfo, LINKED, only=of_nextauth)
    assert (made.items, made.left_out) == ((), ())
    ran = await run_script(psql, conninfo, text, tmp_path)
    assert (ran.code, ran.out.strip()) == (0, "fkexplorer: nothing to do")


@pytest.mark.matrix
async def test_twice_at_once_both_end_well(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    psql = psql_of(server.major)
    for turn in range(3):
        conninfo = make_database(CHAIN)
        _, text = await written(conninfo, CHAINED)
        folders = [tmp_path / f"{turn}-{each}" for each in range(2)]
        for folder in folders:
            folder.mkdir()
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(run_script(psql, conninfo, text, folder)) for folder in folders]
        for run in runs:
            assert run.result().code == 0, run.result().said
        assert [valid for _, valid in ask(conninfo, VALID.format("= 'b'"))] == [True, True]
        assert ask(conninfo, "SELECT count(*) FROM b") == [(20,)]


async def test_one_that_waits_for_long_ends_well(make_database: Callable[[str], str], tmp_path: Path) -> None:
    """A step waits for its turn for longer than any lock is waited for, and finds it done."""
    conninfo = make_database(CHAIN)
    _, text = await written(conninfo, CHAINED)
    psql = psql_of(18)
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    async with await psycopg.AsyncConnection.connect(conninfo) as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(hashtext('fkexplorer programme'))")
        waiting = [await start(psql, conninfo, text, folder) for folder in (first, second)]
        await asyncio.sleep(2.5)
        assert [each.returncode for each in waiting] == [None, None]
    for each in waiting:
        ran = await finish(each)
        assert ran.code == 0, ran.said


@pytest.mark.matrix
async def test_a_chain_of_all_kinds(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    """A constraint of the same name on another table does not count; a row that is in the way twice is mended once."""
    conninfo = make_database(CHAIN)
    made, text = await written(conninfo, CHAINED)
    actions = [item.request.action for item in made.items]
    assert actions == [
        *[FixAction.QUARANTINE] * 2,
        FixAction.CHANGE_TYPE,
        FixAction.ADD_UNIQUE,
        *[FixAction.ADD_CONSTRAINT] * 2,
    ]
    assert [item.seen.rows for item in made.items if item.seen] == [2, 1]
    assert made.rows == 3
    assert made.items[1].needs == {0}
    ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert ask(conninfo, VALID.format("= 'b'")) == [("b_a_code_fkey", True), ("b_a_id_fkey", True)]
    moved = ask(conninfo, "SELECT (SELECT count(*) FROM b_quarantine), (SELECT count(*) FROM b_quarantine_2)")
    assert moved == [(2, 1)]
    ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert "fkexplorer: nothing to do" in ran.out


async def test_a_permission_stops_it_and_what_is_done_is_named(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo = make_database(
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c1 (p_id int); CREATE TABLE c2 (p_id int); CREATE TABLE c3 (p_id int);
        """
    )
    linked = Linked.of("c1(p_id):p(id)", "c2(p_id):p(id)", "c3(p_id):p(id)")
    async with new_role(conninfo, "LOGIN") as role:
        ask(conninfo, f"GRANT SELECT, REFERENCES ON p, c1, c2, c3 TO {role}")
        for table in ("p", "c1", "c3"):
            ask(conninfo, f"ALTER TABLE {table} OWNER TO {role}")
        ask(conninfo, f"GRANT CREATE ON SCHEMA public TO {role}")
        made, text = await written(conninfo, linked, role=role)
        assert [item.lacks for item in made.items] == [
            "",
            f"{role} is not the owner of public.c2: GRANT postgres TO {role}",
            "",
        ]
        assert f"missing: {role} is not the owner of public.c2" in text
        own = psycopg.conninfo.make_conninfo(conninfo, user=role)
        ran = await run_script(psql_of(18), own, text, tmp_path)
        assert ran.code == 3
        assert "permission denied for table c2" in ran.err
        assert ran.out.splitlines()[-1] == (
            "fkexplorer: step 3 of 6, add the constraint c2_p_id_fkey to public.c2, not checked yet; should it stop"
            " here, steps 1 to 2 stay; done: public.c1(p_id):public.p(id); not done: public.c2(p_id):public.p(id),"
            " public.c3(p_id):public.p(id)"
        )
        assert ask(conninfo, VALID.format("LIKE 'c_'")) == [("c1_p_id_fkey", True)]
        # Whoever may runs the same script, which goes on where it stopped.
        ran = await run_script(psql_of(18), conninfo, text, tmp_path)
        assert ran.code == 0, ran.said
        assert "step 2 of 6: nothing to do" in ran.out
        assert [valid for _, valid in ask(conninfo, VALID.format("LIKE 'c_'"))] == [True] * 3
        ask(conninfo, f"REASSIGN OWNED BY {role} TO CURRENT_USER")


async def test_rows_that_came_since_stop_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(CHAIN)
    _, text = await written(conninfo, CHAINED)
    ask(conninfo, "INSERT INTO b VALUES (30, 'new', 1)")
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 3
    assert "public.b: more rows are there, in place of 2; no step is committed" in ran.err
    assert ask(conninfo, "SELECT count(*) FROM b") == [(24,)]


@pytest.mark.parametrize("clean", [FixAction.DELETE, FixAction.SET_NULL])
async def test_the_other_ways_to_mend(make_database: Callable[[str], str], tmp_path: Path, clean: FixAction) -> None:
    conninfo = make_database(CHAIN)
    made, text = await written(conninfo, CHAINED, clean=clean)
    assert f"Rows that are in the way are mended by {clean}" in text
    assert [item.seen.rows for item in made.items if item.seen] == ([2, 1] if clean is FixAction.DELETE else [2, 2])
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert ask(conninfo, "SELECT count(*) FROM b") == [(20 if clean is FixAction.DELETE else 23,)]
    assert [valid for _, valid in ask(conninfo, VALID.format("= 'b'"))] == [True, True]


async def test_what_is_not_in_it_is_said(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        """
        CREATE TABLE p (id int, twice int);
        INSERT INTO p VALUES (1, 5), (2, 5);
        CREATE TABLE u (id uuid PRIMARY KEY);
        CREATE TABLE c (id int, p_twice int, u_id text, held int NOT NULL);
        INSERT INTO c VALUES (1, 5, NULL, 9);
        CREATE VIEW v AS SELECT u_id FROM c;
        CREATE TABLE q (id int PRIMARY KEY);
        CREATE TABLE guessed (q_id int);
        """
    )
    linked = Linked.of("c(p_twice):p(twice)", "c(u_id):u(id)", "c(held):q(id)")
    async with opened(conninfo) as (database, _):
        made = await planned(database, linked, clean=FixAction.SET_NULL)
    assert made.items == ()
    reasons = dict(made.left_out)
    assert "1 key is there more than once" in reasons["public.c(p_twice):public.p(twice)"]
    assert "is used by the view public.v" in reasons["public.c(u_id):public.u(id)"]
    assert "held is NOT NULL" in reasons["public.c(held):public.q(id)"]
    assert not any("guessed" in label for label in reasons)


async def test_the_whole_demo(make_database: Callable[[str], str], tmp_path: Path) -> None:
    """Triggers that are off, a constraint NOT ENFORCED, orphans under a valid one: each in its place, and once only."""
    conninfo = make_database("")
    build_demo(conninfo)
    made, text = await written(conninfo, LINKED)
    assert {FixAction.ENABLE_TRIGGERS, FixAction.ENFORCE} < {item.request.action for item in made.items}
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    # What follows "what is left now" are counts of orphans, and constraints.
    left = ran.out.split("what is left now:")[1]
    assert re.findall(r"^ +(\d+)$", left, re.MULTILINE) == ["0"] * len({item.label for item in made.items})
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert "fkexplorer: nothing to do" in ran.out
    reasons = dict(made.left_out)
    assert reasons["shop.orders.orders_customer_id_fkey"] == (
        "21 rows would keep the server from it, by billing.invoices.invoices_order_id_fkey: mend those first"
    )
    assert reasons["shop.departments.departments_head_id_fkey"] == "deferred: somebody has to decide"
    assert not any("rules_disagree" in reason for reason in reasons.values())


async def test_who_is_left_behind_by_rows_that_go_is_said_before(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo = make_database(
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c (id int PRIMARY KEY, p_id int);
        CREATE TABLE g (c_id int);
        INSERT INTO c VALUES (1, 9);
        INSERT INTO g VALUES (1);
        """
    )
    linked = Linked.of("g(c_id):c(id)", "c(p_id):p(id)")
    made, text = await written(conninfo, linked)
    assert made.items[0].label == "public.c(p_id):public.p(id)"
    [note] = made.notes
    assert note == (
        "rows of public.c go: where public.g(c_id):public.c(id) refers to them, it is left with new orphans, and it"
        " stops there; then make the plan again"
    )
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 3
    assert 'is not present in table "c"' in ran.err
    _, text = await written(conninfo, linked)
    ran = await run_script(psql_of(18), conninfo, text, tmp_path)
    assert ran.code == 0, ran.said
    assert [valid for _, valid in ask(conninfo, VALID.format("IN ('c', 'g')"))] == [True, True]


async def test_most_rows_of_a_table_are_not_mended_as_one_of_many(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);"
        " CREATE TABLE wrong (p_id int); INSERT INTO wrong SELECT n FROM generate_series(2, 301) n;"
        " CREATE TABLE few (p_id int); INSERT INTO few SELECT CASE WHEN n > 120 THEN 1 ELSE 2 END"
        " FROM generate_series(1, 300) n; ANALYZE"
    )
    linked = Linked.of("wrong(p_id):p(id)", "few(p_id):p(id)")
    async with opened(conninfo) as (database, _):
        made = await planned(database, linked)
    assert {item.label for item in made.items} == {"public.few(p_id):public.p(id)"}
    assert dict(made.left_out)["public.wrong(p_id):public.p(id)"] == (
        "300 of about 300 rows would be mended: make sure that it is right, and fix it alone"
    )
