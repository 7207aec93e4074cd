"""The rows that hold a key, page by page: what a trace has found is shown as any other rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from fkexplorer.diagnosis.trace_targets import condition
from fkexplorer.orphans.paging import How, Rows, read_page
from fkexplorer.orphans.predicate import relation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.orphans.keyset import Cursor
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Condition, Table


async def rows_holding(
    database: Database,
    table: Table,
    columns: Sequence[int],
    value: Key,
    *,
    only: Condition | None = None,
    after: Cursor | None = None,
    limit: int = 200,
    width: int | None = 200,
    as_role: bool = False,
    reveal: bool = False,
) -> Page:
    """A page of a table's rows that hold a value in these columns, in the order of the table's key.

    Args:
        database: where to read.
        table: the table.
        columns: `pg_attribute.attnum` of each column.
        value: the value of each as text, as a trace was asked for it.
        only: which rows are meant, where it is not all.
        after: `Page.after` of the page before; None for the first page.
        limit: rows of a page at most.
        width: characters of a value at most; None for whole values.
        as_role: whether row security may hide rows.
        reveal: whether secret columns are read.

    Raises:
        Trouble: the server refused it (privilege, row security, time-out, ...), or the connection is lost.
    """
    held = condition(table, [table.column(number) for number in columns], value, only)
    rows = Rows(table, relation(table, "c"), frozenset(columns))
    return await read_page(database, rows, literal_column(held), How(after, limit, width, as_role, reveal))
