"""Fixes by hand in a real terminal, the whole program: each from the panel to what the database says afterwards."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.tui.fixes.typed import A_LOOK
from tests.terminal import Terminal
from tests.tui.test_fixes import MAKE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK = 1.5 * A_LOOK
"""Seconds that somebody looks at a question before answering."""


@pytest.mark.parametrize(
    ("letter", "answer", "query"),
    [
        ("d", "5", "SELECT count(*) = 10 FROM c"),
        ("n", "5", "SELECT count(*) = 5 FROM c WHERE pid IS NULL"),
        ("3", "fk", "SELECT confdeltype = 'c' FROM pg_constraint WHERE conname = 'fk'"),
    ],
)
def test_a_fix_by_hand(
    make_database: Callable[[str], str], tmp_path: Path, letter: str, answer: str, query: str
) -> None:
    url = make_database(MAKE)
    with psycopg.connect(url) as connection:
        place = f"{connection.info.user}@[local]/{connection.info.dbname}"
    command = [sys.executable, "-m", "fkexplorer", "-d", url, "--allow-writes"]
    with Terminal(command, cols=100, rows=30, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("with orphans")
        terminal.send("<enter>")
        terminal.send("a")
        terminal.wait_for("delete the 5 orphans")
        terminal.send(letter)
        terminal.wait_for("W arms it")
        # All at once arms nothing. A cursor that blinks is never quiet for long: the look at a question is timed.
        terminal.send("W")
        terminal.wait_for("Type +postgres@")
        terminal.sent_in(LOOK)
        terminal.process.write(f"{place}\r".encode())
        terminal.wait_for("faster than anybody types")
        terminal.sent_in(LOOK)
        terminal.send(*place, settle=0.04)
        terminal.send("<enter>")
        terminal.wait_for(f"Enter asks you to type {answer}")
        terminal.send("<enter>")
        terminal.wait_for(f"Type +{answer}")
        terminal.sent_in(LOOK)
        terminal.send(*answer, settle=0.05)
        terminal.send("<enter>")
        terminal.wait_for("before -> after")
        terminal.send("q", "q", "q", "q", settle=0.1)
        assert terminal.exit_code() == 0
    with psycopg.connect(url) as connection:
        assert connection.execute(query.encode()).fetchone() == (True,)
