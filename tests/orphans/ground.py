"""A database with every case that the server can have, judged by it and counted by us, once for a test module."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors, sql

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.counter import count_edge
from tests.orphans.cases import CASES
from tests.orphans.typepairs import CREATE, accepted_pairs, pair_case
from tests.orphans.verdict import SUPPORT, judge

if TYPE_CHECKING:
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema
    from tests.orphans.cases import Case
    from tests.orphans.mutations import Mutation
    from tests.orphans.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Counted:
    """An edge and our counts of it, plain and full."""

    edge: Relationship
    plain: Count
    full: Count


@dataclass(frozen=True, slots=True)
class Ground:
    """The database, and what PostgreSQL and we say of each case; `twin` has only the rows that it accepts."""

    conninfo: str
    version: int
    have: frozenset[str]
    """Extensions that the server has, and `icu`."""
    schema: Schema
    verdicts: dict[str, Verdict]
    counted: dict[str, Counted]
    pairs: dict[tuple[str, str], Case]
    """The case of each pair of types, parent and child."""

    def can_have(self, what: Case | Mutation) -> bool:
        """Whether the server is new enough, old enough and has the extension."""
        return _can_have(what, self.version, self.have)


def _can_have(what: Case | Mutation, version: int, have: frozenset[str]) -> bool:
    return what.since <= version // 10000 < what.before and (not what.extension or what.extension in have)


def _support(connection: psycopg.Connection) -> frozenset[str]:
    """Make the schema of extensions and common types, and say what the server has of what cases need."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SUPPORT)))
    connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(SUPPORT)))
    have = set()
    for name, statement in (
        ("citext", "CREATE EXTENSION citext"),
        ("btree_gist", "CREATE EXTENSION btree_gist"),
        ("icu", "CREATE COLLATION icu (provider = icu, locale = 'und'); DROP COLLATION icu"),
    ):
        try:
            connection.execute(statement.encode())
        except (errors.FeatureNotSupported, errors.UndefinedFile):
            continue
        have.add(name)
    for statement in CREATE:
        if "citext" in have or "citext" not in statement:
            connection.execute(statement.encode())
    return frozenset(have)


def make_ground(conninfo: str) -> Ground:
    """Load, judge and count every case in this empty database."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        version = connection.info.server_version
        have = _support(connection)
        pairs = {pair: pair_case(*pair) for pair in accepted_pairs(connection)}
        cases = [*(case for case in CASES if _can_have(case, version, have)), *pairs.values()]
        verdicts = {case.name: judge(connection, case) for case in cases}
    schema, counted = asyncio.run(_count_all(conninfo))
    return Ground(conninfo, version, have, schema, verdicts, counted, pairs)


async def _count_all(conninfo: str) -> tuple[Schema, dict[str, Counted]]:
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        schema = await read_schema(database)
        return schema, {
            schema.child_of(edge).schema: Counted(
                edge,
                await count_edge(database, schema, edge),
                await count_edge(database, schema, edge, full=True),
            )
            for edge in schema.edges.values()
        }
    finally:
        await database.close()
