"""The offending rows of an edge or of a table, and one row in full."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import literal_column, union_all

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.childless import childless_parents
from fkexplorer.orphans.misfit_rows import comparable, misfit_rows
from fkexplorer.orphans.missing import missing_keys
from fkexplorer.orphans.model import Field
from fkexplorer.orphans.paging import How, Layout, Rows, key_index, predicate_of, read_page, read_row, reading
from fkexplorer.orphans.predicate import relation
from fkexplorer.schema.names import quote, table_label
from fkexplorer.schema.undeclared import without_guesses

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.keyset import Cursor
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Relationship, Schema, Table

__all__ = ["childless_parents", "missing_keys", "orphan_rows", "orphan_rows_of_table", "whole_row"]

VIOLATED = Field("violates", column=None, key=False, foreign=False, secret=False)
"""The computed field of `orphan_rows_of_table`: the names of the constraints that a row violates."""


async def orphan_rows(
    database: Database,
    schema: Schema,
    edge: Relationship,
    *,
    after: Cursor | None = None,
    limit: int = 200,
    width: int | None = 200,
    as_role: bool = False,
    reveal: bool = False,
) -> Page:
    """A page of the child's rows that violate an edge, in the order of the child's key.

    Values are cut on the server. A secret column is not read at all unless asked for, so that its value says nothing,
    not even whether it is NULL; nor does it serve as the key that the page is ordered by and its rows known by.

    Where no operator compares the edge's columns, they are the rows that do not cast, and those that would be orphans
    if all did; a computed field `problem` tells the two apart.

    Args:
        database: where to read.
        schema: the schema that the edge is of.
        edge: the edge.
        after: `Page.after` of the page before; None for the first page.
        limit: rows of a page at most.
        width: characters of a value at most; None for whole values.
        as_role: whether row security may hide rows (and show orphans that are none, where it hides parents). Without
            it, a read that row security would limit is an error.
        reveal: whether secret columns are read.

    Raises:
        Trouble: the server refused it (privilege, row security, time-out, …), or the connection is lost; the columns
            can't be compared, and this server can't tell what casts (code `incomparable`).
    """
    how = How(after, limit, width, as_role, reveal)
    if not comparable(edge):
        return await misfit_rows(database, schema, edge, how)
    predicate = predicate_of(schema, edge)
    rows = Rows(predicate.child_table, predicate.child, frozenset(pair.child.number for pair in edge.pairs))
    return await read_page(database, rows, predicate.is_orphan, how)


async def orphan_rows_of_table(
    database: Database,
    schema: Schema,
    table: Table,
    *,
    after: Cursor | None = None,
    limit: int = 200,
    width: int | None = 200,
    as_role: bool = False,
    reveal: bool = False,
) -> Page:
    """A page of a table's rows that violate any of its edges, with a computed field `violates` that names them.

    An edge whose columns no operator compares is left aside, since nothing can be asked about it, and so is a guess.

    Args:
        database: where to read.
        schema: the schema that the table is of.
        table: the child of the edges.
        after: as for `orphan_rows`, like the others.
        limit: rows of a page at most.
        width: characters of a value at most.
        as_role: whether row security may hide rows.
        reveal: whether secret columns are read.

    Raises:
        Trouble: as `orphan_rows`; code `no_edges` where the table has no edge that can be asked about.
    """
    how = How(after, limit, width, as_role, reveal)
    edges = [edge for edge in without_guesses(schema).edges.values() if edge.child == table.oid and comparable(edge)]
    if not edges:
        raise Trouble(
            f"{table_label(table)} has no foreign key whose rows can be looked for",
            "choose another table",
            code="no_edges",
        )
    foreign = frozenset(pair.child.number for edge in edges for pair in edge.pairs)
    predicates = [predicate_of(schema, edge) for edge in edges]
    started = time.perf_counter()
    async with reading(database, how) as (connection, as_of):
        index = await key_index(connection, table, database.facts.version_number)
        layouts = [
            Layout(Rows(table, predicate.child, foreign, computed=VIOLATED), index, reveal=reveal)
            for predicate in predicates
        ]
        # Each edge's own page first: every row of the page that all edges make together is in one of these.
        found = union_all(
            *(
                layout.found(predicate.is_orphan, how, literal_column(str(at)).label("edge"))
                for at, (layout, predicate) in enumerate(zip(layouts, predicates, strict=True))
            )
        ).subquery("q")
        layout = layouts[0]
        statement = layout.printed(found, how, found.c.edge)
        rows = (await connection.execute(statement.order_by(found.c.edge))).all()
    merged: dict[tuple[str | None, ...], list[Any]] = {}
    for row in rows:
        *values, at = row
        same = merged.setdefault(layout.cursor(row), [*values, ""])
        same[-1] += (", " if same[-1] else "") + quote(edges[at].name)
    return layout.page(list(merged.values()), how, as_of, started)


async def whole_row(
    database: Database,
    schema: Schema,
    table: Table,
    *,
    key: Cursor,
    width: int | None = None,
    as_role: bool = False,
    reveal: bool = False,
) -> Page:
    """One row with its values in full, as a page of one.

    Args:
        database: where to read.
        schema: the schema that the table is of.
        table: the table of the page.
        key: the row's element of `Page.keys`.
        width: characters of a value at most; None for whole values.
        as_role: whether row security may hide the row.
        reveal: whether secret columns are read.

    Raises:
        Trouble: as `orphan_rows`; code `gone` where no row has this key now, `changed` where the table has another key.
    """
    foreign = frozenset(
        pair.child.number for edge in schema.edges.values() if edge.child == table.oid for pair in edge.pairs
    )
    how = How(None, 1, width, as_role, reveal)
    return await read_row(database, Rows(table, relation(table, "c"), foreign), key, how)
