"""Known problems: what is in the file stays known, what is more or other than that is new."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.doctor.model import Finding, Severity
from fkexplorer.orphans.model import Bound, Count, Status
from fkexplorer.reports.baseline import LASTING, Baseline, Malformed, baseline_text, read_baseline
from tests.reports.build import NOW, Builder
from tests.reports.test_documents import a_check

if TYPE_CHECKING:
    from fkexplorer.reports.document import Check

FINDING = Finding(
    code="no_index",
    severity=Severity.NOTICE,
    subject='public."a b".a_b_fkey',
    edge=1,
    table=1,
    text="12 rows",
    seen="",
    why="",
    at=NOW,
)


def with_count(check: Check, edge: int, count: Count) -> Check:
    """The same run with another count of one edge."""
    return replace(check, counts={**check.counts, edge: count})


@pytest.fixture(name="ran")
def _ran() -> tuple[Builder, Check]:
    made, _, check = a_check()
    return made, check


def test_what_was_written_is_known_and_the_rest_is_not(ran: tuple[Builder, Check]) -> None:
    _, check = ran
    baseline = read_baseline(baseline_text(Baseline().with_check(check, now=NOW)))
    assert baseline.written == NOW
    known = {check.count(edge).status for edge in check.edges if baseline.knows(check, edge)}
    assert known == {Status.ORPHANS, *LASTING}, "a timeout, a failure and a skipped edge are never known"
    assert not any(Baseline().knows(check, edge) for edge in check.edges)


def test_one_orphan_more_is_new_and_one_less_is_gone(ran: tuple[Builder, Check]) -> None:
    _, check = ran
    baseline = Baseline().with_check(check, now=NOW)
    [edge] = check.with_status(Status.ORPHANS)
    count = check.count(edge)
    assert baseline.knows(check, edge) == "in the baseline with 3 orphans"
    assert not baseline.gone(check)
    more = with_count(check, edge.oid, replace(count, orphans=4))
    assert not baseline.knows(more, edge)
    fewer = with_count(check, edge.oid, replace(count, orphans=2))
    assert baseline.knows(fewer, edge)
    assert baseline.gone(fewer) == ["public.of_orphans.of_orphans_user_id_fkey"]
    at_least = with_count(check, edge.oid, replace(count, bound=Bound.LOWER))
    assert not baseline.knows(at_least, edge), "at least 3 may be 300"


def test_another_reason_for_no_number_is_new(ran: tuple[Builder, Check]) -> None:
    _, check = ran
    baseline = Baseline().with_check(check, now=NOW)
    [edge] = check.with_status(Status.DENIED)
    for status in (Status.UNRELIABLE, Status.TIMED_OUT):
        assert not baseline.knows(with_count(check, edge.oid, replace(check.count(edge), status=status)), edge)
    [orphans] = check.with_status(Status.ORPHANS)
    denied = with_count(check, orphans.oid, replace(check.count(orphans), status=Status.DENIED, orphans=None))
    assert not baseline.knows(denied, orphans), "what was counted once is not known to be denied"


def test_ignored_edges_do_not_get_into_it(ran: tuple[Builder, Check]) -> None:
    _, check = ran
    [edge] = check.with_status(Status.ORPHANS)
    assert not Baseline().with_check(check, now=NOW, but=[edge.oid]).orphans


def test_each_command_keeps_what_the_other_wrote(ran: tuple[Builder, Check]) -> None:
    _, check = ran
    first = Baseline().with_findings([FINDING], now=NOW)
    both = first.with_check(check, now=NOW + timedelta(days=1))
    assert both.has(FINDING)
    assert both.orphans
    again = read_baseline(baseline_text(both.with_findings([], now=NOW)))
    assert not again.has(FINDING)
    assert again.orphans == both.orphans
    assert read_baseline(baseline_text(first)) == first, "what no command has written yet stays unwritten"
    assert not first.has(replace(FINDING, subject="public.other"))
    assert first.has(replace(FINDING, text="13 rows")), "numbers in a text may change"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        pytest.param("[" * 100_000, "no JSON", id="deep"),
        ("[]", "no baseline"),
        ('{"edges": []}', "no baseline"),
        ('{"fkexplorer_baseline": 2}', "version 2"),
        ('{"fkexplorer_baseline": 1}', "written"),
        (
            (
                '{"fkexplorer_baseline": 1, "written": "2026-01-01T00:00:00Z",'
                ' "check": {"orphans": {"a": "3"}, "uncounted": {}}}'
            ),
            "no number of orphans",
        ),
        ('{"fkexplorer_baseline": 1, "written": "2026-01-01T00:00:00Z", "doctor": ["no_index"]}', "not as it was"),
    ],
)
def test_what_is_no_baseline_says_why(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read_baseline(text)
