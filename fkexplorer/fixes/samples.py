"""A sample of the rows of a fix, as they are and as they will be: pages like those of the orphans, secrets masked."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, literal_column

from fkexplorer.fixes import sql
from fkexplorer.fixes.verdicts import new_values
from fkexplorer.orphans.keyset import value_type
from fkexplorer.orphans.model import Field, Page
from fkexplorer.orphans.paging import MASKED, How, Layout, Rows, key_index, printed, reading, shown_value
from fkexplorer.orphans.predicate import relation
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.collisions import Incoming
    from fkexplorer.fixes.model import Change
    from fkexplorer.fixes.parents import NewRows
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.fixes.verdicts import Defaults
    from fkexplorer.schema.model import Relationship, Table

SAMPLE = 20
"""Rows of a sample: a screen of them."""
_WIDTH = 200


async def changed_rows(
    database: Database, table: Table, edge: Relationship, change: Change, defaults: Defaults
) -> tuple[Page, Page | None]:
    """The first rows of an UPDATE before and after it; of a DELETE before it alone.

    Args:
        database: where to read.
        table: the changed table.
        edge: the edge whose columns are shown first.
        change: the change.
        defaults: of the table, as far as the change sets some.

    Raises:
        Trouble: the server refused it, or the connection is lost.
    """
    started = time.perf_counter()
    how = How(limit=SAMPLE, width=_WIDTH)
    source = relation(table, "c")
    sets = new_values(table, change, defaults)
    set_columns = [column for column in table.columns if column.name in sets]
    async with reading(database, how) as (connection, as_of):
        index = await key_index(connection, table, database.facts.version_number)
        layout = Layout(Rows(table, source, frozenset(pair.child.number for pair in edge.pairs)), index, reveal=False)
        new: list[ColumnElement[Any]] = [
            literal_column(sets[column.name]).label(f"n{at}") for at, column in enumerate(set_columns)
        ]
        found = layout.found(literal_column(f"({change.where})", Boolean()), how, *new).subquery("q")
        texts = [printed(found.c[f"n{at}"], value_type(column), _WIDTH) for at, column in enumerate(set_columns)]
        rows = (await connection.execute(layout.printed(found, how, *texts))).all()
    width = len(set_columns)
    page = layout.page([row[: len(row) - width] for row in rows], how, as_of, started)
    if not sets:
        return page, None
    by_name = {column.name: at - width for at, column in enumerate(set_columns)}
    after = [
        tuple(
            shown_value(row[by_name[field.name]], _WIDTH) if field.name in by_name and not field.secret else value
            for field, value in zip(page.fields, values, strict=True)
        )
        for row, values in zip(rows, page.rows, strict=False)
    ]
    return page, replace(page, rows=tuple(after))


async def new_rows(ask: Ask, new: NewRows, come: Incoming, key: frozenset[int]) -> Page:
    """The first rows that would come into a table.

    Args:
        ask: runs a statement.
        new: the rows.
        come: which of them come in.
        key: the numbers of the columns that are referred to.
    """
    started = time.perf_counter()
    fields = tuple(
        Field(column.name, column, key=column.number in key, foreign=False, secret=is_secret(column.name))
        for column in new.columns
    )
    # A secret stays on the server.
    shown = [field.column for field in fields if field.column is not None and not field.secret]
    texts = [
        sql.written(printed(literal_column(f"q.{sql.name(column.name)}"), value_type(column), _WIDTH))
        for column in shown
    ]
    listed = ", ".join((*texts, "extract(epoch FROM clock_timestamp())::float8"))
    rows = await ask(f"SELECT {listed} FROM ({come.kept}) AS q ORDER BY q.{sql.name(come.at)} LIMIT {SAMPLE + 1}")
    values = []
    for row in rows[:SAMPLE]:
        texts_of = iter(row[:-1])
        values.append(tuple(MASKED if field.secret else shown_value(next(texts_of), _WIDTH) for field in fields))
    return Page(
        fields=fields,
        rows=tuple(values),
        more=len(rows) > SAMPLE,
        after=None,
        as_of=datetime.fromtimestamp(rows[0][-1], UTC) if rows else datetime.now(UTC),
        seconds=time.perf_counter() - started,
    )
