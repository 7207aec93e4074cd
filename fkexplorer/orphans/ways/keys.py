"""What an edge's keys allow: an order in which they may be counted, indexes that have it, integers.

A way that goes by an order is exact only where the order's own equality is the edge's. That holds for a btree operator
family of which the edge's equality is the equality operator (`pg_amop` strategy 3), with one deterministic collation on
both sides: a nondeterministic one may call texts equal of which an extension's equality (citext) tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.schema.model import SMALL, Match, TypeName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.schema.model import ColumnPair, Index, IndexColumn, PairOrder, Relationship, Schema, Table

_INTEGERS = frozenset(TypeName("pg_catalog", name) for name in ("int2", "int4", "int8"))


@dataclass(frozen=True, slots=True)
class OrderedPair:
    """One pair of an edge's columns with an order that an index of each side has."""

    pair: ColumnPair
    order: PairOrder
    """Compares the child's value with the parent's."""
    child: IndexColumn
    parent: IndexColumn


def ordered_pairs(schema: Schema, edge: Relationship) -> tuple[OrderedPair, ...]:
    """The edge's pairs in the order in which an index of the child and one of the parent have them as leading columns.

    Empty where no such two indexes are, or their order is not proven to be the equality's own. A PERIOD has none: its
    `&&` is no equality. Nor has an edge that is about some rows of its child: the index has all of them.
    """
    if edge.period or edge.only:
        return ()
    children = _leading(schema.child_of(edge), [pair.child.number for pair in edge.pairs])
    parents = _leading(schema.parent_of(edge), [pair.parent.number for pair in edge.pairs])
    for child, parent in product(children, parents):
        found = [ordered for indexed in zip(child, parent, strict=True) if (ordered := _ordered(edge, *indexed))]
        if len(found) == len(edge.pairs):
            return tuple(found)
    return ()


def exact_ways(schema: Schema, edge: Relationship) -> frozenset[Way]:
    """The ways that are proven to be exact for an edge; PLAIN is for all."""
    ways = {Way.PLAIN}
    if ordered := ordered_pairs(schema, edge):
        ways.add(Way.MERGE)
        single = len(ordered) == 1
        # A composite value with a NULL in it `IS NOT NULL` neither way, and yet has its place in the order.
        if any(each.pair.child.category == "C" for each in ordered):
            return frozenset(ways)
        if single or (edge.match is Match.SIMPLE and _of_one_name(ordered)):
            ways.add(Way.GAPS)
        if single:
            ways.add(Way.SKIP)
    if integers(edge):
        ways.add(Way.BITMAP)
        if _unique_alone(schema.parent_of(edge), edge.pairs[0].parent.number):
            ways.add(Way.RANGE)
    return frozenset(ways)


def lone_ways(schema: Schema, edge: Relationship) -> frozenset[LoneWay]:
    """The ways of counting parents without a child that are proven to be exact for an edge; PLAIN is for all."""
    ways = {LoneWay.PLAIN}
    if ordered_pairs(schema, edge):
        ways |= {LoneWay.PROBES, LoneWay.MERGE}
    if integers(edge):
        ways.add(LoneWay.BITMAP)
    return frozenset(ways)


def _of_one_name(ordered: Sequence[OrderedPair]) -> bool:
    """Whether rows can be compared: `ROW(a, b) < ROW(x, y)` looks for one operator's name, for all pairs of columns."""
    return all(
        len({(operator.schema, operator.name) for operator in operators}) == 1
        for operators in ([each.order.less for each in ordered], [each.order.greater for each in ordered])
    )


def _leading(table: Table, numbers: Sequence[int]) -> list[tuple[IndexColumn, ...]]:
    """The leading columns of each btree that holds every row with a whole key, the narrowest first."""

    def serves(index: Index) -> bool:
        whole = not index.partial or index.not_null_predicate in numbers
        return index.method == "btree" and index.valid and whole

    wanted = set(numbers)
    indexes = sorted(filter(serves, table.indexes), key=lambda index: (len(index.columns), index.name))
    leading = [index.columns[: len(numbers)] for index in indexes]
    return [columns for columns in leading if {column.number for column in columns} == wanted]


def _ordered(edge: Relationship, child: IndexColumn, parent: IndexColumn) -> OrderedPair | None:
    for pair in edge.pairs:
        if (pair.child.number, pair.parent.number) != (child.number, parent.number):
            continue
        collations = {pair.child.collation, pair.parent.collation, child.collation, parent.collation}
        collation = pair.parent.collation
        if len(collations) > 1 or (collation is not None and not collation.deterministic):
            continue
        for order in pair.orders:
            if order.family == child.family == parent.family:
                return OrderedPair(pair, order, child, parent)
    return None


def integers(edge: Relationship) -> bool:
    """Whether the key is one column of PostgreSQL's own integers on both sides, compared as such.

    No key of an edge that is about some rows of its child counts as such: the ways that go by integers read all rows.
    """
    return len(edge.pairs) == 1 and not edge.period and edge.only is None and integer_pair(edge.pairs[0])


def integer_pair(pair: ColumnPair) -> bool:
    """Whether both columns of a pair are PostgreSQL's own integers, compared as such."""
    equals = pair.equals
    return (
        equals is not None
        and (equals.schema, equals.name) == ("pg_catalog", "=")
        and {equals.left, equals.right} <= _INTEGERS
    )


def _unique_alone(table: Table, number: int) -> bool:
    """Whether a valid index keeps two rows from having the same value, not NULL, in this column."""
    return any(
        index.unique
        and index.valid
        and [column.number for column in index.columns] == [number]
        and (not index.partial or index.not_null_predicate == number)
        for index in table.indexes
    )


def rows_of(table: Table) -> float:
    """How many rows a table is thought to have; 0 where nothing is known.

    The server's own counter is nearer after a load; but it has twice as many rows as there are where they were written
    just before an ANALYZE, which counts them too.
    """
    analysed, counted = table.estimated_rows or 0.0, float(table.live_rows)
    return counted if counted > 3 * analysed else analysed


_CACHED = 150_000
"""Rows of a parent whose hash table is whole where `work_mem` is 4 MB, as it comes, and as quick as in parts."""
_SET_ASIDE = 20_000_000
"""Rows of a child that make about 1 GB of temporary files."""


def in_batches(schema: Schema, edge: Relationship) -> bool:
    """Whether a hash join is quicker if it is held to parts that stay in the processor's cache."""
    return rows_of(schema.parent_of(edge)) > _CACHED and SMALL < rows_of(schema.child_of(edge)) <= _SET_ASIDE


_FEW_KEYS = 10_000
"""Keys that are compared with each other in some ms."""


def most_words(schema: Schema, edge: Relationship) -> int:
    """By how many words of 64 numbers the parent's keys may be looked up in an index; 0 where it would not be quicker.

    Of the numbers half are keys then at least, as far as is known how many there are.
    """
    parent = schema.parent_of(edge)
    keys = rows_of(parent)
    if not integers(edge) or keys < _FEW_KEYS or parent.partitions:
        return 0
    return round(keys / 32) + 1 if _unique_alone(parent, edge.pairs[0].parent.number) else 0


def distinct_keys(schema: Schema, edge: Relationship) -> float | None:
    """How many different values the first column of the child's key is thought to have; None where nobody knows."""
    statistics = schema.statistics.get((edge.child, edge.pairs[0].child.number))
    if statistics is None:
        return None
    share = statistics.distinct
    return share if share >= 0 else -share * rows_of(schema.child_of(edge))
