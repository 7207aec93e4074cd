"""The script of a plan, run by psql: it does what a run would do, or nothing at all, and says which."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import DataStep, Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.named import edge_or_pair
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import edge_named, hashes
from tests.fixes.psqlrun import finish, psql_of, run_script, start
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.schema.model import Relationship, Schema
    from tests.fixes.psqlrun import Ran

FAMILY = r"""
CREATE TABLE p (id int PRIMARY KEY, name text DEFAULT 'none');
CREATE TABLE people (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int DEFAULT 3, note text);
CREATE TABLE g (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cid int REFERENCES c ON DELETE CASCADE,
 twice int GENERATED ALWAYS AS (cid * 2) STORED);
CREATE TABLE h (cid int REFERENCES c ON DELETE SET NULL, note text);
INSERT INTO p SELECT generate_series(1, 10);
INSERT INTO people SELECT n, 'of ' || n FROM generate_series(8, 30) n;
INSERT INTO c SELECT n, n, E'row "\\ \t , \n ' || n FROM generate_series(1, 15) n;
INSERT INTO g (cid) SELECT n % 15 + 1 FROM generate_series(1, 30) n;
INSERT INTO h SELECT n, 'of ' || n FROM generate_series(1, 15) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


class Case:
    """A database, a plan of it, and a folder that its script runs in."""

    def __init__(self, conninfo: str, server: EmbeddedServer, folder: Path) -> None:
        self.conninfo = conninfo
        self.folder = folder
        self._psql = psql_of(server.major)

    async def script(
        self, edge: str, action: FixAction, asked: Mapping[str, object] | None = None, *, max_rows: int | None = None
    ) -> str:
        """The script of a fix of the edge of that label."""
        async with opened(self.conninfo) as (database, schema):
            request = request_for(schema, edge_named(schema, edge), action, asked or {})
            return await script(database, schema, await preview(database, schema, request), max_rows=max_rows)

    async def run(self, text: str) -> Ran:
        """Run a script by psql."""
        return await run_script(self._psql, self.conninfo, text, self.folder)

    async def start(self, text: str) -> asyncio.subprocess.Process:
        """Begin to."""
        return await start(self._psql, self.conninfo, text, self.folder)

    def execute(self, statements: str) -> None:
        """Run statements, committed."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(statements.encode())

    def value(self, query: str) -> object:
        """The one value of a query."""
        with psycopg.connect(self.conninfo) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    @property
    def backups(self) -> list[Path]:
        """The files of all backups."""
        return sorted(self.folder.glob("fkexplorer-backup-*/*"))

    async def changes_nothing(self, text: str, words: str) -> None:
        """Make sure that a script ends with another code than 0, these words, and all as it was."""
        was = hashes(self.conninfo)
        ran = await self.run(text)
        assert ran.code == 3, ran
        assert re.search(words, ran.err), ran
        assert "nothing was changed" in ran.said
        assert hashes(self.conninfo) == was


def request_for(schema: Schema, edge: Relationship, action: FixAction, asked: Mapping[str, object]) -> Request:
    """The request; a source is given by its table's name."""
    source = asked.get("source")
    oid = next((table.oid for table in schema.tables.values() if table.name == source), None)
    rest = {name: value for name, value in asked.items() if name != "source"}
    return replace(Request(edge, action, source=oid), **rest)  # type: ignore[arg-type]


@pytest.fixture
def make_case(make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path) -> Callable[[str], Case]:
    """Makes a case of a database with that SQL run in it."""
    return lambda statements: Case(make_database(statements), server, tmp_path)


ACTIONS: dict[str, tuple[FixAction, dict[str, object]]] = {
    "delete": (FixAction.DELETE, {}),
    "set-null": (FixAction.SET_NULL, {}),
    "set-default": (FixAction.SET_DEFAULT, {}),
    "repoint": (FixAction.REPOINT, {"key": ("2",)}),
    "map": (FixAction.REPOINT, {"mapping": ((("11",), ("4",)), (("14",), ("5",)))}),
    "quarantine": (FixAction.QUARANTINE, {"name": "side"}),
    "insert-parents": (FixAction.INSERT_PARENTS, {"columns": {"name": "'it''s new'"}}),
    "insert one": (FixAction.INSERT_PARENTS, {"key": ("99",)}),
    "backfill": (FixAction.BACKFILL, {"source": "people"}),
    "backfill all": (
        FixAction.BACKFILL,
        {"source": "people", "scope": Scope.GAP, "columns": {"name": "upper(s.name)"}},
    ),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", ACTIONS)
async def test_it_does_what_a_run_does(
    make_database: Callable[[str], str], make_case: Callable[[str], Case], tmp_path: Path, name: str
) -> None:
    action, asked = ACTIONS[name]
    case, twin = make_case(FAMILY), make_database(FAMILY)
    async with opened(twin) as (database, schema):
        request = request_for(schema, edge_named(schema, "c.fk"), action, asked)
        seen = await preview(database, schema, request)
        outcome = await run(database, schema, seen, Journal(tmp_path))
    assert outcome.ending in (Ending.DONE, Ending.REMAINING), outcome.words
    for conninfo in (twin, case.conninfo):
        with psycopg.connect(conninfo, autocommit=True) as connection:
            # Of the side table, when each row came.
            connection.execute("ALTER TABLE IF EXISTS side DROP quarantined_at")
    text = await case.script("c.fk", action, asked)
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "fkexplorer: step 1 of 1 is committed" in ran.out
    case.execute("ALTER TABLE IF EXISTS side DROP quarantined_at")
    assert hashes(case.conninfo) == hashes(twin)
    again = await case.run(text)
    if action is not FixAction.SET_NULL or outcome.ending is Ending.DONE:
        assert (again.code, again.err) == (0, ""), again
        assert "nothing to do" in again.out
    assert case.folder.glob("fkexplorer-backup-*").__next__().stat().st_mode & 0o777 == 0o700


async def test_the_backup_puts_the_rows_back(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    was = hashes(case.conninfo)
    assert (await case.run(await case.script("c.fk", FixAction.DELETE))).code == 0
    c, g, h = case.backups
    with psycopg.connect(case.conninfo) as connection:
        connection.execute("ALTER TABLE c DROP CONSTRAINT fk")
        connection.execute("CREATE TEMP TABLE was (LIKE h)")
        for target, file in (("c", c), ("g (id, cid)", g), ("was", h)):
            with connection.cursor().copy(f"COPY {target} FROM STDIN (FORMAT csv, HEADER)".encode()) as copy:
                copy.write(file.read_bytes())
        connection.execute("UPDATE h SET cid = was.cid FROM was WHERE h.note = was.note")
    assert hashes(case.conninfo) == was


MOVES = {
    "one more": ("INSERT INTO c VALUES (16, 16); ", "public.c: more rows are there, in place of 5"),
    "one less": ("UPDATE c SET pid = 1 WHERE id = 11", "public.c: 4 rows are there, in place of 5"),
    "another": (
        "INSERT INTO c VALUES (16, 16); DELETE FROM c WHERE id = 11",
        "the 5 rows that are there are not those that were counted",
    ),
    "the same row with another key": (
        "UPDATE c SET pid = 77 WHERE id = 11",
        "the 5 rows that are there are not those that were counted",
    ),
    "one more below": ("INSERT INTO g (cid) VALUES (12)", "g: 11 would be deleted and 0 updated, in place of 10 and 0"),
    "one less below": ("DELETE FROM h WHERE cid = 12", "h: 0 would be deleted and 4 updated, in place of 0 and 5"),
    "a trigger": (
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER strange BEFORE DELETE ON g FOR EACH ROW EXECUTE FUNCTION f()"
        ),
        "the trigger strange on (public.)?g fires, and may change more",
    ),
    "a constraint below": ("ALTER TABLE g DROP CONSTRAINT g_cid_fkey", "g: 0 deleted|g: .*in place of"),
}


@pytest.mark.parametrize("name", MOVES)
async def test_rows_that_moved_end_it(make_case: Callable[[str], Case], name: str) -> None:
    statements, words = MOVES[name]
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.DELETE)
    if "INTO c " in statements or "pid = 77" in statements:
        # The constraint lets no orphan in.
        statements = f"SET session_replication_role = replica; {statements}"
    case.execute(statements)
    await case.changes_nothing(text, words)


async def test_new_parents_end_an_insert(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.INSERT_PARENTS)
    case.execute("INSERT INTO p VALUES (11)")
    await case.changes_nothing(text, "public.p: 4 rows are there, in place of 5")


async def test_rows_that_another_unique_key_keeps_out_stay_out(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY + "UPDATE p SET name = 'p' || id; ALTER TABLE p ADD UNIQUE (name);")
    case.execute("UPDATE people SET name = 'p1' WHERE id = 12")
    text = await case.script("c.fk", FixAction.BACKFILL, {"source": "people"})
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert case.value("SELECT count(*) FROM p") == 14
    [file] = case.backups
    assert len(file.read_text().splitlines()) == 5
    assert re.search(r"orphans\s+-+\s+1\s", ran.out), ran.out


async def waits(conninfo: str) -> None:
    """Wait until somebody waits for a lock."""
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        while True:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if await cursor.fetchone() == (1,):
                return
            await asyncio.sleep(0.02)


async def test_a_parent_that_comes_while_it_waits_ends_it(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.DELETE)
    async with await psycopg.AsyncConnection.connect(case.conninfo) as other:
        await other.execute("UPDATE c SET note = 'held' WHERE id = 11")
        await other.execute("INSERT INTO p VALUES (11)")
        process = await case.start(text)
        await waits(case.conninfo)
        await other.commit()
    ran = await finish(process)
    assert ran.code == 3, ran
    assert "in place of 5" in ran.err
    assert case.value("SELECT count(*) FROM c") == 15


async def test_a_parent_that_a_trigger_makes_ends_it(make_case: Callable[[str], Case]) -> None:
    case = make_case(
        FAMILY + "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO p VALUES (old.pid) ON CONFLICT DO NOTHING; RETURN old; END $$;"
        "CREATE TRIGGER maker AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION f();"
    )
    text = await case.script("c.fk", FixAction.DELETE)
    assert "-- The trigger maker on public.c fires (public.f), and may change more." in text
    await case.changes_nothing(text, "5 of the missing parents are there now")


async def test_a_lock_of_somebody_else_ends_it(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    text = (await case.script("c.fk", FixAction.DELETE)).replace("lock_timeout = '2000ms'", "lock_timeout = '50ms'")
    with psycopg.connect(case.conninfo) as other:
        other.execute("SELECT FROM g WHERE cid = 12 FOR UPDATE")
        ran = await case.run(text)
        assert ran.code == 3, ran
        assert "lock timeout" in ran.err
        assert "step 1 of 1, " in ran.out
        assert "nothing was changed" in ran.out
    assert case.value("SELECT count(*) FROM c") == 15


async def test_without_a_backup_nothing_is_changed(make_case: Callable[[str], Case], tmp_path: Path) -> None:
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.DELETE)
    await case.changes_nothing(text.replace("mktemp -d", "false"), "no folder could be made here for the backup")
    assert "-- can't be written, the step ends, and nothing of it is committed." in text
    full = re.sub(r"\\set fk_file .*", r"\\set fk_file /dev/full", text)
    was = hashes(case.conninfo)
    ran = await case.run(full)
    assert ran.code == 3, ran
    assert "No space left" in ran.err
    assert hashes(case.conninfo) == was


async def test_for_repeated_use_it_takes_what_there_is(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.DELETE, max_rows=6)
    more = "SET session_replication_role = replica; INSERT INTO c SELECT n, n FROM generate_series({}) n"
    case.execute(more.format("16, 17"))
    await case.changes_nothing(text, "public.c: more rows than 6, the most that there may be")
    case.execute("DELETE FROM c WHERE id = 11; INSERT INTO g (cid) VALUES (17)")
    for rows in (6, 0, 2):
        ran = await case.run(text)
        assert (ran.code, ran.err) == (0, ""), ran
        assert ("nothing to do" in ran.out) is (rows == 0)
        assert case.value("SELECT count(*) FROM c") == 10
        case.execute(more.format("16, 17") if rows == 0 else "SELECT")
    assert sum(len(file.read_text().splitlines()) > 1 for file in case.backups if "public.c" in file.name) == 2


async def test_a_quarantine_for_repeated_use_keeps_its_table(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    text = await case.script("c.fk", FixAction.QUARANTINE, {"name": "side"}, max_rows=6)
    for rows in (5, 7):
        ran = await case.run(text)
        assert ran.code == 0, ran
        assert case.value("SELECT count(*) FROM side") == rows
        case.execute("SET session_replication_role = replica; INSERT INTO c VALUES (16, 16), (17, 17)")


async def test_a_revalidation_looks_again_each_time_and_says_so(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY + "DELETE FROM g; DELETE FROM c WHERE pid > 10; ALTER TABLE c VALIDATE CONSTRAINT fk;")
    text = await case.script("c.fk", FixAction.REVALIDATE)
    assert "-- It looks through all rows whenever it runs, and never finds nothing to do" in text
    for _ in range(2):
        ran = await case.run(text)
        assert (ran.code, ran.err) == (0, ""), ran
        assert "nothing to do" not in ran.out
        assert "fkexplorer: done" in ran.out
    case.execute("SET session_replication_role = replica; INSERT INTO c VALUES (16, 16)")
    ran = await case.run(text)
    assert ran.code == 3, ran
    assert "violates foreign key constraint" in ran.err


CONSTRAINTS = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int);
INSERT INTO p SELECT generate_series(1, 10);
INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p {};
"""


async def test_a_constraint_is_validated_once(make_case: Callable[[str], Case]) -> None:
    case = make_case(CONSTRAINTS.format("NOT VALID"))
    text = await case.script("c.fk", FixAction.VALIDATE)
    assert (await case.run(text)).code == 0
    assert case.value("SELECT convalidated FROM pg_constraint WHERE conname = 'fk'") is True
    again = await case.run(text)
    assert again.code == 0
    assert "nothing to do" in again.out


async def test_a_rule_is_changed_step_by_step(make_case: Callable[[str], Case]) -> None:
    case = make_case(CONSTRAINTS.format("ON UPDATE CASCADE DEFERRABLE") + "COMMENT ON CONSTRAINT fk ON c IS 'it''s'")
    text = await case.script("c.fk", FixAction.CHANGE_ON_DELETE, {"rule": "cascade"})
    case.execute("SET session_replication_role = replica; INSERT INTO c VALUES (11, 11)")
    ran = await case.run(text)
    assert ran.code == 3, ran
    assert "fkexplorer: step 1 of 2 is committed" in ran.out
    assert "should it stop here, it changed nothing, and the steps before it are committed" in ran.out
    assert "violates foreign key" in ran.err
    state = "SELECT pg_get_constraintdef(oid) || obj_description(oid) FROM pg_constraint WHERE conname = 'fk'"
    made = "FOREIGN KEY (pid) REFERENCES p(id) ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE"
    assert case.value(state) == f"{made} NOT VALIDit's"
    case.execute("DELETE FROM c WHERE id = 11")
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "step 1 of 2: nothing to do" in ran.out
    assert case.value(state) == f"{made}it's"
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "fkexplorer: nothing to do" in ran.out


@pytest.mark.matrix
async def test_a_constraint_is_added_once_whatever_its_name(make_case: Callable[[str], Case]) -> None:
    case = make_case("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int); INSERT INTO c VALUES (1)")
    async with opened(case.conninfo) as (database, schema):
        edge = await edge_or_pair(database, schema, "c(pid):p(id)")
        case.execute("INSERT INTO p VALUES (1)")
        seen = await preview(database, schema, Request(edge, FixAction.ADD_CONSTRAINT, rule="set-null"))
        text = await script(database, schema, seen)
    case.execute("DELETE FROM p")
    ran = await case.run(text)
    assert ran.code == 3, ran
    assert "step 1 of 2 is committed" in ran.out
    assert case.value("SELECT convalidated FROM pg_constraint WHERE conname = 'c_pid_fkey'") is False
    case.execute("ALTER TABLE c RENAME CONSTRAINT c_pid_fkey TO other")
    ran = await case.run(text)
    assert ran.code == 3, ran
    assert "the constraint c_pid_fkey is not as it was (another in place of absent)" in ran.err
    case.execute("ALTER TABLE c RENAME CONSTRAINT other TO c_pid_fkey; INSERT INTO p VALUES (1)")
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "step 1 of 2: nothing to do" in ran.out
    assert "step 2 of 2 is committed" in ran.out
    case.execute("ALTER TABLE c RENAME CONSTRAINT c_pid_fkey TO other")
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "fkexplorer: nothing to do" in ran.out
    assert case.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 1


async def test_a_constraint_that_is_another_now_ends_it(make_case: Callable[[str], Case]) -> None:
    case = make_case(CONSTRAINTS.format(""))
    text = await case.script("c.fk", FixAction.CHANGE_ON_DELETE, {"rule": "cascade"})
    case.execute("ALTER TABLE c DROP CONSTRAINT fk, ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p ON UPDATE CASCADE")
    await case.changes_nothing(text, "the constraint fk is not as it was .another in place of a true")
    case.execute("ALTER TABLE c DROP CONSTRAINT fk")
    await case.changes_nothing(text, "the constraint fk is not as it was .absent in place of a true")


async def test_a_constraint_is_checked_again(make_case: Callable[[str], Case]) -> None:
    case = make_case(CONSTRAINTS.format("ON DELETE SET NULL"))
    text = await case.script("c.fk", FixAction.REVALIDATE)
    for _ in range(2):
        ran = await case.run(text)
        assert (ran.code, ran.err) == (0, ""), ran
        assert "step 2 of 2 is committed" in ran.out
    case.execute("SET session_replication_role = replica; INSERT INTO c VALUES (11, 11)")
    assert (await case.run(text)).code == 3


FOREIGN = r"""
CREATE SCHEMA "S \! '%s' `x`";
CREATE TABLE "S \! '%s' `x`"."Ünï ""q"" :fk_n" ("K:'e"" y" text PRIMARY KEY);
CREATE TABLE "S \! '%s' `x`"."child
\echo hi
--" (id int PRIMARY KEY, "The
\q" text, v text);
INSERT INTO "S \! '%s' `x`"."Ünï ""q"" :fk_n" VALUES ('it''s');
INSERT INTO "S \! '%s' `x`"."child
\echo hi
--" VALUES (1, E'\\.', ':fk_n'), (2, 'it''s', E'\\\n');
ALTER TABLE "S \! '%s' `x`"."child
\echo hi
--" ADD CONSTRAINT "f \echo `k` 'k' %s" FOREIGN KEY ("The
\q") REFERENCES "S \! '%s' `x`"."Ünï ""q"" :fk_n" NOT VALID;
"""


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        (FixAction.REPOINT, {"mapping": ((("\\.",), ("it's",)),)}),
        (FixAction.INSERT_PARENTS, {}),
        (FixAction.DELETE, {}),
        (FixAction.QUARANTINE, {}),
        (FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}),
    ],
)
async def test_foreign_names_stay_names(
    make_case: Callable[[str], Case], action: FixAction, asked: dict[str, object]
) -> None:
    case = make_case(FOREIGN)
    async with opened(case.conninfo) as (database, schema):
        [edge] = schema.edges.values()
        request = request_for(schema, edge, action, asked)
        seen = await preview(database, schema, request)
        text = await script(database, schema, seen)
        clean = await script(database, schema, await preview(database, schema, Request(edge, FixAction.VALIDATE)))
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert "step 1 of 1 is committed" in ran.out
    assert "hi" not in ran.out.splitlines()
    validated = await case.run(clean)
    if action is FixAction.CHANGE_ON_DELETE:
        assert validated.code == 3
    else:
        assert (validated.code, validated.err) == (0, ""), validated
        assert "nothing to do" in (await case.run(text)).out


PARTITIONS = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int, pid int, kind int, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1);
CREATE TABLE c2 PARTITION OF c DEFAULT;
INSERT INTO p SELECT generate_series(1, 5);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p;
SET session_replication_role = replica;
INSERT INTO c SELECT n, n, n % 2 FROM generate_series(1, 9) n;
"""


@pytest.mark.matrix
async def test_partitions(make_case: Callable[[str], Case]) -> None:
    case = make_case(PARTITIONS)
    text = await case.script("c.fk", FixAction.SET_NULL)
    ran = await case.run(text)
    assert (ran.code, ran.err) == (0, ""), ran
    assert case.value("SELECT count(*) FROM c WHERE pid IS NULL") == 4
    [file] = case.backups
    assert len(file.read_text().splitlines()) == 5


async def test_nothing_to_do_is_a_script_that_says_so(make_case: Callable[[str], Case]) -> None:
    case = make_case(CONSTRAINTS.format(""))
    ran = await case.run(await case.script("c.fk", FixAction.VALIDATE))
    assert (ran.code, ran.err) == (0, "")
    assert "nothing to do" in ran.out
    ran = await case.run(await case.script("c.fk", FixAction.DELETE))
    assert ran.code == 0
    assert "nothing to do" in ran.out


async def test_it_holds_the_statement_as_it_is_shown(make_case: Callable[[str], Case]) -> None:
    case = make_case(FAMILY)
    async with opened(case.conninfo) as (database, schema):
        seen = await preview(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE))
        text = await script(database, schema, seen)
    [step] = seen.plan.steps
    assert isinstance(step, DataStep)
    assert step.change.head in text
    assert step.change.where in text
    assert "password" not in text
