"""What the catalogue hints at of costs: sizes, visible pages, statistics of the columns of edges, orders of keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.schema.model import ColumnStatistics, Operator, PairOrder, TypeName
from tests.database.catalogue import available, by_label, columns, edges, load, operator, run
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from fkexplorer.schema.model import Schema

pytestmark = pytest.mark.matrix

TABLES = (
    # Pages count as visible to all once their commits are on disk.
    "SET synchronous_commit = on",
    "CREATE TABLE p (id bigint PRIMARY KEY, t text UNIQUE)",
    "CREATE TABLE c (k int REFERENCES p, t text REFERENCES p (t))",
    "INSERT INTO p SELECT n, 't' || n FROM generate_series(101, 400) n",
    "INSERT INTO c SELECT CASE n % 4 WHEN 0 THEN NULL ELSE 101 + n % 10 END FROM generate_series(1, 30000) n",
)


def statistics(schema: Schema, table: str) -> dict[str, ColumnStatistics]:
    """Those of a table, by the column's name."""
    found = by_label(schema)[table]
    return {
        column.name: schema.statistics[found.oid, column.number]
        for column in found.columns
        if (found.oid, column.number) in schema.statistics
    }


async def test_statistics_of_the_columns_of_edges(database_url: str) -> None:
    schema = await load(database_url, *TABLES)
    assert schema.statistics == {}
    schema = await load(database_url, "ANALYZE")
    assert set(statistics(schema, "p")) == {"id", "t"}
    assert statistics(schema, "p")["id"] == ColumnStatistics(-1.0, 0.0, 101, 400)
    assert (statistics(schema, "p")["t"].least, statistics(schema, "p")["t"].greatest) == (None, None)
    of_child = statistics(schema, "c")["k"]
    assert (of_child.distinct, of_child.least, of_child.greatest) == (10.0, None, None)
    assert of_child.null_fraction == pytest.approx(0.25, abs=0.02)
    assert statistics(schema, "c")["t"].null_fraction == 1.0


async def test_no_statistics_where_the_child_is_small_or_the_role_may_not_read(database_url: str) -> None:
    await load(database_url, *TABLES, "ANALYZE")
    async with new_role(database_url) as role:
        run(database_url, f"GRANT SELECT (id) ON p TO {role}")
        async with opened(database_url, role) as (_, schema):
            assert set(statistics(schema, "p")) == {"id"}
            assert statistics(schema, "c") == {}
    schema = await load(database_url, "DELETE FROM c WHERE ctid >= '(1,0)'", "VACUUM ANALYZE c")
    assert schema.statistics == {}


async def test_statistics_of_a_partitioned_table_are_of_all_its_partitions(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (-100) TO (10)",
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (100)",
        "CREATE TABLE c (k int REFERENCES p) PARTITION BY HASH (k)",
        "CREATE TABLE c1 PARTITION OF c FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        "INSERT INTO p SELECT generate_series(-50, 50)",
        "INSERT INTO c SELECT n % 50 FROM generate_series(1, 30000) n",
        "ANALYZE",
    )
    assert statistics(schema, "p")["id"] == ColumnStatistics(-1.0, 0.0, -50, 50)
    assert statistics(schema, "c")["k"].distinct == 50


async def test_visible_pages_and_live_rows(database_url: str) -> None:
    schema = await load(
        database_url,
        "SET synchronous_commit = on; CREATE TABLE seen AS SELECT generate_series(1, 5000) AS n",
        "CREATE TABLE never (n int)",
        "CREATE TABLE root (n int) PARTITION BY RANGE (n)",
        "CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (3001)",
        "CREATE TABLE high PARTITION OF root FOR VALUES FROM (3001) TO (10000)",
        "SET synchronous_commit = on; INSERT INTO root SELECT generate_series(1, 6000)",
        "VACUUM ANALYZE seen",
        "VACUUM ANALYZE low",
        "ANALYZE high",
    )
    tables = by_label(schema)
    assert tables["never"].visible == 0.0
    assert tables["seen"].visible == 1.0
    assert tables["root"].visible == pytest.approx(0.5, abs=0.05)
    async with asyncio.timeout(10):
        # Before 15 they are counted half a second later.
        while tables["seen"].live_rows < 5000 or tables["root"].live_rows < 6000:
            tables = by_label(await load(database_url))


async def test_the_orders_whose_equality_is_the_edges(database_url: str) -> None:
    citext = available(database_url, "citext")
    schema = await load(
        database_url,
        "CREATE TABLE p (a bigint UNIQUE, b text UNIQUE, d timestamptz UNIQUE, n numeric UNIQUE)",
        """CREATE TABLE c (a int REFERENCES p (a), b varchar(9) REFERENCES p (b), d date REFERENCES p (d),
             n int REFERENCES p (n))""",
        *(
            [
                "CREATE SCHEMA ext",
                "CREATE EXTENSION citext SCHEMA ext",
                "CREATE TABLE i (k ext.citext PRIMARY KEY)",
                "CREATE TABLE ic (k ext.citext REFERENCES i)",
            ]
            if citext
            else []
        ),
    )
    found = {pair.child.name: pair.orders for edge in edges(schema).values() for pair in edge.pairs}
    assert columns(by_label(schema)["c"])["a"].number == 1
    assert found["a"] == (PairOrder(1976, operator("<", "int4", "int8"), operator(">", "int4", "int8")),)
    texts = PairOrder(1994, operator("<", "text", "text"), operator(">", "text", "text"))
    # text_pattern_ops too: bytes that differ are texts that differ.
    patterns = PairOrder(2095, operator("~<~", "text", "text"), operator("~>~", "text", "text"))
    assert set(found["b"]) == {texts, patterns}
    assert found["d"] == (PairOrder(434, operator("<", "date", "timestamptz"), operator(">", "date", "timestamptz")),)
    assert [(order.less, order.greater) for order in found["n"]] == [
        (operator("<", "numeric", "numeric"), operator(">", "numeric", "numeric"))
    ]
    if citext:
        ours = TypeName("ext", "citext")
        of_citext = Operator("ext", "<", ours, ours), Operator("ext", ">", ours, ours)
        assert of_citext in [(order.less, order.greater) for order in found["k"]]
        assert all(order.family > 16384 for order in found["k"])


async def test_statistics_wait_for_no_lock(database_url: str) -> None:
    run(database_url, *TABLES, "ANALYZE")
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE p, c")
        schema = await load(database_url)
    assert len(schema.statistics) == 4
