"""Gaps of integers by words of 64 numbers: every edge of a word and of a type, slices, and when they are not for it."""

from __future__ import annotations

import random
from itertools import pairwise

import psycopg
import pytest
from sqlalchemy import select

from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.gaps import Gaps
from fkexplorer.orphans.ways.keys import most_words, ordered_pairs
from fkexplorer.orphans.ways.way import nodes
from tests.orphans.connected import edge_of, opened
from tests.orphans.forced import compiled, force, number, plan

pytestmark = pytest.mark.matrix

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
_STARTS = {
    "smallint": (-(1 << 15), -40, 0, 63, (1 << 15) - 300),
    "int": (-(1 << 31), -130, 0, 64, (1 << 31) - 300),
    "bigint": (_LOWEST, -100, 0, 1, 127, _HIGHEST - 299),
}
_TRUTH = "SELECT count(*) FROM c WHERE k IS NOT NULL AND NOT EXISTS (SELECT FROM p WHERE id = k)"


def _keys(some: random.Random, start: int) -> list[int]:
    """Of 300 numbers: all but a few, half, a few, without whole bytes and words, or none."""
    numbers = range(start, start + 300)
    shape = some.randrange(5)
    if shape < 3:
        share = (0.98, 0.5, 0.03)[shape]
        return [n for n in numbers if some.random() < share]
    holes = [(at, at + some.choice((1, 8, 16, 64, 130))) for at in (start + some.randrange(300) for _ in range(3))]
    kept = [n for n in numbers if not any(low <= n < high for low, high in holes)]
    return kept if shape == 3 else kept[:1]


@pytest.mark.parametrize("child", _STARTS)
@pytest.mark.parametrize("parent", _STARTS)
async def test_words_find_what_neighbours_do(database_url: str, child: str, parent: str) -> None:
    some = random.Random(f"{child} {parent}")  # noqa: S311 - to be repeated, not to be secret
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE p (id {parent} UNIQUE); CREATE TABLE c (k {child});"
            "CREATE INDEX ON c (k); ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p (id);"
            "SET session_replication_role = replica".encode()
        )
        async with opened(database_url) as (_, schema):
            edge = edge_of(schema, "c")
            made = Gaps(EdgePredicate(schema, edge), ordered_pairs(schema, edge), most_words=6)
        whole = compiled(select(made.whole()))
        found, with_orphans = [], 0
        for start in _STARTS[min(child, parent, key=list(_STARTS).index)]:
            for _ in range(5):
                keys = _keys(some, start)
                rows = [start + some.randrange(300) for _ in range(some.choice((0, 5, 200)))]
                connection.execute("TRUNCATE p, c")
                connection.execute("INSERT INTO p SELECT unnest(%s::bigint[])", [keys])
                connection.execute("INSERT INTO c SELECT unnest(%s::bigint[]) UNION ALL SELECT NULL::bigint", [rows])
                [[truth]] = connection.execute(_TRUTH).fetchall()
                cuts = [str(key) for key in sorted(some.sample(keys, min(len(keys), 3)))]
                with connection.transaction():
                    force(connection, made)
                    slices = [compiled(select(made.keys(*ends))) for ends in pairwise([None, *cuts, None])]
                    found.append((truth, number(connection, whole), sum(number(connection, each) for each in slices)))
                with_orphans += truth > 0
    assert [each for each in found if len(set(each)) > 1] == []
    assert with_orphans >= 5


async def test_words_are_looked_up_where_they_are_few_and_the_index_serves(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE p (id int8 PRIMARY KEY); CREATE TABLE c (k int8);"
            "CREATE INDEX ON c (k); ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p NOT VALID;"
            "SET session_replication_role = replica;"
            "INSERT INTO p SELECT n FROM generate_series(1, 20000) n WHERE n % 100 <> 7;"
            "INSERT INTO c SELECT n FROM generate_series(1, 20000) n"
        )
        connection.execute("VACUUM ANALYZE")
        async with opened(database_url) as (_, schema):
            edge = edge_of(schema, "c")
            words = most_words(schema, edge)
            made = Gaps(EdgePredicate(schema, edge), ordered_pairs(schema, edge), most_words=words)
        statement = compiled(select(made.whole()))
        looks = []
        for outlier in (None, 1 << 40):
            if outlier is not None:
                connection.execute("INSERT INTO p VALUES (%s)", [outlier])
            with connection.transaction():
                force(connection, made)
                assert made.accepts(plan(connection, statement))
                assert number(connection, statement) == 200
                text = statement[0]
                [[[explained]]] = connection.execute(
                    f"EXPLAIN (ANALYZE, TIMING off, FORMAT JSON) {text}".encode()
                ).fetchall()
            looks.append(
                sum(node["Actual Loops"] for node in nodes(explained["Plan"]) if node.get("Alias", "").startswith("n"))
            )
    assert words == 620
    # The words once, and with the outlier, behind which 2^34 words would be, not at all.
    assert looks == [1, 0]
