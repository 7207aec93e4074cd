"""Runs a programme item by item: one that fails leaves the others to be done, but for those that need it.

Each item is looked at anew before it runs, in the catalogue as it is then, and does what was confirmed or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from fkexplorer.database.errors import Kind
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.journal import Journal
    from fkexplorer.fixes.model import Advance, Outcome, Preview, Trigger
    from fkexplorer.fixes.parts import RunLimits
    from fkexplorer.fixes.programme import Item, Programme
    from fkexplorer.schema.model import Relationship, Schema


class Came(StrEnum):
    """What came of an item."""

    DONE = "done"
    NOTHING = "nothing to do"
    """Its goal stood already."""
    REMAINING = "done in part"
    """It was done, and something is left all the same."""
    MOVED = "moved"
    """Rows or the catalogue are not as they were when it was confirmed: it changed nothing, or stopped at a batch."""
    FAILED = "failed"
    LEFT_OUT = "left out"
    """One that it needs was not done."""
    STOPPED = "stopped"
    """Somebody stopped the programme before it, or between two of its batches."""


_CAME = {
    Ending.DONE: Came.DONE,
    Ending.REMAINING: Came.REMAINING,
    Ending.STOPPED: Came.STOPPED,
    Ending.MOVED: Came.MOVED,
    Ending.REFUSED: Came.FAILED,
    Ending.UNKNOWN: Came.FAILED,
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one item of a programme."""

    item: int
    """Its position."""
    came: Came
    words: str
    """A line for people: what was done, or why it was not; a missing privilege with what would give it."""
    outcome: Outcome | None = None
    """Of one that ran."""

    @property
    def well(self) -> bool:
        """Whether its goal stands now."""
        return self.came in {Came.DONE, Came.NOTHING}


async def run_programme(
    database: Database,
    programme: Programme,
    fresh: Callable[[], Awaitable[Schema]],
    journal: Journal,
    *,
    consent: frozenset[Trigger] = frozenset(),
    limits: RunLimits | None = None,
    on_progress: Callable[[int, Advance | None], None] = lambda _at, _advance: None,
    on_result: Callable[[Result], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> tuple[Result, ...]:
    """Do what was planned, in its order. Whoever calls this has made sure that a person confirmed it.

    Args:
        database: where.
        programme: what was shown, and confirmed.
        fresh: reads the catalogue with all that is known beside it.
        journal: where each item is written down, as an entry of its own.
        consent: triggers that may change whatever they like.
        limits: of the transactions.
        on_progress: told which item is at hand, and how far it has come.
        on_result: told what came of each item as it ends.
        stop: set to stop it between two transactions.

    Returns:
        What came of each item, in its order.
    """
    results: list[Result] = []
    lost = ""
    for at, item in enumerate(programme.items):
        on_progress(at, None)
        missing = [programme.items[each].title for each in sorted(item.needs) if not results[each].well]
        if lost:
            result = Result(at, Came.LEFT_OUT, lost)
        elif stop is not None and stop.is_set():
            result = Result(at, Came.STOPPED, "nothing of it was done")
        elif missing:
            result = Result(at, Came.LEFT_OUT, f"this was not done before: {missing[0]}")
        else:
            one = _One(database, item, journal, consent, limits, stop)
            try:
                result = await one.run(at, await fresh(), lambda advance, at=at: on_progress(at, advance))  # type: ignore[misc]
            except Trouble as trouble:
                came = Came.MOVED if trouble.code == "moved" else Came.FAILED
                result = Result(at, came, f"{trouble.reason}: {trouble.hint}")
                lost = "the connection is lost" if trouble.code == Kind.LOST.value else ""
        results.append(result)
        on_result(result)
    return tuple(results)


@dataclass(frozen=True, slots=True)
class _One:
    """The run of one item."""

    database: Database
    item: Item
    journal: Journal
    consent: frozenset[Trigger]
    limits: RunLimits | None
    stop: asyncio.Event | None

    async def run(self, at: int, schema: Schema, told: Callable[[Advance], None]) -> Result:
        """Look once more, and do it."""
        edge = await self._edge(schema)
        schema = replace(schema, edges={**schema.edges, edge.oid: edge})
        wanted = self.item.request
        # What other items were to take away is gone by now: nothing of it is left out any more.
        try:
            seen = await preview(self.database, schema, replace(wanted, edge=edge, without=()))
        except Trouble as trouble:
            if trouble.code == Kind.LOST.value or not (reason := await self._refused(schema, edge)):
                raise
            return Result(at, Came.FAILED, reason)
        if seen.nothing_to_do:
            return Result(at, Came.NOTHING, "it is so already")
        if reason := await self._refused(schema, edge):
            return Result(at, Came.FAILED, reason)
        if words := self._other(seen):
            return Result(at, Came.MOVED, f"{words}: nothing of it was done; make the plan again")
        outcome = await run(
            self.database,
            schema,
            seen,
            self.journal,
            consent=self.consent,
            limits=self.limits,
            on_progress=told,
            stop=self.stop,
        )
        return Result(at, _CAME[outcome.ending], outcome.words, outcome)

    async def _refused(self, schema: Schema, edge: Relationship) -> str:
        """What keeps this role from it, and what would permit it; empty for nothing."""
        for choice in await choices(self.database, schema, edge, None):
            if choice.action is self.item.request.action and choice.reason:
                return "; ".join(part for part in (choice.reason, choice.remedy) if part)
        return ""

    async def _edge(self, schema: Schema) -> Relationship:
        """The edge as it is now: a pair may be a constraint by now, and its types may be others."""
        before = self.item.request.edge
        if before.kind is EdgeKind.DECLARED:
            if before.oid not in schema.edges:
                raise Trouble("the constraint is gone", "make the plan again", code="moved")
            return schema.edges[before.oid]
        try:
            child, parent = schema.tables[before.child], schema.tables[before.parent]
            sides = (
                (child, [child.column(pair.child.number) for pair in before.pairs]),
                (parent, [parent.column(pair.parent.number) for pair in before.pairs]),
            )
        except KeyError:
            raise Trouble("a table or a column of it is gone", "make the plan again", code="moved") from None
        return await read_pair(self.database, schema, *sides, incomparable=True)

    def _other(self, seen: Preview) -> str:
        """How it would do anything else than was confirmed; empty where it would not."""
        if self.item.seen is not None:
            if seen.foreseen != self.item.seen.foreseen:
                return (
                    f"it would touch {seen.rows:,} rows in place of {self.item.seen.rows:,}, or others by foreign keys"
                )
            return ""
        if seen.blockers:
            return f"{seen.blockers[0].rows:,} rows have no parent"
        confirmed = [statement for step in self.item.plan.steps for statement in step.statements]
        if [statement for step in seen.plan.steps for statement in step.statements] == confirmed:
            return ""
        return "; ".join(("its statements would be others", *seen.lasting[-1:]))
