"""A change of type, a key and an index on random schemas: locks, catalogue and undo as announced."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import DdlStep, Ending, Request
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import table_label
from tests.fixes.byhand import QUICK
from tests.fixes.random_schemas import random_schema
from tests.fixes.schemafixes import ask
from tests.fixes.trying import locks_of, trying
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Outcome
    from fkexplorer.schema.model import Schema

ACTIONS = (FixAction.CHANGE_TYPE, FixAction.CREATE_INDEX)
SEEDS = range(3)
CATALOGUE = """
SELECT a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
 pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
UNION ALL SELECT k.conrelid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid), k.convalidated::text
FROM pg_constraint k WHERE k.connamespace = 'public'::regnamespace AND k.contype <> 'n'
UNION ALL SELECT x.indrelid::regclass::text, i.relname::text, pg_get_indexdef(i.oid), x.indisvalid::text
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE i.relnamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


async def once(database: Database, schema: Schema, request: Request, conninfo: str, folder: Path) -> str:
    """Do it, a type twice at once, and take it back as its steps say; how it went, in a word."""
    was = ask(conninfo, CATALOGUE)
    try:
        seen = await preview(database, schema, request)
    except Trouble as trouble:
        assert ask(conninfo, CATALOGUE) == was
        return trouble.code
    if not seen.plan.steps:
        return "nothing"
    steps = [step for step in seen.plan.steps if isinstance(step, DdlStep)]
    label = f"{request.action} of {request.edge.name}, {request.side}: {steps}"
    for step in steps:
        if not step.alone and len(steps) == 1:
            tried = trying(conninfo, step, known=set(schema.tables))
            assert (tried.refused, tried.locks) == ("", locks_of(step)), label
    # Two builds of one index wait for a deadlock to be found, a second long: that is tried elsewhere.
    times = 1 if steps[0].alone else 2
    ended: list[Outcome] = await asyncio.gather(
        *(run(database, schema, seen, Journal(folder), limits=QUICK) for _ in range(times))
    )
    assert {each.ending for each in ended} == {Ending.DONE}, (label, [each.words for each in ended])
    changed = ask(conninfo, CATALOGUE)
    assert changed != was, label
    later = await read_schema(database)
    edge = next(
        each for each in later.edges.values() if (each.child, each.name) == (request.edge.child, request.edge.name)
    )
    assert not (await preview(database, later, Request(edge, request.action, side=request.side))).plan.steps, label
    told = steps[-1].undo.partition(" takes it back")[0]
    parent = request.side == "parent"
    table = table_label(schema.parent_of(request.edge) if parent else schema.child_of(request.edge))
    ask(conninfo, told.replace("…", table))
    assert ask(conninfo, CATALOGUE) == was, label
    return "taken back"


@pytest.mark.matrix
async def test_types_and_indexes(database_url: str, server: EmbeddedServer, tmp_path: Path) -> None:
    seen: dict[FixAction, Counter[str]] = {action: Counter() for action in ACTIONS}
    async with opened(database_url) as (database, _):
        for seed in SEEDS:
            random = Random(seed)  # noqa: S311 - no secret
            made = random_schema(random, server.major)
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                connection.execute(made.script.encode())
                if seed % 2:
                    # Without a row there is no orphan, for which the server would refuse to look at a key again.
                    connection.execute(f"TRUNCATE {', '.join(made.tables)}".encode())
                # Some columns get another type. Of a key that has orphans no type can change.
                for table, column in connection.execute(
                    "SELECT DISTINCT k.conrelid::regclass::text, a.attname::text FROM pg_constraint k"
                    " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
                    " WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 1, 2"
                ).fetchall():
                    if random.random() < 0.7:
                        with suppress(psycopg.errors.ForeignKeyViolation):
                            connection.execute(f"ALTER TABLE {table} ALTER {column} TYPE int8".encode())
            for action in ACTIONS:
                schema = await read_schema(database)
                for edge in list(schema.edges.values()):
                    side = random.choice(["child", "parent"]) if action is FixAction.CHANGE_TYPE else ""
                    now = await read_schema(database)
                    again = now.edges[
                        next(o for o, e in now.edges.items() if (e.child, e.name) == (edge.child, edge.name))
                    ]
                    went = await once(database, now, Request(again, action, side=side), database_url, tmp_path)
                    seen[action][went] += 1
    assert all(each["taken back"] for each in seen.values()), seen
