"""Thirty seconds of `monitor_run`: beside writers of all kinds no number is wrong, and many are not counted again."""

from __future__ import annotations

from tests.orphans.monitor_run import Run


async def test_no_number_is_wrong_beside_random_writers(database_url: str) -> None:
    outcome = await Run(database_url, seed=1).go(30, every=0.25)
    assert outcome.wrong == []
    # A monitor that shows nothing, or counts everything again each time, would pass the line above.
    assert outcome.changes >= 20, outcome
    assert outcome.skipped >= 20, outcome
    assert outcome.transactions >= 50, outcome
