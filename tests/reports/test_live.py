"""What is said of counts while a monitor runs: ages, progress, what appeared, deletes, lock waits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.events import Backend, Wait
from fkexplorer.orphans.model import Bound, Count, Estimate, Progress, Status
from fkexplorer.reports.badges import edge_badge, total
from fkexplorer.reports.lens import build_lens
from fkexplorer.reports.live import Live, age_of, movement_line, progress_line, sparkline, wait_lines
from fkexplorer.reports.sentence import edge_detail
from fkexplorer.reports.style import Span, plain
from fkexplorer.reports.tables import edges_by_table, table_detail, table_line
from fkexplorer.reports.values import width
from tests.reports.build import NOW, Builder, counted

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship, Schema


@pytest.fixture(name="one")
def _one() -> tuple[Schema, Relationship]:
    """Members of workspaces."""
    made = Builder()
    made.table("workspaces")
    made.table("members", "workspace_id", rows=200_000)
    edge = made.edge("members", "workspace_id", "workspaces")
    return made.schema(), edge


def later(seconds: float) -> timedelta:
    """So much after a count."""
    return timedelta(seconds=seconds)


def estimate(edge: Relationship, *, low: int = 0) -> Estimate:
    """A sample of 1,000 rows."""
    return Estimate(edge.oid, low, low, 3_200, 200_000, 1_000, NOW, 0.2)


def progress(edge: Relationship, *, found: int = 0, resting: str = "") -> Progress:
    """Nearly half of the child."""
    return Progress(edge.oid, 94_500, 210_000, "blocks", found, 10.0, 12.0, resting)


def test_an_age_is_honest(one: tuple[Schema, Relationship]) -> None:
    _, edge = one
    count, live = counted(edge, 3), Live()

    def said(seconds: float) -> str:
        return age_of(count, live, NOW + later(seconds)).text

    assert said(1) == "as of 02:00:00 (just now)"
    assert said(59) == "as of 02:00:00 (59s ago)"
    assert said(61) == "STALE: as of 02:00:00 (1m ago)"
    assert said(90_000) == "STALE: as of 2026-11-21 02:00:00 (1d ago)"
    # What was proven is true as of then, and unchanged as long as that is not long ago.
    live.confirmed[edge.oid] = NOW + later(600)
    assert said(601) == "unchanged since 02:00:00"
    live.doubted = {edge.oid}
    assert said(601) == "as of 02:10:00 (just now)"
    assert said(604) == "as of 02:10:00 (4s ago)"
    live.doubted = set()
    assert said(640) == "as of 02:10:00 (40s ago)"
    assert said(670) == "STALE: as of 02:10:00 (1m ago)"
    # A dear count is taken again less often.
    count = replace(count, seconds=30.0)
    assert said(670) == "as of 02:10:00 (1m ago)"


def test_a_newer_count_is_not_called_unchanged_by_an_older_proof(one: tuple[Schema, Relationship]) -> None:
    _, edge = one
    live = Live(confirmed={edge.oid: NOW - later(3)})
    assert age_of(counted(edge, 3), live, NOW + later(5)).text == "as of 02:00:00 (5s ago)"


def test_a_recount_does_not_hide_the_number_unless_somebody_asked_for_it(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    live, known = Live(running={edge.oid}), counted(edge, 37)
    assert edge_badge(schema, edge, None, live).text == ".."
    assert edge_badge(schema, edge, counted(edge, None, status=Status.STOPPED), live).text == ".."
    assert edge_badge(schema, edge, known, live).text == "!!37"
    live.asked.add(edge.oid)
    assert edge_badge(schema, edge, known, live).text == ".."
    live.progress[edge.oid] = progress(edge, found=5)
    assert edge_badge(schema, edge, known, live).text == ">=5"


def test_an_estimate_stands_until_there_is_a_number(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    live = Live(running={edge.oid}, estimates={edge.oid: estimate(edge)}, progress={edge.oid: progress(edge)})
    assert edge_badge(schema, edge, None, live) == Span("<=1.6%", "unknown")
    live.progress[edge.oid] = progress(edge, found=37)
    assert edge_badge(schema, edge, None, live) == Span(">=37", "unknown")
    live = Live(estimates=live.estimates)
    for status, badge in ((Status.STOPPED, "<=1.6%"), (Status.SKIPPED, "<=1.6%"), (Status.DENIED, "D")):
        assert edge_badge(schema, edge, counted(edge, None, status=status), live).text == badge
    assert edge_badge(schema, edge, counted(edge, 0), live).text == "ok"


def test_totals_hold_what_was_found_so_far_and_stay_unknown(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    live = Live(running={edge.oid}, progress={edge.oid: progress(edge, found=37)})
    known = total(schema, [edge], {}, live)
    assert (known.worst.text, known.checked, known.unknown, known.orphans) == (">=37", 0, 1, 37)
    live = Live(estimates={edge.oid: estimate(edge)})
    skipped = {edge.oid: counted(edge, None, status=Status.SKIPPED)}
    known = total(schema, [edge], skipped, live)
    assert (known.worst.text, known.skipped, known.failed, known.waiting) == ("<=1.6%", 1, 0, 0)


def test_progress_says_how_far_what_is_found_and_how_long(one: tuple[Schema, Relationship]) -> None:
    _, edge = one
    assert plain(progress_line(progress(edge), None)) == (
        "counting: 45% of 210,000 blocks, no orphan so far, 12.0 s left"
    )
    line = plain(progress_line(progress(edge, found=37, resting="stepped aside for ALTER TABLE"), estimate(edge)))
    assert line == "counting: 45% of 210,000 blocks, at least 37 orphans, 12.0 s left  stepped aside for ALTER TABLE"
    assert plain(progress_line(progress(edge), estimate(edge))).endswith("a sample says at most 1.6% (3,200 rows)")
    unknown = replace(progress(edge), done=0, total=0, seconds_left=None)
    assert plain(progress_line(unknown, None)) == "counting: for 10.0 s"
    assert plain(progress_line(replace(unknown, found=3, step="missing keys"), None)) == (
        "counting missing keys: 3 orphans, for 10.0 s"
    )
    some = estimate(edge, low=900)
    assert "a sample says 900 to 1.6% (3,200 rows)" in plain(progress_line(progress(edge), some))


def courses(edge: Relationship, *numbers: tuple[float, int]) -> Live:
    """A history: so many seconds after NOW there were so many."""
    live = Live()
    for seconds, orphans in numbers:
        live.history.note(edge, replace(counted(edge, orphans), as_of=NOW + later(seconds)))
    return live


def test_movement_says_what_came_in_the_last_minute(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one

    def said(live: Live, seconds: float, *, ascii: bool = False) -> str:
        return plain(movement_line(schema, edge, live, NOW + later(seconds), ascii=ascii))

    assert said(Live(), 0) == ""
    assert said(courses(edge, (0, 4)), 10) == ""
    live = courses(edge, (0, 0), (300, 3), (310, 7))
    assert said(live, 320) == "+7 in the last minute  10 min [         ▁▁▁▁▁▁▁▁▁▁█]"
    assert said(live, 320, ascii=True) == "+7 in the last minute  10 min [         00000000007]"
    assert said(live, 365).startswith("+4 in the last minute")
    assert said(live, 400).startswith("+4 at 02:05:10")
    assert said(live, 3_650) == "+4 at 02:05:10  1 h [▁███████████████████]"
    assert said(live, 5_000) == "+4 at 02:05:10"
    assert said(courses(edge, (0, 0), (6, 1)), 12) == "+1 in the last minute  1 min [               ▁▁███]"
    assert said(courses(edge, (0, 9), (20, 2)), 30).startswith("-7 in the last minute")


def test_deletes_on_the_parent_are_told_or_that_they_are_not_known(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one

    def said(rows: int | None) -> list[str]:
        live = Live(deleted={edge.parent: rows}, since=NOW)
        return [plain(line) for line in edge_detail(schema, edge, counted(edge), now=NOW, live=live)]

    # That there were some comes before the sentence; that there were none is said where there is room.
    assert said(12)[2] == "12 deletes on workspaces since 02:00"
    assert said(1)[2] == "1 delete on workspaces since 02:00"
    assert said(0)[-1] == "no delete on workspaces since 02:00"
    assert said(None)[-1] == "deletes on workspaces: not known"
    assert not any("delete on" in line for line in said(0)[:-1])


@pytest.mark.parametrize(
    ("values", "drawn", "digits"),
    [
        ([], "", ""),
        ([None, None], "", ""),
        ([5, 5, 5], "", ""),
        ([None, 0, 0, 1], " ▁▁█", " 007"),
        ([1000, 1001, 1100], "▁▂█", "017"),
        ([7, 3, 0, 7], "█▄▁█", "7307"),
    ],
)
def test_a_sparkline_shows_every_change(values: list[int | None], drawn: str, digits: str) -> None:
    assert sparkline(values) == drawn
    assert sparkline(values, ascii=True) == digits


def wait(edge: Relationship, *, mode: str = "row", statement: str = "INSERT INTO users VALUES ($1)") -> Wait:
    """Incident 2's race as it is seen."""
    return Wait(
        waiter=Backend(4711, "app", "web\x1b[2J", statement, "active"),
        blockers=(
            Backend(4700, "bob", None, "DELETE FROM workspaces WHERE id = $1", "idle in transaction"),
            Backend(0, None, None, None, None),
        ),
        since=NOW,
        mode=mode,
        tables=frozenset([edge.child, edge.parent]),
        wanted=edge.parent,
    )


def test_a_lock_wait_says_who_waits_for_whom_and_how_long(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    [line] = wait_lines(schema, [wait(edge)], NOW + later(12.4), ascii=False)
    assert plain(line) == (
        "lock wait of 12 s: 4711 app/web␛[2J INSERT INTO users VALUES ($1)  waits for a row locked by"
        " 4700 bob (idle in transaction) DELETE FROM workspaces WHERE id = $1, a prepared transaction"
    )
    [line] = wait_lines(schema, [wait(edge, mode="AccessExclusiveLock")], NOW, ascii=True)
    assert "waits for AccessExclusiveLock on workspaces, held by 4700" in plain(line)
    assert plain(line).isascii()
    many = [wait(edge, statement=f"UPDATE {number}") for number in range(5)]
    lines = [plain(line) for line in wait_lines(schema, many, NOW, ascii=False)]
    assert len(lines) == 3
    assert lines[-1] == "and 3 more lock waits"


def test_marks_stand_before_the_badge_and_move_nothing(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    counts, edges = {edge.oid: counted(edge, 37)}, edges_by_table(schema)
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    for live, mark in (
        (Live(), ""),
        (Live(unseen={edge.oid}), "*"),
        (Live(unseen={edge.oid}, waits={edge.oid: (wait(edge),)}), "&"),
    ):
        for cells in (40, 80, 120):
            line = plain(table_line(schema, child, edges[child.oid], counts, live, width=cells))
            assert width(line) <= cells
            assert f" {mark}!!37" in line
            for table in (child, parent):
                lens = build_lens(schema, table.oid, counts, live=live, width=cells)
                [row] = [row for row in lens.rows if edge.oid in (row.parent_edge, row.child_edge)]
                assert f" {mark}!!37" in plain(row.spans)
                assert width(plain(row.spans)) == cells
                still = build_lens(schema, table.oid, counts, width=cells)
                assert plain(row.spans).replace(mark or "\0", " ") == plain(
                    next(row for row in still.rows if edge.oid in (row.parent_edge, row.child_edge)).spans
                )


def test_a_clean_child_of_a_hub_that_is_in_a_lock_wait_is_not_folded() -> None:
    made = Builder()
    made.table("hub")
    for number in range(25):
        made.table(f"leaf_{number}", "hub_id")
        made.edge(f"leaf_{number}", "hub_id", "hub")
    schema = made.schema()
    counts = {oid: counted(edge) for oid, edge in schema.edges.items()}
    one = next(iter(schema.edges.values()))
    hub = made.tables["hub"].oid
    assert build_lens(schema, hub, counts, width=80).row_of(one.oid, child=True) is None
    for live in (Live(waits={one.oid: (wait(one),)}), Live(unseen={one.oid})):
        assert build_lens(schema, hub, counts, width=80, live=live).row_of(one.oid, child=True) is not None


def test_the_detail_of_an_edge_says_first_what_goes_on(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    count = replace(counted(edge, 37), rows=200_000, seconds=2.0)
    failed = counted(edge, None, status=Status.TIMED_OUT, error="canceled after 30 s")
    live = courses(edge, (-30, 30), (0, 37))
    live.running = {edge.oid}
    live.progress = {edge.oid: progress(edge)}
    live.waits = {edge.oid: (wait(edge),)}
    live.tried = {edge.oid: failed}
    live.deleted, live.since = {edge.parent: 3}, NOW
    lines = [plain(line) for line in edge_detail(schema, edge, count, now=NOW + later(3), live=live)]
    assert lines[1].startswith(
        "members.workspace_id -> workspaces.id  37 orphans of 200,000 rows (0.02%), counting again  as of 02:00:00"
        " (3s ago)  since then timed out (canceled after 30 s)"
    )
    begins = [line.split(" ")[0] for line in lines[2:]]
    assert begins == ["lock", "counting:", "+7", "each" if edge.pairs[0].child.not_null else "a", "took"]
    told = [
        plain(line)
        for line in edge_detail(schema, edge, None, now=NOW, live=Live(estimates={edge.oid: estimate(edge)}))
    ]
    assert told[2] == "a sample says at most 1.6% (3,200 rows)"


def test_the_detail_of_a_table_says_who_waits_there(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    live, edges = Live(waits={edge.oid: (wait(edge),)}), edges_by_table(schema)
    for table in (schema.child_of(edge), schema.parent_of(edge)):
        lines = [plain(line) for line in table_detail(schema, table, edges[table.oid], {}, live, now=NOW, width=80)]
        assert lines[1].startswith(" lock wait of 0 s: 4711 app/web")
        assert all(width(line) <= 80 for line in lines)


def test_a_lower_bound_that_was_kept_stays_one(one: tuple[Schema, Relationship]) -> None:
    schema, edge = one
    stopped: Count = replace(counted(edge, 5), bound=Bound.LOWER)
    assert edge_badge(schema, edge, stopped, Live()).text == ">=5"
