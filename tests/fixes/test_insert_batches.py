"""New parents in batches: as many as were counted, each once, a stop between two of them; and all of them go again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.batches import in_batches
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.named import edge_or_pair
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, edge_named, hashes, take_back
from tests.fixes.test_kinds import SIMPLE
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Preview
    from fkexplorer.schema.model import Schema

BATCHES = replace(QUICK, batch_rows=3)


@dataclass(frozen=True)
class Case:
    """A database, an edge of it, what is asked for; and what comes: rows, batches, what stays."""

    sql: str
    rows: int
    parts: int
    edge: str = "c(pid):p(id)"
    action: FixAction = FixAction.INSERT_PARENTS
    asked: dict[str, Any] = field(default_factory=dict)
    lost: int = 0
    ending: Ending = Ending.DONE

    async def seen(self, database: Database, schema: Schema) -> Preview:
        """The preview."""
        edge = await edge_or_pair(database, schema, self.edge)
        source = next((table.oid for table in schema.tables.values() if table.name == "s"), None)
        return await preview(database, schema, Request(edge, self.action, source=source, **self.asked))


COMPOSITE = """
CREATE TABLE p (a text, b timestamptz, n numeric, PRIMARY KEY (a, b));
CREATE TABLE c (a text, b timestamptz);
INSERT INTO c SELECT E'it''s \\\\ "' || n % 4, '2026-02-03 04:05:06.789+02'::timestamptz + n * '1 day'::interval
 FROM generate_series(1, 8) n;
INSERT INTO c VALUES (NULL, now()), ('x', NULL), ('', '-infinity'), ('', 'infinity');
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p MATCH {} NOT VALID;
"""
BACKFILL = """
CREATE TABLE p (id int PRIMARY KEY, mail text UNIQUE, at timestamptz DEFAULT now());
CREATE TABLE s (id int, mail text);
CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p);
INSERT INTO p VALUES (1, 'one'), (2, 'two');
INSERT INTO s SELECT n, CASE n WHEN 5 THEN 'two' WHEN 9 THEN 'm8' ELSE 'm' || n END FROM generate_series(1, 12) n;
SET session_replication_role = replica;
INSERT INTO c SELECT n, n FROM generate_series(1, 12) n;
"""
CASES = {
    "stubs": Case(SIMPLE, 25, 9, asked={"columns": {"name": "'stub'"}}),
    "of columns together": Case(COMPOSITE.format("SIMPLE"), 10, 4, edge="c(a, b):p(a, b)"),
    # Of a key that is NULL in part no parent can come: those two orphans stay.
    "of columns all or none": Case(COMPOSITE.format("FULL"), 10, 4, edge="c(a, b):p(a, b)", ending=Ending.REMAINING),
    # 5 has the address of a parent, 9 that of 8.
    "rows that another unique key keeps out": Case(
        BACKFILL, 8, 3, action=FixAction.BACKFILL, lost=2, ending=Ending.REMAINING
    ),
    "the whole gap": Case(
        BACKFILL + "DELETE FROM c WHERE id > 6",
        8,
        3,
        action=FixAction.BACKFILL,
        asked={"scope": Scope.GAP, "columns": {"mail": "lower(s.mail)"}},
        lost=2,
        ending=Ending.REMAINING,
    ),
    # No unique key tells them apart: two rows of one key come in one batch.
    "several rows of one key": Case(
        "CREATE TABLE p (id int, w text); CREATE TABLE c (pid int); CREATE TABLE s (id int, w text);"
        "INSERT INTO s SELECT n / 2, 'w' || n FROM generate_series(2, 13) n;"
        "INSERT INTO c SELECT generate_series(1, 6);",
        12,
        6,
        action=FixAction.BACKFILL,
    ),
    "into partitions": Case(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1, 3);"
        "CREATE TABLE p2 PARTITION OF p DEFAULT; CREATE TABLE c (pid int); INSERT INTO c SELECT generate_series(1, 7);",
        7,
        3,
    ),
    "a key that is narrower in the child": Case(
        "CREATE TABLE p (id numeric PRIMARY KEY); CREATE TABLE c (pid int);INSERT INTO c SELECT generate_series(1, 7);",
        7,
        3,
    ),
    "an identity, and a parent of itself that nobody names": Case(
        "CREATE TABLE p (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, boss int REFERENCES p);"
        "CREATE TABLE c (pid int); INSERT INTO c SELECT generate_series(1, 7);",
        7,
        3,
    ),
    "rows that name each other": Case(
        "CREATE TABLE p (id int PRIMARY KEY, boss int REFERENCES p); CREATE TABLE s (id int, boss int);"
        "CREATE TABLE c (pid int); INSERT INTO s SELECT n, n % 7 + 1 FROM generate_series(1, 7) n;"
        "INSERT INTO c SELECT generate_series(1, 7);",
        7,
        1,
        action=FixAction.BACKFILL,
    ),
    "rows that name one of them by default": Case(
        "CREATE TABLE p (id int PRIMARY KEY, boss int DEFAULT 7 REFERENCES p);"
        "CREATE TABLE c (pid int); INSERT INTO c SELECT generate_series(1, 7);",
        7,
        1,
    ),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", CASES)
async def test_do_and_undo(make_database: Callable[[str], str], open_folder: Path, name: str) -> None:
    case = CASES[name]
    conninfo = make_database(case.sql)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        seen = await case.seen(database, schema)
        assert (seen.found, seen.lost, seen.blockers) == (case.rows, case.lost, ())
        together = f"all {case.rows} rows change in one transaction: the new rows of public.p may refer to each other"
        assert (in_batches(schema, seen, 3) == together) is (case.parts == 1)
        done: list[int] = []
        outcome = await run(
            database,
            schema,
            seen,
            Journal(open_folder),
            limits=BATCHES,
            on_progress=lambda advance: done.append(advance.done),
        )
    assert outcome.ending is case.ending, outcome.words
    assert sum(each.inserted for each in outcome.effects) == case.rows == done[-1]
    assert len(done) == case.parts + 1
    backwards, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert (len(backwards.parts), backwards.conflicts) == (case.parts, ())
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


KINDS = {
    "int": "n",
    "numeric": "n / 2.0",
    "text": "chr(64 + n) || E'\\\\ \"''\\n'",
    "date": "date '2026-01-29' + n",
    "interval": "n * interval '-1 day 03:04:05'",
}
"""Types of a key, each with a value for a number `n`."""


def random_parents(random: Random) -> str:
    """Parents `p`, of which some are missing, children `c`, a source `s`; of columns `a` and `b`, and a unique `w`."""
    kinds = [random.choice([*KINDS]) for _ in "ab"]
    key = random.choice(["UNIQUE (a, b)", "UNIQUE (a, b)", "CHECK (true)"])
    unique = random.choice(["UNIQUE (w)", "CHECK (true)"])
    columns = f"a {kinds[0]}, b {kinds[1]}"
    made = [
        f"CREATE TABLE p ({columns}, w int{random.choice([' DEFAULT 4', ''])}, {key}, {unique})",
        f"CREATE TABLE c ({columns}, id int PRIMARY KEY)",
        f"CREATE TABLE s ({columns}, w int)",
    ]
    for table, rows, last in (("p", 3, "{0}"), ("s", 12, "{1}"), ("c", 20, "{2}")):
        for at in range(rows):
            values = [KINDS[kind].replace("n", str(random.randint(1, 4)), 1) for kind in kinds]
            if table == "c" and random.random() < 0.1:
                values[random.randrange(2)] = "NULL"
            third = last.format(100 + at, random.choice(["NULL", random.randint(99, 110)]), at)
            made.append(f"INSERT INTO {table} VALUES ({', '.join(values)}, {third}) ON CONFLICT DO NOTHING")
    return ";".join(made)


@pytest.mark.matrix
async def test_do_and_undo_of_random_parents(database_url: str, open_folder: Path) -> None:
    journal, in_several, lost = Journal(open_folder), 0, 0
    async with opened(database_url) as (database, _):
        for seed in range(12):
            random = Random(seed)  # noqa: S311 - no secret
            script = random_parents(random)
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                connection.execute(script.encode())
            was = hashes(database_url)
            action = random.choice([FixAction.INSERT_PARENTS, FixAction.BACKFILL])
            scope = random.choice([Scope.ORPHANS, Scope.GAP])
            case = Case("", 0, 0, edge="c(a, b):p(a, b)", action=action, asked={"scope": scope})
            schema = await read_schema(database)
            seen = await case.seen(database, schema)
            if not seen.found:
                continue
            size, label = random.randint(1, 4), f"seed {seed}: {action} {scope}"
            outcome = await run(database, schema, seen, journal, limits=replace(QUICK, batch_rows=size))
            assert outcome.ending in (Ending.DONE, Ending.REMAINING), f"{label}: {outcome.words}"
            assert sum(each.inserted for each in outcome.effects) == seen.found, label
            if action is FixAction.INSERT_PARENTS and not seen.lost:
                assert outcome.ending is Ending.DONE, f"{label}: {outcome.words}"
            undoing = await undo_preview(database, schema, journal, outcome.entry)
            assert undoing.conflicts == (), label
            undone = await undo(database, schema, undoing, journal, limits=QUICK)
            assert undone.ending is Ending.DONE, f"{label}: {undone.words}"
            assert hashes(database_url) == was, label
            in_several += len(undoing.parts) > 1
            lost += seen.lost > 0
    assert in_several > 3
    assert lost


async def test_a_stop_leaves_whole_batches(make_database: Callable[[str], str], open_folder: Path) -> None:
    case, stop = CASES["stubs"], asyncio.Event()
    conninfo = make_database(case.sql)
    was, journal = hashes(conninfo), Journal(open_folder)
    async with opened(conninfo) as (database, schema):
        seen = await case.seen(database, schema)
        assert in_batches(schema, seen, 3).startswith("25 rows go in batches of 3, each")
        assert in_batches(schema, seen) == ""
        stopped = await run(
            database,
            schema,
            seen,
            journal,
            limits=BATCHES,
            stop=stop,
            on_progress=lambda advance: stop.set() if advance.done == 6 else None,
        )
        assert (stopped.ending, stopped.words) == (Ending.STOPPED, "stopped; 6 of 25 rows of this step are done")
        assert stopped.after is not None
        assert stopped.after.orphans == 19
        assert journal.entries()[0].state is State.PART
        again = await run(database, schema, seen, journal, limits=BATCHES)
        assert (again.ending, again.effects) == (Ending.MOVED, ())
        rest = await run(database, schema, await case.seen(database, schema), journal, limits=BATCHES)
        assert rest.ending is Ending.DONE, rest.words
    for entry in (rest.entry, stopped.entry):
        _, undone = await take_back(conninfo, open_folder, entry)
        assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


LAST = "SELECT max(pid) FROM c WHERE pid NOT IN (SELECT id FROM p)"


# One parent comes by itself; an orphan goes, and its parent is not wanted any more.
@pytest.mark.parametrize("statement", [f"INSERT INTO p {LAST}", f"DELETE FROM c WHERE pid = ({LAST})"])
async def test_what_moves_between_two_batches_ends_it(
    make_database: Callable[[str], str], open_folder: Path, statement: str
) -> None:
    case = CASES["stubs"]
    conninfo = make_database(case.sql)

    def meddle(done: int) -> None:
        if done == 6:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute(statement.encode())

    async with opened(conninfo) as (database, schema):
        seen = await case.seen(database, schema)
        outcome = await run(
            database,
            schema,
            seen,
            Journal(open_folder),
            limits=replace(BATCHES, batch_rows=6),
            on_progress=lambda advance: meddle(advance.done),
        )
    assert outcome.ending is Ending.MOVED
    assert " rows changed, in place of " in outcome.words
    assert outcome.after is not None
    done = sum(each.inserted for each in outcome.effects)
    assert (done % 6, outcome.after.orphans) == (0, 24 - done)


async def test_rows_that_follow_in_the_same_table_stay_together(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    """Also where all of them are orphans that would go anyway."""
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pid int,"
        " boss int REFERENCES c ON DELETE CASCADE); INSERT INTO c SELECT n, n, CASE WHEN n > 1 THEN 1 END"
        " FROM generate_series(1, 7) n; ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;"
    )
    was = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        seen = await preview(database, schema, Request(edge_named(schema, "c.fk"), FixAction.DELETE))
        assert in_batches(schema, seen, 3) == (
            "all 7 rows change in one transaction: rows of public.c itself follow by foreign keys, and a batch would"
            " take them from the next"
        )
        outcome = await run(database, schema, seen, Journal(open_folder), limits=BATCHES)
        assert (outcome.ending, sum(each.deleted for each in outcome.effects)) == (Ending.DONE, 7), outcome.words
    backwards, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert (len(backwards.parts), undone.ending) == (1, Ending.DONE)
    assert hashes(conninfo) == was
