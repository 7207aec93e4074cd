"""Counts on a small scale against VALIDATE CONSTRAINT and `NOT EXISTS`, in one run: none got slower by an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.counting_cases import SUM_AIMS
from tests.benchmarks.counting_run import run

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = ("int8-1k-index-0", "int8-100k-none-tail", "uuid-1k-index-1%")
ROWS = 1_000_000


async def test_the_sum_of_counts_is_within_twice_its_aims(make_database: Callable[[str], str]) -> None:
    """Ratios, of medians that were timed in turns: a busy machine slows both sides."""
    found = await run(make_database("SELECT 1"), CASES, ROWS, 3, lambda _: None)
    assert [line.name for line in found.lines] == list(CASES)
    assert all(line.in_sum and line.orphans is not None for line in found.lines)
    sums = found.sums()
    for aim in SUM_AIMS:
        assert sums[aim.against] <= 2 * aim.limit, (aim, sums)
