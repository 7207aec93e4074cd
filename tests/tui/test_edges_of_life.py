"""Databases with nothing in them, terminals too small, pastes, faults of the program."""

from __future__ import annotations

import re
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from textual.events import Paste
from textual.widgets import Input

from fkexplorer.tui.explain import ExplainScreen
from fkexplorer.tui.keys import KEYS
from fkexplorer.tui.world import View
from tests.terminal import Terminal
from tests.tui.helpers import Person, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "hunter2-crash"  # noqa: S105 - a made-up one


async def every_key(person: Person) -> None:
    """Press all keys that do not end the app."""
    for key in KEYS:
        if key.action not in ("close_or_quit", "interrupt"):
            await person.press(key.keys.split(",")[0], "escape")


async def test_no_tables(database_url: str) -> None:
    async with opened(database_url) as person:
        await person.sees("This database has no table of its own")
        assert "0 tables 0 FKs" in person.lines()[0]
        assert "orphans" not in person.lines()[0]
        await person.press("enter", "2")
        await person.told("lens: no table under the cursor")
        await every_key(person)
        assert person.app._exception is None
        assert person.in_view(View.TABLES)
        await person.press("q")
        await person.ended()
        assert person.app.return_value == 0


async def test_no_foreign_keys(make_database: Callable[[str], str]) -> None:
    async with opened(make_database("CREATE TABLE alone (id int PRIMARY KEY); CREATE TABLE too (a text)")) as person:
        await person.sees(r"^ alone ")
        assert "2 tables 0 FKs" in person.lines()[0]
        await person.press("right_curly_bracket")
        await person.told("this database has no foreign key")
        await person.press("o")
        await person.told("rows: no foreign key under the cursor")
        await person.press("O")
        await person.told("this table has no foreign key")
        await person.press("enter")
        await person.sees(r"references 0 +alone +referenced by 0")
        await every_key(person)
        assert person.app._exception is None


async def test_too_small_says_so_and_comes_back(demo_url: str) -> None:
    async with opened(demo_url, size=(40, 10)) as person:
        await person.sees(r"^ shop\.orders +!23")
        await person.press("enter", "o")
        await person.read()
        assert all(len(line) <= 40 for line in person.lines())
        for size in ((39, 10), (40, 9), (20, 3), (1, 1)):
            await person.pilot.resize_terminal(*size)
            await person.pilot.pause()
            await person.press("j", "l", "tab", "question_mark", "escape")
            if size[0] > 38:
                assert f"{size[0]}x{size[1]} is too small: 40x10" in person.text
            assert "shop" not in person.text
        await person.pilot.resize_terminal(80, 24)
        await person.sees(r"orders\.customer_id -> customers\.id +23\b")
        assert person.in_view(View.ROWS)


async def test_resizing_while_counts_arrive_and_dialogs_are_open(demo_url: str) -> None:
    async with opened(demo_url, wait=False) as person:
        sizes = ((140, 40), (60, 14), (30, 8), (160, 48), (100, 20))
        for size in sizes:
            await person.pilot.resize_terminal(*size)
        await person.counted()
        await person.open_lens("shop.orders")
        await person.press("o")
        await person.read()
        for opener in ("question_mark", "f", "enter", "colon"):
            await person.press(opener)
            for size in sizes:
                await person.pilot.resize_terminal(*size)
                await person.settle()
                assert len(person.lines()) == size[1]
                assert all(len(line) <= size[0] for line in person.lines())
            if person.app.screen is not person.app.main:
                await person.press("escape")
        assert person.app._exception is None


@pytest.mark.parametrize("keys", [(), ("enter",), ("enter", "o"), ("enter", "tab"), ("question_mark",)])
async def test_a_paste_runs_no_key(demo_url: str, keys: tuple[str, ...]) -> None:
    async with opened(demo_url) as person:
        await person.press(*keys)
        await person.read()
        main = person.app.main
        rows, tables, lens = main.rows, main.tables, main.lens
        before = (person.app.screen, main.view, main.focused, lens.table, rows.query_shown, tables.cursor)
        counts = dict(person.app.world.counts)
        person.app.post_message(Paste("qqRrOov\nenter\x03\x1b[A2/f:;"))
        await person.until(lambda: isinstance(person.app.screen, ExplainScreen))
        await person.sees("qqRrOov")
        await person.press("escape")
        after = (person.app.screen, main.view, main.focused, lens.table, rows.query_shown, tables.cursor)
        assert after == before
        assert not person.app._exit
        await person.settle()
        assert person.app.world.counts == counts


async def test_a_paste_into_a_field_is_text_of_one_line(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.press("f")
        person.app.post_message(Paste("orders\nq"))
        await person.until(lambda: person.app.screen.query_one(Input).value == "orders")
        await person.press("escape", "slash")
        person.app.post_message(Paste("shop"))
        await person.until(lambda: person.app.main.tables.filter_text == "shop")
        assert not person.app._exit


CRASH = """
import sys
from fkexplorer import cli
from fkexplorer.tui.main import MainScreen
from fkexplorer.tui.session import Session

def boom(self):
    secret_local = sys.argv[2]
    raise RuntimeError("it broke with " + secret_local)

async def boom_in_worker(self, *args):
    secret_local = sys.argv[2]
    raise RuntimeError("it broke with " + secret_local)

if sys.argv[1] == "handler":
    MainScreen.action_sort = boom
else:
    Session.page = boom_in_worker
sys.exit(cli.main([sys.argv[3]]))
"""


@pytest.mark.parametrize(("where", "keys"), [("handler", "s"), ("worker", "o")])
def test_a_fault_ends_with_3_and_a_private_file(demo_url: str, tmp_path: Path, where: str, keys: str) -> None:
    conninfo = make_conninfo(demo_url, password=PASSWORD)
    command = [sys.executable, "-c", CRASH, where, PASSWORD, conninfo]
    with Terminal(command, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for(r"8 (FKs )?with orphans")
        terminal.send(keys, settle=0.05)
        assert terminal.exit_code() == 3
        said = terminal.raw.decode(errors="replace")
    assert PASSWORD not in said
    last = [line for line in said.split("\n") if "fkexplorer-" not in line and "a fault of fkexplorer" in line]
    assert len(last) == 1
    assert "Traceback" not in said
    # The terminal is as it was: the alternate screen is left before the line is printed.
    assert said.rindex("\x1b[?1049l") < said.index("a fault of fkexplorer")
    [file] = (tmp_path / "fkexplorer").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    written = file.read_text()
    assert PASSWORD not in written
    assert "it broke with ***" in written
    assert re.search(r"in (boom|boom_in_worker)", written)
    # The line of source is there, the value of a local is not.
    assert written.count("secret_local") <= 1
    assert "locals" not in written
