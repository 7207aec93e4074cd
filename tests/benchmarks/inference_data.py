"""Two public data sets with the relationships that they really have: what guessing is measured on where there is data.

Everything that the packages hold is loaded, with the keys that the tables have in real life and no foreign key. Some of
their relationships are broken, which is the point: 15 % of the flights name a plane that no table has.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.inference.look import look
from tests.benchmarks.inference_measure import compared
from tests.realdata import copy_table, package_folder

if TYPE_CHECKING:
    from tests.benchmarks.inference_measure import Measured
    from tests.benchmarks.inference_written import Edge

SECONDS = 60.0
MAX_BYTES = 1 << 30
_TEAM = "yearID lgID teamID"

LAHMAN_KEYS = {
    "People": "playerID",
    "TeamsFranchises": "franchID",
    "Teams": _TEAM,
    "Parks": "park.key",
    "Schools": "schoolID",
    "Salaries": "yearID teamID lgID playerID",
}
"""The primary keys of the lahman data: those that others refer to, and one that only looks like it.

Keys of players by year and team, as that of Appearances, are left out: all who bat or pitch are in it, which is true
and which nobody calls a relationship, so that no guess about it could be called right or wrong.
"""

_OF_PLAYERS = (
    "AllstarFull Appearances AwardsManagers AwardsPlayers AwardsShareManagers AwardsSharePlayers Batting BattingPost"
    " CollegePlaying Fielding FieldingOF FieldingOFsplit FieldingPost HallOfFame Managers ManagersHalf Pitching"
    " PitchingPost Salaries"
)
_OF_TEAMS = (
    "AllstarFull Appearances Batting BattingPost Fielding FieldingOFsplit FieldingPost Managers ManagersHalf Pitching"
    " PitchingPost Salaries TeamsHalf"
)


def _edge(child: str, columns: str, parent: str, keys: str) -> Edge:
    return child, tuple(sorted(zip(columns.split(), keys.split(), strict=True))), parent, ""


FLIGHTS: frozenset[Edge] = frozenset(
    {
        _edge("flights", "carrier", "airlines", "carrier"),
        _edge("flights", "origin", "airports", "faa"),
        _edge("flights", "dest", "airports", "faa"),
        _edge("flights", "tailnum", "planes", "tailnum"),
        _edge("flights", "origin time_hour", "weather", "origin time_hour"),
        _edge("weather", "origin", "airports", "faa"),
    }
)
LAHMAN: frozenset[Edge] = frozenset(
    {
        *(_edge(child, "playerID", "People", "playerID") for child in _OF_PLAYERS.split()),
        *(_edge(child, _TEAM, "Teams", _TEAM) for child in _OF_TEAMS.split()),
        _edge("HomeGames", "year.key league.key team.key", "Teams", _TEAM),
        _edge("SeriesPost", "yearID lgIDwinner teamIDwinner", "Teams", _TEAM),
        _edge("SeriesPost", "yearID lgIDloser teamIDloser", "Teams", _TEAM),
        _edge("HomeGames", "park.key", "Parks", "park.key"),
        _edge("CollegePlaying", "schoolID", "Schools", "schoolID"),
        _edge("Teams", "franchID", "TeamsFranchises", "franchID"),
    }
)


def load_all_of_lahman(conninfo: str) -> None:
    """Baseball since 1871, all 27 tables, with `LAHMAN_KEYS`."""
    source = package_folder("lahman") / "data" / "_source.zip"
    with psycopg.connect(conninfo, client_encoding="utf8") as connection, zipfile.ZipFile(source) as archive:
        for member in archive.namelist():
            if "/core/" in member and member.endswith(".csv"):
                with archive.open(member) as file:
                    copy_table(connection, Path(member).stem, file, null="")
        for table, key in LAHMAN_KEYS.items():
            columns = sql.SQL(", ").join(sql.Identifier(name) for name in key.split())
            connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(sql.Identifier(table), columns))
        connection.execute("ANALYZE")


async def measured(name: str, conninfo: str, truth: frozenset[Edge], *, data: bool) -> Measured:
    """Measure what is guessed of a database whose foreign keys, if it has any, are not told."""
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        schema = replace(await read_schema(database), edges={})
        inference = await look(database, schema, data=data, seconds=SECONDS, max_bytes=MAX_BYTES)
    finally:
        await database.close()
    return compared(name, schema, truth, inference)
