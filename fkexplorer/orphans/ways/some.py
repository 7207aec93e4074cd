"""Asks whether there is any orphan: what is quick to look at first, and no further than the first one.

Orphans lie beyond the parent's keys more often than between them, as those of rows that were never copied or of ids
that came from elsewhere; and two looks into an index, at its two ends, tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import case, func, literal_column, select, true

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.predicate import operator
from fkexplorer.orphans.ways.choice import counting
from fkexplorer.orphans.ways.gaps import Gaps
from fkexplorer.orphans.ways.keys import exact_ways, integers, ordered_pairs
from fkexplorer.orphans.ways.way import Scanning

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.schema.model import Schema

_ONE: ColumnElement[int] = literal_column("1")


class SomeGaps(Gaps):
    """Whether a row of the child lies beyond the parent's keys, or between two of them; of one pair of columns."""

    def any(self) -> ColumnElement[bool]:
        """True or false: the two ends first, as CASE comes to its conditions in their order."""
        child = self._predicate.from_child(_ONE)
        without = self._predicate.from_parent(_ONE).where(self._parent_key.value.is_not(None)).exists()
        return case(
            (child.where(self._is_beyond(descending=True)).exists(), true()),
            (child.where(self._is_beyond(descending=False)).exists(), true()),
            (~without, child.where(self._predicate.not_null_condition).exists()),
            else_=self._any_between(),
        )

    def _any_between(self) -> ColumnElement[bool]:
        key = self._parent_key
        keys = self._predicate.from_parent(key.value.label("k")).where(key.value.is_not(None)).subquery("k")
        order_by = key.over(keys.c.k).order_by()
        gaps = select(func.lag(keys.c.k).over(order_by=order_by).label("lo"), keys.c.k.label("hi")).subquery("g")
        order = self._first.order
        inside = self._predicate.from_child(_ONE).where(
            operator(self._child_key, order.greater, gaps.c.lo), operator(self._child_key, order.less, gaps.c.hi)
        )
        # As the value of each gap: as a condition of all it might become a join, which begins by reading the child.
        looked = select(inside.correlate(gaps).exists().label("any")).where(self._has_room(gaps.c.lo, gaps.c.hi))
        found = looked.offset(literal_column("0")).subquery("f")
        return select(_ONE).where(found.c.any).exists()


def some_gaps(schema: Schema, predicate: EdgePredicate) -> SomeGaps | None:
    """By the gaps; None where that is not proven to be exact."""
    edge = predicate.edge
    ordered = ordered_pairs(schema, edge)
    return SomeGaps(predicate, ordered) if Way.GAPS in exact_ways(schema, edge) and len(ordered) == 1 else None


def some_of_scan(schema: Schema, predicate: EdgePredicate, server_version: int) -> ColumnElement[bool] | None:
    """By a scan that ends at the first orphan; NULL where it does not serve, None where the key is no integer."""
    if not integers(predicate.edge):
        return None
    way = counting(Way.BITMAP, schema, predicate, server_version)
    assert isinstance(way, Scanning)  # noqa: S101 - as that one is
    return case((way.serves, predicate.from_child(_ONE).where(way.missing).exists()))


def some_as_it_stands(predicate: EdgePredicate) -> ColumnElement[bool]:
    """By the predicate, as the server likes it."""
    return predicate.from_child(_ONE).where(predicate.is_orphan).exists()
