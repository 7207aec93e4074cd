"""What a long count asks of those who wait for it: how soon it can be stopped, what it costs to watch it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.benchmarks.counting_cases import OURS

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
