"""Keyset order: what orders the rows of a table for good, and where the next page begins.

A key is ordered and compared by its index's own operators and collation, each written with its schema: with an empty
search_path a bare `<` on citext would be text's, and pages would overlap. A cursor holds the key's values as the types'
output functions print them, and they come back through the input functions, so that nothing is lost on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, cast, false, literal_column, not_, null, or_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.types import NullType

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.predicate import NamedType, collated, operator
from fkexplorer.schema.model import Operator, TableKind, TypeName
from fkexplorer.schema.names import quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.selectable import NamedFromClause

    from fkexplorer.schema.model import Collation, Column, Index, IndexColumn, Table

    Cursor = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Ordering:
    """How the values of one type are ordered: the three operators of one btree operator class."""

    type: TypeName
    """What a cursor's text is read as."""
    less: Operator
    equal: Operator
    greater: Operator
    collation: Collation | None = None
    """The collation to write; None leaves the value its own."""


@dataclass(frozen=True, slots=True)
class Part:
    """One expression of an order, smallest first unless `descending`; NULLs, if there may be any, come last."""

    value: ColumnElement[Any]
    ordering: Ordering
    descending: bool = False
    nullable: bool = False

    def over(self, value: ColumnElement[Any]) -> Part:
        """The same order over another expression of the same values."""
        return replace(self, value=value)

    @property
    def _compared(self) -> ColumnElement[Any]:
        return collated(self.value, self.ordering.collation) if self.ordering.collation else self.value

    def order_by(self) -> ColumnElement[Any]:
        """The element of ORDER BY."""
        by = self.ordering.greater if self.descending else self.ordering.less
        # Where there are none, as an index read backwards has them: else the planner would sort the table.
        nulls = "FIRST" if self.descending and not self.nullable else "LAST"
        using = custom_op[Any](f"USING OPERATOR({quote(by.schema)}.{by.name}) NULLS {nulls}")
        return UnaryExpression(self._compared, modifier=using)

    def _against(self, by: Operator, text: str) -> ColumnElement[bool]:
        return operator(self._compared, by, read_as(text, self.ordering.type))

    def same(self, text: str | None) -> ColumnElement[bool]:
        """Whether the value is the cursor's."""
        return is_null(self.value) if text is None else self._against(self.ordering.equal, text)

    def beyond(self, text: str | None) -> ColumnElement[bool]:
        """Whether the value comes behind the cursor's."""
        if text is None:
            return false()
        later = self._against(self.ordering.less if self.descending else self.ordering.greater, text)
        return or_(later, is_null(self.value)) if self.nullable else later

    def ahead(self, text: str) -> ColumnElement[bool]:
        """Whether the value comes before the cursor's."""
        return self._against(self.ordering.greater if self.descending else self.ordering.less, text)


def is_null(value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a value is NULL: unlike `IS NULL`, not true of a composite value whose fields are all NULL."""
    return value.is_not_distinct_from(null())


def read_as(text: str, to: TypeName) -> ColumnElement[Any]:
    """A value from its text by the type's input function.

    The parameter has no type of its own: one of type text would be converted by a cast from text where there is one,
    and that may differ from the input function.
    """
    return cast(bindparam(None, text, type_=NullType(), unique=True), NamedType(to.schema, to.name))


def behind(parts: Sequence[Part], cursor: Cursor) -> ColumnElement[bool]:
    """Which rows come behind the cursor, in the order of the parts.

    Raises:
        Trouble: the cursor is of another order.
    """
    check_cursor(parts, cursor)
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for part, text in zip(parts, cursor, strict=True):
        alternatives.append(and_(*equal, part.beyond(text)))
        equal.append(part.same(text))
    condition = or_(*alternatives)
    first = cursor[0]
    if len(parts) > 1 and first is not None and not parts[0].nullable:
        # True of each alternative; the planner makes `>=` of it, and starts its index scan at the cursor.
        condition = and_(not_(parts[0].ahead(first)), condition)
    return condition


def same_row(parts: Sequence[Part], key: Cursor) -> ColumnElement[bool]:
    """Which row has this key.

    Raises:
        Trouble: the key is of another order.
    """
    check_cursor(parts, key)
    return and_(*(part.same(text) for part, text in zip(parts, key, strict=True)))


def check_cursor(parts: Sequence[Part], cursor: Cursor) -> None:
    """Refuse a cursor that these parts did not make.

    Raises:
        Trouble: it has another number of values (code `changed`).
    """
    if len(cursor) != len(parts):
        raise Trouble(
            "the table's key has changed since these rows were read",
            "load the schema and the rows again",
            code="changed",
        )


def usable_keys(table: Table) -> list[Index]:
    """The indexes whose columns tell each row apart and may be shown to the role, the best first.

    A deferrable one will do: whatever is committed is unique. Columns that hold secrets are left alone, since a cursor
    leaves the server; a primary key goes first, then the fewest columns.
    """
    columns = {column.number: column for column in table.columns}

    def usable(index: Index) -> bool:
        return (
            (index.unique or index.primary)
            and index.valid
            and not index.partial
            and all(
                (column := columns.get(part.number)) is not None
                and column.not_null
                and column.may_select
                and not is_secret(column.name)
                and index_ordering(part, column) is not None
                for part in index.columns
            )
        )

    return sorted(filter(usable, table.indexes), key=lambda index: (not index.primary, len(index.columns), index.name))


def index_parts(table: Table, index: Index, source: NamedFromClause[Any]) -> tuple[Part, ...]:
    """The order of the columns of one of the `usable_keys`, read from `source`."""
    parts = []
    for indexed in index.columns:
        column = table.column(indexed.number)
        ordering = index_ordering(indexed, column)
        if ordering is not None:
            parts.append(Part(source.c[column.name], ordering))
    return tuple(parts)


def index_ordering(indexed: IndexColumn, column: Column) -> Ordering | None:
    """How an index orders one of its columns; None where it does not."""
    if indexed.less is None or indexed.equal is None or indexed.greater is None:
        return None
    collation = indexed.collation if indexed.collation != column.collation else None
    return Ordering(value_type(column), indexed.less, indexed.equal, indexed.greater, collation)


def value_type(column: Column) -> TypeName:
    """What a value of the column is read as: under a domain its base type, whose checks a value may not pass."""
    return column.base_type or column.type


def place_parts(table: Table, source: NamedFromClause[Any]) -> tuple[Part, ...]:
    """Order by where a row lies (`ctid`, over partitions `tableoid` first), for a table without a usable key.

    An UPDATE moves a row, so that it may be met twice or not at all while somebody pages.

    Raises:
        Trouble: the role may read single columns alone, and no key among them (code `denied`).
    """
    # Where it may read none at all, the server says so itself.
    if not table.privileges.select and any(column.may_select for column in table.columns):
        label = table_label(table)
        raise Trouble(
            f"none of the columns that this role may read tells the rows of {label} apart",
            f"GRANT SELECT ON {label}, or on the columns of its key, to this role",
            code="denied",
        )
    system = [("tableoid", "oid"), ("ctid", "tid")] if table.kind is TableKind.PARTITIONED else [("ctid", "tid")]
    return tuple(
        Part(literal_column(f"{source.name}.{name}"), built_in_ordering(TypeName("pg_catalog", type_name)))
        for name, type_name in system
    )


def built_in_ordering(of: TypeName) -> Ordering:
    """The order of a type that PostgreSQL brings, or of one (enum, array, range, …) that shares its operators."""
    less, equal, greater = (Operator("pg_catalog", name, None, None) for name in ("<", "=", ">"))
    return Ordering(of, less, equal, greater)
