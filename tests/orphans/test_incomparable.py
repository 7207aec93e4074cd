"""Pairs that no operator compares: what does not cast is counted apart from the orphans, or it is said why not."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Count, Status
from fkexplorer.orphans.monitor import MonitorOptions
from fkexplorer.orphans.pipeline import Pipeline
from tests.orphans.connected import holding, new_role, opened, run
from tests.orphans.watched import EVERY, Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

UUID = "11111111-1111-1111-1111-11111111111{0}"
MAKE = f"""
CREATE TABLE users (id uuid PRIMARY KEY, n int UNIQUE, code varchar(3) UNIQUE, day date UNIQUE);
INSERT INTO users SELECT replace('{UUID}', '{{0}}', g::text)::uuid, g, 'c' || g, date '2026-01-01' + g
 FROM generate_series(1, 4) g;
CREATE TABLE sessions (id int, user_id text, n numeric, number text, code int, day text, kind text, two int);
INSERT INTO sessions (id, user_id, number, kind) VALUES
 (1, '{UUID.format(1)}', '1', 'a'), (2, upper('{UUID.format(2)}'), ' 2 ', 'a'), (3, '{UUID.format(7)}', '7', 'a'),
 (4, '{UUID.format(8)}', '8', 'b'), (5, 'nobody', '1x', 'a'), (6, '', '99999999999', 'b'), (7, NULL, NULL, 'a'),
 (8, '{{{UUID.format(3)}}}', '+3', 'b');
UPDATE sessions SET code = id, two = id, day = '2026-01-0' || id;
"""


async def both(database: Database, schema: Schema, edge: Relationship, *, trust: bool = True) -> Count:
    """The count by itself, which has to be that of a window too."""
    window: list[Count] = []
    pipeline = Pipeline(database, replace(schema, edges={edge.oid: edge}))
    await pipeline.run({edge.oid: trust}, window.append, lambda *_: None)
    alone = await count_edge(database, schema, edge, trust_catalogue=trust)
    [counted] = window
    told = ("status", "orphans", "uncastable", "orphans_if_cast", "error")
    assert [getattr(alone, name) for name in told] == [getattr(counted, name) for name in told]
    assert (alone.status, alone.orphans, alone.known) == (Status.INCOMPARABLE, None, False)
    assert (await count_edge(database, schema, edge, full=True, slow=True, trust_catalogue=trust)).error == alone.error
    return alone


@pytest.mark.matrix
async def test_both_are_counted_apart(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(MAKE)) as (database, schema):
        for pair, uncastable, orphans in (
            ("sessions(user_id):users(id)", 2, 2),
            ("sessions(user_id):users(id) [kind=a]", 1, 1),
            ("sessions(user_id):users(id) [kind=c]", 0, 0),
            ("sessions(number):users(n)", 2, 2),
            ("sessions(code):users(code)", 0, 8),
            ("sessions(user_id, two):users(id, n)", 2, 3),
        ):
            edge = await edge_or_pair(database, schema, pair, incomparable=True)
            count = await both(database, schema, edge)
            assert (pair, count.uncastable, count.orphans_if_cast) == (pair, uncastable, orphans)
            assert count.snapshot
        edge = await edge_or_pair(database, schema, "sessions(day):users(day)", incomparable=True)
        count = await both(database, schema, edge)
        if database.facts.version_number >= 160000:
            assert (count.uncastable, count.orphans_if_cast) == (0, 4)
        else:
            assert (count.uncastable, count.orphans_if_cast) == (None, None)
            assert count.error is not None
            assert count.error.endswith(
                "what casts is not known: PostgreSQL 16 is the first that tells without an error"
            )


async def test_what_stands_in_the_way_is_told_in_place_of_numbers(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MAKE)
    async with new_role(conninfo) as role:
        await run(conninfo, f"GRANT SELECT ON users TO {role}")
        async with opened(conninfo, role) as (database, schema):
            edge = await edge_or_pair(database, schema, "sessions(user_id):users(id)", incomparable=True)
            for trust in (True, False):
                count = await both(database, schema, edge, trust=trust)
                assert (count.uncastable, count.orphans_if_cast) == (None, None)
                assert count.error == (
                    "no operator compares uuid with text, and what casts is not known: no SELECT on public.sessions:"
                    f" GRANT SELECT ON public.sessions TO {role}"
                )
    async with opened(conninfo) as (database, schema), holding(conninfo, "LOCK TABLE sessions"):
        edge = await edge_or_pair(database, schema, "sessions(user_id):users(id)", incomparable=True)
        count = await count_edge(database, schema, edge, timeout_seconds=0.3)
        assert (count.status, count.uncastable, count.orphans_if_cast) == (Status.INCOMPARABLE, None, None)
        assert count.error is not None
        assert "what casts is not known: the " in count.error


async def test_the_demos_sessions(database_url: str) -> None:
    build_demo(database_url)
    async with opened(database_url) as (database, schema):
        edge = await edge_or_pair(database, schema, "nextauth.sessions(user_id):nextauth.users(id)", incomparable=True)
        count = await both(database, schema, edge)
        assert (count.uncastable, count.orphans_if_cast) == (3, 5)
        assert count.error == "no operator compares uuid with text: 3 rows do not cast, 5 would be orphans"


async def test_both_are_counted_again_when_rows_change(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MAKE)
    async with opened(conninfo) as (database, schema):
        pairs = ("sessions(user_id):users(id)", "sessions(number):users(n) [kind=b]")
        edges = [await edge_or_pair(database, schema, pair, incomparable=True) for pair in pairs]
        known = replace(schema, edges={edge.oid: edge for edge in edges})
        told = Watched(database, known, MonitorOptions(every=EVERY))
        told.monitor.count_all()
        running = asyncio.create_task(told.monitor.run())

        def numbers() -> list[tuple[int | None, int | None]]:
            found = [told.monitor.counts.get(edge.oid) for edge in edges]
            return [(count.uncastable, count.orphans_if_cast) if count else (None, None) for count in found]

        await told.until(lambda: numbers() == [(2, 2), (1, 1)])
        await run(conninfo, "INSERT INTO sessions (user_id) VALUES ('someone')")
        await told.until(lambda: numbers() == [(3, 2), (1, 1)])
        await run(conninfo, f"INSERT INTO users VALUES ('{UUID.format(7)}', 8)")
        await told.until(lambda: numbers() == [(3, 1), (1, 0)])
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
