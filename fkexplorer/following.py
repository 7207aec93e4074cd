"""Reads a text as it comes and explains what is in it: a pipe that is followed shows each new error within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.diagnose import diagnose
from fkexplorer.diagnosis.reading.reader import CHUNK
from fkexplorer.known.bind import read_known
from fkexplorer.named import known_schema, one_edge
from fkexplorer.orphans.changes import Watcher
from fkexplorer.orphans.deletes import Deletes
from fkexplorer.reports.diagnosis import keys_words, title
from fkexplorer.reports.explain import explain_text
from fkexplorer.reports.live import wait_lines
from fkexplorer.reports.style import plain
from fkexplorer.reports.values import inert, number
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Diagnosis
    from fkexplorer.diagnosis.reading.model import Found, Reading
    from fkexplorer.diagnosis.reading.reader import Reader
    from fkexplorer.orphans.events import Wait
    from fkexplorer.schema.model import Schema

QUIET = 0.3
"""Seconds without a byte after which an error is taken to be whole: a process prints one in one go."""
PATIENCE = 1.0
"""Seconds after which what has come is looked at though more is coming: a new error is told within two."""
WATCH = 1.0
"""Seconds between two looks at who waits for whom."""


class Explaining:
    """The errors of one text in one database, as far as they have been explained.

    Attributes:
        schema: the catalogue.
        following: whether the text came piece by piece, and what was found has been printed already.
    """

    def __init__(
        self,
        database: Database,
        console: Console,
        settings: Settings,
        schema: Schema,
        *,
        max_bytes: int,
        chosen: str | None,
    ) -> None:
        self._database = database
        self._console = console
        self._settings = settings
        self._max_bytes = max_bytes
        self._chosen = chosen
        self._watch = _Watch(database, self._print, ascii=console.ascii)
        self._told: dict[tuple[object, ...], tuple[Found, Diagnosis]] = {}
        self._trouble = ""
        self._unread = False
        """Nobody reads the output any more."""
        self.following = False
        self.schema = schema
        self._graph = Graph(schema)

    @classmethod
    async def begin(
        cls, database: Database, console: Console, settings: Settings, max_bytes: int, chosen: str | None
    ) -> Explaining:
        """Read the catalogue.

        Args:
            database: where to look.
            console: where what is found is printed while the text is followed.
            settings: what is configured.
            max_bytes: tables up to this size may be read whole.
            chosen: the name of the edge that errors mean which may mean several.

        Raises:
            Trouble: there is no such edge, or the connection is lost.
        """
        schema = await known_schema(database, settings, console)
        if chosen is not None:
            one_edge(schema, chosen)
        return cls(database, console, settings, schema, max_bytes=max_bytes, chosen=chosen)

    async def read(self, descriptor: int, reader: Reader, *, follow: bool) -> None:
        """Feed the reader until the text ends.

        Args:
            descriptor: of the text.
            reader: what reads it.
            follow: whether to explain what has come while more may come.

        Raises:
            Trouble: the connection is lost and could not be made again.
            OSError: the text cannot be read.
        """
        loop = asyncio.get_running_loop()
        coming = _Incoming(descriptor)
        since: float | None = None
        watching: asyncio.Task[None] | None = None
        try:
            while not self._unread and (chunk := await coming.chunk(QUIET if follow else None)) != b"":
                if chunk is not None:
                    reader.feed(chunk)
                    since = loop.time() if since is None else since
                if not follow or (chunk is not None and since is not None and loop.time() - since < PATIENCE):
                    continue
                if watching is None:
                    self.following = True
                    watching = asyncio.create_task(self._watch.run(lambda: self.schema))
                if since is not None and await self._told_all(reader.reading):
                    since = None
        except asyncio.CancelledError:
            self._console.finish()
            raise
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def finish(self, reading: Reading) -> list[Diagnosis]:
        """A diagnosis of each error as it is at the end, in the order of the text.

        Raises:
            Trouble: the connection is lost and could not be made again.
        """
        if self.following:
            await self._tell(reading)
        diagnoses = []
        for at, found in enumerate(reading.found):
            self._console.progress(f"looking at error {at + 1} of {len(reading.found)}")
            diagnoses.append(await self._diagnose(found))
        return diagnoses

    async def _told_all(self, reading: Reading) -> bool:
        """Print what is new; where the connection is lost that is said once, and it is to be tried again."""
        try:
            await self._tell(reading)
        except Trouble as trouble:
            if trouble.reason != self._trouble:
                self._console.say(f"{trouble.reason}; trying again until it is back")
            self._trouble = trouble.reason
            await asyncio.sleep(PATIENCE)
            return False
        self._trouble = ""
        return True

    async def _tell(self, reading: Reading) -> None:
        """Print each error that is new, and of one that came again how often."""
        for found in reading.found:
            before = self._told.get(found.error.same)
            if before is None:
                await self._read_again()
                diagnosis = await self._diagnose(found)
                self._told[found.error.same] = found, diagnosis
                place, ascii = self._database.facts.place, self._console.ascii
                lines = explain_text(diagnosis, self.schema, place=place, cells=self._console.width, ascii=ascii)
                self._print([*lines, ""])
            elif before[0].occurrences != found.occurrences:
                self._told[found.error.same] = found, before[1]
                words = f"seen {number(found.occurrences, 'time')}: {title(before[1], self.schema)}"
                keys = keys_words(found)
                self._print([inert(f"{words}{f', {keys}' if keys else ''}", ascii=self._console.ascii)])

    def _print(self, lines: list[str]) -> None:
        if lines and not self._console.lines(lines):
            self._unread = True

    async def _diagnose(self, found: Found) -> Diagnosis:
        chosen = one_edge(self.schema, self._chosen) if self._chosen is not None else None
        named = found.error.constraint
        if chosen is not None and named not in {None, chosen.name}:
            others = {edge.name for edge in self.schema.edges.values()}
            # A pair has no name: it is meant where no constraint has the one that is told.
            if chosen.kind is EdgeKind.DECLARED or named in others:
                chosen = None
        return await diagnose(
            self._database,
            self.schema,
            self._graph,
            found,
            max_bytes=self._max_bytes,
            deletes=self._watch.deletes,
            since=self._watch.since,
            chosen=chosen.oid if chosen else None,
        )

    async def _read_again(self) -> None:
        """Read the catalogue again where it has changed since."""
        with contextlib.suppress(psycopg.Error):
            details = await self._watch.watcher.details(self.schema, counters=False, fingerprint=True, waits=False)
            if details.fingerprint != self.schema.fingerprint:
                self.schema = (await read_known(self._database, self._settings)).schema
                self._graph = Graph(self.schema)


class _Watch:
    """Who waits for whom while a text is followed, and how many parents were deleted since it is."""

    def __init__(self, database: Database, say: Callable[[list[str]], None], *, ascii: bool = False) -> None:
        self.watcher = Watcher(database)
        self._say = say
        self._ascii = ascii
        self._deletes = Deletes(database.facts.version_number)
        self._waits: tuple[Wait, ...] = ()
        self._said: set[tuple[int, datetime]] = set()

    @property
    def deletes(self) -> dict[int, int | None] | None:
        """Rows deleted from each parent, by OID; None where nobody has watched."""
        return dict(self._deletes.rows) if self._deletes.since is not None else None

    @property
    def since(self) -> datetime | None:
        """When the watch began, by the server's clock."""
        return None if self._deletes.since is None else datetime.fromtimestamp(self._deletes.since, UTC)

    async def run(self, schema: Callable[[], Schema]) -> None:
        """Look once a second until cancelled; a look that fails is one less."""
        while True:
            with contextlib.suppress(psycopg.Error, Trouble):
                await self._look(schema())
            await asyncio.sleep(WATCH)

    async def _look(self, schema: Schema) -> None:
        if self._deletes.since is None:
            look, details = await self.watcher.first_look(schema)
        else:
            look = await self.watcher.look()
            details = await self.watcher.details(
                schema,
                counters=self._deletes.needs_counters(look),
                fingerprint=False,
                waits=bool(look.waiting or self._waits),
            )
        if details.counters is not None:
            self._deletes.take(look, details.counters, schema)
        if details.waits is not None:
            self._tell(schema, details.waits, datetime.fromtimestamp(look.at, UTC))

    def _tell(self, schema: Schema, waits: tuple[Wait, ...], now: datetime) -> None:
        """Print each wait once that has to do with an edge."""
        self._waits = waits
        edges = list(schema.edges.values())
        known = self._said
        self._said = {(wait.waiter.pid, wait.since) for wait in waits}
        new = [wait for wait in waits if (wait.waiter.pid, wait.since) not in known]
        new = [wait for wait in new if any(wait.concerns(edge.child, edge.parent) for edge in edges)]
        lines = [plain(line) for line in wait_lines(schema, new, now, ascii=self._ascii)]
        self._say([f"{now:%H:%M:%S}  {inert(line, ascii=self._ascii)}" for line in lines])


class _Incoming:
    """The bytes of a descriptor as they come, without a thread that nobody could end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def chunk(self, seconds: float | None) -> bytes | None:
        """Some bytes; none at the end; None where nothing came within so many seconds."""
        self._ready.clear()
        try:
            self._loop.add_reader(self._descriptor, self._arrived)
        except PermissionError:
            await asyncio.sleep(0)  # a file is always ready, and epoll takes none
        else:
            try:
                async with asyncio.timeout(seconds):
                    await self._ready.wait()
            except TimeoutError:
                return None
            finally:
                self._loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, CHUNK)

    def _arrived(self) -> None:
        """Note it once: told a second time, when it has been read already, it would lead to a read that waits."""
        self._loop.remove_reader(self._descriptor)
        self._ready.set()
