"""Several edges of one child counted in one scan: each as exactly as alone, all of one state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.orphans import course, shared, slices, turns
from fkexplorer.orphans.model import Bound, Status, Way
from fkexplorer.orphans.predicate import EdgePredicate, count_statement
from fkexplorer.orphans.queue import CountQueue
from fkexplorer.orphans.shared import count_together, together
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Count, Progress
    from fkexplorer.schema.model import Relationship, Schema

PARENTS = """
CREATE TABLE users (id int4 PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 5000);
CREATE TABLE holes (id int8 PRIMARY KEY);
INSERT INTO holes SELECT n * 3 - 3000 FROM generate_series(1, 5000) n;
CREATE TABLE small (id int2 PRIMARY KEY);
INSERT INTO small SELECT generate_series(-100, 100);
CREATE TABLE none (id int8 PRIMARY KEY);
CREATE TABLE words (id text PRIMARY KEY);
CREATE TABLE keyed (id int8 PRIMARY KEY);
"""
# Each column of the child: its type, its value in the row with number n, and its parent.
COLUMNS = {
    "made_by": ("int4", "n % 5100", "users"),
    "read_by": ("int8", "CASE WHEN n % 9 = 0 THEN 9223372036854775807 WHEN n % 7 > 0 THEN n % 5000 END", "users"),
    "sent_by": ("int2", "n % 5000 + 1", "users"),
    "hole": ("int4", "n - 10000", "holes"),
    "wide": ("int8", "CASE n % 3 WHEN 0 THEN -9223372036854775808 ELSE n * 3 END", "holes"),
    "tiny": ("int8", "n % 300 - 150", "small"),
    "nobody": ("int4", "CASE WHEN n % 2 = 0 THEN n END", "none"),
    "word": ("text", "n::text", "words"),
    "indexed": ("int8", "n", "keyed"),
    "single": ("int8", "n", "keyed"),
}
CHILD = f"""
CREATE TABLE c ({", ".join(f"{name} {type_}" for name, (type_, _, _) in COLUMNS.items())}, pad text);
INSERT INTO c SELECT {", ".join(f"({value})::{type_}" for type_, value, _ in COLUMNS.values())}, 'x'
 FROM generate_series(1, 24000) n;
DELETE FROM c WHERE tiny % 11 = 5;
UPDATE c SET made_by = made_by WHERE tiny % 13 = 5;
CREATE INDEX ON c (indexed);
CREATE UNIQUE INDEX ON c (single);
{"".join(f"ALTER TABLE c ADD CONSTRAINT {name} FOREIGN KEY ({name}) REFERENCES {parent} NOT VALID;"
         for name, (_, _, parent) in COLUMNS.items())}
"""  # fmt: skip
SHARED = COLUMNS.keys() - {"word", "indexed", "single"}


@pytest.fixture(autouse=True)
def _small_tables_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_WORTH_MS", 0.0)


@pytest.fixture(scope="module")
def shared_url(make_database: Callable[[str], str]) -> str:
    """A database with those tables."""
    conninfo = make_database(PARENTS + CHILD)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return conninfo


def _named(schema: Schema, *names: str) -> list[Relationship]:
    edges = {edge.name: edge for edge in schema.edges.values()}
    return [edges[name] for name in names]


async def _truth(database: Database, schema: Schema, edges: list[Relationship]) -> list[int]:
    """What the predicate as it stands finds of each."""
    async with database.read() as connection:
        return [
            (
                await connection.execute(count_statement(EdgePredicate(schema, edge), database.facts.version_number))
            ).one()[0]
            for edge in edges
        ]


@pytest.mark.matrix
async def test_all_that_qualify_are_counted_as_exactly_as_alone(shared_url: str) -> None:
    async with opened(shared_url) as (database, schema):
        [group] = together(schema, schema.edges.values())
        assert {edge.name for edge in group} == SHARED
        counts = await count_together(database, schema, group)
        assert [count.edge for count in counts] == [edge.oid for edge in group]
        assert [count.orphans for count in counts] == await _truth(database, schema, group)
        assert sum(count.orphans > 0 for count in counts if count.orphans is not None) >= 5
        assert len({count.snapshot for count in counts}) == 1
        assert {count.way for count in counts} >= {Way.RANGE, Way.BITMAP}
        assert all((count.bound, count.unchecked, count.error) == (Bound.EXACT, 0, None) for count in counts)


@pytest.mark.matrix
async def test_what_the_scan_does_not_tell_is_counted_otherwise_in_its_snapshot(database_url: str) -> None:
    await run(database_url, PARENTS + CHILD)
    await run(database_url, "VACUUM ANALYZE")
    async with opened(database_url) as (database, schema):
        # What the catalogue knew is true no more: one has holes now, and one spans nearly all integers.
        await run(
            database_url,
            "SET session_replication_role = replica; DELETE FROM users WHERE id % 10 = 3;"
            "INSERT INTO holes VALUES (-9223372036854775808), (9223372036854775807)",
        )
        edges = _named(schema, "made_by", "sent_by", "hole", "wide", "tiny")
        counts = await count_together(database, schema, edges)
        assert [count.orphans for count in counts] == await _truth(database, schema, edges)
        assert [count.way for count in counts] == [Way.BITMAP] * 2 + [Way.PLAIN] * 2 + [Way.RANGE]
        assert len({count.snapshot for count in counts}) == 1


@pytest.mark.parametrize("what", ["an index", "one edge", "few rows", "other children"])
async def test_edges_that_do_not_share_a_scan(database_url: str, what: str) -> None:
    rows = 100 if what == "few rows" else 24000
    await run(
        database_url,
        f"""
        CREATE TABLE p (id int PRIMARY KEY);
        INSERT INTO p SELECT generate_series(1, 100);
        CREATE TABLE c (a int REFERENCES p, b int);
        CREATE TABLE d (a int REFERENCES p);
        INSERT INTO c SELECT n % 100 + 1, n % 100 + 1 FROM generate_series(1, {rows}) n;
        INSERT INTO d SELECT n % 100 + 1 FROM generate_series(1, {rows}) n;
        """,
    )
    if what in {"an index", "few rows"}:
        await run(database_url, "ALTER TABLE c ADD FOREIGN KEY (b) REFERENCES p")
    if what == "an index":
        await run(database_url, "CREATE INDEX ON c (b)")
    await run(database_url, "ANALYZE")
    async with opened(database_url) as (_, schema):
        edges = list(schema.edges.values())
        assert together(schema, edges[:1] if what == "one edge" else edges) == []
        assert len(edges) == 2 + (what in {"an index", "few rows"})


async def test_a_child_with_many_edges_is_scanned_more_than_once(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_MOST", 2)
    async with opened(shared_url) as (_, schema):
        groups = together(schema, schema.edges.values())
    # The seventh is alone.
    assert [len(group) for group in groups] == [2, 2, 2]


async def test_progress_of_each_edge_and_a_lower_bound_at_the_limit(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "_PIECE", 0.0)
    monkeypatch.setattr(slices, "_BLOCKS", 16)
    monkeypatch.setattr(course, "FIRST", 0.0)
    monkeypatch.setattr(course, "_EVERY", 0.0)
    told: list[Progress] = []
    async with opened(shared_url) as (database, schema):
        edges = _named(schema, "read_by", "hole")
        whole = await count_together(database, schema, edges, on_progress=told.append)
        assert {progress.edge for progress in told} == {edge.oid for edge in edges}
        assert len(told) > 10
        short = await count_together(database, schema, edges, snapshot_seconds=0.0)
        for count, exact in zip(short, whole, strict=True):
            assert exact.orphans is not None
            assert exact.bound is Bound.EXACT
            assert (count.status, count.bound) == (Status.ORPHANS, Bound.LOWER)
            assert count.orphans in range(1, exact.orphans)
            assert count.error is not None


async def test_an_edge_that_may_not_be_counted_keeps_no_other_from_it(shared_url: str) -> None:
    async with new_role(shared_url) as role:
        await run(shared_url, f"GRANT SELECT ON users, small, c TO {role}")
        async with opened(shared_url, role) as (database, schema):
            edges = _named(schema, "made_by", "hole", "tiny")
            for trust in (True, False):
                counts = await count_together(database, schema, edges, trust_catalogue=trust)
                assert [count.status for count in counts] == [Status.ORPHANS, Status.DENIED, Status.ORPHANS]
                assert [count.edge for count in counts] == [edge.oid for edge in edges]


async def test_a_queue_counts_in_one_scan_what_waits_for_it(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SMALL_MS", 0.0)
    counts: dict[str, Count] = {}
    async with opened(shared_url) as (database, schema):
        names = {edge.oid: edge.name for edge in schema.edges.values()}
        queue = CountQueue(
            database,
            schema,
            on_start=lambda _: None,
            on_count=lambda count: counts.update({names[count.edge]: count}),
        )
        queue.add_all()
        # Out of the queue before its turn: the others have a number all the same.
        queue.stop(_named(schema, "hole")[0].oid)
        running = asyncio.create_task(queue.run())
        await queue.idle()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        edges = _named(schema, *COLUMNS)
        assert [
            count.orphans for count in (counts[edge.name] for edge in edges if edge.name != "hole")
        ] == await _truth(database, schema, [edge for edge in edges if edge.name != "hole"])
    assert counts["hole"].status is Status.STOPPED
    assert len({(counts[name].snapshot, counts[name].as_of) for name in SHARED - {"hole"}}) == 1
    assert len({(count.snapshot, count.as_of) for count in counts.values()}) > 2


async def test_who_is_stopped_in_a_scan_takes_no_other_with_it(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SMALL_MS", 0.0)
    counts: dict[str, list[Count]] = {}
    async with opened(shared_url) as (database, schema):
        names = {edge.oid: edge.name for edge in schema.edges.values()}

        def on_start(oid: int) -> None:
            # The last of the group: all of them run by now.
            if names[oid] in {"made_by", "hole"} and {names[each] for each in queue.running} >= {"made_by", "hole"}:
                queue.stop(_named(schema, "made_by")[0].oid)

        queue = CountQueue(
            database,
            schema,
            on_start=on_start,
            on_count=lambda count: counts.setdefault(names[count.edge], []).append(count),
        )
        queue.add_all(edge.oid for edge in _named(schema, "made_by", "hole"))
        running = asyncio.create_task(queue.run())
        await queue.idle()
        # Whoever is the only one left is stopped on the server.
        queue.add_all(edge.oid for edge in _named(schema, "tiny", "hole"))
        while len(queue.running) < 2:  # noqa: ASYNC110 - one turn of the loop, or two
            await asyncio.sleep(0)
        queue.stop_all()
        await queue.idle()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [count.status for count in counts["made_by"]] == [Status.STOPPED]
    assert [count.status for count in counts["hole"]] == [Status.ORPHANS, Status.STOPPED]
    assert [count.status for count in counts["tiny"]] == [Status.STOPPED]
