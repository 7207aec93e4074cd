"""The table of tables: its order, how counts arrive in it, the header above it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fkexplorer.orphans.events import Counted, Settled
from fkexplorer.tui import app as app_module
from fkexplorer.tui.messages import Connected
from tests.tui.helpers import Gate, Person, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

# As the demo is built: tables with orphans in their own foreign keys, and how many.
WORST = [
    ("shop.orders", 23),
    ("shop.reviews", 12),
    ("shop.page_views", 8),
    ("shop.shipments", 7),
    ("shop.wish_list_items", 6),
    ("shop.pick_tasks", 5),
    ("billing.payments", 4),
    ("workspaces_dangling.workspace_members", 1),
]


def names(person: Person) -> list[str]:
    """The tables in the order shown, cut as they are, without what counts change."""
    body = person.lines()[3:17]
    return [line[1:35].split("  ")[0].rstrip() for line in body]


async def test_the_worst_come_first_once_all_are_counted(demo_url: str) -> None:
    async with opened(demo_url, size=(80, 50)) as person:
        for place, (name, orphans) in enumerate(WORST):
            line = person.lines()[3 + place]
            shown = re.escape(name) if len(name) < 30 else r"\S+…\S+"
            assert re.match(rf" {shown} +!!?{orphans}\b", line), line
        assert all("!" not in line for line in person.lines()[3 + len(WORST) : 40])


async def test_the_order_stays_while_counts_arrive_and_the_cursor_on_its_table(demo_url: str) -> None:
    gate = Gate()
    async with opened(demo_url, gate=gate, wait=False) as person:
        lines = person.app.main.tables
        await person.until(lambda: any(isinstance(event, Settled) for event in gate.events()))
        # Before anything is counted: suspicious ones first, none of them with a number.
        assert "!" not in person.text
        first = names(person)
        assert first[0] in {name for name, _ in WORST}
        await person.press("pagedown", "pagedown", "k")
        before = (lines.cursor, lines.top, lines.current, lines.order)
        assert lines.top > 0
        order = names(person)
        arrived = 0
        while gate.held:
            arrived += isinstance(gate.events()[0], Counted)
            gate.pass_one()
            await person.pilot._wait_for_screen()
            assert (lines.cursor, lines.top, lines.current, lines.order) == before
        assert arrived == len(person.app.world.edges and person.app.world.schema.edges)  # type: ignore[union-attr]
        await person.sees(r"order stale \(s\)|8 FKs with orphans")
        assert names(person) == order
        assert (lines.cursor, lines.top, lines.current, lines.order) == before


async def test_stale_order_is_said_and_s_sorts_with_the_cursor_on_its_table(demo_url: str) -> None:
    gate = Gate()
    async with opened(demo_url, gate=gate, wait=False, size=(140, 40)) as person:
        lines = person.app.main.tables
        await person.until(lambda: person.app.world.schema is not None)
        await person.press("j")
        here, order = lines.current, lines.order
        assert "order stale" not in person.lines()[0]
        gate.open()
        await person.counted()
        await person.sees(r"order stale \(s\)")
        assert lines.order == order
        await person.press("s")
        assert lines.current == here
        assert lines.order != order
        assert re.match(r" shop\.orders +!23", person.lines()[3])
        assert "order stale" not in person.lines()[0]


async def test_counts_repaint_their_own_line(demo_url: str) -> None:
    gate = Gate()
    async with opened(demo_url, gate=gate, wait=False, size=(80, 50)) as person:
        await person.until(lambda: person.app.world.schema is not None)
        lines = person.app.main.tables
        assert all(" ? " in line for line in person.lines()[3:6])
        orders = lines.order.index(person.table("shop.orders").oid)
        await person.press("j")  # the list is somebody's now: its order stays
        gate.open()
        await person.counted()
        await person.until(lambda: not person.app._flushing)
        await person.sees("!23")
        assert re.match(r" shop\.orders +!23", person.lines()[3 + orders])


async def test_header_says_where_what_how_old_and_read_only(demo_url: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    async with opened(demo_url, size=(140, 40), now=lambda: later) as person:
        header = person.lines()[0]
        assert header.startswith(" demo@[local]/demo ")
        assert header.rstrip().endswith(" RO")
        assert len(header) <= 140
        for part in (
            r"8 FKs with orphans",
            r"41 tables 44 FKs",
            r"PostgreSQL 18\.\d",
            r"counted \d\d:\d\d \((1|2)h ago\)",
        ):
            assert re.search(part, header), header
        await person.pilot.resize_terminal(44, 24)
        await person.until(lambda: len(person.lines()[0]) <= 44)
        assert re.fullmatch(r" demo@\[local\]/demo .* RO", person.lines()[0])


async def test_the_age_of_the_counts_grows_by_itself(demo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TICK", 0.02)
    passed = timedelta()
    async with opened(demo_url, size=(100, 24), now=lambda: datetime.now(UTC) + passed) as person:
        await person.sees(r"  live  ")
        passed = timedelta(minutes=7, seconds=30)
        await person.sees(r"counted \d\d:\d\d \(7m ago\)")


async def test_ages_are_told_by_the_server_s_clock(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p)")
    gate = Gate(Connected)
    async with opened(url, size=(100, 24), gate=gate, wait=False) as person:
        await person.until(lambda: gate.held)
        [connected] = gate.held
        assert isinstance(connected, Connected)
        # As if this computer's clock were two hours behind the server's.
        connected.facts = replace(connected.facts, connected_at=connected.facts.connected_at + timedelta(hours=2))
        gate.open()
        await person.sees(r"counted \d\d:\d\d \(2h ago\)")


async def test_home_at_any_width_keeps_its_badges(demo_url: str) -> None:
    async with opened(demo_url, size=(60, 14)) as person:
        for size in ((60, 14), (80, 24), (140, 40), (160, 48), (42, 12)):
            await person.pilot.resize_terminal(*size)
            await person.pilot.pause()
            assert tuple(person.app.size) == size
            await person.sees(r"^ shop\.orders +!23")
            assert max(map(len, person.lines())) <= size[0]
            assert len(person.lines()) == size[1]


async def test_a_database_that_changes_is_counted_as_it_is(make_database: Callable[[str], str]) -> None:
    url = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)"
    )
    async with opened(url) as person:
        await person.sees(r"^ c +ok")
        assert "no orphans" in person.lines()[0]
        await run(url, "ALTER TABLE p DISABLE TRIGGER ALL; DELETE FROM p")
        await person.press("r")
        # The catalogue on screen still calls it valid: an orphan there is damage.
        await person.sees(r"^ c +\*!!1")
        await person.sees("1 FK with orphans")
