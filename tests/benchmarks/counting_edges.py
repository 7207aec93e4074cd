"""A whole schema of 500 foreign keys over a line with and without delay: when the first, the half, all are counted."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.orphans.queue import CountQueue
from tests.benchmarks.counting_data import SCHEMA, execute
from tests.benchmarks.counting_measure import connect
from tests.proxy import Proxy

if TYPE_CHECKING:
    import psycopg

    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Schema

TABLES = 300
KEYS = 500
DELAYS = (0.0, 0.025)
"""Seconds, each way."""
SHARES = {"first": 0.0, "50%": 0.5, "90%": 0.9, "all": 1.0}
AIMS = "2, 5, 15, and the time without delay plus 10"
_LARGE = (4_000_000, 2_000_000, 1_500_000, 1_000_000, 700_000)
"""Rows of the largest tables at 20 million; the others have from 10 to 60,000, in all 11 million."""
_ORPHANS = 50
"""One foreign key in so many has orphans, and is NOT VALID."""


@dataclass(frozen=True, slots=True)
class Reached:
    """When a share of the keys was counted, since the catalogue had been read."""

    seconds: float
    round_trips: int
    """Of all connections together."""


def make_edges(session: psycopg.Connection, scale: int) -> None:
    """The tables; the keys of two in three have an index."""
    sizes = [_rows((n * 101) % TABLES, scale) for n in range(TABLES)]
    references = [(n, column, (n * 7 + shift) % TABLES) for n in range(TABLES) for column, shift in _columns(n)]
    execute(session, "SELECT setseed(0.5)")
    for n, rows in enumerate(sizes):
        values = ", ".join(
            f"1 + floor(random() * {sizes[parent]})::bigint AS {column}" for t, column, parent in references if t == n
        )
        execute(
            session,
            f"""CREATE TABLE t{n} AS
            SELECT g AS id, {values}, repeat('x', 28) AS pad FROM generate_series(1::bigint, {rows}) g""",
            f"ALTER TABLE t{n} ADD PRIMARY KEY (id)",
        )
    for number, (n, column, parent) in enumerate(references):
        if number % _ORPHANS == 0:
            execute(session, f"UPDATE t{n} SET {column} = -1 WHERE id <= 3")
        if number % 3:
            execute(session, f"CREATE INDEX ON t{n} ({column})")
        valid = "NOT VALID" if number % _ORPHANS == 0 else ""
        execute(session, f"ALTER TABLE t{n} ADD FOREIGN KEY ({column}) REFERENCES t{parent} {valid}")
    execute(session, f"VACUUM (ANALYZE) {', '.join(f't{n}' for n in range(TABLES))}")


def _rows(rank: int, scale: int) -> int:
    rows = _LARGE[rank] if rank < len(_LARGE) else 60_000 * (1 - rank / TABLES) ** 4
    return max(10, round(rows * scale / 20_000_000))


def _columns(n: int) -> list[tuple[str, int]]:
    """The keys of a table, each with what leads to its parent: two of two tables in three, one of the third."""
    return [("a", 3), ("b", 16)] if n % 3 else [("a", 3)]


async def measure_edges(conninfo: str, rounds: int) -> dict[float, dict[str, Reached]]:
    """By the line's delay and by the share of the keys: medians of when it was reached."""
    found: dict[float, dict[str, Reached]] = {}
    for delay in DELAYS:
        runs = [await _one_run(conninfo, delay) for _ in range(rounds + 1)][1:]
        found[delay] = {
            share: Reached(
                statistics.median(run[share].seconds for run in runs),
                round(statistics.median(run[share].round_trips for run in runs)),
            )
            for share in SHARES
        }
    return found


async def _one_run(conninfo: str, delay: float) -> dict[str, Reached]:
    """Connect anew, read the catalogue, count everything.

    Raises:
        SystemExit: a key was not counted, or the orphans are not those that were made.
    """
    async with Proxy(conninfo, delay=delay) as proxy:
        database = await connect(proxy.conninfo)
        try:
            schema = _only_ours(await read_schema(database))
            reached: list[Reached] = []
            orphans: list[int | None] = []
            begin, spoken = time.perf_counter(), proxy.round_trips

            def note(count: Count) -> None:
                orphans.append(count.orphans)
                reached.append(Reached(time.perf_counter() - begin, proxy.round_trips - spoken))

            queue = CountQueue(database, schema, max_bytes=1 << 50, on_start=lambda _: None, on_count=note)
            queue.add_all()
            running = asyncio.create_task(queue.run())
            await queue.idle()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        finally:
            await database.close()
    numbers = [number for number in orphans if number is not None]
    if (len(schema.edges), len(numbers), sum(numbers)) != (KEYS, KEYS, 3 * len(range(0, KEYS, _ORPHANS))):
        raise SystemExit(f"{len(schema.edges)} keys, {len(numbers)} counted, {sum(numbers)} orphans")
    return {share: reached[max(0, round(part * KEYS) - 1)] for share, part in SHARES.items()}


def _only_ours(schema: Schema) -> Schema:
    """The benchmark's edges alone: a database that was given may have others."""
    edges = {oid: edge for oid, edge in schema.edges.items() if schema.child_of(edge).schema == SCHEMA}
    return replace(schema, edges=edges)
