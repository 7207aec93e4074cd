"""Edges that are about some rows of their child: every number is that of those rows, in whatever way it is counted."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import select

from fkexplorer.fixes import sql
from fkexplorer.named import edge_or_pair, one_edge
from fkexplorer.orphans import estimate
from fkexplorer.orphans.attempts import attempts, key_attempts, lone_attempts
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.estimate import estimate_edge
from fkexplorer.orphans.first import has_orphans
from fkexplorer.orphans.model import LoneWay, Status, Way
from fkexplorer.orphans.partitions import orphans_by_partition
from fkexplorer.orphans.pipeline import Pipeline
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.query import orphan_query
from fkexplorer.orphans.rows import childless_parents, missing_keys, orphan_rows
from fkexplorer.orphans.shared import together
from fkexplorer.orphans.ways.keys import exact_ways, lone_ways
from fkexplorer.schema.names import edge_label, find_edges
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

MAKE = """
CREATE TYPE kind AS ENUM ('post', 'user');
CREATE TABLE posts (id int PRIMARY KEY);
CREATE TABLE pages (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE comments (id int PRIMARY KEY, x_type varchar(40), x_id int, x_sub int, x_kind kind, x_code int2);
CREATE INDEX ON comments (x_id); CREATE INDEX ON comments (x_id, x_sub);
"""
VALUES = ["Post", "App\\Models\\Post", "it's", "a%b", "", None]
PAIRS = ["comments(x_id):posts(id)", "comments(x_id, x_sub):pages(a, b)"]
CONDITIONS = {
    "[x_type=Post]": "c.x_type = 'Post'",
    "[x_type=App\\Models\\Post]": "c.x_type = E'App\\\\Models\\\\Post'",
    "[x_type='it''s']": "c.x_type = 'it''s'",
    "[x_type='a%b']": "c.x_type = 'a%b'",
    "[x_type='']": "c.x_type = ''",
    "[x_type=nothing]": "false",
    "[x_kind=post]": "c.x_kind = 'post'",
    "[x_kind=page]": "false",
    "[x_code=2]": "c.x_code = 2",
    "[x_code=02]": "false",
    "[x_code=99999999999]": "false",
    "[x_id=3]": "c.x_id = 3",
}


def numbers(url: str, pair: str, condition: str) -> dict[str, int]:
    """What the edge's numbers are, by a statement written by hand."""
    parent, same, keys = (
        ("posts", "p.id = c.x_id", ["x_id"])
        if "posts" in pair
        else ("pages", "p.a = c.x_id AND p.b = c.x_sub", ["x_id", "x_sub"])
    )
    whole = " AND ".join(f"c.{key} IS NOT NULL" for key in keys)
    none = " AND ".join(f"c.{key} IS NULL" for key in keys)
    orphan = f"{whole} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same})"
    with psycopg.connect(url) as connection:
        row = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {none}), count(*) FILTER (WHERE NOT ({whole}) AND NOT ({none})),"
            f" count(*) FILTER (WHERE {orphan}),"
            f" count(DISTINCT ({', '.join(f'c.{key}' for key in keys)}, 0)) FILTER (WHERE {orphan}),"
            f" (SELECT count(*) FROM {parent} p"
            f"  WHERE NOT EXISTS (SELECT FROM comments c WHERE {same} AND {condition}))"
            f" FROM comments c WHERE {condition}".encode()
        ).fetchone()
    assert row is not None
    names = ("rows", "nulls", "unchecked", "orphans", "missing_keys", "childless")
    return dict(zip(names, row, strict=True))


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    """A database of random rows, each kind of orphan among them."""
    chance = random.Random(5)  # noqa: S311 - the same in every run
    conninfo = make_database(MAKE)

    def number() -> int | None:
        drawn = chance.randrange(9)
        return drawn if drawn < 8 else None

    rows = [
        (at, chance.choice(VALUES), number(), number(), chance.choice(["post", "user", None]), number())
        for at in range(600)
    ]
    with psycopg.connect(conninfo, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO comments VALUES (%s, %s, %s, %s, %s, %s)", rows)
        cursor.executemany("INSERT INTO posts VALUES (%s)", [(at,) for at in (0, 1, 2, 5, 9, 11)])
        cursor.executemany("INSERT INTO pages VALUES (%s, %s)", [(at, at % 3) for at in range(0, 12, 2)])
        connection.execute("ANALYZE")
    return conninfo


async def ways_of(database: Database, schema: Schema, edge: Relationship) -> list[dict[str, int | None]]:
    """The numbers by each way that counts: at once, with all, long and in pieces, in a window."""
    found = []
    for full, slow, deep in product((False, True), repeat=3):
        count = await count_edge(database, schema, edge, full=full, slow=slow, deep=deep)
        assert count.status in {Status.CLEAN, Status.ORPHANS}, count
        names = ("rows", "nulls", "unchecked", "orphans", "missing_keys", "childless")
        known = {name: getattr(count, name) for name in names if getattr(count, name) is not None}
        if len(edge.pairs) == 1:
            assert known.pop("unchecked") == 0
        if not full:
            known.pop("missing_keys", None)
        found.append(known)
    counts: list[int | None] = []
    with_edge = replace(schema, edges={edge.oid: edge})
    pipeline = Pipeline(database, with_edge)
    await pipeline.run({edge.oid: True}, lambda count: counts.append(count.orphans), lambda *_: None)
    found += [{"orphans": orphans} for orphans in counts]
    predicate = EdgePredicate(schema, edge)
    version = database.facts.version_number
    async with database.read() as connection:
        for name, tries in (
            ("orphans", attempts(schema, predicate, version, full=False, deep=False, alone=True)),
            ("missing_keys", key_attempts(schema, predicate, version, deep=False)),
            ("childless", lone_attempts(schema, predicate, version, deep=False)),
        ):
            for attempt in tries:
                found.append({name: (await connection.execute(select(attempt.counting.whole()))).scalar_one()})
    return found


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("condition", CONDITIONS)
async def test_each_way_counts_those_rows_alone(url: str, pair: str, condition: str) -> None:
    truth = numbers(url, pair, CONDITIONS[condition])
    if len(pair) < 30:
        truth["unchecked"] = 0
    async with opened(url) as (database, schema):
        edge = await edge_or_pair(database, schema, f"{pair} {condition}")
        assert edge.only is not None
        assert exact_ways(schema, edge) == {Way.PLAIN}
        assert lone_ways(schema, edge) == {LoneWay.PLAIN}
        assert together(schema, [edge, edge]) == []
        for known in await ways_of(database, schema, edge):
            assert known
            assert known == {name: truth[name] for name in known}
        first = await has_orphans(database, schema, edge)
        assert first is not None
        assert first.any == (truth["orphans"] > 0)
        rows = await orphan_rows(database, schema, edge, limit=1000)
        assert len(rows.rows) == truth["orphans"]
        keys = await missing_keys(database, schema, edge, limit=1000)
        assert sum(int(row[-1].text or "") for row in keys.rows) == truth["orphans"]
        assert len(keys.rows) == truth["missing_keys"]
        lone = await childless_parents(database, schema, edge, limit=1000)
        assert len(lone.rows) == truth["childless"]
        parts = await orphans_by_partition(database, schema, edge)
        assert [int(row[1].text or "") for row in parts.rows] == [truth["orphans"]] * bool(truth["orphans"])
        query = orphan_query(schema, edge).removesuffix(";")
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT count(*) FROM ({query}) q".encode()).fetchone() == (truth["orphans"],)


async def test_a_sample_is_of_those_rows_too(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_TINY", 0)
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (t text, p int); INSERT INTO c SELECT 'a', 1 FROM"
        " generate_series(1, 5000); INSERT INTO c SELECT 'b', 1 FROM generate_series(1, 100); ANALYZE"
    )
    with psycopg.connect(conninfo) as connection:
        size = connection.execute("SELECT pg_relation_size('c') / current_setting('block_size')::int").fetchone()
    assert size is not None
    async with opened(conninfo) as (database, schema):
        for value, orphans in (("a", 5000), ("b", 100), ("c", 0)):
            edge = await edge_or_pair(database, schema, f"c(p):p(id) [t={value}]")
            # Of a sample that is all pages the likely number is the true one, whatever is drawn.
            sample = await estimate_edge(database, schema, edge, pages=size[0])
            assert sample is not None
            assert (sample.sampled, sample.likely) == (5100, orphans)


async def test_the_column_of_the_condition_has_to_be_readable(url: str) -> None:
    async with new_role(url) as role:
        await run(url, f"GRANT SELECT ON posts TO {role}; GRANT SELECT (x_id) ON comments TO {role}")
        async with opened(url, role) as (database, schema):
            edge = await edge_or_pair(database, schema, "comments(x_id):posts(id) [x_type=Post]")
            for trust in (True, False):
                count = await count_edge(database, schema, edge, trust_catalogue=trust)
                assert (count.status, count.orphans) == (Status.DENIED, None)
                assert count.error is not None
                assert count.error.startswith("no SELECT on public.comments")


async def test_its_name_is_read_back(url: str) -> None:
    async with opened(url) as (database, schema):
        plain = await edge_or_pair(database, schema, PAIRS[0])
        edges = [await edge_or_pair(database, schema, f"{PAIRS[0]} {condition}") for condition in CONDITIONS]
        assert len({edge.oid for edge in (plain, *edges)}) == len(edges) + 1
        known = replace(schema, edges={edge.oid: edge for edge in (plain, *edges)})
        for edge in edges:
            label = edge_label(known, edge)
            assert find_edges(known, label) == [edge]
            assert one_edge(known, label) is edge
            assert await edge_or_pair(database, known, label) is edge
            assert await edge_or_pair(database, schema, label) == edge
        assert edge_label(known, edges[0]) == "public.comments(x_id):public.posts(id) [x_type=Post]"
        assert edge_label(known, edges[2]) == "public.comments(x_id):public.posts(id) [x_type='it''s']"
        assert await edge_or_pair(database, known, PAIRS[0]) is plain


async def test_an_index_that_begins_with_the_condition_serves(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TYPE kind AS ENUM ('a'); CREATE TABLE p (id int PRIMARY KEY);"
        "CREATE TABLE c (t varchar(9), k kind, p int, o int);"
        "CREATE INDEX by_t ON c (t, p); CREATE INDEX by_k ON c (k, p)"
    )
    async with opened(conninfo) as (database, schema):
        for pair, index in (
            ("c(p):p(id) [t=a]", "public.by_t"),
            ("c(p):p(id) [k=a]", None),
            ("c(p):p(id) [o=1]", None),
            ("c(o):p(id) [t=a]", None),
            ("c(p):p(id)", None),
        ):
            assert (await edge_or_pair(database, schema, pair)).index == index
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        async with opened(conninfo) as (database, schema):
            edge = await edge_or_pair(database, schema, "c(p):p(id) [t=a]")
            found = EdgePredicate(schema, edge)
            where = sql.condition(found, found.has_child, of_parent=True)
        plan = connection.execute(f"EXPLAIN SELECT FROM p WHERE {where}".encode()).fetchall()
    assert any("Index Cond" in line and "'a'" in line for (line,) in plan)
