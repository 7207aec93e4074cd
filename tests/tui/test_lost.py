"""The server or the network goes away while the app runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.tui.messages import ConnectionLost
from tests.proxy import Proxy
from tests.tui.helpers import gone, holding, opened, run
from tests.tui.test_counts import LOCK, SCHEMA, count_of, waits

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_lost_is_said_counts_stay_and_r_reconnects(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with Proxy(url) as proxy, opened(proxy.conninfo, size=(120, 24)) as person:
        await person.sees(r"^ c +!1\b")
        known = count_of(person, "c_p_fk")
        async with holding(url, LOCK):
            await person.go_to("c")
            await person.press("r")
            await waits(url)
            proxy.hang_up()
            await person.sees(r"LOST \(R reconnects\)")
            await person.told(r"connection to the server is lost.*R reconnects")
        header = person.lines()[0]
        assert re.search(r"counted \d\d:\d\d \(", header)
        assert header.rstrip().endswith("RO")
        assert count_of(person, "c_p_fk") is known
        assert not person.app.world.live.running
        await person.sees(r"^ c +!1\b")
        await person.press("o")
        await person.told("rows: the connection is lost: R reconnects")
        await run(url, "CREATE TABLE fresh (id int REFERENCES p); INSERT INTO fresh VALUES (1)")
        await person.press("R")
        await person.misses("LOST")
        await person.sees(r"^ fresh +ok")
        await person.press("f")
        await person.type("fresh")
        await person.press("enter")
        assert person.app.main.lens.table == person.table("fresh").oid


async def test_reconnecting_to_a_server_that_is_still_away(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with Proxy(url) as proxy, opened(proxy.conninfo) as person:
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.read()
        person.app.post_message(ConnectionLost(person.app.session.generation, _trouble()))
        await person.sees("LOST")
        assert proxy._server is not None
        proxy._server.close()
        proxy.hang_up()
        await person.press("R")
        await person.told("refused the connection; ")
        assert "LOST" in person.lines()[0]
        # Everything that reads says that it can't; nothing ends the app.
        await person.press("enter", "j", "G", "v", "M", "b", "escape", "r", "o", "1", "O")
        assert person.app._exception is None
        assert not person.app._exit
        await person.sees(r"^ c +!1\b")
        await person.press("q")
        await person.ended()
        assert person.app.return_value == 0


async def test_an_idle_connection_that_was_dropped_is_made_again_unnoticed(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with Proxy(url) as proxy, opened(proxy.conninfo) as person:
        await person.open_lens("c", "c_p_fk")
        proxy.hang_up()
        await gone(url)
        await person.press("o")
        await person.read()
        await person.sees(r"c\.p_id -> p\.id +1\b")
        assert "LOST" not in person.lines()[0]


async def test_lost_while_rows_are_read(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with Proxy(url) as proxy, opened(proxy.conninfo) as person:
        await person.open_lens("c", "c_p_fk")
        async with holding(url, LOCK):
            await person.press("o")
            await waits(url)
            proxy.hang_up()
            await person.read()
        assert "the connection to the server is lost" in person.text
        assert "LOST (R reconnects)" in person.lines()[0]
        await person.press("R")
        await person.misses(r"LOST")
        await person.press("o")
        await person.read()
        await person.sees(r"c\.p_id -> p\.id +1\b")


def _trouble() -> Trouble:
    return Trouble("the connection to the server is lost", "connect again", code="lost")
