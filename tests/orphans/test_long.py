"""Counts that take long, with all that may be wanted of an edge: as at once, by steps, and never a false measure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.orphans import counter, course, slices
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Bound, Status
from tests.orphans.connected import edge_of, opened, run
from tests.orphans.test_slices import PARTITIONED, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.model import Count, Progress

MORE = """
CREATE TABLE single (k int8, pad text);
INSERT INTO single SELECT nullif(n, 9), repeat('x', 300) FROM generate_series(700, 1500) n;
CREATE UNIQUE INDEX ON single (k);
ALTER TABLE single ADD FOREIGN KEY (k) REFERENCES pi NOT VALID;
CREATE TABLE coded (code int4 UNIQUE);
INSERT INTO coded SELECT nullif(n % 700, 0) FROM generate_series(1, 700) n;
INSERT INTO coded VALUES (NULL), (NULL);
CREATE TABLE unindexed (k int4, pad text);
INSERT INTO unindexed SELECT nullif(n % 900, 3), repeat('x', 300) FROM generate_series(1, 2000) n;
ALTER TABLE unindexed ADD FOREIGN KEY (k) REFERENCES coded (code) NOT VALID;
"""
CHILDREN = ["dense", "gappy", "texts", "pairs", "full_pairs", "lonely", "parts", "single", "unindexed"]
PERIODS = """
CREATE TABLE p (id int4range, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE c (id int4range, during daterange, pad text);
INSERT INTO p SELECT int4range(n, n + 1), daterange('2024-01-01', '2024-06-01') FROM generate_series(1, 20) n;
INSERT INTO p SELECT int4range(n, n + 1), daterange('2024-06-01', '2025-01-01') FROM generate_series(1, 10) n;
INSERT INTO c SELECT int4range(n % 25, n % 25 + 1), daterange('2024-03-01', '2024-08-01'), repeat('x', 900)
 FROM generate_series(1, 1000) n;
SET session_replication_role = replica;
ALTER TABLE c ADD FOREIGN KEY (id, PERIOD during) REFERENCES p (id, PERIOD valid) NOT VALID;
"""


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is as small as can be, and told of."""
    for name, value in {"_PIECE": 0.0, "_BLOCKS": 8, "_BOUNDARIES": 20}.items():
        monkeypatch.setattr(slices, name, value)
    monkeypatch.setattr(course, "FIRST", 0.0)
    monkeypatch.setattr(course, "_EVERY", 0.0)


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every count takes long."""
    monkeypatch.setattr(counter, "LONG_MS", -1.0)


@pytest.fixture(scope="module")
def tables_url(make_database: Callable[[str], str]) -> str:
    """A database with tables of many kinds."""
    conninfo = make_database(TABLES + MORE)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(PARTITIONED)
        connection.execute("VACUUM ANALYZE")
    return conninfo


def _totals(count: Count) -> tuple[object, ...]:
    return count.orphans, count.rows, count.nulls, count.unchecked, count.missing_keys, count.childless


@pytest.mark.matrix
@pytest.mark.parametrize("deep", [False, True], ids=["", "deep"])
@pytest.mark.parametrize("child", CHILDREN)
async def test_all_totals_are_those_of_one_statement(
    tables_url: str, monkeypatch: pytest.MonkeyPatch, child: str, *, deep: bool
) -> None:
    told: list[Progress] = []
    async with opened(tables_url) as (database, schema):
        edge = edge_of(schema, child)
        monkeypatch.setattr(counter, "LONG_MS", 1e9)
        once = await count_edge(database, schema, edge, full=True, deep=deep)
        monkeypatch.setattr(counter, "LONG_MS", -1.0)
        count = await count_edge(database, schema, edge, full=True, deep=deep, on_progress=told.append)
        scans = database.facts.version_number >= 140000
    assert None not in _totals(once)
    assert count.orphans
    assert _totals(count) == _totals(once)
    steps = {progress.step for progress in told}
    assert "missing keys" in steps or not deep
    assert "parents without a child" in steps or not deep
    for progress in told:
        assert 0 <= progress.done <= progress.total
        # Something follows, and nobody knows how long that takes.
        assert progress.seconds_left is None or progress.step == "parents without a child"
        assert not progress.step or progress.found == count.orphans
        # A step without a measure tells none.
        assert progress.total or progress.seconds_left is None
    assert any(progress.step == "rows and NULLs" and progress.total > 0 for progress in told) is scans


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("child", ["single"])
async def test_the_parents_of_a_long_count_are_counted_too_where_each_has_one_child(
    tables_url: str, child: str
) -> None:
    async with opened(tables_url) as (database, schema):
        count = await count_edge(database, schema, edge_of(schema, child))
    assert (count.orphans, count.childless, count.rows) == (500, 699, None)


@pytest.mark.usefixtures("long")
async def test_a_period_is_counted_in_pieces_of_its_child(database_url: str) -> None:
    await run(database_url, PERIODS)
    told: list[Progress] = []
    async with opened(database_url) as (database, schema):
        count = await count_edge(database, schema, edge_of(schema, "c"), on_progress=told.append)
    # Of 25 ids 10 have parents for the whole of it.
    assert (count.status, count.orphans, count.bound) == (Status.ORPHANS, 600, Bound.EXACT)
    done = [progress.done for progress in told if progress.total]
    assert len(done) >= 3
    assert done == sorted(done)
    assert all(progress.unit == "blocks" and progress.found <= 600 for progress in told if progress.total)
    assert told[-1].found > 0


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("child", ["texts", "lonely"])
async def test_orphans_are_known_though_a_later_step_came_to_a_limit(
    tables_url: str, monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    clock, ahead = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + ahead[0])

    def told(progress: Progress) -> None:
        if progress.step == "rows and NULLs":
            ahead[0] = 1000.0

    async with opened(tables_url) as (database, schema):
        edge = edge_of(schema, child)
        wanted = await count_edge(database, schema, edge)
        count = await count_edge(database, schema, edge, full=True, on_progress=told)
    assert (count.status, count.orphans, count.bound) == (Status.ORPHANS, wanted.orphans, Bound.EXACT)
    assert (count.rows, count.missing_keys, count.childless) == (None, None, None)
    assert count.error is not None
    assert count.error.startswith("stopped ")
