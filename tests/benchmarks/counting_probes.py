"""What helps those who wait for a long count: how soon it stops, how soon a sample tells of it, what pieces cost."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.limits import Limits
from fkexplorer.orphans.attempts import attempts
from fkexplorer.orphans.estimate import estimate_edge
from fkexplorer.orphans.predicate import EdgePredicate
from tests.benchmarks.counting_cases import OURS, SCAN
from tests.benchmarks.counting_measure import PATIENCE

if TYPE_CHECKING:
    from fkexplorer.orphans.model import Progress
    from fkexplorer.schema.model import Relationship
    from tests.benchmarks.counting_measure import Bench, Line

CANCELS = 10
"""Of one case."""
_RUNNING = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'fkexplorer' AND state = 'active' AND datname = current_database()"""


async def cancel_latencies(bench: Bench, line: Line, edge: Relationship) -> list[float]:
    """Seconds from the cancelling of a count, at moments spread over its time, until nothing of it runs on the server.

    A count that is done before its moment tells nothing, so there may be fewer than were tried.
    """
    found: list[float] = []
    for number in range(CANCELS):
        task = asyncio.create_task(bench.count(edge))
        await asyncio.wait([task], timeout=line.median(OURS) * (number + 0.5) / CANCELS)
        if task.done():
            continue
        begin = time.perf_counter()
        task.cancel()
        await asyncio.wait([task])
        while bench.session.execute(_RUNNING).fetchone() != (0,):  # noqa: ASYNC110 - it tells no event
            await asyncio.sleep(0)
        if task.cancelled():
            found.append(time.perf_counter() - begin)
    return found


@dataclass(frozen=True, slots=True)
class Sampled:
    """What estimates of one case were worth."""

    name: str
    seconds: float
    """Median."""
    to_scan: float
    """That, to the time of a scan."""
    orphans: int
    """The exact number."""
    bounds: tuple[tuple[int, int], ...]
    """The lower and the upper one of each sample, which is another one each time."""

    @property
    def holding(self) -> int:
        """How many of them have the exact number between them."""
        return sum(low <= self.orphans <= high for low, high in self.bounds)


async def sample(bench: Bench, line: Line, edge: Relationship) -> Sampled | None:
    """Estimate a case that was measured, some times; None where the child is too small for it."""
    seconds: list[float] = []
    bounds: list[tuple[int, int]] = []
    for _ in range(bench.rounds):
        begin = time.perf_counter()
        found = await estimate_edge(bench.database, bench.schema, edge)
        if found is None:
            return None
        seconds.append(time.perf_counter() - begin)
        bounds.append((found.low, found.high))
    middle = statistics.median(seconds)
    return Sampled(line.name, middle, middle / line.median(SCAN), line.orphans or 0, tuple(bounds))


@dataclass(frozen=True, slots=True)
class Pieces:
    """What it costs that a long count goes piece by piece, and tells how far it is."""

    name: str
    seconds: float
    """Median."""
    to_whole: float
    """That, to the time of the same way in one statement, in turns."""
    reports: int
    """How often the last one told."""


async def pieces(bench: Bench, line: Line, edge: Relationship) -> Pieces:
    """A count that tells its progress, in turns with one statement of the way that it took."""
    version = bench.database.facts.version_number
    tries = attempts(bench.schema, EdgePredicate(bench.schema, edge), version, full=False, deep=False)
    attempt = next(each for each in tries if each.counting.way.value == line.way)
    limits = Limits(statement_timeout_ms=round(PATIENCE * 1000), planner=attempt.settings)
    ours: list[float] = []
    whole: list[float] = []
    told: list[Progress] = []
    for _ in range(bench.rounds):
        told.clear()
        begin = time.perf_counter()
        await bench.count(edge, told.append)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        async with bench.database.read(limits) as connection:
            row = await attempt.run(connection)
        whole.append(time.perf_counter() - begin)
        if row is None or row["orphans"] != line.orphans:
            raise SystemExit(f"{line.name}: one statement does not count as many")
    return Pieces(line.name, statistics.median(ours), statistics.median(ours) / statistics.median(whole), len(told))
