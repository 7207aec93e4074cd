"""`NOT EXISTS` with the plan that the server chooses: right for every edge, and what other ways fall back to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import func

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.way import Counting, block_range, by_blocks

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Plan


class Plain(Counting):
    """The predicate as it stands."""

    way: ClassVar[Way] = Way.PLAIN

    def __init__(self, predicate: EdgePredicate, server_version: int) -> None:
        self._predicate = predicate
        self.slicing = by_blocks(server_version)

    def whole(self) -> ColumnElement[int]:
        """`SELECT count(*)` of the orphans."""
        return self._counted()

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do."""
        return True

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The same of these blocks."""
        return self._counted(*block_range(self._predicate.child.name, low, high))

    def _counted(self, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        predicate = self._predicate
        return predicate.from_child(func.count()).where(*conditions, predicate.is_orphan).scalar_subquery()
