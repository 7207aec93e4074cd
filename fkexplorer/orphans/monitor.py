"""Keeps the counts of a whole schema true while people look at them, and tells what it sees.

About once a second the server is looked at with one small query, and with a second one where something was committed.
Everything here runs on the event loop of `run`; nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.orphans.changes import Watcher
from fkexplorer.orphans.deletes import Deletes
from fkexplorer.orphans.due import Due
from fkexplorer.orphans.events import Advanced, Confirmed, Counted, Deleted, SchemaChanged, Settled, Started, Waiting
from fkexplorer.orphans.freshness import Freshness
from fkexplorer.orphans.history import History, pair_of
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.queue import CountQueue
from fkexplorer.orphans.turns import Turn
from fkexplorer.schema.difference import differences, same_question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.changes import Details, Look
    from fkexplorer.orphans.events import Event, Wait
    from fkexplorer.orphans.freshness import Judgement
    from fkexplorer.orphans.history import Pair
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema

_CATALOGUE = 2.0
"""Looks for one at the catalogue: 20 ms of the server's every other second for 2,000 tables, 1 % of a core."""
_READ_REST_MOST = 60.0
"""Seconds until the catalogue is read again, at most: twice as many each time that nothing had changed that shows."""
_TOTALS_SECONDS = 1.0
_AGAIN = frozenset({Status.DENIED, Status.UNRELIABLE, Status.INCOMPARABLE, Status.FAILED})
"""What another catalogue may put right."""


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """How edges are counted; see `CountQueue`. Where it is not `live`, nothing is looked at nor counted again.

    `every`: seconds between two looks; one that takes long is followed by a pause of three times as long.
    """

    max_bytes: int = 1 << 30
    full: bool = False
    deep: bool = False
    eager: bool = False
    jobs: int = 2
    live: bool = True
    every: float = 1.0


class Monitor:
    """One connected database's counts, from the first pass until `run` is cancelled.

    A monitor belongs to one connection: after a reconnect a new one takes over, with the old one's history. `read` is
    how the catalogue is read again, where it is to have more edges than it declares.

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
        read: Callable[[], Awaitable[Schema]] | None = None,
    ) -> None:
        self.schema = schema
        self.counts: dict[int, Count] = {}
        self.history = history or History()
        self._database = database
        self._read = read or partial(read_schema, database)
        self._live = options.live
        self._every = options.every
        self._listener = listener
        self._numbers: dict[Pair, Count] = {}
        """The last count with a number of each pair of columns, whatever constraint is on it."""
        self._watched: frozenset[int] = frozenset()
        self._own: set[int] = set()
        """Edges that are counted again without being asked for."""
        self._settled = False
        self._watcher = Watcher(database)
        self._fresh = Freshness(database.facts.version_number)
        self._due = Due()
        self._deletes = Deletes(database.facts.version_number)
        self._waits: tuple[Wait, ...] = ()
        self._last: Look | None = None
        self._asked_of: dict[int, Schema] = {}
        """The catalogue that the last count of each edge was asked of."""
        self._failed: dict[int, Count] = {}
        """Counts that are not told before the catalogue has been looked at."""
        self._fingerprint = schema.fingerprint
        self._stale = False
        self._catalogue_at, self._catalogue_snapshot = -math.inf, ""
        self._read_at, self._read_rest = -math.inf, _CATALOGUE * options.every
        self._looking = asyncio.Lock()
        """What a look asks and what it makes of it are of one catalogue."""
        self._failure: BaseException | None = None
        self._queue = CountQueue(
            database,
            schema,
            max_bytes=options.max_bytes,
            full=options.full,
            deep=options.deep,
            eager=options.eager,
            connections=options.jobs,
            on_start=self._started,
            on_count=self._counted,
            on_progress=lambda progress: listener(Advanced(progress)),
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
        self._watched = frozenset(edges)
        self._queue.watch(self._watched)

    def count_all(self, edges: Iterable[int] | None = None) -> None:
        """Count these edges, by default all, each in its turn; those over the cost limit are `skipped` at once."""
        edges = list(self.schema.edges if edges is None else edges)
        self._settled = False
        self._own.difference_update(edges)
        self._queue.add_all(edges)
        self._settle()

    def recount(self, edges: Iterable[int], *, full: bool = False) -> None:
        """Count these edges now, ahead of everything and whatever they cost, since somebody asked for them."""
        edges = list(edges)
        self._own.difference_update(edges)
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
        if self._failure is not None:
            raise self._failure

    async def run(self) -> None:
        """Count what is asked for, and keep the counts true, until cancelled.

        Raises:
            Trouble: the connection is lost (code `lost`) or could not be made again.
        """
        self._failure = None
        work: list[asyncio.Task[None]] = []
        try:
            if self._live:
                # Before the first count: what the counters were then is what later ones are compared with.
                await self._first_look()
            work = [asyncio.create_task(self._queue.run()), asyncio.create_task(self._watch())]
            await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
            for each in work:
                if each.done():
                    each.result()
        except Exception as error:
            self._failure = error
            raise
        finally:
            for each in work:
                each.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    # Counts

    def _started(self, oid: int) -> None:
        self._fresh.begin(self.schema.edges[oid])
        self._asked_of[oid] = self.schema
        self._listener(Started(oid))

    def _counted(self, count: Count) -> None:
        if count.status is Status.FAILED and self._live:
            # It may be that its table has another name now, or is no more: the next look tells.
            self._failed[count.edge] = count
            self._catalogue_at = -math.inf
        else:
            self._tell(count)

    def _tell_failed(self) -> None:
        """Tell the counts that failed, unless the catalogue that they were asked of is no more."""
        failed, self._failed = self._failed, {}
        for oid, count in failed.items():
            if self._asked_of[oid] is self.schema:
                self._tell(count)
            else:
                self._queue.want([oid], Turn.DUE)

    def _tell(self, count: Count) -> None:
        oid = count.edge
        edge = self.schema.edges[oid]
        background = oid in self._own
        self._own.discard(oid)
        seconds = max(0.0, count.seconds - self._database.round_trip)
        self._fresh.end(count, seconds)
        self._due.ended(oid, seconds, self._last.at if self._last else 0.0)
        known = self.counts.get(oid)
        if count.known or known is None or not known.known:
            self.counts[oid] = count
        pair = pair_of(edge)
        before = self._numbers.get(pair)
        if count.known:
            self._numbers[pair] = count
        self.history.note(edge, count)
        self._listener(Counted(count, before, background))
        self._settle()

    def _settle(self) -> None:
        if not (self._settled or self._queue.pending or self._queue.running or self._failed):
            self._settled = True
            self._listener(Settled())

    # Looks

    async def _watch(self) -> None:
        """Look, and act on what is seen, for as long as the connection stands."""
        clock = asyncio.get_running_loop().time
        pause = self._every
        while self._live:
            await asyncio.sleep(pause)
            began = clock()
            # A look that the server refused, as it does under a time limit or on a standby, is one less: ages tell.
            async with self._looking:
                with contextlib.suppress(psycopg.Error):
                    await self._look_again()
            pause = max(self._every, 3 * (clock() - began))

    async def _first_look(self) -> None:
        async with self._looking:
            with contextlib.suppress(psycopg.Error):
                look, details = await self._watcher.first_look(self.schema)
                self._take(look, details)

    async def _look_again(self) -> None:
        look = await self._watcher.look()
        moved = not look.whole or look.snapshot != self._catalogue_snapshot
        details = await self._watcher.details(
            self.schema,
            counters=self._fresh.needs_counters(look) or self._deletes.needs_counters(look),
            fingerprint=moved and look.at - self._catalogue_at >= _CATALOGUE * self._every,
            waits=bool(look.waiting or self._waits),
        )
        self._take(look, details)
        await asyncio.sleep(0)  # of thousands of edges either half takes some ms: keys and painting come in between
        if self._stale and asyncio.get_running_loop().time() >= self._read_at:
            await self._read_catalogue()
        if not self._stale:
            self._tell_failed()
        judgement = self._fresh.judge(self.schema)
        self._listener(Confirmed(datetime.fromtimestamp(judgement.as_of, UTC), judgement.confirmed))
        self._count_again(judgement, look)

    def _take(self, look: Look, details: Details) -> None:
        """Take what was read, and tell what it says of deletes and lock waits."""
        self._last = look
        self._fresh.take(look, details.counters, self.schema)
        if details.counters is not None and self._deletes.take(look, details.counters, self.schema):
            since = datetime.fromtimestamp(self._deletes.since or look.at, UTC)
            self._listener(Deleted(since, dict(self._deletes.rows)))
        if details.waits is not None and details.waits != self._waits:
            self._waits = details.waits
            self._listener(Waiting(details.waits))
        if details.fingerprint is not None:
            self._catalogue_at, self._catalogue_snapshot = look.at, look.snapshot
            self._stale = details.fingerprint != self._fingerprint

    def _count_again(self, judgement: Judgement, look: Look) -> None:
        turns = self._due.turns(
            judgement,
            self._fresh.proofs,
            now=look.at,
            watched=self._watched,
            may=lambda oid: self._queue.affordable(oid) and not self._queue.has(oid) and oid not in self._failed,
        )
        for oid, turn in turns.items():
            # Whoever looks at totals keeps them, where they do not cost more than a second.
            count = self.counts[oid]
            full = turn is Turn.WATCHED and count.rows is not None and count.seconds < _TOTALS_SECONDS
            self._own.add(oid)
            self._queue.want([oid], turn, full=full)

    # The catalogue

    async def read_again(self) -> None:
        """Read the catalogue now, since `read` gives other edges beside it than before.

        Raises:
            Trouble: the server refused to tell of it, or the connection is lost.
        """
        async with self._looking:
            await self._take_catalogue()

    async def _read_catalogue(self) -> None:
        try:
            await self._take_catalogue()
        except Trouble as trouble:
            if trouble.code == "lost":
                raise
            self._stale = False  # until the next look at it

    async def _take_catalogue(self) -> None:
        """Read it again; go on with what it says now, and keep the counts of edges that are what they were."""
        schema = await self._read()
        self._stale, self._fingerprint = False, schema.fingerprint
        found = differences(self.schema, schema)
        self._read_rest = _CATALOGUE * self._every if found else min(2 * self._read_rest, _READ_REST_MOST)
        self._read_at = asyncio.get_running_loop().time() + self._read_rest
        if not found:
            return
        before, self.schema = self.schema, schema
        new = frozenset(oid for oid in schema.edges if not same_question(before, schema, oid))
        gone = (before.edges.keys() - schema.edges.keys()) | (new & before.edges.keys())
        self._queue.take(schema, gone)
        self._fresh.forget(gone)
        self._own -= gone
        for oid in gone:
            self.counts.pop(oid, None)
            self._failed.pop(oid, None)
            self._due.ended(oid, 0.0, 0.0)
        self._listener(SchemaChanged(schema, found, new))
        again = [oid for oid, count in self.counts.items() if count.status in _AGAIN]
        self._queue.add_all([*new, *again])
        self._settle()
