"""`NOT EXISTS` with the plan that the server chooses: right for every edge, and what other ways fall back to.

It is not cut into slices: each would read the whole parent again (67 of them took 5 times as long as the whole, with 3
million rows and a million keys). The join tells on the way how far it has come instead. With a PERIOD there is no join:
each row of the child looks for its parents by itself, so that any blocks of it are a slice.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import func, or_

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.way import BlockRanges, Counting, MarkedRows, block_range, mark

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Cut, Plan

# Of 4 million uuids against 1 million: 0.9 s, with 4 MB 2.2 to 3.1 s, with 64 MB and no files at all 4 s.
_IN_BATCHES = MappingProxyType({"work_mem": "512kB"})


class Plain(Counting):
    """The predicate as it stands.

    Args:
        predicate: of the edge.
        server_version: `server_version_num`.
        in_batches: whether a hash join is to work through parts of the parent one after the other, each of which stays
            in the processor's cache. What it sets aside meanwhile goes to temporary files.
    """

    way: ClassVar[Way] = Way.PLAIN

    def __init__(self, predicate: EdgePredicate, *, in_batches: bool = False) -> None:
        self._predicate = predicate
        if in_batches:
            self.settings = _IN_BATCHES

    @property
    def cut(self) -> Cut:
        """By rows; a PERIOD by blocks, as it is of servers that read no others then (`PLACES_SINCE`)."""
        return BlockRanges(self.blocks) if self._predicate.edge.period else MarkedRows(self.marked)

    def whole(self) -> ColumnElement[int]:
        """`SELECT count(*)` of the orphans."""
        return self._counted()

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do."""
        return True

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The orphans in these blocks."""
        return self._counted(*block_range(self._predicate.child.name, low, high))

    def marked(self, of: int) -> Select[Any]:
        """The orphans, and some other rows."""
        predicate = self._predicate
        return predicate.beside_parent(predicate.is_alone.label("orphan")).where(or_(predicate.is_alone, mark(of)))

    def _counted(self, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        predicate = self._predicate
        return predicate.from_child(func.count()).where(*conditions, predicate.is_orphan).scalar_subquery()
