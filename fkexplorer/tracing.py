"""The command `trace`: everywhere that a key lives."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.trace import trace as search
from fkexplorer.named import known_schema, one_column, one_table
from fkexplorer.reports.trace import found_words, trace_json, trace_text
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import columns_label, find_tables, split_columns, table_label

if TYPE_CHECKING:
    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Schema, Table

SECONDS = 20.0
"""What a search may take that somebody waits for, who can stop it by Ctrl-C."""


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What `trace` was asked."""

    columns: str
    """`table.column`, or `table(a, b)`."""
    value: str
    """As text; of several columns a line of CSV."""
    format: str = "text"
    max_bytes: int = 1 << 30


async def trace(database: Database, console: Console, settings: Settings, options: TraceOptions) -> int:
    """Print where a key lives; the exit code.

    Raises:
        Trouble: the column is not there, the value has not as many parts as there are columns, or the connection was
            lost.
    """
    schema = await known_schema(database, settings, console)
    table, columns = asked(schema, options.columns)
    value = (options.value,) if len(columns) == 1 else tuple(next(csv.reader([options.value]), []))
    console.progress("searching")
    found = await search(
        database, schema, Graph(schema), table, columns, value, max_bytes=options.max_bytes, seconds=SECONDS
    )
    if options.format == "json":
        console.data(trace_json(found, schema, columns=columns_label(table, columns)) + "\n")
    else:
        console.lines(trace_text(found, cells=console.width, ascii=console.ascii))
    console.say(f"{columns_label(table, columns)}: {found_words(found)}")
    return 0


def asked(schema: Schema, text: str) -> tuple[Table, list[Column]]:
    """The table and the columns that `table.column` or `table(a, b)` means.

    Raises:
        Trouble: the text is neither (`usage`), or a name is none or several.
    """
    split = split_columns(text)
    if split is None:
        raise Trouble(f"{text} is no column", "write table.column, or table(a, b) for a key of several", code="usage")
    tables = [] if find_tables(schema, split[0]) else find_tables(schema, text)
    if tables:
        raise Trouble(f"{text} is a table", f"name a column of it: {table_label(tables[0])}.COLUMN", code="usage")
    name, columns = split
    table = one_table(schema, name)
    return table, [one_column(table, column) for column in columns]
