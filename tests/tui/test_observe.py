"""What becomes of what the monitor tells, event by event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.events import Advanced, Backend, Confirmed, Counted, Deleted, Started, Wait, Waiting
from fkexplorer.orphans.model import Bound, Count, Estimate, Progress, Status
from fkexplorer.reports.live import Live, age_of
from fkexplorer.schema.graph import Graph
from fkexplorer.tui.observe import observe
from fkexplorer.tui.world import World
from tests.reports.build import NOW, Builder, counted

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship


class Watched:
    """A world with two edges to one parent, and one apart."""

    def __init__(self) -> None:
        made = Builder()
        for name, columns in (("p", ()), ("c", ("p_id",)), ("d", ("p_id",)), ("q", ()), ("e", ("q_id",))):
            made.table(name, *columns)
        self.made = made
        self.c, self.d = (made.edge(name, "p_id", "p") for name in ("c", "d"))
        self.e = made.edge("e", "q_id", "q")
        self.world = World()
        self.world.live = Live()
        self.world.take(made.schema(), Graph(made.schema()))

    def count(self, edge: Relationship, count: Count, *, background: bool = False) -> bool:
        """A count comes, as the monitor tells it; whether it rings."""
        self.world.live.history.note(edge, count)
        change = observe(self.world, Counted(count, self.world.counts.get(edge.oid), background))
        assert change.edges == {edge.oid}
        return change.ring


@pytest.fixture(name="watched")
def _watched() -> Watched:
    return Watched()


def seen(edge: Relationship, orphans: int, seconds: float = 0) -> Count:
    """A count so many seconds after NOW."""
    return replace(counted(edge, orphans), as_of=NOW + timedelta(seconds=seconds), snapshot="1:1:")


def failed(edge: Relationship, status: Status, seconds: float) -> Count:
    """One without a number."""
    return replace(counted(edge, None, status=status), as_of=NOW + timedelta(seconds=seconds), snapshot="1:1:")


def test_a_recount_of_the_monitor_s_own_paints_nothing_until_it_ends(watched: Watched) -> None:
    world, c = watched.world, watched.c
    assert observe(world, Started(c.oid)).edges == {c.oid}
    watched.count(c, seen(c, 0))
    assert not world.live.running
    assert observe(world, Started(c.oid)).edges == set()
    assert world.live.running == {c.oid}
    watched.count(c, seen(c, 0, 1))
    world.live.asked.add(c.oid)
    assert observe(world, Started(c.oid)).edges == {c.oid}
    watched.count(c, seen(c, 0, 2))
    assert not world.live.asked


def test_orphans_that_appear_ring_until_they_are_known_of(watched: Watched) -> None:
    world, c = watched.world, watched.c
    assert not watched.count(c, seen(c, 3))  # they were there before
    assert not watched.count(c, seen(c, 3, 1))
    assert not watched.count(c, seen(c, 1, 2))
    assert not world.live.unseen
    assert watched.count(c, seen(c, 2, 3))
    assert world.live.unseen == {c.oid}
    assert not watched.count(c, seen(c, 5, 4))
    assert world.live.appeared[c.oid] == NOW + timedelta(seconds=4)
    world.live.unseen.clear()
    assert not watched.count(c, seen(c, 5, 5))
    assert not world.live.unseen
    assert watched.count(c, seen(c, 6, 6))
    assert watched.count(watched.d, seen(watched.d, 0, 7)) is False
    assert watched.count(watched.d, seen(watched.d, 1, 8))
    assert world.live.newest() == watched.d.oid
    world.live.unseen.discard(watched.d.oid)
    assert world.live.newest() == c.oid


def test_a_number_is_kept_where_none_could_be_had_again(watched: Watched) -> None:
    world, c = watched.world, watched.c
    watched.count(c, seen(c, 3))
    late = failed(c, Status.TIMED_OUT, 40)
    watched.count(c, late, background=True)
    assert world.counts[c.oid].orphans == 3
    assert world.live.tried == {c.oid: late}
    # Proven to be right all the same, or counted again: the failure is of no interest any more.
    observe(world, Confirmed(NOW + timedelta(seconds=50), frozenset([c.oid])))
    assert not world.live.tried
    assert not world.live.doubted
    # The next look does not prove it: it is told with its age.
    observe(world, Confirmed(NOW + timedelta(seconds=51), frozenset()))
    assert world.live.doubted == {c.oid}
    watched.count(c, late, background=True)
    watched.count(c, seen(c, 4, 60))
    assert not world.live.tried
    for status in (Status.STOPPED, Status.SKIPPED):
        watched.count(c, failed(c, status, 70))
        assert world.counts[c.oid].orphans == 4
    # Somebody asked for it, or it is refused now: then it is not known.
    watched.count(c, failed(c, Status.TIMED_OUT, 80))
    assert world.counts[c.oid].status is Status.TIMED_OUT
    watched.count(c, seen(c, 4, 90))
    watched.count(c, failed(c, Status.DENIED, 100), background=True)
    assert world.counts[c.oid].status is Status.DENIED
    # Totals that could not be had say nothing of the number.
    watched.count(c, seen(c, 4, 110))
    world.in_full.add(c.oid)
    watched.count(c, failed(c, Status.TIMED_OUT, 120))
    assert world.counts[c.oid].orphans == 4
    assert not world.in_full


def test_what_a_stopped_count_had_found_stays_as_a_lower_bound(watched: Watched) -> None:
    world, c = watched.world, watched.c
    observe(world, Started(c.oid))
    observe(world, Advanced(Progress(c.oid, 10, 100, "blocks", 0, 1.0, 9.0)))
    watched.count(c, failed(c, Status.STOPPED, 5))
    assert world.counts[c.oid].status is Status.STOPPED
    observe(world, Advanced(Progress(c.oid, 50, 100, "blocks", 7, 5.0, 5.0)))
    watched.count(c, failed(c, Status.STOPPED, 5))
    kept = world.counts[c.oid]
    assert (kept.status, kept.orphans, kept.bound) == (Status.ORPHANS, 7, Bound.LOWER)
    assert not world.live.progress


def test_an_estimate_stays_until_there_is_a_number(watched: Watched) -> None:
    world, c = watched.world, watched.c
    estimate = Estimate(c.oid, 0, 0, 16, 1000, 100, NOW, 0.1)
    observe(world, Advanced(Progress(c.oid, 10, 100, "blocks", 0, 1.0, 9.0, estimate=estimate)))
    assert world.live.estimates == {c.oid: estimate}
    observe(world, Advanced(Progress(c.oid, 20, 100, "blocks", 0, 2.0, 8.0)))
    watched.count(c, failed(c, Status.STOPPED, 5))
    assert world.live.estimates == {c.oid: estimate}
    watched.count(c, seen(c, 3, 5))
    assert not world.live.estimates
    observe(world, Advanced(Progress(c.oid, 10, 100, "blocks", 0, 1.0, 9.0, estimate=estimate)))
    assert not world.live.estimates


def test_a_lock_wait_is_of_the_edges_that_it_concerns(watched: Watched) -> None:
    world, c, d, e = watched.world, watched.c, watched.d, watched.e
    who = Backend(1, "a", None, None, None)
    row = Wait(who, (who,), NOW, "row", frozenset([c.child, c.parent]), c.parent)
    change = observe(world, Waiting((row,)))
    assert change.edges == {c.oid}
    assert change.detail
    assert world.live.waits == {c.oid: (row,)}
    table = Wait(who, (who,), NOW - timedelta(seconds=9), "AccessExclusiveLock", frozenset([c.parent]), c.parent)
    assert observe(world, Waiting((row, table))).edges == {d.oid}
    assert world.live.waits[c.oid] == (table, row)  # the longest first
    assert e.oid not in world.live.waits
    assert observe(world, Waiting(())).edges == {c.oid, d.oid}
    assert not world.live.waits


def test_deletes_are_told_in_the_detail_alone(watched: Watched) -> None:
    change = observe(watched.world, Deleted(NOW, {watched.c.parent: 3}))
    assert (change.edges, change.detail, change.ring) == (frozenset(), True, False)
    assert watched.world.live.deleted == {watched.c.parent: 3}


def test_what_is_told_of_an_edge_that_is_gone_is_dropped(watched: Watched) -> None:
    gone = replace(watched.c, oid=99)
    assert observe(watched.world, Counted(seen(gone, 3), None)).edges == set()
    assert 99 not in watched.world.counts


def test_another_schema_leaves_what_is_still_the_same_question(watched: Watched) -> None:
    world, made, c, d, e = watched.world, watched.made, watched.c, watched.d, watched.e
    for edge in (c, d, e):
        watched.count(edge, seen(edge, 0))
        watched.count(edge, seen(edge, 1, 1))
        observe(world, Confirmed(NOW, frozenset([edge.oid])))
    # c is replaced by a constraint on the same columns, d is validated, e dropped.
    made.edges["c.p_id"] = replace(c, oid=77)
    made.edges["d.p_id"] = replace(d, validated=not d.validated)
    del made.edges["e.q_id"]
    world.take(made.schema(), Graph(made.schema()))
    assert set(world.counts) == {d.oid}
    assert world.live.unseen == {77, d.oid}
    assert set(world.live.appeared) == {77, d.oid}
    assert set(world.live.confirmed) == {d.oid}
    assert world.heirs[c.oid] == 77
    assert e.oid not in world.heirs


def test_what_the_last_look_did_not_prove_is_not_called_unchanged(watched: Watched) -> None:
    """As people read it, a second after either look."""
    world, c = watched.world, watched.c
    count = seen(c, 3)
    watched.count(c, count)
    observe(world, Confirmed(NOW + timedelta(seconds=50), frozenset([c.oid])))
    assert age_of(count, world.live, NOW + timedelta(seconds=51)).text == "unchanged since 02:00:00"
    observe(world, Confirmed(NOW + timedelta(seconds=51), frozenset([watched.d.oid])))
    assert age_of(count, world.live, NOW + timedelta(seconds=52)).text == "as of 02:00:50 (2s ago)"
