"""What it costs to keep 4,000 foreign keys of 2,000 tables true: `python -m tests.benchmarks.monitor`.

The event loop's own time for a look, which keys and painting wait for; the same with the counts that are taken again
by the way; the transactions that an idle database sees of it; and the memory of the whole app, with its screen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from typing import TYPE_CHECKING

import psutil
import psycopg

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from tests.benchmarks.schema import build
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

AIMS = {"idle": 10.0, "written": 10.0, "transactions": 5.0, "memory": 200.0}
"""Milliseconds of a look, with nothing committed since the last and with something; transactions a second; MB."""


class Looks:
    """The looks of a monitor; how long the event loop had to do with each, between what it waited for.

    Args:
        look: the monitor's own.
    """

    def __init__(self, look: Callable[[], Coroutine[object, None, None]]) -> None:
        self._look = look
        self.milliseconds: list[float] = []

    def __await__(self) -> Generator[object, None, None]:
        steps, spent = self._look().__await__(), 0.0
        while True:
            began = time.thread_time()
            try:
                waited_for = next(steps)
            except StopIteration:
                self.milliseconds.append(1000 * (spent + time.thread_time() - began))
                return
            spent += time.thread_time() - began
            yield waited_for


@contextlib.asynccontextmanager
async def writer(conninfo: str) -> AsyncIterator[None]:
    """Meanwhile, commit something every half second."""

    async def write() -> None:
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
            while True:
                await connection.execute("INSERT INTO written VALUES (1)")
                await asyncio.sleep(0.5)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def transactions(connection: psycopg.AsyncConnection) -> int:
    """How many the database has seen end."""
    # A session tells its counts once a second at most.
    await asyncio.sleep(2)
    found = await connection.execute(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def measured(conninfo: str, seconds: float) -> dict[str, float]:
    """Milliseconds of the event loop for a look, on an idle database and a written one; transactions a second."""
    database = await Database.connect(Source(conninfo, "argument"))
    monitor = Monitor(database, await read_schema(database), MonitorOptions(), lambda _: None)
    looks = Looks(monitor._look_again)
    monitor._look_again = lambda: looks  # type: ignore[assignment, method-assign, return-value]
    monitor.count_all()
    running = asyncio.create_task(monitor.run())
    found = {}

    async def spent(name: str) -> None:
        looks.milliseconds.clear()
        began = time.thread_time()
        await asyncio.sleep(seconds)
        found[f"{name}, all"] = 1000 * (time.thread_time() - began) / len(looks.milliseconds)
        found[name] = statistics.median(looks.milliseconds)

    try:
        await monitor.idle()
        await asyncio.sleep(15)  # what the first counts left behind is proven by now
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as other:
            before, began = await transactions(other), time.monotonic()
            await spent("idle")
            found["transactions"] = (await transactions(other) - before) / (time.monotonic() - began)
        async with writer(conninfo):
            await spent("written")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()
    return found


def memory(conninfo: str) -> float:
    """MB of the app once everything is counted."""
    with Terminal([sys.executable, "-m", "fkexplorer", conninfo], cols=140, rows=40) as terminal:
        terminal.wait_for(r"no orphans +live|counted \d\d:\d\d", timeout=60)
        terminal.pump(5.0)
        return float(psutil.Process(terminal.process.pid).memory_info().rss) / 1e6


def main() -> None:
    """Build the schema on a server of our own, measure, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    with EmbeddedServer.start() as server:
        conninfo = server.conninfo()
        build(conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE TABLE written (n int)")
        found = asyncio.run(measured(conninfo, seconds)) | {"memory": memory(conninfo)}
    for name in ("idle", "written"):
        with_counts = f"with all that is counted by the way {found[f'{name}, all']:.1f}"
        print(f"a look, database {name:<12}{found[name]:>7.1f} ms   (aim: under {AIMS[name]:.0f}; {with_counts})")
    print(
        f"transactions when idle       {found['transactions']:>7.1f} a second   (aim: under {AIMS['transactions']:.0f})"
    )
    print(f"the app's memory             {found['memory']:>7.0f} MB   (aim: under {AIMS['memory']:.0f})")


if __name__ == "__main__":
    main()
