"""Guesses as edges of a schema: comparable as fast as others, for as long as nobody vouches for their columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.config.known import NotedPair
from fkexplorer.config.settings import Settings
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.inference.look import look
from fkexplorer.known.guessing import not_rejected, with_guesses
from fkexplorer.orphans.turns import Prices
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label
from fkexplorer.schema.undeclared import without_guesses
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.inference.model import Guess
    from fkexplorer.schema.model import Schema

MAKE = """
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE posts (id int PRIMARY KEY, user_id int, editor_id int REFERENCES users);
CREATE TABLE photos (id int PRIMARY KEY);
CREATE TABLE comments (id int PRIMARY KEY, subject_type text NOT NULL, subject_id int NOT NULL);
CREATE INDEX ON comments (subject_id);
INSERT INTO users SELECT generate_series(1, 30);
INSERT INTO posts SELECT n, n FROM generate_series(1, 30) n;
INSERT INTO photos SELECT generate_series(1, 30);
INSERT INTO comments SELECT n, CASE WHEN n % 2 = 0 THEN 'Post' ELSE 'Photo' END, n FROM generate_series(1, 30) n;
"""
USER = "public.posts(user_id):public.users(id)"
KINDS = {
    f"public.comments(subject_id):public.{table}(id) [subject_type={kind}]"
    for table, kind in (("posts", "Post"), ("photos", "Photo"))
}


def labels(schema: Schema, guesses: tuple[Guess, ...]) -> set[str]:
    return {edge_label(schema, each.edge) for each in guesses}


async def test_guesses_become_edges_and_give_way(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE)
    async with opened(url) as (database, schema):
        found = await look(database, schema, data=True, seconds=10, max_bytes=1 << 30)
        guesses = found.shown
        assert labels(schema, guesses) == {USER, *KINDS}
        drawn = await with_guesses(database, schema, guesses)
        made = {edge_label(drawn, edge): edge for edge in drawn.edges.values() if edge.kind is EdgeKind.INFERRED}
        assert made.keys() == {USER, *KINDS}
        assert {edge.oid for edge in made.values()} == {each.edge.oid for each in guesses}
        # What the fast ways of counting take is there, which a guess by itself has not.
        assert all(pair.orders for edge in made.values() for pair in edge.pairs)
        assert without_guesses(drawn) == schema
        assert without_guesses(schema) is schema
        # Their turn is after all that somebody vouches for.
        prices = Prices(drawn, 1 << 30)
        declared = max(prices.score(oid) for oid in schema.edges)
        assert all(prices.score(edge.oid) > declared for edge in made.values())

        # Of a polymorphic pair one kind is rejected, or all kinds of that parent.
        photos, posts = sorted(KINDS)
        for pair, left in ((photos, {USER, posts}), (posts.partition(" [")[0], {USER, photos})):
            kept = not_rejected(schema, Settings(rejected=(NotedPair(pair, "file:1"),)), guesses)
            assert labels(schema, kept) == left

        # Known by now, of another type, or gone: it is drawn no more.
        configured = replace(made[USER], kind=EdgeKind.CONFIGURED)
        again = await with_guesses(database, replace(schema, edges={configured.oid: configured}), guesses)
        assert again.edges[configured.oid].kind is EdgeKind.CONFIGURED
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER TABLE posts ALTER user_id TYPE bigint")
            connection.execute("DROP TABLE photos")
        later = await with_guesses(database, await read_schema(database), guesses)
        assert {edge_label(later, edge) for edge in later.edges.values() if edge.kind is EdgeKind.INFERRED} == {
            each for each in KINDS if "posts" in each
        }
        assert await with_guesses(database, schema, ()) is schema
