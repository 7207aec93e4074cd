"""The background queue of counts: what is suspicious or small first, two at a time, each on its own.

Everything here runs on the event loop of `run`; nothing needs a lock.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Count, Status
from fkexplorer.schema.model import EdgeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

BACKGROUND_SECONDS = 30.0
ON_DEMAND_SECONDS = 600.0
"""Somebody waits for it and can stop it, so the server may take longer than in the background."""


class CountQueue:
    """Counts edges until it is cancelled, and tells each result by a callback on the event loop.

    Args:
        database: counts are taken there; at most two of its connections are used.
        schema: where the edges are.
        max_bytes: an edge whose tables together are estimated to be larger waits until somebody asks for it.
        full: whether to count rows, NULLs, missing keys and childless parents too.
        connections: counts that run at once, 1 or 2.
        on_start: called with an edge's OID when its count begins.
        on_count: called with each result. A count that is in flight when the connection is lost, or when `run` is
            cancelled, has none.
    """

    def __init__(
        self,
        database: Database,
        schema: Schema,
        *,
        max_bytes: int = 1 << 30,
        full: bool = False,
        connections: int = 2,
        on_start: Callable[[int], None],
        on_count: Callable[[Count], None],
    ) -> None:
        self._database = database
        self._schema = schema
        self._max_bytes = max_bytes
        self._full = full
        self._connections = min(2, max(1, connections))
        self._on_start = on_start
        self._on_count = on_count
        self._waiting: OrderedDict[int, bool] = OrderedDict()
        """Edges in the order of their turn; whether somebody asked for it."""
        self._in_full: set[int] = set()
        """Edges that somebody asked to count in full."""
        self._tasks: dict[int, asyncio.Task[Count]] = {}
        self._stopping: set[int] = set()
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
        return frozenset(self._tasks)

    def add_all(self) -> None:
        """Queue every edge of the schema; those that cost too much get a result `skipped` at once."""
        edges = sorted(self._schema.edges.values(), key=self._turn)
        self.add((edge.oid for edge in edges), first=False, whatever_the_cost=False)

    def add(
        self, edges: Iterable[int], *, first: bool = True, whatever_the_cost: bool = True, full: bool = False
    ) -> None:
        """Queue these edges, in this order.

        An edge that already runs is left alone; one that already waits is moved. An OID that the schema does not
        have is passed over: it may have been reloaded meanwhile.

        Args:
            edges: the OIDs.
            first: whether they go ahead of all that wait.
            whatever_the_cost: whether the cost limit does not apply, nor the privileges as the catalogue told them.
            full: whether to count rows, NULLs, missing keys and childless parents of these too.
        """
        skipped: list[Relationship] = []
        wanted: list[int] = []
        for oid in dict.fromkeys(edges):
            edge = self._schema.edges.get(oid)
            if edge is None or oid in self._tasks:
                continue
            if not whatever_the_cost and self._bytes(edge) > self._max_bytes:
                skipped.append(edge)
            else:
                wanted.append(oid)
        if full:
            self._in_full.update(wanted)
        for oid in reversed(wanted) if first else wanted:
            # One that somebody asked for stays so.
            self._waiting[oid] = self._waiting.get(oid, False) or whatever_the_cost
            if first:
                self._waiting.move_to_end(oid, last=False)
        if wanted:
            self._idle.clear()
            self._wake.set()
        for edge in skipped:
            if edge.oid not in self._waiting:
                self._on_count(self._without_number(edge.oid, Status.SKIPPED, self._why_skipped(edge)))

    def affordable(self, edge: int) -> bool:
        """Whether the edge is there and within the cost limit."""
        known = self._schema.edges.get(edge)
        return known is not None and self._bytes(known) <= self._max_bytes

    def waits(self, edge: int) -> bool:
        """Whether the edge waits for its turn."""
        return edge in self._waiting

    def stop(self, edge: int) -> None:
        """Stop this edge's count, or take it out of the queue; its result will be `stopped`."""
        task = self._tasks.get(edge)
        if task is not None:
            self._stopping.add(edge)
            task.cancel()
        elif edge in self._waiting:
            del self._waiting[edge]
            self._in_full.discard(edge)
            self._wake.set()
            self._on_count(self._without_number(edge, Status.STOPPED, "stopped before its turn"))

    def stop_all(self) -> None:
        """Stop every count that waits or runs."""
        for edge in [*self._waiting, *self._tasks]:
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
        try:
            while True:
                self._collect()
                self._fill()
                if not self._waiting and not self._tasks:
                    self._idle.set()
                self._wake.clear()
                await self._wake.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failure = error
            raise
        finally:
            tasks = list(self._tasks.values())
            self._tasks.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._stopping.clear()
            self._idle.set()

    def _collect(self) -> None:
        for oid in [oid for oid, task in self._tasks.items() if task.done()]:
            task = self._tasks.pop(oid)
            stopped = oid in self._stopping
            self._stopping.discard(oid)
            if not task.cancelled():
                self._on_count(task.result())
            elif stopped:
                self._on_count(self._without_number(oid, Status.STOPPED, "stopped"))

    def _fill(self) -> None:
        while self._waiting and len(self._tasks) < self._connections:
            oid, asked = self._waiting.popitem(last=False)
            task = asyncio.create_task(self._count(oid, asked=asked), name=f"count {oid}")
            self._tasks[oid] = task
            task.add_done_callback(lambda _: self._wake.set())
            self._on_start(oid)

    async def _count(self, oid: int, *, asked: bool) -> Count:
        full = self._full or oid in self._in_full
        self._in_full.discard(oid)
        return await count_edge(
            self._database,
            self._schema,
            self._schema.edges[oid],
            full=full,
            timeout_seconds=ON_DEMAND_SECONDS if asked else BACKGROUND_SECONDS,
            trust_catalogue=not asked,
        )

    def _turn(self, edge: Relationship) -> tuple[bool, int, int]:
        return edge.state is EdgeState.ENFORCED, self._bytes(edge), edge.oid

    def _bytes(self, edge: Relationship) -> int:
        tables = {edge.child, edge.parent}
        return sum(self._schema.tables[oid].likely_bytes for oid in tables)

    def _why_skipped(self, edge: Relationship) -> str:
        return f"its tables have about {_size(self._bytes(edge))}, over the limit of {_size(self._max_bytes)}"

    @staticmethod
    def _without_number(edge: int, status: Status, error: str) -> Count:
        return Count(edge=edge, status=status, as_of=datetime.now(UTC), seconds=0.0, error=error)


def _size(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
