"""Which counts are taken again at a look: what changed, the rest within a budget, and dear ones one at a time."""

from __future__ import annotations

import math

from fkexplorer.orphans.due import Due
from fkexplorer.orphans.freshness import Judgement, Proof
from fkexplorer.orphans.turns import Turn

NOW = 1_000_000.0


def proof(seconds: float, age: float, *, tried: float | None = None) -> Proof:
    """Of a count that took so long, so long ago."""
    at = NOW - age
    return Proof(tried=at if tried is None else NOW - tried, seconds=seconds, counted=at, until=at)


def turns(
    due: Due,
    proofs: dict[int, Proof],
    *,
    changed: set[int] | None = None,
    watched: set[int] | None = None,
    not_allowed: set[int] | None = None,
    now: float = NOW,
) -> dict[int, Turn]:
    changed = changed or set()
    judgement = Judgement(frozenset(), now, frozenset(changed), frozenset(proofs.keys() - changed))
    may = lambda oid: oid not in (not_allowed or set())  # noqa: E731
    return due.turns(judgement, proofs, now=now, watched=watched or set(), may=may)


def test_what_changed_is_due_at_once_unless_it_was_counted_just_now() -> None:
    proofs = {1: proof(0.001, 1), 2: proof(0.030, 0.1), 3: proof(0.030, 0.2), 4: proof(0.001, 1)}
    assert turns(Due(), proofs, changed={1, 2, 3, 4}, not_allowed={4}) == {1: Turn.DUE, 3: Turn.DUE}


def test_cheap_ones_that_may_be_wrong_are_counted_within_a_budget_the_oldest_first() -> None:
    proofs = {oid: proof(0.001, 1 + oid / 1000) for oid in range(1, 201)}
    found = turns(Due(), proofs)
    assert set(found.values()) == {Turn.AGED}
    assert set(found) == set(range(176, 201))  # 25 of them take 25 ms
    # What seems to take no time takes some on the server.
    proofs = {oid: proof(0.0, 1 + oid / 1000) for oid in range(1, 201)}
    assert 80 <= len(turns(Due(), proofs)) <= 85
    # What somebody looks at is always among them.
    assert turns(Due(), {oid: proof(0.001, 1 + oid / 1000) for oid in range(1, 201)}, watched={1})[1] is Turn.WATCHED


def test_what_is_old_is_counted_whatever_the_budget() -> None:
    proofs = {oid: proof(0.001, 31) for oid in range(1, 201)} | {oid: proof(0.001, 5) for oid in range(201, 301)}
    assert set(turns(Due(), proofs)) == set(range(1, 201))
    # A life is 20 times what it took, and begins anew with a try that failed.
    slower = {1: proof(0.040, 29), 2: proof(0.040, 31), 3: proof(0.040, 100, tried=29)}
    assert turns(Due(), slower) == {2: Turn.AGED}


def test_dear_ones_one_at_a_time_with_rests_between() -> None:
    due = Due()
    proofs = {1: proof(2, 41), 2: proof(2, 400), 3: proof(2, 39)}
    assert turns(due, proofs) == {2: Turn.AGED}
    assert turns(due, proofs) == {}
    due.ended(1, 2.0, NOW)
    assert turns(due, proofs) == {}
    due.ended(2, 2.0, NOW)
    proofs[2] = proof(2, 0)
    assert turns(due, proofs, now=NOW + 7.9) == {}
    # What changed goes before what is merely old.
    assert turns(due, proofs, changed={3}, now=NOW + 8.1) == {3: Turn.AGED}


def test_what_somebody_looks_at_need_not_wait_for_its_turn_among_dear_ones() -> None:
    due = Due()
    proofs = {1: proof(2, 400), 2: proof(2, 9)}
    assert turns(due, proofs) == {1: Turn.AGED}
    assert turns(due, proofs, changed={2}, watched={2}) == {2: Turn.WATCHED}
    assert turns(due, {2: proof(2, 7)}, changed={2}, watched={2}) == {}  # it rests four times what it took


def test_a_try_without_a_number_is_taken_again_in_its_time() -> None:
    failed = Proof(tried=NOW - 31, seconds=0.001)
    assert (failed.counted, failed.until) == (-math.inf, -math.inf)
    assert turns(Due(), {1: failed}) == {1: Turn.AGED}
    assert turns(Due(), {1: Proof(tried=NOW - 100, seconds=30.0)}) == {}
