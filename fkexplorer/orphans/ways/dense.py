"""Counts integers outside of the parent's range, where it has every key in between.

With an index of the child that is to look into it twice, once the parent is known to be dense: 0.03 us a key. Without
one it is a scan with two comparisons a row, which takes 1.0 to 1.35 times as long as one without; a hash join 7 to 20
times.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Numeric, case, cast, func, literal_column, or_, select

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.way import Scanning, block_range, scans

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Cut, Plan

_BY_INDEX = MappingProxyType({"enable_seqscan": "off", "enable_bitmapscan": "off"})


class Range(Scanning):
    """Rows below the parent's least key or above its greatest; NULL where there are holes in between, or no key.

    Of an edge of integers whose parent has each key once: then there are no holes where there are as many keys as
    integers from the least to the greatest. The same statement counts them, so that it is true of its snapshot.

    Args:
        predicate: of the edge.
        server_version: `server_version_num`.
        indexed: whether an index of the child has its keys in order.
    """

    way: ClassVar[Way] = Way.RANGE

    def __init__(self, predicate: EdgePredicate, server_version: int, *, indexed: bool) -> None:
        self._predicate = predicate
        self._indexed = indexed
        if indexed:
            self.settings = _BY_INDEX
        self._server_version = server_version
        [key] = predicate.parent_keys
        ends = predicate.from_parent(func.min(key).label("least"), func.max(key).label("greatest")).cte()
        # By itself, since the ends are found at once, and looked for in each key the count takes a third longer.
        count = predicate.from_parent(func.count()).where(key.is_not(None)).scalar_subquery()
        # Of the least and the greatest int8 the difference is none.
        numbers = cast(ends.c.greatest, Numeric) - cast(ends.c.least, Numeric) + literal_column("1")
        dense = select((cast(count, Numeric) == numbers).label("dense")).select_from(ends).cte()
        self._dense = select(dense.c.dense).scalar_subquery()
        self._least = select(ends.c.least).scalar_subquery()
        self._greatest = select(ends.c.greatest).scalar_subquery()

    @property
    def cut(self) -> Cut:
        """None where an index is looked into twice, and that is all."""
        return None if self._indexed else super().cut

    @property
    def serves(self) -> ColumnElement[bool]:
        """Whether `missing` is the answer, not true where it isn't."""
        return self._dense

    @property
    def missing(self) -> ColumnElement[bool]:
        """Which rows of the child are outside."""
        return or_(*self._outside())

    def whole(self) -> ColumnElement[int]:
        """The rows outside; NULL where that is not the answer."""
        if not self._indexed:
            return self._counted(self.missing)
        below, above = self._outside()
        return self._counted(below) + self._counted(above)

    def accepts(self, plan: Plan) -> bool:
        """Whether the child is looked into by its index; without one any plan will do, there is no join in it."""
        return not self._indexed or all("Index Cond" in scan for scan in scans(plan) if scan["Alias"].startswith("c"))

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The same of these blocks."""
        return self._counted(*block_range(self._predicate.child.name, low, high), self.missing)

    def _outside(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        [key] = self._predicate.child_keys
        return key < self._least, key > self._greatest

    def _counted(self, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        counted = self._predicate.from_child(func.count()).where(*conditions)
        return case((self.serves, counted.scalar_subquery()))
