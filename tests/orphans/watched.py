"""A monitor that runs for a test, and what it told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from fkexplorer.orphans.events import Confirmed, Counted, Event, SchemaChanged, Settled
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from tests.orphans.connected import edge_of, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema

E = TypeVar("E", bound=Event)

EVERY = 0.1
"""Seconds between two looks, a tenth of what people wait."""
PATIENCE = 30.0
"""Seconds until a test gives up waiting for what the monitor should tell within two."""


class Watched:
    """A monitor's events, in order."""

    def __init__(self, database: Database, schema: Schema, options: MonitorOptions) -> None:
        self.events: list[Event] = []
        self._told = asyncio.Event()
        self.database = database
        self.monitor = Monitor(database, schema, options, self._listen)

    def _listen(self, event: Event) -> None:
        self.events.append(event)
        self._told.set()

    def oid(self, child: str) -> int:
        """The only edge of the table of that name."""
        return edge_of(self.monitor.schema, child).oid

    def count(self, child: str) -> Count:
        """The last count of that table's edge."""
        return self.monitor.counts[self.oid(child)]

    def of(self, kind: type[E], since: int = 0) -> list[E]:
        """The events of a kind, from a place in `events` on."""
        return [event for event in self.events[since:] if isinstance(event, kind)]

    def counted(self, child: str, since: int = 0) -> list[Count]:
        """The counts of that table's edge."""
        return [event.count for event in self.of(Counted, since) if event.count.edge == self.oid(child)]

    async def until(self, satisfied: Callable[[], object]) -> None:
        """Wait until something is so, looking after each event."""
        async with asyncio.timeout(PATIENCE):
            while not satisfied():
                self._told.clear()
                await self._told.wait()

    async def settled(self) -> None:
        """Wait for the end of the first pass."""
        await self.until(lambda: self.of(Settled))

    async def confirmed(self, child: str, times: int = 1) -> None:
        """Wait until the count of that table's edge has been proven again so many times from now on."""
        since = len(self.events)
        oid = self.oid(child)
        await self.until(lambda: sum(oid in event.edges for event in self.of(Confirmed, since)) >= times)

    async def changed(self) -> SchemaChanged:
        """Wait for a change of the schema from now on, or give one that was told since the last that was waited for."""
        await self.until(lambda: self.of(SchemaChanged))
        event = self.of(SchemaChanged)[0]
        self.events.remove(event)
        return event


@asynccontextmanager
async def watched(
    conninfo: str, options: MonitorOptions | None = None, *, role: str | None = None
) -> AsyncIterator[Watched]:
    """A monitor that runs on the database, its first pass over."""
    async with opened(conninfo, role) as (database, schema):
        told = Watched(database, schema, replace(options or MonitorOptions(), every=EVERY))
        told.monitor.count_all()
        task = asyncio.create_task(told.monitor.run())
        try:
            await told.settled()
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
