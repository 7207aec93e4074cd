"""The keys that orphans name and no parent has, each with the number of rows that name it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, literal_column, select

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.keyset import Ordering, Part, behind, built_in_ordering, index_ordering, value_type
from fkexplorer.orphans.model import Field, Page
from fkexplorer.orphans.paging import MASKED, How, predicate_of, printed, reading, shown_value
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.keyset import Cursor
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.schema.model import ColumnPair, Relationship, Schema

ROWS = Field("rows", column=None, key=False, foreign=False, secret=False)
"""The computed field of `missing_keys`: how many rows name the key."""
_BIGINT = TypeName("pg_catalog", "int8")


async def missing_keys(
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
    """A page of the keys that an edge's orphans name: the edge's columns, and a computed field `rows`.

    Keys that the constraint holds for equal are one (`A` and `a` of citext); with MATCH FULL a key may be NULL in part.
    The keys that most rows name come first, then the lower ones. Where the key holds a secret, the next page is found
    by its number, since a cursor leaves the server: rows written meanwhile may then repeat a key or pass one over.

    Args:
        database: where to read.
        schema: the schema that the edge is of.
        edge: the edge.
        after: `Page.after` of the page before; None for the first page.
        limit: keys of a page at most.
        width: characters of a value at most; None for whole values.
        as_role: whether row security may hide rows on either side.
        reveal: whether secret columns are read.

    Returns:
        The page; its `keys` is empty, since a missing key is no row.

    Raises:
        Trouble: the server refused it (privilege, row security, time-out, …), or the connection is lost.
    """
    started = time.perf_counter()
    how = How(after, limit, width, as_role, reveal)
    asked = _Keys(predicate_of(schema, edge), how)
    statement = asked.statement()
    async with reading(database, how) as (connection, as_of):
        found = (await connection.execute(statement)).all()
    more = len(found) > limit
    found = found[:limit]
    count = len(asked.shown)
    return Page(
        fields=asked.fields,
        rows=tuple(
            (
                *(
                    shown_value(text, width) if shown else MASKED
                    for text, shown in zip(row[:count], asked.shown, strict=True)
                ),
                shown_value(row[count], None),
            )
            for row in found
        ),
        more=more,
        after=asked.cursor(found[-1][count:]) if more else None,
        as_of=as_of,
        seconds=time.perf_counter() - started,
        as_role=as_role,
        order="by the number of rows",
    )


class _Keys:
    """The statement for one page of missing keys."""

    __slots__ = ("_groups", "_how", "_keys", "_parts", "_types", "fields", "shown")

    def __init__(self, predicate: EdgePredicate, how: How) -> None:
        self._how = how
        pairs = predicate.edge.pairs
        secret = [is_secret(pair.child.name) for pair in pairs]
        self.shown = [how.reveal or not each for each in secret]
        self.fields = (
            *(
                Field(pair.child.name, pair.child, key=False, foreign=True, secret=each)
                for pair, each in zip(pairs, secret, strict=True)
            ),
            ROWS,
        )
        self._types = [pair.child_cast or value_type(pair.child) for pair in pairs]
        self._groups = (
            predicate.from_child(
                func.count().label("n"), *(key.label(f"k{at}") for at, key in enumerate(predicate.child_keys))
            )
            .where(predicate.is_orphan)
            .group_by(*predicate.child_keys)
            .subquery("g")
        )
        self._keys: list[ColumnElement[Any]] = [self._groups.c[f"k{at}"] for at in range(len(pairs))]
        self._parts = self._order([_ordering(predicate, pair) for pair in pairs]) if all(self.shown) else None

    def _order(self, orderings: list[Ordering | None]) -> list[Part] | None:
        parts = [Part(self._groups.c.n, built_in_ordering(_BIGINT), descending=True)]
        for key, ordering in zip(self._keys, orderings, strict=True):
            if ordering is None:
                return None
            parts.append(Part(key, ordering, nullable=True))
        return parts

    def statement(self) -> Select[Any]:
        """The keys' texts, the number of rows, and what the cursor is made of: a page's last row, whole."""
        how, parts = self._how, self._parts
        order = [part.order_by() for part in parts] if parts else [self._groups.c.n.desc(), *self._keys]
        ordered = select(self._groups.c.n, *self._keys, func.row_number().over(order_by=order).label("place"))
        offset = 0
        if how.after is not None and parts:
            ordered = ordered.where(behind(parts, how.after))
        elif how.after is not None:
            offset = _offset(how.after)
        found = ordered.order_by(literal_column("place")).limit(how.limit + 1).offset(offset).subquery("q")
        keys = list(zip((found.c[f"k{at}"] for at in range(len(self._keys))), self._types, strict=True))
        texts: list[ColumnElement[Any]] = [
            printed(key, of, how.width) if shown else literal_column("NULL::text")
            for (key, of), shown in zip(keys, self.shown, strict=True)
        ]
        texts.append(printed(found.c.n, _BIGINT))
        if parts:
            last = found.c.place == how.limit
            texts += [case((last, printed(key, of))) for key, of in keys]
        return select(*texts).order_by(found.c.place)

    def cursor(self, last: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Where the next page begins.

        Args:
            last: of the page's last row, the number of rows and what follows it.
        """
        if self._parts:
            return tuple(last)
        before = _offset(self._how.after) if self._how.after is not None else 0
        return (str(before + self._how.limit),)


def _offset(after: Cursor) -> int:
    if len(after) != 1 or after[0] is None or not after[0].isdecimal():
        raise Trouble("these keys were read in another order", "read them again from the start", code="changed")
    return int(after[0])


def _ordering(predicate: EdgePredicate, pair: ColumnPair) -> Ordering | None:
    """How the values that a pair compares are ordered: by an index of either column, or as PostgreSQL's own types are.

    None for a type of an extension that neither has an index for.
    """
    of = pair.child_cast or value_type(pair.child)
    for table, column in ((predicate.parent_table, pair.parent), (predicate.child_table, pair.child)):
        for indexed in (part for index in table.indexes for part in index.columns if part.number == column.number):
            ordering = index_ordering(indexed, column)
            if ordering is not None and ordering.less.left in {of, None}:
                # The groups have the child's collation, or the one that the edge compares with.
                return replace(ordering, type=of, collation=None)
    polymorphic = pair.equals is not None and pair.equals.right is None
    return built_in_ordering(of) if polymorphic or of.schema == "pg_catalog" else None
