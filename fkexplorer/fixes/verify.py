"""Counts before and after a fix: what is called done is what the database says, not what the statements ought to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.misfits import incomparable
from fkexplorer.fixes.model import NAMED, Ending, Scope
from fkexplorer.fixes.plans import OF_TABLE
from fkexplorer.fixes.sql import literal
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Plan
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema

# to_jsonb: PostgreSQL has the column since 18.
_STATE = """
SELECT NOT k.convalidated AND coalesce((to_jsonb(k)->>'conenforced')::bool, true)
FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = {table} AND k.conname = {name}
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """How an edge stands; None for what could not be counted."""

    count: Count | None
    gap: int | None
    """Rows of a backfill's source without a twin; None too where there is no such source."""
    lacking: tuple[str, ...] = ()
    """Some of their keys, where they were asked for: one more than `NAMED` where there are more."""

    @property
    def orphans(self) -> int | None:
        """The number of orphans, where it is known exactly; of columns that can't be compared, of rows that cast."""
        if self.count is None:
            return None
        return self.count.orphans_if_cast if self.count.orphans is None else self.count.orphans

    @property
    def uncastable(self) -> int:
        """Rows that do not cast, where the columns can't be compared."""
        return (self.count.uncastable or 0) if self.count else 0


async def measure(
    database: Database, schema: Schema, edge: Relationship | None, gap: str = "", keys: str = ""
) -> Measure:
    """Count an edge, and a gap by this query; by the other one name rows that it is of."""
    count, missing = None, None
    lacking: tuple[str, ...] = ()
    try:
        if edge is not None:
            count = await count_edge(database, schema, edge, trust_catalogue=False)
        if gap:
            # Expressions of a backfill are a person's, and run with the role's own search_path.
            [[(path,)]] = await database.glance("SELECT reset_val FROM pg_settings WHERE name = 'search_path'")
            limits = Limits(planner={"search_path": path.replace("'", "''")})
            [[(missing,)]] = await database.glance(gap, limits=limits)
            if missing and keys:
                [rows] = await database.glance(keys, limits=limits)
                lacking = tuple(key for (key,) in rows)
    except (Trouble, psycopg.Error):
        missing = None
    return Measure(count, missing, lacking)


async def may_validate(database: Database, edge: Relationship, measured: Measure) -> bool:
    """Whether no orphan is left, and the constraint waits to be validated (`convalidated`, `conenforced`)."""
    if measured.orphans != 0 or edge.kind is not EdgeKind.DECLARED:
        return False
    try:
        [rows] = await database.glance(_STATE.format(table=edge.child, name=literal(edge.name)))
    except (Trouble, psycopg.Error):
        return False
    return any(waits for (waits,) in rows)


def verdict(plan: Plan, after: Measure) -> tuple[Ending, str]:
    """How a plan whose steps are all committed ended, and in a line why: done is said only where nothing remains."""
    if plan.request.action in OF_TABLE:
        # What each step had to make is there: its standing was asked for. Orphans are no part of it.
        some = _number(after.orphans, "orphan remains", "orphans remain") if after.orphans else ""
        return Ending.DONE, f"done; {some}, for another fix" if some else "done"
    if plan.request.action is FixAction.SYNC_TRIGGER:
        some = _number(after.gap, "row has none", "rows have none") if after.gap else ""
        return Ending.DONE, f"done, for rows that come; of those that are there {some}" if some else "done"
    left = []
    if after.orphans is None:
        reason = after.count.error if after.count else "the connection is lost"
        left.append(f"what remains is not known ({reason})")
    elif after.orphans and plan.request.scope is not Scope.UNCASTABLE:
        left.append(_number(after.orphans, "orphan remains", "orphans remain"))
    if after.uncastable:
        left.append(_number(after.uncastable, "row does not cast", "rows do not cast"))
    if plan.gap and plan.request.action is FixAction.BACKFILL:
        if after.gap is None:
            left.append("the gap could not be counted")
        elif after.gap:
            words = _number(after.gap, "row of the source has no twin", "rows of the source have no twin")
            left.append(words + _named(after.lacking))
    return (Ending.REMAINING, ", ".join(left)) if left else (Ending.DONE, _done(plan, after))


def _done(plan: Plan, after: Measure) -> str:
    if not incomparable(plan.request.edge):
        return "done: no orphan remains"
    some = _number(after.orphans, "row has", "rows have") if after.orphans else "none has"
    return f"done: every value casts now, and of those that do {some} no parent"


def _named(keys: tuple[str, ...]) -> str:
    return f": {'; '.join(keys[:NAMED])}{' and more' if len(keys) > NAMED else ''}" if keys else ""


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
