"""The connected database behind the screen: every coroutine here runs in a worker and answers by a message.

SQLAlchemy, psycopg and networkx take about 0.8 s to import, so nothing here imports them before the first frame is
painted; then a thread does, and keys still work meanwhile.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.tui.messages import (
    Connected,
    ConnectFailed,
    ConnectionLost,
    CountingEnded,
    EdgeCounted,
    EdgeStarted,
    PageFailed,
    PageLoaded,
    ReloadFailed,
    SchemaLoaded,
)
from fkexplorer.tui.world import RowsKind, RowsQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from textual.message import Message

    from fkexplorer.database.connection import Database
    from fkexplorer.database.source import Source
    from fkexplorer.orphans.model import Page
    from fkexplorer.orphans.queue import CountQueue
    from fkexplorer.schema.model import Relationship, Schema

_HEAVY = (
    "fkexplorer.database.connection",
    "fkexplorer.database.postgresql.reader",
    "fkexplorer.schema.graph",
    "fkexplorer.orphans.queue",
    "fkexplorer.orphans.rows",
)


def _import_heavy() -> None:
    for name in _HEAVY:
        importlib.import_module(name)


async def _beside(work: Callable[[], Source]) -> Source:
    """Run blocking work in a thread that nobody waits for at the end: quitting does not hang on it."""
    outcome: Future[Source] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever awaits gets it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)


class Session:
    """One source, its connection as long as there is one, and the counts that run on it.

    `generation` grows with every connection; messages carry it, so that what a former connection still had under way
    is told from what this one says.
    """

    def __init__(
        self,
        source: Source,
        post: Callable[[Message], object],
        *,
        max_bytes: int,
        prepare: Callable[[], Source] | None = None,
    ) -> None:
        self.source = source
        self._prepare = prepare
        self.generation = 0
        self.database: Database | None = None
        self._post = post
        self._max_bytes = max_bytes
        self._queue: CountQueue | None = None

    def _say(self, message: Message) -> None:
        self._post(message)

    async def connect(self, password: str | None = None) -> None:
        """Connect and read the catalogue: posts Connected and SchemaLoaded, or ConnectFailed."""
        await asyncio.to_thread(_import_heavy)
        from fkexplorer.database.connection import Database  # noqa: PLC0415 - after the first frame

        await self.close()
        self.generation += 1
        try:
            if self._prepare is not None:
                prepare, self._prepare = self._prepare, None
                self.source = await _beside(prepare)
            self.database = await Database.connect(self.source, password=password)
            self._say(Connected(self.database.facts))
            await self.load()
        except Trouble as trouble:
            self._say(ConnectFailed(trouble))

    async def load(self) -> None:
        """Read the catalogue (again): posts SchemaLoaded; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.database.postgresql.reader import read_schema  # noqa: PLC0415
        from fkexplorer.schema.graph import Graph  # noqa: PLC0415

        try:
            schema = await read_schema(self._connected())
        except Exception as error:  # noqa: BLE001 - every failure of a read becomes one line and a hint
            raise trouble_of(error) from None
        self._say(SchemaLoaded(schema, Graph(schema)))

    async def reload(self) -> None:
        """Read the catalogue again: posts SchemaLoaded, ReloadFailed or ConnectionLost."""
        generation = self.generation
        try:
            await self.load()
        except Trouble as trouble:
            self._say(ConnectionLost(generation, trouble) if trouble.code == "lost" else ReloadFailed(trouble))

    def _connected(self) -> Database:
        """The database; Trouble (`lost`) while there is none."""
        if self.database is None:
            raise Trouble("the connection to the server is lost", "R reconnects", code="lost")
        return self.database

    async def count(self, schema: Schema) -> None:
        """Count every edge, then whatever is asked for, until cancelled: posts EdgeStarted, EdgeCounted."""
        from fkexplorer.orphans.queue import CountQueue  # noqa: PLC0415

        if self.database is None:
            return
        generation = self.generation
        queue = CountQueue(
            self.database,
            schema,
            max_bytes=self._max_bytes,
            on_start=lambda edge: self._say(EdgeStarted(generation, edge)),
            on_count=lambda count: self._say(EdgeCounted(generation, count)),
        )
        self._queue = queue
        queue.add_all()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(queue.run())
                tasks.create_task(self._say_when_idle(queue, running, generation))
        except* Trouble as troubles:
            trouble = next(_flat(troubles))
            self._say(ConnectionLost(generation, trouble))

    async def _say_when_idle(self, queue: CountQueue, running: asyncio.Task[None], generation: int) -> None:
        idle = asyncio.create_task(queue.idle())
        try:
            await asyncio.wait({idle, running}, return_when=asyncio.FIRST_COMPLETED)
            if idle.done() and not idle.exception():
                self._say(CountingEnded(generation))
        finally:
            idle.cancel()
            await asyncio.gather(idle, return_exceptions=True)

    def recount(self, edges: Iterable[int]) -> None:
        """Count these edges again, ahead of everything, whatever they cost."""
        if self._queue:
            self._queue.add(edges)

    def count_in_full(self, edge: int) -> bool:
        """Count rows, NULLs, missing keys and childless parents of an edge too; False where that costs too much."""
        if self._queue is None or not self._queue.affordable(edge):
            return False
        self._queue.add([edge], full=True)
        return True

    def recount_all(self) -> None:
        """Count every edge again, within the cost limit."""
        if self._queue:
            self._queue.add_all()

    def stop(self, edge: int) -> None:
        """Stop the count of an edge, running or waiting."""
        if self._queue:
            self._queue.stop(edge)

    def stop_all(self) -> bool:
        """Stop every count; whether there was one."""
        if self._queue and (self._queue.pending or self._queue.running):
            self._queue.stop_all()
            return True
        return False

    async def page(self, schema: Schema, query: RowsQuery, after: tuple[str | None, ...] | None) -> None:
        """Fetch a page of rows: posts PageLoaded or PageFailed."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415

        try:
            page = await self._fetch(self._connected(), schema, query, after)
        except Exception as error:  # noqa: BLE001 - whatever it was, the pane says it and the app goes on
            self._say(PageFailed(query, trouble_of(error)))
        else:
            self._say(PageLoaded(query, page))

    async def _fetch(
        self, database: Database, schema: Schema, query: RowsQuery, after: tuple[str | None, ...] | None
    ) -> Page:
        from fkexplorer.orphans import rows  # noqa: PLC0415

        if query.kind is RowsKind.TABLE:
            return await rows.orphan_rows_of_table(
                database, schema, schema.tables[query.table], after=after, as_role=query.as_role, reveal=query.reveal
            )
        edge = _edge(schema, query)
        ask = {
            RowsKind.ORPHANS: rows.orphan_rows,
            RowsKind.KEYS: rows.missing_keys,
            RowsKind.CHILDLESS: rows.childless_parents,
        }[query.kind]
        return await ask(database, schema, edge, after=after, as_role=query.as_role, reveal=query.reveal)

    async def whole_row(self, schema: Schema, query: RowsQuery, key: tuple[str | None, ...]) -> Page:
        """One row with its values in full; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.orphans import rows  # noqa: PLC0415

        try:
            return await rows.whole_row(
                self._connected(),
                schema,
                schema.tables[query.table],
                key=key,
                as_role=query.as_role,
                reveal=query.reveal,
            )
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    @staticmethod
    def sql_of(schema: Schema, edge: int) -> str:
        """The query that lists an edge's orphans, to be run by hand."""
        from fkexplorer.orphans.query import orphan_query  # noqa: PLC0415

        return orphan_query(schema, schema.edges[edge])

    async def close(self) -> None:
        """Drop the connection and everything that runs on it; within a second, the server gone or not."""
        self._queue = None
        database, self.database = self.database, None
        if database is not None:
            await database.close()


def _edge(schema: Schema, query: RowsQuery) -> Relationship:
    assert query.edge is not None
    return schema.edges[query.edge]


def _flat(group: BaseExceptionGroup[Trouble]) -> Iterator[Trouble]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
