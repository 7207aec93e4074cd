"""Bytes on the line while nobody presses a key: what changes, and nothing else."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import psycopg

from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 5.5
"""Longer than the app looks at ages."""


def test_an_idle_screen_sends_next_to_nothing_and_a_change_its_line(make_database: Callable[[str], str]) -> None:
    child = "CREATE TABLE c{0} (id int REFERENCES p); INSERT INTO c{0} VALUES (1);"
    url = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);"
        + "".join(map(child.format, range(40)))
    )
    with Terminal([sys.executable, "-m", "fkexplorer", url]) as terminal:
        terminal.wait_for(r"no orphans +live", timeout=60)
        terminal.send("<enter>")
        terminal.wait_for(r"\[2 Lens\]")
        terminal.pump(0.5)
        idle = terminal.sent_in(SECONDS)
        assert idle < 1000, terminal.raw[-idle:]
        before = len(terminal.raw)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica; INSERT INTO c7 VALUES (77), (78)")
        terminal.wait_for(r"1 new \(!\)")
        terminal.pump(0.5)
        sent = bytes(terminal.raw[before:])
        assert re.search(rb"(?<!\x1b\]0;)\x07", sent)
        # The header, the line, the detail: a screen is 5 KB.
        assert len(sent) < 2000
        terminal.send("1", "q")
        assert terminal.exit_code() == 0
