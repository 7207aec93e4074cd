"""Ways of counting the different keys that the orphans name: the ways of counting orphans of which a group is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import and_, case, func, literal_column, not_, select

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.orphans.ways.way import Counting

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Plan, Scanning


class MissedPlain(Counting):
    """The different keys of `NOT EXISTS` with the plan that the server chooses.

    It can't be cut by blocks: a key may be in any of them.
    """

    way: ClassVar[Way] = Way.PLAIN

    def __init__(self, predicate: EdgePredicate) -> None:
        self._predicate = predicate

    def whole(self) -> ColumnElement[int]:
        """How many different keys there are."""
        return _different(self._predicate, self._predicate.is_orphan)

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do."""
        return True


class MissedScan(MissedPlain):
    """Those of a way that tests each row of the child by itself; NULL where it does not serve."""

    def __init__(self, predicate: EdgePredicate, scanning: Scanning) -> None:
        super().__init__(predicate)
        self._scanning = scanning

    def whole(self) -> ColumnElement[int]:
        """How many different keys there are."""
        scanning = self._scanning
        return case((scanning.serves, _different(self._predicate, and_(scanning.serves, scanning.missing))))


class MissedMerge(Merge):
    """Those of a merge; a key is in one range of keys alone."""

    def keys(self, low: str | None, high: str | None) -> ColumnElement[int]:
        """The different keys from the lower boundary on, to before the upper one."""
        predicate = self._predicate
        found = predicate.has_parent_where(*self._parent_range(low, high))
        return _different(predicate, *self._child_range(low, high), predicate.not_null_condition, not_(found))


def _different(predicate: EdgePredicate, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    keys = predicate.from_child(literal_column("1")).where(*conditions).group_by(*predicate.child_keys).subquery("k")
    return select(func.count()).select_from(keys).scalar_subquery()
