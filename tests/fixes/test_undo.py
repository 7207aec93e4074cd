"""Taking a fix back: every table is as it was, byte for byte; or nothing is touched, and the conflicts are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, State
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from tests.fixes.byhand import QUICK, delete, edge_named, hashes, preview_of
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.matrix
async def test_a_delete_with_its_cascades(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(FAMILY)
    journal, was = Journal(tmp_path), hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        outcome = await run(
            database, schema, await preview_of(database, schema, edge, delete(schema, edge)), journal, limits=QUICK
        )
        assert outcome.ending is Ending.DONE, outcome.words
        assert hashes(conninfo) != was
        preview = await undo_preview(database, schema, journal, outcome.entry)
        assert preview.conflicts == ()
        assert preview.confirm == "20"
        assert preview.ways == ("public.c.fk: its triggers are off while the rows come back",)
        undone = await undo(database, schema, preview, journal, limits=QUICK)
    assert undone.ending is Ending.DONE, undone.words
    assert undone.after is not None
    assert (undone.after.orphans, undone.words) == (5, "taken back")
    assert hashes(conninfo) == was
    taken, original = journal.entries()
    assert (taken.undoes, taken.state, original.state) == (original.id, State.ALL, State.UNDONE)
    with psycopg.connect(conninfo) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("INSERT INTO c VALUES (99, 99)")
