"""An estimate's bounds hold as often as they promise, however the orphans lie, and never say that there are none."""

from __future__ import annotations

import random
from math import comb, log
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans import estimate
from fkexplorer.orphans.estimate import Drawn, bounds, estimate_edge
from tests.orphans.connected import edge_of, new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.model import Estimate

PROMISED = 0.95


def _most_misses(tries: int) -> int:
    """How many bounds may fail of so many that hold with 95 % each; more do in less than one of a million runs."""

    def chance(misses: int) -> float:
        return comb(tries, misses) * (1 - PROMISED) ** misses * PROMISED ** (tries - misses)

    return next(most for most in range(tries) if sum(map(chance, range(most + 1, tries + 1))) < 1e-6)


def _spread(generator: random.Random, rate: float) -> int:
    return sum(generator.random() < rate for _ in range(30))


def _clustered(generator: random.Random, rate: float, most: int = 30) -> int:
    return most if generator.random() < rate else 0


# How many of a page's 30 rows are orphans.
LYING: dict[str, Callable[[random.Random], int]] = {
    "one of 1,000": lambda generator: _spread(generator, 1e-3),
    "one of 100": lambda generator: _spread(generator, 0.01),
    "half": lambda generator: _spread(generator, 0.5),
    "all": lambda _: 30,
    "together, 0.2 % of the pages": lambda generator: _clustered(generator, 0.002),
    "together, 1 %": lambda generator: _clustered(generator, 0.01),
    "together, 3 %": lambda generator: _clustered(generator, 0.03),
    "together, 10 %": lambda generator: _clustered(generator, 0.1),
    "together, half": lambda generator: _clustered(generator, 0.5),
    "a few in many, many in a few": lambda generator: max(_spread(generator, 0.02), _clustered(generator, 0.01)),
    "few pages with more and less": lambda generator: _clustered(generator, 0.1, round(30 * generator.random() ** 4)),
}


@pytest.mark.parametrize("of", [1, 8])
@pytest.mark.parametrize("pages", [60, 300])
@pytest.mark.parametrize("lying", LYING.values(), ids=LYING.keys())
def test_bounds_hold_as_often_as_they_promise(lying: Callable[[random.Random], int], pages: int, of: int) -> None:
    generator = random.Random(17)  # noqa: S311 - the same in every run
    table = [lying(generator) for _ in range(1500)]
    share = pages / len(table)

    def marked(rows: int) -> int:
        return sum(generator.random() * of < 1 for _ in range(rows))

    held = 0
    for _ in range(300):
        pages_drawn = [orphans for orphans in table if generator.random() < share]
        looked_at = [(marked(orphans), marked(30 - orphans)) for orphans in pages_drawn]
        drawn = [Drawn(orphans + others, orphans) for orphans, others in looked_at]
        low, high = bounds(drawn, share, len(table), of)
        assert low <= high
        assert low >= sum(page.orphans for page in drawn)
        held += low <= sum(table) <= high
    assert held >= 300 * PROMISED


def test_bounds_are_near_where_much_was_seen() -> None:
    assert bounds([Drawn(30, n % 30) for n in range(2000)], 0.1, 20000) == pytest.approx((290_000, 290_000), rel=0.1)


def test_what_was_not_seen_may_be_in_three_pages_of_those_drawn() -> None:
    low, high = bounds([Drawn(30, 0)] * 300, 0.01, 30_000)
    assert low == 0
    assert high == pytest.approx(-log(0.04) / 300 * 30_000 * 30, rel=0.01)
    assert bounds([Drawn(1, 0)], 1.0, 1) == (0, 1)
    # Looked at by parts, a page is as good as a whole one, but for what the marking leaves open.
    _, by_parts = bounds([Drawn(5, 0)] * 300, 0.01, 30_000, 6)
    assert high < by_parts < 1.2 * high


# Pages of 30 rows. Of each column, the condition under which a row has no parent.
COLUMNS = {
    "none": "false",
    "one": "n = 20000",
    "thousandth": "n % 1000 = 7",
    "hundredth": "n % 100 = 7",
    "half": "n % 2 = 0",
    "together": "n BETWEEN 10000 AND 11500",
}
TRIES = 40


@pytest.fixture(scope="module")
def lying_url(make_database: Callable[[str], str]) -> str:
    """A database with a child that has a foreign key for each of these columns, and orphans among 40,000 rows."""
    columns = ", ".join(f"{name} int" for name in COLUMNS)
    values = ", ".join(f"CASE WHEN {orphan} THEN -n ELSE n END" for orphan in COLUMNS.values())
    constraints = ", ".join(f"ADD CONSTRAINT {name} FOREIGN KEY ({name}) REFERENCES p NOT VALID" for name in COLUMNS)
    return make_database(
        f"""
        CREATE TABLE p (id int PRIMARY KEY);
        INSERT INTO p SELECT generate_series(1, 40000);
        CREATE TABLE c ({columns}, pad text);
        INSERT INTO c SELECT {values}, repeat('x', 200) FROM generate_series(1, 40000) n;
        ALTER TABLE c {constraints};
        ANALYZE;
        """
    )


@pytest.mark.parametrize("rows", [4000, 400], ids=["all rows", "some rows"])
@pytest.mark.parametrize("column", COLUMNS)
async def test_estimates_of_a_table(lying_url: str, column: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_ROWS", rows)
    async with opened(lying_url) as (database, schema):
        [edge] = [edge for edge in schema.edges.values() if edge.name == column]
        async with database.read() as connection:
            found = await connection.exec_driver_sql(f"SELECT count(*) FROM public.c WHERE {column} < 0")
        truth: int = found.scalar_one()
        estimates = [await estimate_edge(database, schema, edge, pages=60) for _ in range(TRIES)]
    looks = [each for each in estimates if each is not None]
    assert len(looks) == TRIES
    assert sum(not each.low <= truth <= each.high for each in looks) <= _most_misses(TRIES)
    assert all(map(_says_something, looks))
    # The means, each of which is drawn from 40 times 60 pages, are near the truth.
    assert sum(each.rows for each in looks) / TRIES == pytest.approx(40_000, rel=0.15)
    if truth > 10_000:
        assert sum(each.likely for each in looks) / TRIES == pytest.approx(truth, rel=0.15)
    if column == "none":
        assert {(each.likely, each.low) for each in looks} == {(0, 0)}


def _says_something(look: Estimate) -> bool:
    return look.high >= 1 and look.low <= look.likely <= look.high and 0 < look.sampled < 20_000


@pytest.mark.matrix
async def test_partitions_are_sampled_together(database_url: str) -> None:
    await run(
        database_url,
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c (pid int REFERENCES p, pad text) PARTITION BY RANGE (pid);
        CREATE TABLE c0 PARTITION OF c FOR VALUES FROM (0) TO (100);
        CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (pid);
        CREATE TABLE c1a PARTITION OF c1 FOR VALUES FROM (100) TO (200);
        INSERT INTO p SELECT generate_series(0, 99);
        SET session_replication_role = replica;
        INSERT INTO c SELECT n % 200, repeat('x', 200) FROM generate_series(1, 40000) n;
        """,
    )
    async with opened(database_url) as (database, schema):
        found = await estimate_edge(database, schema, edge_of(schema, "c"), pages=200)
    assert found is not None
    assert found.likely == pytest.approx(20_000, rel=0.5)
    assert found.rows == pytest.approx(40_000, rel=0.5)


async def test_what_is_no_estimate(database_url: str) -> None:
    await run(
        database_url,
        """
        CREATE TABLE p (id int PRIMARY KEY);
        CREATE TABLE c (pid int REFERENCES p, pad text);
        INSERT INTO c SELECT NULL, repeat('x', 200) FROM generate_series(1, 3000);
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = edge_of(schema, "c")
        assert await estimate_edge(database, schema, edge) is None
        assert await estimate_edge(database, schema, edge, pages=20) is not None
        await run(database_url, "DELETE FROM c")
        assert await estimate_edge(database, schema, edge, pages=20) is None
        await run(database_url, "DROP TABLE c")
        assert await estimate_edge(database, schema, edge, pages=20) is None


async def test_a_refused_look_is_no_estimate(lying_url: str) -> None:
    async with new_role(lying_url) as role, opened(lying_url, role) as (database, schema):
        assert await estimate_edge(database, schema, next(iter(schema.edges.values()))) is None
