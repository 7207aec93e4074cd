"""Counts an edge that takes long: in slices of one snapshot where its way can be cut, and at once where it can't."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from fkexplorer.orphans.predicate import childless_count, taken_at
from fkexplorer.orphans.slices import Unfit, count_in_slices
from fkexplorer.orphans.ways.way import Slicing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.orphans.attempts import Attempt
    from fkexplorer.orphans.course import Course
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.slices import Pace
    from fkexplorer.orphans.watchdog import Watch

LONG_MS = 1000.0
"""What should take longer is counted here: a snapshot and a look at sizes cost it three ways there and back."""


async def count_long(
    connection: AsyncConnection,
    tries: Sequence[Attempt],
    predicate: EdgePredicate,
    *,
    childless: bool,
    server_version: int,
    course: Course,
    pace: Pace,
    watch: Watch,
) -> tuple[Mapping[str, Any], Attempt]:
    """Count an edge's orphans in the transaction's snapshot.

    Args:
        connection: in a transaction with one snapshot, with the settings of the first attempt.
        tries: what to try in turn, of the orphans alone.
        predicate: of the edge.
        childless: whether to count the parents without a child too.
        server_version: `server_version_num`.
        course: is told how far it is, and what was found.
        pace: what it may take.
        watch: who says whether others are at work.

    Returns:
        The columns of `count_statement`, and what brought them.

    Raises:
        CutShort: it came to a limit; `course` has what was found until then.
        DBAPIError: the server refused or stopped it.
    """
    taken = (await connection.execute(select(*taken_at(server_version)))).one()
    course.begin(datetime.fromtimestamp(taken.as_of, UTC), taken.snapshot)
    orphans, attempt = await count_orphans(connection, tries, predicate, course=course, pace=pace, watch=watch)
    row = {"orphans": orphans, "childless": None, "snapshot": taken.snapshot, "as_of": taken.as_of}
    if childless:
        await tries[-1].replace(attempt, connection)
        row["childless"] = (await connection.execute(select(childless_count(predicate)))).scalar_one()
    return row, attempt


async def count_orphans(
    connection: AsyncConnection,
    tries: Sequence[Attempt],
    predicate: EdgePredicate,
    *,
    course: Course,
    pace: Pace,
    watch: Watch,
) -> tuple[int, Attempt]:
    """The orphans alone, and what brought them; see `count_long`."""
    tables = predicate.child_table, predicate.parent_table
    before = tries[0]
    for attempt in tries:
        if attempt is not before:
            await attempt.replace(before, connection)
            before = attempt
        if attempt.counting.slicing is Slicing.NONE:
            row = await attempt.run(connection)
            if row is not None:
                return row["orphans"], attempt
            continue
        with suppress(Unfit):
            found = await count_in_slices(connection, attempt.counting, tables, course=course, pace=pace, watch=watch)
            return found, attempt
    raise AssertionError("the predicate as it stands always gives a number")
