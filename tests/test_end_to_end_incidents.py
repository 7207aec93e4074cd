"""The four incidents by hand, in a real terminal of 80x24: from the text of the error to its cause and its end.

Each takes fewer than 40 keys, a paste being one, and less than 20 s of the processor.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.tui.fixes.typed import A_LOOK
from tests.diagnosis.logs import USER, github_link
from tests.terminal import Terminal
from tests.test_cli_explain import NEXTAUTH, PROFILES, WORKSPACE, WORKSPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

APP = (sys.executable, "-m", "fkexplorer")
KEYS, SECONDS = 40, 20
LOOK = 1.5 * A_LOOK
"""Seconds that somebody looks at a question before answering."""


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    """The demo's database, which these change; no two of them the same schema."""
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


class Walk:
    """Somebody at the app, whose keys are counted."""

    def __init__(self, terminal: Terminal, place: str) -> None:
        self.terminal = terminal
        self.place = place
        self.keys = 0

    def press(self, *keys: str) -> None:
        """Press keys."""
        self.keys += len(keys)
        for key in keys:
            self.terminal.send(key, settle=0.05)
            if key == "<esc>":
                self.terminal.sent_in(0.2)  # sooner, the next key would be one with Alt

    def type(self, text: str) -> None:
        """Type an answer by hand, a key a letter, then Enter; the question is looked at first."""
        self.terminal.sent_in(LOOK)
        self.press(*text, "<enter>")

    def paste(self, text: str) -> None:
        """Paste, as a terminal does that tells of it."""
        self.keys += 1
        data = f"\x1b[200~{text}\x1b[201~".encode()
        for at in range(0, len(data), 1024):
            self.terminal.process.write(data[at : at + 1024])
            self.terminal.pump(0)

    def sees(self, pattern: str) -> None:
        """Wait for it."""
        self.terminal.wait_for(pattern, timeout=30)

    def explain(self, text: str) -> None:
        """Paste a text and have it explained."""
        self.paste(text)
        self.sees(r"lines?\. Enter reads")
        self.press("<enter>")
        self.sees(r"looked at 20\d\d-")

    def reads(self, *patterns: str) -> None:
        """Page down until all of it has been read; line breaks are as blanks."""
        missing = list(patterns)
        lines: list[str] = []
        self.press("<pgdn>")  # the cursor goes to the last line of the page, which stays
        for _ in range(12):
            shown = self.lines()
            # A page begins with lines of the one before.
            overlap = next(size for size in range(len(shown), -1, -1) if lines[len(lines) - size :] == shown[:size])
            lines += shown[overlap:]
            said = " ".join(" ".join(lines).split())
            missing = [each for each in missing if not re.search(each, said)]
            if not missing:
                return
            self.press("<pgdn>")
            end = time.monotonic() + 3
            while self.lines() == shown and time.monotonic() < end:
                self.terminal.pump(0.02)
        raise AssertionError(f"never saw {missing}:\n{lines}")

    def lines(self) -> list[str]:
        """What the dialog says, without its frame, what is behind it, its scroll mark and its keys."""
        found = [re.match(r".*?│ (.*?)[█│ ]*│", line) for line in self.terminal.text.splitlines()]
        return [each[1] for each in found if each][:-2]

    def end(self) -> None:
        """Quit, and hold it against what a walk may take."""
        spent = psutil.Process(self.terminal.process.pid).cpu_times()
        assert self.keys < KEYS
        assert spent.user + spent.system < SECONDS
        assert "Traceback" not in self.terminal.raw.decode(errors="replace")
        os.kill(self.terminal.process.pid, 15)
        assert self.terminal.exit_code() == 143


@pytest.fixture
def walk(demo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    """The app on the demo's database."""
    monkeypatch.chdir(tmp_path)
    with psycopg.connect(demo) as connection:
        place = f"{connection.info.user}@[local]/{connection.info.dbname}"
    with Terminal([*APP, "-d", demo]) as terminal:
        terminal.wait_for("8 FKs with orphans", timeout=60)
        yield Walk(terminal, place)


@pytest.fixture
def walk_with_writes(tmp_path: Path) -> Iterator[Walk]:
    """The demo as whoever tries it has it, writing permitted; its journal is the test's own."""
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with Terminal([*APP, "--demo", "--allow-writes"], env=env) as terminal:
        terminal.wait_for("8 FKs with orphans", timeout=60)
        yield Walk(terminal, "demo@[local]/demo")


def test_incident_1_a_refused_insert(walk: Walk, demo: str) -> None:
    with psycopg.connect(demo) as connection:
        installation = connection.execute("SELECT id::text FROM github.installation LIMIT 1").fetchone()
    assert installation is not None
    walk.explain(github_link().replace("61234567", installation[0]))
    walk.reads(
        r"user_github_installation_user_id_user_id",
        r"user_id = acb42b05-c3e7-4818-aedb-42f95a2f3b54",
        r"seen 2 times",
        r"wrong side: parent; it would come again now",
        rf"looked at .* UTC as {re.escape(walk.place)}",
        rf'github\."user" has no row with id = {USER}',
        r"found in 0 of \d+ columns searched: it comes from outside this database",
        r"23503 is no duplicate.*ON CONFLICT does not absorb it",
        r"has no row with \(user_id, installation_id\)",
    )
    walk.press("t")
    walk.sees(r"found in 0 of \d+ columns")
    walk.press("<esc>", "?")
    walk.sees("Write the incident report")
    walk.press("<esc>", "q")
    # The Lens, with the edge that is clean.
    walk.sees(r"0 orphans of about 130 rows|0 orphans of 130 rows")
    walk.sees(r"user +ok +◄")
    # The user signs in again; the same finding is looked at once more.
    with psycopg.connect(demo, autocommit=True) as connection:
        connection.execute(f"INSERT INTO github.\"user\" VALUES ('{USER}', 'a', 'a@b.c', true, now())")
    walk.press("e", "<enter>", "r")
    walk.sees("it would not come again now")
    walk.end()


def test_incident_2_a_parent_deleted_in_between(walk: Walk, tmp_path: Path) -> None:
    walk.explain(WORKSPACES)
    walk.sees("may be, and none is chosen")
    walk.press("<enter>")
    walk.sees(r"it would come again now")
    walk.reads(
        r"workspaces\.workspaces has no row with id = a7189b92-ba75-4160-8fa0-426bfe8fa33a",
        r"179 rows, 179 parents, 0 NULL, 0 orphans",
        r"183 rows, 179 parents, 0 NULL, 0 orphans",
        r"a refused insert leaves no row",
        r"0 orphans on 2 edges",
    )
    walk.press("w")
    walk.sees("Written:")
    report = (tmp_path / "fkexplorer-report.md").read_text(encoding="utf-8")
    assert "awaiting approval" in report
    assert re.search(r"179.*179", report)
    # The other schema, where one membership still names the workspace that is gone.
    walk.press("<esc>")
    walk.sees("may be, and none is chosen")
    walk.press("<tab>", "<enter>")
    walk.sees(r"workspaces_dangling\.workspaces has no row")
    walk.press("o")
    walk.sees(rf"workspace_members\.\S* {WORKSPACE} +1")
    walk.press("a")
    walk.sees("delete the 1 orphan ")
    walk.press("d")
    walk.sees(r"workspace_members: 1 deleted")
    walk.press("<esc>", "<esc>")
    walk.end()


def test_incident_3_a_sync_that_never_ran(walk_with_writes: Walk) -> None:
    walk = walk_with_writes
    walk.press("W")
    walk.sees("Type +")
    walk.type(walk.place)
    walk.sees("WRITE")
    walk.explain(PROFILES)
    walk.sees("it would come again now")
    walk.press("a")
    walk.sees("bring the parents from another table")
    walk.press("b")
    walk.sees("display_name, SQL")
    # The source and the gap are told by the finding, and a column of the same name is taken from it.
    walk.press("<enter>")
    walk.paste("split_part(s.email, '@', 1)")
    walk.press("<c-s>")
    walk.sees("Enter asks you to type 36")
    walk.press("<enter>")
    walk.sees("Type +36")
    walk.type("36")
    walk.sees("before -> after")
    walk.sees(r"37 -> 1\b")
    walk.press("<esc>", "<esc>")
    # The finding was looked at again.
    walk.sees("it would not come again now")
    walk.press("q", "J")
    walk.sees(r"backfill +chat\.cha\S*_user_id_fkey +committed")
    walk.end()


def test_incident_3_to_its_end_a_trigger_keeps_the_pair_in_step(walk_with_writes: Walk) -> None:
    walk = walk_with_writes
    walk.press("W")
    walk.sees("Type +")
    walk.type(walk.place)
    walk.sees("WRITE")
    walk.explain(PROFILES)
    # Past the three places where the key lives, and the backfill of the whole gap.
    walk.press(*["<tab>"] * 5)
    walk.sees("sync-trigger: Give each new row of auth.users")
    walk.press("<enter>")
    walk.sees("display_name, SQL with the new row s")
    walk.paste("split_part(s.email, '@', 1)")
    walk.press("<backtab>")
    walk.paste("tie")
    walk.press("<enter>")
    walk.sees("Enter asks you to type tie")
    walk.press("<enter>")
    walk.sees("Type +tie")
    walk.type("tie")
    walk.sees("before -> after")
    walk.sees("proven: a made-up row of auth.users got its row")
    walk.press("<esc>")
    walk.sees("kept in step by the trigger tie of auth.users")
    walk.press("q", "J")
    walk.sees(r"sync-trigger +chat\S*_id_fkey +committed")
    walk.end()


def test_incident_4_a_constraint_that_can_not_be_made(walk: Walk) -> None:
    walk.explain(NEXTAUTH)
    walk.reads(
        r"nextauth\.sessions\(user_id\):nextauth\.users\(id\) \(a guess\)",
        r"nextauth\.sessions\.user_id is text, nextauth\.users\.id is uuid",
        r"3 values of nextauth\.sessions\.user_id .* do not cast to uuid",
        r"5 rows of nextauth\.sessions would still name no row",
        r"The order of creation is not the cause",
        r"has a unique key: users_pkey",
        r"42804 says nothing of two starts at once",
    )
    walk.press("a")
    walk.sees("d  delete the rows that do not cast or have no parent")
    walk.press("d")
    walk.sees("those alone that do not cast")
    walk.press("<enter>")
    walk.sees(r"nextauth\.sessions: 8 deleted")
    walk.press("<esc>", "<esc>", "<esc>")
    walk.sees(r"> nextauth\.sessions")
    walk.end()


def test_a_file_that_can_not_be_explained_is_told_before_the_app_starts(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.log"):
        with Terminal([*APP, "-d", "dbname=nowhere", "--explain", str(path)], cols=200) as terminal:
            assert terminal.exit_code() == 2
            assert f"{path} cannot be read" in terminal.text
