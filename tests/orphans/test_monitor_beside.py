"""What is counted beside the catalogue's own edges changes while a monitor runs: nothing else is counted again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.orphans.events import Counted, Event, SchemaChanged
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from fkexplorer.schema.model import EdgeKind, Relationship, Schema
from tests.orphans.connected import edge_of, opened, run

MAKE = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE c (pid int REFERENCES p); INSERT INTO c SELECT generate_series(1, 10);
CREATE TABLE d (pid int); INSERT INTO d VALUES (1), (99);
"""


async def test_edges_come_and_go_and_the_rest_stays_counted(database_url: str) -> None:
    await run(database_url, MAKE)
    async with opened(database_url) as (database, schema):
        events: list[Event] = []
        told = asyncio.Event()

        def listen(event: Event) -> None:
            events.append(event)
            told.set()

        [d], [p] = ([each for each in schema.tables.values() if each.name == name] for name in "dp")
        pair = await read_pair(database, schema, (d, list(d.columns)), (p, list(p.columns)))
        guess = replace(pair, kind=EdgeKind.INFERRED)
        beside: list[Relationship] = []
        refusal: Trouble | None = None

        async def read() -> Schema:
            if refusal is not None:
                raise refusal
            now = await read_schema(database)
            return replace(now, edges={**now.edges, **{each.oid: each for each in beside}})

        async def counted(edge: int) -> None:
            async with asyncio.timeout(30):
                while edge not in monitor.counts:
                    told.clear()
                    await told.wait()

        monitor = Monitor(database, schema, MonitorOptions(every=0.1), listen, read=read)
        running = asyncio.create_task(monitor.run())
        try:
            monitor.count_all()
            own = edge_of(schema, "c").oid
            await counted(own)
            since = len(events)
            beside.append(guess)
            await monitor.read_again()
            await counted(guess.oid)
            assert monitor.counts[guess.oid].orphans == 1
            # Who accepts it has its count.
            beside[:] = [pair]
            await monitor.read_again()
            assert monitor.counts[guess.oid].orphans == 1
            # What is refused is told to whoever asked, and all goes on as it was.
            refusal = Trouble("the catalogue may not be read", "ask for it", code="denied")
            with pytest.raises(Trouble, match="may not be read"):
                await monitor.read_again()
            assert monitor.schema.edges.keys() == {own, guess.oid}
            refusal, beside[:] = None, []
            await monitor.read_again()
            assert monitor.schema.edges.keys() == {own}
            assert monitor.counts.keys() == {own}
            new = [event.recounted for event in events[since:] if isinstance(event, SchemaChanged)]
            assert new == [{guess.oid}, frozenset(), frozenset()]
            assert {event.count.edge for event in events[since:] if isinstance(event, Counted)} == {guess.oid}
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
