"""The command `impact`: what deleting rows would do, without doing it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.impact import impact as look
from fkexplorer.named import known_schema, one_table
from fkexplorer.reports.impact import impact_json, impact_text, verdict_words
from fkexplorer.reports.values import number
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.impact_model import Impact


@dataclass(frozen=True, slots=True)
class ImpactOptions:
    """What `impact` was asked."""

    table: str
    keys: tuple[str, ...]
    """The key of a row each; of several columns a line of CSV."""
    format: str = "text"
    max_bytes: int = 1 << 30


async def impact(database: Database, console: Console, settings: Settings, options: ImpactOptions) -> int:
    """Print what a delete of these rows would do; the exit code.

    Raises:
        Trouble: the table is not there, a key does not fit, there is no such row (`no_row`), or the connection was
            lost.
    """
    schema = await known_schema(database, settings, console)
    table = one_table(schema, options.table)
    # A key of one column is what it is, with commas and all.
    single = table.primary_key is not None and len(table.primary_key.columns) == 1
    keys = [(key,) if single else tuple(next(csv.reader([key]), [])) for key in options.keys]

    def told(partly: Impact) -> None:
        rows = sum(each.deleted + each.updated for each in partly.effects)
        console.progress(f"following foreign keys, {number(rows, 'row')} so far")

    console.progress("following foreign keys")
    found = await look(database, schema, table, keys, max_bytes=options.max_bytes, told=told)
    if found.rows == 0:
        raise Trouble(
            f"{table_label(table)} has no row {' or '.join(options.keys)}", "a row is told by its key", code="no_row"
        )
    if options.format == "json":
        console.data(impact_json(found, schema) + "\n")
    else:
        console.lines(impact_text(found, schema, cells=console.width, ascii=console.ascii))
    console.say(f"{table_label(table)}: {verdict_words(found, schema)}")
    return 0
