"""Which fixes an edge can have, and why others can't be done: each reason is made true, and each GRANT works."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.expressions import check_expression
from fkexplorer.fixes.model import DdlStep, Request
from fkexplorer.fixes.plans import make_plan
from fkexplorer.fixes.preview import preview
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import find_edges, find_tables
from tests.database.listening import listening
from tests.database.test_standby import standby
from tests.fixes.pairing import pair_edge
from tests.orphans.connected import new_role, opened, run
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.fixes.model import Choice
    from fkexplorer.schema.model import Table

SCRIPT = """
CREATE TABLE p (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
CREATE TABLE c (id int PRIMARY KEY, pid int NOT NULL CONSTRAINT fk REFERENCES p ON DELETE CASCADE,
 a int, b int NOT NULL, CONSTRAINT two FOREIGN KEY (a, b) REFERENCES p (a, b));
CREATE TABLE g (cid int CONSTRAINT below REFERENCES c ON DELETE CASCADE);
CREATE TABLE early (pid int DEFAULT 1 CONSTRAINT early_fk REFERENCES p);
INSERT INTO p VALUES (1, 1, 1);
ALTER TABLE early DROP CONSTRAINT early_fk; INSERT INTO early VALUES (7);
ALTER TABLE early ADD CONSTRAINT early_fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
SET session_replication_role = replica; INSERT INTO c VALUES (1, 5, NULL, 1), (2, 6, 1, 1);
"""


def of(found: list[Choice], action: FixAction, rule: str = "") -> Choice:
    [choice] = [each for each in found if (each.action, each.rule) == (action, rule)]
    return choice


async def chosen(conninfo: str, name: str, role: str | None = None) -> list[Choice]:
    async with opened(conninfo, role) as (database, schema):
        edge = find_edges(schema, name)[0]
        return await choices(database, schema, edge, await count_edge(database, schema, edge))


async def test_what_an_owner_may_do(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(SCRIPT)
    found = await chosen(conninfo, "fk")
    assert {each.action for each in found} == set(FixAction)
    reasons = {(each.action, each.rule): each.reason for each in found}
    free = {action for action, reason in reasons.items() if not reason}
    assert free == {
        (FixAction.DELETE, ""),
        (FixAction.REPOINT, ""),
        (FixAction.INSERT_PARENTS, ""),
        (FixAction.BACKFILL, ""),
        (FixAction.QUARANTINE, ""),
        (FixAction.CREATE_INDEX, ""),
        (FixAction.CHANGE_ON_DELETE, "restrict"),
        (FixAction.CHANGE_ON_DELETE, "no-action"),
    }
    assert reasons[FixAction.SET_NULL, ""] == "pid is NOT NULL"
    assert reasons[FixAction.SET_DEFAULT, ""] == "pid has no default"
    assert reasons[FixAction.ADD_CONSTRAINT, ""] == "the constraint fk is there already"
    assert reasons[FixAction.VALIDATE, ""] == "it is valid already, and yet has orphans"
    assert reasons[FixAction.REVALIDATE, ""] == "2 orphans refuse it"
    assert reasons[FixAction.ENFORCE, ""] == "it is enforced"
    assert reasons[FixAction.CHANGE_TYPE, ""] == "both sides have the same types"
    assert reasons[FixAction.ADD_UNIQUE, ""] == "the index p_pkey keeps id unique"
    assert reasons[FixAction.ENABLE_TRIGGERS, ""] == "all of them fire"
    assert reasons[FixAction.CHANGE_ON_DELETE, "cascade"] == "already CASCADE"
    assert reasons[FixAction.CHANGE_ON_DELETE, "set-null"] == "pid is NOT NULL"
    assert of(found, FixAction.DELETE).title == "delete the 2 orphans"
    assert of(await chosen(conninfo, "two"), FixAction.DELETE).reason == "there is no orphan"
    early = await chosen(conninfo, "early_fk")
    assert not of(early, FixAction.SET_DEFAULT).reason
    assert of(early, FixAction.VALIDATE).reason == "1 orphan refuses it"
    assert of(early, FixAction.REVALIDATE).reason == "it is not valid: validate it"


async def test_every_grant_that_is_named_permits_it(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(SCRIPT)
    async with new_role(conninfo, "LOGIN") as role:
        await run(conninfo, f"REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT SELECT ON c, p TO {role}")
        async with opened(conninfo) as (database, schema):
            edge = find_edges(schema, "fk")[0]
            count = await count_edge(database, schema, edge)
        granted = []
        for action in (FixAction.DELETE, FixAction.REPOINT, FixAction.INSERT_PARENTS, FixAction.QUARANTINE):
            async with opened(conninfo, role) as (database, schema):
                # What the schema knew of privileges when it was read does not count.
                while (choice := of(await choices(database, schema, edge, count), action)).reason:
                    assert choice.remedy.startswith("GRANT ")
                    assert choice.remedy not in granted
                    granted.append(choice.remedy)
                    await run(conninfo, choice.remedy)
        assert [each.removesuffix(f" TO {role}") for each in granted] == [
            "GRANT USAGE ON SCHEMA public",
            "GRANT DELETE ON public.c",
            "GRANT UPDATE ON public.c",
            "GRANT SELECT ON public.g",
            "GRANT INSERT ON public.p",
            "GRANT CREATE ON SCHEMA public",
        ]
        # And with them it works.
        async with opened(conninfo, role) as (database, schema):
            found = await preview(database, schema, Request(find_edges(schema, "fk")[0], FixAction.DELETE))
            assert (found.rows, found.privilege) == (2, "DELETE on public.c")
            change = of(await choices(database, schema, edge, count), FixAction.CHANGE_ON_DELETE, "restrict")
            assert change.reason == f"{role} is not the owner of public.c"
            assert change.remedy.startswith("GRANT postgres TO ")


async def test_row_security_hides_rows(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(SCRIPT)
    async with new_role(conninfo, "LOGIN") as role:
        await run(
            conninfo,
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT USAGE ON SCHEMA public TO {role};"
            f"ALTER TABLE g ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON g USING (cid = 1)",
        )
        found = await chosen(conninfo, "fk", role)
        assert of(found, FixAction.DELETE).reason == f"row security hides rows of public.g from {role}"
        # What does not go below needs no look there.
        assert not of(found, FixAction.REPOINT).reason


async def test_a_table_that_is_gone(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(SCRIPT)
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "early_fk")[0]
        await run(conninfo, "DROP TABLE early")
        assert {each.reason for each in await choices(database, schema, edge, None)} == {"public.early is gone"}


async def test_a_setting_that_turns_foreign_keys_off(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(SCRIPT)
    async with opened(f"{conninfo} options='-c session_replication_role=replica'") as (database, schema):
        edge = find_edges(schema, "fk")[0]
        reason = of(await choices(database, schema, edge, None), FixAction.DELETE).reason
        assert reason.startswith("session_replication_role is replica")


async def test_on_a_standby_fixes_are_refused_and_previews_work() -> None:
    programs = binaries("15")
    if not (programs / "pg_basebackup").exists():
        missing("pg_basebackup of PostgreSQL 15")
    with listening(programs=programs, settings={"wal_level": "replica", "max_wal_senders": "4"}) as primary:
        primary.run(*SCRIPT.split(";")[:-1])
        primary.add_rules("local replication all trust")
        with standby(primary, programs) as conninfo:
            async with opened(conninfo) as (database, schema):
                edge = find_edges(schema, "fk")[0]
                found = await choices(database, schema, edge, None)
                assert {each.reason for each in found} == {"the server is a standby, which takes no writes"}
                # Such a server could not write a byte for it.
                columns = {"a": "s.id", "b": "1"}
                for action in (FixAction.DELETE, FixAction.QUARANTINE, FixAction.INSERT_PARENTS):
                    assert (await preview(database, schema, Request(edge, action, columns=columns))).rows == 2


PAIRS = r"""
CREATE SCHEMA x;
CREATE DOMAIN word AS varchar(9);
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE TABLE p (i2 int2 UNIQUE, i8 int8 UNIQUE, n numeric UNIQUE, t text UNIQUE, d word UNIQUE, c char(5) UNIQUE,
 m mood UNIQUE, ar int4[] UNIQUE, r int4range UNIQUE, ts timestamptz UNIQUE, u uuid UNIQUE, late int UNIQUE DEFERRABLE,
 none int, e varchar(5) UNIQUE);
CREATE TABLE c (i2 int2, i4 int4, i8 int8, n numeric, t text, d word, c char(5), m mood, ar int4[], r int4range,
 da date, ts timestamptz, u uuid, v varchar(3));
CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
CREATE TABLE named (i2 int2, CONSTRAINT c_i4_fkey CHECK (i2 > 0));
"""
_CHILDREN = ("i2", "i4", "n", "t", "d", "c", "m", "ar", "r", "da", "u", "v")
_PARENTS = ("i8", "i2", "n", "t", "d", "c", "m", "ar", "r", "ts", "u", "e")


@pytest.mark.matrix
async def test_a_pair_is_compared_as_a_constraint_would(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PAIRS)
    made = 0
    async with opened(conninfo) as (database, schema):
        child, parent = find_tables(schema, "public.c")[0], find_tables(schema, "public.p")[0]
        with psycopg.connect(conninfo, autocommit=True) as connection:

            def takes(*statements: str) -> bool:
                """Whether the server does it; it is taken back."""
                try:
                    connection.execute(f"BEGIN; {'; '.join(statements)}".encode())
                except psycopg.errors.DatatypeMismatch:
                    return False
                finally:
                    connection.execute("ROLLBACK")
                return True

            for one, other in itertools.product(_CHILDREN, _PARENTS):
                constraint = f"ADD CONSTRAINT fk FOREIGN KEY ({one}) REFERENCES p ({other})"
                good = takes(f"ALTER TABLE c {constraint}")
                try:
                    edge = await pair_edge(database, schema, (child, [one]), (parent, [other]))
                except Trouble as trouble:
                    assert trouble.code == "incomparable"  # noqa: PT017 - many are
                    assert not good, constraint
                    continue
                assert good, constraint
                made += 1
                assert edge.kind is EdgeKind.CONFIGURED
                assert edge.oid < 0
                plan = make_plan(schema, database.facts, Request(edge, FixAction.ADD_CONSTRAINT))
                assert len(plan.steps) == 2
                assert takes(*(each for step in plan.steps if isinstance(step, DdlStep) for each in step.statements))
                # The predicate of such a pair is one that the server takes.
                assert takes(plan.verification[0])
    assert made > 20


async def test_no_constraint_can_be_added(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PAIRS)
    async with opened(conninfo) as (database, schema):

        def table(name: str) -> Table:
            return find_tables(schema, name)[0]

        async def reason(child: str, one: str, parent: str, other: str) -> tuple[str, str]:
            edge = await pair_edge(database, schema, (table(child), [one]), (table(parent), [other]))
            choice = of(await choices(database, schema, edge, None), FixAction.ADD_CONSTRAINT)
            return choice.reason, choice.remedy

        assert await reason("public.c", "i4", "public.p", "none") == (
            'public.p has no unique key on ("none") to point at',
            'CREATE UNIQUE INDEX CONCURRENTLY ON public.p ("none")',
        )
        assert "is deferrable" in (await reason("public.c", "i4", "public.p", "late"))[0]
        assert "is unlogged" in (await reason("public.c", "i4", "public.fleeting", "id"))[0]
        assert (await reason("public.c", "i4", "public.p", "i8"))[0] == ""
        with pytest.raises(Trouble, match="no foreign key compares them"):
            await pair_edge(database, schema, (table("public.c"), ["t"]), (table("public.p"), ["u"]))


async def test_the_same_name_elsewhere_is_not_the_same_constraint(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PAIRS)
    async with opened(conninfo) as (database, schema):
        tables = {name: find_tables(schema, name)[0] for name in ("public.c", "public.p", "named")}
        edge = await pair_edge(database, schema, (tables["public.c"], ["i4"]), (tables["public.p"], ["i8"]))
        # A constraint of that name on another table does not count.
        found = await preview(database, schema, Request(edge, FixAction.ADD_CONSTRAINT))
        assert found.confirm == "c_i4_fkey"
        assert found.plan.steps
        other = await pair_edge(database, schema, (tables["named"], ["i2"]), (tables["public.p"], ["i8"]))
        with pytest.raises(Trouble, match="has a constraint c_i4_fkey already"):
            await preview(database, schema, Request(other, FixAction.ADD_CONSTRAINT, name="c_i4_fkey"))
    # One of another name on the same columns does.
    await run(conninfo, "ALTER TABLE c ADD CONSTRAINT whatever FOREIGN KEY (i4) REFERENCES p (i8) NOT VALID")
    async with opened(conninfo) as (database, schema):
        child, parent = find_tables(schema, "public.c")[0], find_tables(schema, "public.p")[0]
        edge = await pair_edge(database, schema, (child, ["i4"]), (parent, ["i8"]))
        assert edge.name == "whatever"
        found = await preview(database, schema, Request(edge, FixAction.ADD_CONSTRAINT))
        assert [step.title for step in found.plan.steps] == ["validate the constraint whatever"]
    await run(conninfo, "ALTER TABLE c VALIDATE CONSTRAINT whatever")
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "whatever")[0]
        assert (await preview(database, schema, Request(edge, FixAction.ADD_CONSTRAINT))).nothing_to_do


@pytest.mark.parametrize(
    "text", ["lower(s.email)", "'it''s (fine'", "$q$;--$q$ || 'x'", "E'a\\'b;'", "(ARRAY[1, 2])[1]", '"a;b"', " 1 "]
)
def test_an_expression_is_taken(text: str) -> None:
    assert check_expression("c", text) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "1; SELECT 2", "1) + (2", "(1", "1, 2", "'open", "1 /* x */", "a -- b", "'a\\'b'", "[1)", "$q$ ; $r$"]
)
def test_an_expression_is_refused(text: str) -> None:
    with pytest.raises(Trouble) as trouble:
        check_expression("c", text)
    assert trouble.value.code == "expression"
