"""Ways of counting the parents that no child row refers to: the edge's join, looked at from its other side.

A child of 20 million rows need not be read for 100,000 parents: each of them is looked for in the child's index. What
has no index is read once, for a bitmap of the keys that it names.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import func, literal_column, not_, or_, select, true

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.bitmap import Bitmap
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.orphans.ways.way import BlockRanges, Counting, MarkedRows, block_range, mark, nodes, scan_cut, scans

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.ways.way import Cut, Plan


class LonePlain(Counting):
    """The parents without a child as the predicate says it, with the plan that the server chooses. It can't be cut."""

    way: ClassVar[Way] = Way.PLAIN

    def __init__(self, predicate: EdgePredicate) -> None:
        self._predicate = predicate

    def whole(self) -> ColumnElement[int]:
        """`SELECT count(*)` of the parents without a child."""
        return self._counted()

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do."""
        return True

    def _counted(self, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        predicate = self._predicate
        return predicate.from_parent(func.count()).where(*conditions, predicate.is_childless).scalar_subquery()


class LoneProbes(LonePlain):
    """The same, each parent looked for in the child's index: 2 us a parent, however many children there are.

    Args:
        predicate: of the edge.
        server_version: `server_version_num`.
    """

    settings: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_bitmapscan"), "off")
    )

    def __init__(self, predicate: EdgePredicate, server_version: int) -> None:
        super().__init__(predicate)
        self._server_version = server_version

    @property
    def cut(self) -> Cut:
        """By the parent's blocks, where the server reads no others then."""
        return scan_cut(self._server_version, BlockRanges(self.blocks), MarkedRows(self.marked))

    def accepts(self, plan: Plan) -> bool:
        """Whether each look at the child is one into its index."""
        children = [scan for scan in scans(plan) if scan["Alias"].startswith(self._predicate.child.name)]
        kinds = {node["Node Type"] for node in nodes(plan)}
        return "Nested Loop" in kinds and all("Index Cond" in scan for scan in children)

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The same of these blocks of the parent."""
        return self._counted(*block_range(self._predicate.parent.name, low, high))

    def marked(self, of: int) -> Select[Any]:
        """The parents without a child, and some others."""
        predicate = self._predicate
        # OFFSET keeps the search for a child from being made once for the condition and once for what it brings.
        told = predicate.from_parent(predicate.is_childless.label("lone")).offset(literal_column("0")).subquery("t")
        return select(told.c.lone).where(or_(told.c.lone, mark(of)))


class LoneMerge(Merge):
    """The same as a merge of two index-only scans; it is cut by the parents' keys."""

    def keys(self, low: str | None, high: str | None) -> ColumnElement[int]:
        """The parents from one boundary to before the other; those without a key are in the first slice."""
        predicate = self._predicate
        found = predicate.has_child_where(*self._child_range(low, high))
        counted = predicate.from_parent(func.count())
        slice_ = counted.where(*self._parent_range(low, high), not_(found)).scalar_subquery()
        if low is not None or high is None:
            return slice_
        return slice_ + counted.where(self._parent_key.value.is_(None)).scalar_subquery()


class LoneBitmap(Bitmap):
    """The parents whose bit is not set in a bitmap of the keys that the child names; of an edge of integers.

    Where the child names no key, or such as lie too far apart, it does not serve.
    """

    def __init__(self, predicate: EdgePredicate, server_version: int) -> None:
        super().__init__(_Reversed(predicate), server_version)

    @property
    def missing(self) -> ColumnElement[bool]:
        """Which parents have no bit; one without a key has none."""
        return self._unset(true())


class _Reversed(EdgePredicate):
    """The two sides of an edge, each in the other's place: for what tests one by what it knows of the other."""

    __slots__ = ()

    def __init__(self, of: EdgePredicate) -> None:
        self.edge = of.edge
        self.child, self.parent = of.parent, of.child
        self.child_keys, self.parent_keys = of.parent_keys, of.child_keys
        self.child_table, self.parent_table = of.parent_table, of.child_table
