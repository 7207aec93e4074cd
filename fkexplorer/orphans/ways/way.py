"""What all ways of counting have in common: a scalar, settings that force its plan, and slices of it.

A way is exact whatever plan the server chooses: settings and the look at the plan decide how long it takes, and nothing
else. Each slice is a scalar of its own, and the sum over slices that cover everything is the count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import and_, case, cast, false, func, literal_column, or_, select, true

from fkexplorer.orphans.predicate import NamedType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.model import Way
    from fkexplorer.orphans.predicate import EdgePredicate

    Plan = Mapping[str, Any]
    """A node of `EXPLAIN (FORMAT JSON)`."""


class Slicing(Enum):
    """By what a count can be cut into slices."""

    NONE = "none"
    KEYS = "keys"
    """Ranges of the parent's keys."""
    BLOCKS = "blocks"
    """Ranges of the child's blocks; where it is partitioned, of each partition's at once."""
    ROWS = "rows"
    """Rows of the child, as a scan or a join brings them: not to be cut, but to be told of on the way."""


PLACES_SINCE = 140000
"""The `server_version_num` from which a condition on `ctid` reads no other blocks (TID range scans)."""


def by_blocks(server_version: int) -> Slicing:
    """How a way that scans the child is cut."""
    return Slicing.BLOCKS if server_version >= PLACES_SINCE else Slicing.ROWS


class Counting(ABC):
    """One way of counting one edge's orphans."""

    way: ClassVar[Way]
    settings: Mapping[str, str] = MappingProxyType({})
    """To be set in the count's own transaction, before anything else in it."""
    slicing: Slicing

    @abstractmethod
    def whole(self) -> ColumnElement[int]:
        """The number of orphans, a scalar subquery; NULL where this way found out that it does not serve."""

    @abstractmethod
    def accepts(self, plan: Plan) -> bool:
        """Whether this plan of a statement with `whole` or a slice is the one that makes the way fast."""

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The orphans in the child's blocks from `low` to before `high` (None: to the end), likewise.

        Both may be columns of a FROM element around it, so that one statement counts many slices.
        """
        raise NotImplementedError

    def keys(self, low: str | None, high: str | None) -> ColumnElement[int]:
        """The orphans whose keys lie between two boundaries (None: no bound there), likewise."""
        raise NotImplementedError

    def boundaries(self, percent: float, most: int) -> Select[Any]:
        """Rows of one text each: so many of the parent's keys, evenly among them and in their order, by a sample.

        They are to be given to `keys`, in the same snapshot; some may be the same.

        Args:
            percent: of the parent's pages, those that are looked at.
            most: the number of boundaries.
        """
        raise NotImplementedError

    def marked(self, of: int) -> Select[Any]:
        """Rows of one boolean each: true for each orphan, and false for about one of so many other rows of the child.

        NULL where this way found out that it does not serve.
        """
        raise NotImplementedError


class Scanning(Counting):
    """A way that tests each row of the child against what it knows of the parent, without a join."""

    _predicate: EdgePredicate

    @property
    @abstractmethod
    def serves(self) -> ColumnElement[bool]:
        """Whether `missing` is the answer, not true where it isn't."""

    @property
    @abstractmethod
    def missing(self) -> ColumnElement[bool]:
        """Which rows of the child have no parent."""

    def of_column(self, predicate: EdgePredicate) -> Self:
        """The same for an edge of another column with the same parent: in one statement both know it from one look."""
        other = copy(self)
        other._predicate = predicate  # noqa: SLF001 - one of its own kind
        return other

    def marked(self, of: int) -> Select[Any]:
        """One column; see `marked_rows`."""
        return marked_rows(self._predicate, [self], of)


def marked_rows(predicate: EdgePredicate, ways: Sequence[Scanning], of: int) -> Select[Any]:
    """`marked` of several edges of one child, whose predicate that of the first is: a column for each.

    There is one row at least, so that a way that does not serve says so of an empty child too.
    """
    missing = [and_(way.serves, way.missing) for way in ways]
    rows = (
        predicate.from_child(*(each.label(f"n{at}") for at, each in enumerate(missing)))
        .where(or_(*missing, mark(of)))
        .subquery("t")
    )
    first = select(literal_column("1").label("one")).subquery("f")
    flags = (case((way.serves, func.coalesce(rows.c[f"n{at}"], false()))) for at, way in enumerate(ways))
    return select(*flags).select_from(first.outerjoin(rows, true()))


def mark(of: int) -> ColumnElement[bool]:
    """True of about one row in so many: enough to tell how far a scan is, and no more than that."""
    return func.pg_catalog.random() < literal_column(repr(1 / of))


def nodes(plan: Plan) -> Iterator[Plan]:
    """A plan's node and all below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def scans(plan: Plan) -> list[Plan]:
    """The nodes that read a table or an index of it."""
    return [node for node in nodes(plan) if "Relation Name" in node]


def block_range(
    source: str, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None
) -> list[ColumnElement[bool]]:
    """Which rows of the FROM element lie in those blocks."""
    place: ColumnElement[Any] = literal_column(f"{source}.ctid")
    conditions: list[ColumnElement[bool]] = [place.op("OPERATOR(pg_catalog.>=)", is_comparison=True)(_first_of(low))]
    if high is not None:
        conditions.append(place.op("OPERATOR(pg_catalog.<)", is_comparison=True)(_first_of(high)))
    return conditions


def _first_of(block: ColumnElement[int] | int) -> ColumnElement[Any]:
    tid = NamedType("pg_catalog", "tid")
    if isinstance(block, int):
        return cast(literal_column(f"'({block},0)'"), tid)
    return cast(func.pg_catalog.concat(literal_column("'('"), block, literal_column("',0)'")), tid)
