"""`journal` and `undo` as a person calls them: nothing is written without a terminal, or after the wrong words."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.run import Signature, run
from fkexplorer.reports.journal import journal_text
from tests.commands import assert_told, environment
from tests.commands import run as command
from tests.fixes.byhand import delete, edge_named, hashes, preview_of
from tests.orphans.connected import opened
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAKE = r"""
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int, note text);
INSERT INTO p SELECT generate_series(1, 10);
INSERT INTO c SELECT n, n, E'row \x1b \\ ' || n FROM generate_series(1, 15) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


class Done:
    """A fix that was done: where, its entry, and the tables' hashes before."""

    def __init__(self, conninfo: str, state: Path, entry: str, before: dict[str, str]) -> None:
        self.conninfo = conninfo
        self.state = state
        self.entry = entry
        self.before = before
        with psycopg.connect(conninfo) as connection:
            info = connection.info
            self.place = f"{info.user}@[local]/{info.dbname}"

    @property
    def env(self) -> dict[str, str]:
        """Where the program finds the journal."""
        return environment(XDG_STATE_HOME=str(self.state))

    def undo(self, *options: str) -> Terminal:
        """The command that takes it back, in a terminal."""
        words = ["-m", "fkexplorer", "undo", self.entry, "-d", self.conninfo, *options]
        return Terminal([sys.executable, *words], cols=120, rows=40, env=self.env)


@pytest.fixture
async def done(make_database: Callable[[str], str], tmp_path: Path) -> Done:
    conninfo = make_database(MAKE)
    folder = tmp_path / "fkexplorer"
    folder.mkdir(mode=0o700)
    before = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        outcome = await run(database, schema, preview, Journal(folder), signature=Signature("T-1", "ann"))
    assert hashes(conninfo) != before
    return Done(conninfo, tmp_path, outcome.entry, before)


async def test_an_empty_journal(tmp_path: Path) -> None:
    env = environment(XDG_STATE_HOME=str(tmp_path))
    said = await command("journal", env=env)
    assert (said.code, said.out, said.err) == (0, "", "fkexplorer: no fix was made from here\n")
    said = await command("journal", "--format", "json", env=env)
    assert (said.code, json.loads(said.out), said.err) == (0, {"entries": []}, "")


async def test_the_journal_says_all_of_a_fix(done: Done) -> None:
    text = await command("journal", env=done.env)
    assert (text.code, text.err) == (0, "")
    for words in (
        f"{done.entry}  delete  public.c.fk",
        "ticket T-1",
        "approved by ann",
        "committed: done: no orphan remains",
        "public.c: 5 deleted",
        'SQL: DELETE FROM ONLY "public"."c" AS c WHERE',
        f"backup: {done.state}/fkexplorer/backups/{done.entry}",
        "to take it back: ",
    ):
        assert words in text.out, text.out
    [entry] = json.loads((await command("journal", "--format=json", env=done.env)).out)["entries"]
    assert (entry["id"], entry["action"], entry["state"]) == (done.entry, "delete", "all")
    assert entry["touched"] == [{"table": "public.c", "deleted": 5, "updated": 0, "inserted": 0}]
    assert (entry["ticket"], entry["approver"], entry["undoes"]) == ("T-1", "ann", None)


async def test_a_commit_that_nobody_heard_of_is_asked_for(done: Done) -> None:
    path = done.state / "fkexplorer" / "journal.jsonl"
    heard_of = ("committed", "verified", "ended")
    kept = [line for line in path.read_text().splitlines(keepends=True) if json.loads(line)["event"] not in heard_of]
    path.write_text("".join(kept))
    assert "nobody knows yet" in (await command("journal", env=done.env)).out
    gone = await command("journal", "-d", "host=127.0.0.1 port=1", env=done.env)
    assert gone.code == 0
    assert "nobody knows yet" in gone.out
    assert "hint:" in gone.err
    asked = await command("journal", "-d", done.conninfo, "--format", "json", env=done.env)
    assert [entry["state"] for entry in json.loads(asked.out)["entries"]] == ["part"]
    assert "public.c: 5 deleted" in (await command("journal", env=done.env)).out


async def test_without_a_terminal_nothing_is_undone(done: Done) -> None:
    after = hashes(done.conninfo)
    said = await command("undo", done.entry, "--allow-writes", "-d", done.conninfo, env=done.env)
    assert_told(said, "undo needs a terminal")
    assert hashes(done.conninfo) == after


def test_undo_in_a_terminal(done: Done) -> None:
    with done.undo("--allow-writes") as terminal:
        terminal.wait_for("to arm writing, type ")
        assert f"undo of {done.entry}: delete public.c.fk" in terminal.text
        assert "public.c: 5 inserted" in terminal.text
        terminal.send(done.place, "<enter>")
        terminal.wait_for("type the number of rows, 5")
        terminal.send("5", "<enter>")
        terminal.wait_for("taken back")
        assert terminal.exit_code() == 0
    assert hashes(done.conninfo) == done.before
    [_, entry] = Journal(done.state / "fkexplorer").entries()
    assert "  taken back, having ended: done: no orphan remains" in journal_text([entry])
    with done.undo("--allow-writes") as terminal:
        terminal.wait_for("there is nothing to take back")
        assert terminal.exit_code() == 2


@pytest.mark.parametrize(
    ("options", "answers", "words"),
    [
        ([], [], "writing is not permitted in this session"),
        (["--allow-writes"], ["postgres"], "that was not it"),
        (["--allow-writes"], ["\x04"], "that was not it"),
        (["--allow-writes"], ["{place}", "4"], "that was not it"),
        (["--allow-writes"], ["{place}", ""], "that was not it"),
        (["--allow-writes"], ["{place}\r5"], "that was not it|type the number of rows"),
        (["--allow-writes", "--config", "{readonly}"], [], "the environment here is read-only"),
    ],
)
def test_the_wrong_words_undo_nothing(done: Done, options: list[str], answers: list[str], words: str) -> None:
    readonly = done.state / "readonly.toml"
    readonly.write_text('[environments.here]\nhosts = ["*"]\nread_only = true\n')
    after = hashes(done.conninfo)
    known = {"place": done.place, "readonly": str(readonly)}
    with done.undo(*(option.format(**known) for option in options)) as terminal:
        for answer in answers:
            terminal.wait_for("to arm writing|type the number")
            terminal.send(answer.format(**known), "<enter>")
        terminal.wait_for(words)
    assert hashes(done.conninfo) == after
    assert [each.action for each in Journal(done.state / "fkexplorer").entries()] == ["delete"]


def test_rows_that_changed_since_are_a_conflict(done: Done) -> None:
    with psycopg.connect(done.conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO c VALUES (11, 1, 'new')")
    with done.undo("--allow-writes") as terminal:
        terminal.wait_for("cannot be taken back: 1 conflict")
        assert "conflict: public.c" in terminal.text
        assert terminal.exit_code() == 2
