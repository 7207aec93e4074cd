"""What a change does by foreign keys, found by reading: as the server does it, on random schemas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes import sql
from fkexplorer.fixes.closure import follow
from fkexplorer.fixes.model import Change, Consequences, Verb
from tests.fixes.random_schemas import Made, random_change, random_schema
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.schema.model import Schema, Table

SEEDS = 12
"""Schemas of one test; a database of its own for each of them takes five times as long."""


def change_of(table: Table, sets: str, where: str) -> Change:
    """A DELETE, or an UPDATE of what `column = value, …` sets."""
    if not sets:
        return Change(Verb.DELETE, table.oid, f"DELETE FROM {sql.source(table, 'c')}", where)
    numbers = {column.name: column.number for column in table.columns}
    pairs = [each.split(" = ") for each in sets.split(", ")]
    new = [(numbers[name], f"CAST({value} AS int)" if value == "NULL" else f"({value})") for name, value in pairs]
    head = f"UPDATE {sql.source(table, 'c')} SET {sets}"
    return Change(Verb.UPDATE, table.oid, head, where, sets=tuple(new))


async def foreseen(
    database: Database, schema: Schema, change: Change
) -> tuple[Consequences, dict[tuple[int, str], bool]]:
    """The consequences, and each place that is touched with whether its row goes."""

    async def ask(statement: str) -> list[tuple[Any, ...]]:
        return (await database.glance(statement))[0]

    closure = await follow(ask, schema, change)
    counts, places = await database.glance(closure.counts, closure.places)
    return closure.read(counts), {(rel, place): gone for rel, place, gone in places}


@dataclass(frozen=True)
class Done:
    """What the server did: rows by their `k`, its own counts by table, or what it said instead."""

    gone: set[int]
    changed: set[int]
    counts: dict[str, tuple[int, int]]
    refused: str = ""


def rows_of(connection: psycopg.Connection, made: Made) -> dict[int, tuple[Any, ...]]:
    """All rows by their `k`."""
    every = " UNION ALL ".join(f"SELECT k, id, u, a, b, x0, x1, y0, y1 FROM {name}" for name in made.tables)
    return {row[0]: row for row in connection.execute(every.encode())}


def counted(connection: psycopg.Connection) -> dict[str, tuple[int, int]]:
    """Updates and deletes of this session that the server has not added to all others' yet, by table."""
    found = connection.execute("SELECT relname, n_tup_upd::int, n_tup_del::int FROM pg_stat_xact_user_tables")
    return {name: (updates, deletes) for name, updates, deletes in found}


def done(connection: psycopg.Connection, made: Made, change: Change) -> Done:
    """Do it, and take it back."""
    before = rows_of(connection, made)
    connection.execute("BEGIN")
    try:
        earlier = counted(connection)
        connection.execute(change.sql.encode())
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        counts = {name: (u - earlier[name][0], d - earlier[name][1]) for name, (u, d) in counted(connection).items()}
        after = rows_of(connection, made)
    except psycopg.Error as error:
        return Done(set(), set(), {}, str(error))
    finally:
        connection.execute("ROLLBACK")
    changed = {k for k, row in after.items() if row != before[k]}
    return Done(before.keys() - after.keys(), changed, counts)


def folded(counts: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """By root."""
    found: dict[str, tuple[int, int]] = {}
    for name, (updated, deleted) in counts.items():
        root = name.partition("_")[0]
        before = found.get(root, (0, 0))
        found[root] = before[0] + updated, before[1] + deleted
    return found


@pytest.mark.matrix
@pytest.mark.parametrize("first", range(0, 5 * SEEDS, SEEDS))
async def test_the_server_does_what_was_foreseen(database_url: str, server: EmbeddedServer, first: int) -> None:
    seen: Counter[str] = Counter()
    async with opened(database_url) as (database, _):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for seed in range(first, first + SEEDS):
                seen += await tried(database, connection, Random(seed), server.major)  # noqa: S311 - a test's
    # Were all of one kind, nothing would be compared.
    assert seen["done"] > SEEDS
    assert seen["refused"]
    assert seen["below"]


async def tried(database: Database, connection: psycopg.Connection, random: Random, version: int) -> Counter[str]:
    """Four changes of a random schema: how many were done, refused, went below their table, or were doubtful."""
    made = random_schema(random, version)
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.execute(made.script.encode())
    connection.execute("RESET session_replication_role")
    keys = {
        (relation, place): k
        for name in made.tables
        for relation, place, k in connection.execute(f"SELECT tableoid::int8, ctid::text, k FROM {name}".encode())
    }
    schema = await read_schema(database)
    tables = {table.name: table for table in schema.tables.values()}
    seen: Counter[str] = Counter()
    for _ in range(4):
        name, sets, where = random_change(random, made)
        change = change_of(tables[name], sets, where)
        found, places = await foreseen(database, schema, change)
        came = done(connection, made, change)
        touched = {keys[place]: gone for place, gone in places.items()}
        compare(found, touched, came, schema, f"{change.sql}\n{made.script}\n{found}\n{came}")
        seen["doubtful" if found.doubtful else "refused" if came.refused else "done"] += 1
        seen["below"] += not came.refused and len(found.effects) > 1
    return seen


def compare(found: Consequences, touched: dict[int, bool], came: Done, schema: Schema, label: str) -> None:
    """What was foreseen, and what came: the rows, the server's own counts, or that it refused."""
    if found.doubtful:
        return
    if found.blockers or came.refused:
        # A key that is there twice, or a NULL, is no consequence of a foreign key.
        own = "duplicate key" in came.refused or "null value" in came.refused
        assert came.refused, label
        assert found.blockers or own, label
        return
    assert {k for k, gone in touched.items() if gone} == came.gone, label
    assert came.changed <= {k for k, gone in touched.items() if not gone}, label
    expected: dict[str, tuple[int, int, int]] = {}
    for effect in found.effects:
        name = schema.tables[effect.table].name
        least, more, deleted = expected.get(name, (0, 0, 0))
        expected[name] = least + effect.updated, more + effect.more_updates, deleted + effect.deleted
    counts = folded(came.counts)
    for name in expected.keys() | counts.keys():
        least, more, deleted = expected.get(name, (0, 0, 0))
        updates, deletes = counts.get(name, (0, 0))
        assert deletes == deleted, label
        assert least <= updates <= least + more, label
