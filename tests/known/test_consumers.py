"""What is configured is no constraint: a fix of another edge, its undo and a delete know nothing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.known import NotedPair
from fkexplorer.config.settings import Settings
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.known.bind import bind
from fkexplorer.orphans.changes import Watcher
from fkexplorer.reports.sentence import edge_detail, sentence
from fkexplorer.reports.style import plain
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import find_edges
from tests.fixes.byhand import QUICK, hashes
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Preview
    from fkexplorer.schema.model import Schema

SCRIPT = """
CREATE TABLE users (id int PRIMARY KEY, boss int);
CREATE TABLE posts (id int PRIMARY KEY, author int, editor int, tag text);
CREATE TABLE notes (id int PRIMARY KEY, post int, mark text);
INSERT INTO users VALUES (1, 1), (2, 9);
INSERT INTO posts VALUES (1, 1, 1, 'x'), (2, 7, 2, 'y'), (3, 1, 8, 'z'), (4, 7, 9, NULL);
INSERT INTO notes VALUES (1, 1, '1'), (2, 3, 'u'), (3, 99, '3');
ALTER TABLE posts ADD CONSTRAINT editors FOREIGN KEY (editor) REFERENCES users NOT VALID;
"""
PAIRS = (
    "posts(author):users(id)",
    "users(boss):users(id)",
    "notes(post):posts(id)",
    "notes(mark):posts(id)",
    "posts(tag):notes(mark)",
)
"""One on either side of each table, one that can't be compared, and one whose parent has no key."""


async def known(database: Database, schema: Schema) -> Schema:
    """The schema with those pairs."""
    return (
        await bind(database, schema, Settings(relationships=tuple(NotedPair(pair, "f:1") for pair in PAIRS)))
    ).schema


def told(found: Preview) -> object:
    """All of a preview but its times."""
    samples = [page and page.rows for page in (found.before, found.after)]
    return replace(found, as_of=None, seconds=0.0, before=None, after=None), samples  # type: ignore[arg-type]


@pytest.mark.parametrize("action", [FixAction.DELETE, FixAction.SET_NULL, FixAction.INSERT_PARENTS])
async def test_another_edge_s_fix_and_its_undo(
    make_database: Callable[[str], str], tmp_path: Path, action: FixAction
) -> None:
    conninfo = make_database(SCRIPT)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, plain_schema):
        schema = await known(database, plain_schema)
        assert len(schema.edges) == 1 + len(PAIRS)
        [edge] = find_edges(schema, "editors")
        found = [await preview(database, each, Request(edge, action)) for each in (plain_schema, schema)]
        assert told(found[0]) == told(found[1])
        journal = Journal(tmp_path)
        for doing, undoing in ((schema, plain_schema), (plain_schema, schema), (schema, schema)):
            seen = await preview(database, doing, Request(edge, action))
            outcome = await run(database, doing, seen, journal, limits=QUICK)
            assert outcome.ending is Ending.DONE, outcome.words
            assert hashes(conninfo) != was
            back = await undo_preview(database, undoing, journal, outcome.entry)
            assert back.conflicts == ()
            undone = await undo(database, undoing, back, journal, limits=QUICK)
            assert undone.ending is Ending.DONE, undone.words
            assert hashes(conninfo) == was


async def test_a_fix_of_the_pair_itself(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(SCRIPT)
    was = hashes(conninfo)
    async with opened(conninfo) as (database, plain_schema):
        schema = await known(database, plain_schema)
        [edge] = find_edges(schema, "posts(author):users(id)")
        journal = Journal(tmp_path)
        seen = await preview(database, schema, Request(edge, FixAction.DELETE))
        assert [each.deleted for each in seen.effects] == [2]
        outcome = await run(database, schema, seen, journal, limits=QUICK)
        assert outcome.ending is Ending.DONE, outcome.words
        for undoing in (plain_schema, schema):
            assert (await undo_preview(database, undoing, journal, outcome.entry)).conflicts == ()
        back = await undo_preview(database, schema, journal, outcome.entry)
        assert (await undo(database, schema, back, journal, limits=QUICK)).ending is Ending.DONE
        assert hashes(conninfo) == was


async def test_the_graph_the_words_and_the_looks(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(SCRIPT)) as (database, plain_schema):
        schema = await known(database, plain_schema)
        users = next(table.oid for table in schema.tables.values() if table.name == "users")
        reach = Graph(schema).delete_closure(users)
        assert {schema.edges[each.edge].name for each in reach if each.action is not None} == {"editors"}
        [edge] = find_edges(schema, "posts(author)")
        assert sentence(schema, edge) == (
            "a post may refer to one user by author; no constraint says so: deleting a user leaves the posts that"
            " refer to it behind"
        )
        lines = [plain(line) for line in edge_detail(schema, edge, None, now=schema.loaded_at, cycle=None)]
        assert lines[0] == "configured  no constraint binds it"
        assert not any("cycle" in line or '""' in line for line in lines)
        watcher = Watcher(database)
        look, details = await watcher.first_look(schema)
        assert look.at > 0
        assert details.counters is not None
        assert {edge.child for edge in schema.edges.values()} <= details.counters.keys()
