"""One page of rows: a short READ ONLY transaction that brings only what is shown.

The rows are found, ordered and limited first, and their values printed and cut on the server after that: a sort carries
pointers to large values, and a cell of 10 MB never travels.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, literal_column, null, select, text
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.exc import SQLAlchemyError

from fkexplorer.database.connection import DEFAULT, Limits
from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.orphans.keyset import (
    Part,
    behind,
    built_in_ordering,
    index_parts,
    place_parts,
    same_row,
    usable_keys,
    value_type,
)
from fkexplorer.orphans.model import Field, Page, Value
from fkexplorer.orphans.predicate import EdgePredicate, only
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.names import edge_label, quote
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.selectable import FromClause, NamedFromClause

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.keyset import Cursor
    from fkexplorer.schema.model import Column, Index, Relationship, Schema, Table

# How values are printed, so that their text reads back as the same value whatever the role's own settings are: SQL and
# German dates name zones that are read as others (IST), extra_float_digits below 1 rounds. Every interval style reads
# its own text. `printed` counts on bytea as two digits a byte.
_SETTINGS = text("""
SELECT set_config('DateStyle', 'ISO, YMD', true), set_config('extra_float_digits', '1', true),
 set_config('bytea_output', 'hex', true),
 extract(epoch FROM clock_timestamp())::float8 AS as_of
""")
_NOT_VALID_NOT_NULL = text("""
SELECT unnest(k.conkey) FROM pg_catalog.pg_constraint k
WHERE k.conrelid = :table AND k.contype = 'n' AND NOT k.convalidated
""")
_TEXTS = frozenset({TypeName("pg_catalog", "text"), TypeName("pg_catalog", "varchar")})
_BYTES = TypeName("pg_catalog", "bytea")
MASKED = Value(text=None, masked=True)


@dataclass(frozen=True, slots=True)
class How:
    """Which page, and how its values are shown.

    `after` is the `Page.after` of the page before; `limit` is in rows; `width` in characters, None for whole values;
    `as_role` leaves row security on; `reveal` shows secrets.
    """

    after: Cursor | None = None
    limit: int = 200
    width: int | None = 200
    as_role: bool = False
    reveal: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table whose rows are read, under the alias `source`, with what is said of its columns and its order."""

    table: Table
    source: NamedFromClause[Any]
    foreign: frozenset[int]
    """Column numbers of the edge's columns."""
    newest: Column | None = None
    """A date column whose newest values come first, ahead of the key."""
    highest_first: bool = False
    """Whether the key runs downwards."""
    computed: Field | None = None
    """A field that is no column; its value comes last in what the statement brings."""


@asynccontextmanager
async def reading(
    database: Database,
    how: How,
    *,
    planner: Mapping[str, str] | None = None,
    statement_timeout_ms: int = DEFAULT.statement_timeout_ms,
) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
    """A read whose values print so that they read back unchanged, and the server's clock just before it (UTC).

    Args:
        database: where to read.
        how: whether row security stays on.
        planner: settings for a plan.
        statement_timeout_ms: milliseconds that a statement may take.

    Raises:
        Trouble: whatever the server refused, in words.
    """
    try:
        limits = Limits(statement_timeout_ms, row_security=how.as_role, planner=planner or {})
        async with database.read(limits) as connection:
            # Seconds: what a timestamp is read as depends on the DateStyle that the server last reported.
            seconds: float = (await connection.execute(_SETTINGS)).one().as_of
            yield connection, datetime.fromtimestamp(seconds, UTC)
    except SQLAlchemyError as error:
        raise trouble_of(error) from None


def printed(value: ColumnElement[Any], of: TypeName, width: int | None = None) -> ColumnElement[str]:
    """The value as its type's output function prints it, whatever casts to text the type has; NULL for NULL.

    Args:
        value: any expression.
        of: its type, under domains.
        width: characters to bring at most, and one more to tell that there are more; None for all.
    """
    functions = func.pg_catalog
    shown = value
    if of == _BYTES and width is not None:
        # Two digits a byte and `\x` before them: of a large value only the beginning is read.
        shown = functions.substr(value, literal_column("1"), literal_column(str(width // 2)))
    # left() reads only the beginning of a large text, and concat() would copy all of it.
    if of not in _TEXTS:
        shown = functions.concat(shown)
    if width is not None:
        shown = functions.left(shown, literal_column(str(width + 1)))
    return case((value.is_distinct_from(null()), shown))


def shown_value(value: str | None, width: int | None) -> Value:
    """What `printed` brought, cut to its width."""
    if value is None or width is None or len(value) <= width:
        return Value(value)
    return Value(value[:width], cut=True)


def predicate_of(schema: Schema, edge: Relationship) -> EdgePredicate:
    """The edge's predicate over whole tables.

    Raises:
        Trouble: no operator compares the two sides (code `incomparable`).
    """
    if any(pair.equals is None for pair in edge.pairs):
        raise Trouble(
            f"no operator compares the columns of {edge_label(schema, edge)}",
            "give them types that can be compared",
            code="incomparable",
        )
    return EdgePredicate(schema, edge, all_columns=True)


async def key_index(connection: AsyncConnection, table: Table, server_version: int) -> Index | None:
    """The index that orders the table and identifies its rows; None where it has none that the role may use.

    From PostgreSQL 18 a NOT NULL may be NOT VALID (`pg_constraint.contype` n), and its column hold NULLs, which a
    unique index lets repeat; a primary key's may not.
    """
    indexes = usable_keys(table)
    if not indexes or indexes[0].primary or server_version < 180000:
        return indexes[0] if indexes else None
    asked = _NOT_VALID_NOT_NULL.bindparams(bindparam("table", table.oid, OID()))
    doubtful = set((await connection.execute(asked)).scalars())
    return next((index for index in indexes if doubtful.isdisjoint(part.number for part in index.columns)), None)


class Layout:
    """The statement for some rows of a table, and what it brings: the parts of the order, whole, then the fields.

    Raises:
        Trouble: nothing that the role may read tells the rows apart (code `denied`).
    """

    __slots__ = ("_rows", "_shown", "fields", "lead", "order", "parts")

    def __init__(self, rows: Rows, index: Index | None, *, reveal: bool) -> None:
        self._rows = rows
        table, source = rows.table, rows.source
        key = index_parts(table, index, source) if index else place_parts(table, source)
        if rows.highest_first:
            key = tuple(replace(part, descending=True) for part in key)
        ahead = [_newest_first(rows.newest, source)] if rows.newest else []
        self.parts: tuple[Part, ...] = (*ahead, *key)
        self.lead = len(ahead)
        """How many parts come before the key's."""
        self.order = _order_text(rows, index)
        self.fields = _fields(rows, index)
        self._shown = [reveal or not field.secret for field in self.fields]

    def found(self, where: ColumnElement[bool], how: How, *more: ColumnElement[Any]) -> Select[Any]:
        """The rows in order, one more than the page takes: `k0`, … of the order's parts, `v0`, … of the fields."""
        rows = self._rows
        statement = select(
            *(part.value.label(f"k{at}") for at, part in enumerate(self.parts)),
            *(rows.source.c[column.name].label(f"v{at}") for at, column in self._read()),
            *more,
        ).select_from(rows.source)
        statement = only(statement, rows.source, rows.table).where(where)
        if how.after is not None:
            statement = statement.where(behind(self.parts, how.after))
        return statement.order_by(*(part.order_by() for part in self.parts)).limit(how.limit + 1)

    def printed(self, found: FromClause, how: How, *more: ColumnElement[Any]) -> Select[Any]:
        """The rows of a subquery that is made of `found`, in their order, as text."""
        parts = [part.over(found.c[f"k{at}"]) for at, part in enumerate(self.parts)]
        columns: list[ColumnElement[Any]] = [printed(part.value, part.ordering.type) for part in parts]
        columns += [printed(found.c[f"v{at}"], value_type(column), how.width) for at, column in self._read()]
        return select(*columns, *more).select_from(found).order_by(*(part.order_by() for part in parts))

    def values(self, row: Sequence[str | None], how: How) -> tuple[Value, ...]:
        """The fields' values of a row that the statement brought; a computed field's is its last."""
        texts = iter(row[len(self.parts) :])

        def value(field: Field, *, shown: bool) -> Value:
            if field.column is None:
                return Value(row[-1])
            return shown_value(next(texts), how.width) if shown else MASKED

        return tuple(value(field, shown=shown) for field, shown in zip(self.fields, self._shown, strict=True))

    def cursor(self, row: Sequence[str | None]) -> tuple[str | None, ...]:
        """Where the page behind this row begins."""
        return tuple(row[: len(self.parts)])

    def _read(self) -> list[tuple[int, Column]]:
        return [(at, field.column) for at, field in enumerate(self.fields) if self._shown[at] and field.column]

    def page(self, found: Sequence[Sequence[str | None]], how: How, as_of: datetime, started: float) -> Page:
        """What the statement brought, as a page.

        Args:
            found: its rows, the one over the limit too.
            how: as the statement was made.
            as_of: the server's clock.
            started: `time.perf_counter()` before the read.
        """
        more = len(found) > how.limit
        found = found[: how.limit]
        cursors = [self.cursor(row) for row in found]
        return Page(
            fields=self.fields,
            rows=tuple(self.values(row, how) for row in found),
            more=more,
            after=cursors[-1] if more else None,
            as_of=as_of,
            seconds=time.perf_counter() - started,
            as_role=how.as_role,
            keys=tuple(cursor[self.lead :] for cursor in cursors),
            order=self.order,
            left_out=tuple(column.name for column in self._rows.table.columns if not column.may_select),
        )


async def read_page(
    database: Database, rows: Rows, where: ColumnElement[bool], how: How, *computed: ColumnElement[str]
) -> Page:
    """The page of a table's rows for which `where` holds; `computed` is the value of `rows.computed`, if there is one.

    Raises:
        Trouble: the server refused, the connection is lost, or `how.after` is not of this table's key.
    """
    started = time.perf_counter()
    async with reading(database, how) as (connection, as_of):
        index = await key_index(connection, rows.table, database.facts.version_number)
        layout = Layout(rows, index, reveal=how.reveal)
        found_rows = layout.found(where, how, *(value.label("computed") for value in computed)).subquery("q")
        statement = layout.printed(found_rows, how, *(found_rows.c.computed for _ in computed))
        found = (await connection.execute(statement)).all()
    return layout.page(found, how, as_of, started)


async def read_row(database: Database, rows: Rows, key: Cursor, how: How) -> Page:
    """The one row with this key.

    Raises:
        Trouble: as `read_page`; code `gone` where there is no such row now.
    """
    started = time.perf_counter()
    async with reading(database, how) as (connection, as_of):
        index = await key_index(connection, rows.table, database.facts.version_number)
        layout = Layout(rows, index, reveal=how.reveal)
        statement = layout.printed(layout.found(same_row(layout.parts, key), how).subquery("q"), how)
        found = (await connection.execute(statement)).all()
    if not found:
        raise Trouble("the row is gone", "somebody deleted it or changed its key: read the rows again", code="gone")
    return layout.page(found, how, as_of, started)


def _fields(rows: Rows, index: Index | None) -> tuple[Field, ...]:
    """The table's own key, the computed field, the edge's columns, and the others in table order."""
    primary = rows.table.primary_key
    used = tuple(part.number for part in index.columns) if index else ()
    own = primary.columns if primary else used
    columns = [column for column in rows.table.columns if column.may_select]
    key = [column for number in own for column in columns if column.number == number]
    foreign = [column for column in columns if column.number in rows.foreign and column not in key]
    others = [column for column in columns if column not in key and column not in foreign]

    def fields(some: Iterable[Column]) -> Iterator[Field]:
        for column in some:
            yield Field(
                name=column.name,
                column=column,
                key=column.number in own,
                foreign=column.number in rows.foreign,
                secret=is_secret(column.name),
            )

    computed = [rows.computed] if rows.computed else []
    return (*fields(key), *computed, *fields(foreign), *fields(others))


def _newest_first(column: Column, source: NamedFromClause[Any]) -> Part:
    ordering = built_in_ordering(value_type(column))
    return Part(source.c[column.name], ordering, descending=True, nullable=True)


def _order_text(rows: Rows, index: Index | None) -> str:
    if rows.newest:
        return f"newest {quote(rows.newest.name)} first"
    if index is None:
        return "by their place in the table"
    names = ", ".join(quote(rows.table.column(part.number).name) for part in index.columns)
    return f"highest {names} first" if rows.highest_first else f"by {names}"
