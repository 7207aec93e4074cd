"""Fixes of an edge that is for some rows of its child: they change no other row, and are taken back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, hashes, take_back
from tests.fixes.psqlrun import psql_of, run_script
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

EDGE = "comments(x_id):posts(id) [x_type='App\\Post''s']"
# Of the kind that is meant 5 to 8 have no parent; of another kind the same keys, and of none.
MAKE = r"""
CREATE TABLE posts (id int PRIMARY KEY);
CREATE TABLE comments (id serial PRIMARY KEY, x_type text, x_id int DEFAULT 1);
CREATE TABLE source (id int);
INSERT INTO posts SELECT generate_series(1, 4);
INSERT INTO source SELECT generate_series(1, 8);
INSERT INTO comments (x_type, x_id) SELECT kind, n FROM generate_series(1, 8) n,
 unnest(ARRAY[E'App\\Post''s', 'Photo', NULL]) kind;
"""
FIXES: list[tuple[FixAction, dict[str, Any], str]] = [
    (FixAction.DELETE, {}, "SELECT count(*) = 20 FROM comments"),
    (FixAction.SET_NULL, {}, "SELECT count(*) = 4 AND bool_and(x_type LIKE 'App%') FROM comments WHERE x_id IS NULL"),
    (FixAction.SET_DEFAULT, {}, "SELECT count(*) = 7 FROM comments WHERE x_id = 1"),
    (FixAction.REPOINT, {"key": ("2",)}, "SELECT count(*) = 7 FROM comments WHERE x_id = 2"),
    (FixAction.QUARANTINE, {}, "SELECT count(*) = 20 FROM comments"),
    (FixAction.INSERT_PARENTS, {}, "SELECT count(*) = 8 FROM posts"),
    (FixAction.BACKFILL, {"scope": Scope.ORPHANS}, "SELECT count(*) = 8 FROM posts"),
]


@pytest.mark.parametrize(("action", "asked", "right"), FIXES, ids=[action.value for action, _, _ in FIXES])
async def test_no_other_row_is_touched(
    make_database: Callable[[str], str], open_folder: Path, action: FixAction, asked: dict[str, Any], right: str
) -> None:
    conninfo = make_database(MAKE)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, schema):
        edge = await edge_or_pair(database, schema, EDGE)
        if action is FixAction.BACKFILL:
            asked = {**asked, "source": next(each.oid for each in schema.tables.values() if each.name == "source")}
        seen = await preview(database, schema, Request(edge, action, **asked))
        outcome = await run(database, schema, seen, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.DONE, outcome.words
        assert (await count_edge(database, schema, edge)).orphans == 0
    with psycopg.connect(conninfo) as connection:
        assert connection.execute(right.encode()).fetchone() == (True,)
        others = "SELECT count(*), sum(x_id) FROM comments WHERE x_type IS DISTINCT FROM E'App\\\\Post''s'"
        assert connection.execute(others).fetchone() == (16, 72)
    _, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


async def test_no_constraint_can_be_made_of_it(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(MAKE)) as (database, schema):
        edge = await edge_or_pair(database, schema, EDGE)
        found = {each.action: each for each in await choices(database, schema, edge, None)}
        assert not found[FixAction.DELETE].reason
        reason = found[FixAction.ADD_CONSTRAINT].reason
        assert reason == "a constraint binds every row, and this pair is for those with x_type = 'App\\Post''s' only"


async def test_a_script_touches_no_other_row(
    make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path
) -> None:
    conninfo = make_database(MAKE)
    async with opened(conninfo) as (database, schema):
        edge = await edge_or_pair(database, schema, EDGE)
        seen = await preview(database, schema, Request(edge, FixAction.DELETE))
        text = await script(database, schema, seen)
        ran = await run_script(psql_of(server.major), conninfo, text, tmp_path)
        assert ran.code == 0, ran
        assert (await count_edge(database, schema, edge)).orphans == 0
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT x_type, count(*), sum(x_id) FROM comments GROUP BY 1 ORDER BY 1").fetchall()
    assert found == [("App\\Post's", 4, 10), ("Photo", 8, 36), (None, 8, 36)]


async def test_a_column_of_several_kinds_keeps_its_type(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        MAKE + "ALTER TABLE posts ALTER id TYPE bigint; CREATE TABLE photos (id text PRIMARY KEY);"
    )
    async with opened(conninfo) as (database, schema):
        for pair, value in ((EDGE, "App\\Post''s"), ("comments(x_id):photos(id) [x_type=Photo]", "Photo")):
            edge = await edge_or_pair(database, schema, pair, incomparable=True)
            reason = f"a type is of every row, and this pair is for those with x_type = '{value}' only"
            found = {each.action: each for each in await choices(database, schema, edge, None)}
            assert found[FixAction.CHANGE_TYPE].reason == reason
            with pytest.raises(Trouble) as refused:
                await preview(database, schema, Request(edge, FixAction.CHANGE_TYPE))
            assert refused.value.reason == reason
            # The parent's column is of all its rows.
            seen = await preview(database, schema, Request(edge, FixAction.CHANGE_TYPE, side="parent"))
            assert "to integer" in seen.plan.steps[0].title
        # Without a condition it is for every row, and can be done.
        whole = await edge_or_pair(database, schema, "comments(x_id):photos(id)", incomparable=True)
        assert (await preview(database, schema, Request(whole, FixAction.CHANGE_TYPE))).plan.steps
