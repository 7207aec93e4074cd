"""What looks and counters prove of a count and of deletes, in states that no session can bring about at will.

A table's counters that are gone, a look that comes before the last flush, statistics that begin after the first look.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fkexplorer.orphans.changes import Counters, Look
from fkexplorer.orphans.deletes import Deletes
from fkexplorer.orphans.freshness import Freshness
from tests.reports.build import Builder, counted

NOW = 1_000_000.0
MADE = Builder()
MADE.table("p")
MADE.table("c", "p_id")
EDGE = MADE.edge("c", "p_id", "p")
SCHEMA = MADE.schema()
CHILD, PARENT = EDGE.child, EDGE.parent


def look(seconds: float, snapshot: str = "1:1:", cluster: str = "started", held_back: float = -math.inf) -> Look:
    """One so many seconds after NOW."""
    return Look(
        snapshot=snapshot,
        at=NOW + seconds,
        cluster=cluster,
        standby=False,
        counts=True,
        held_back=held_back,
        waiting=0,
    )


def counters(written: int = 0, deleted: int = 0) -> dict[int, Counters]:
    """Those of both tables."""
    return {CHILD: Counters(written, 0, 1), PARENT: Counters(0, deleted, 2)}


def proven() -> Freshness:
    """An edge that was counted, its counters read before."""
    fresh = Freshness(170000)
    fresh.take(look(0), counters(), SCHEMA)
    fresh.begin(EDGE)
    fresh.end(replace(counted(EDGE, 0), as_of=datetime.fromtimestamp(NOW + 0.5, UTC), snapshot="1:1:"), 0.001)
    return fresh


def test_equal_counters_prove_a_count_and_others_do_not() -> None:
    fresh = proven()
    fresh.take(look(1, "2:2:"), counters(), SCHEMA)
    assert fresh.judge(SCHEMA).confirmed == {EDGE.oid}
    fresh.take(look(2, "3:3:"), counters(written=1), SCHEMA)
    assert fresh.judge(SCHEMA).changed == {EDGE.oid}


@pytest.mark.parametrize("gone", [CHILD, PARENT])
def test_a_table_whose_counters_are_gone_proves_nothing(gone: int) -> None:
    """It was dropped, and the catalogue has not been read again."""
    fresh = proven()
    fresh.take(look(1, "2:2:"), {oid: each for oid, each in counters().items() if oid != gone}, SCHEMA)
    judgement = fresh.judge(SCHEMA)
    assert (judgement.confirmed, judgement.changed) == (frozenset(), frozenset())
    assert judgement.uncertain == {EDGE.oid}


def test_counters_that_somebody_holds_back_prove_nothing() -> None:
    fresh = proven()
    fresh.take(look(1, "2:2:", held_back=NOW + 0.7), counters(), SCHEMA)
    assert fresh.judge(SCHEMA).uncertain == {EDGE.oid}


def test_deletes_are_looked_for_until_counters_hold_them_for_sure() -> None:
    """Before 15 they are handed out as of half a second ago: one look that sees none is not the last."""
    deletes = Deletes(140000)
    deletes.take(look(0), counters(), SCHEMA)
    assert deletes.needs_counters(look(0.1))
    assert deletes.take(look(0.9), counters(deleted=3), SCHEMA)
    assert deletes.rows == {PARENT: 3}
    deletes.take(look(1.1), counters(deleted=3), SCHEMA)
    assert not deletes.needs_counters(look(1.2))
    assert deletes.needs_counters(look(1.3, "2:2:"))


@pytest.mark.parametrize(("version", "rows"), [(140000, 3), (150000, None)])
def test_statistics_that_begin_late_take_no_deletes_away(version: int, rows: int | None) -> None:
    """Before 15 a database has none until the first are told; from 15 on another time is that of a reset."""
    deletes = Deletes(version)
    deletes.take(look(0), counters(), SCHEMA)
    deletes.take(look(1, "2:2:", "started/began"), counters(deleted=3), SCHEMA)
    assert deletes.rows == {PARENT: rows}
    deletes.take(look(2, "3:3:", "started/began anew"), counters(), SCHEMA)
    assert deletes.rows == {PARENT: None}
