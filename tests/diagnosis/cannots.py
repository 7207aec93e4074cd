"""Errors of definitions as PostgreSQL gives them, read, placed and explained."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.diagnosis.cannot import cannot
from fkexplorer.diagnosis.case import Case
from fkexplorer.diagnosis.place import place
from fkexplorer.diagnosis.reading.model import Found, ParsedError, Written
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.schema.graph import Graph
from tests.diagnosis.cases import GIB
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fkexplorer.diagnosis.model import Part

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY, email text, number int UNIQUE DEFERRABLE, code text);
CREATE UNIQUE INDEX users_some ON users (email) WHERE email <> 'x';
CREATE TABLE sessions (id int PRIMARY KEY, user_id text, token text, email text, number int);
CREATE VIEW people AS SELECT id FROM users;
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
CREATE TABLE plain (id int);
"""
ADD = "ALTER TABLE sessions ADD CONSTRAINT fk FOREIGN KEY"


def error_of(conninfo: str, statement: str, *, role: str | None = None) -> ParsedError:
    """What PostgreSQL says to a statement, read as a log has it; with the statement, as a good log has that too."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if role is not None:
            connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement.encode())
    diag = raised.value.diag
    lines = [f"ERROR:  {diag.message_primary}"]
    if diag.message_detail:
        lines.append(f"DETAIL:  {diag.message_detail}")
    [found] = read_text("\n".join(lines) + "\n").found
    return replace(found.error, sqlstate=diag.sqlstate, statement=Written(statement))


@asynccontextmanager
async def case_for(
    conninfo: str, error: ParsedError, *, role: str | None = None, max_bytes: int = GIB
) -> AsyncIterator[Case]:
    async with opened(conninfo, role) as (database, schema):
        placed = await place(database, schema, error)
        edge = schema.edges.get(placed.edge) if placed.edge else None
        yield Case(database, schema, Graph(schema), Found(error, 1), placed, edge, max_bytes)


async def explained(conninfo: str, error: ParsedError, *, role: str | None = None, max_bytes: int = GIB) -> Part:
    async with case_for(conninfo, error, role=role, max_bytes=max_bytes) as case:
        return await cannot(case)


def told_by(part: Part) -> set[str]:
    return {each.code for each in part.findings}


def statement_of(part: Part, word: str) -> str:
    """The statement of a suggestion that has this word in it."""
    [found] = [each.sql for each in part.suggestions if word in each.sql]
    return found
