"""The edge that a fix was about, as it is now: the constraint may be gone, or its columns have other types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.schema.model import Condition
from fkexplorer.schema.names import edge_label, find_column, find_tables, split_condition, split_pair

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema


async def edge_again(database: Database, schema: Schema, label: str) -> Relationship | None:
    """The edge of this label (`edge_label`), if there is one still."""
    for edge in schema.edges.values():
        if edge_label(schema, edge) == label:
            return edge
    named, condition = split_condition(label)
    pair = split_pair(named)
    if pair is None:
        return None
    sides = []
    for name, columns in pair:
        tables = find_tables(schema, name)
        found = [find_column(tables[0], column) for column in columns] if len(tables) == 1 else [None]
        sides.append((tables[0] if tables else None, [column for column in found if column is not None]))
    (child, child_columns), (parent, parent_columns) = sides
    if child is None or parent is None or not child_columns:
        return None
    only = None
    if condition is not None:
        if (column := find_column(child, condition[0])) is None:
            return None
        only = Condition(column, condition[1])
    try:
        ends = (child, child_columns), (parent, parent_columns)
        return await read_pair(database, schema, *ends, only=only, incomparable=True)
    except Trouble:
        return None
