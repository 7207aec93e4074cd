"""What comes by itself while the app runs: counts, what is new, progress, lock waits, deletes on parents."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from fkexplorer.cli import main
from fkexplorer.orphans.events import Counted
from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.world import View
from tests.orphans.slow import SLOW, slowed
from tests.tui.helpers import Person, opened, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.geometry import Region

SMALL = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p); INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
CREATE TABLE d (id int PRIMARY KEY, p_id int REFERENCES p); INSERT INTO d SELECT n, n FROM generate_series(1, 10) n;
"""
WORKSPACES = """
CREATE TABLE workspaces (id int PRIMARY KEY); INSERT INTO workspaces VALUES (1), (2);
CREATE TABLE users (id text PRIMARY KEY, workspace_id int REFERENCES workspaces);
CREATE TABLE members (workspace_id int REFERENCES workspaces ON DELETE CASCADE); INSERT INTO members VALUES (1), (2);
CREATE TABLE plans (id int PRIMARY KEY); CREATE TABLE prices (plan_id int REFERENCES plans);
"""


def orphans(table: str, *keys: int) -> str:
    """Rows of these keys, past the foreign key."""
    rows = ", ".join(f"({100 + key}, {key})" for key in keys)
    return f"SET session_replication_role = replica; INSERT INTO {table} VALUES {rows}"


@pytest.fixture(name="rings")
def _rings(monkeypatch: pytest.MonkeyPatch) -> list[ExplorerApp]:
    """Each time that the terminal's bell rang."""
    rings: list[ExplorerApp] = []

    def ring(app: ExplorerApp) -> None:
        rings.append(app)

    monkeypatch.setattr(ExplorerApp, "bell", ring)
    monkeypatch.setattr("fkexplorer.tui.session.EVERY", 0.3)
    # The window of a sparkline moves with the clock: two counts a second apart are told apart now and then.
    monkeypatch.setattr("fkexplorer.tui.app.TICK", 0.1)
    return rings


def counts_of(person: Person, edge: str) -> list[Counted]:
    """What the monitor told of an edge's counts."""
    oid = person.edge(edge).oid
    return [event for event in person.heard if isinstance(event, Counted) and event.count.edge == oid]


async def test_a_change_shows_by_itself_and_only_its_line_is_painted(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database(SMALL)
    async with opened(url) as person:
        await person.sees(r"^ d +ok")
        lines = person.app.main.tables
        await person.press("j")
        before = (lines.cursor, lines.top, lines.current, lines.order)
        painted: list[tuple[Region, ...]] = []
        refresh = lines.refresh

        def refreshed(*regions: Region, **options: bool) -> object:
            painted.append(regions)
            return refresh(*regions, **options)

        monkeypatch.setattr(lines, "refresh", refreshed)
        await run(url, orphans("d", 77, 78))
        await person.sees(r"^ d +\*!!2 ")
        # Nobody pressed a key for it.
        assert counts_of(person, "d_p_id_fkey")[-1].background
        assert (lines.cursor, lines.top, lines.current, lines.order) == before
        line = lines.order.index(person.table("d").oid) + lines.heading_count()
        assert {tuple(region) for regions in painted for region in regions} == {(0, line, 80, 1)}
        assert all(painted)
        await run(url, "DELETE FROM d WHERE p_id > 70")
        await person.sees(r"^ d +\*ok ")


async def test_new_orphans_ring_once_and_are_marked_until_somebody_looks(
    make_database: Callable[[str], str], rings: list[ExplorerApp]
) -> None:
    url = make_database(SMALL)
    async with opened(url, size=(100, 24)) as person:
        await person.press("exclamation_mark")
        await person.told("newest orphan: no orphan has appeared since the start")
        await run(url, orphans("c", 77))
        await person.sees(r"^ c +\*!!1 ")
        await person.sees(r"1 new \(!\)")
        assert len(rings) == 1
        # More of them on an edge that nobody has looked at yet ring no second time.
        await run(url, orphans("c", 78, 79))
        await person.sees(r"^ c +\*!!3 ")
        await run(url, orphans("d", 88))
        await person.sees(r"^ d +\*!!1 ")
        await person.sees(r"2 new \(!\)")
        assert len(rings) == 2
        # The newest first, then the one before, then nothing is new.
        await person.press("exclamation_mark")
        assert person.in_view(View.LENS)
        assert person.app.main.lens.current == person.edge("d_p_id_fkey").oid
        await person.sees(r"1 new \(!\)")
        await person.sees(r"^ \+1 in the last minute")
        await person.press("exclamation_mark")
        assert person.app.main.lens.current == person.edge("c_p_id_fkey").oid
        await person.sees(r"^ \+3 in the last minute  1 min \[ *[▁-█]+\]")
        await person.misses(r"\d new \(!\)")
        await person.press("1")
        await person.sees(r"^ c +!!3 ")
        await person.sees(r"^ d +!!1 ")
        # Nothing is new any more: the newest of all.
        await person.press("exclamation_mark")
        assert person.app.main.lens.current == person.edge("d_p_id_fkey").oid


async def test_the_bell_can_be_turned_off_and_on(make_database: Callable[[str], str], rings: list[ExplorerApp]) -> None:
    url = make_database(SMALL)
    async with opened(url) as person:
        await person.press("B")
        await person.told("The bell is off")
        await run(url, orphans("c", 50))
        await person.sees(r"^\*?.*1 new \(!\)")
        assert not rings
        await person.press("B")
        await person.told("The bell is on")
        await run(url, orphans("d", 50))
        await person.sees(r"2 new \(!\)")
        assert len(rings) == 1


def test_the_bell_is_off_from_the_start_if_the_command_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bells: list[bool] = []

    def note(app: ExplorerApp, **_: object) -> int:
        bells.append(app.world.bell)
        return 0

    monkeypatch.setattr(ExplorerApp, "run", note)
    monkeypatch.setattr("fkexplorer.console.needs_screen", lambda _: None)
    for words in ((), ("--no-bell",)):
        assert main(["postgresql://u@h/d", *words]) == 0
    assert bells == [True, False]


async def test_orphans_under_the_cursor_stay_new_until_a_key_is_pressed(
    make_database: Callable[[str], str], rings: list[ExplorerApp]
) -> None:
    url = make_database(SMALL)
    async with opened(url, ascii_only=True) as person:
        await person.open_lens("c", "c_p_id_fkey")
        await run(url, orphans("c", 77))
        await person.sees(r"^p +\*!!1 noix <")
        await person.sees(r"^ \+1 in the last minute")
        assert len(rings) == 1
        await person.press("j")
        await person.sees(r"^p +!!1 noix <")


async def test_what_an_age_says(make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkexplorer.tui.app.TICK", 0.1)
    url = make_database(SMALL)
    async with opened(url, size=(140, 24)) as person:
        await person.open_lens("c", "c_p_id_fkey")
        await person.sees(r"0 orphans  unchanged since \d\d:\d\d:\d\d  indexed: no")
        assert re.search(r"no orphans  live  ", person.lines()[0])
        began = len(counts_of(person, "c_p_id_fkey"))
        await person.press("r")
        await person.until(lambda: len(counts_of(person, "c_p_id_fkey")) > began)
        await person.sees(r"0 orphans  as of \d\d:\d\d:\d\d \((just now|\d+s ago)\)|unchanged since")


@asynccontextmanager
async def racing(url: str) -> AsyncIterator[tuple[psycopg.AsyncConnection, asyncio.Task[object], int, int]]:
    """Incident 2: a workspace is deleted and not committed; a user of it is inserted, and waits."""
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True, application_name="janitor") as deleter,
        await psycopg.AsyncConnection.connect(url, autocommit=True, application_name="web") as inserter,
    ):
        await deleter.execute("BEGIN; DELETE FROM workspaces WHERE id = 1")
        insert = asyncio.create_task(inserter.execute("INSERT INTO users VALUES ('did:privy:1', 1)"))
        try:
            yield deleter, insert, deleter.info.backend_pid, inserter.info.backend_pid
        finally:
            await deleter.execute("ROLLBACK")
            await asyncio.gather(insert, return_exceptions=True)


async def test_a_lock_wait_shows_who_waits_for_whom_while_it_lasts(make_database: Callable[[str], str]) -> None:
    url = make_database(WORKSPACES)
    async with opened(url, size=(100, 30)) as person:
        await person.go_to("plans")
        async with racing(url) as (deleter, insert, deleting, inserting):
            await person.sees(r"^ users +&ok ")
            await person.sees(r"  1 lock wait  ")
            # Another table with a key to the same parent is none of those that the insert uses.
            assert re.search(r"^ members +ok ", person.text, re.MULTILINE)
            assert re.search(r"^ prices +ok ", person.text, re.MULTILINE)
            await person.press("}")
            assert person.app.main.lens.current == person.edge("users_workspace_id_fkey").oid
            await person.sees(r"lock wait of \d+ s: ")
            said = " ".join(person.text.partition("lock wait of ")[2].split())
            waiter = rf"{inserting} postgres/web INSERT INTO users .*"
            blocker = rf"{deleting} postgres/janitor \(idle in transaction\).*DELETE FROM workspaces"
            assert re.match(rf"\d+ s: {waiter} waits for a row locked by {blocker}", said), said
            assert "privy" not in person.text
            await deleter.execute("COMMIT")
            with pytest.raises(errors.ForeignKeyViolation):
                await insert
            await person.misses(r"lock wait")
        await person.sees(r"^workspaces +ok ")
        # The race leaves no orphan: what is left to see is the delete.
        await person.sees(r"1 delete on workspaces since \d\d:\d\d")


async def test_a_slow_count_shows_how_far_it_is_and_stops_with_what_it_found(
    make_database: Callable[[str], str],
) -> None:
    # As if it were so large that counting it is long from the start.
    url = make_database(SLOW + "UPDATE pg_class SET reltuples = 2e7, relpages = 100000 WHERE relname = 'c'")
    async with slowed(url), opened(url, size=(100, 24), wait=False) as person:
        await person.until(lambda: person.app.world.schema is not None)
        await person.open_lens("c")
        await person.sees(r"^p +>=\d+ ")
        said = await person.sees(r"counting: (\d+|\d\.\d+)% of [\d,]+ (blocks|keys), at least ([\d,]+) orphans")
        assert 0 < int(said[3].replace(",", "")) < 990
        await person.press("full_stop")
        await person.misses(r"counting")
        kept = await person.sees(r"-> p\.id  at least ([\d,]+) orphans")
        assert int(kept[1].replace(",", "")) >= int(said[3].replace(",", ""))
        await person.sees(r"^p +>=\d+ ")
        await person.press("1")
        await person.sees(r"^ c +>=\d+ ")
