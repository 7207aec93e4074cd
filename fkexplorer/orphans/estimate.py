"""How many orphans an edge has at least and at most, by a sample of its child's pages: a first look at what takes long.

Rows of one page resemble each other, so that the page is what is drawn, not the row. Of each number t from 1 on, the
sample says how many pages with t orphans or more it has; the drawing of pages is binomial, so that this bounds how many
such pages there are in all, and the sum over all t bounds the orphans (the limits that auditors name after Stringer).
That needs no assumption of how orphans lie, and where the sample has none it still says that up to 3 pages in as many
as were drawn may be full of them.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.limits import Limits
from fkexplorer.orphans.model import Estimate
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, relation, taken_at
from fkexplorer.orphans.sizes import pages_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

PAGES = 300
"""Pages that are drawn at least: a first look of some 0.1 s, and an upper bound of 1.1 % where it finds nothing."""
_MOST_PAGES = 2000
_SHARE = 0.001
"""Of the child's pages, those that are drawn, between these two."""
_TINY = 4
"""Times as many pages as are drawn: a child with fewer is counted as soon as it is sampled."""
_LIMITS = Limits(statement_timeout_ms=3000)
"""A look that takes longer, on a disk that is slow to find 30,000 parents, is no quick look."""
_ABOVE, _BELOW = 0.04, 0.01
"""The chances that the truth lies above the upper bound and below the lower one: 95 % that it lies between.

The upper one is what people look at, since of few orphans the sample says little more than that."""
_Z_ABOVE, _Z_BELOW = NormalDist().inv_cdf(1 - _ABOVE), NormalDist().inv_cdf(1 - _BELOW)


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
            sample = relation(schema.child_of(edge), "c", [pair.child for pair in edge.pairs], percent=share * 100)
            statement = _statement(EdgePredicate(schema, edge, child=sample), database.facts.version_number)
            found = (await connection.execute(statement)).all()
    except (DBAPIError, Incomparable):
        return None
    drawn = [Drawn(row.rows, row.orphans) for row in found]
    rows = sum(page.rows for page in drawn)
    if not rows:
        return None
    low, high = bounds(drawn, share, total)
    return Estimate(
        edge=edge.oid,
        likely=min(high, round(sum(page.orphans for page in drawn) / share)),
        low=low,
        high=high,
        rows=round(rows / share),
        sampled=rows,
        as_of=datetime.fromtimestamp(found[0].as_of, UTC),
        seconds=time.perf_counter() - started,
    )


def _statement(predicate: EdgePredicate, server_version: int) -> Select[tuple[int, int, str, float]]:
    """One row for each page that has rows: `rows`, `orphans`, and as of when."""
    # A page's number is in the row's ctid, which no cast brings to numbers before PostgreSQL 18 but that of a point.
    page: ColumnElement[float] = literal_column("(c.ctid::pg_catalog.text::pg_catalog.point)[0]")
    return predicate.from_child(
        func.count().label("rows"),
        func.count().filter(predicate.is_orphan).label("orphans"),
        *taken_at(server_version),
    ).group_by(literal_column("c.tableoid"), page)


def bounds(drawn: Iterable[Drawn], share: float, pages: int) -> tuple[int, int]:
    """The least and the greatest number of orphans that go with a sample, each page of which was drawn by that chance.

    Args:
        drawn: the pages that were drawn and have rows.
        share: the chance of each page to be drawn, above 0.
        pages: how many there are in all.

    Returns:
        Bounds between which the true number lies with at least 95 %, as long as no page that was not drawn has more
        rows than each that was. The upper one is at least 1.
    """
    drawn = list(drawn)
    with_orphans = Counter(page.orphans for page in drawn)
    low = high = 0.0
    seen = 0
    for orphans in range(max((page.rows for page in drawn), default=0), 0, -1):
        seen += with_orphans[orphans]
        high += min(pages, _at_most(seen) / share)
        low += min(pages, max(seen, _at_least(seen) / share))
    return math.floor(low), max(1, math.ceil(high))


def _at_most(seen: int) -> float:
    """The mean of a Poisson distribution that brings `seen` or less in 4 % of all cases (Wilson and Hilferty)."""
    if not seen:
        return -math.log(_ABOVE)
    more = seen + 1
    return float(more * (1 - 1 / (9 * more) + _Z_ABOVE / (3 * math.sqrt(more))) ** 3)


def _at_least(seen: int) -> float:
    """The mean that brings `seen` or more in 1 % of all cases."""
    if not seen:
        return 0.0
    return float(seen * max(0.0, 1 - 1 / (9 * seen) - _Z_BELOW / (3 * math.sqrt(seen))) ** 3)
