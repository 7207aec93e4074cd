"""`check --watch`: one line for each change, for a log, until somebody ends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.headless import CLEAN, scope
from fkexplorer.known.bind import read_known
from fkexplorer.named import known_schema
from fkexplorer.orphans.events import Advanced, Counted, SchemaChanged, Settled
from fkexplorer.orphans.history import History
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from fkexplorer.reports.changes import told
from fkexplorer.reports.log import change_json, change_line, said
from fkexplorer.reports.values import number
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.headless import CheckOptions
    from fkexplorer.orphans.events import Event
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema

PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each try to connect again; the last one for all that follow."""


async def watch(database: Database, console: Console, settings: Settings, options: CheckOptions) -> int:
    """Count what was asked for, say what is not clean, then every change; until cancelled, or nobody reads it.

    A connection that is lost is made again, as often as it takes.

    Returns:
        The exit code once nobody reads the output any more.

    Raises:
        Trouble: a table or schema is not there, guesses or a baseline were asked for (`usage`), or the first reading of
            the catalogue failed.
    """
    if options.baseline is not None or options.write_baseline is not None:
        raise Trouble(
            "--baseline and --write-baseline are not for --watch",
            "every change is told there, whatever is known; leave out --watch",
            code="usage",
        )
    if options.inferred:
        raise Trouble(
            "--inferred is not for --watch",
            "accept a guess as a relationship in .fkexplorer.toml, and it is watched",
            code="usage",
        )
    log = _Log(console, options, await known_schema(database, settings, console))

    async def read() -> Schema:
        return (await read_known(database, settings)).schema

    tries = 0
    while True:
        monitor = Monitor(
            database,
            log.schema,
            MonitorOptions(
                max_bytes=options.max_bytes,
                full=options.full,
                deep=options.deep,
                eager=options.eager,
                jobs=options.jobs,
            ),
            log.take,
            history=log.history,
            read=read,
        )
        monitor.count_all(log.edges)
        running = asyncio.create_task(monitor.run())
        ended = asyncio.create_task(log.unread.wait())
        try:
            await asyncio.wait((running, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return CLEAN
            await running
        except Trouble as trouble:
            tries = 0 if log.settled else tries
            log.settled = False
            await _connected(read, console, trouble, log, tries)
            tries += 1
        finally:
            for each in (running, ended):
                each.cancel()
            await asyncio.gather(running, ended, return_exceptions=True)


async def _connected(
    read: Callable[[], Awaitable[Schema]], console: Console, trouble: Trouble, log: _Log, tries: int
) -> None:
    """Wait until the catalogue can be read again."""
    while True:
        seconds = PAUSES[min(tries, len(PAUSES) - 1)]
        console.say(f"{trouble.reason}; trying again in {seconds:.0f} s")
        await asyncio.sleep(seconds)
        tries += 1
        try:
            log.read_again(await read())
        except Trouble as again:
            trouble = again
        else:
            return


class _Log:
    """What has been said of each edge, and what is said now."""

    def __init__(self, console: Console, options: CheckOptions, schema: Schema) -> None:
        self._console = console
        self._options = options
        self.schema = schema
        _, edges = scope(schema, options)
        self.edges = frozenset(edge.oid for edge in edges)
        self.history = History()
        self.settled = False
        self.unread = asyncio.Event()
        """Set once the reader of the output has gone."""
        self._said: dict[str, Count] = {}
        """The last count of each edge, by its id: an OID is another one after a constraint was replaced."""

    def take(self, event: Event) -> None:
        """Say what an event changes."""
        match event:
            case Counted(count):
                if count.edge in self.edges:
                    self._count(count)
            case Advanced(progress):
                label = edge_label(self.schema, self.schema.edges[progress.edge])
                done = 100 * progress.done // max(1, progress.total)
                self._console.progress(f"{label}: {done} %, {number(progress.found, 'orphan')} so far")
            case SchemaChanged(schema, differences):
                self._console.say(told(differences))
                self.read_again(schema)
            case Settled():
                if not self.settled:
                    words = number(len(self.edges), "foreign key")
                    self._console.say(f"{words} counted; from now on each change is a line, until Ctrl-C")
                self.settled = True
            case _:
                pass

    def read_again(self, schema: Schema) -> None:
        """Go on with another reading of the catalogue; what was asked for may have gone from it."""
        labels = {edge_label(schema, edge) for edge in schema.edges.values()}
        self.schema = schema
        try:
            _, edges = scope(schema, self._options)
        except Trouble as trouble:
            self._console.say(trouble.reason)
            edges = [schema.edges[oid] for oid in self.edges if oid in schema.edges]
        self.edges = frozenset(edge.oid for edge in edges)
        for label in [label for label in self._said if label not in labels]:
            self._print(datetime.now(UTC), label, self._said.pop(label), None)

    def _count(self, count: Count) -> None:
        label = edge_label(self.schema, self.schema.edges[count.edge])
        before = self._said.get(label)
        self._said[label] = count
        if before is None:
            # What is clean from the start is no news; an edge that came later is.
            if self.settled or count.status is not Status.CLEAN:
                self._print(count.as_of, label, None, count)
        elif (before.status, before.orphans, before.bound) != (count.status, count.orphans, count.bound):
            self._print(count.as_of, label, before, count)
        else:
            self._console.progress(f"{number(len(self._said), 'foreign key')} watched")

    def _print(self, when: datetime, label: str, before: Count | None, after: Count | None) -> None:
        if self._options.format == "json":
            line = change_json(when, label, before, after)
        else:
            words = "dropped" if after is None else said(after)
            why = None if after is None else after.error
            line = change_line(when, label, said(before), words, why, ascii=self._console.ascii)
        if not self._console.lines([line]):
            self.unread.set()
