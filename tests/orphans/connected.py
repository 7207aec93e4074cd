"""Opens a database for a test, as its superuser or as another role."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fkexplorer.schema.model import Relationship, Schema


@asynccontextmanager
async def opened(conninfo: str, role: str | None = None) -> AsyncIterator[tuple[Database, Schema]]:
    """The database and its schema, both as that role has them."""
    if role is not None:
        conninfo = psycopg.conninfo.make_conninfo(conninfo, options=f"-c role={role}")
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        yield database, await read_schema(database)
    finally:
        await database.close()


@asynccontextmanager
async def new_role(conninfo: str, attributes: str = "") -> AsyncIterator[str]:
    """A role of its own, for a cluster is shared; it is dropped with all that it has in this database."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    await run(conninfo, f"CREATE ROLE {name} {attributes}")
    try:
        yield name
    finally:
        await run(conninfo, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def run(conninfo: str, text: str) -> None:
    """Run these statements, committed, as the superuser."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(text.encode())


@asynccontextmanager
async def holding(conninfo: str, lock: str) -> AsyncIterator[None]:
    """Hold a lock in another session: `LOCK TABLE c`."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(f"BEGIN; {lock}".encode())
        yield
        await connection.execute("ROLLBACK")


async def counting(conninfo: str) -> list[int]:
    """The server processes that run a count in this database now, or wait for a lock in it."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state = 'active' AND query LIKE '%AS orphans%'"
        )
        return [row[0] for row in await found.fetchall()]


async def until(conninfo: str, satisfied: Callable[[list[int]], bool], seconds: float = 5.0) -> list[int]:
    """Wait until the processes that count are as wanted, and give them."""
    async with asyncio.timeout(seconds):
        while not satisfied(found := await counting(conninfo)):  # noqa: ASYNC110 - nothing tells of another session
            await asyncio.sleep(0.01)
        return found


def edge_of(schema: Schema, child: str) -> Relationship:
    """The only edge of the table of that name."""
    [edge] = [edge for edge in schema.edges.values() if schema.child_of(edge).name == child]
    return edge
