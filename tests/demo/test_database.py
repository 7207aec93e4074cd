"""What the demo database is there to show, asserted in plain SQL; and that it is the same at every build."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from fkexplorer.demo.database import demo
from fkexplorer.schema.secrets import is_secret
from tests.demo.asking import NOT_ENFORCED, ORPHANS, SET_NULL_OF_ONE, one

if TYPE_CHECKING:
    from tests.demo.asking import Edge

pytestmark = pytest.mark.matrix


def test_every_edge_has_the_orphans_it_is_there_to_show(connection: psycopg.Connection, edges: dict[str, Edge]) -> None:
    found = {
        name: one(connection, f"SELECT count(*), count(DISTINCT key) FROM ({edge.orphans()}) o")
        for name, edge in edges.items()
    }
    expected = {name: orphans for name, orphans in ORPHANS.items() if name in edges}
    assert {name: count for name, count in found.items() if count != (0, 0)} == expected
    if connection.info.server_version >= 180000:
        assert expected == ORPHANS


def test_states_are_those_that_a_catalogue_can_tell(connection: psycopg.Connection, edges: dict[str, Edge]) -> None:
    assert {name for name, edge in edges.items() if not edge.validated} - {NOT_ENFORCED} == {
        "nextauth.accounts_user_id_fkey",
        "shop.orders_customer_id_fkey",
        "shop.pick_tasks_warehouse_bin_fkey",
    }
    assert {name for name, edge in edges.items() if edge.triggers_off} == {"shop.reviews_product_id_fkey"}
    assert {name for name, edge in edges.items() if edge.match_full} == {"shop.pick_tasks_warehouse_bin_fkey"}
    version = connection.info.server_version
    assert (NOT_ENFORCED in edges) == (version >= 180000)
    assert (SET_NULL_OF_ONE in edges) == (version >= 150000)
    if version >= 180000:
        assert one(connection, "SELECT array_agg(conname) FROM pg_constraint WHERE NOT conenforced") == [
            "wish_list_items_product_id_fkey"
        ]
    if version >= 150000:
        assert one(
            connection,
            "SELECT a.attname FROM pg_constraint k, unnest(k.confdelsetcols) c "
            "JOIN pg_attribute a ON a.attnum = c WHERE a.attrelid = k.conrelid",
        ) == ("assignee_id")


def test_shapes_that_a_graph_has_to_bear(connection: psycopg.Connection, edges: dict[str, Edge]) -> None:
    ends = [(edge.child, edge.parent) for edge in edges.values()]
    assert {child for child, parent in ends if child == parent} == {
        "shop.categories",
        "shop.customers",
        "chat.chat_messages",
    }
    assert ("shop.employees", "shop.departments") in ends
    assert ("shop.departments", "shop.employees") in ends
    assert ends.count(("shop.orders", "shop.addresses")) == 2
    schemas = {(child.split(".")[0], parent.split(".")[0]) for child, parent in ends}
    assert {pair for pair in schemas if pair[0] != pair[1]} == {("chat", "auth"), ("billing", "shop")}
    assert {'shop."Order Items"', 'github."user"'} <= {table for pair in ends for table in pair}
    assert edges["shop.orders_coupon_code_fkey"].parent_columns == ["code"]
    assert one(connection, "SELECT count(*) FROM shop.stock WHERE num_nulls(warehouse, bin) = 1") == 18, (
        "half a key that MATCH SIMPLE lets pass"
    )
    partial = "SELECT count(*) FROM shop.pick_tasks WHERE num_nulls(warehouse, bin) = 1"
    assert one(connection, partial) == 3, "half a key that MATCH FULL forbids"
    by_partition = connection.execute(
        "SELECT v.tableoid::regclass::text, count(*) FROM shop.page_views v "
        "WHERE NOT EXISTS (SELECT FROM shop.products p WHERE p.id = v.product_id) GROUP BY 1"
    ).fetchall()
    assert by_partition == [("shop.page_views_2025_05", 8)]
    keyless = one(
        connection,
        "SELECT count(*) FROM pg_constraint WHERE conrelid = 'shop.wish_list_items'::regclass "
        "AND contype IN ('p', 'u')",
    )
    assert keyless == 0


def test_customers_without_an_order_have_dates(connection: psycopg.Connection) -> None:
    childless = "FROM shop.customers c WHERE NOT EXISTS (SELECT FROM shop.orders o WHERE o.customer_id = c.id)"
    count, dates, newest = one(connection, f"SELECT count(*), count(DISTINCT created_at), max(id) {childless}")
    assert 95 <= count < 190
    assert dates == count
    assert newest == 380


def test_tables_columns_and_constraints_have_comments(connection: psycopg.Connection) -> None:
    kinds = (
        "SELECT classoid::regclass::text, objsubid > 0, count(*) FROM pg_description "
        "WHERE objoid >= 16384 GROUP BY 1, 2"
    )
    comments = {(kind, column): count for kind, column, count in connection.execute(kinds)}
    assert comments["pg_class", False] >= 8
    assert comments["pg_class", True] >= 3
    assert comments["pg_constraint", False] >= 3


def test_columns_with_secrets_are_told_by_their_names(connection: psycopg.Connection) -> None:
    columns = connection.execute(
        "SELECT c.relnamespace::regnamespace || '.' || c.relname, a.attname FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND c.relkind = 'r' "
        "AND c.relnamespace::regnamespace::text !~ '^pg_|information_schema'"
    )
    assert {(table, name) for table, name in columns if is_secret(name)} == {
        ("auth.users", "encrypted_password"),
        ("github.account", "access_token"),
        ("github.session", "token"),
        ("nextauth.accounts", "access_token"),
        ("nextauth.accounts", "id_token"),
        ("nextauth.accounts", "refresh_token"),
        ("nextauth.sessions", "session_token"),
        ("nextauth.verification_tokens", "token"),
    }


def test_tables_are_analysed(connection: psycopg.Connection) -> None:
    tables = connection.execute(
        "SELECT c.oid::regclass::text, c.reltuples, c.relkind = 'p' FROM pg_class c WHERE c.relkind IN ('r', 'p') "
        "AND c.relnamespace::regnamespace::text !~ '^pg_|information_schema'"
    ).fetchall()
    assert len(tables) == 44
    for table, estimate, partitioned in tables:
        # Before 14 a partitioned table has no estimate of its own.
        if not partitioned or connection.info.server_version >= 140000:
            assert one(connection, f"SELECT count(*) FROM {table}") == estimate, table
    assert 5_000 < sum(estimate for _, estimate, partitioned in tables if not partitioned) < 15_000


def content(conninfo: str) -> dict[str, tuple[int, str]]:
    """Rows and a hash of the rows of every table, and the same of all constraints' definitions."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET search_path = ''; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'")
        tables = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' "
            "AND c.relnamespace::regnamespace::text !~ '^pg_|information_schema'"
        ).fetchall()
        hashed = 'SELECT count(*), md5(string_agg(line, chr(10) ORDER BY line COLLATE "C")) FROM ({}) t (line)'
        contents = {table: one(connection, hashed.format(f"SELECT t::text FROM {table} t")) for (table,) in tables}
        definitions = (
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid >= 16384"
        )
        return contents | {"constraints": one(connection, hashed.format(definitions))}


def test_two_builds_hold_the_same(databases: tuple[str, str]) -> None:
    first, second = (content(conninfo) for conninfo in databases)
    assert len(first) == 44
    assert all(count for count, _ in first.values())
    assert first == second


def test_no_script_reads_a_clock_or_throws_dice() -> None:
    """One that did would make other rows tomorrow."""
    scripts = [path for path in (files("fkexplorer.demo") / "sql").iterdir() if path.name.endswith(".sql")]
    assert len(scripts) == 8
    for path in scripts:
        code = "\n".join(line for line in path.read_text("utf8").splitlines() if not line.startswith("--"))
        for banned in ("random(", "now(", "current_date", "current_timestamp", "clock_timestamp", "gen_random"):
            assert banned not in code.lower(), f"{banned} in {path.name}"


def test_demo_is_a_server_of_its_own_that_goes() -> None:
    with demo() as conninfo, psycopg.connect(conninfo) as connection:
        user, name, superuser, zone = one(
            connection,
            "SELECT current_user, current_database(), rolsuper, current_setting('timezone') FROM pg_roles "
            "WHERE rolname = current_user",
        )
        assert (user, name, superuser, zone) == ("demo", "demo", True, "UTC")
        assert one(connection, "SELECT count(*) FROM auth.users") == 412
        assert one(connection, "SHOW server_encoding") == "UTF8"
        (postmaster,) = {process.ppid() for process in [psutil.Process(connection.info.backend_pid)]}
        assert psutil.pid_exists(postmaster)
    assert not psutil.pid_exists(postmaster) or psutil.Process(postmaster).status() == psutil.STATUS_ZOMBIE
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(conninfo, connect_timeout=2)
