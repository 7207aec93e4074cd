"""Whether there is any orphan: as `NOT EXISTS` says it, told early, and not asked for longer than it is worth."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import select

from fkexplorer.orphans import counter, course
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.first import has_orphans
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.some import some_as_it_stands, some_gaps, some_of_scan
from tests.orphans.connected import edge_of, opened, run
from tests.orphans.differential import Differential
from tests.orphans.forced import compiled, force, number, rows
from tests.orphans.slow import SLOW, slowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.model import Progress
    from tests.orphans.differential import Outcome, _Pair

# The orphans of each child lie elsewhere.
PLACES = """
CREATE TABLE p (id int8 PRIMARY KEY);
INSERT INTO p SELECT n * 2 FROM generate_series(1, 5000) n;
CREATE TABLE none (id int8 PRIMARY KEY);
CREATE TABLE above (k int8); INSERT INTO above SELECT 4 FROM generate_series(1, 9000); INSERT INTO above VALUES (20000);
CREATE TABLE below (k int8); INSERT INTO below SELECT 4 FROM generate_series(1, 9000); INSERT INTO below VALUES (1);
CREATE TABLE between (k int8); INSERT INTO between SELECT 4 FROM generate_series(1, 9000);
INSERT INTO between VALUES (777);
CREATE TABLE unindexed (k int8); INSERT INTO unindexed SELECT k FROM between;
CREATE TABLE lonely (k int8); INSERT INTO lonely VALUES (NULL), (7);
CREATE TABLE clean (k int8); INSERT INTO clean SELECT 4 FROM generate_series(1, 9000);
CREATE TABLE nulls (k int8); INSERT INTO nulls SELECT NULL FROM generate_series(1, 100);
CREATE INDEX ON above (k); CREATE INDEX ON below (k); CREATE INDEX ON between (k); CREATE INDEX ON clean (k);
SET session_replication_role = replica;
ALTER TABLE above ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
ALTER TABLE below ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
ALTER TABLE between ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
ALTER TABLE unindexed ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
ALTER TABLE lonely ADD FOREIGN KEY (k) REFERENCES none NOT VALID;
ALTER TABLE clean ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
ALTER TABLE nulls ADD FOREIGN KEY (k) REFERENCES none NOT VALID;
"""


class _AnyOrNone(Differential):
    """Whether there is any, in each way, against the number that `NOT EXISTS` counts."""

    asked = 0
    by_gaps = 0
    by_scan = 0

    def _compare(self, pair: _Pair, outcome: Outcome, *, disturb: bool) -> None:
        edge = self._schema.edges[pair.edge]
        predicate = EdgePredicate(self._schema, edge)
        gaps, scan = some_gaps(self._schema, predicate), some_of_scan(self._schema, predicate, self._version)
        with self._reader.transaction():
            self._reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            [plain, *_] = self._exact(pair)
            truth = number(self._reader, plain.text) > 0
            outcome.with_orphans += truth
            if disturb:
                self._disturb(pair)
            asked = [some_as_it_stands(predicate), *([] if scan is None else [scan])]
            told = [rows(self._reader, compiled(select(each)))[0][0] for each in asked]
            self.by_scan += None not in told[1:] and len(told) > 1
            if gaps:
                with self._reader.transaction(force_rollback=True):
                    force(self._reader, gaps)
                    told += [rows(self._reader, compiled(select(gaps.any())))[0][0]]
                    self.by_gaps += 1
        self.asked += len(told)
        if not {None, truth}.issuperset(told):
            outcome.wrong.append(f"{pair.schema} ({pair.kind.name}): {told} for {truth}")


@pytest.mark.matrix
def test_there_is_any_where_not_exists_counts_some(make_database: Callable[[str], str]) -> None:
    tried = _AnyOrNone(make_database("SELECT 1"), 20261125)
    try:
        outcome = tried.run(200)
    finally:
        tried.close()
    assert outcome.wrong == []
    assert 50 <= outcome.with_orphans <= 180
    assert tried.by_gaps >= 50
    assert tried.by_scan >= 20


@pytest.fixture(scope="module")
def places_url(make_database: Callable[[str], str]) -> str:
    """A database whose orphans lie in different places."""
    conninfo = make_database(PLACES)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return conninfo


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("child", "any_"),
    [
        ("above", True),
        ("below", True),
        ("between", True),
        ("unindexed", True),
        ("lonely", True),
        ("clean", False),
        ("nulls", False),
    ],
)
async def test_wherever_they_lie_they_are_found(places_url: str, child: str, *, any_: bool) -> None:
    async with opened(places_url) as (database, schema):
        edge = edge_of(schema, child)
        first = await has_orphans(database, schema, edge, timeout_seconds=30)
        count = await count_edge(database, schema, edge)
    assert first is not None
    assert (first.edge, first.any) == (edge.oid, any_)
    assert first.as_of <= count.as_of
    assert (count.orphans or 0) == any_


async def test_what_takes_longer_or_is_refused_is_not_known(database_url: str) -> None:
    await run(database_url, SLOW)
    async with opened(database_url) as (database, schema):
        edge = edge_of(schema, "c")
        async with slowed(database_url):
            assert await has_orphans(database, schema, edge, timeout_seconds=0.001) is None
        await run(database_url, "DROP TABLE c")
        assert await has_orphans(database, schema, edge) is None


@pytest.mark.parametrize(("child", "found"), [("between", 1), ("clean", 0)])
async def test_a_long_count_says_early_that_there_is_one(
    places_url: str, monkeypatch: pytest.MonkeyPatch, child: str, found: int
) -> None:
    monkeypatch.setattr(course, "FIRST", 0.0)
    monkeypatch.setattr(course, "_EVERY", 0.0)
    told: list[Progress] = []
    async with opened(places_url) as (database, schema):
        edge = edge_of(schema, child)
        of = course.Course(edge.oid, told.append)
        of.report()
        async with counter._estimating(database, schema, edge, of, after=0.0) as looking:
            await asyncio.wait_for(asyncio.shield(looking), 10)
        of.report()
    assert [progress.found for progress in told] == [0, found]
    assert (of.most[0] if of.most else 0) == found
