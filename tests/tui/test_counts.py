"""Counting on demand, stopping, and quitting whatever runs."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.model import Count, Status
from fkexplorer.tui.messages import CountWanted
from fkexplorer.tui.world import View
from tests.proxy import Proxy
from tests.tui.helpers import Person, gone, holding, opened, run, sessions

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE c (id int PRIMARY KEY, p_id int); INSERT INTO c VALUES (1, 1), (2, 8);
CREATE TABLE d (id int PRIMARY KEY, p_id int REFERENCES p); INSERT INTO d VALUES (1, 1);
ALTER TABLE c ADD CONSTRAINT c_p_fk FOREIGN KEY (p_id) REFERENCES p NOT VALID;
"""
LOCK = "LOCK TABLE c IN ACCESS EXCLUSIVE MODE"
A_SECOND = 1.6
"""What quitting may take; the app has one second for it, and the machine may be busy."""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    """One edge with an orphan, one without."""
    return make_database(SCHEMA)


def count_of(person: Person, edge: str) -> Count | None:
    """What is known of an edge."""
    return person.app.world.counts.get(person.edge(edge).oid)


async def waits(url: str) -> None:
    """Wait until a count waits for the lock."""
    async with asyncio.timeout(10):
        while not any(each.startswith("active") for each in await sessions(url)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_r_counts_the_edge_again_and_at_home_the_table(url: str) -> None:
    async with opened(url) as person:
        await person.sees(r"^ c +!1\b")
        await run(
            url, "SET session_replication_role = replica; INSERT INTO c SELECT n, 9 FROM generate_series(10, 16) n"
        )
        await person.go_to("c")
        await person.press("r")
        await person.sees(r"^ c +\*!8\b")
        await person.open_lens("c", "c_p_fk")
        await run(url, "DELETE FROM c WHERE p_id > 1")
        before = count_of(person, "c_p_fk")
        await person.press("r")
        await person.until(lambda: count_of(person, "c_p_fk") is not before)
        await person.sees(r"^p +ok NV")
        assert "no orphans" in person.lines()[0]


async def test_capital_r_reads_the_catalogue_again(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("c", "c_p_fk")
        await run(
            url,
            "CREATE TABLE fresh (id int PRIMARY KEY, p_id int REFERENCES p); INSERT INTO fresh VALUES (1, 1);"
            "ALTER TABLE p DISABLE TRIGGER ALL; DELETE FROM p; DROP TABLE d;",
        )
        await person.press("R")
        await person.until(lambda: person.app.world.schema and len(person.app.world.schema.tables) == 3)
        # The Lens stays where it was.
        assert person.in_view(View.LENS)
        assert person.app.main.lens.current == person.edge("c_p_fk").oid
        await person.until(lambda: (count := count_of(person, "c_p_fk")) and count.orphans == 2)
        await person.press("1")
        await person.sees(r"^ fresh +!!1 ")
        assert not re.search(r"^ d ", person.text, re.MULTILINE)


async def test_a_table_that_is_gone_leaves_the_screen(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("d", "d_p_id_fkey")
        await person.press("o")
        await person.read()
        assert person.in_view(View.ROWS)
        await run(url, "DROP TABLE d")
        await person.press("R")
        await person.until(lambda: person.in_view(View.TABLES))
        assert not re.search(r"^ d ", person.text, re.MULTILINE)
        assert "d" not in person.lines()[1].split()


async def test_a_key_that_is_gone_takes_its_rows_away(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.read()
        await run(url, "ALTER TABLE c DROP CONSTRAINT c_p_fk")
        await person.press("R")
        await person.until(lambda: person.in_view(View.TABLES))
        await person.press("M", "v", "o")
        assert person.app._exception is None


async def test_stopping_a_count_keeps_what_was_known(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("c", "c_p_fk")
        before = count_of(person, "c_p_fk")
        async with holding(url, LOCK):
            await person.press("r")
            await person.sees(r"^p +\.\. NV")
            await waits(url)
            await person.press("full_stop")
            await person.misses(r"^p +\.\. NV")
            await gone_quiet(url)
        assert count_of(person, "c_p_fk") == before
        await person.sees(r"^p +!1 NV")
        await person.press("full_stop")
        await person.told("stop: it is not being counted")


async def test_a_count_stopped_before_it_was_ever_known_is_not_known(url: str) -> None:
    async with holding(url, LOCK), opened(url, wait=False) as person:
        await person.until(lambda: person.app.world.schema is not None)
        await person.open_lens("c", "c_p_fk")
        await person.sees(r"^p +\.\. NV")
        await person.press("full_stop")
        await person.sees(r"^p +\? NV")
        found = count_of(person, "c_p_fk")
        assert found is not None
        assert found.status is Status.STOPPED
        # The other edge is counted meanwhile.
        await person.until(lambda: "1 not known" in person.lines()[0])


async def gone_quiet(url: str) -> None:
    """Wait until no session of the app does anything."""
    async with asyncio.timeout(10):
        while any(each.startswith("active") for each in await sessions(url)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_ctrl_c_stops_and_twice_quits(url: str) -> None:
    async with holding(url, LOCK):
        async with opened(url, wait=False) as person:
            await person.until(lambda: person.app.world.live.running)
            await waits(url)
            await person.press("ctrl+c")
            await person.told(r"Stopped\. Ctrl\+C again quits")
            await gone_quiet(url)
            assert not person.app._exit
            await person.press("ctrl+c")
            await person.ended()
            assert person.app.return_value == 130
        await gone(url)


async def test_ctrl_c_stops_rows_that_are_being_read(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("c", "c_p_fk")
        async with holding(url, LOCK):
            await person.press("o")
            await waits(url)
            await person.press("ctrl+c")
            await person.sees("Stopped")
            await gone_quiet(url)
            assert not person.app.main.rows.waiting


async def test_ctrl_c_with_nothing_under_way_says_how_to_quit(url: str) -> None:
    async with opened(url) as person:
        await person.press("ctrl+c")
        await person.told(r"^Ctrl\+C again quits\.")


async def test_a_skipped_edge_is_counted_when_asked_for_and_stays_known(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA + "ANALYZE;")
    async with opened(url, max_bytes=1) as person:
        await person.sees(r"^ c +- ")
        assert "2 not known" in person.lines()[0]
        await person.go_to("c")
        await person.press("r")
        await person.sees(r"^ c +!1\b")
        await person.press("R")
        await person.until(lambda: not person.app.session._monitor.pending)  # type: ignore[union-attr]
        await person.settle()
        await person.sees(r"^ c +!1\b")


@pytest.mark.parametrize("way", ["well", "frozen", "gone"])
async def test_quitting_takes_a_second_at_most(url: str, way: str) -> None:
    async with holding(url, LOCK), Proxy(url) as proxy:
        async with opened(proxy.conninfo, wait=False) as person:
            await person.until(lambda: person.app.world.live.running)
            await waits(url)
            if way == "frozen":
                proxy.silence()
            elif way == "gone":
                proxy.silence()
                proxy.hang_up()
            await person.press("q")
            begin = time.monotonic()
        taken = time.monotonic() - begin
        assert person.app.return_value == 0
        assert person.app._exception is None
        assert taken < A_SECOND
        proxy.hang_up()
    await gone(url)


async def test_quitting_while_a_count_is_about_to_be_painted(url: str) -> None:
    for _ in range(3):
        async with opened(url) as person:
            person.app.post_message(CountWanted((person.edge("c_p_fk").oid,)))
            await person.until(lambda: person.app._flushing)
        assert person.app._exception is None


@pytest.mark.parametrize("key", ["q", "escape"])
async def test_quitting_while_it_still_connects(key: str) -> None:
    begin = 0.0
    async with Proxy("host=127.0.0.1 port=1") as proxy:
        proxy.silence()
        async with opened(f"host=127.0.0.1 port={proxy.port} user=me dbname=d", wait=False) as person:
            await person.until(lambda: proxy.clients, seconds=20)
            await person.sees(r"^ connecting to .*  Esc gives up$")
            begin = time.monotonic()
            await person.press(key)
        assert time.monotonic() - begin < A_SECOND
    assert person.app.return_value in (0, 2)
