"""The order of the counts, how many run at once, and how they are stopped, asked for again, and lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.queue import CountQueue
from tests.orphans.connected import edge_of, holding, opened, run, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema

# Four edges to one parent; by size: tiny, small, large. `suspect` is as large but not valid.
TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 100);
CREATE TABLE large (pid int REFERENCES p); INSERT INTO large SELECT n % 100 + 1 FROM generate_series(1, 20000) n;
CREATE TABLE small (pid int REFERENCES p); INSERT INTO small SELECT n % 100 + 1 FROM generate_series(1, 2000) n;
CREATE TABLE tiny (pid int REFERENCES p); INSERT INTO tiny VALUES (1);
CREATE TABLE suspect (pid int); INSERT INTO suspect SELECT n FROM generate_series(1, 20000) n;
ALTER TABLE suspect ADD FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@dataclass
class Told:
    """What a queue said, in order, by the child's name."""

    schema: Schema
    started: list[str] = field(default_factory=list)
    counts: list[tuple[str, Status]] = field(default_factory=list)
    found: dict[str, Count] = field(default_factory=dict)
    most_at_once: int = 0
    queue: CountQueue | None = None

    def name(self, edge: int) -> str:
        """The name of the edge's child."""
        return self.schema.child_of(self.schema.edges[edge]).name

    def on_start(self, edge: int) -> None:
        """Note what begins."""
        assert self.queue is not None
        self.started.append(self.name(edge))
        self.most_at_once = max(self.most_at_once, len(self.queue.running))

    def on_count(self, count: Count) -> None:
        """Note a result."""
        self.counts.append((self.name(count.edge), count.status))
        self.found[self.name(count.edge)] = count


@asynccontextmanager
async def queued(
    conninfo: str, *, max_bytes: int = 1 << 30, connections: int = 2, full: bool = False
) -> AsyncIterator[tuple[CountQueue, Told, Callable[[str], int]]]:
    """A queue over the tables, what it tells, and the OID of an edge by its child's name. It does not run yet."""
    await run(conninfo, TABLES)
    await run(conninfo, "ANALYZE")
    async with opened(conninfo) as (database, schema):
        told = Told(schema)
        told.queue = queue = _queue(database, schema, told, max_bytes=max_bytes, connections=connections, full=full)
        yield queue, told, lambda child: edge_of(schema, child).oid


def _queue(
    database: Database, schema: Schema, told: Told, *, max_bytes: int, connections: int, full: bool
) -> CountQueue:
    return CountQueue(
        database,
        schema,
        max_bytes=max_bytes,
        connections=connections,
        full=full,
        on_start=told.on_start,
        on_count=told.on_count,
    )


@asynccontextmanager
async def running(queue: CountQueue) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(queue.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_suspicious_edges_first_then_small_ones(database_url: str) -> None:
    async with queued(database_url, connections=1) as (queue, told, _), running(queue):
        queue.add_all()
        assert queue.pending == 4
        await queue.idle()
        assert queue.pending == 0
    assert told.started == ["suspect", "tiny", "small", "large"]
    assert told.counts == [
        ("suspect", Status.ORPHANS),
        ("tiny", Status.CLEAN),
        ("small", Status.CLEAN),
        ("large", Status.CLEAN),
    ]
    assert told.found["suspect"].orphans == 19900


async def test_full_counts_everything(database_url: str) -> None:
    async with queued(database_url, full=True) as (queue, told, oid), running(queue):
        queue.add([oid("small")])
        await queue.idle()
    assert told.found["small"].rows == 2000


async def test_one_edge_in_full_among_others(database_url: str) -> None:
    async with queued(database_url) as (queue, told, oid), running(queue):
        queue.add_all()
        queue.add([oid("small")], full=True)
        await queue.idle()
        assert (told.found["small"].rows, told.found["small"].childless) == (2000, 0)
        assert told.found["large"].rows is None
        queue.add([oid("small")])
        await queue.idle()
        assert told.found["small"].rows is None  # asked for once, it is not in full for ever


async def test_what_an_edge_costs_is_known_before(database_url: str) -> None:
    async with queued(database_url, max_bytes=100_000) as (queue, _, oid):
        assert queue.affordable(oid("tiny"))
        assert not queue.affordable(oid("large"))
        assert not queue.affordable(0)


async def test_expensive_edges_wait_until_somebody_asks(database_url: str) -> None:
    async with queued(database_url, max_bytes=300_000) as (queue, told, oid), running(queue):
        queue.add_all()
        # At once, before anything ran.
        assert sorted(told.counts) == [("large", Status.SKIPPED), ("suspect", Status.SKIPPED)]
        assert told.found["large"].orphans is None
        assert "over the limit" in (told.found["large"].error or "")
        await queue.idle()
        assert sorted(told.started) == ["small", "tiny"]

        queue.add([oid("large")])
        await queue.idle()
        assert told.counts[-1] == ("large", Status.CLEAN)
        queue.add_all([oid("large")])
        assert told.counts[-1] == ("large", Status.SKIPPED)


async def test_a_table_that_was_never_analysed_is_not_taken_for_an_empty_one(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        assert {table.estimated_bytes for table in schema.tables.values()} == {0}
        # What the server's statistics say, which may come a second late.
        tables = {
            oid: replace(table, live_rows={"large": 20_000, "small": 2_000}.get(table.name, 1))
            for oid, table in schema.tables.items()
        }
        told = Told(schema)
        _queue(database, replace(schema, tables=tables), told, max_bytes=300_000, connections=1, full=False).add_all()
        assert told.counts == [("large", Status.SKIPPED)]


async def test_two_run_at_once(database_url: str) -> None:
    async with queued(database_url, connections=9, full=True) as (queue, told, _), running(queue):
        async with holding(database_url, "LOCK TABLE p"):
            queue.add_all()
            await until(database_url, lambda pids: len(pids) == 2)
            assert len(queue.running) == 2
            assert queue.pending == 2
        await queue.idle()
    assert told.most_at_once == 2
    assert len(told.counts) == 4


async def test_an_edge_that_somebody_asks_for_goes_ahead(database_url: str) -> None:
    async with queued(database_url, connections=1) as (queue, told, oid):
        queue.add_all()
        queue.watch([oid("tiny"), 1])
        queue.add([oid("small"), 1])
        queue.add([oid("large")])
        queue.add_all([oid("large"), oid("large"), 1])
        assert queue.pending == 4
        async with running(queue):
            await queue.idle()
    assert told.started == ["large", "small", "tiny", "suspect"]


async def test_what_somebody_looks_at_waits_only_if_it_did(database_url: str) -> None:
    async with queued(database_url) as (queue, _, oid):
        queue.watch([oid("large")])
        assert queue.pending == 0


async def test_an_edge_that_runs_is_not_run_twice(database_url: str) -> None:
    async with queued(database_url) as (queue, told, oid), running(queue):
        async with holding(database_url, "LOCK TABLE p"):
            queue.add([oid("tiny")])
            await until(database_url, lambda pids: len(pids) == 1)
            queue.add([oid("tiny"), oid("tiny")])
            assert queue.pending == 0
        await queue.idle()
        assert told.started == ["tiny"]
        queue.add([oid("tiny")])
        await queue.idle()
        assert told.started == ["tiny", "tiny"]


async def test_a_stop_reaches_the_server_and_the_rest_goes_on(database_url: str) -> None:
    async with queued(database_url) as (queue, told, oid), running(queue):
        async with holding(database_url, "LOCK TABLE large"):
            queue.add([oid("large")])
            [pid] = await until(database_url, lambda pids: len(pids) == 1)
            queue.add_all([oid("small")])
            queue.stop(oid("large"))
            await queue.idle()
            assert pid not in await until(database_url, lambda pids: pid not in pids, seconds=1)
        assert ("large", Status.STOPPED) in told.counts
        assert ("small", Status.CLEAN) in told.counts
        assert told.found["large"].orphans is None
        # Stopped is not for ever.
        queue.add([oid("large")])
        await queue.idle()
        assert told.counts[-1] == ("large", Status.CLEAN)


async def test_stopping_all_empties_the_queue(database_url: str) -> None:
    async with queued(database_url, full=True) as (queue, told, _), running(queue):
        async with holding(database_url, "LOCK TABLE p"):
            queue.add_all()
            await until(database_url, lambda pids: len(pids) == 2)
            queue.stop_all()
            await queue.idle()
        assert sorted(told.counts) == [(name, Status.STOPPED) for name in ("large", "small", "suspect", "tiny")]
        await until(database_url, lambda pids: not pids, seconds=1)


async def test_one_that_fails_stops_no_other(database_url: str) -> None:
    async with queued(database_url, connections=1) as (queue, told, _), running(queue):
        await run(database_url, "DROP TABLE suspect, small")
        queue.add_all()
        await queue.idle()
    assert sorted(told.counts) == [
        ("large", Status.CLEAN),
        ("small", Status.FAILED),
        ("suspect", Status.FAILED),
        ("tiny", Status.CLEAN),
    ]
    assert told.found["small"].error == 'relation "public.small" does not exist'


async def test_an_edge_that_is_gone_from_the_schema_is_passed_over(database_url: str) -> None:
    async with queued(database_url) as (queue, told, _), running(queue):
        queue.add([1])
        await queue.idle()
    assert told.counts == []


async def test_a_lost_connection_ends_it_without_results(database_url: str) -> None:
    async with queued(database_url, full=True) as (queue, told, _), running(queue) as task:
        async with holding(database_url, "LOCK TABLE p"):
            queue.add_all()
            pids = await until(database_url, lambda pids: len(pids) == 2)
            waiter = asyncio.create_task(queue.idle())
            await run(database_url, f"SELECT pg_terminate_backend({pids[0]})")
            with pytest.raises(Trouble) as caught:
                await task
            assert caught.value.code == "lost"
            with pytest.raises(Trouble):
                await waiter
            # The other one is not left behind on the server.
            await until(database_url, lambda pids: not pids, seconds=1)
        assert told.counts == []
        assert queue.running == frozenset()


@pytest.mark.parametrize("full", [False, True])
async def test_a_cancelled_queue_leaves_nothing_on_the_server(database_url: str, *, full: bool) -> None:
    async with queued(database_url, full=full) as (queue, told, _), holding(database_url, "LOCK TABLE p"):
        async with running(queue):
            queue.add_all()
            await until(database_url, lambda pids: len(pids) == 2)
        await until(database_url, lambda pids: not pids, seconds=1)
        assert told.counts == []
        await queue.idle()


async def test_what_waited_is_counted_when_it_runs_again(database_url: str) -> None:
    async with queued(database_url, connections=1, full=True) as (queue, told, _):
        async with holding(database_url, "LOCK TABLE p"), running(queue):
            queue.add_all()
            await until(database_url, lambda pids: len(pids) == 1)
        assert queue.pending == 3
        async with running(queue):
            await asyncio.sleep(0)
            await queue.idle()
    assert [name for name, _ in told.counts] == ["tiny", "small", "large"]


async def test_a_callback_may_add_and_stop(database_url: str) -> None:
    async with queued(database_url) as (queue, told, oid):
        tell = told.on_count

        def again(count: Count) -> None:
            tell(count)
            if count.status is Status.CLEAN:
                queue.add([oid("large")])
                queue.stop(oid("large"))

        queue._on_count = again
        async with running(queue):
            queue.add([oid("small")])
            await queue.idle()
    assert told.counts == [("small", Status.CLEAN), ("large", Status.STOPPED)]


async def test_what_a_callback_raises_ends_the_queue(database_url: str) -> None:
    async with queued(database_url) as (queue, _, oid):

        def fails(_: Count) -> None:
            raise LookupError("from the callback")

        queue._on_count = fails
        async with running(queue) as task:
            queue.add([oid("small")])
            with pytest.raises(LookupError):
                await task
            with pytest.raises(LookupError):
                await queue.idle()
