"""Running a plan: what was previewed is done, backed up, verified and written down; anything else changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.fixes.backup import load_manifest, load_rows
from fkexplorer.fixes.entries import State, Touched
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Advance, Ending, Verb
from fkexplorer.fixes.run import Signature, run
from tests.fixes.byhand import delete, edge_named, events, preview_of
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAMILY = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int, note text);
CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cid int REFERENCES c ON DELETE CASCADE,
 twice int GENERATED ALWAYS AS (cid * 2) STORED);
CREATE TABLE h (cid int REFERENCES c ON DELETE SET NULL, note text);
INSERT INTO p SELECT generate_series(1, 10);
INSERT INTO c SELECT n, n, E'row \\\\ \\t ' || n FROM generate_series(1, 15) n;
INSERT INTO g (cid) SELECT n % 15 + 1 FROM generate_series(1, 30) n;
INSERT INTO h SELECT n, 'of ' || n FROM generate_series(1, 15) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


async def test_nothing_to_do_is_not_done_while_something_remains(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with opened(make_database(FAMILY)) as (database, schema):
        edge = edge_named(schema, "c.fk")
        for where, ending, words in (
            ("c.id = 99", Ending.REMAINING, "nothing to do, and yet 5 orphans remain"),
            ("", Ending.DONE, "done: no orphan remains"),
            ("", Ending.DONE, "nothing to do"),
        ):
            preview = await preview_of(database, schema, edge, delete(schema, edge, where))
            outcome = await run(database, schema, preview, Journal(tmp_path))
            assert (outcome.ending, outcome.words) == (ending, words)
            assert outcome.after is not None
            assert outcome.after.orphans == (5 if ending is Ending.REMAINING else 0)


def modes(folder: Path) -> set[tuple[bool, int]]:
    """Of all folders (True) and files below one."""
    return {(path.is_dir(), path.stat().st_mode & 0o777) for path in folder.rglob("*")}


@pytest.mark.matrix
async def test_a_delete_with_its_cascades(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(FAMILY)
    journal = Journal(tmp_path)
    seen: list[Advance] = []
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        change = delete(schema, edge)
        preview = await preview_of(database, schema, edge, change)
        outcome = await run(
            database, schema, preview, journal, signature=Signature("T-1", "ann"), on_progress=seen.append
        )
    assert (outcome.ending, outcome.words) == (Ending.DONE, "done: no orphan remains"), outcome.words
    assert outcome.before is not None
    assert outcome.after is not None
    assert (outcome.before.orphans, outcome.after.orphans, outcome.may_validate) == (5, 0, True)
    tables = {schema.tables[each.table].name: each for each in outcome.effects}
    assert {name: (each.deleted, each.updated) for name, each in tables.items()} == {
        "c": (5, 0),
        "g": (10, 0),
        "h": (0, 5),
    }
    assert seen[-1] == Advance(1, 1, "delete", 5, 5)
    assert events(tmp_path) == ["begun", "backed_up", "committing", "committed", "verified", "ended"]
    [entry] = journal.entries()
    assert (entry.id, entry.state, entry.words) == (outcome.entry, State.ALL, outcome.words)
    assert (entry.ticket, entry.approver, entry.edge) == ("T-1", "ann", "public.c.fk")
    assert set(entry.touched) == {
        Touched("public.c", deleted=5), Touched("public.g", deleted=10), Touched("public.h", updated=5)
    }  # fmt: skip
    assert entry.sql == (change.sql,)
    folder = journal.backup_folder(entry.id, 0)
    manifest = load_manifest(folder)
    assert manifest.orphans == {
        "public.c(pid):public.p(id)": 5,
        "public.g(cid):public.c(id)": 0,
        "public.h(cid):public.c(id)": 0,
    }
    found = {(each.table, each.verb): each for each in manifest.sections}
    assert {key: each.rows for key, each in found.items()} == {
        ("c", Verb.DELETE): 5,
        ("g", Verb.DELETE): 10,
        ("h", Verb.UPDATE): 5,
    }
    assert found["c", Verb.DELETE].columns == ("id", "pid", "note")
    assert found["g", Verb.DELETE].columns == ("id", "cid")
    rows = load_rows(folder, found["c", Verb.DELETE].old, 5)
    assert min(rows) == rb"11" + b"\t11\t" + rb"row \\ \t 11"
    section = found["h", Verb.UPDATE]
    changed = zip(load_rows(folder, section.old, 5), load_rows(folder, section.new, 5), strict=True)
    assert all(new == rb"\N" + b"\t" + old.split(b"\t")[1] for old, new in changed)
    assert modes(tmp_path) == {(True, 0o700), (False, 0o600)}
