"""The monitor on a physical standby, where nothing is counted by the server and a snapshot's text does not tell all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.orphans.changes import Watcher
from fkexplorer.orphans.events import Confirmed, Deleted
from tests.database.listening import listening
from tests.database.test_standby import standby
from tests.orphans.connected import opened, run
from tests.orphans.watched import watched
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE c (pid int REFERENCES p); CREATE TABLE noise (n int);
"""
ORPHAN = "SET LOCAL session_replication_role = replica; INSERT INTO c VALUES (99)"


def programs() -> Path:
    """PostgreSQL 15, which has pg_basebackup."""
    found = binaries("15")
    if not (found / "pg_basebackup").exists():
        missing("pg_basebackup of PostgreSQL 15")
    return found


async def replayed(primary: str, copy: str) -> None:
    """Wait until the standby has all that was committed."""
    async with (
        await psycopg.AsyncConnection.connect(primary, autocommit=True) as here,
        await psycopg.AsyncConnection.connect(copy, autocommit=True) as there,
        asyncio.timeout(20),
    ):
        cursor = await here.execute("SELECT pg_current_wal_insert_lsn()::text")
        row = await cursor.fetchone()
        assert row is not None
        while True:
            cursor = await there.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [row[0]])
            if await cursor.fetchone() == (True,):
                return
            await asyncio.sleep(0.01)


async def test_a_standby() -> None:
    with listening(programs=programs(), settings={"wal_level": "replica", "max_wal_senders": "4"}) as primary:
        conninfo = primary.server.conninfo()
        await run(conninfo, TABLES)
        primary.add_rules("local replication all trust")
        with standby(primary, programs()) as copy:
            await _equal_text_of_unequal_snapshots(conninfo, copy)
            await _a_change_is_seen(conninfo, copy)


async def _equal_text_of_unequal_snapshots(conninfo: str, copy: str) -> None:
    async with (
        await psycopg.AsyncConnection.connect(conninfo) as first,
        await psycopg.AsyncConnection.connect(conninfo) as second,
        opened(copy) as (database, _),
    ):
        watcher = Watcher(database)
        quiet = await watcher.look()
        assert quiet.standby
        assert quiet.whole
        await first.execute("INSERT INTO noise VALUES (1)")
        await second.execute(ORPHAN.encode())
        await run(conninfo, "INSERT INTO noise VALUES (2)")
        await replayed(conninfo, copy)
        before = await watcher.look()
        await second.commit()
        await replayed(conninfo, copy)
        after = await watcher.look()
        # An orphan has come, and the text is the same: which transactions are in progress is not in it.
        assert before.snapshot == after.snapshot
        assert not before.whole
        await first.commit()
        await run(conninfo, "DELETE FROM c")
        await replayed(conninfo, copy)


async def _a_change_is_seen(conninfo: str, copy: str) -> None:
    async with watched(copy) as told:
        await told.confirmed("c", times=2)
        assert set(told.of(Deleted)[-1].rows.values()) == {None}
        async with await psycopg.AsyncConnection.connect(conninfo) as writer:
            await writer.execute("INSERT INTO noise VALUES (3)")  # in progress for as long as this lasts
            await run(conninfo, f"BEGIN; {ORPHAN}; COMMIT")
            await told.until(lambda: told.count("c").orphans == 1)
            since = len(told.events)
            await told.until(lambda: len(told.counted("c", since)) >= 2)
            assert {event.edges for event in told.of(Confirmed, since)} == {frozenset()}
        await told.confirmed("c")
