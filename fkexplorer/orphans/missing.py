"""The keys that orphans name and no parent has, each with the number of rows that name it."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, literal_column, select

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.cost import candidates
from fkexplorer.orphans.keyset import Ordering, Part, behind, built_in_ordering, index_ordering, value_type
from fkexplorer.orphans.long import LONG_MS
from fkexplorer.orphans.misfit_rows import PROBLEM, TEXT, comparable, misfit_groups
from fkexplorer.orphans.model import Field, Page, Way
from fkexplorer.orphans.paging import MASKED, How, predicate_of, printed, reading, shown_value
from fkexplorer.orphans.ways.keys import ordered_pairs
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.schema.model import Match, TypeName
from fkexplorer.schema.names import quote
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause, Select

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
    The keys that most rows name come first, then the lower ones. Where it would take longer than a second to find all
    of them, and indexes have the keys in order, they come in that order: the first ones are there at once. Where the
    key holds a secret, the next page is found by its number, since a cursor leaves the server: rows written meanwhile
    may then repeat a key or pass one over.

    Where no operator compares the edge's columns, they are the keys that do not cast, and those that would have no
    parent if all did, each spelling by itself; a computed field `problem` tells the two apart.

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
        Trouble: the server refused it (privilege, row security, time-out, …), or the connection is lost; the columns
            can't be compared, and this server can't tell what casts (code `incomparable`).
    """
    started = time.perf_counter()
    how = How(after, limit, width, as_role, reveal)
    asked = _of_orphans(schema, edge, how) if comparable(edge) else _of_misfits(database, schema, edge, how)
    statement = asked.statement()
    async with reading(database, how, planner=Merge.settings if asked.by_key else {}) as (connection, as_of):
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
        after=asked.cursor(found[-1][count + 1 :]) if more else None,
        as_of=as_of,
        seconds=time.perf_counter() - started,
        as_role=as_role,
        order=asked.order,
    )


def _quick_sequence(schema: Schema, edge: Relationship) -> tuple[ColumnPair, ...]:
    """The pairs in the order of indexes that bring missing keys one by one; empty where all are found as soon."""
    if edge.match is Match.FULL and len(edge.pairs) > 1:
        return ()
    ms = {each.way: each.ms for each in candidates(schema, edge)}
    # A page is a part of the merge where there are many missing keys, and all of it where there are few.
    quick = ms[Way.PLAIN] > LONG_MS and ms.get(Way.MERGE, math.inf) < 2 * ms[Way.PLAIN]
    return tuple(ordered.pair for ordered in ordered_pairs(schema, edge)) if quick else ()


def _of_orphans(schema: Schema, edge: Relationship, how: How) -> _Keys:
    predicate = predicate_of(schema, edge)
    groups = (
        predicate.from_child(
            func.count().label("n"), *(key.label(f"k{at}") for at, key in enumerate(predicate.child_keys))
        )
        .where(predicate.is_orphan)
        .group_by(*predicate.child_keys)
    )
    types = [pair.child_cast or value_type(pair.child) for pair in edge.pairs]
    orderings = [_ordering(predicate, pair) for pair in edge.pairs]
    sequence = tuple(edge.pairs.index(pair) for pair in _quick_sequence(schema, edge))
    return _Keys(_fields(edge), groups, types=types, orderings=orderings, how=how, sequence=sequence)


def _of_misfits(database: Database, schema: Schema, edge: Relationship, how: How) -> _Keys:
    fields = (*_fields(edge), PROBLEM)
    groups = misfit_groups(schema, edge, database.facts.version_number)
    return _Keys(fields, groups, types=[TEXT] * len(fields), orderings=[built_in_ordering(TEXT)] * len(fields), how=how)


def _fields(edge: Relationship) -> tuple[Field, ...]:
    columns = (pair.child for pair in edge.pairs)
    return tuple(
        Field(column.name, column, key=False, foreign=True, secret=is_secret(column.name)) for column in columns
    )


class _Keys:
    """The statement for one page of missing keys.

    Args:
        fields: of a key.
        groups: a row for each key: `n` rows that name it, and the values of `fields` as `k0`, ….
        types: what the values are printed as.
        orderings: how they are ordered; None where that is not known.
        how: which page.
        sequence: the places of the fields in whose order they are to come, as far as their values may be shown; else
            the keys that most rows name come first.
    """

    __slots__ = ("_groups", "_how", "_keys", "_parts", "_types", "by_key", "fields", "order", "shown")

    def __init__(
        self,
        fields: tuple[Field, ...],
        groups: Select[Any],
        *,
        types: Sequence[TypeName],
        orderings: Sequence[Ordering | None],
        how: How,
        sequence: tuple[int, ...] = (),
    ) -> None:
        self._how = how
        self.shown = [how.reveal or not field.secret for field in fields]
        self.fields = (*fields, ROWS)
        self._types = types
        self._groups = groups.subquery("g")
        self._keys: list[ColumnElement[Any]] = [self._groups.c[f"k{at}"] for at in range(len(fields))]
        self._parts: dict[str, Part] = {}
        """What they are ordered by, by the names of columns; empty where that is not for a cursor."""
        self.by_key = False
        self.order = "by the number of rows"
        known = [ordering for ordering in orderings if ordering is not None]
        if not all(self.shown) or len(known) < len(fields):
            return
        self.by_key = bool(sequence)
        if self.by_key:
            self._parts = {f"k{at}": Part(self._keys[at], known[at]) for at in sequence}
            self.order = f"by {', '.join(quote(fields[at].name) for at in sequence)}"
        else:
            self._parts = {"n": Part(self._groups.c.n, built_in_ordering(_BIGINT), descending=True)}
            for at, (key, ordering) in enumerate(zip(self._keys, known, strict=True)):
                self._parts[f"k{at}"] = Part(key, ordering, nullable=True)

    def statement(self) -> Select[Any]:
        """The keys' texts, the number of rows, and what the cursor is made of: a page's last row, whole."""
        how, parts = self._how, self._parts
        wanted = select(self._groups.c.n, *self._keys)
        offset = 0
        if how.after is not None and parts:
            wanted = wanted.where(behind(list(parts.values()), how.after))
        elif how.after is not None:
            offset = _offset(how.after)
        # Ordered before they are numbered, so that whoever brings them in that order may stop at the last of the page.
        found = wanted.order_by(*self._order(self._groups)).limit(how.limit + 1).offset(offset).subquery("f")
        place = func.row_number().over(order_by=self._order(found)).label("place")
        placed = select(*found.c, place).subquery("q")
        keys = list(zip((placed.c[f"k{at}"] for at in range(len(self._keys))), self._types, strict=True))
        texts: list[ColumnElement[Any]] = [
            printed(key, of, how.width) if shown else literal_column("NULL::text")
            for (key, of), shown in zip(keys, self.shown, strict=True)
        ]
        texts.append(printed(placed.c.n, _BIGINT))
        last = placed.c.place == how.limit
        texts += [case((last, printed(placed.c[name], part.ordering.type))) for name, part in parts.items()]
        return select(*texts).order_by(placed.c.place)

    def _order(self, groups: FromClause) -> list[ColumnElement[Any]]:
        if not self._parts:
            return [groups.c.n.desc(), *(groups.c[f"k{at}"] for at in range(len(self._keys)))]
        return [part.over(groups.c[name]).order_by() for name, part in self._parts.items()]

    def cursor(self, last: tuple[str | None, ...]) -> tuple[str | None, ...]:
        """Where the next page begins.

        Args:
            last: of the page's last row, what follows the number of rows.
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
