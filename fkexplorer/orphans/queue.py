"""The queue of counts: what somebody waits for first, then what is suspicious or cheap, on two lanes.

One lane counts small edges, many at once in a pipeline, and larger ones when there are none; the other lane counts
larger ones, each alone or with others that one scan of their child serves. Everything here runs on the event loop of
`run`; nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING

from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Count, Status
from fkexplorer.orphans.outcome import without_number
from fkexplorer.orphans.pipeline import WINDOW, WINDOW_MS, Pipeline
from fkexplorer.orphans.shared import count_together, together
from fkexplorer.orphans.turns import Prices, Turn, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Progress
    from fkexplorer.schema.model import Schema

BACKGROUND_SECONDS = 30.0
ON_DEMAND_SECONDS = 600.0
"""Somebody waits for it and can stop it, so the server may take longer than in the background."""
_LONG_MS = 1000.0
_FAR_MS = 25.0
"""A way there and back that takes as long as half of a window's work."""
_BUSY_SECONDS = 10.0
"""While small counts keep coming, their lane takes none that would keep them waiting for longer than a second."""


class CountQueue:
    """Counts edges until it is cancelled, and tells each result by a callback on the event loop.

    Args:
        database: counts are taken there; at most two of its connections are used.
        schema: where the edges are.
        max_bytes: an edge whose tables together are estimated to be larger waits until somebody asks for it.
        full: whether to count rows, NULLs, missing keys and childless parents too.
        deep: whether no index is trusted.
        eager: whether long counts never rest.
        connections: counts that run at once, 1 or 2; a pipeline is one.
        on_start: called with an edge's OID when its count begins.
        on_count: called with each result. A count that is in flight when the connection is lost, or when `run` is
            cancelled, has none.
        on_progress: called with how far a count has come that takes longer than a second.
    """

    def __init__(
        self,
        database: Database,
        schema: Schema,
        *,
        max_bytes: int = 1 << 30,
        full: bool = False,
        deep: bool = False,
        eager: bool = False,
        connections: int = 2,
        on_start: Callable[[int], None],
        on_count: Callable[[Count], None],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._database = database
        self._schema = schema
        self._full = full
        self._deep = deep
        self._eager = eager
        self._connections = min(2, max(1, connections))
        self._on_start = on_start
        self._on_count = on_count
        self._on_progress = on_progress
        self._pipeline = Pipeline(database, schema)
        self._prices = Prices(schema, max_bytes)
        self._waiting: dict[int, Wanted] = {}
        self._running: dict[int, asyncio.Task[list[Count]] | None] = {}
        """Edges that are counted now: alone or in one scan with others, or (None) in a pipeline."""
        self._dropped: set[int] = set()
        """Edges that were stopped while others are counted with them: what still comes of them is not told."""
        self._stopping: set[int] = set()
        self._counted: set[int] = set()
        self._calls = 0
        self._small_at = float("-inf")
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failure: BaseException | None = None

    @property
    def pending(self) -> int:
        """How many edges wait for their turn."""
        return len(self._waiting)

    @property
    def running(self) -> frozenset[int]:
        """The edges that are being counted now."""
        return frozenset(self._running) - self._dropped

    def add_all(self, edges: Iterable[int] | None = None) -> None:
        """Queue these edges, by default every one of the schema; those that cost too much are `skipped` at once.

        An edge that already waits or runs does so for this as well. An OID that the schema does not have is passed
        over: it may have been read again meanwhile.
        """
        given = self._schema.edges if edges is None else dict.fromkeys(edges)
        known = [oid for oid in given if oid in self._schema.edges]
        self.want(filter(self.affordable, known), Turn.DUE)
        for oid in known:
            if not self.affordable(oid) and oid not in self._waiting and oid not in self.running:
                self._on_count(self._without_number(oid, Status.SKIPPED, self._prices.why_skipped(oid)))

    def add(self, edges: Iterable[int], *, full: bool = False) -> None:
        """Queue these edges ahead of all that wait, in this order, since somebody asked for them.

        The cost limit does not apply, nor the privileges as the catalogue told them.

        Args:
            edges: the OIDs; one that already runs is left alone, one that the schema does not have passed over.
            full: whether to count rows, NULLs, missing keys and childless parents of these too.
        """
        self.want([oid for oid in dict.fromkeys(edges) if oid in self._schema.edges], Turn.ASKED, full=full)

    def watch(self, edges: Iterable[int]) -> None:
        """Those of these edges that wait go ahead of what nobody asked for: somebody looks at them."""
        self.want([oid for oid in edges if oid in self._waiting], Turn.WATCHED)

    def want(self, edges: Iterable[int], turn: Turn, *, full: bool = False) -> None:
        """Queue these edges, that the schema has, or move them up if they wait already."""
        self._calls += 1
        for number, oid in enumerate(edges):
            if oid in self._running and oid not in self._dropped:
                continue
            order = (-self._calls, number) if turn < Turn.DUE else (self._prices.score(oid),)
            wanted = Wanted(turn, order, full)
            if (before := self._waiting.get(oid)) is not None:
                ahead = min(before, wanted)
                wanted = Wanted(ahead.turn, ahead.order, full or before.full)
            self._waiting[oid] = wanted
            if oid in self._counted and self._is_small(oid):
                self._small_at = time.monotonic()
        if self._waiting:
            self._idle.clear()
            self._wake.set()

    def affordable(self, edge: int) -> bool:
        """Whether the edge is there and within the cost limit."""
        return self._prices.affordable(edge)

    def has(self, edge: int) -> bool:
        """Whether the edge waits for its turn, or is being counted."""
        return edge in self._waiting or edge in self._running

    def stop(self, edge: int) -> None:
        """Stop this edge's count, or take it out of the queue; its result will be `stopped`."""
        if edge in self._waiting:
            del self._waiting[edge]
            self._wake.set()
            self._on_count(self._without_number(edge, Status.STOPPED, "stopped before its turn"))
        elif edge in self._running and edge not in self._dropped:
            task = self._running[edge]
            # In a pipeline it takes half a second at most, and others are behind it.
            if task is not None and not any(self._running[other] is task for other in self.running - {edge}):
                self._stopping.add(edge)
                task.cancel()
            else:
                self._dropped.add(edge)
                self._on_count(self._without_number(edge, Status.STOPPED, "stopped"))

    def take(self, schema: Schema, gone: Iterable[int]) -> None:
        """Go on with a catalogue that was read again; counts of these edges, waiting or running, end without a word."""
        gone = list(gone)
        for oid in gone:
            self._waiting.pop(oid, None)
            self._stopping.discard(oid)
            if oid in self._running:
                task = self._running[oid]
                self._dropped.add(oid)
                if task is not None:
                    task.cancel()
        self._schema = schema
        self._prices.take(schema, gone)
        self._pipeline = Pipeline(self._database, schema)
        self._wake.set()

    def stop_all(self) -> None:
        """Stop every count that waits or runs."""
        for edge in [*self._waiting, *self._running]:
            self.stop(edge)

    async def idle(self) -> None:
        """Return when nothing waits or runs.

        Raises:
            Trouble: `run` ended with it, so that what waits will never be counted.
        """
        await self._idle.wait()
        if self._failure is not None:
            raise self._failure

    async def run(self) -> None:
        """Count what is in the queue, and what will be put there, until cancelled.

        Raises:
            Trouble: the connection is lost (code `lost`) or could not be made again.
        """
        self._failure = None
        if self._waiting:
            self._idle.clear()
        # Before the lanes run: else the one of large counts would have the connection that is there, and the many small
        # ones wait for another to be made, four times there and back.
        await self._prepare_next()
        lanes = [asyncio.create_task(self._lane(pipelines=number == 0)) for number in range(self._connections)]
        try:
            await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
            self._failure = next(lane.exception() for lane in lanes if lane.done())
            if self._failure is not None:
                raise self._failure
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
            self._running.clear()
            self._dropped.clear()
            self._stopping.clear()
            self._idle.set()

    async def _lane(self, *, pipelines: bool) -> None:
        while True:
            window = self._window() if pipelines else {}
            alone = None if window else self._next_alone(pipelines=pipelines)
            if window:
                await self._count_window(window)
            elif alone is not None:
                await self._count_alone(self._with_others(alone))
            else:
                if not self._waiting and not self._running:
                    self._idle.set()
                self._wake.clear()
                await self._wake.wait()

    def _in_order(self) -> list[int]:
        return sorted(self._waiting, key=self._waiting.__getitem__)

    def _is_small(self, oid: int) -> bool:
        """Whether it may be counted in the pipeline."""
        full = self._waiting[oid].full if oid in self._waiting else False
        return not (full or self._full or self._deep) and self._prices.is_small(oid)

    def _window(self) -> dict[int, Wanted]:
        """The small edges whose turn it is, out of the queue."""
        window: dict[int, Wanted] = {}
        work = 0.0
        size = self._window_size()
        for oid in self._in_order():
            if not self._is_small(oid):
                continue
            work += self._prices.cost(oid)
            if len(window) == size or (window and work > WINDOW_MS * size / WINDOW):
                break
            window[oid] = self._waiting[oid]
        for oid in window:
            del self._waiting[oid]
        return window

    async def _prepare_next(self) -> None:
        """Build the statements of the next window."""
        await self._pipeline.prepare(islice(filter(self._is_small, self._in_order()), self._window_size()))

    def _window_size(self) -> int:
        """Over a long line twice as many, as long as a window's own way there and back; but the first comes soon."""
        return 2 * WINDOW if self._counted and self._database.round_trip * 1000 > _FAR_MS else WINDOW

    def _next_alone(self, *, pipelines: bool) -> int | None:
        """The edge whose turn it is among those that are counted alone."""
        busy = pipelines and self._connections > 1 and time.monotonic() - self._small_at < _BUSY_SECONDS
        for oid in self._in_order():
            if oid in self._running or self._is_small(oid):
                continue
            if not (busy and self._prices.cost(oid) > _LONG_MS):
                return oid
        return None

    async def _count_window(self, window: dict[int, Wanted]) -> None:
        self._running |= dict.fromkeys(window)
        for oid in window:
            self._on_start(oid)

        def on_count(count: Count) -> None:
            if self._end(count.edge):
                self._on_count(count)

        def on_slow(oid: int, locked: bool) -> None:  # noqa: FBT001 - as the pipeline calls it
            self._prices.held_up(oid, locked=locked)
            if self._end(oid):
                self.want([oid], window[oid].turn)

        trusted = {oid: not wanted.asked for oid, wanted in window.items()}
        counting = asyncio.create_task(self._pipeline.run(trusted, on_count, on_slow))
        try:
            # The next ones are built while these are on their way.
            await self._prepare_next()
            await counting
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)

    def _with_others(self, oid: int) -> list[int]:
        """The edge, and those that wait and that the scan of its child serves as well."""
        waits, edge = self._waiting[oid], self._schema.edges[oid]

        def fits(other: int) -> bool:
            wanted = self._waiting[other]
            alike = wanted.asked == waits.asked and not wanted.full
            return self._schema.edges[other].child == edge.child and other not in self._running and alike

        if not (self._full or self._deep):
            for group in together(
                self._schema, [self._schema.edges[other] for other in filter(fits, self._in_order())]
            ):
                if edge in group:
                    return [each.oid for each in group]
        return [oid]

    async def _count_alone(self, oids: list[int]) -> None:
        wanted = {oid: self._waiting.pop(oid) for oid in oids}
        task = asyncio.create_task(self._counts(wanted), name=f"count {oids}")
        self._running |= dict.fromkeys(oids, task)
        for oid in oids:
            self._on_start(oid)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        counts = [None] * len(oids) if task.cancelled() else task.result()
        for oid, count in zip(oids, counts, strict=True):
            stopped = oid in self._stopping
            self._stopping.discard(oid)
            told = self._end(oid)
            if count is None:
                if stopped:
                    self._on_count(self._without_number(oid, Status.STOPPED, "stopped"))
                elif told:
                    # Another edge of the scan is no more.
                    self.want([oid], wanted[oid].turn, full=wanted[oid].full)
                continue
            if not wanted[oid].full and oid in self._schema.edges:
                self._prices.took(oid, max(0.0, count.seconds - self._database.round_trip) * 1000)
            if told:
                self._on_count(count)

    async def _counts(self, wanted: dict[int, Wanted]) -> list[Count]:
        """The counts of one edge, or of some in one scan."""
        edges = [self._schema.edges[oid] for oid in wanted]
        first = next(iter(wanted.values()))
        seconds = ON_DEMAND_SECONDS if first.asked else BACKGROUND_SECONDS
        if len(edges) > 1:
            return await count_together(
                self._database,
                self._schema,
                edges,
                timeout_seconds=seconds,
                eager=self._eager,
                trust_catalogue=not first.asked,
                on_progress=self._on_progress,
            )
        count = await count_edge(
            self._database,
            self._schema,
            edges[0],
            full=self._full or first.full,
            deep=self._deep,
            eager=self._eager,
            timeout_seconds=seconds,
            trust_catalogue=not first.asked,
            slow=self._prices.is_slow(edges[0].oid),
            on_progress=self._on_progress,
        )
        return [count]

    def _end(self, oid: int) -> bool:
        """An edge's count has ended; whether that is to be told."""
        self._running.pop(oid, None)
        self._counted.add(oid)
        self._wake.set()
        told = oid not in self._dropped
        self._dropped.discard(oid)
        return told

    def _without_number(self, oid: int, status: Status, reason: str) -> Count:
        return without_number(self._schema.edges[oid], status, reason)
