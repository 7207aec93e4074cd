"""What users' triggers make of a fix: it does what a dry run saw, or what somebody agreed to; and an undo is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.fixes.backup import load_manifest
from fkexplorer.fixes.dry import dry_run
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Effect, Ending, Request
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.preview import preview as preview_read
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.schema.actions import FixAction
from tests.fixes import test_script as script_case
from tests.fixes.byhand import QUICK, delete, do, edge_named, hashes, preview_of, set_to, take_back
from tests.fixes.test_kinds import SIMPLE, quarantine, stubs
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Change, Outcome, Preview
    from fkexplorer.schema.model import Relationship, Schema

TABLES = (
    SIMPLE
    + """
CREATE TABLE g (id int PRIMARY KEY, cid int REFERENCES c ON DELETE CASCADE, note text);
CREATE TABLE h (cid int REFERENCES c ON DELETE SET NULL, note text);
CREATE TABLE log (id int);
INSERT INTO g SELECT n, n, 'g' FROM generate_series(1, 35) n;
INSERT INTO h SELECT n, 'h' FROM generate_series(1, 35) n;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE TRIGGER t BEFORE {} FOR EACH ROW EXECUTE FUNCTION f();
"""
)


@dataclass(frozen=True)
class Case:
    """What the trigger `t` does, when it fires, the change, and what comes of it by table and verb."""

    does: str
    on: str
    change: Callable[[Schema, Relationship], Change]
    done: dict[str, tuple[int, int, int]]
    """Rows deleted, updated, inserted."""
    backed_up: dict[tuple[str, str], int]
    left: int = 0
    """Orphans."""
    first: tuple[str, ...] = ()


def null(schema: Schema, edge: Relationship) -> Change:
    return set_to(schema, edge, "NULL")


SIDE = ("CREATE TABLE public.side (LIKE public.c, at timestamptz DEFAULT now())",)
SOME = "IF old.id IN (12, 35) THEN RETURN NULL; END IF; RETURN old;"
CASES = {
    "cancels some": Case(
        SOME,
        "DELETE ON c",
        delete,
        {"c": (23, 0, 0), "g": (23, 0, 0), "h": (0, 23, 0)},
        {("c", "delete"): 23, ("g", "delete"): 23, ("h", "update"): 23},
        left=2,
    ),
    "cancels some of those that follow": Case(
        SOME,
        "DELETE ON g",
        delete,
        {"c": (25, 0, 0), "g": (23, 0, 0), "h": (0, 25, 0)},
        {("c", "delete"): 25, ("g", "delete"): 23, ("h", "update"): 25},
    ),
    "cancels some updates": Case(
        "IF new.pid IS NULL AND old.id IN (12, 35) THEN RETURN NULL; END IF; RETURN new;",
        "UPDATE ON c",
        null,
        {"c": (0, 23, 0)},
        {("c", "update"): 23},
        left=2,
    ),
    "cancels updates that follow": Case(
        "IF new.cid IS NULL THEN RETURN NULL; END IF; RETURN new;",
        "UPDATE ON h",
        delete,
        {"c": (25, 0, 0), "g": (25, 0, 0)},
        {("c", "delete"): 25, ("g", "delete"): 25},
    ),
    "adds rows elsewhere": Case(
        "INSERT INTO log VALUES (old.id), (0); RETURN old;",
        "DELETE ON c",
        delete,
        {"c": (25, 0, 0), "g": (25, 0, 0), "h": (0, 25, 0), "log": (0, 0, 50)},
        {("c", "delete"): 25, ("g", "delete"): 25, ("h", "update"): 25},
    ),
    "changes the values": Case(
        "IF new.pid IS NULL THEN new.note := upper(new.note); END IF;"
        "IF new.id = 20 AND new.pid IS NULL THEN new.pid := 20; END IF; RETURN new;",
        "UPDATE ON c",
        null,
        {"c": (0, 25, 0)},
        {("c", "update"): 25},
        left=1,
    ),
    "marks rows in place of deleting them": Case(
        "IF old.id > 13 THEN UPDATE c SET pid = NULL, note = 'gone' WHERE id = old.id; RETURN NULL; END IF;RETURN old;",
        "DELETE ON c",
        delete,
        {"c": (3, 22, 0), "g": (3, 0, 0), "h": (0, 3, 0)},
        {("c", "delete"): 3, ("c", "update"): 22, ("g", "delete"): 3, ("h", "update"): 3},
    ),
    "keeps some out of a side table": Case(
        SOME,
        "DELETE ON c",
        quarantine,
        {"c": (23, 0, 0), "g": (23, 0, 0), "h": (0, 23, 0), "side": (0, 0, 23)},
        {("c", "delete"): 23, ("g", "delete"): 23, ("h", "update"): 23, ("side", "insert"): 23},
        left=2,
        first=SIDE,
    ),
    "keeps new rows out": Case(
        "IF new.id = 20 THEN RETURN NULL; END IF; new.name := 'made'; RETURN new;",
        "INSERT ON p",
        stubs,
        {"p": (0, 0, 24)},
        {("p", "insert"): 24},
        left=1,
    ),
}


async def seen(database: Database, schema: Schema, case: Case) -> Preview:
    """What reading alone foresees."""
    edge = edge_named(schema, "c.fk")
    new = case.change is stubs
    return await preview_of(
        database,
        schema,
        edge,
        case.change(schema, edge),
        action=FixAction.INSERT_PARENTS if new else FixAction.DELETE,
        effects=[Effect(edge.parent, inserted=25)] if new else None,
        first=case.first,
    )


def check(case: Case, schema: Schema, outcome: Outcome, folder: Path) -> None:
    """The outcome, the backup and the journal tell what really happened."""
    names = {table.oid: table.name for table in schema.tables.values()}
    done = {names.get(each.table, "side"): (each.deleted, each.updated, each.inserted) for each in outcome.effects}
    assert done == case.done, outcome
    assert outcome.ending is (Ending.REMAINING if case.left else Ending.DONE), outcome.words
    assert outcome.after is not None
    assert outcome.after.orphans == case.left
    kept: dict[tuple[str, str], int] = {}
    for path in sorted((folder / "backups" / outcome.entry).iterdir()):
        for section in load_manifest(path).sections:
            kept[section.table, section.verb] = kept.get((section.table, section.verb), 0) + section.rows
    assert kept == case.backed_up
    [entry] = Journal(folder).entries()
    assert {
        each.table.removeprefix("public."): (each.deleted, each.updated, each.inserted) for each in entry.touched
    } == done


@pytest.mark.matrix
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", ["dry run", "consent", "consent, in batches"])
async def test_do_and_undo(make_database: Callable[[str], str], open_folder: Path, name: str, way: str) -> None:
    case = CASES[name]
    conninfo = make_database(TABLES.format(case.does, case.on))
    was = hashes(conninfo)
    limits = RunLimits(QUICK.transaction, batch_rows=10 if way != "consent" else 100)
    async with opened(conninfo) as (database, schema):
        preview = await seen(database, schema, case)
        assert [each.name for each in preview.triggers] == ["t"]
        refused = await run(database, schema, preview, Journal(open_folder), limits=limits)
        assert (refused.ending, refused.entry) == (Ending.REFUSED, "")
        consent = frozenset(preview.triggers)
        if way == "dry run":
            preview, consent = await dry_run(database, schema, preview), frozenset()
            assert hashes(conninfo) == was
            assert preview.found == 25
        outcome = await run(database, schema, preview, Journal(open_folder), limits=limits, consent=consent)
        check(case, schema, outcome, open_folder)
        folders = list((open_folder / "backups" / outcome.entry).iterdir())
        assert len(folders) == (3 if way == "consent, in batches" and case.change is not stubs else 1)
        deleted, updated, inserted = case.done["p" if case.change is stubs else "c"]
        cancelled = 25 - (inserted if case.change is stubs else updated if case.change is null else deleted)
        if cancelled:
            assert f"triggers kept {cancelled} of 25 rows from it" in outcome.words
    _, undone = await take_back(conninfo, open_folder, outcome.entry, consent=True)
    assert undone.ending is Ending.DONE, undone.words
    now = hashes(conninfo)
    # What a trigger does elsewhere stays, and is said to.
    now.pop("public.log", None)
    assert now == was


ALL = {
    "nothing at all": ("RETURN NULL;", ("", Ending.REFUSED)),
    "rows elsewhere": ("INSERT INTO log VALUES (old.id); RETURN NULL;", ("log", Ending.REMAINING)),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dry", [True, False])
async def test_a_trigger_that_cancels_all(
    make_database: Callable[[str], str], open_folder: Path, name: str, dry: bool
) -> None:
    """Done is never said while all orphans are there."""
    does, (touched, ending) = ALL[name]
    conninfo = make_database(TABLES.format(does, "DELETE ON c"))
    was = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        consent = frozenset(preview.triggers)
        if dry:
            preview, consent = await dry_run(database, schema, preview), frozenset()
            assert (preview.rows, preview.found, preview.nothing_to_do) == (0, 25, False)
            assert preview.cancelled is not bool(touched)
        outcome = await run(database, schema, preview, Journal(open_folder), limits=QUICK, consent=consent)
        # Without a dry run nobody knows before.
        assert outcome.ending is (ending if dry else Ending.REMAINING)
        assert (
            "triggers cancel all 25 rows" if outcome.ending is Ending.REFUSED else "25 orphans remain"
        ) in outcome.words
        names = {table.oid: table.name for table in schema.tables.values()}
        assert [names[each.table] for each in outcome.effects] == ([touched] if touched else [])
    now = hashes(conninfo)
    now.pop("public.log", None)
    assert now == was


async def test_what_moved_is_found_whatever_was_agreed_to(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """Consent is to what triggers do: the rows that are there have to be those that were foreseen."""
    conninfo = make_database(TABLES.format(SOME, "DELETE ON c"))
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        dry = await dry_run(database, schema, preview)
        with psycopg.connect(conninfo) as connection:
            connection.execute("INSERT INTO g VALUES (100, 35)")
        was = hashes(conninfo)
        for each, consent in ((preview, frozenset(preview.triggers)), (dry, frozenset[object]())):
            outcome = await run(database, schema, each, Journal(open_folder), limits=QUICK, consent=consent)  # type: ignore[arg-type]
            assert outcome.ending is Ending.MOVED
            assert outcome.words.startswith("public.g: 26 deleted, in place of 25 deleted")
        assert hashes(conninfo) == was


async def test_an_orphan_that_was_kept_makes_no_room_for_another(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """The undo knows how many of the rows that went had no parent: not of those that a trigger kept."""
    conninfo = make_database(
        TABLES.format(SOME, "DELETE ON c") + "CREATE TABLE o (id int PRIMARY KEY); ALTER TABLE c ADD oid int;"
        "INSERT INTO o VALUES (1); SET session_replication_role = replica; "
        "UPDATE c SET oid = CASE WHEN id = 12 THEN 7 WHEN id = 13 THEN 1 END;"
        "ALTER TABLE c ADD CONSTRAINT other FOREIGN KEY (oid) REFERENCES o NOT VALID;"
    )
    outcome = await do(conninfo, open_folder, "c.fk", delete, consent=True)
    assert outcome.ending is Ending.REMAINING, outcome.words
    with psycopg.connect(conninfo) as connection:
        connection.execute("DELETE FROM o")
    preview, _ = await take_back(conninfo, open_folder, outcome.entry, consent=True)
    assert [(each.place, each.words, each.rows) for each in preview.conflicts] == [
        ("public.c.other", "their parent is gone since", 1)
    ]


@pytest.mark.parametrize("action", [FixAction.DELETE, FixAction.QUARANTINE])
async def test_a_script_does_what_a_dry_run_saw(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path, action: FixAction
) -> None:
    function = (
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (old.id);"
        " IF old.id IN ({}) THEN RETURN NULL; END IF; RETURN old; END $$;"
    )
    statements = (
        script_case.FAMILY
        + "CREATE TABLE log (id int);"
        + function.format("12, 14")
        + "CREATE TRIGGER keeper BEFORE DELETE ON c"
        " FOR EACH ROW EXECUTE FUNCTION f();"
    )
    case = script_case.Case(make_database(statements), server, tmp_path)
    async with opened(case.conninfo) as (database, schema):
        seen = await preview_read(database, schema, Request(edge_named(schema, "c.fk"), action))
        text = await script(database, schema, await dry_run(database, schema, seen))
    case.execute(function.format("12, 13, 14"))
    await case.changes_nothing(text, "2 rows changed, in place of 3")
    case.execute(function.format("12, 14"))
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert (case.value("SELECT count(*) FROM c"), case.value("SELECT count(*) FROM log")) == (12, 5)


PARTS = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int, pid int) PARTITION BY LIST (pid);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1, 2, 3, NULL);
CREATE TABLE c2 PARTITION OF c DEFAULT;
CREATE TABLE log (id int);
INSERT INTO p VALUES (1);
SET session_replication_role = replica;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p;
INSERT INTO c SELECT n, n FROM generate_series(1, 8) n;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
 INSERT INTO public.log VALUES (old.id); {} RETURN coalesce(new, old); END $$;
"""
KEEP = "IF old.id IN (2, 7) AND new.pid IS NULL THEN RETURN NULL; END IF;"


@pytest.mark.matrix
@pytest.mark.parametrize("change", [delete, null])
async def test_some_rows_of_partitions_are_kept(
    make_database: Callable[[str], str], open_folder: Path, change: Callable[[Schema, Relationship], Change]
) -> None:
    """Those that an UPDATE moves to another partition are found where it has put them."""
    triggers = "".join(
        f"CREATE TRIGGER t BEFORE DELETE OR UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION f();"
        for name in ("c1", "c2")
    )
    conninfo = make_database(PARTS.format(KEEP) + triggers)
    was = hashes(conninfo)
    outcome = await do(conninfo, open_folder, "c.fk", change, consent=True)
    assert outcome.ending is Ending.REMAINING, outcome.words
    assert outcome.words.startswith("2 orphans remain; triggers kept 2 of 7 rows from it")
    preview, undone = await take_back(conninfo, open_folder, outcome.entry, consent=True)
    assert preview.confirm == "5"
    assert undone.ending is Ending.DONE, undone.words
    now = hashes(conninfo)
    now.pop("public.log")
    assert now == was


async def test_a_log_of_partitions_asks_for_no_privilege_on_them(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    conninfo = make_database(PARTS.format("") + "CREATE TRIGGER t AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION f();")
    async with new_role(conninfo) as role:
        await execute(conninfo, f"GRANT ALL ON c TO {role}; GRANT SELECT ON p TO {role}")
        outcome = await do(conninfo, open_folder, "c.fk", delete, consent=True, role=role)
    assert outcome.ending is Ending.DONE, outcome.words
