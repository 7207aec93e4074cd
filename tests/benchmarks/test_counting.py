"""The counting benchmark on a small scale: its tables are what it says, and no count got slower by an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.benchmarks.counting_cases import DEFAULT, EDGES, FIVE, RATES, Case, Data, chosen, matrix
from tests.benchmarks.counting_data import SCHEMA, drop_schema, make_schema, make_tables, names, parent_name
from tests.benchmarks.counting_measure import not_exists

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 30_000


@pytest.fixture
def session(database_url: str) -> Iterator[psycopg.Connection]:
    """A session whose search_path is the benchmark's schema."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        make_schema(connection)
        yield connection


@pytest.mark.parametrize("kind", ["int8", "uuid", "text", "pair"])
def test_the_orphans_are_as_many_as_the_name_says(session: psycopg.Connection, kind: str) -> None:
    data = Data(kind, "quarter", nulls=10)
    key = names(data).columns
    make_tables(session, data, {*RATES, "dense", "tail"} if kind == "int8" else set(RATES), ROWS)
    found = {
        share: not_exists(session, "child", key, parent_name(share), key)[1] or 0
        for share in ({*RATES, "dense", "tail"} if kind == "int8" else RATES)
    }
    assert found["0"] == 0
    assert found["1e-6"] == 2  # the special rows, of which there are two at least
    assert ROWS * 0.9 * 0.007 < found["1%"] < ROWS * 0.9 * 0.014
    assert ROWS * 0.9 * 0.45 < found["50%"] < ROWS * 0.9 * 0.55
    assert (found.get("dense", 0), found.get("tail", 1)) == (0, 1)
    nulls = session.execute(f"SELECT count(*) - count({key[-1]}) FROM child".encode()).fetchone()
    assert nulls is not None
    assert ROWS * 0.08 < nulls[0] < ROWS * 0.12
    unseen = (
        "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relallvisible = 0 AND relnamespace = %s::regnamespace"
    )
    assert session.execute(unseen, [SCHEMA]).fetchone() == (0,)


def test_another_schema_of_that_name_stays(session: psycopg.Connection) -> None:
    drop_schema(session)
    session.execute("CREATE SCHEMA fkx_bench CREATE TABLE precious ()")
    with pytest.raises(SystemExit, match="somebody's"):
        make_schema(session)
    assert session.execute("SELECT to_regclass('fkx_bench.precious')").fetchone() != (None,)


def test_names_tell_cases_apart() -> None:
    cases = {case.name: case for case in matrix()}
    assert len(cases) == len(matrix())
    assert {case.name for case in chosen(DEFAULT)} == set(DEFAULT) - {*FIVE, EDGES}
    assert chosen(["uuid-1k-*-null10", "pair-1k-none-0"])[0] == Case(Data("uuid", "1k", 10), index=False, orphans="0")
