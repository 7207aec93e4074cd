"""Triggers that are off fire again, a constraint is enforced: by whoever may, once, and what stays is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.model import Ending
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges
from tests.fixes.psqlrun import psql_of, run_script
from tests.fixes.schemafixes import ask, do, seen, written
from tests.fixes.trying import locks_of, trying
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Choice

BASE = """
CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p);
ALTER TABLE c DISABLE TRIGGER ALL; INSERT INTO c VALUES (1, 7);
"""
PARTS = """
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p) PARTITION BY LIST (id);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1); CREATE TABLE "c 2" PARTITION OF c DEFAULT;
"""
OFF = "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'"


async def choice(conninfo: str, action: FixAction, role: str | None = None) -> Choice:
    async with opened(conninfo, role) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        found = await choices(database, schema, edge, await count_edge(database, schema, edge))
    return next(each for each in found if each.action is action)


@pytest.mark.matrix
async def test_triggers_fire_again(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE)
    assert not (await choice(conninfo, FixAction.ENABLE_TRIGGERS)).reason
    found = await seen(conninfo, "c.fk", FixAction.ENABLE_TRIGGERS)
    assert found.confirm == "fk"
    assert found.notes == ("1 orphan is there and stays: mend it, then revalidate, which looks through all rows",)
    async with opened(conninfo) as (_, schema):
        [step] = found.plan.steps
        tried = trying(conninfo, step, known=set(schema.tables))
        assert not tried.refused
        # Of one end alone it locks that end: more is announced, and never less.
        assert tried.locks.items() <= locks_of(step).items()
    done = await do(conninfo, tmp_path, "c.fk", FixAction.ENABLE_TRIGGERS)
    assert (done.ending, done.words) == (Ending.DONE, "done; 1 orphan remains, for another fix")
    assert ask(conninfo, OFF) == [(0,)]
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.ENABLE_TRIGGERS)).words.startswith("nothing to do")
    assert (await choice(conninfo, FixAction.ENABLE_TRIGGERS)).reason == "all of them fire"


@pytest.mark.matrix
@pytest.mark.parametrize("off", ["p1", "c1", '"c 2"', "p", "c"])
async def test_of_one_partition_too(database_url: str, tmp_path: Path, off: str) -> None:
    ask(database_url, PARTS)
    ask(database_url, f"ALTER TABLE ONLY {off} DISABLE TRIGGER ALL")
    if ask(database_url, OFF) == [(0,)]:
        pytest.skip("before 15 a partitioned table has no triggers of its own")
    done = await do(database_url, tmp_path, "c.fk", FixAction.ENABLE_TRIGGERS)
    assert done.ending is Ending.DONE, done.words
    assert ask(database_url, OFF) == [(0,)]


async def test_a_replicas_trigger_is_an_ordinary_one_again(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE.replace("ALTER TABLE c DISABLE TRIGGER ALL;", "").replace("(1, 7)", "(1, NULL)"))
    [(name,)] = ask(conninfo, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'c'::regclass ORDER BY 1 LIMIT 1")
    [(always,)] = ask(conninfo, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'p'::regclass ORDER BY 1 LIMIT 1")
    ask(conninfo, f'ALTER TABLE c ENABLE REPLICA TRIGGER "{name}"; ALTER TABLE p ENABLE ALWAYS TRIGGER "{always}"')
    found = await seen(conninfo, "c.fk", FixAction.ENABLE_TRIGGERS)
    # One that always fires is left as somebody wanted it.
    assert [step.statements for step in found.plan.steps] == [
        (f'ALTER TABLE ONLY "public"."c" ENABLE TRIGGER "{name}"',)
    ]
    assert found.plan.steps[0].title == "switch a trigger of the constraint fk on"
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.ENABLE_TRIGGERS)).ending is Ending.DONE
    assert ask(conninfo, "SELECT tgenabled::text FROM pg_trigger ORDER BY 1") == [("A",), ("O",), ("O",), ("O",)]


@pytest.mark.matrix
async def test_the_owner_may_not(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(BASE + "DELETE FROM c")
    async with new_role(conninfo, "LOGIN") as role:
        await run(conninfo, f"ALTER TABLE c OWNER TO {role}; ALTER TABLE p OWNER TO {role}")
        found = await choice(conninfo, FixAction.ENABLE_TRIGGERS, role)
        assert found.reason == f"{role} is no superuser, who alone may switch a constraint's own triggers"
        assert found.remedy == "revalidate makes the constraint anew, with new ones, as its owner"
        assert not (await choice(conninfo, FixAction.REVALIDATE, role)).reason
        assert (await seen(conninfo, "c.fk", FixAction.ENABLE_TRIGGERS, role)).privilege == "superuser"
        assert (await do(conninfo, tmp_path, "c.fk", FixAction.REVALIDATE)).ending is Ending.DONE
        assert ask(conninfo, OFF) == [(0,)]


@pytest.mark.matrix
async def test_the_script(make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path) -> None:
    conninfo, psql = make_database(BASE), psql_of(server.major)
    text = await written(conninfo, "c.fk", FixAction.ENABLE_TRIGGERS)
    ask(conninfo, "ALTER TABLE p DISABLE TRIGGER ALL")
    ran = await run_script(psql, conninfo, text, tmp_path)
    # More are off than were seen: nothing is done.
    assert (ran.code, "nothing was changed" in ran.err) == (3, True), ran
    text = await written(conninfo, "c.fk", FixAction.ENABLE_TRIGGERS)
    for word in ("done", "nothing to do"):
        ran = await run_script(psql, conninfo, text, tmp_path)
        assert (ran.code, ran.err, f"fkexplorer: {word}" in ran.out) == (0, "", True), ran
    assert ask(conninfo, OFF) == [(0,)]


ENFORCED = "SELECT conenforced, convalidated FROM pg_constraint WHERE contype = 'f'"


@pytest.mark.parametrize("parts", ["", " PARTITION BY LIST (id); CREATE TABLE c1 PARTITION OF c DEFAULT"])
async def test_a_constraint_is_enforced(database_url: str, server: EmbeddedServer, tmp_path: Path, parts: str) -> None:
    ask(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY);"
        f"CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p NOT ENFORCED){parts};"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1), (2, 7)",
    )
    assert (await choice(database_url, FixAction.ENFORCE)).reason == "1 orphan refuses it"
    assert (await choice(database_url, FixAction.VALIDATE)).remedy == "enforce it"
    found = await seen(database_url, "c.fk", FixAction.ENFORCE)
    assert [blocker.rows for blocker in found.blockers] == [1]
    ask(database_url, "DELETE FROM c WHERE pid = 7")
    found = await seen(database_url, "c.fk", FixAction.ENFORCE)
    assert (found.blockers, found.confirm) == ((), "fk")
    async with opened(database_url) as (_, schema):
        [step] = found.plan.steps
        tried = trying(database_url, step, known=set(schema.tables))
        assert (tried.refused, locks_of(step)) == ("", tried.locks)
    text = await written(database_url, "c.fk", FixAction.ENFORCE)
    done = await do(
        database_url,
        tmp_path,
        "c.fk",
        FixAction.ENFORCE,
        between=lambda: ask(database_url, "INSERT INTO c VALUES (2, 7)"),
    )
    assert done.ending is Ending.REFUSED
    ask(database_url, "DELETE FROM c WHERE pid = 7")
    assert (await do(database_url, tmp_path, "c.fk", FixAction.ENFORCE)).ending is Ending.DONE
    assert set(ask(database_url, ENFORCED)) == {(True, True)}
    assert (await do(database_url, tmp_path, "c.fk", FixAction.ENFORCE)).words.startswith("nothing to do")
    ran = await run_script(psql_of(server.major), database_url, text, tmp_path)
    assert (ran.code, "nothing to do" in ran.out) == (0, True), ran
    ask(database_url, "ALTER TABLE c ALTER CONSTRAINT fk NOT ENFORCED")
    ran = await run_script(psql_of(server.major), database_url, text, tmp_path)
    assert (ran.code, ran.err) == (0, ""), ran
    assert set(ask(database_url, ENFORCED)) == {(True, True)}


async def test_a_pair_has_nothing_to_enforce(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int)")
    for action in (FixAction.ENFORCE, FixAction.ENABLE_TRIGGERS):
        with pytest.raises(Trouble, match="these columns have no constraint"):
            await seen(conninfo, "c(pid):p(id)", action)
