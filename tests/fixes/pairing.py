"""A pair of columns by their names, as tests write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

    Side = tuple[Table, Sequence[str]]


async def pair_edge(database: Database, schema: Schema, child: Side, parent: Side) -> Relationship:
    """The edge between the columns of these names."""

    def columns(side: Side) -> tuple[Table, list[Column]]:
        table, names = side
        return table, [next(column for column in table.columns if column.name == name) for name in names]

    return await read_pair(database, schema, columns(child), columns(parent))
