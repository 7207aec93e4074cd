"""Sampled keys and how many of them the parent has: exact where all were read, within limits, and honest where not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.inference.model import Guess, Inclusion
from fkexplorer.inference.sampling import read_samples
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.history import pair_of
from tests.orphans.connected import holding, new_role, opened, run
from tests.realdata import load_nycflights13

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Schema

MAX_BYTES = 1 << 30
MAKE = """
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE DOMAIN code AS varchar(20);
CREATE TABLE p (id int PRIMARY KEY, code varchar(20) UNIQUE, mail citext UNIQUE, a int, b text, bare int,
 UNIQUE (a, b));
INSERT INTO p SELECT g, 'c' || g, 'Mail' || g, g % 10, 'b' || g / 10, g FROM generate_series(1, 100) g;
CREATE TABLE dense (id int PRIMARY KEY); INSERT INTO dense SELECT generate_series(1, 5000);
CREATE TABLE denser (id int PRIMARY KEY); INSERT INTO denser SELECT generate_series(1, 9000);
CREATE TABLE sparse (id int PRIMARY KEY); INSERT INTO sparse SELECT 100 * generate_series(1, 500);
CREATE TABLE c (p int, code code, mail citext, a bigint, b text, kind text, "o""dd %" smallint);
INSERT INTO c SELECT g, 'c' || g, 'mAIL' || g, g % 10, 'b' || g / 10, CASE WHEN g > 60 THEN 'x' ELSE 'y' END, g
 FROM generate_series(51, 130) g;
INSERT INTO c SELECT NULL FROM generate_series(1, 50);
INSERT INTO c SELECT * FROM c;
CREATE TABLE large (p int, mail citext, kind text);
INSERT INTO large SELECT CASE WHEN g % 10 = 0 THEN -g ELSE 1 + g % 5000 END, 'Mail' || g % 150, 'k' || g % 2
 FROM generate_series(1, 60000) g;
CREATE TABLE nothing (p int);
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    """All these tables; nothing in the tests changes them."""
    return make_database(MAKE)


async def sampled(
    database: Database, schema: Schema, *pairs: str, seconds: float = 30, max_bytes: int = MAX_BYTES
) -> list[Inclusion]:
    """What is found of each of these pairs."""
    edges = [await edge_or_pair(database, schema, pair, incomparable=True) for pair in pairs]
    guesses = [Guess(edge, 0.5, ()) for edge in edges]
    samples, late = await read_samples(database, schema, guesses, seconds=seconds, max_bytes=max_bytes)
    assert late == ()
    return [samples[pair_of(edge)] for edge in edges]


@pytest.mark.parametrize(
    ("pair", "keys", "present", "also_in"),
    [
        ("c(p):p(id)", 80, 50, 2),
        ("c(p):dense(id)", 80, 80, 1),
        ("c(p):sparse(id)", 80, 1, 3),
        ("c(p):p(bare)", 80, 50, 2),
        ('c("o""dd %"):p(id)', 80, 50, 2),
        ("c(code):p(code)", 80, 50, 0),
        ("c(mail):p(mail)", 80, 50, 0),
        ("c(a, b):p(a, b)", 80, 50, 0),
        ("c(p):p(id) [kind=x]", 70, 40, 2),
        ("c(p):p(id) [kind=z]", 0, 0, 0),
        ("nothing(p):p(id)", 0, 0, 0),
        ("c(a):dense(id)", 10, 9, 2),
    ],
)
async def test_all_keys_of_a_small_child(url: str, pair: str, keys: int, present: int, also_in: int) -> None:
    async with opened(url) as (database, schema):
        [found] = await sampled(database, schema, pair)
    assert (found.keys, found.present, found.also_in, found.whole) == (keys, present, also_in, True)
    assert found.problem == ""
    assert abs(datetime.now(UTC) - found.at) < timedelta(minutes=1)


async def test_kinds_of_one_column_have_samples_of_their_own(url: str) -> None:
    async with opened(url) as (database, schema):
        x, y, every = await sampled(database, schema, *(f"c(p):p(id){kind}" for kind in (" [kind=x]", " [kind=y]", "")))
    assert [(each.keys, each.present) for each in (x, y, every)] == [(70, 40), (10, 10), (80, 50)]


async def test_some_keys_of_a_large_child(url: str) -> None:
    async with opened(url) as (database, schema):
        integers, texts = await sampled(database, schema, "large(p):dense(id)", "large(mail):p(mail)")
        [some] = await sampled(database, schema, "large(mail):p(mail) [kind=k1]")
    assert not integers.whole
    assert not texts.whole
    assert not some.whole
    assert 500 < integers.keys <= 1000
    assert 0 < integers.present < integers.keys
    assert 140 <= texts.keys <= 150
    assert 95 <= texts.present <= 100
    assert 70 <= some.keys <= 75
    assert 48 <= some.present <= 50


async def test_what_can_t_be_looked_up_says_why(url: str) -> None:
    async with new_role(url) as role:
        await run(url, f"GRANT SELECT ON p TO {role}; GRANT SELECT (code) ON c TO {role}")
        async with opened(url, role) as (database, schema):
            denied, allowed = await sampled(database, schema, "c(p):p(id)", "c(code):p(code)")
            assert denied.problem.startswith("no SELECT on public.c")
            assert (denied.keys, denied.present, allowed.keys, allowed.problem) == (0, 0, 80, "")
    async with opened(url) as (database, schema):
        bare, indexed = await sampled(database, schema, "c(p):p(bare)", "c(p):p(id)", max_bytes=1000)
        assert bare.problem == "no index of public.p finds its keys, and it is too large to be read without"
        assert indexed.keys == 80
        # What can't be compared is not asked about.
        edge = await edge_or_pair(database, schema, "c(code):p(id)", incomparable=True)
        assert await read_samples(database, schema, [Guess(edge, 0.5, ())], seconds=9, max_bytes=1) == ({}, ())
        async with holding(url, "LOCK TABLE dense"):
            locked, free = await sampled(database, schema, "c(p):dense(id)", "c(code):p(code)")
            assert locked.problem
            assert (locked.keys, free.keys) == (0, 80)


async def test_the_time_is_kept_and_what_it_left_out_is_told(url: str) -> None:
    async with opened(url) as (database, schema):
        pairs = [await edge_or_pair(database, schema, f"c(p):{name}(id)") for name in ("p", "dense")]
        guesses = [Guess(edge, 0.5, ()) for edge in pairs]
        samples, late = await read_samples(database, schema, guesses, seconds=0, max_bytes=MAX_BYTES)
        assert samples == {}
        assert late == ("The values of 2 pairs of columns were not looked at: the 0 s for that were over.",)
        _, [one] = await read_samples(database, schema, guesses[:1], seconds=0, max_bytes=MAX_BYTES)
        assert one.startswith("The values of 1 pair of columns were")


async def test_row_security_and_foreign_tables_are_said(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int); ALTER TABLE c ENABLE ROW LEVEL SECURITY;"
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE f (p int) SERVER s"
    )
    async with new_role(conninfo) as role:
        await run(conninfo, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        async with opened(conninfo, role) as (database, schema):
            hidden, remote = await sampled(database, schema, "c(p):p(id)", "f(p):p(id)")
    assert hidden.problem.startswith("row security hides rows of public.c")
    assert remote.problem == "public.f is a foreign table"


async def test_a_leaky_relationship_of_real_life(database_url: str) -> None:
    load_nycflights13(database_url)
    async with opened(database_url) as (database, schema):
        [tailnum] = await sampled(database, schema, "flights(tailnum):planes(tailnum)")
        edge = await edge_or_pair(database, schema, "flights(tailnum):planes(tailnum)")
        orphans = (await count_edge(database, schema, edge)).orphans
    assert orphans == 50094
    # Of all 4,043 tail numbers 3,322 are there: 82 %.
    assert tailnum.keys == 1000
    assert 700 < tailnum.present < 920


async def test_it_is_cancelled_at_once_and_nothing_runs_on(url: str) -> None:
    async with opened(url) as (database, schema):
        edge = await edge_or_pair(database, schema, "c(p):dense(id)")
        async with holding(url, "LOCK TABLE dense"):
            task = asyncio.create_task(
                read_samples(database, schema, [Guess(edge, 0.5, ())], seconds=30, max_bytes=MAX_BYTES)
            )
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        [after] = await sampled(database, schema, "c(p):dense(id)")
        assert after.keys == 80


async def test_a_lost_connection_is_trouble(url: str) -> None:
    async with opened(url) as (database, schema):
        edge = await edge_or_pair(database, schema, "c(p):dense(id)")
        async with holding(url, "LOCK TABLE dense"):
            task = asyncio.create_task(
                read_samples(database, schema, [Guess(edge, 0.5, ())], seconds=30, max_bytes=MAX_BYTES)
            )
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
                while not (await (await other.execute(WAITING)).fetchall()) and not task.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            with pytest.raises(Trouble):
                await task


WAITING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'fkexplorer'
"""
