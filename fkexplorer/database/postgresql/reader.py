"""Reads a PostgreSQL catalogue into a schema: one batch, one snapshot, one round trip, no lock waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.limits import DEFAULT
from fkexplorer.database.postgresql.build import build_schema
from fkexplorer.database.postgresql.fingerprint import FINGERPRINT
from fkexplorer.database.postgresql.statements import statements

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Schema

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


async def read_schema(database: Database) -> Schema:
    """All user tables and foreign keys of the connected database, as of one snapshot.

    Raises:
        Trouble: the server refused a statement, or the connection is lost. The transaction is ended either way.
    """
    try:
        async with database.raw() as connection:
            texts = statements(database.facts.version_number) | {"fingerprint": FINGERPRINT}
            answers = await _ask(connection, texts)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    # Thousands of tables take some 100 ms to build; a screen must not stand still meanwhile.
    return await asyncio.to_thread(build_schema, answers)


async def _ask(connection: psycopg.AsyncConnection[Any], texts: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """Send everything at once, in one transaction, and collect each statement's rows."""
    settings = DEFAULT.settings()
    set_all = f"SELECT {', '.join(['set_config(%s, %s, true)'] * len(settings))}"
    try:
        async with connection.pipeline():
            await connection.execute(_BEGIN)
            await connection.execute(set_all.encode(), [each for setting in settings.items() for each in setting])
            cursors = {name: await connection.execute(text.encode()) for name, text in texts.items()}
            await connection.execute("COMMIT")
        return {name: await cursor.fetchall() for name, cursor in cursors.items()}
    except psycopg.Error:
        # One Sync ends the batch, and a Sync does not end an explicit transaction that has failed.
        if connection.info.transaction_status is TransactionStatus.INERROR:
            with contextlib.suppress(psycopg.Error):
                await connection.rollback()
        raise
