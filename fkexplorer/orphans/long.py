"""Counts an edge that takes long: in slices of one snapshot where its way can be cut, and at once where it can't.

What else is wanted of it follows step by step, in the same snapshot: its rows, the keys that are missing, the parents
without a child. Each tells how far it is; a statement that can't be cut has no measure of that, and none is told.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, true

from fkexplorer.orphans.predicate import row_totals, taken_at
from fkexplorer.orphans.slices import Unfit, by_blocks, count_in_slices, run_pieces
from fkexplorer.orphans.ways.explain import plan_of
from fkexplorer.orphans.ways.way import PLACES_SINCE, BlockRanges, block_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, FromClause, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.orphans.attempts import Attempt
    from fkexplorer.orphans.course import Course
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.slices import Pace
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.schema.model import Table

LONG_MS = 1000.0
"""What should take longer is counted here: a snapshot and a look at sizes cost it three ways there and back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be counted of an edge, and what to try in turn for each; none of what is not wanted.

    The orphans' last attempt is the predicate as it stands, with the settings that all else is to run with.
    """

    orphans: Sequence[Attempt]
    missing_keys: Sequence[Attempt] = ()
    """With them the rows, the NULLs and the unchecked ones."""
    childless: Sequence[Attempt] = ()


async def count_long(
    connection: AsyncConnection,
    wanted: Wanted,
    predicate: EdgePredicate,
    *,
    server_version: int,
    course: Course,
    pace: Pace,
    watch: Watch,
) -> tuple[Mapping[str, Any], Attempt]:
    """Count an edge's orphans in the transaction's snapshot, and what else is wanted.

    Args:
        connection: in a transaction with one snapshot, with the settings of the first attempt.
        wanted: what to count, and how.
        predicate: of the edge.
        server_version: `server_version_num`.
        course: is told how far it is, and what was found; as soon as the orphans are known, `known` has them.
        pace: what it may take.
        watch: who says whether others are at work.

    Returns:
        The columns of `count_statement`, or of `totals_statement`, and what brought the orphans.

    Raises:
        CutShort: it came to a limit; `course` has what was found until then.
        DBAPIError: the server refused or stopped it.
    """
    steps = _Steps(connection, course, pace, watch)
    taken = (await connection.execute(select(*taken_at(server_version)))).one()
    last = not (wanted.missing_keys or wanted.childless)
    course.begin(datetime.fromtimestamp(taken.as_of, UTC), taken.snapshot, last=last)
    child, parent = predicate.child_table, predicate.parent_table
    orphans, attempt = await steps.count(wanted.orphans, (child, parent))
    row = {"orphans": orphans, "childless": None, "snapshot": taken.snapshot, "as_of": taken.as_of}
    course.known = row, attempt.counting.way
    bare, before = wanted.orphans[-1], attempt
    if wanted.missing_keys:
        await bare.replace(before, connection)
        course.begin_step("rows and NULLs", last=False)
        row = row | await steps.count_rows(predicate, server_version)
        before = bare
        if orphans:
            await wanted.missing_keys[0].replace(before, connection)
            course.begin_step("missing keys", last=not wanted.childless)
            row["missing_keys"], before = await steps.count(wanted.missing_keys, (child, parent))
    if wanted.childless:
        await wanted.childless[0].replace(before, connection)
        course.begin_step("parents without a child", last=True)
        row["childless"], _ = await steps.count(wanted.childless, (parent, child))
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
    return await _Steps(connection, course, pace, watch).count(tries, tables)


@dataclass(frozen=True, slots=True)
class _Steps:
    """What counts one thing after the other in a transaction."""

    connection: AsyncConnection
    course: Course
    pace: Pace
    watch: Watch

    async def count(self, tries: Sequence[Attempt], tables: tuple[Table, Table]) -> tuple[int, Attempt]:
        """The number that the first attempt brings which serves, and that attempt.

        The transaction has the settings of the first one. What is counted are rows of the first table.
        """
        connection, before = self.connection, tries[0]
        for attempt in tries:
            if attempt is not before:
                await attempt.replace(before, connection)
                before = attempt
            way = attempt.counting
            if way.cut is None:
                if (row := await self._whole(attempt)) is not None:
                    return row["orphans"], attempt
                continue
            # The plan of a cursor over blocks says little: each of its rows is a statement of its own.
            if isinstance(way.cut, BlockRanges) and way.settings:
                plan = await plan_of(connection, select(way.whole()))
                if not way.accepts(plan):
                    continue
            with suppress(Unfit):
                found = await count_in_slices(
                    connection, way, tables, course=self.course, pace=self.pace, watch=self.watch
                )
                return found, attempt
        raise AssertionError("the predicate as it stands always gives a number")

    async def _whole(self, attempt: Attempt) -> Mapping[str, Any] | None:
        self._unmeasured()
        began = self.pace.statement_began = time.perf_counter()
        row = await attempt.run(self.connection)
        self.pace.worked += time.perf_counter() - began
        return row

    def _unmeasured(self) -> None:
        self.course.passed(0, 0, "", self.course.found)
        self.course.report()

    async def count_rows(self, predicate: EdgePredicate, server_version: int) -> dict[str, int]:
        """`rows`, `nulls` and `unchecked`: one scan of the child, of which no index is asked."""
        names = [column.name for column in row_totals(predicate)]
        if server_version < PLACES_SINCE:
            self._unmeasured()
            self.pace.statement_began = time.perf_counter()
            row = (await self.connection.execute(predicate.from_child(*row_totals(predicate)))).one()
            return dict(zip(names, row, strict=True))

        def counts(numbers: FromClause, low: ColumnElement[int], high: ColumnElement[int]) -> Select[Any]:
            conditions = block_range(predicate.child.name, low, high)
            rows = predicate.from_child(*row_totals(predicate)).where(*conditions).lateral("t")
            return select(*rows.c).select_from(numbers.join(rows, true()))

        pieces = by_blocks(self.connection, predicate.child_table, counts)
        found = await run_pieces(pieces, [self.course], numbers=len(names), pace=self.pace, watch=self.watch)
        return {name: number or 0 for name, number in zip(names, found, strict=True)}
