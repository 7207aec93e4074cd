"""The tables and edges that a command's arguments name: whoever names none, or several, is told what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.schema.names import edge_label, find_edges, find_tables, similar_edges, similar_tables, table_label

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship, Schema, Table


def one_table(schema: Schema, text: str) -> Table:
    """The table of that name.

    Raises:
        Trouble: there is none (`no_table`), or several (`ambiguous`).
    """
    found = find_tables(schema, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise Trouble(
            f"{text} is the name of {len(found)} tables",
            f"say which: {', '.join(table_label(table) for table in found[:5])}",
            code="ambiguous",
        )
    near = similar_tables(schema, text)
    hint = f"did you mean {' or '.join(near)}?" if near else "`fkexplorer check` lists foreign keys with their tables"
    raise Trouble(f"there is no table {text}", hint, code="no_table")


def one_edge(schema: Schema, text: str) -> Relationship:
    """The foreign key of that name.

    Raises:
        Trouble: there is none (`no_edge`), or several (`ambiguous`).
    """
    found = find_edges(schema, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise Trouble(
            f"{text} is the name of {len(found)} foreign keys",
            f"say which: {', '.join(edge_label(schema, edge) for edge in found[:5])}",
            code="ambiguous",
        )
    near = similar_edges(schema, text)
    hint = f"did you mean {' or '.join(near)}?" if near else "a foreign key is schema.table.constraint or table(column)"
    raise Trouble(f"there is no foreign key {text}", hint, code="no_edge")
