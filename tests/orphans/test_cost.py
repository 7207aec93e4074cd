"""What counts are thought to take: the order of the ways, and that more to read never seems to take less."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.attempts import attempts
from fkexplorer.orphans.cost import candidates, estimated_ms, lone_candidates
from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.choice import counting
from fkexplorer.orphans.ways.keys import exact_ways
from fkexplorer.schema.model import SMALL, ColumnStatistics
from tests.orphans.connected import edge_of, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.schema.model import Schema

TABLES = """
CREATE TABLE ints_p (id bigint PRIMARY KEY); CREATE TABLE ints (k bigint REFERENCES ints_p); CREATE INDEX ON ints (k);
CREATE TABLE bare_p (id bigint PRIMARY KEY); CREATE TABLE bare (k bigint REFERENCES bare_p);
CREATE TABLE uuids_p (id uuid PRIMARY KEY); CREATE TABLE uuids (k uuid REFERENCES uuids_p); CREATE INDEX ON uuids (k);
CREATE TABLE loose_p (id uuid PRIMARY KEY); CREATE TABLE loose (k uuid REFERENCES loose_p);
"""
MILLION = 1_000_000
NO_INDEX = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")


@pytest.fixture(scope="module")
def schema(make_database: Callable[[str], str]) -> Schema:
    async def read() -> Schema:
        async with opened(make_database(TABLES)) as (_, schema):
            return schema

    return asyncio.run(read())


def _sized(
    schema: Schema,
    name: str,
    children: float,
    parents: float,
    *,
    span: int | None = None,
    distinct: float = -0.5,
    visible: float = 1.0,
) -> Schema:
    """The schema as it would be with so many rows in these tables; `span` from the least key to the greatest."""
    edge = edge_of(schema, name)
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    sizes = ((child, children), (parent, parents))
    tables = {
        table.oid: replace(table, estimated_rows=rows, estimated_bytes=round(rows * 76), visible=visible)
        for table, rows in sizes
    }
    [pair] = edge.pairs
    statistics = {
        (child.oid, pair.child.number): ColumnStatistics(distinct, 0.0),
        (parent.oid, pair.parent.number): ColumnStatistics(-1.0, 0.0, 1 if span else None, span),
    }
    return replace(schema, tables={**schema.tables, **tables}, statistics=statistics)


def _ways(sized: Schema, name: str) -> list[Way]:
    return [candidate.way for candidate in candidates(sized, edge_of(sized, name))]


# What was measured to be the quickest, by the sizes that it was measured with.
MEASURED = {
    "dense keys": ("ints", 20 * MILLION, 5 * MILLION, {"span": 5 * MILLION}, Way.RANGE),
    "some holes": ("ints", 20 * MILLION, 0.1 * MILLION, {"span": 110_000}, Way.GAPS),
    "a hole behind each key": ("ints", 20 * MILLION, 5 * MILLION, {"span": 10 * MILLION}, Way.BITMAP),
    "far apart, and few": ("ints", 20 * MILLION, 0.1 * MILLION, {"span": 2**60}, Way.GAPS),
    "few distinct ones": ("ints", 20 * MILLION, 5 * MILLION, {"span": 10 * MILLION, "distinct": 900.0}, Way.SKIP),
    "nothing is visible": ("ints", 5 * MILLION, 0.1 * MILLION, {"span": 2**60, "visible": 0.0}, Way.GAPS),
    "dense without an index": ("bare", 20 * MILLION, 5 * MILLION, {"span": 5 * MILLION}, Way.RANGE),
    "holes without an index": ("bare", 20 * MILLION, 5 * MILLION, {"span": 10 * MILLION}, Way.BITMAP),
    "far apart without an index": ("bare", 20 * MILLION, 5 * MILLION, {"span": 2**60}, Way.PLAIN),
    "few uuids": ("uuids", 20 * MILLION, 0.1 * MILLION, {}, Way.GAPS),
    "many uuids": ("uuids", 20 * MILLION, 5 * MILLION, {}, Way.MERGE),
    "uuids without an index": ("loose", 20 * MILLION, 5 * MILLION, {}, Way.PLAIN),
}


@pytest.mark.parametrize("name", MEASURED)
def test_the_quickest_as_measured_comes_first(schema: Schema, name: str) -> None:
    edge, children, parents, more, way = MEASURED[name]
    assert _ways(_sized(schema, edge, children, parents, **more), edge)[0] is way  # type: ignore[arg-type]


# Of parents without a child likewise, with 1.5 to 4 million rows.
LONE = {
    "few parents": ("ints", 4 * MILLION, 20_000, {"span": 40_000}, LoneWay.PROBES),
    "few uuids": ("uuids", 4 * MILLION, 20_000, {}, LoneWay.PROBES),
    "many parents": ("ints", 3 * MILLION, 0.75 * MILLION, {"span": 1.5 * MILLION}, LoneWay.MERGE),
    "nothing is visible": ("ints", 4 * MILLION, 20_000, {"span": 40_000, "visible": 0.0}, LoneWay.PROBES),
    "few without an index": ("bare", 3 * MILLION, 0.1 * MILLION, {"span": 200_000}, LoneWay.PLAIN),
    "many without an index": ("bare", 3 * MILLION, 5 * MILLION, {"span": 10 * MILLION}, LoneWay.BITMAP),
    "far apart without an index": ("bare", 3 * MILLION, 5 * MILLION, {"span": 2**60}, LoneWay.PLAIN),
    "uuids without an index": ("loose", 3 * MILLION, 5 * MILLION, {}, LoneWay.PLAIN),
}


@pytest.mark.parametrize("name", LONE)
def test_the_quickest_for_parents_without_a_child_comes_first(schema: Schema, name: str) -> None:
    edge, children, parents, more, way = LONE[name]
    sized = _sized(schema, edge, children, parents, **more)  # type: ignore[arg-type]
    found = lone_candidates(sized, edge_of(sized, edge))
    assert found[0].way is way
    assert [candidate.ms for candidate in found] == sorted(candidate.ms for candidate in found)
    assert LoneWay.PLAIN in {candidate.way for candidate in found}


@pytest.mark.parametrize("name", ["ints", "bare", "uuids", "loose"])
def test_more_rows_take_longer(schema: Schema, name: str) -> None:
    sizes = [(children, parents) for children in (1e3, 1e5, 1e7) for parents in (1e3, 1e5, 1e7)]
    took = {
        (children, parents): estimated_ms(_sized(schema, name, children, parents, span=2**60), edge_of(schema, name))
        for children, parents in sizes
    }
    for few, many in ((few, many) for few in sizes for many in sizes if few[0] <= many[0] and few[1] <= many[1]):
        assert took[few] <= took[many], (few, many)
    assert all(ms > 0 for ms in took.values())


def test_candidates_are_exact_and_come_cheapest_first(schema: Schema) -> None:
    for name in ("ints", "bare", "uuids", "loose"):
        sized = _sized(schema, name, 5e6, 1e5, span=200_000)
        found = candidates(sized, edge_of(sized, name))
        assert [candidate.ms for candidate in found] == sorted(candidate.ms for candidate in found)
        ways = {candidate.way for candidate in found}
        assert Way.PLAIN in ways
        assert ways <= exact_ways(sized, edge_of(sized, name))


def test_a_small_child_is_counted_as_it_stands(schema: Schema) -> None:
    assert _ways(_sized(schema, "ints", SMALL, MILLION), "ints") == [Way.PLAIN]
    assert len(_ways(_sized(schema, "ints", SMALL + 1, MILLION), "ints")) > 1


@pytest.mark.parametrize(
    ("children", "parents", "settings"),
    [
        (5 * MILLION, MILLION, {"work_mem": "512kB"}),
        (5 * MILLION, 0.1 * MILLION, {}),  # A table that is small enough at once.
        (50 * MILLION, MILLION, {}),  # More than should be set aside in files.
        (SMALL, MILLION, {}),
    ],
)
def test_a_hash_join_with_many_parents_works_in_batches(
    schema: Schema, children: float, parents: float, settings: dict[str, str]
) -> None:
    sized = _sized(schema, "loose", children, parents)
    edge = edge_of(sized, "loose")
    made = counting(Way.PLAIN, sized, EdgePredicate(sized, edge), 180000)
    assert made is not None
    assert made.settings == settings
    [without, with_index] = [
        next(each for each in attempts(sized, EdgePredicate(sized, edge), 180000, full=False, deep=deep))
        for deep in (True, False)
    ]
    assert without.settings == {**settings, **dict.fromkeys(NO_INDEX, "off")}
    assert with_index.settings == settings


def test_what_was_never_analysed_goes_by_what_the_server_counted(schema: Schema) -> None:
    edge = edge_of(schema, "bare")
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    tables = {
        child.oid: replace(child, estimated_rows=None, live_rows=30 * MILLION),
        parent.oid: replace(parent, estimated_rows=None, live_rows=MILLION),
    }
    counted = replace(schema, tables={**schema.tables, **tables}, statistics={})
    assert estimated_ms(schema, edge) < 1
    assert estimated_ms(counted, edge) > 1000
