"""The monitor on real sessions: it counts again where something changed, and proves the rest without counting."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.orphans.changes import Watcher
from fkexplorer.orphans.events import Confirmed, Counted, Deleted, Event, Settled, Waiting
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from tests.orphans.connected import new_role, opened, run
from tests.orphans.test_pipeline import tables
from tests.orphans.watched import watched
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.changes import Look

TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE c (pid int REFERENCES p); INSERT INTO c SELECT generate_series(1, 10);
CREATE TABLE other_p (id int PRIMARY KEY); INSERT INTO other_p SELECT generate_series(1, 10);
CREATE TABLE other (pid int REFERENCES other_p);
"""
ORPHAN = "SET LOCAL session_replication_role = replica; INSERT INTO c VALUES (99)"


async def session(conninfo: str) -> psycopg.AsyncConnection:
    """Another session."""
    return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)


@pytest.mark.matrix
async def test_an_idle_database_is_proven_by_its_snapshot_alone(database_url: str) -> None:
    await run(database_url, TABLES)
    async with Proxy(database_url) as proxy, watched(make_conninfo(proxy.conninfo, sslmode="disable")) as told:
        await told.confirmed("c", times=15)  # for a second counters are looked at, which may come late
        since, before = len(told.events), proxy.round_trips
        await told.confirmed("c", times=10)
        # A look is one message there and back, of one small query and its limits, whatever there is to be counted.
        assert proxy.round_trips - before <= 11
        assert told.of(Counted, since) == []
        last = told.of(Confirmed)[-1]
        assert last.edges == set(told.monitor.schema.edges)
        assert last.as_of > told.count("c").as_of


@pytest.mark.matrix
async def test_a_change_is_counted_and_the_rest_is_proven_without(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told, await session(database_url) as writer:
        await told.confirmed("c")
        since = len(told.events)
        await writer.execute(f"BEGIN; {ORPHAN}; COMMIT")
        await told.until(lambda: told.count("c").orphans == 1)
        [event] = [event for event in told.of(Counted, since) if event.count.edge == told.oid("c")][-1:]
        assert (event.added, event.background) == (1, True)
        assert event.before is not None
        assert event.before.orphans == 0
        course = told.monitor.history.of(told.monitor.schema.edges[told.oid("c")])
        assert course is not None
        assert course.appeared == event.count.as_of
        await told.confirmed("c")
        await told.confirmed("other")


async def test_another_database_of_the_server_makes_nothing_be_counted(
    database_url: str, make_database: Callable[[str], str]
) -> None:
    await run(database_url, TABLES)
    elsewhere = make_database("CREATE TABLE t (n int)")
    async with watched(database_url) as told, await session(elsewhere) as writer:
        await told.confirmed("c")
        since = len(told.events)
        for _ in range(3):
            await writer.execute("INSERT INTO t VALUES (1)")
            await told.confirmed("c")
        assert told.of(Counted, since) == []


@pytest.mark.matrix
async def test_a_writer_that_idles_in_its_next_transaction_keeps_nothing_from_being_counted(database_url: str) -> None:
    """Its counts are not flushed before its transaction ends: equal counters prove nothing then."""
    await run(database_url, TABLES)
    async with watched(database_url) as told, await session(database_url) as writer:
        await told.confirmed("c")
        # One message, so that nothing is flushed in between.
        await writer.execute(f"BEGIN; {ORPHAN}; COMMIT; BEGIN; SELECT 1 FROM p")
        await told.until(lambda: told.count("c").orphans == 1)
        await writer.execute("ROLLBACK")
        await told.confirmed("c")


async def test_a_procedure_that_commits_on_its_way(database_url: str) -> None:
    await run(
        database_url,
        TABLES + "CREATE PROCEDURE slowly() LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('session_replication_role', 'replica', true); INSERT INTO c VALUES (99); COMMIT;"
        " PERFORM pg_sleep(60); END $$;",
    )
    async with watched(database_url) as told, await session(database_url) as writer:
        await told.confirmed("c")
        calling = asyncio.create_task(writer.execute("CALL slowly()"))
        await told.until(lambda: told.count("c").orphans == 1)
        assert not calling.done()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)


async def test_a_transaction_is_counted_when_it_commits_however_long_it_was_idle(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told, await session(database_url) as writer:
        await writer.execute(f"BEGIN; {ORPHAN}")
        await told.confirmed("c", times=2)
        assert told.count("c").orphans == 0
        await writer.execute("COMMIT")
        await told.until(lambda: told.count("c").orphans == 1)


@pytest.mark.matrix
async def test_a_prepared_transaction_is_counted_when_it_is_committed(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        async with await session(database_url) as writer:
            await writer.execute(f"BEGIN; {ORPHAN}; PREPARE TRANSACTION 'watched'")
        await told.confirmed("c")
        assert told.count("c").orphans == 0
        async with await session(database_url) as other:
            await other.execute("COMMIT PREPARED 'watched'")
        await told.until(lambda: told.count("c").orphans == 1)


@pytest.mark.matrix
async def test_truncate_counts_nothing_and_is_seen(database_url: str) -> None:
    await run(database_url, TABLES + f"BEGIN; {ORPHAN}; COMMIT;")
    async with watched(database_url) as told, await session(database_url) as writer:
        assert told.count("c").orphans == 1
        await told.confirmed("c")
        await writer.execute("TRUNCATE c")
        await told.until(lambda: told.count("c").orphans == 0)


@pytest.mark.matrix
async def test_a_partition_is_written_attached_and_detached(database_url: str) -> None:
    await run(
        database_url,
        """
        CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE c (pid int, day int) PARTITION BY LIST (day);
        CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1); CREATE TABLE c2 PARTITION OF c FOR VALUES IN (2);
        ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p;
        """,
    )
    replica = "SET LOCAL session_replication_role = replica"
    async with watched(database_url) as told, await session(database_url) as writer:
        await told.confirmed("c")
        await writer.execute(f"BEGIN; {replica}; INSERT INTO c2 VALUES (9, 2), (9, 2); COMMIT")
        await told.until(lambda: told.count("c").orphans == 2)
        await told.confirmed("c")
        await writer.execute("TRUNCATE c2")
        await told.until(lambda: told.count("c").orphans == 0)
        await writer.execute(f"BEGIN; {replica}; INSERT INTO c2 VALUES (9, 2); COMMIT")
        await told.until(lambda: told.count("c").orphans == 1)
        # No row is written when it goes, and the edge is another question then.
        await writer.execute("ALTER TABLE c DETACH PARTITION c2; ALTER TABLE c2 DROP CONSTRAINT c_pid_fkey")
        edge = told.oid("c")
        assert edge in (await told.changed()).recounted
        await told.until(lambda: (count := told.monitor.counts.get(edge)) is not None and count.orphans == 0)


async def test_counters_that_are_reset_prove_nothing_more(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told:
        parent = told.monitor.schema.edges[told.oid("other")].parent
        await run(database_url, "DELETE FROM other_p WHERE id < 3")
        await told.until(lambda: told.of(Deleted)[-1].rows[parent] == 2)
        since = len(told.events)
        await run(database_url, "SELECT pg_stat_reset()")
        await told.until(lambda: set(told.monitor.schema.edges) <= {e.count.edge for e in told.of(Counted, since)})
        # A write makes it look at the counters; how many deletes there were before the reset nobody knows.
        await run(database_url, "INSERT INTO other VALUES (5)")
        await told.until(lambda: told.of(Deleted)[-1].rows[parent] is None)


@pytest.mark.matrix
async def test_without_pg_monitor_it_counts_and_does_not_believe(database_url: str) -> None:
    await run(database_url, TABLES)
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        async with watched(database_url, role=role) as told, await session(database_url) as writer:
            # Nothing was committed: that can be seen without a privilege.
            await told.confirmed("c", times=2)
            since = len(told.events)
            await writer.execute("INSERT INTO other VALUES (1)")
            await told.until(lambda: told.counted("c", since) and told.counted("other", since))


async def test_a_lost_connection_ends_it(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        monitor = Monitor(database, schema, MonitorOptions(every=0.1), lambda _: None)
        monitor.count_all()
        task = asyncio.create_task(monitor.run())
        await monitor.idle()
        await run(
            database_url,
            "UPDATE pg_database SET datallowconn = false WHERE datname = current_database();"
            " SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with pytest.raises(Trouble):
            await asyncio.wait_for(task, 20)
        with pytest.raises(Trouble):
            await monitor.idle()


async def test_a_server_that_crashed_leaves_no_proof() -> None:
    """Its counters begin at 0 again, and a pooler may keep the connection."""
    with EmbeddedServer.start(settings={"restart_after_crash": "on", "synchronous_commit": "on"}) as server:
        conninfo = server.conninfo("postgres")
        await run(conninfo, TABLES)
        async with opened(conninfo) as (database, schema):
            monitor = Monitor(database, schema, MonitorOptions(every=0.1), lambda _: None)
            monitor.count_all()
            task = asyncio.create_task(monitor.run())
            await monitor.idle()
            look, proofs = monitor._last, copy.deepcopy(monitor._fresh)
            assert look is not None
            assert len(proofs.proofs) == 2
            async with await session(conninfo) as victim:
                os.kill(victim.info.backend_pid, signal.SIGKILL)
            # It ends with a lost connection; or none was in use, and it goes on with another.
            async with asyncio.timeout(20):
                while not task.done() and monitor._last and monitor._last.cluster == look.cluster:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            after = await up_again(database)
            assert after.cluster != look.cluster
            # Were the connection the same, and the snapshot's text too, it would prove nothing.
            proofs.take(replace(after, snapshot=look.snapshot), None, schema)
            judgement = proofs.judge(schema)
            assert judgement.confirmed == frozenset()
            assert judgement.uncertain == frozenset(schema.edges)
            await run(conninfo, f"BEGIN; {ORPHAN}; COMMIT")
            async with watched(conninfo) as told:
                assert told.count("c").orphans == 1


async def up_again(database: Database) -> Look:
    """The first look at a server that has just crashed."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(Trouble, psycopg.Error):
                return await Watcher(database).look()
            await asyncio.sleep(0.05)


@pytest.mark.matrix
async def test_who_waits_for_whom_and_what_was_deleted(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told, await session(database_url) as deleter:
        edge = told.monitor.schema.edges[told.oid("c")]
        await deleter.execute("BEGIN; DELETE FROM c WHERE pid = 3; DELETE FROM p WHERE id = 3")
        async with await session(database_url) as inserter:
            insert = asyncio.create_task(inserter.execute("INSERT INTO c VALUES (3) -- s3cret"))
            await told.until(lambda: told.of(Waiting))
            [wait] = told.of(Waiting)[-1].waits
            assert (wait.waiter.pid, wait.waiter.statement) == (inserter.info.backend_pid, "INSERT INTO c VALUES (?)")
            assert [each.pid for each in wait.blockers] == [deleter.info.backend_pid]
            assert wait.blockers[0].statement == "BEGIN; DELETE FROM c WHERE pid = ?; DELETE FROM p WHERE id = ?"
            assert wait.blockers[0].state == "idle in transaction"
            assert wait.concerns(edge.child, edge.parent)
            other = told.monitor.schema.edges[told.oid("other")]
            assert not wait.concerns(other.child, other.parent)
            await deleter.execute("COMMIT")
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                await insert
        await told.until(lambda: told.of(Waiting)[-1].waits == ())
        await deleter.close()  # else it would hold its counts back for ten seconds
        await told.until(lambda: told.of(Deleted)[-1].rows[edge.parent] == 1)
        # The race leaves no orphan behind.
        await told.confirmed("c")
        assert told.count("c").status is Status.CLEAN


async def test_one_that_waits_for_a_table(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url) as told, await session(database_url) as reader, await session(database_url) as ddl:
        edge = told.monitor.schema.edges[told.oid("c")]
        await reader.execute("BEGIN; SELECT 1 FROM p")
        altering = asyncio.create_task(ddl.execute("ALTER TABLE p ADD COLUMN n int"))
        await told.until(lambda: told.of(Waiting))
        [wait] = told.of(Waiting)[-1].waits
        assert (wait.mode, wait.wanted) == ("AccessExclusiveLock", edge.parent)
        assert wait.concerns(edge.child, edge.parent)
        await reader.execute("ROLLBACK")
        await altering
        await told.until(lambda: told.of(Waiting)[-1].waits == ())


async def test_what_costs_too_much_is_not_counted_again_by_itself(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url, MonitorOptions(max_bytes=100)) as told:
        assert told.count("c").status is Status.SKIPPED
        told.monitor.recount([told.oid("c"), told.oid("other")])
        await told.until(lambda: told.count("c").known and told.count("other").known)
        await told.confirmed("c")
        since = len(told.events)
        await run(database_url, f"BEGIN; {ORPHAN}; COMMIT")
        await told.confirmed("other", times=3)
        assert told.of(Counted, since) == []
        assert told.oid("c") not in told.of(Confirmed)[-1].edges


async def test_nothing_is_looked_at_where_it_is_not_live(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watched(database_url, MonitorOptions(live=False)) as told:
        assert len(told.of(Counted)) == 2
        await run(database_url, f"BEGIN; {ORPHAN}; COMMIT")
        await asyncio.sleep(0.3)
        assert len(told.of(Counted)) == 2
        assert len(told.of(Settled)) == 1
        assert told.of(Confirmed) == []


async def test_half_of_500_edges_within_five_round_trips(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(tables(500))
    async with Proxy(conninfo, delay=0.005) as proxy:
        database = await Database.connect(Source(make_conninfo(proxy.conninfo, sslmode="disable"), "argument"))
        schema = await read_schema(database)
        before = proxy.round_trips
        taken: list[int] = []

        def listen(event: Event) -> None:
            if isinstance(event, Counted):
                taken.append(proxy.round_trips - before)

        # The next look, for which a second connection is made, would be counted too.
        monitor = Monitor(database, schema, MonitorOptions(every=100), listen)
        monitor.count_all()
        task = asyncio.create_task(monitor.run())
        await monitor.idle()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()
    assert len(taken) == 500
    # The first look, and a window of counts.
    assert taken[0] == 2
    assert taken[249] <= 5
