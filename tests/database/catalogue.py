"""What the catalogue tests share: run DDL, read the schema, and speak of its parts by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import find_source
from fkexplorer.schema.model import Operator, TypeName
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.schema.model import Column, Index, Relationship, Schema, Table


def run(conninfo: str, *statements: str) -> None:
    """Execute each statement in a transaction of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def version(conninfo: str) -> int:
    """The server's `server_version_num`."""
    with psycopg.connect(conninfo) as connection:
        return connection.info.server_version


def oid(conninfo: str, relation: str) -> int:
    """The OID of a relation, named as SQL names it."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT %s::regclass::oid", (relation,)).fetchone()
    assert row is not None
    return int(row[0])


def available(conninfo: str, extension: str) -> bool:
    """Whether this server can create the extension."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (extension,)).fetchall()
    return bool(rows)


async def load(conninfo: str, *statements: str) -> Schema:
    """Run the statements, then read the schema over a connection of its own."""
    run(conninfo, *statements)
    database = await Database.connect(find_source(conninfo, None, {}))
    try:
        return await read_schema(database)
    finally:
        await database.close()


def by_label(schema: Schema) -> dict[str, Table]:
    """Each table by its label, without `public.`."""
    return {table_label(table).removeprefix("public."): table for table in schema.tables.values()}


def edges(schema: Schema) -> dict[str, Relationship]:
    """Each edge by its constraint's name."""
    found = {edge.name: edge for edge in schema.edges.values()}
    assert len(found) == len(schema.edges)
    return found


def columns(table: Table) -> dict[str, Column]:
    """Each column by its name."""
    return {column.name: column for column in table.columns}


def indexes(table: Table) -> dict[str, Index]:
    """Each index by its name."""
    return {index.name: index for index in table.indexes}


def builtin(name: str) -> TypeName:
    """A type of pg_catalog."""
    return TypeName("pg_catalog", name)


def operator(name: str, left: str | None, right: str | None) -> Operator:
    """An operator of pg_catalog between types of pg_catalog; None for a polymorphic type."""
    return Operator("pg_catalog", name, builtin(left) if left else None, builtin(right) if right else None)
