"""`NOT EXISTS` with the plan that the server chooses: right for every edge, and what other ways fall back to.

It is not cut into slices: each would read the whole parent again (67 of them took 5 times as long as the whole, with 3
million rows and a million keys). The join tells on the way how far it has come instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import func, literal_column, or_

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.way import PLACES_SINCE, Counting, Slicing

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Plan


class Plain(Counting):
    """The predicate as it stands."""

    way: ClassVar[Way] = Way.PLAIN

    def __init__(self, predicate: EdgePredicate, server_version: int) -> None:
        self._predicate = predicate
        self.slicing = Slicing.ROWS if server_version >= PLACES_SINCE and not predicate.edge.period else Slicing.NONE

    def whole(self) -> ColumnElement[int]:
        """`SELECT count(*)` of the orphans."""
        predicate = self._predicate
        return predicate.from_child(func.count()).where(predicate.is_orphan).scalar_subquery()

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do."""
        return True

    def marked(self, of: int) -> Select[Any]:
        """The orphans, and some other rows by a hash of their place."""
        predicate = self._predicate
        place = func.pg_catalog.hashtid(literal_column(f"{predicate.child.name}.ctid"))
        mark = place.op("&")(literal_column(str(of - 1))) == literal_column("0")
        return predicate.beside_parent(predicate.is_alone.label("orphan")).where(or_(predicate.is_alone, mark))
