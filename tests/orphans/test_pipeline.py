"""Small counts in a pipeline: right as alone, errors and surprises stay with their edge, few round trips for many."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.database.connection import Database
from fkexplorer.database.limits import Limits
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans import pipeline
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Count, Status
from fkexplorer.orphans.pipeline import WINDOW
from fkexplorer.orphans.queue import CountQueue
from tests.orphans.connected import counting, edge_of, holding, new_role, opened, run, until
from tests.orphans.slow import SLOW, slowed
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fkexplorer.orphans.model import Progress
    from fkexplorer.schema.model import Schema


def tables(number: int) -> str:
    """That many tables, each with a foreign key, and in some of them an orphan or two."""
    return f"""
    CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
    DO $$ BEGIN FOR n IN 1 .. {number} LOOP
     EXECUTE format('CREATE TABLE c%s (pid int)', n);
     EXECUTE format('INSERT INTO c%s SELECT generate_series(10 - %s %% 3, 10 + %s %% 3)', n, n, n);
     EXECUTE format('ALTER TABLE c%s ADD FOREIGN KEY (pid) REFERENCES p NOT VALID', n);
    END LOOP; END $$;
    """


class Queued:
    """A queue and what it told, by the child's name."""

    def __init__(self, database: Database, schema: Schema) -> None:
        self.schema = schema
        self.started: list[str] = []
        self.counts: dict[str, Count] = {}
        self.told: list[str] = []
        self.progress: list[Progress] = []
        self.queue = CountQueue(
            database,
            schema,
            on_start=lambda edge: self.started.append(self.name(edge)),
            on_count=self._count,
            on_progress=self.progress.append,
        )

    def name(self, edge: int) -> str:
        """The name of the edge's child."""
        return self.schema.child_of(self.schema.edges[edge]).name

    def oid(self, child: str) -> int:
        """The edge of that child."""
        return edge_of(self.schema, child).oid

    def _count(self, count: Count) -> None:
        self.counts[self.name(count.edge)] = count
        self.told.append(self.name(count.edge))

    @property
    def statuses(self) -> dict[str, Status]:
        """The status of each."""
        return {name: count.status for name, count in self.counts.items()}


@asynccontextmanager
async def queued(conninfo: str, role: str | None = None) -> AsyncIterator[Queued]:
    """A queue that runs, and its database."""
    async with opened(conninfo, role) as (database, schema):
        told = Queued(database, schema)
        task = asyncio.create_task(told.queue.run())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.matrix
async def test_the_same_as_alone(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        tables(5)
        + """
        CREATE TABLE one (pid int UNIQUE REFERENCES p); INSERT INTO one VALUES (1), (2);
        CREATE TABLE "100% ""sure" (":a" int REFERENCES p); INSERT INTO "100% ""sure" VALUES (3);
        CREATE TABLE pp (a text, b int, PRIMARY KEY (a, b)); INSERT INTO pp VALUES ('x', 1);
        CREATE TABLE full_c (a text, b int, FOREIGN KEY (a, b) REFERENCES pp MATCH FULL);
        INSERT INTO full_c VALUES ('x', 1), (NULL, NULL);
        """
    )
    async with opened(conninfo) as (database, schema), queued(conninfo) as told:
        told.queue.add_all()
        await told.queue.idle()
        for edge in schema.edges.values():
            alone, together = await count_edge(database, schema, edge), told.counts[schema.child_of(edge).name]
            assert (together.status, together.orphans) == (alone.status, alone.orphans)
            assert (together.childless, together.unchecked, together.missing_keys, together.way) == (
                alone.childless,
                alone.unchecked,
                alone.missing_keys,
                alone.way,
            )
            assert together.snapshot == alone.snapshot
            assert 0 <= (alone.as_of - together.as_of).total_seconds() < 60
    assert len(told.counts) == len(told.started) == 8
    assert told.counts["c2"].orphans == 2
    assert told.counts["one"].childless == 8


async def test_an_error_stays_with_its_edge(database_url: str) -> None:
    await run(database_url, tables(6) + "CREATE SCHEMA s; CREATE TABLE s.hidden (pid int REFERENCES p);")
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        async with queued(database_url, role) as told:
            await run(
                database_url,
                f"DROP TABLE c2; REVOKE SELECT ON c3 FROM {role}; ALTER TABLE c4 ENABLE ROW LEVEL SECURITY;"
                " ALTER TABLE c5 RENAME COLUMN pid TO other",
            )
            told.queue.add_all()
            await told.queue.idle()
            assert told.statuses == {
                "c1": Status.ORPHANS,
                "c2": Status.FAILED,
                "c3": Status.DENIED,
                "c4": Status.UNRELIABLE,
                "c5": Status.FAILED,
                "c6": Status.CLEAN,
                "hidden": Status.DENIED,
            }
            # The server was asked what is missing, but for what the catalogue had told.
            assert told.counts["c3"].error == f"no SELECT on public.c3: GRANT SELECT ON public.c3 TO {role}"
            assert told.counts["hidden"].error == f"no USAGE on schema s: GRANT USAGE ON SCHEMA s TO {role}"
            # Whoever asks for it has the server asked.
            await run(database_url, f"GRANT USAGE ON SCHEMA s TO {role}; GRANT SELECT ON s.hidden TO {role}")
            told.queue.add([told.oid("hidden")])
            await told.queue.idle()
            assert told.counts["hidden"].status is Status.CLEAN


async def test_what_is_slow_after_all_is_counted_alone(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(database_url, tables(20) + "INSERT INTO c7 SELECT n % 10 + 1 FROM generate_series(1, 100000) n;")
    # A hundred thousand rows take longer than a millisecond, and any other may.
    monkeypatch.setattr(pipeline, "_LIMITS", Limits(statement_timeout_ms=1, lock_timeout_ms=100))
    async with queued(database_url) as told:
        told.queue.add_all()
        await told.queue.idle()
    assert told.started.count("c7") == 2
    assert told.counts["c7"].orphans == 1
    assert len(told.told) == len(told.counts) == 20
    assert Status.TIMED_OUT not in told.statuses.values()


async def test_what_is_slow_after_all_tells_how_far_it_is(database_url: str) -> None:
    await run(database_url, SLOW)
    async with queued(database_url) as told, slowed(database_url):
        told.queue.add_all()
        async with asyncio.timeout(30):
            while not any(each.found for each in told.progress):  # noqa: ASYNC110 - the queue has no word for it
                await asyncio.sleep(0.01)
        assert told.progress[-1].done < told.progress[-1].total
        told.queue.stop_all()
        await told.queue.idle()
    assert told.statuses == {"c": Status.STOPPED}


async def test_what_waits_for_a_lock_holds_up_no_other(database_url: str) -> None:
    await run(database_url, tables(20))
    async with queued(database_url) as told:
        async with holding(database_url, "LOCK TABLE c7"), asyncio.timeout(10):
            told.queue.add_all()
            while len(told.counts) < 19:  # noqa: ASYNC110 - the queue has no word for it
                await asyncio.sleep(0.005)
            assert "c7" not in told.counts
            # It is counted alone by now, and those that come later need not wait for it.
            told.queue.add([told.oid("c8")])
            while told.told.count("c8") < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
        await told.queue.idle()
    assert told.counts["c7"].orphans == 1
    assert told.started.count("c7") >= 2
    assert set(told.started) == set(told.counts)


async def test_one_of_a_window_is_stopped(database_url: str) -> None:
    await run(database_url, tables(3))
    async with queued(database_url) as told:
        async with holding(database_url, "LOCK TABLE c1, c2, c3"):
            told.queue.add_all()
            await until(database_url, lambda pids: len(pids) == 1)
            told.queue.stop(told.oid("c2"))
            assert told.statuses == {"c2": Status.STOPPED}
            assert told.oid("c2") not in told.queue.running
            told.queue.stop(told.oid("c2"))
        await told.queue.idle()
        assert told.told.count("c2") == 1
        assert told.statuses == {"c1": Status.ORPHANS, "c2": Status.STOPPED, "c3": Status.CLEAN}
        told.queue.add([told.oid("c2")])
        await told.queue.idle()
        assert told.counts["c2"].orphans == 2


async def test_quitting_leaves_nothing_of_a_window_on_the_server(database_url: str) -> None:
    await run(database_url, tables(30))
    names = ", ".join(f"c{n}" for n in range(1, 31))
    async with holding(database_url, f"LOCK TABLE {names}"):
        async with opened(database_url) as (database, schema):
            told = Queued(database, schema)
            task = asyncio.create_task(told.queue.run())
            told.queue.add_all()
            await until(database_url, lambda pids: len(pids) == 1)
            clock = asyncio.get_running_loop().time
            began = clock()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert clock() - began < 1.0
        await until(database_url, lambda pids: not pids, seconds=1)
        assert told.counts == {}


async def test_half_of_500_edges_within_five_round_trips(make_database: Callable[[str], str]) -> None:
    edges = 500
    conninfo = make_database(tables(edges))
    async with Proxy(conninfo, delay=0.005) as proxy:
        database = await Database.connect(Source(make_conninfo(proxy.conninfo, sslmode="disable"), "argument"))
        schema = await read_schema(database)
        before = proxy.round_trips
        taken: list[int] = []
        queue = CountQueue(
            database,
            schema,
            on_start=lambda _: None,
            on_count=lambda _: taken.append(proxy.round_trips - before),
        )
        queue.add_all()
        task = asyncio.create_task(queue.run())
        await queue.idle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()
    assert len(taken) == edges
    # A window is one round trip; the first needs no other, since the connection is the catalogue's.
    assert taken[0] == 1
    assert taken[edges // 2 - 1] <= 5
    # On a busy machine the server may answer while the rest of a window is still on its way, which the proxy takes for
    # a turn of its own: seen at one or two of the eight windows.
    assert taken[-1] <= -(-edges // WINDOW) + 3


async def test_nothing_of_a_pipeline_runs_when_nothing_waits(database_url: str) -> None:
    await run(database_url, tables(1))
    async with queued(database_url) as told:
        told.queue.add_all()
        await told.queue.idle()
        assert await counting(database_url) == []
        assert told.queue.pending == 0
        assert told.queue.running == frozenset()
