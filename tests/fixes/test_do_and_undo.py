"""Do and undo on random schemas: every table is as it was, and what cannot be done or undone changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request
from fkexplorer.fixes.parents import needed
from fkexplorer.fixes.preview import preview as previewed
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, delete, hashes, orphans_of, preview_of, set_to
from tests.fixes.random_schemas import random_schema
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Preview
    from fkexplorer.schema.model import Relationship, Schema

CASES = 25


async def one(database: Database, conninfo: str, journal: Journal, seed: int, version: int) -> str:
    """Make a schema, change the orphans of one of its edges, take it back; how it went, in a word."""
    random = Random(seed)  # noqa: S311 - no secret
    made = random_schema(random, version)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(made.script.encode())
    was = hashes(conninfo)
    schema = await read_schema(database)
    edge = random.choice(sorted(schema.edges.values(), key=lambda each: (each.child, each.name)))
    limits = replace(QUICK, batch_rows=random.choice([1, 2, 10_000]))
    preview = await random_fix(database, schema, edge, random)
    label = f"seed {seed}: {preview.plan.steps[0]}\n{made.script}\n{preview.effects}\n{limits.batch_rows}"
    outcome = await run(database, schema, preview, journal, limits=limits)
    label += f"\n{outcome.words}"
    assert outcome.ending is not Ending.MOVED or preview.doubtful, label
    if not outcome.effects:
        assert hashes(conninfo) == was, label
        return "refused" if outcome.entry or outcome.ending is Ending.REFUSED else "nothing"
    assert hashes(conninfo) != was or all(not each.deleted for each in outcome.effects), label
    undoing = await undo_preview(database, schema, journal, outcome.entry)
    assert undoing.conflicts == (), f"{label}\n{undoing.conflicts}"
    undone = await undo(database, schema, undoing, journal, limits=QUICK)
    assert undone.ending is Ending.DONE, f"{label}\n{undone.words}"
    assert hashes(conninfo) == was, label
    if len(undoing.parts) > 1:
        return "in batches"
    return "followed" if len(outcome.effects) > 1 else "done"


async def random_fix(database: Database, schema: Schema, edge: Relationship, random: Random) -> Preview:
    """A fix of an edge's orphans."""
    what = random.choice(["delete", "delete", "NULL", "5", "insert"])
    if what == "insert":
        columns = {column.name: "0" for column in needed(schema.parent_of(edge), [pair.parent for pair in edge.pairs])}
        return await previewed(database, schema, Request(edge, FixAction.INSERT_PARENTS, columns=columns))
    where = orphans_of(schema, edge) + random.choice(["", "", " AND c.k % 2 = 0"])
    change = delete(schema, edge, where) if what == "delete" else set_to(schema, edge, what, where)
    return await preview_of(database, schema, edge, change)


@pytest.mark.matrix
async def test_every_table_is_as_it_was(database_url: str, server: EmbeddedServer, open_folder: Path) -> None:
    seen: Counter[str] = Counter()
    journal = Journal(open_folder)
    async with opened(database_url) as (database, _):
        for seed in range(CASES):
            seen[await one(database, database_url, journal, seed, server.major)] += 1
    assert seen["done"] + seen["followed"] + seen["in batches"] > CASES // 3, seen
    assert seen["in batches"], seen
