"""Cases as a diagnosis gets them: an error that PostgreSQL gave, or that is told, on an edge of a real catalogue."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.diagnosis.case import Case
from fkexplorer.diagnosis.model import Placed
from fkexplorer.diagnosis.reading.model import ErrorKind, Found, ParsedError, Row, Written
from fkexplorer.schema.graph import Graph
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Evidence
    from fkexplorer.schema.model import Relationship, Schema

MIB = 1 << 20
GIB = 1 << 30
_DETAIL = re.compile(r"Key \((?P<columns>.*?)\)=\((?P<values>.*)\) is (?P<how>not present|still referenced|referenced)")


def refused(conninfo: str, statement: str) -> ParsedError:
    """The error that PostgreSQL gives to a statement, of a key of one column or without commas in its values."""
    with (
        psycopg.connect(conninfo, autocommit=True) as connection,
        pytest.raises(psycopg.errors.IntegrityError) as raised,
    ):
        connection.execute(statement.encode())
    diag = raised.value.diag
    detail = _DETAIL.match(diag.message_detail or "")
    missing = detail is None or detail["how"] == "not present"
    return ParsedError(
        ErrorKind.MISSING_PARENT if missing else ErrorKind.STILL_REFERENCED,
        sqlstate=diag.sqlstate,
        constraint=diag.constraint_name,
        child_table=diag.table_name,
        columns=tuple(detail["columns"].split(", ")) if detail else None,
        values=tuple(detail["values"].split(", ")) if detail else None,
    )


def told(
    columns: str,
    *values: str | None,
    kind: ErrorKind = ErrorKind.MISSING_PARENT,
    other_cuts: tuple[tuple[str, ...], ...] = (),
    row: Row | None = None,
    statement: Written | None = None,
) -> ParsedError:
    """An error with this key; `columns` between commas."""
    names = tuple(columns.split(","))
    return ParsedError(kind, columns=names, values=values, other_cuts=other_cuts, row=row, statement=statement)


def row(table: str, **values: str | None) -> Row:
    """A refused row."""
    return Row(None, table, values)


def edge_named(schema: Schema, name: str) -> Relationship:
    """The edge with this constraint's name."""
    [edge] = [edge for edge in schema.edges.values() if edge.name == name]
    return edge


def case_of(
    opened_: tuple[Database, Schema],
    edge: Relationship | str | None,
    error: ParsedError,
    *,
    max_bytes: int = GIB,
) -> Case:
    """The case of an error on an edge, or on that of a name."""
    database, schema = opened_
    edge = edge_named(schema, edge) if isinstance(edge, str) else edge
    return Case(database, schema, Graph(schema), Found(error, 1), Placed(()), edge, max_bytes)


@asynccontextmanager
async def case(
    conninfo: str, edge: str, error: ParsedError, *, role: str | None = None, max_bytes: int = GIB
) -> AsyncIterator[Case]:
    """The same in a database that is opened for it, as this role."""
    async with opened(conninfo, role) as there:
        yield case_of(there, edge, error, max_bytes=max_bytes)


def by_code(evidence: Iterable[Evidence]) -> Mapping[str, Evidence]:
    """Evidence by its code; each code once."""
    found = list(evidence)
    codes = [each.code for each in found]
    assert len(set(codes)) == len(codes), codes
    return {each.code: each for each in found}


def by_hand(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    """What the query of some evidence gives to somebody who runs it in a session of his own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()
