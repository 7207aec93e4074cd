"""Some rows of each place where a key was found: their values as a page of rows has them, secrets left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects import postgresql

from fkexplorer.orphans.keyset import usable_keys
from fkexplorer.orphans.paging import How, Layout, Rows
from fkexplorer.orphans.predicate import relation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.diagnosis.model import Key
    from fkexplorer.diagnosis.trace_targets import Target
    from fkexplorer.schema.model import Index, Schema, Table

ROWS = 3
"""Rows of a place at most."""
WIDTH = 80
"""Characters of a value at most."""
_TEXT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


def layout_of(schema: Schema, table: Table, doubtful: frozenset[str]) -> Layout:
    """What is read of the rows of a table, and how they are known again.

    Args:
        schema: the catalogue.
        table: the table.
        doubtful: columns whose NOT NULL is not valid, as `oid.number`.

    Raises:
        Trouble: nothing that the role may read tells the rows apart (code `denied`).
    """
    foreign = frozenset(
        pair.child.number for edge in schema.edges.values() if edge.child == table.oid for pair in edge.pairs
    )
    return Layout(Rows(table, relation(table, "c"), foreign), _key(table, doubtful), reveal=False)


def _key(table: Table, doubtful: frozenset[str]) -> Index | None:
    """The index by whose columns a page knows the rows of this table (`paging.key_index`)."""
    for index in usable_keys(table):
        if index.primary or doubtful.isdisjoint(f"{table.oid}.{part.number}" for part in index.columns):
            return index
    return None


def sample_statement(target: Target, layout: Layout) -> str:
    """One row: `rows`, the texts of each row's key and fields."""
    how = How(limit=ROWS - 1, width=WIDTH)
    found = layout.found(literal_column(target.condition), how).order_by(None).subquery("q")
    printed = layout.printed(found, how).subquery("p")
    statement = select(func.pg_catalog.array_agg(postgresql.array(list(printed.c))).label("rows")).select_from(printed)
    return str(statement.compile(dialect=_TEXT, compile_kwargs={"literal_binds": True}))


def shown(layout: Layout, rows: list[list[str | None]]) -> tuple[tuple[Mapping[str, str | None], ...], tuple[Key, ...]]:
    """The rows by column, secrets left out, and the key of each."""
    how = How(width=WIDTH)
    sample = []
    for row in rows:
        values = zip(layout.fields, layout.values(row, how), strict=True)
        sample.append(
            {
                each.name: None if value.text is None else value.text + ("…" if value.cut else "")
                for each, value in values
                if not value.masked
            }
        )
    return tuple(sample), tuple(layout.cursor(row) for row in rows)
