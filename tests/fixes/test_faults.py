"""What may break in the midst of a fix: nothing is changed, or a whole step is, and the journal knows which."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.backup import load_manifest
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import RunLimits, resolve
from fkexplorer.fixes.run import run
from tests.database.listening import listening
from tests.database.test_pooler import pooled  # noqa: F401 - a fixture
from tests.fixes.byhand import QUICK, delete, do, edge_named, events, hashes, preview_of, take_back
from tests.fixes.test_guards import session, waits
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import opened
from tests.orphans.connected import run as execute
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Outcome


class Hooked(Journal):
    """Does something before or after an event is written, once."""

    def __init__(self, folder: Path, point: str, hook: Callable[[], object]) -> None:
        super().__init__(folder)
        self._point = point
        self._hook = hook

    def append(self, entry: str, event: str, **fields: Any) -> None:  # noqa: ANN401, D102 - as the journal's
        for when in ("before", "after"):
            if self._point == f"{when} {event}":
                self._point = ""
                self._hook()
            if when == "before":
                super().append(entry, event, **fields)


async def fix(database: Database, journal: Journal, limits: RunLimits = QUICK) -> Outcome:
    """Delete the orphans of `c`."""
    schema = await read_schema(database)
    edge = edge_named(schema, "c.fk")
    preview = await preview_of(database, schema, edge, delete(schema, edge))
    return await run(database, schema, preview, journal, limits=limits)


async def backed_up_is_what_changed(conninfo: str, folder: Path, was: dict[str, str]) -> None:
    """The newest entry is whole, and its backup brings every table back as it was."""
    [entry, *_] = Journal(folder).entries()
    assert entry.state is State.ALL
    total = sum(each.deleted + each.updated for each in entry.touched)
    sections = load_manifest(Journal(folder).backup_folder(entry.id, 0)).sections
    assert sum(each.rows for each in sections) == total == 20
    _, undone = await take_back(conninfo, folder, entry.id)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


POINTS = {
    "after begun": 0,
    "copying": 0,
    "after backed_up": 0,
    "before committing": 0,
    "after committing": 0,
    "before committed": 1,
    "after committed": 1,
}
"""Where the process is killed, and how many batches of two rows are committed then."""


def kill_each(orders: str) -> None:
    """Kill each process where it has stopped."""
    command = [sys.executable, "-m", "tests.fixes.driver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(orders)
        driver.stdin.close()
        waiting = set(POINTS)
        while waiting:
            point, _, pid = driver.stdout.readline().rstrip("\n").partition("\t")
            assert point in waiting
            os.kill(int(pid), signal.SIGKILL)
            waiting.remove(point)


async def test_killed_at_every_step(make_database: Callable[[str], str], open_folder: Path) -> None:
    databases = {point: make_database(FAMILY) for point in POINTS}
    folders = {point: open_folder / point.replace(" ", "-") for point in POINTS}
    was = {point: hashes(conninfo) for point, conninfo in databases.items()}
    for folder in folders.values():
        folder.mkdir()
    orders = "".join(f"{point}\t{folders[point]}\t{databases[point]}\n" for point in POINTS)
    await asyncio.to_thread(kill_each, orders)
    for point, committed in POINTS.items():
        conninfo, journal = databases[point], Journal(folders[point])
        async with opened(conninfo) as (database, _):
            while await resolve(database, journal):  # noqa: ASYNC110 - the server has not seen yet that nobody is there
                await asyncio.sleep(0.01)
        [entry] = journal.entries()
        assert entry.state is (State.PART if committed else State.NOTHING), point
        with psycopg.connect(conninfo) as connection:
            found = connection.execute("SELECT count(*) FROM c WHERE id > 10").fetchall()
        assert found == [(5 - 2 * committed,)], point
        if committed:
            _, undone = await take_back(conninfo, folders[point], entry.id)
            assert undone.ending is Ending.DONE, undone.words
        assert hashes(conninfo) == was[point], point


async def test_the_server_is_killed(open_folder: Path) -> None:
    with listening() as found:
        conninfo = found.server.conninfo()
        await execute(conninfo, FAMILY)
        await execute(conninfo, "CHECKPOINT")  # by its settings the server may forget what it has just committed
        was = hashes(conninfo)

        def kill() -> None:
            """The processes of the run; one that dies takes the whole server through a recovery."""
            with psycopg.connect(conninfo, autocommit=True) as connection:
                found = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'fkexplorer'")
                for (pid,) in found.fetchall():
                    os.kill(pid, signal.SIGKILL)
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("SELECT pg_sleep(10)")

        for point in ("after backed_up", "after committing"):
            async with opened(conninfo) as (database, _):
                outcome = await fix(database, Hooked(open_folder, point, kill), RunLimits())
            assert outcome.ending is Ending.REFUSED, outcome.words
            await answers(conninfo)
            assert hashes(conninfo) == was
            assert Journal(open_folder).entries()[0].state is State.NOTHING
        async with opened(conninfo) as (database, _):
            outcome = await fix(database, Hooked(open_folder, "before committed", kill))
        assert outcome.ending in {Ending.DONE, Ending.REMAINING}
        await answers(conninfo)
        await backed_up_is_what_changed(conninfo, open_folder, was)


async def answers(conninfo: str) -> None:
    """Until the server takes connections again."""
    async with asyncio.timeout(20):
        while True:
            try:
                await execute(conninfo, "SELECT 1")
            except psycopg.OperationalError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("before", [True, False])
async def test_the_connection_is_cut_at_commit(
    make_database: Callable[[str], str], open_folder: Path, before: bool
) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with Proxy(conninfo) as proxy, opened(proxy.conninfo) as (database, _):
        journal = Hooked(open_folder, "before committing", lambda: proxy.cut(b"COMMIT\0", before=before))
        outcome = await fix(database, journal)
    if before:
        assert outcome.ending is Ending.REFUSED
        assert outcome.words.startswith("the connection was lost at COMMIT; asked again, the server says: rolled back")
        assert (hashes(conninfo), Journal(open_folder).entries()[0].state) == (was, State.NOTHING)
    else:
        assert outcome.ending is Ending.DONE
        assert outcome.words.endswith("the connection was lost at COMMIT; asked again, the server says: committed")
        await backed_up_is_what_changed(conninfo, open_folder, was)
    assert "unknown" in events(open_folder)


async def test_nobody_knows_until_the_server_can_be_asked(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with Proxy(conninfo) as proxy:

        def cut() -> None:
            proxy.refusing = True
            proxy.cut(b"COMMIT\0", before=False)

        async with opened(proxy.conninfo) as (database, _):
            limits = RunLimits(ask_seconds=0.2)
            outcome = await fix(database, Hooked(open_folder, "before committing", cut), limits)
    journal = Journal(open_folder)
    assert outcome.ending is Ending.UNKNOWN
    assert outcome.words == "the connection was lost at COMMIT, and the server cannot be asked yet what came of it"
    assert journal.entries()[0].state is State.UNKNOWN
    async with opened(conninfo) as (database, _):
        assert await resolve(database, journal) == 0
    [entry] = journal.entries()
    assert entry.state is State.PART
    _, undone = await take_back(conninfo, open_folder, entry.id)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_an_id_that_a_crash_gave_to_another_transaction(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """The server calls it committed; the rows tell that it was not this one."""
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with Proxy(conninfo) as proxy:

        def cut() -> None:
            proxy.refusing = True
            proxy.cut(b"COMMIT\0", before=True)

        async with opened(proxy.conninfo) as (database, _):
            outcome = await fix(database, Hooked(open_folder, "before committing", cut), RunLimits(ask_seconds=0.0))
    assert outcome.ending is Ending.UNKNOWN
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT txid_current()").fetchone()
    assert row is not None
    journal = Journal(open_folder)
    journal.append(outcome.entry, "committing", part=0, xid=row[0], touched=[])
    async with opened(conninfo) as (database, _):
        assert await resolve(database, journal) == 0
    assert (journal.entries()[0].state, hashes(conninfo)) == (State.NOTHING, was)


async def test_the_connection_is_cut_before(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with Proxy(conninfo) as proxy, opened(proxy.conninfo) as (database, _):
        outcome = await fix(
            database, Hooked(open_folder, "after backed_up", lambda: proxy.cut(b"DELETE FROM", before=True))
        )
    assert outcome.ending is Ending.REFUSED
    assert outcome.words == "the connection was lost before COMMIT: the server rolled back; nothing was changed"
    assert (hashes(conninfo), Journal(open_folder).entries()[0].state) == (was, State.NOTHING)


async def test_the_disk_is_full(
    make_database: Callable[[str], str], open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conninfo = make_database(FAMILY)
    await execute(conninfo, "UPDATE c SET note = repeat('x', 30000)")
    was = hashes(conninfo)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        outcome = await do(conninfo, open_folder, "c.fk", delete)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.ending is Ending.REFUSED
    assert outcome.words.startswith("the backup cannot be written (File too large)")
    assert (hashes(conninfo), Journal(open_folder).entries()[0].state) == (was, State.NOTHING)
    assert not list((open_folder / "backups").glob("*/*"))
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_bavail=100, f_frsize=4096))
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    assert outcome.ending is Ending.REFUSED
    assert "409600 are free in" in outcome.words
    assert hashes(conninfo) == was


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_the_journal_cannot_be_written(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, _):
        for point in ("before begun", "before backed_up", "before committing"):
            outcome = await fix(database, Hooked(open_folder, point, full))
            assert outcome.ending is Ending.REFUSED
            assert outcome.words.startswith("the journal cannot be written: No space left on device")
            assert hashes(conninfo) == was
        outcome = await fix(database, Hooked(open_folder, "before committed", full))
        assert outcome.ending is Ending.DONE
        assert "it is committed, but the journal cannot be written" in outcome.words
        assert Journal(open_folder).entries()[0].state is State.UNKNOWN
        assert await resolve(database, Journal(open_folder)) == 0
    await backed_up_is_what_changed(conninfo, open_folder, was)


async def test_a_task_that_is_cancelled(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with session(conninfo) as other:
        await other.execute("SELECT 1 FROM g FOR UPDATE")
        running = asyncio.create_task(do(conninfo, open_folder, "c.fk", delete, limits=RunLimits()))
        await waits(conninfo)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (hashes(conninfo), Journal(open_folder).entries()[0].state) == (was, State.NOTHING)
    async with opened(conninfo) as (database, _):
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(
            fix(database, Hooked(open_folder, "after committing", lambda: loop.call_soon_threadsafe(running.cancel)))
        )
        with pytest.raises(asyncio.CancelledError):
            await running
    state = Journal(open_folder).entries()[0].state
    assert state in {State.PART, State.NOTHING}
    if state is State.PART:
        _, undone = await take_back(conninfo, open_folder, Journal(open_folder).entries()[0].id)
        assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_behind_a_pooler(pooled: str, open_folder: Path) -> None:  # noqa: F811 - the fixture
    await execute(pooled, FAMILY)
    was = hashes(pooled)
    async with opened(pooled) as (database, _):
        assert database.facts.pooled
        outcome = await fix(database, Journal(open_folder))
        assert outcome.ending is Ending.DONE, outcome.words
    await backed_up_is_what_changed(pooled, open_folder, was)
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as client:
        kept = client.execute("SELECT current_setting('search_path'), current_setting('lock_timeout')").fetchone()
    assert kept == ('"$user", public', "0")
    assert conninfo_to_dict(pooled)["dbname"] == "postgres"
