"""Whether an edge has any orphan: an exact yes or no, which is there sooner than how many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.limits import Limits
from fkexplorer.orphans.model import First
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, taken_at
from fkexplorer.orphans.ways.explain import plan_of
from fkexplorer.orphans.ways.some import some_as_it_stands, some_gaps, some_of_scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.ways.some import SomeGaps
    from fkexplorer.schema.model import Relationship, Schema

SECONDS = 0.5
"""What takes longer is no early answer: where there is no orphan, to know that takes as long as to count them."""


async def has_orphans(
    database: Database, schema: Schema, edge: Relationship, *, timeout_seconds: float = SECONDS
) -> First | None:
    """Whether an edge has any orphan.

    By the child's index the ends of the parent's keys are looked at first, then the gaps between them. Without an index
    the child is read up to the first orphan.

    Args:
        database: where to look.
        schema: the schema that the edge is of.
        edge: the edge.
        timeout_seconds: the server stops each of at most two statements after this time.

    Returns:
        The answer, of one snapshot; None where the server refused, or it would have taken longer.

    Raises:
        Trouble: the connection is lost (code `lost`) or could not be made again.
    """
    version = database.facts.version_number
    try:
        predicate = EdgePredicate(schema, edge)
        gaps = some_gaps(schema, predicate)
        asked = gaps.any() if gaps else some_of_scan(schema, predicate, version)
        found = None if asked is None else await _ask(database, edge, asked, timeout_seconds, gaps)
        return found or await _ask(database, edge, some_as_it_stands(predicate), timeout_seconds)
    except (DBAPIError, Incomparable):
        return None


async def _ask(
    database: Database,
    edge: Relationship,
    asked: ColumnElement[bool],
    timeout_seconds: float,
    gaps: SomeGaps | None = None,
) -> First | None:
    """The answer; None where the plan is not what makes it quick, or the way does not serve."""
    settings: Mapping[str, str] = gaps.settings if gaps else {}
    limits = Limits(statement_timeout_ms=max(1, round(timeout_seconds * 1000)), planner=settings)
    statement = select(asked.label("any"), *taken_at(database.facts.version_number))
    async with database.read(limits) as connection:
        if gaps and not gaps.accepts(await plan_of(connection, statement)):
            return None
        row = (await connection.execute(statement)).one()
    if row.any is None:
        return None
    return First(edge.oid, row.any, datetime.fromtimestamp(row.as_of, UTC), row.snapshot)
