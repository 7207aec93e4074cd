"""Reads a PostgreSQL catalogue into a schema: one batch, one snapshot, one round trip, no lock waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus

from fkexplorer.database.postgresql.build import build_schema
from fkexplorer.database.postgresql.statements import statements

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Schema

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# All of a read's settings, inside its own transaction: a session's SET would leak to other clients of a pooler.
_SETTINGS = """
SELECT set_config('statement_timeout', '30s', true), set_config('lock_timeout', '2s', true),
 set_config('idle_in_transaction_session_timeout', '60s', true), set_config('row_security', 'off', true),
 set_config('search_path', '', true), set_config('jit', 'off', true),
 set_config('max_parallel_workers_per_gather', '0', true), set_config('application_name', 'fkexplorer', true)
"""


async def read_schema(database: Database) -> Schema:
    """All user tables and foreign keys of the connected database, as of one snapshot.

    Raises:
        psycopg.Error: the server refused a statement or the connection was lost; the transaction is ended either way.
    """
    texts = statements(database.facts.version_number)
    answers: dict[str, list[tuple[Any, ...]]] = {}
    async with database.raw() as connection:
        try:
            async with connection.pipeline():
                await connection.execute(_BEGIN)
                await connection.execute(_SETTINGS)
                cursors = [(name, await connection.execute(text)) for name, text in texts.items()]
                await connection.execute("COMMIT")
            for name, cursor in cursors:
                answers[name] = await cursor.fetchall()
        finally:
            # One Sync ends the batch, and a Sync does not end an explicit transaction that has failed or was cancelled.
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                with contextlib.suppress(psycopg.Error):
                    await connection.rollback()
    # Thousands of tables take some 100 ms to build; a screen must not stand still meanwhile.
    return await asyncio.to_thread(build_schema, answers)
