"""What a fix promises beside its numbers: its time, its batches, the role's own search_path, all of it on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request
from fkexplorer.fixes.preview import preview as previewed
from fkexplorer.fixes.run import run
from fkexplorer.reports.fixes import preview_lines
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import delete, do, edge_named, hashes, preview_of, take_back
from tests.fixes.test_faults import Hooked
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

MANY = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int);
INSERT INTO c SELECT n, n FROM generate_series(1, {}) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


async def test_more_than_ten_thousand_rows_go_in_batches(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """By the limits of the program itself, and the preview says so."""
    conninfo, few = make_database(MANY.format(10_001)), make_database(MANY.format(10_000))
    was, took = hashes(conninfo), []
    for url, parts in ((few, 1), (conninfo, 2)):
        async with opened(url) as (database, schema):
            found = await previewed(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE))
            text = "\n".join(span.text for line in preview_lines(schema, found, cells=99) for span in line)
            assert ("batches" in text) is (parts > 1)
            assert "takes about" in text
            took.append(found.seconds)
            outcome = await run(database, schema, found, Journal(open_folder))
        assert outcome.ending is Ending.DONE, outcome.words
        assert len(list((open_folder / "backups" / outcome.entry).iterdir())) == parts
    async with opened(make_database(MANY.format(10))) as (database, schema):
        little = await previewed(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE))
    assert 0 < little.seconds < min(took)
    _, undone = await take_back(conninfo, open_folder, Journal(open_folder).entries()[0].id)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_triggers_find_what_the_role_s_search_path_leads_to(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    conninfo = make_database(
        FAMILY + "CREATE SCHEMA own; CREATE TABLE own.log (id int);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO log VALUES (old.id); RETURN old; END';"
        "CREATE TRIGGER t AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION f()"
    )
    own = make_conninfo(conninfo, options="-c search_path=own")
    outcome = await do(own, open_folder, "c.fk", delete, consent=True)
    assert outcome.ending is Ending.DONE, outcome.words
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM own.log").fetchone() == (5,)


async def test_all_is_on_the_disk_before_it_is_committed(
    make_database: Callable[[str], str], open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, synced = os.fsync, set[int]()

    def noted(file: int) -> None:
        # A file may be given its name once it is synced.
        synced.add(os.fstat(file).st_ino)
        fsync(file)

    def look() -> None:
        for path in open_folder.rglob("*"):
            seen[path.name] = path.stat().st_ino in synced

    seen: dict[str, bool] = {}
    monkeypatch.setattr(os, "fsync", noted)
    async with opened(make_database(FAMILY)) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        outcome = await run(database, schema, preview, Hooked(open_folder, "after committing", look))
    assert outcome.ending is Ending.DONE, outcome.words
    assert {"journal.jsonl", "manifest.json"} <= seen.keys()
    assert len(seen) > 5
    assert [name for name, there in seen.items() if not there] == []
