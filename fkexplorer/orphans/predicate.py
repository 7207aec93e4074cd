"""The orphan predicate, built with SQLAlchemy Core: what PostgreSQL's own check would call a violation.

It follows `RI_Initial_Check` (`ri_triggers.c`): ONLY for each side that is not partitioned, the constraint's own
operator with its schema, casts by `pg_type.typname`, the parent's collation, MATCH SIMPLE and FULL, and for a PERIOD
the union of the parent's ranges. An edge that is about some rows of its child (`Relationship.only`) leaves all others
aside. Counting and paging share these pieces, so that they never disagree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    and_,
    cast,
    column,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import UserDefinedType

from fkexplorer.schema.model import Match, Operator, TableKind, TypeName
from fkexplorer.schema.names import literal, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnClause, ColumnElement, Exists, Label, Select
    from sqlalchemy.sql.compiler import TypeCompiler
    from sqlalchemy.sql.selectable import NamedFromClause

    from fkexplorer.schema.model import Collation, Column, ColumnPair, Condition, Relationship, Schema, Table


class Incomparable(Exception):  # noqa: N818 - a fact about an edge, not a fault
    """No operator compares the two sides of an edge, so there is nothing to ask."""


class NamedType(UserDefinedType[Any]):
    """A type written as `"schema"."typname"`: such a name has no length, so that a cast to it never cuts a value."""

    cache_ok = True

    def __init__(self, schema: str, name: str) -> None:
        self.schema = schema
        self.name = name


@compiles(NamedType)
def _write_type(element: NamedType, compiler: TypeCompiler, **_: object) -> str:
    # The preparer, unlike get_col_spec, doubles a percent sign as the driver needs it.
    preparer = compiler.dialect.identifier_preparer
    return f"{preparer.quote_identifier(element.schema)}.{preparer.quote_identifier(element.name)}"


def relation(
    of: Table, alias: str, columns: Iterable[Column] | None = None, *, percent: float | None = None
) -> NamedFromClause[Any]:
    """The table as a FROM element under an alias; `.c[name]` has the given columns, all of them by default.

    With `percent` it is a sample (`TABLESAMPLE SYSTEM`): each page of the table with that chance, and all its rows.
    """
    wanted = of.columns if columns is None else columns
    named: list[ColumnClause[Any]] = [column(quoted_name(each.name, quote=True)) for each in wanted]
    whole = table(quoted_name(of.name, quote=True), *named, schema=quoted_name(of.schema, quote=True))
    if percent is None:
        return whole.alias(alias)
    return whole.tablesample(func.pg_catalog.system(literal_column(f"{percent:.9f}")), name=alias)


def only(statement: Select[Any], source: NamedFromClause[Any], of: Table) -> Select[Any]:
    """The statement with ONLY before that FROM element, unless its table is partitioned (and has no rows itself).

    Rows of inheritance children are bound by no foreign key of their parent, and do not serve as referenced rows.
    """
    if of.kind is TableKind.PARTITIONED:
        return statement
    return statement.with_hint(source, "ONLY", "postgresql")


def operator(left: ColumnElement[Any], by: Operator, right: ColumnElement[Any]) -> ColumnElement[bool]:
    """`left OPERATOR(schema.name) right`: with an empty search_path a bare `=` on citext would be text's."""
    # An operator's name is made of operator characters alone, so it needs no quotes.
    written = left.op(f"OPERATOR({quote(by.schema)}.{by.name})", is_comparison=True, return_type=Boolean())
    return written(right)


def collated(value: ColumnElement[Any], collation: Collation) -> ColumnElement[Any]:
    """`value COLLATE schema.name`; Core's own `collate` knows no schema."""
    return value.op("COLLATE")(literal_column(f"{quote(collation.schema)}.{quote(collation.name)}"))


class EdgePredicate:
    """The pieces of the statements about one edge, over its child as `c` and its parent as `p`.

    Args:
        schema: where the edge's tables are.
        edge: the edge.
        all_columns: whether `child.c` and `parent.c` have every column of their table, or the edge's own alone
            (which builds faster: a schema may have thousands of edges).
        child: the child as a FROM element `c`, where it is a sample, or is shared with other edges.

    Raises:
        Incomparable: a pair of columns has no operator.
    """

    __slots__ = ("child", "child_keys", "child_table", "edge", "parent", "parent_keys", "parent_table")

    def __init__(
        self,
        schema: Schema,
        edge: Relationship,
        *,
        all_columns: bool = False,
        child: NamedFromClause[Any] | None = None,
    ) -> None:
        self.edge = edge
        self.child_table = schema.child_of(edge)
        self.parent_table = schema.parent_of(edge)
        own = None if all_columns else child_columns(edge)
        self.child = relation(self.child_table, "c", own) if child is None else child
        own = None if all_columns else [pair.parent for pair in edge.pairs]
        self.parent = relation(self.parent_table, "p", own)
        self.child_keys = tuple(self._child_key(pair) for pair in edge.pairs)
        """The child's columns as they are compared, cast and collated: equal ones name the same key."""
        self.parent_keys = tuple(cast_to(self.parent.c[pair.parent.name], pair.parent_cast) for pair in edge.pairs)

    def _child_key(self, pair: ColumnPair) -> ColumnElement[Any]:
        value = cast_to(self.child.c[pair.child.name], pair.child_cast)
        return collated(value, pair.collate) if pair.collate else value

    def from_child(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """`SELECT columns FROM [ONLY] child AS c`."""
        return only(select(*columns).select_from(self.child), self.child, self.child_table)

    def from_parent(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """`SELECT columns FROM [ONLY] parent AS p`."""
        return only(select(*columns).select_from(self.parent), self.parent, self.parent_table)

    @property
    def meant(self) -> list[ColumnElement[bool]]:
        """Which rows of `c` the edge is about, where it is not about all: no condition, or one."""
        only = self.edge.only
        return [] if only is None else [holds(self.child.c[only.column.name], only)]

    @property
    def not_null_condition(self) -> ColumnElement[bool]:
        """Which rows of `c` PostgreSQL checks: no NULL in the key, or with MATCH FULL not all NULL.

        Asked even of NOT NULL columns: from PostgreSQL 18 such a constraint too may be NOT VALID over NULLs.
        """
        return and_(*self.meant, self._present)

    @property
    def _present(self) -> ColumnElement[bool]:
        present = [self.child.c[pair.child.name].is_not(None) for pair in self.edge.pairs]
        return or_(*present) if self.edge.match is Match.FULL else and_(*present)

    @property
    def all_null(self) -> ColumnElement[bool]:
        """Which rows of `c` have no part of the key at all."""
        return and_(*self.meant, *(self.child.c[pair.child.name].is_(None) for pair in self.edge.pairs))

    @property
    def partly_null(self) -> ColumnElement[bool]:
        """Which rows of `c` MATCH SIMPLE lets pass because a part of the key is NULL."""
        without = (self.child.c[pair.child.name].is_(None) for pair in self.edge.pairs)
        return and_(*self.meant, not_(self._present), not_(and_(*without)))

    @property
    def has_parent(self) -> Exists:
        """Which rows of `c` have a row of `p`; for a PERIOD, whose ranges are covered by those of `p` together."""
        return self.has_parent_where()

    def has_parent_where(self, *conditions: ColumnElement[bool], one_by_one: bool = False) -> Exists:
        """The same, with more asked of the row of `p`.

        `one_by_one`: it is looked for anew for each row of `c`, in an index; else the planner may read all of `p`.
        """
        found = self.from_parent(literal_column("1")).where(*conditions, *self._comparisons()).correlate(self.child)
        if one_by_one:
            # With an OFFSET it is neither made a join nor hashed.
            found = found.offset(literal_column("0"))
        if self.edge.period:
            period = self.edge.pairs[-1]
            covered = self.child.c[period.child.name].op("OPERATOR(pg_catalog.<@)", return_type=Boolean())
            found = found.having(covered(func.pg_catalog.range_agg(self.parent.c[period.parent.name])))
        return found.exists()

    @property
    def is_orphan(self) -> ColumnElement[bool]:
        """Which rows of `c` violate the edge."""
        return and_(self.not_null_condition, not_(self.has_parent))

    def beside_parent(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """`SELECT columns FROM child AS c LEFT JOIN parent AS p`: each row of `c` beside its parent.

        Not for a PERIOD.
        """
        joined = self.child.outerjoin(self.parent, and_(*self._comparisons()))
        statement = only(select(*columns).select_from(joined), self.child, self.child_table)
        return only(statement, self.parent, self.parent_table)

    @property
    def is_alone(self) -> ColumnElement[bool]:
        """Of the rows of `beside_parent`, the orphans."""
        # Unlike IS NULL this is not true of a composite value whose fields are all NULL.
        alone = and_(self.not_null_condition, self.parent_keys[0].is_not_distinct_from(null()))
        # Of a row whose column of the condition is NULL it is false, and not NULL.
        return alone.is_(true()) if self.edge.only else alone

    @property
    def has_child(self) -> Exists:
        """Which rows of `p` some row of `c` refers to; for a PERIOD, one whose range overlaps."""
        return self.has_child_where()

    def has_child_where(self, *conditions: ColumnElement[bool]) -> Exists:
        """The same, with more asked of the row of `c`."""
        found = self.from_child(literal_column("1")).where(*conditions, *self.meant, *self._comparisons())
        return found.correlate(self.parent).exists()

    @property
    def is_childless(self) -> ColumnElement[bool]:
        """Which rows of `p` no row of `c` refers to."""
        return not_(self.has_child)

    def _comparisons(self) -> list[ColumnElement[bool]]:
        comparisons = []
        for pair, parent, child in zip(self.edge.pairs, self.parent_keys, self.child_keys, strict=True):
            if pair.equals is None:
                raise Incomparable
            comparisons.append(operator(parent, pair.equals, child))
        return comparisons


def child_columns(edge: Relationship) -> list[Column]:
    """The columns of the child that tell whether a row violates the edge."""
    key = [pair.child for pair in edge.pairs]
    return key if edge.only is None or edge.only.column in key else [*key, edge.only.column]


def holds(value: ColumnElement[Any], only: Condition) -> ColumnElement[bool]:
    """Whether a column has the condition's value.

    Integers are compared as such; all else by its text, so that no value is an error: of an enum it may be none.
    """
    of = only.column.base_type or only.column.type
    of_integers = of in _INTEGERS and _INTEGER.fullmatch(only.value)
    right: ColumnElement[Any] = literal_column(literal(only.value))
    if not of_integers:
        text_type = TypeName("pg_catalog", "text")
        return operator(cast_to(value, text_type), Operator("pg_catalog", "=", None, None), cast_to(right, text_type))
    return operator(value, Operator("pg_catalog", "=", None, None), cast_to(right, TypeName("pg_catalog", "int8")))


_INTEGERS = frozenset(TypeName("pg_catalog", name) for name in ("int2", "int4", "int8"))
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


def cast_to(value: ColumnElement[Any], to: TypeName | None) -> ColumnElement[Any]:
    """The value as that type; as it is where that is None."""
    return value if to is None else cast(value, NamedType(to.schema, to.name))


def taken_at(server_version: int) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The statement's snapshot as text (`snapshot`) and the server's clock when the statement came (`as_of`).

    The clock is in seconds since 1970: psycopg reads a timestamptz in ISO style alone, and a role may have another.

    Args:
        server_version: `server_version_num`; before 13 the function has its old name.
    """
    # As text: of the 0.4 ms that a small count's statement takes to build and compile, these were a fifth.
    function = "pg_current_snapshot" if server_version >= 130000 else "txid_current_snapshot"
    snapshot: ColumnElement[Any] = literal_column(f"CAST(pg_catalog.{function}() AS TEXT)")
    clock: ColumnElement[Any] = literal_column(
        "CAST(EXTRACT(epoch FROM pg_catalog.statement_timestamp()) AS DOUBLE PRECISION)", type_=Double()
    )
    return snapshot.label("snapshot"), clock.label("as_of")


def count_statement(predicate: EdgePredicate, server_version: int, *, childless: bool = False) -> Select[Any]:
    """One row: `orphans`, `childless` (NULL unless asked for), `snapshot`, `as_of`."""
    without = childless_count(predicate) if childless else literal_column("NULL::bigint").label("childless")
    return predicate.from_child(
        func.count().label("orphans"),
        without,
        *taken_at(server_version),
    ).where(predicate.is_orphan)


def totals_statement(predicate: EdgePredicate, server_version: int) -> Select[Any]:
    """One row: `rows`, `nulls`, `unchecked`, `orphans`, `missing_keys`, `childless`, `snapshot`, `as_of`.

    One statement, so that all of them are of one snapshot. The orphans are an anti join in a subquery of their own:
    as a FILTER of the first count they would be a subplan, run once for each row.
    """
    rows = predicate.from_child(*row_totals(predicate)).subquery("t")
    keys = (
        predicate.from_child(func.count().label("rows"))
        .where(predicate.is_orphan)
        .group_by(*predicate.child_keys)
        .subquery("k")
    )
    orphans = select(
        cast(func.coalesce(func.sum(keys.c.rows), literal_column("0")), BigInteger).label("orphans"),
        func.count().label("missing_keys"),
    ).subquery("o")
    return select(*rows.c, *orphans.c, childless_count(predicate), *taken_at(server_version)).select_from(
        rows.join(orphans, true())
    )


def row_totals(predicate: EdgePredicate) -> list[Label[int]]:
    """What a scan of the child tells: `rows`, `nulls`, `unchecked`."""
    rows = func.count().filter(*predicate.meant) if predicate.meant else func.count()
    return [
        rows.label("rows"),
        func.count().filter(predicate.all_null).label("nulls"),
        func.count().filter(predicate.partly_null).label("unchecked"),
    ]


def childless_count(predicate: EdgePredicate) -> ColumnElement[int]:
    """How many parents no child row refers to, as the scalar subquery `childless`."""
    return predicate.from_parent(func.count()).where(predicate.is_childless).scalar_subquery().label("childless")
