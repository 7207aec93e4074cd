"""What all ways of counting have in common: a scalar, settings that force its plan, and slices of it.

A way is exact whatever plan the server chooses: settings and the look at the plan decide how long it takes, and nothing
else. Each slice is a scalar of its own, and the sum over slices that cover everything is the count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import and_, case, cast, false, func, literal_column, or_, select, true

from fkexplorer.orphans.predicate import NamedType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.model import Way
    from fkexplorer.orphans.predicate import EdgePredicate

    Plan = Mapping[str, Any]
    """A node of `EXPLAIN (FORMAT JSON)`."""


@dataclass(frozen=True, slots=True)
class KeyRanges:
    """A count in ranges of the parent's keys."""

    count: Callable[[str | None, str | None], ColumnElement[int]]
    """The orphans whose keys lie between two boundaries (None: no bound there), likewise a scalar."""
    boundaries: Callable[[float, int], Select[Any]]
    """Rows of one text each: some of the parent's keys, evenly among them and in their order, by a sample.

    Of the parent's pages it looks at so many per cent, and brings so many boundaries at most. They are to be given to
    `count`, in the same snapshot; some may be the same.
    """


@dataclass(frozen=True, slots=True)
class BlockRanges:
    """A count in ranges of the child's blocks; where it is partitioned, of each partition's at once."""

    count: Callable[[ColumnElement[int] | int, ColumnElement[int] | int | None], ColumnElement[int]]
    """The orphans in the blocks from the first to before the second (None: to the end), likewise a scalar.

    Both may be columns of a FROM element around it, so that one statement counts many slices.
    """


@dataclass(frozen=True, slots=True)
class MarkedRows:
    """Rows of the child, as a scan or a join brings them: not to be cut, but to be told of on the way."""

    rows: Callable[[int], Select[Any]]
    """Rows of one boolean each: true for each orphan, and false for about one of so many other rows of the child.

    NULL where the way found out that it does not serve.
    """


Cut = KeyRanges | BlockRanges | MarkedRows | None
"""How a count goes in steps; None where it is one statement."""


PLACES_SINCE = 140000
"""The `server_version_num` from which a condition on `ctid` reads no other blocks (TID range scans)."""


def scan_cut(server_version: int, blocks: BlockRanges, rows: MarkedRows) -> Cut:
    """How a way that scans the child is cut."""
    return blocks if server_version >= PLACES_SINCE else rows


class Counting(ABC):
    """One way of counting one edge's orphans."""

    way: ClassVar[Way]
    settings: Mapping[str, str] = MappingProxyType({})
    """To be set in the count's own transaction, before anything else in it."""

    @property
    def cut(self) -> Cut:
        """How it can be cut."""
        return None

    @abstractmethod
    def whole(self) -> ColumnElement[int]:
        """The number of orphans, a scalar subquery; NULL where this way found out that it does not serve."""

    @abstractmethod
    def accepts(self, plan: Plan) -> bool:
        """Whether this plan of a statement with `whole` or a slice is the one that makes the way fast."""


class Scanning(Counting):
    """A way that tests each row of the child against what it knows of the parent, without a join."""

    _predicate: EdgePredicate
    _server_version: int

    @property
    def cut(self) -> Cut:
        """By blocks, where the server reads no others then."""
        return scan_cut(self._server_version, BlockRanges(self.blocks), MarkedRows(self.marked))

    @abstractmethod
    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """See `BlockRanges`."""

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
        """See `MarkedRows`."""
        return marked_rows(self._predicate, [self], of)


def marked_rows(predicate: EdgePredicate, ways: Sequence[Scanning], of: int) -> Select[Any]:
    """`MarkedRows` of several edges of one child, whose predicate that of the first is: a column for each.

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
