"""Times one case of the counting benchmark: the public API in turns with what PostgreSQL itself would do."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Bound
from tests.benchmarks.counting_cases import NOT_EXISTS, OURS, SCAN, VALIDATE, aims, in_sum
from tests.benchmarks.counting_data import SCHEMA, constraint_name, names, parent_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    import psycopg

    from fkexplorer.orphans.model import Count, Progress
    from fkexplorer.schema.model import Relationship, Schema
    from tests.benchmarks.counting_cases import Aim, Case

PATIENCE = 3600.0
"""Seconds that one of our counts may take."""
_SERIAL_SCAN = {
    "max_parallel_workers_per_gather": "0",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
}

Timed = tuple[float, int | None]
"""Seconds, and the number that was counted, if it was."""


@dataclass(slots=True)
class Line:
    """What was measured in one case."""

    name: str
    way: str = ""
    """How fkexplorer counted."""
    orphans: int | None = None
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By what was timed, a figure for each round."""
    growth: int = 0
    """Bytes by which the resident set of this process grew at most during one of our counts."""
    aims: tuple[Aim, ...] = ()
    in_sum: bool = False

    def median(self, what: str) -> float:
        """Seconds."""
        return statistics.median(self.seconds[what])

    def ratio(self, against: str) -> float:
        """Our time to another's."""
        return self.median(OURS) / self.median(against)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "way": self.way,
            "orphans": self.orphans,
            "seconds": self.seconds,
            "medians": {what: self.median(what) for what in self.seconds},
            "ratios": {what: self.ratio(what) for what in self.seconds if what != OURS},
            "aims": {aim.against: aim.limit for aim in self.aims},
            "client_rss_growth": self.growth,
        }


class Bench:
    """A server with the benchmark's tables: a session for PostgreSQL's own ways, and fkexplorer as a caller uses it.

    The session is in autocommit and has the server's own settings, parallel workers too, as somebody in psql has them.
    """

    def __init__(self, session: psycopg.Connection, database: Database, rounds: int) -> None:
        self.session = session
        self.database = database
        self.rounds = rounds
        self.schema: Schema

    async def refresh(self) -> None:
        """Read the catalogue again."""
        self.schema = await read_schema(self.database)

    def edge(self, constraint: str) -> Relationship:
        """The edge of a constraint in the benchmark's schema."""
        found = [edge for edge in self.schema.edges.values() if edge.name == constraint]
        return next(edge for edge in found if self.schema.child_of(edge).schema == SCHEMA)

    async def count(self, edge: Relationship, on_progress: Callable[[Progress], None] | None = None) -> Count:
        """An exact count through the public API."""
        return await count_edge(
            self.database,
            self.schema,
            edge,
            timeout_seconds=PATIENCE,
            snapshot_seconds=PATIENCE,
            on_progress=on_progress,
        )


async def connect(conninfo: str) -> Database:
    """The database as fkexplorer connects to it."""
    return await Database.connect(Source(conninfo, "argument"))


async def measure(bench: Bench, case: Case, scale: int) -> Line:
    """One case.

    Raises:
        SystemExit: fkexplorer's number is not that of NOT EXISTS.
    """
    key = names(case.data)
    edge = bench.edge(constraint_name(case.orphans))
    parent = parent_name(case.orphans)
    line = Line(case.name, aims=aims(case, scale), in_sum=in_sum(case))

    async def ours() -> Timed:
        started = time.perf_counter()
        count = await bench.count(edge)
        seconds = time.perf_counter() - started
        line.way = count.way.value
        return seconds, number_of(line, count)

    others = {
        SCAN: partial(scan, bench.session, "child", key.columns[-1]),
        VALIDATE: partial(validate, bench.session, "child", constraint_name("0")),
        NOT_EXISTS: partial(not_exists, bench.session, "child", key.columns, parent, key.columns),
    }
    await alternate(line, others, ours, bench.rounds)
    return line


def number_of(line: Line, count: Count) -> int:
    """The orphans that were counted.

    Raises:
        SystemExit: there is no number, or it is not exact.
    """
    if count.orphans is None or count.bound is not Bound.EXACT:
        raise SystemExit(f"{line.name}: {count.status}, {count.bound}, {count.error}")
    return count.orphans


async def alternate(
    line: Line, others: Mapping[str, Callable[[], Timed]], ours: Callable[[], Awaitable[Timed]], rounds: int
) -> None:
    """Time everything in turns, since the machine's speed drifts, after a run of each that does not count.

    Raises:
        SystemExit: our number is not that of NOT EXISTS.
    """
    for number in range(rounds + 1):
        times = {name: run() for name, run in others.items()}
        if number:
            times[OURS] = await ours()
        else:
            with growth() as grown:
                times[OURS] = await ours()
            line.growth = grown()
        line.orphans, truth = times[OURS][1], times[NOT_EXISTS][1]
        if line.orphans != truth:
            raise SystemExit(f"{line.name}: fkexplorer ({line.way}) counts {line.orphans}, NOT EXISTS {truth}")
        if number:
            for name, (seconds, _) in times.items():
                line.seconds.setdefault(name, []).append(seconds)


def scan(session: psycopg.Connection, table: str, column: str) -> Timed:
    """Read the whole table once, in one process, and look at each key."""
    with session.transaction():
        for name, value in _SERIAL_SCAN.items():
            session.execute("SELECT set_config(%s, %s, true)", [name, value])
        return run(session, f"SELECT count({column}) FROM {table}")[0], None


def validate(session: psycopg.Connection, table: str, constraint: str) -> Timed:
    """PostgreSQL's own check of a constraint that holds, taken back."""
    with session.transaction(force_rollback=True):
        started = time.perf_counter()
        session.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}".encode())
        return time.perf_counter() - started, None


def not_exists(
    session: psycopg.Connection, child: str, columns: tuple[str, ...], parent: str, keys: tuple[str, ...]
) -> Timed:
    """The statement that everybody writes."""
    given = " AND ".join(f"c.{column} IS NOT NULL" for column in columns)
    equal = " AND ".join(f"p.{key} = c.{column}" for key, column in zip(keys, columns, strict=True))
    return run(
        session,
        f"SELECT count(*) FROM {child} c WHERE {given} AND NOT EXISTS (SELECT FROM {parent} p WHERE {equal})",
    )


def run(session: psycopg.Connection, statement: str) -> Timed:
    """The time and the number of a statement that counts."""
    started = time.perf_counter()
    row = session.execute(statement.encode()).fetchone()
    seconds = time.perf_counter() - started
    return seconds, int(row[0]) if row else None


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Gives a function that tells by how many bytes this process has grown at most, while the block lasted."""
    process = psutil.Process()
    before = most = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.005):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: most - before
    finally:
        done.set()
        watcher.join()
        most = max(most, process.memory_info().rss)
