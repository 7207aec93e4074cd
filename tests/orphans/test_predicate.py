"""What the statements ask of the server beyond their numbers: which plan, which columns, which functions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, count_statement, taken_at, totals_statement
from tests.orphans.connected import edge_of, opened, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ClauseElement

DIALECT = make_url("postgresql+psycopg://").get_dialect()()

TABLES = """
CREATE TABLE p (id int, t text, x int, PRIMARY KEY (id, t));
CREATE TABLE c (note text, pid int, pt varchar(9), FOREIGN KEY (pid, pt) REFERENCES p MATCH FULL);
INSERT INTO p SELECT n, n::text, n FROM generate_series(1, 5000) n;
INSERT INTO c SELECT '', n % 100 + 1, (n % 100 + 1)::text FROM generate_series(1, 50000) n;
ANALYZE;
"""


def _compiled(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=DIALECT))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


async def _plan(conninfo: str, text: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        cursor = await connection.execute(f"EXPLAIN (FORMAT json) {text}".encode(), {})
        row = await cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(_nodes(plan[0]["Plan"]))


async def test_a_count_is_one_anti_join_and_no_look_for_each_row(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        predicate = EdgePredicate(schema, edge_of(schema, "c"))
        version = database.facts.version_number
    plan = await _plan(database_url, _compiled(count_statement(predicate, version)))
    assert [node["Join Type"] for node in plan if "Join Type" in node] == ["Anti"]
    assert not any(node.get("Parent Relationship") in {"SubPlan", "InitPlan"} for node in plan)

    plan = await _plan(database_url, _compiled(totals_statement(predicate, version)))
    # The other anti join finds parents without a child; it runs once, before the rest.
    joins = [node["Join Type"] for node in plan if "Join Type" in node]
    assert sorted(join.removeprefix("Right ") for join in joins) == ["Anti", "Anti", "Inner"]
    assert not any(node.get("Parent Relationship") == "SubPlan" for node in plan)


async def test_the_columns_of_the_edge_or_all(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (_, schema):
        edge = edge_of(schema, "c")
        own, every = EdgePredicate(schema, edge), EdgePredicate(schema, edge, all_columns=True)
    assert (list(own.child.c.keys()), list(own.parent.c.keys())) == (["pid", "pt"], ["id", "t"])
    assert (list(every.child.c.keys()), list(every.parent.c.keys())) == (["note", "pid", "pt"], ["id", "t", "x"])


async def test_one_pair_without_an_operator_is_enough_to_be_incomparable(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (_, schema):
        edge = edge_of(schema, "c")
    without = replace(edge, pairs=(edge.pairs[0], replace(edge.pairs[1], equals=None)))
    predicate = EdgePredicate(schema, without)
    with pytest.raises(Incomparable):
        count_statement(predicate, 180000)


@pytest.mark.parametrize(
    ("version", "function"),
    [(120022, "txid_current_snapshot"), (130000, "pg_current_snapshot"), (180006, "pg_current_snapshot")],
)
def test_the_snapshot_by_the_name_that_the_server_has(version: int, function: str) -> None:
    snapshot, _ = taken_at(version)
    assert _compiled(snapshot.element) == f"CAST(pg_catalog.{function}() AS TEXT)"
