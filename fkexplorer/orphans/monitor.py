"""Keeps the counts of a whole schema true while people look at them, and tells what it sees.

Everything here runs on the event loop of `run`; nothing needs a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.events import Counted, Settled, Started
from fkexplorer.orphans.history import History
from fkexplorer.orphans.queue import CountQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.events import Event
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """How edges are counted.

    `max_bytes`: an edge whose tables together are estimated to be larger waits until somebody asks for it. `full`:
    rows, NULLs, missing keys and childless parents too. `jobs`: counts that run at once, 1 or 2.
    """

    max_bytes: int = 1 << 30
    full: bool = False
    jobs: int = 2


class Monitor:
    """One connected database's counts, from the first pass until `run` is cancelled.

    A monitor belongs to one connection: after a reconnect a new one takes over, with the old one's history.

    Attributes:
        schema: the catalogue as it was read last.
        counts: the last count of each edge, by OID; one that ended without a number does not replace one that has it.
        history: the courses of all edges.
    """

    def __init__(
        self,
        database: Database,
        schema: Schema,
        options: MonitorOptions,
        listener: Callable[[Event], None],
        *,
        history: History | None = None,
    ) -> None:
        self.schema = schema
        self.counts: dict[int, Count] = {}
        self.history = history or History()
        self._listener = listener
        self._queue = CountQueue(
            database,
            schema,
            max_bytes=options.max_bytes,
            full=options.full,
            connections=options.jobs,
            on_start=lambda edge: listener(Started(edge)),
            on_count=self._counted,
        )

    @property
    def pending(self) -> int:
        """How many edges wait for their turn."""
        return self._queue.pending

    @property
    def running(self) -> frozenset[int]:
        """The edges that are being counted now."""
        return self._queue.running

    def affordable(self, edge: int) -> bool:
        """Whether the edge is there and within the cost limit."""
        return self._queue.affordable(edge)

    def look_at(self, edges: Iterable[int]) -> None:
        """These edges are what somebody looks at now, in place of those before: they come first."""
        self._queue.watch(edges)

    def recount(self, edges: Iterable[int] | None = None, *, full: bool = False) -> None:
        """Count these edges now, ahead of everything and whatever they cost; or all edges within the cost limit."""
        if edges is None:
            self._queue.add_all()
        else:
            self._queue.add(edges, full=full)

    def stop(self, edge: int) -> None:
        """Stop this edge's count, or take it out of the queue; its result will be `stopped`."""
        self._queue.stop(edge)

    def stop_all(self) -> None:
        """Stop every count that waits or runs."""
        self._queue.stop_all()

    async def idle(self) -> None:
        """Return when nothing waits or runs.

        Raises:
            Trouble: `run` ended with it, so that what waits will never be counted.
        """
        await self._queue.idle()

    async def run(self) -> None:
        """Count what `recount` was asked for, and keep the counts true, until cancelled.

        Raises:
            Trouble: the connection is lost (code `lost`) or could not be made again.
        """
        await self._queue.run()

    def _counted(self, count: Count) -> None:
        before = self.counts.get(count.edge)
        if count.known or before is None or not before.known:
            self.counts[count.edge] = count
        if (edge := self.schema.edges.get(count.edge)) is not None:
            self.history.note(edge, count)
        self._listener(Counted(count, before if before is not None and before.known else None))
        if not self._queue.pending and not self._queue.running:
            self._listener(Settled())
