"""How the orphans of each edge went in this session: when they appeared, how many in the last minute, a course to draw.

An edge is known here by its pair of columns, so that its history goes on when its constraint is replaced.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Bound

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship

Pair = tuple[int, tuple[int, ...], int, tuple[int, ...], tuple[int, str] | None]
"""The child's OID and column numbers, the parent's OID and column numbers; where it is about some rows of the child
only, the column and the value that tell them."""

KEPT = 100
"""Changes that are kept of each edge, 140 bytes each: were all of 4,000 edges to change that often, 56 MB."""


def pair_of(edge: Relationship) -> Pair:
    """What an edge's history is kept by."""
    children, parents = zip(*((pair.child.number, pair.parent.number) for pair in edge.pairs), strict=True)
    only = (edge.only.column.number, edge.only.value) if edge.only else None
    return edge.child, children, edge.parent, parents, only


@dataclass(frozen=True, slots=True)
class Point:
    """From `at` on there were so many orphans, as far as they were counted."""

    at: datetime
    """The server's clock at the count's snapshot."""
    orphans: int


@dataclass(slots=True)
class Course:
    """The course of one edge's orphans."""

    points: deque[Point] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Each change, oldest first."""
    counted: int = 0
    """Counts that had a number."""
    appeared: datetime | None = None
    """When a count last found more than the one before it; None if none did."""

    def orphans_at(self, when: datetime) -> int | None:
        """How many were known at that time; None before the first count."""
        known: int | None = None
        for point in self.points:
            if point.at > when:
                break
            known = point.orphans
        return known

    def grown(self, seconds: float, now: datetime) -> int:
        """By how many they grew (or, below 0, shrank) in the last seconds; since the first count if that is later."""
        if not self.points:
            return 0
        before = self.orphans_at(now - timedelta(seconds=seconds))
        return self.points[-1].orphans - (self.points[0].orphans if before is None else before)

    def series(self, cells: int, seconds: float, now: datetime) -> list[int | None]:
        """The course over the last seconds in that many equal steps, the last one ending now.

        Each is the greatest number known in its step; None before the first count.
        """
        step = timedelta(seconds=seconds / cells)
        begin = now - step * cells
        found = [self.orphans_at(begin + step * (cell + 1)) for cell in range(cells)]
        for point in self.points:
            if begin < point.at <= now:
                # An end of a step that is a point's own time belongs to that step, not to the next.
                cell = max(0, -((begin - point.at) // step) - 1)
                found[cell] = max(point.orphans, found[cell] or 0)
        return found


class History:
    """The courses of all edges; it outlives connections and schemas, for as long as one program runs."""

    def __init__(self) -> None:
        self._courses: dict[Pair, Course] = {}

    def note(self, edge: Relationship, count: Count) -> None:
        """Take a count into its edge's course; one without an exact number leaves no trace."""
        if count.orphans is None or count.bound is not Bound.EXACT:
            return
        course = self._courses.setdefault(pair_of(edge), Course())
        course.counted += 1
        last = course.points[-1].orphans if course.points else None
        if last == count.orphans:
            return
        course.points.append(Point(count.as_of, count.orphans))
        if last is not None and count.orphans > last:
            course.appeared = count.as_of

    def of(self, edge: Relationship) -> Course | None:
        """The course of an edge; None before its first count."""
        return self._courses.get(pair_of(edge))
