"""Guesses of a connected database, from its catalogue and with its data."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.limits import Limits
from fkexplorer.inference import reading
from fkexplorer.inference.look import look
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label
from tests.orphans.connected import holding, opened
from tests.realdata import load_nycflights13

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.inference.model import Inference
    from fkexplorer.schema.model import Schema

MAX_BYTES = 1 << 30
MAKE = """
CREATE TABLE users (id uuid PRIMARY KEY, email text UNIQUE);
CREATE TABLE posts (id int PRIMARY KEY, user_id uuid NOT NULL, token text);
CREATE TABLE photos (id int PRIMARY KEY);
CREATE TABLE sessions (id int PRIMARY KEY, user_id text);
CREATE TABLE comments (id int PRIMARY KEY, commentable_type text, commentable_id int);
CREATE INDEX ON comments (commentable_type, commentable_id);
INSERT INTO users SELECT md5(g::text)::uuid, g FROM generate_series(1, 50) g;
INSERT INTO posts SELECT g, md5(g::text)::uuid FROM generate_series(1, 60) g;
INSERT INTO photos SELECT 1000 + g FROM generate_series(1, 60) g;
INSERT INTO sessions SELECT g, md5(g::text)::uuid FROM generate_series(1, 60) g;
INSERT INTO comments
 SELECT g, CASE WHEN g % 2 = 0 THEN 'Post' ELSE 'Photo' END, CASE WHEN g % 2 = 0 THEN g ELSE 1000 + g END
 FROM generate_series(1, 70) g;
CREATE VIEW written AS SELECT p.id, u.email FROM posts p JOIN users u ON u.id = p.user_id;
ANALYZE;
"""


def told(schema: Schema, inference: Inference) -> dict[str, bool]:
    """The guesses by their names, and whether each is shown."""
    return {edge_label(schema, guess.edge): guess.shown for guess in inference.guesses}


async def test_with_data_and_without(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(MAKE)) as (database, schema):
        plain = await look(database, schema, data=False, seconds=10, max_bytes=MAX_BYTES)
        found = await look(database, schema, data=True, seconds=10, max_bytes=MAX_BYTES)
        assert plain.problems == found.problems == ()
        assert all(guess.inclusion is None for guess in plain.guesses)
        by_name = {edge_label(schema, guess.edge): guess for guess in found.guesses}
        posts = by_name["public.posts(user_id):public.users(id)"]
        assert posts.shown
        assert posts.inclusion is not None
        assert (posts.inclusion.present, posts.inclusion.keys, posts.inclusion.whole) == (50, 60, True)
        # What can't be compared is guessed by its name alone.
        assert by_name["public.sessions(user_id):public.users(id)"].inclusion is None
        for kind, table, orphans in (("Post", "posts", 5), ("Photo", "photos", 5)):
            name = f"public.comments(commentable_id):public.{table}(id) [commentable_type={kind}]"
            inclusion = by_name[name].inclusion
            assert inclusion is not None
            assert (inclusion.keys, inclusion.keys - inclusion.present) == (35, orphans)
            # A guess is an edge as any other.
            assert by_name[name].edge.kind is EdgeKind.INFERRED
            assert (await count_edge(database, schema, by_name[name].edge)).orphans == orphans
        # An edge that is known is not guessed again.
        known = replace(schema, edges={posts.edge.oid: replace(posts.edge, kind=EdgeKind.CONFIGURED)})
        again = await look(database, known, data=True, seconds=10, max_bytes=MAX_BYTES)
        assert "public.posts(user_id):public.users(id)" not in told(known, again)


async def test_what_time_and_locks_keep_from_it_is_told(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MAKE)
    async with opened(conninfo) as (database, schema):
        late = await look(database, schema, data=True, seconds=0, max_bytes=MAX_BYTES)
        assert any("were not looked at" in problem for problem in late.problems)
        assert told(schema, late)["public.posts(user_id):public.users(id)"]
        async with holding(conninfo, "LOCK TABLE users"):
            locked = await look(database, schema, data=True, seconds=10, max_bytes=MAX_BYTES)
        assert any(problem.startswith("The text of views could not be read") for problem in locked.problems)
        [posts] = [guess for guess in locked.guesses if schema.child_of(guess.edge).name == "posts"]
        assert posts.inclusion is not None
        assert posts.inclusion.problem


async def test_the_flights(database_url: str) -> None:
    load_nycflights13(database_url)
    async with opened(database_url) as (database, schema):
        bare = replace(schema, edges={})
        found = await look(database, bare, data=True, seconds=20, max_bytes=MAX_BYTES)
        shown = {edge_label(bare, guess.edge) for guess in found.shown}
        declared = {edge_label(schema, replace(edge, kind=EdgeKind.CONFIGURED)) for edge in schema.edges.values()}
        assert "public.flights(tailnum):public.planes(tailnum)" in shown
        assert len(shown & declared) >= 5
        assert len(shown - declared) <= 1


async def test_it_is_cancelled_at_once(make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LIMITS", Limits(statement_timeout_ms=60_000, lock_timeout_ms=60_000))
    conninfo = make_database(MAKE)
    async with opened(conninfo) as (database, schema):
        async with holding(conninfo, "LOCK TABLE users, posts"):
            task = asyncio.create_task(look(database, schema, data=True, seconds=60, max_bytes=MAX_BYTES))
            async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as other:
                while not await (await other.execute(_WAITING)).fetchall():  # noqa: ASYNC110 - it is another session
                    await asyncio.sleep(0.002)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not await (await other.execute(_WAITING)).fetchall()
        assert (await look(database, schema, data=True, seconds=60, max_bytes=MAX_BYTES)).problems == ()


_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'fkexplorer'
"""
