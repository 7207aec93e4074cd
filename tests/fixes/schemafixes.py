"""A fix of the schema as a person has it done: previewed, run, its script by psql; for the tests of each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Request
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.named import edge_or_pair
from tests.fixes.byhand import QUICK
from tests.orphans.connected import opened

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Advance, Outcome, Preview
    from fkexplorer.schema.actions import FixAction
    from fkexplorer.schema.model import Schema


async def look(database: Database, schema: Schema, label: str, action: FixAction, **asked: Any) -> Preview:  # noqa: ANN401 - fields of a request
    """The preview of a fix of the edge of that name, or of that pair."""
    edge = await edge_or_pair(database, schema, label, incomparable=True)
    return await preview(database, schema, Request(edge, action, **asked))


async def seen(conninfo: str, label: str, action: FixAction, role: str | None = None, **asked: Any) -> Preview:  # noqa: ANN401 - as above
    """The same on a connection of its own."""
    async with opened(conninfo, role) as (database, schema):
        return await look(database, schema, label, action, **asked)


async def do(
    conninfo: str,
    folder: Path,
    label: str,
    action: FixAction,
    *,
    between: Callable[[], object] | None = None,
    stop: asyncio.Event | None = None,
    told: Callable[[Advance], None] = lambda _: None,
    **asked: Any,  # noqa: ANN401 - as above
) -> Outcome:
    """Preview it, let something happen, run it."""
    async with opened(conninfo) as (database, schema):
        found = await look(database, schema, label, action, **asked)
        if between is not None:
            between()
        return await run(database, schema, found, Journal(folder), limits=QUICK, stop=stop, on_progress=told)


async def written(conninfo: str, label: str, action: FixAction, **asked: Any) -> str:  # noqa: ANN401 - as above
    """Its script."""
    async with opened(conninfo) as (database, schema):
        return await script(database, schema, await look(database, schema, label, action, **asked))


def ask(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, or none of a statement, committed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []
