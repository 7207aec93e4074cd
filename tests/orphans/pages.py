"""What the tests of pages share: a database of a script, pages walked to their end, bytes counted on the way."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Relationship, Schema, Table

    Cursor = tuple[str | None, ...] | None


def run(conninfo: str, script: str) -> None:
    """Run a script as the superuser, foreign keys unchecked."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(script.encode())


def ask(conninfo: str, query: str, *, path: str = "public") -> list[tuple[Any, ...]]:
    """The rows of a query, asked with an ordinary search_path."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"SET search_path = {path}".encode())
        return connection.execute(query.encode()).fetchall()


@asynccontextmanager
async def opened(conninfo: str, *, role: str | None = None) -> AsyncIterator[tuple[Database, Schema]]:
    """The database as the product sees it, as a role."""
    if role is not None:
        conninfo = make_conninfo(conninfo, options=f"-c role={role}")
    database = await Database.connect(Source(conninfo, "test"))
    try:
        yield database, await read_schema(database)
    finally:
        await database.close()


def the_table(schema: Schema, name: str) -> Table:
    """The only table of this name."""
    [table] = [table for table in schema.tables.values() if table.name == name]
    return table


def the_edge(schema: Schema, name: str = "fk") -> Relationship:
    """The only edge of this name."""
    [edge] = [edge for edge in schema.edges.values() if edge.name == name]
    return edge


async def walk(fetch: Callable[[Cursor], Awaitable[Page]], *, most: int = 1000) -> list[Page]:
    """All pages, from the first to the last."""
    pages = [await fetch(None)]
    while pages[-1].more:
        assert len(pages) < most
        assert pages[-1].after is not None
        pages.append(await fetch(pages[-1].after))
    assert pages[-1].after is None
    return pages


def texts(page: Page, *names: str) -> list[tuple[str | None, ...]]:
    """The texts of these fields, row by row."""
    at = [[field.name for field in page.fields].index(name) for name in names]
    return [tuple(row[n].text for n in at) for row in page.rows]


@asynccontextmanager
async def counted(conninfo: str, folder: Path) -> AsyncIterator[tuple[str, list[int]]]:
    """A way to the server that counts what it sends: its conninfo, and the sizes of what came so far."""
    parts = conninfo_to_dict(conninfo)
    host, port = str(parts.get("host", "localhost")), int(parts.get("port") or 5432)
    sizes: list[int] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        try:
            while data := await reader.read(1 << 16):
                if count:
                    sizes.append(len(data))
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            from_server, to_server = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            from_server, to_server = await asyncio.open_connection(host, port)
        both = (forward(reader, to_server, count=False), forward(from_server, writer, count=True))
        ways.extend(asyncio.ensure_future(way) for way in both)

    ways: list[asyncio.Future[None]] = []
    server = await asyncio.start_unix_server(accept, folder / f".s.PGSQL.{port}")
    try:
        yield make_conninfo(conninfo, host=str(folder), hostaddr=None, port=port), sizes
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*ways, return_exceptions=True), 10)
