"""The connected database behind the screen: every coroutine here runs in a worker and answers by a message.

SQLAlchemy, psycopg and networkx take about 0.8 s to import, so nothing here imports them before the first frame is
painted; then a thread does, and keys still work meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.config.settings import Settings
from fkexplorer.database.model import Trouble
from fkexplorer.tui.messages import (
    Connected,
    ConnectFailed,
    ConnectionLost,
    PageFailed,
    PageLoaded,
    PartitionsLoaded,
    Reconnected,
    ReloadFailed,
    SchemaLoaded,
    Told,
)
from fkexplorer.tui.threads import beside, import_heavy
from fkexplorer.tui.world import RowsKind, RowsQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.message import Message

    from fkexplorer.database.connection import Database
    from fkexplorer.database.model import ServerFacts
    from fkexplorer.database.source import Source
    from fkexplorer.diagnosis.impact_model import Impact
    from fkexplorer.diagnosis.model import Diagnosis, Key, Trace
    from fkexplorer.diagnosis.reading.model import Found as FoundError
    from fkexplorer.doctor.model import Examination
    from fkexplorer.fixes.finding import Found
    from fkexplorer.inference.model import Guess, Inference
    from fkexplorer.known.model import Known
    from fkexplorer.orphans.history import History
    from fkexplorer.orphans.model import Page
    from fkexplorer.orphans.monitor import Monitor
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Column, Relationship, Schema, Table
    from fkexplorer.tui.doctor_look import Question

EVERY = 1.0
"""Seconds between two looks at the server for what changed: one small query each."""
GUESSING = 10.0
"""Seconds in which keys are sampled for guesses, at most."""


class Session:
    """One source, its connection as long as there is one, and the monitor that counts on it.

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
        settings: Settings | None = None,
    ) -> None:
        self.source = source
        self.settings = settings or Settings()
        """What is configured; whoever changes it reads the catalogue again."""
        self.guesses: tuple[Guess, ...] | None = None
        """Those that are drawn; None where nobody wants to see any."""
        self._prepare = prepare
        self.generation = 0
        self.database: Database | None = None
        self._post = post
        self.max_bytes = max_bytes
        """Tables up to this size, in bytes, may be read whole without being asked for."""
        self._monitor: Monitor | None = None
        self._facts: ServerFacts | None = None
        """Of the last connection."""

    def _say(self, message: Message) -> None:
        self._post(message)

    async def connect(self, password: str | None = None) -> None:
        """Connect and read the catalogue: posts Connected and SchemaLoaded, or ConnectFailed."""
        await asyncio.to_thread(import_heavy)
        from fkexplorer.database.connection import Database  # noqa: PLC0415 - after the first frame

        await self.close()
        self.generation += 1
        try:
            if self._prepare is not None:
                prepare, self._prepare = self._prepare, None
                self.source = await beside(prepare)
            before, self.database = self._facts, await Database.connect(self.source, password=password)
            self._facts = self.database.facts
            if before is None or (before.place, before.instance) != (self._facts.place, self._facts.instance):
                self.guesses = None  # they are of the tables of another database
            generation = self.generation
            self.database.on_reconnect = lambda same: self._say(Reconnected(generation, same))
            self._say(Connected(self.database.facts))
            await self.load()
        except Trouble as trouble:
            self._say(ConnectFailed(trouble))

    async def load(self) -> None:
        """Read the catalogue (again): posts SchemaLoaded; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.schema.graph import known_graph  # noqa: PLC0415

        try:
            known = await self._known()
        except Exception as error:  # noqa: BLE001 - every failure of a read becomes one line and a hint
            raise trouble_of(error) from None
        self._say(SchemaLoaded(known.schema, known_graph(known.schema), known.problems))

    async def _known(self) -> Known:
        """The catalogue with what is configured, and the guesses that are drawn."""
        from fkexplorer.known.bind import read_known  # noqa: PLC0415

        database = self.connected()
        known = await read_known(database, self.settings)
        if not self.guesses:
            return known
        from fkexplorer.known.guessing import not_rejected, with_guesses  # noqa: PLC0415 - few ask for it

        guesses = not_rejected(known.schema, self.settings, self.guesses)
        return replace(known, schema=await with_guesses(database, known.schema, guesses))

    async def _schema(self) -> Schema:
        return (await self._known()).schema

    async def reload(self) -> None:
        """Read the catalogue again: posts SchemaLoaded, ReloadFailed or ConnectionLost."""
        generation = self.generation
        try:
            await self.load()
        except Trouble as trouble:
            self._say(ConnectionLost(generation, trouble) if trouble.code == "lost" else ReloadFailed(trouble))

    async def read_again(self) -> None:
        """Read the catalogue again since something beside it changed; counts stay; raises Trouble (`lost`)."""
        if self._monitor is not None:
            await self._monitor.read_again()

    def connected(self) -> Database:
        """The database; Trouble (`lost`) while there is none."""
        if self.database is None:
            raise Trouble("the connection to the server is lost", "R reconnects", code="lost")
        return self.database

    async def count(self, schema: Schema, history: History) -> None:
        """Count every edge and keep the counts true, until cancelled: posts what the monitor tells.

        Args:
            schema: the catalogue as it was read.
            history: where the courses of the edges go on.
        """
        from fkexplorer.orphans.monitor import Monitor, MonitorOptions  # noqa: PLC0415

        if self.database is None:
            return
        generation = self.generation
        self._monitor = Monitor(
            self.database,
            schema,
            MonitorOptions(max_bytes=self.max_bytes, every=EVERY),
            lambda event: self._say(Told(generation, event)),
            history=history,
            read=self._schema,
        )
        self._monitor.count_all()
        try:
            await self._monitor.run()
        except Trouble as trouble:
            self._say(ConnectionLost(generation, trouble))

    def look_at(self, edges: Iterable[int]) -> None:
        """Somebody looks at these edges: they come first."""
        if self._monitor:
            self._monitor.look_at(edges)

    def recount(self, edges: Iterable[int] | None) -> None:
        """Count these edges again, ahead of everything, whatever they cost; or all within the cost limit."""
        if self._monitor and edges is not None:
            self._monitor.recount(edges)
        elif self._monitor:
            self._monitor.count_all()

    def count_in_full(self, edge: int) -> bool:
        """Count rows, NULLs, missing keys and childless parents of an edge too; False where that costs too much."""
        if self._monitor is None or not self._monitor.affordable(edge):
            return False
        self._monitor.recount([edge], full=True)
        return True

    def stop(self, edge: int) -> None:
        """Stop the count of an edge, running or waiting."""
        if self._monitor:
            self._monitor.stop(edge)

    def stop_all(self) -> bool:
        """Stop every count; whether there was one."""
        if self._monitor and (self._monitor.pending or self._monitor.running):
            self._monitor.stop_all()
            return True
        return False

    async def page(self, schema: Schema, query: RowsQuery, after: tuple[str | None, ...] | None) -> None:
        """Fetch a page of rows: posts PageLoaded or PageFailed."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415

        try:
            page = await self._fetch(self.connected(), schema, query, after)
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
        if query.kind is RowsKind.HOLDING:
            from fkexplorer.diagnosis.trace_rows import rows_holding  # noqa: PLC0415

            return await rows_holding(
                database,
                schema.tables[query.table],
                query.columns,
                query.value,
                only=None if query.edge is None else _edge(schema, query).only,
                after=after,
                as_role=query.as_role,
                reveal=query.reveal,
            )
        edge = _edge(schema, query)
        ask = {
            RowsKind.ORPHANS: rows.orphan_rows,
            RowsKind.KEYS: rows.missing_keys,
            RowsKind.CHILDLESS: rows.childless_parents,
        }[query.kind]
        return await ask(database, schema, edge, after=after, as_role=query.as_role, reveal=query.reveal)

    async def partitions(self, schema: Schema, edge: Relationship) -> None:
        """Read in which partitions the orphans of an edge lie, unless it is over the limit: posts PartitionsLoaded."""
        from fkexplorer.orphans.partitions import orphans_by_partition  # noqa: PLC0415

        if self._monitor is None or not self._monitor.affordable(edge.oid):
            return
        generation = self.generation
        with contextlib.suppress(Trouble):  # the count, which is there, is told without
            page = await orphans_by_partition(self.connected(), schema, edge)
            self._say(PartitionsLoaded(generation, edge.oid, page))

    async def whole_row(self, schema: Schema, query: RowsQuery, key: tuple[str | None, ...]) -> Page:
        """One row with its values in full; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.orphans import rows  # noqa: PLC0415

        try:
            return await rows.whole_row(
                self.connected(),
                schema,
                schema.tables[query.table],
                key=key,
                as_role=query.as_role,
                reveal=query.reveal,
            )
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    async def find_parents(self, schema: Schema, edge: Relationship, text: str) -> Found:
        """Parents of an edge that a few letters may mean, within the cost limit; raises Trouble."""
        from fkexplorer.fixes.finding import find_parents  # noqa: PLC0415 - after the first frame

        return await find_parents(self.connected(), schema, edge, text, max_bytes=self.max_bytes)

    async def diagnose(
        self, schema: Schema, graph: Graph, found: FoundError, live: Live, *, chosen: int | None
    ) -> Diagnosis:
        """All that the database says about an error; raises Trouble.

        Args:
            schema: the catalogue.
            graph: its graph.
            found: the error.
            live: what the monitor has told of deletes.
            chosen: OID of the edge that somebody says the error means.
        """
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.diagnosis.diagnose import diagnose  # noqa: PLC0415

        try:
            return await diagnose(
                self.connected(),
                schema,
                graph,
                found,
                max_bytes=self.max_bytes,
                deletes=live.deleted if live.since is not None else None,
                since=live.since,
                chosen=chosen,
            )
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    async def examine(self, question: Question, told: Callable[[str], None]) -> tuple[Examination, Schema]:
        """What is wrong with an edge, or any, and the catalogue that it was found with; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.tui.doctor_look import look  # noqa: PLC0415

        try:
            return await look(self.connected(), self.settings, question, max_bytes=self.max_bytes, told=told)
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    async def trace(
        self, schema: Schema, graph: Graph, table: Table, columns: Sequence[Column], value: tuple[str | None, ...]
    ) -> Trace:
        """Everywhere that a key lives; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.diagnosis.trace import trace  # noqa: PLC0415
        from fkexplorer.tracing import SECONDS  # noqa: PLC0415

        try:
            return await trace(
                self.connected(),
                schema,
                graph,
                table,
                columns,
                value,
                max_bytes=self.max_bytes,
                seconds=SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    async def impact(
        self, schema: Schema, table: Table, keys: Sequence[Key], told: Callable[[Impact], object]
    ) -> Impact:
        """What deleting rows would do; `told` hears of a first look, where it takes a second one; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.diagnosis.impact import impact  # noqa: PLC0415

        try:
            return await impact(self.connected(), schema, table, keys, max_bytes=self.max_bytes, told=told)
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None

    async def guess(self, schema: Schema) -> Inference:
        """What nobody declared and is likely, without what is rejected; raises Trouble."""
        from fkexplorer.database.errors import trouble_of  # noqa: PLC0415
        from fkexplorer.inference.look import look  # noqa: PLC0415 - few ask for it
        from fkexplorer.known.guessing import not_rejected  # noqa: PLC0415 - as above

        try:
            found = await look(self.connected(), schema, data=True, seconds=GUESSING, max_bytes=self.max_bytes)
        except Exception as error:  # noqa: BLE001 - as above
            raise trouble_of(error) from None
        return replace(found, guesses=not_rejected(schema, self.settings, found.guesses))

    @staticmethod
    def sql_of(schema: Schema, edge: int) -> str:
        """The query that lists an edge's orphans, to be run by hand."""
        from fkexplorer.orphans.query import orphan_query  # noqa: PLC0415

        return orphan_query(schema, schema.edges[edge])

    async def close(self) -> None:
        """Drop the connection and everything that runs on it; within a second, the server gone or not."""
        self._monitor = None
        database, self.database = self.database, None
        if database is not None:
            await database.close()


def _edge(schema: Schema, query: RowsQuery) -> Relationship:
    assert query.edge is not None
    return schema.edges[query.edge]
