"""Re-pointing, moving aside and bringing parents on random schemas, as planned and previewed; the undo of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, hashes
from tests.fixes.random_schemas import random_schema
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Effect
    from fkexplorer.schema.model import Relationship, Schema

ACTIONS = (FixAction.BACKFILL, FixAction.REPOINT, FixAction.BACKFILL, FixAction.QUARANTINE)
SEEDS = range(5)


def request_of(schema: Schema, edge: Relationship, action: FixAction, random: Random) -> Request:
    """What is asked for: keys among which some are there, a source that has columns of the same names."""

    def key() -> tuple[str, ...]:
        return tuple(str(random.randint(0, 3 if len(edge.pairs) > 1 else 9)) for _ in edge.pairs)

    match action:
        case FixAction.REPOINT if random.random() < 0.5:
            there = key()
            return Request(edge, action, mapping=tuple((old, there) for old in dict.fromkeys(key() for _ in range(20))))
        case FixAction.REPOINT:
            return Request(edge, action, key=key())
        case FixAction.BACKFILL:
            others = sorted(oid for oid, table in schema.tables.items() if oid != edge.parent and "_" not in table.name)
            own = {pair.parent.name for pair in edge.pairs}
            # Of its unique keys that the edge does not point at no row is kept out.
            columns = {name: f"s.{name} + 20" for name in ("id", "u", "a") if name not in own and "a" not in own}
            scope = random.choice([Scope.GAP, Scope.ORPHANS])
            return Request(edge, action, source=random.choice(others), scope=scope, columns=columns)
        case _:
            return Request(edge, action)


async def one(database: Database, conninfo: str, journal: Journal, request: Request, batch_rows: int) -> str:
    """Do it and take it back; how it went, in a word."""
    schema = await read_schema(database)
    was = hashes(conninfo)
    try:
        seen = await preview(database, schema, request)
    except Trouble:
        return "impossible"
    label = f"{request.action} {request.edge.name}: {seen.plan.steps}\n{seen.effects}"
    limits = replace(QUICK, batch_rows=batch_rows)
    outcome = await run(database, schema, seen, journal, limits=limits)
    label += f"\n{outcome.words}"
    assert outcome.ending is not Ending.MOVED or seen.doubtful, label
    if not outcome.effects:
        assert hashes(conninfo) == was, label
        assert seen.nothing_to_do or seen.blockers or seen.doubtful or outcome.ending is Ending.REFUSED, label
        return "nothing"
    foreseen = [each for each in seen.effects if each.deleted or each.updated or each.inserted]
    assert {root(schema, each) for each in foreseen} == {
        root(schema, each) for each in outcome.effects if each.table in schema.tables
    }, label
    made = [each.inserted for each in outcome.effects if each.table not in schema.tables]
    assert made == ([seen.rows] if request.action is FixAction.QUARANTINE else []), label
    undoing = await undo_preview(database, schema, journal, outcome.entry)
    assert undoing.conflicts == (), f"{label}\n{undoing.conflicts}"
    undone = await undo(database, schema, undoing, journal, limits=QUICK)
    assert undone.ending is Ending.DONE, f"{label}\n{undone.words}"
    assert hashes(conninfo) == was, label
    return "taken back"


def root(schema: Schema, effect: Effect) -> int:
    """The table, or that which it is a partition of."""
    name = schema.tables[effect.table].name.partition("_")[0]
    return next(oid for oid, table in schema.tables.items() if table.name == name)


@pytest.mark.matrix
async def test_every_action(database_url: str, server: EmbeddedServer, open_folder: Path) -> None:
    seen: dict[FixAction, Counter[str]] = {action: Counter() for action in ACTIONS}
    journal = Journal(open_folder)
    async with opened(database_url) as (database, _):
        for seed in SEEDS:
            random = Random(seed)  # noqa: S311 - no secret
            made = random_schema(random, server.major)
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                connection.execute(made.script.encode())
            schema = await read_schema(database)
            for at, edge in enumerate(schema.edges.values()):
                action = ACTIONS[at % len(ACTIONS)]
                request, batch_rows = request_of(schema, edge, action, random), random.choice([1, 3, 10_000])
                seen[action][await one(database, database_url, journal, request, batch_rows)] += 1
    assert all(each["taken back"] for each in seen.values()), seen
