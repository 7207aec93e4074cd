"""Every way of counting against `NOT EXISTS` and PostgreSQL's own verdict; which edge each is exact for; mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.model import LoneWay, Way
from tests.orphans.differential import Differential
from tests.orphans.waymutations import WAY_MUTATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

FAST = [way for way in Way if way is not Way.PLAIN]


@pytest.mark.matrix
def test_every_way_counts_as_not_exists_does(make_database: Callable[[str], str]) -> None:
    tried = Differential(make_database("SELECT 1"), 20261124, WAY_MUTATIONS)
    try:
        outcome = tried.run(500)
        citext = tried.citext
    finally:
        tried.close()
    assert outcome.wrong == []
    assert outcome.cases == 500
    assert outcome.with_orphans >= 100
    assert outcome.disturbed >= 50
    assert all(outcome.reached[way] >= 50 for way in FAST), outcome.reached
    assert all(outcome.sliced[way] >= 50 for way in (Way.GAPS, Way.MERGE)), outcome.sliced
    assert all(outcome.lone[way] >= 50 for way in LoneWay), outcome.lone
    assert all(outcome.missed[name] >= 50 for name in ("MissedPlain", "MissedScan", "MissedMerge")), outcome.missed
    possible = [each for each in WAY_MUTATIONS if citext or each.extension != "citext"]
    missed = [(each.way, each.name) for each in possible if each not in outcome.caught]
    assert missed == [], missed
