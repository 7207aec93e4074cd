"""What helps those who wait for a long count: how soon it can be stopped, how soon a sample tells of it."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.estimate import estimate_edge
from tests.benchmarks.counting_cases import OURS, SCAN

if TYPE_CHECKING:
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
