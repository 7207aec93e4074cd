"""Taking a fix back: every table is as it was, byte for byte; or nothing is touched, and the conflicts are named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from tests.fixes.byhand import QUICK, delete, do, edge_named, hashes, preview_of, take_back
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

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


@pytest.mark.parametrize(
    ("statement", "place", "words"),
    [
        ("INSERT INTO c VALUES (12)", "public.c", "the same id is there again"),
        ("UPDATE h SET note = 'later' WHERE note = 'of 14'", "public.h", "changed or deleted since"),
        ("DELETE FROM h WHERE note = 'of 14'", "public.h", "changed or deleted since"),
        ("DROP TABLE g", "public.g", "the table is gone"),
        ("ALTER TABLE h DROP note", "public.h", "columns are gone, or have another type"),
        ("ALTER TABLE c ALTER note TYPE varchar(99)", "public.c", "columns are gone, or have another type"),
    ],
)
async def test_conflicts(
    make_database: Callable[[str], str], open_folder: Path, statement: str, place: str, words: str
) -> None:
    conninfo = make_database(FAMILY)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    async with opened(conninfo) as (database, schema):
        early = await undo_preview(database, schema, Journal(open_folder), outcome.entry)
        await execute(conninfo, statement)
        now = hashes(conninfo)
        # What was previewed before it happened is refused by what is found then.
        late = await undo(database, schema, early, Journal(open_folder), limits=QUICK)
        assert late.ending is Ending.MOVED
        assert late.words.startswith(place)
    preview, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert (place, words) in {(each.place, each.words) for each in preview.conflicts}
    assert undone.ending is Ending.REFUSED
    assert hashes(conninfo) == now


async def test_a_parent_that_is_gone_since(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY + "CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1), (2);")
    await execute(
        conninfo, "ALTER TABLE c ADD other int REFERENCES o; UPDATE c SET other = id - 11 WHERE id IN (12, 13)"
    )
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    await execute(conninfo, "DELETE FROM o WHERE id = 2")
    preview, _ = await take_back(conninfo, open_folder, outcome.entry)
    [conflict] = preview.conflicts
    assert (conflict.place, conflict.words, conflict.rows) == ("public.c.c_other_fkey", "their parent is gone since", 1)
    await execute(conninfo, "INSERT INTO o VALUES (2)")
    _, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert undone.ending is Ending.DONE, undone.words


async def test_an_orphan_by_two_edges(make_database: Callable[[str], str], open_folder: Path) -> None:
    """One that was an orphan of another edge as well comes back as that too."""
    conninfo = make_database(FAMILY + "CREATE TABLE o (id int PRIMARY KEY); ALTER TABLE c ADD other int DEFAULT 7;")
    await execute(conninfo, "ALTER TABLE c ADD CONSTRAINT fk2 FOREIGN KEY (other) REFERENCES o NOT VALID")
    was = hashes(conninfo)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    preview, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert len(preview.ways) == 2
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_it_is_taken_back_once(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    journal = Journal(open_folder)
    async with opened(conninfo) as (database, schema), opened(conninfo) as (other, _):
        preview = await undo_preview(database, schema, journal, outcome.entry)
        both = await asyncio.gather(*(undo(each, schema, preview, journal, limits=QUICK) for each in (database, other)))
        assert sorted(each.ending for each in both) == [Ending.DONE, Ending.MOVED]
        for entry, code in (
            (outcome.entry, "nothing"),
            (both[0].entry, "nothing"),
            ("20200101-000000-0000", "no_entry"),
        ):
            with pytest.raises(Trouble) as caught:
                await undo_preview(database, schema, journal, entry)
            assert caught.value.code == code


async def test_elsewhere_and_without_its_backup(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo, another = make_database(FAMILY), make_database(FAMILY)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    journal = Journal(open_folder)
    async with opened(another) as (database, schema):
        with pytest.raises(Trouble, match="was made on") as caught:
            await undo_preview(database, schema, journal, outcome.entry)
        assert caught.value.code == "elsewhere"
    file = journal.backup_folder(outcome.entry, 0) / "000.old"
    file.write_bytes(file.read_bytes().partition(b"\n")[2])
    async with opened(conninfo) as (database, schema):
        for _ in range(2):
            with pytest.raises(Trouble) as caught:
                await undo_preview(database, schema, journal, outcome.entry)
            assert caught.value.code == "no_backup"
            (journal.backup_folder(outcome.entry, 0) / "manifest.json").unlink(missing_ok=True)


async def test_triggers_that_fire_at_an_undo(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    outcome = await do(conninfo, open_folder, "c.fk", delete)
    await execute(
        conninfo,
        "CREATE FUNCTION louder() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN new.note := upper(new.note); RETURN new; END';"
        "CREATE TRIGGER louder BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION louder()",
    )
    now = hashes(conninfo)
    preview, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert [each.name for each in preview.triggers] == ["louder"]
    assert undone.words == "nobody has agreed to what these triggers may change: louder"
    _, undone = await take_back(conninfo, open_folder, outcome.entry, consent=True)
    assert undone.ending is Ending.MOVED
    assert undone.words.startswith("a trigger changed what was put back into public.c")
    assert hashes(conninfo) == now
    await execute(conninfo, "ALTER TABLE c DISABLE TRIGGER louder")
    _, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_constraints_in_a_cycle(make_database: Callable[[str], str], open_folder: Path) -> None:
    """All rows come back in one statement, so that no order of the tables is needed."""
    conninfo = make_database(
        FAMILY + "CREATE TABLE k (id int PRIMARY KEY REFERENCES c ON DELETE CASCADE); ALTER TABLE c ADD kid int;"
        "INSERT INTO k SELECT id FROM c;"
    )
    await execute(conninfo, "UPDATE c SET kid = id; ALTER TABLE c ADD FOREIGN KEY (kid) REFERENCES k ON DELETE CASCADE")
    was = hashes(conninfo)
    async with new_role(conninfo) as owner:
        await execute(conninfo, "".join(f"ALTER TABLE {name} OWNER TO {owner};" for name in "pcghk"))
        outcome = await do(conninfo, open_folder, "c.fk", delete, role=owner)
        assert outcome.ending is Ending.DONE, outcome.words
        _, undone = await take_back(conninfo, open_folder, outcome.entry, role=owner)
        assert undone.ending is Ending.DONE, undone.words
        assert hashes(conninfo) == was
