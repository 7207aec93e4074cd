"""The two tables of badges, and that nothing unknown looks clean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fkexplorer.orphans.model import Bound, Status
from fkexplorer.reports.badges import (
    STATUS_WORDS,
    cycle_lengths,
    edge_badge,
    row_badge,
    severity,
    tags,
    total,
)
from fkexplorer.reports.live import Live
from fkexplorer.reports.style import Span
from fkexplorer.schema.model import Triggers
from tests.reports.build import Builder, counted, gitlab

EDGE = gitlab()[0].edges["merge_requests.author_id"]


@pytest.mark.parametrize(
    ("orphans", "rows", "valid", "text", "style"),
    [
        (0, 1000, True, "ok", "ok"),
        (37, 100_000, False, "!37", "problem"),
        (37, None, False, "!37", "problem"),
        (999, 99_901, False, "!999", "problem"),
        (999, 99_900, False, "!999", "severe"),
        (10, 1_001, False, "!10", "problem"),
        (10, 1_000, False, "!10", "severe"),
        (1_000, None, False, "!1k", "severe"),
        (1_300, 10_000_000, False, "!1.3k", "severe"),
        (37, 100_000, True, "!!37", "severe"),
    ],
)
def test_counted_rows(orphans: int, rows: float | None, valid: bool, text: str, style: str) -> None:
    assert row_badge(counted(EDGE, orphans), rows=rows, valid=valid) == Span(text, style)


@pytest.mark.parametrize(
    ("status", "letter"),
    [
        (Status.TIMED_OUT, "T"),
        (Status.DENIED, "D"),
        (Status.UNRELIABLE, "R"),
        (Status.SKIPPED, "-"),
        (Status.INCOMPARABLE, "X"),
        (Status.FAILED, "E"),
        (Status.STOPPED, "?"),
    ],
)
def test_every_status_without_a_number_has_its_own_letter(status: Status, letter: str) -> None:
    assert row_badge(counted(EDGE, None, status=status)) == Span(letter, "unknown")
    assert status in STATUS_WORDS


def test_unknown_under_way_and_bounds() -> None:
    assert row_badge(None) == Span("?", "unknown")
    assert row_badge(None, checking=True) == Span("..", "unknown")
    assert row_badge(counted(EDGE, 0), checking=True) == Span("..", "unknown")
    found = counted(EDGE, 37, bound=Bound.LOWER)
    assert row_badge(found, checking=True) == Span(">=37", "unknown")
    assert row_badge(found) == Span(">=37", "unknown")
    assert row_badge(counted(EDGE, 37, bound=Bound.UPPER)) == Span("<=37", "unknown")
    assert row_badge(counted(EDGE, 16, bound=Bound.ESTIMATE), rows=1000) == Span("<=1.6%", "unknown")


def test_a_constraint_with_its_triggers_off_is_still_called_valid_by_postgresql() -> None:
    made = Builder()
    made.table("users")
    made.table("notes", "user_id")
    off = made.edge("notes", "user_id", "users", triggers=Triggers(child_off=1))
    loose = made.edge("notes", "user_id", "users", enforced=False, validated=False)
    schema = made.schema()
    assert edge_badge(schema, off, counted(off, 2)).text == "!!2"
    assert edge_badge(schema, loose, counted(loose, 2)).text == "!2"


def test_tags() -> None:
    def words(**others: object) -> str:
        edge = replace(EDGE, **others)  # type: ignore[arg-type]
        return " ".join(span.text for span in tags(edge, cycle=2))

    assert words() == "c2"
    assert words(validated=False) == "NV c2"
    assert words(enforced=False, validated=False) == "off c2"
    assert words(triggers=Triggers(missing=1)) == "off c2"
    assert words(triggers=Triggers(parent_off=1), validated=False, index=None) == "off NV c2 noix"
    assert words(pairs=EDGE.pairs * 2) == "(2) c2"
    assert tags(EDGE, cycle=1) == ()


def test_cycle_lengths_take_the_shortest() -> None:
    other = replace(EDGE, oid=EDGE.oid + 1)
    assert cycle_lengths([[EDGE, other, other], [EDGE, other], [other]]) == {EDGE.oid: 2, other.oid: 1}


def test_severity_sorts_worst_first() -> None:
    made = Builder()
    made.table("users")
    names = ("severe", "more", "less", "denied", "loose", "big", "small", "skipped", "off", "clean")
    for name in names:
        made.table(name, "user_id", rows=10_000_000 if name in ("big", "more", "less") else 10)
    edges = {
        name: made.edge(
            name,
            "user_id",
            "users",
            validated=name in ("severe", "big", "small", "skipped", "off", "clean", "denied"),
            triggers=Triggers(child_off=1) if name == "off" else Triggers(),
        )
        for name in names
    }
    counts = {
        edges["severe"].oid: counted(edges["severe"], 1),
        edges["more"].oid: counted(edges["more"], 30),
        edges["less"].oid: counted(edges["less"], 20),
        edges["denied"].oid: counted(edges["denied"], None, status=Status.DENIED),
        edges["skipped"].oid: counted(edges["skipped"], None, status=Status.SKIPPED),
        edges["off"].oid: counted(edges["off"]),
        edges["clean"].oid: counted(edges["clean"]),
    }
    schema = made.schema()
    backwards = names[::-1]
    found = sorted(backwards, key=lambda name: severity(schema, edges[name], counts.get(edges[name].oid)))
    assert tuple(found) == names


def test_totals_never_hide_the_unknown() -> None:
    made, counts = gitlab(0)
    schema = made.schema()
    own = [edge for edge in schema.edges.values() if edge.child == made.tables["merge_requests"].oid]
    known = total(schema, own, counts)
    assert (known.edges, known.checked, known.with_orphans, known.orphans) == (7, 6, 2, 16_014)
    assert (known.unknown, known.waiting, known.skipped, known.failed) == (1, 1, 0, 0)
    assert known.worst == Span("!16k", "severe")
    clean = {edge.oid: counted(edge) for edge in own}
    assert total(schema, own, clean).worst == Span("ok", "ok")
    some = {oid: count for oid, count in clean.items() if oid != own[0].oid}
    assert total(schema, own, some).worst == Span("?", "unknown")
    assert total(schema, own, some, Live(running={own[0].oid})).worst == Span("..", "unknown")
    denied = some | {own[1].oid: counted(own[1], None, status=Status.DENIED)}
    assert total(schema, own, denied).worst == Span("D", "unknown")
    assert total(schema, own, denied).failed == 1
    skipped = clean | {own[1].oid: counted(own[1], None, status=Status.SKIPPED)}
    assert total(schema, own, skipped).worst == Span("-", "unknown")
    stopped = counts | {edge.oid: counted(edge, 5, bound=Bound.LOWER) for edge in own if edge.oid not in counts}
    assert total(schema, own, stopped).worst == Span(">=16k", "severe")
    assert total(schema, [], {}).worst.text == ""
