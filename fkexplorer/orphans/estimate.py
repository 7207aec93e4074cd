"""How many orphans an edge has at least and at most, by a sample of its child's pages: a first look at what takes long.

Rows of one page resemble each other, so that the page is what is drawn, not the row. Of each number t from 1 on, the
sample says how many pages with t orphans or more it has; the drawing of pages is binomial, so that this bounds how many
such pages there are in all, and the sum over all t bounds the orphans (the limits that auditors name after Stringer).
That needs no assumption of how orphans lie, and where the sample has none it still says that up to 3 pages in as many
as were drawn may be full of them.

To look for the parents of all rows of 300 pages takes 0.1 s where there are millions. So of each page only some rows
are looked at, each by chance: what is bounded first are the orphans among such rows of all pages, and from that
all orphans, which is binomial too. Where no orphan is seen the upper bound is much the same.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, not_
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.limits import Limits
from fkexplorer.orphans.model import Estimate
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, child_columns, relation, taken_at
from fkexplorer.orphans.sizes import pages_of
from fkexplorer.orphans.ways.keys import rows_of
from fkexplorer.orphans.ways.way import mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

PAGES = 300
"""Pages that are drawn at least: a first look of some 10 ms, and an upper bound of 1.2 % where it finds nothing."""
_MOST_PAGES = 2000
_SHARE = 0.001
"""Of the child's pages, those that are drawn, between these two."""
_ROWS = 4000
"""Rows of the sample whose parents are looked for at least, where it has so many: some 10 ms."""
_TINY = 4
"""Times as many pages as are drawn: a child with fewer is counted as soon as it is sampled."""
_LIMITS = Limits(statement_timeout_ms=3000)
"""A look that takes longer, on a disk that is slow to find 30,000 parents, is no quick look."""
_ABOVE, _BELOW = 0.04, 0.01
"""The chances that the truth lies above the upper bound and below the lower one: 95 % that it lies between.

The upper one is what people look at, since of few orphans the sample says little more than that."""
_MARKING = 0.25
"""The part of each of them that is left to the marking of rows."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page of the sample: its rows, and those of them that are orphans."""

    rows: int
    orphans: int


async def estimate_edge(
    database: Database, schema: Schema, edge: Relationship, *, pages: int = PAGES
) -> Estimate | None:
    """Estimate the orphans of an edge from some of its child's pages.

    Args:
        database: where to look.
        schema: the schema that the edge is of.
        edge: the edge.
        pages: how many pages to draw at least, on average.

    Returns:
        The estimate, of one snapshot; None where the child is so small that it is counted as fast, where the server
        refused, or where it took longer than three seconds.

    Raises:
        Trouble: the connection is lost (code `lost`) or could not be made again.
    """
    started = time.perf_counter()
    try:
        async with database.read(_LIMITS, snapshot=True) as connection:
            total = sum(await pages_of(connection, schema.child_of(edge)))
            if total < _TINY * pages:
                return None
            share = min(max(pages, total * _SHARE), _MOST_PAGES) / total
            sample = relation(schema.child_of(edge), "c", child_columns(edge), percent=share * 100)
            version = database.facts.version_number
            of = _one_of(share * rows_of(schema.child_of(edge)))
            indexed = _has_index(schema, edge)
            predicate = EdgePredicate(schema, edge, child=sample)
            found = (await connection.execute(_statement(predicate, version, of, indexed=indexed))).all()
    except (DBAPIError, Incomparable):
        return None
    drawn = [Drawn(row.rows, row.orphans) for row in found]
    rows = sum(page.rows for page in drawn)
    if not rows:
        return None
    low, high = bounds(drawn, share, total, of)
    return Estimate(
        edge=edge.oid,
        likely=min(high, round(of * sum(page.orphans for page in drawn) / share)),
        low=low,
        high=high,
        rows=round(of * rows / share),
        sampled=rows,
        as_of=datetime.fromtimestamp(found[0].as_of, UTC),
        seconds=time.perf_counter() - started,
    )


def _one_of(rows: float) -> int:
    """Of how many of these rows to look at one: a power of 2."""
    return 1 << max(0, math.floor(math.log2(max(1.0, rows / _ROWS))))


def _has_index(schema: Schema, edge: Relationship) -> bool:
    """Whether the parents can be looked up by a unique index, as those of every foreign key can."""
    wanted = {pair.parent.number for pair in edge.pairs}
    unique = [index for index in schema.parent_of(edge).indexes if index.unique and index.valid and not index.partial]
    casts = any(pair.parent_cast for pair in edge.pairs)
    return not (casts or edge.period) and any({each.number for each in index.columns} == wanted for index in unique)


def _statement(
    predicate: EdgePredicate, server_version: int, of: int, *, indexed: bool
) -> Select[tuple[int, int, str, float]]:
    """One row for each page that has rows with the mark: `rows`, `orphans`, and as of when."""
    found = predicate.has_parent_where(one_by_one=indexed)
    # A page's number is in the row's ctid, which no cast brings to numbers before PostgreSQL 18 but that of a point.
    page: ColumnElement[float] = literal_column("(c.ctid::pg_catalog.text::pg_catalog.point)[0]")
    statement = predicate.from_child(
        func.count().label("rows"),
        func.count().filter(predicate.not_null_condition, not_(found)).label("orphans"),
        *taken_at(server_version),
    ).group_by(literal_column("c.tableoid"), page)
    return statement.where(mark(of)) if of > 1 else statement


def bounds(drawn: Iterable[Drawn], share: float, pages: int, of: int = 1) -> tuple[int, int]:
    """The least and the greatest number of orphans that go with a sample, each page of which was drawn by that chance.

    Args:
        drawn: the pages that were drawn and have rows.
        share: the chance of each page to be drawn, above 0.
        pages: how many there are in all.
        of: of how many rows of a page one was looked at, on average.

    Returns:
        Bounds between which the true number lies with at least 95 %, as long as no page that was not drawn has more
        rows than each that was. The upper one is at least 1.
    """
    drawn = list(drawn)
    above, below = (_ABOVE, _BELOW) if of == 1 else ((1 - _MARKING) * _ABOVE, (1 - _MARKING) * _BELOW)
    with_orphans = Counter(page.orphans for page in drawn)
    low = high = 0.0
    seen = 0
    for orphans in range(max((page.rows for page in drawn), default=0), 0, -1):
        seen += with_orphans[orphans]
        high += min(pages, _at_most(seen, above) / share)
        low += min(pages, max(seen, _at_least(seen, below) / share))
    if of > 1:
        # What was seen is there, whatever is the chance that it had the mark.
        seen_in_all = sum(page.orphans for page in drawn)
        low = max(seen_in_all, of * _at_least(math.floor(low), _MARKING * _BELOW))
        high = of * _at_most(math.ceil(high), _MARKING * _ABOVE)
    return math.floor(low), max(1, math.ceil(high))


def _at_most(seen: int, chance: float) -> float:
    """The mean of a Poisson distribution that brings `seen` or less by that chance (Wilson and Hilferty)."""
    if not seen:
        return -math.log(chance)
    more = seen + 1
    return float(more * (1 - 1 / (9 * more) + _quantile(chance) / (3 * math.sqrt(more))) ** 3)


def _at_least(seen: int, chance: float) -> float:
    """The mean that brings `seen` or more by that chance."""
    if not seen:
        return 0.0
    return float(seen * max(0.0, 1 - 1 / (9 * seen) - _quantile(chance) / (3 * math.sqrt(seen))) ** 3)


@cache
def _quantile(chance: float) -> float:
    return NormalDist().inv_cdf(1 - chance)
