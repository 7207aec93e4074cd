"""What a preview says is what the server does: rows on random schemas, locks on the demo, and who is in the way."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.demo.database import build_demo
from fkexplorer.fixes.dry import dry_run
from fkexplorer.fixes.holders import masked
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, MODES, ROW_EXCLUSIVE
from fkexplorer.fixes.model import DdlStep, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges, find_tables
from tests.fixes.random_schemas import random_schema
from tests.fixes.trying import announced, locks_of, trying
from tests.orphans.connected import holding, new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fkexplorer.demo.server import EmbeddedServer

SEEDS = 4
OF_ROWS = (FixAction.DELETE, FixAction.SET_NULL, FixAction.SET_DEFAULT, FixAction.QUARANTINE)


@pytest.fixture(scope="module")
def demo(server: EmbeddedServer) -> Iterator[str]:
    """The demo database. No test changes its rows; one makes some of its constraints anew."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE demo_of_previews TEMPLATE template0")
    build_demo(server.conninfo("demo_of_previews"))
    yield server.conninfo("demo_of_previews")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE demo_of_previews")


@pytest.mark.matrix
async def test_numbers_are_those_of_the_run(database_url: str, server: EmbeddedServer) -> None:
    compared, refused = 0, 0
    async with opened(database_url) as (database, _):
        for seed in range(SEEDS):
            made = random_schema(Random(seed), server.major)  # noqa: S311 - a test's
            await run(database_url, f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {made.script}")
            schema = await read_schema(database)
            for edge in schema.edges.values():
                for action in OF_ROWS:
                    try:
                        found = await preview(database, schema, Request(edge, action))
                    except Trouble as trouble:
                        assert trouble.code == "impossible"  # noqa: PT017 - most may be
                        continue
                    if found.doubtful or found.nothing_to_do:
                        continue
                    [step] = found.plan.steps
                    tried = trying(database_url, step, known=set(schema.tables))
                    label = f"{seed} {edge.name} {action}\n{made.script}\n{found}\n{tried}"
                    own = "null value" in tried.refused or "duplicate key" in tried.refused
                    assert bool(tried.refused) == bool(found.blockers) or own, label
                    if not tried.refused and not any(each.more_updates for each in found.effects):
                        assert announced(schema, found) == tried.counts, label
                        # A key that is NULL, or a trigger that is off on one partition, may lock less.
                        told = {table: MODES.index(mode) for table, mode in locks_of(step).items()}
                        assert all(MODES.index(mode) <= told[table] for table, mode in tried.locks.items()), label
                    compared += not tried.refused
                    refused += bool(tried.refused)
    assert compared > 20
    assert refused


async def test_locks_of_every_step_are_those_announced(demo: str) -> None:
    async with opened(demo) as (database, schema):
        customers = {"name": "'n'", "email": "s.id || '@x'", "created_at": "now()"}
        profiles = {"display_name": "s.email"}
        requests: list[tuple[str, FixAction, dict[str, Any]]] = [
            ("shipments_order_id_fkey", FixAction.DELETE, {}),
            ("payments_invoice_id_fkey", FixAction.DELETE, {}),
            ("pick_tasks_warehouse_bin_fkey", FixAction.SET_NULL, {}),
            ("page_views_product_id_fkey", FixAction.DELETE, {}),
            ("page_views_product_id_fkey", FixAction.REPOINT, {"key": ("7",)}),
            ("orders_customer_id_fkey", FixAction.REPOINT, {"key": ("7",)}),
            ("orders_customer_id_fkey", FixAction.INSERT_PARENTS, {"columns": customers}),
            ("reviews_product_id_fkey", FixAction.QUARANTINE, {}),
            ("chat_conversations_user_id_fkey", FixAction.BACKFILL, {"columns": profiles, "scope": Scope.GAP}),
            ("accounts_user_id_fkey", FixAction.VALIDATE, {}),
            ("orders_customer_id_fkey", FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}),
            ("categories_parent_id_fkey", FixAction.REVALIDATE, {}),
            ("page_views_customer_id_fkey", FixAction.REVALIDATE, {}),
            ("invoices_order_id_fkey", FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}),
        ]
        for name, action, given in requests:
            edge = find_edges(schema, name)[0]
            source = find_tables(schema, "auth.users")[0].oid if action is FixAction.BACKFILL else None
            found = await preview(database, schema, Request(edge, action, source=source, **given))
            assert found.plan.steps
            for step in found.plan.steps:
                tried = trying(demo, step, known=set(schema.tables))
                assert not tried.refused, (name, action)
                assert locks_of(step) == tried.locks, (name, action, step.title)
                assert announced(schema, found) == tried.counts
                if isinstance(step, DdlStep) and step is not found.plan.steps[-1]:
                    # The next one is of what this one has made.
                    await run(demo, "; ".join(step.statements))


async def test_the_incidents(demo: str) -> None:
    async with opened(demo) as (database, schema):
        # One given key, where no row is an orphan: what has no default is asked for by name.
        link = find_edges(schema, "user_github_installation_user_id_user_id_fk")[0]
        key = ("acb42b05-c3e7-4818-aedb-42f95a2f3b54",)
        with pytest.raises(Trouble, match="needs a value for name, email, created_at"):
            await preview(database, schema, Request(link, FixAction.INSERT_PARENTS, key=key))
        given = {"name": "'Ada'", "email": "'ada@x'", "created_at": "now()"}
        one = await preview(database, schema, Request(link, FixAction.INSERT_PARENTS, key=key, columns=given))
        assert (one.rows, one.confirm, one.lost) == (1, "1", 0)
        # 37 profiles are missing; one of them has the address of another.
        talks = find_edges(schema, "chat_conversations_user_id_fkey")[0]
        users = find_tables(schema, "auth.users")[0].oid
        columns = {"display_name": "coalesce(s.raw_user_meta_data ->> 'full_name', split_part(s.email, '@', 1))"}
        gap = await preview(
            database, schema, Request(talks, FixAction.BACKFILL, source=users, scope=Scope.GAP, columns=columns)
        )
        assert (gap.rows, gap.lost, gap.lost_to, gap.confirm) == (36, 1, ("user_profiles_email_key",), "36")
        with pytest.raises(Trouble, match="needs a value for display_name"):
            await preview(database, schema, Request(talks, FixAction.BACKFILL, source=users, scope=Scope.GAP))
        # A membership whose workspace is gone.
        [dangling] = [
            edge
            for edge in find_edges(schema, "workspace_members_workspace_id_workspaces_id_fk")
            if schema.child_of(edge).schema == "workspaces_dangling"
        ]
        found = await preview(database, schema, Request(dangling, FixAction.DELETE))
        assert found.rows == 1
        assert found.before is not None
        assert "a7189b92-ba75-4160-8fa0-426bfe8fa33a" in str(found.before.rows)


async def test_who_is_in_the_way(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        """CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p);
        SET session_replication_role = replica; INSERT INTO c VALUES (1);"""
    )
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        assert not (await preview(database, schema, Request(edge, FixAction.DELETE))).holders
        async with holding(conninfo, "UPDATE c SET pid = pid WHERE pid < 12345 AND 'secret' <> ''"):
            [held] = (await preview(database, schema, Request(edge, FixAction.DELETE))).holders
            assert (held.table, held.mode, held.granted) == (edge.child, ROW_EXCLUSIVE, True)
            assert held.statement is not None
            assert "secret" not in held.statement
            assert "12345" not in held.statement
            assert held.seconds is not None
        async with holding(conninfo, "SELECT * FROM c"):
            # Whoever only reads is in nobody's way but in that of an ALTER TABLE.
            assert not (await preview(database, schema, Request(edge, FixAction.DELETE))).holders
            change = Request(edge, FixAction.CHANGE_ON_DELETE, rule="cascade")
            found = await preview(database, schema, change)
            assert [each.table for each in found.holders] == [edge.child]
            assert found.plan.steps[0].locks[0].mode == ACCESS_EXCLUSIVE


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT 'it''s', 12.5 FROM t1 WHERE a=E'x\\'y'", "SELECT '…', … FROM t1 WHERE a='…'"),
        ("SELECT $$a'b$$, $q$x$q$\n, $1", "SELECT '…', '…' , $1"),
        ("SELECT 'never closed", "SELECT '…'"),
    ],
)
def test_values_of_a_statement_are_not_shown(statement: str, shown: str) -> None:
    assert masked(statement) == shown


TRIGGERS = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES p);
CREATE TABLE g (cid int CONSTRAINT below REFERENCES c ON DELETE CASCADE);
CREATE TABLE log (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
 'BEGIN INSERT INTO public.log VALUES (TG_TABLE_NAME); RETURN OLD; END';
CREATE TRIGGER noted AFTER DELETE ON g FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER other AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER off AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE c DISABLE TRIGGER off;
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
 'BEGIN IF OLD.id = 3 THEN RETURN NULL; END IF; RETURN OLD; END';
SET session_replication_role = replica;
INSERT INTO c VALUES (1, 1), (2, 2), (3, 3); INSERT INTO g VALUES (1), (1), (2);
"""


async def test_triggers_are_named_and_a_dry_run_counts_what_they_do(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(TRIGGERS)
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        found = await preview(database, schema, Request(edge, FixAction.DELETE))
        assert [(trigger.name, trigger.function) for trigger in found.triggers] == [("noted", "public.note")]
        assert "what noted on public.g does elsewhere" in found.lasting
        dry = await dry_run(database, schema, found)
        names = {table.oid: table.name for table in schema.tables.values()}
        told = {
            (names[each.table], each.deleted, each.inserted, bool(each.edges), each.by_triggers) for each in dry.effects
        }
        assert told == {("c", 3, 0, False, False), ("g", 3, 0, True, False), ("log", 0, 3, False, True)}
        assert (dry.rows, dry.dry, dry.confirm) == (3, True, "3")
        await run(conninfo, "CREATE TRIGGER kept BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION keep()")
        cancelled = await dry_run(database, schema, found)
        assert (cancelled.rows, cancelled.confirm) == (2, "2")
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT (SELECT count(*) FROM c), (SELECT count(*) FROM log)").fetchone() == (3, 0)


async def test_a_rule_is_named(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(TRIGGERS + "CREATE RULE kept AS ON DELETE TO c WHERE OLD.id = 3 DO INSTEAD NOTHING")
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        found = await preview(database, schema, Request(edge, FixAction.DELETE))
        assert ("kept", "a rule") in [(trigger.name, trigger.function) for trigger in found.triggers]
        assert (await dry_run(database, schema, found)).rows == 2


async def test_a_dry_run_of_ddl_and_a_refused_one(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(TRIGGERS)
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        ddl = await preview(database, schema, Request(edge, FixAction.CHANGE_ON_DELETE, rule="cascade"))
        with pytest.raises(Trouble, match="no dry run"):
            await dry_run(database, schema, ddl)
        found = await preview(database, schema, Request(edge, FixAction.DELETE))
    async with new_role(conninfo, "LOGIN") as role:
        await run(conninfo, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        async with opened(conninfo, role) as (database, schema):
            with pytest.raises(Trouble, match="permission denied"):
                await dry_run(database, schema, found)


@pytest.mark.matrix
async def test_a_partitioned_child_takes_its_constraint_as_its_server_can(
    make_database: Callable[[str], str], server: EmbeddedServer
) -> None:
    conninfo = make_database(
        """CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p) PARTITION BY LIST (id);
        CREATE TABLE c1 PARTITION OF c DEFAULT;
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1);"""
    )
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, "fk")[0]
        found = await preview(database, schema, Request(edge, FixAction.CHANGE_ON_DELETE, rule="cascade"))
        assert len(found.plan.steps) == (2 if server.major >= 18 else 1)
        [step, *_] = found.plan.steps
        assert ("for the whole scan" in step.locks[0].blocks) == (server.major < 18)
        tried = trying(conninfo, step, known=set(schema.tables))
        assert not tried.refused
        assert locks_of(step) == tried.locks
        await run(conninfo, "SET session_replication_role = replica; INSERT INTO c VALUES (2, 2)")
        broken = await preview(database, schema, Request(edge, FixAction.CHANGE_ON_DELETE, rule="cascade"))
        # Before 18 the rows are looked through at once, and refuse it.
        assert bool(broken.blockers) == (server.major < 18)
        assert bool(trying(conninfo, broken.plan.steps[0], known=set()).refused) == (server.major < 18)
