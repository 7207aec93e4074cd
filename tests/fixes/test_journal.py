"""The journal: only ever longer, whole lines, readable by its owner alone, whatever happened while it was written."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes.entries import State, Touched
from fkexplorer.fixes.journal import Journal, who

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BEGUN: dict[str, Any] = {
    "person": "ann",
    "machine": "here",
    "database": "me@host/app",
    "system": "1",
    "action": "delete",
    "edge": "public.c.fk",
    "sql": ["DELETE"],
    "undo": ["by its backup"],
    "lasting": [],
}
ROWS = [{"table": "public.c", "deleted": 2, "updated": 0, "inserted": 1}]


def test_it_is_private_and_survives_a_line_that_was_cut(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.entries() == []
    journal.append("a", "begun", **BEGUN)
    with journal.path.open("ab") as file:
        file.write(b'{"entry": "a", "event": "comm')
    journal.path.chmod(0o644)
    journal.append("a", "committing", part=0, xid=5, touched=ROWS)
    assert [event["event"] for event in journal.events()] == ["begun", "committing"]
    assert journal.path.stat().st_mode & 0o777 == 0o600
    with journal.path.open("ab") as file:
        file.write(b'[1]\n{"event": "begun"}\n\xff\n')
    assert len(journal.events()) == 2


def test_states(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def state(entry: str) -> State:
        found = journal.entry(entry)
        assert found is not None
        return found.state

    journal.append("a", "begun", **BEGUN)
    assert state("a") is State.NOTHING
    journal.append("a", "backed_up", part=0)
    journal.append("a", "committing", part=0, xid=5, touched=ROWS)
    assert (state("a"), [each.xid for each in journal.pending()]) == (State.UNKNOWN, [5])
    journal.append("a", "rolled_back", part=0, reason="a lock")
    assert (state("a"), journal.pending()) == (State.NOTHING, [])
    journal.append("a", "committing", part=0, xid=6, touched=ROWS)
    journal.append("a", "committed", part=0, xid=5)
    assert state("a") is State.UNKNOWN
    journal.append("a", "rolled_back", part=0, xid=6, reason="the server says so")
    assert state("a") is State.NOTHING
    for part in (0, 1):
        journal.append("a", "backed_up", part=part)
        journal.append("a", "committing", part=part, xid=6 + part, touched=ROWS)
        journal.append("a", "committed", part=part)
    assert (state("a"), journal.parts_to_undo("a")) == (State.PART, [1, 0])
    journal.append("a", "ended", ending="done", words="done")
    assert state("a") is State.ALL
    entry = journal.entry("a")
    assert entry is not None
    assert entry.touched == (Touched("public.c", deleted=4, inserted=2),)
    journal.append("b", "begun", **{**BEGUN, "action": "undo"}, undoes="a")
    journal.append("b", "committing", part=0, xid=9, touched=ROWS, undone=1)
    assert (journal.parts_to_undo("a"), state("a")) == ([0], State.ALL)
    journal.append("b", "committed", part=0)
    assert (journal.parts_to_undo("a"), state("a")) == ([0], State.PART)
    journal.append("b", "committing", part=1, xid=10, touched=ROWS, undone=0)
    journal.append("b", "committed", part=1)
    assert (journal.parts_to_undo("a"), state("a")) == ([], State.UNDONE)
    assert [each.id for each in journal.entries()] == ["b", "a"]
    assert journal.entry("c") is None


def test_several_processes_write_whole_lines(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from fkexplorer.fixes.journal import Journal\n"
        "for n in range(40): Journal(Path(sys.argv[1])).append(sys.argv[2], 'begun', n=n, text='x' * 5000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    found = Journal(tmp_path).events()
    for name in "ab":
        assert [event["n"] for event in found if event["entry"] == name] == list(range(40))


def test_who_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert who()["person"] == "ann"
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setenv("LOGNAME", "root")
    assert who()["person"] == "root"
    assert who()["machine"]
