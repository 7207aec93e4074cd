"""The history of an edge: what appeared when, by how much it grew, and its course in cells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fkexplorer.orphans.history import KEPT, History, pair_of
from fkexplorer.orphans.model import Bound, Count, Status
from fkexplorer.schema.model import Condition
from tests.schema.samples import edge

START = datetime(2026, 11, 24, 12, tzinfo=UTC)

EDGE, OTHER = edge(1, child=10, parent=20), edge(2, child=11, parent=20)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def count(seconds: float, orphans: int | None, *, bound: Bound = Bound.EXACT) -> Count:
    status = Status.TIMED_OUT if orphans is None else Status.ORPHANS if orphans else Status.CLEAN
    return Count(edge=EDGE.oid, status=status, as_of=at(seconds), seconds=0.1, orphans=orphans, bound=bound)


def noted(*counts: Count) -> History:
    history = History()
    for each in counts:
        history.note(EDGE, each)
    return history


def test_orphans_appear_only_where_a_number_was_known_before() -> None:
    course = noted(count(0, 5)).of(EDGE)
    assert course is not None
    assert course.appeared is None
    history = noted(count(0, 5), count(1, 3), count(2, 4), count(3, 4), count(4, 1))
    course = history.of(EDGE)
    assert course is not None
    assert course.appeared == at(2)
    assert course.counted == 5
    assert [(point.at, point.orphans) for point in course.points] == [(at(0), 5), (at(1), 3), (at(2), 4), (at(4), 1)]
    assert history.of(OTHER) is None


def test_what_is_no_exact_number_leaves_no_trace() -> None:
    history = noted(count(0, None), count(1, 7, bound=Bound.LOWER))
    assert history.of(EDGE) is None
    course = noted(count(0, 2), count(1, None), count(2, 9, bound=Bound.LOWER), count(3, 2)).of(EDGE)
    assert course is not None
    assert len(course.points) == 1
    assert course.appeared is None


def test_growth_over_the_last_minute() -> None:
    course = noted(count(0, 2), count(50, 3), count(100, 6)).of(EDGE)
    assert course is not None
    assert course.grown(60, at(100)) == 6 - 2
    assert course.grown(60, at(110)) == 6 - 3
    assert course.grown(60, at(160)) == 0
    assert course.grown(60, at(159.9)) == 6 - 3
    assert course.orphans_at(at(-1)) is None
    assert course.orphans_at(at(50)) == 3
    # Before the first count nothing is known, so that it grew since then.
    early = noted(count(0, 2), count(5, 1)).of(EDGE)
    assert early is not None
    assert early.grown(60, at(10)) == -1


def test_a_series_has_the_greatest_number_of_each_step() -> None:
    course = noted(count(0, 1), count(12, 9), count(14, 2), count(30, 4)).of(EDGE)
    assert course is not None
    assert course.series(5, 50, at(40)) == [1, 1, 9, 4, 4]
    assert course.series(6, 60, at(40)) == [None, 1, 1, 9, 4, 4]
    assert course.series(4, 40, at(0)) == [None, None, None, 1]


def test_only_so_many_changes_are_kept() -> None:
    course = noted(*(count(second, second) for second in range(KEPT + 5))).of(EDGE)
    assert course is not None
    assert len(course.points) == KEPT
    assert course.points[0].orphans == 5


def test_it_follows_the_columns_and_not_the_constraint() -> None:
    history = noted(count(0, 1))
    again = replace(EDGE, oid=999_999, name="another", validated=False)
    assert pair_of(again) == pair_of(EDGE)
    kinds = [replace(EDGE, only=Condition(EDGE.pairs[0].child, value)) for value in ("a", "b")]
    assert len({pair_of(each) for each in (EDGE, *kinds)}) == 3, "each kind of a polymorphic pair has its own history"
    history.note(again, count(1, 3))
    course = history.of(again)
    assert course is not None
    assert course.grown(60, at(1)) == 2
