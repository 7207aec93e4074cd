"""What deleting rows would do by foreign keys, by reading alone: the closure of a fix's preview, within limits.

A first look follows few rows and no large table without an index, so that there is an answer soon; where that was not
all, a second one follows more. What neither could look at is told as such, hop by hop.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from fkexplorer.database.errors import Kind, translate, trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.asking import clock
from fkexplorer.diagnosis.impact_model import Impact, Stop
from fkexplorer.diagnosis.impact_tree import Tree
from fkexplorer.fixes import sql
from fkexplorer.fixes.closure import follow
from fkexplorer.fixes.guard import user_triggers
from fkexplorer.fixes.model import Change, Verb
from fkexplorer.fixes.rows import marked_rows
from fkexplorer.orphans.paging import key_index
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.fixes.model import Effect, Trigger
    from fkexplorer.fixes.reach import Reach
    from fkexplorer.schema.model import Schema, Table

SECONDS = 20.0
"""What it may take: somebody waits for it, and can stop it."""
ROWS = 100_000
"""Rows that are followed at most, which takes some two seconds: how many more there are changes little."""
_FIRST_SECONDS, _FIRST_ROWS, _FIRST_BYTES = 2.0, 1_000, 16 << 20
_STOPS = {Kind.TIMED_OUT: Stop.TIME, Kind.LOCK: Stop.LOCK}
_PRINTING = {"DateStyle": "ISO, YMD"}
"""Values read as those of a page print, whatever the role's own settings are."""


async def impact(
    database: Database,
    schema: Schema,
    table: Table,
    keys: Sequence[Key],
    *,
    max_bytes: int,
    max_rows: int = ROWS,
    seconds: float = SECONDS,
    told: Callable[[Impact], object] | None = None,
) -> Impact:
    """What a DELETE of the rows with these keys would do.

    Args:
        database: where to read.
        schema: the catalogue.
        table: the table of the rows.
        keys: what identifies them, as `Page.keys` has it: the values of the primary key (else of another unique one)
            as text; of a table without any, their place.
        max_bytes: a child without an index for its key is read up to this size.
        max_rows: rows that are followed at most.
        seconds: what all of it may take.
        told: hears of the first look, where it was not enough, before the second one begins.

    Raises:
        Trouble: a key has not as many values as identify a row, or a value is none of its type (`usage`); the table
            itself cannot be read (`denied`, `row_security`); the connection is lost.
    """
    if not (table.privileges.usage and table.privileges.select):
        raise Trouble(f"no SELECT on {table_label(table)}", "grant it, or connect as a role that has it", code="denied")
    try:
        async with database.read() as connection:
            index = await key_index(connection, table, database.facts.version_number)
        names = [quote(table.column(part.number).name) for part in index.columns] if index else []
        if index and any(len(key) != len(names) for key in keys):
            raise Trouble(
                f"a row of {table_label(table)} is told by {', '.join(names)}",
                "give a value for each; those of several columns are a line of CSV",
                code="usage",
            )
        where = marked_rows(table, keys, index)
        change = Change(Verb.DELETE, table.oid, f"DELETE FROM {sql.source(table, 'c')}", where)
        return await _Looking(database, schema, change, tuple(keys), max_rows, max_bytes, seconds).look(told)
    except (psycopg.Error, SQLAlchemyError) as error:
        # Class 22, data exception: the text is no value of the type.
        if (translate(error).sqlstate or "").startswith("22"):
            raise Trouble(translate(error).reason, f"the key of {table_label(table)} is meant", code="usage") from None
        raise trouble_of(error) from None


@dataclass(frozen=True, slots=True)
class _Looking:
    """One look on its way."""

    database: Database
    schema: Schema
    change: Change
    keys: tuple[Key, ...]
    max_rows: int
    max_bytes: int
    seconds: float

    async def look(self, told: Callable[[Impact], object] | None) -> Impact:
        """The best that can be said within the limits."""
        started = time.perf_counter()
        begun = await clock(self.database)
        reach = (await follow(self._asking(_FIRST_SECONDS), self.schema, self.change)).reach
        last = self.max_rows, self.max_bytes
        skips = self._skipped(reach, self.max_bytes)
        best, stop = self._impact(Tree(reach, skips, "time ran out"), begun, 0.0), None
        for most, size in dict.fromkeys([(min(_FIRST_ROWS, last[0]), min(_FIRST_BYTES, last[1])), last]):
            first = (most, size) != last
            left = self.seconds - (time.perf_counter() - started)
            skipped = self._skipped(reach, size)
            try:
                tree = await self._followed(reach, most, skipped, min(left, _FIRST_SECONDS) if first else left)
            except psycopg.Error as error:
                stop = _STOPS.get(translate(error).kind)
                if stop is None:
                    raise
                continue
            stop = Stop.ROWS if tree.cut else None
            best = replace(self._impact(tree, begun, time.perf_counter() - started), stop=stop)
            if not tree.cut and skipped.keys() == skips.keys():
                break
            if first and told is not None:
                told(best)
        triggers = await self._triggers(best.effects)
        return replace(best, stop=stop, triggers=triggers, seconds=time.perf_counter() - started)

    def _impact(self, tree: Tree, begun: datetime, seconds: float) -> Impact:
        return Impact(
            table=self.change.table,
            keys=self.keys,
            rows=tree.rows,
            verdict=tree.verdict,
            hops=tree.hops,
            effects=tree.effects,
            blockers=tree.blockers,
            complete=tree.complete,
            stop=None,
            at=begun,
            seconds=seconds,
            max_rows=self.max_rows,
        )

    def _skipped(self, reach: Reach, size: int) -> dict[int, str]:
        """The edges that are not followed, each with the reason; without an index they are up to a size in bytes."""
        found = {}
        for edge in reach.edges:
            child = self.schema.child_of(edge)
            if not (child.privileges.usage and child.privileges.select):
                found[edge.oid] = "privilege missing"
            elif child.row_security_active:
                found[edge.oid] = "row security hides rows"
            elif any(pair.equals is None for pair in edge.pairs):
                found[edge.oid] = "types can't be compared"
            elif edge.index is None and child.likely_bytes > self.max_bytes:
                found[edge.oid] = "no index, over the limit"
            elif edge.index is None and child.likely_bytes > size:
                found[edge.oid] = "not in the time there was"
        return found

    async def _followed(self, reach: Reach, most: int, skipped: Mapping[int, str], seconds: float) -> Tree:
        """One look, without the edges that are skipped."""
        kept = {oid: edge for oid, edge in self.schema.edges.items() if oid not in skipped}
        # With sequential scans a large table may be read whole, for all that it has an index.
        large = any(self.schema.child_of(edge).likely_bytes > _FIRST_BYTES for edge in reach.edges)
        ask = self._asking(seconds, {"enable_seqscan": "off"} if large else {})
        closure = await follow(ask, replace(self.schema, edges=kept), self.change, most=most)
        return Tree(reach, skipped, "what leads to it was not counted", closure, await ask(closure.counts))

    def _asking(
        self, seconds: float, planner: Mapping[str, str] = _PRINTING
    ) -> Callable[[str], Awaitable[list[tuple[Any, ...]]]]:
        limits = Limits(
            statement_timeout_ms=max(1, round(seconds * 1000)), lock_timeout_ms=1_000, planner={**_PRINTING, **planner}
        )

        async def ask(statement: str) -> list[tuple[Any, ...]]:
            return (await self.database.glance(statement, limits=limits))[0]

        return ask

    async def _triggers(self, effects: Sequence[Effect]) -> tuple[Trigger, ...]:
        verbs: dict[int, set[Verb]] = defaultdict(set)
        for each in effects:
            verbs[each.table] |= {Verb.DELETE} if each.deleted else set()
            verbs[each.table] |= {Verb.UPDATE} if each.updated + each.more_updates else set()
        return await user_triggers(self._asking(_FIRST_SECONDS), verbs)
