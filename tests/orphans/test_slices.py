"""Counts piece by piece: as exact as at once, told of on the way, gentle, and never longer than they may."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.limits import Limits
from fkexplorer.orphans import counter, course, slices
from fkexplorer.orphans.cost import estimated_ms
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.course import Course
from fkexplorer.orphans.estimate import estimate_edge
from fkexplorer.orphans.model import Bound, Status, Way
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.slices import Pace, Unfit, count_in_slices
from fkexplorer.orphans.watchdog import Watch
from fkexplorer.orphans.ways.choice import counting
from tests.orphans.connected import edge_of, opened, run
from tests.orphans.slow import ORPHANS, SLOW, slowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Progress
    from fkexplorer.schema.model import Relationship, Schema

# For each table what it is: its columns, where its key is from, and how many of the 2,000 rows are orphans.
TABLES = """
CREATE TABLE pi (id int8 PRIMARY KEY);
INSERT INTO pi SELECT n FROM generate_series(1, 1000) n;
CREATE TABLE holes (id int4 PRIMARY KEY);
INSERT INTO holes SELECT n * 3 FROM generate_series(-300, 300) n;
CREATE TABLE pt (id text PRIMARY KEY);
INSERT INTO pt SELECT md5(n::text) FROM generate_series(1, 1000) n;
CREATE TABLE pp (a int, b text, PRIMARY KEY (a, b));
INSERT INTO pp SELECT n % 20, n::text FROM generate_series(1, 1000) n;
CREATE TABLE none (id int8 PRIMARY KEY);
CREATE TABLE parted (id int8 PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE parted0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted SELECT n FROM generate_series(1, 1000) n;

CREATE TABLE dense (k int8, pad text);
INSERT INTO dense SELECT nullif(n % 1100, 7), repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON dense (k);
CREATE TABLE gappy (k int4, pad text);
INSERT INTO gappy SELECT n - 1000, repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON gappy (k);
CREATE TABLE texts (k text, pad text);
INSERT INTO texts SELECT md5((n % 1500)::text), repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON texts (k);
CREATE TABLE pairs (a int, b text, pad text);
INSERT INTO pairs SELECT nullif(n % 21, 5), (n % 1200)::text, repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON pairs (a, b);
CREATE TABLE full_pairs (a int, b text, pad text);
INSERT INTO full_pairs SELECT * FROM pairs UNION ALL SELECT NULL, NULL, NULL FROM generate_series(1, 50);
CREATE TABLE lonely (k int8, pad text);
INSERT INTO lonely SELECT n, repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON lonely (k);
CREATE TABLE parts (k int8, pad text) PARTITION BY RANGE (k);
CREATE TABLE parts0 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (100) TO (2000);
CREATE TABLE parts2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT nullif(n, 1500), repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON parts (k);
DELETE FROM dense WHERE k % 7 = 0;
UPDATE gappy SET k = k + 1 WHERE k % 5 = 0;

SET session_replication_role = replica;
ALTER TABLE dense ADD FOREIGN KEY (k) REFERENCES pi NOT VALID;
ALTER TABLE gappy ADD FOREIGN KEY (k) REFERENCES holes NOT VALID;
ALTER TABLE texts ADD FOREIGN KEY (k) REFERENCES pt NOT VALID;
ALTER TABLE pairs ADD FOREIGN KEY (a, b) REFERENCES pp NOT VALID;
ALTER TABLE full_pairs ADD FOREIGN KEY (a, b) REFERENCES pp MATCH FULL NOT VALID;
ALTER TABLE lonely ADD FOREIGN KEY (k) REFERENCES none NOT VALID;
"""
# A partitioned child of servers before 18 can have no constraint that is not valid.
PARTITIONED = """
SET session_replication_role = replica;
ALTER TABLE parted DISABLE TRIGGER ALL;
INSERT INTO parted SELECT n FROM generate_series(1001, 2000) n;
ALTER TABLE parts ADD FOREIGN KEY (k) REFERENCES parted;
DELETE FROM parted WHERE id > 1000 AND id % 3 = 0;
ALTER TABLE parted ENABLE TRIGGER ALL;
"""


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is as small as can be."""
    monkeypatch.setattr(slices, "_PIECE", 0.0)
    monkeypatch.setattr(slices, "_BLOCKS", 8)
    monkeypatch.setattr(slices, "_MARKS", 1000)
    monkeypatch.setattr(slices, "_BOUNDARIES", 20)


@pytest.fixture
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece is reported."""
    monkeypatch.setattr(course, "FIRST", 0.0)
    monkeypatch.setattr(course, "_EVERY", 0.0)


@pytest.fixture(scope="module")
def tables_url(make_database: Callable[[str], str]) -> str:
    """A database with those tables."""
    conninfo = make_database(TABLES)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(PARTITIONED)
        connection.execute("VACUUM ANALYZE")
    return conninfo


async def _sliced(  # noqa: PLR0917 - the first four are those of a count
    database: Database,
    schema: Schema,
    edge: Relationship,
    way: Way,
    tell: Callable[[Progress], None] | None = None,
    pace: Pace | None = None,
    watch: Watch | None = None,
) -> int | None:
    """The count in pieces; None where that way is none for the edge or can't be cut."""
    predicate = EdgePredicate(schema, edge)
    made = counting(way, schema, predicate, database.facts.version_number)
    if made is None or made.cut is None:
        return None
    tables = predicate.child_table, predicate.parent_table
    async with database.read(Limits(planner=made.settings), snapshot=True) as connection:
        return await count_in_slices(
            connection,
            made,
            tables,
            course=Course(edge.oid, tell),
            pace=pace or Pace(60.0),
            watch=watch or Watch(),
        )


@pytest.mark.matrix
@pytest.mark.usefixtures("small_pieces", "told_at_once")
@pytest.mark.parametrize("child", ["dense", "gappy", "texts", "pairs", "full_pairs", "lonely", "parts"])
async def test_the_sum_of_all_pieces_is_the_count(tables_url: str, child: str) -> None:
    ways = []
    async with opened(tables_url) as (database, schema):
        edge = edge_of(schema, child)
        # Of 2,000 rows: whatever the way, this is one statement.
        wanted = await count_edge(database, schema, edge)
        assert wanted.orphans
        for way in Way:
            told: list[Progress] = []
            try:
                counted = await _sliced(database, schema, edge, way, told.append)
            except Unfit:
                assert way in {Way.BITMAP, Way.RANGE}
                continue
            if counted is None:
                continue
            ways.append(way)
            assert counted == wanted.orphans
            assert [report.found for report in told] == sorted(report.found for report in told)
            assert all(0 <= report.done < report.total and report.edge == edge.oid for report in told)
            assert len(told) >= 5 or child in {"lonely", "pairs"}
    assert Way.PLAIN in ways
    assert len(ways) > 1 or child == "full_pairs"


@pytest.mark.usefixtures("small_pieces")
async def test_a_way_that_does_not_serve_gives_place_to_the_next(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "LONG_MS", -1.0)
    await run(
        database_url,
        """
        CREATE TABLE p (id int8 PRIMARY KEY);
        CREATE TABLE c (pid int8 REFERENCES p);
        INSERT INTO p SELECT generate_series(1, 1000);
        INSERT INTO c SELECT n % 1000 + 1 FROM generate_series(1, 30000) n;
        ANALYZE;
        SET session_replication_role = replica;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = edge_of(schema, "c")
        assert (await count_edge(database, schema, edge)).way is Way.RANGE
        # The statistics still say that there are no holes.
        await run(database_url, "SET session_replication_role = replica; DELETE FROM p WHERE id % 10 = 3")
        count = await count_edge(database, schema, edge)
        assert (count.way, count.orphans) == (Way.BITMAP, 3000)


STATE = """
CREATE TABLE p (id text PRIMARY KEY);
CREATE TABLE c (pid text, pad text);
INSERT INTO p SELECT generate_series(1, 1000)::text;
INSERT INTO c SELECT n::text, repeat('x', 300) FROM generate_series(1, 2000) n;
CREATE INDEX ON c (pid);
ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@pytest.mark.usefixtures("small_pieces", "told_at_once")
@pytest.mark.parametrize("way", [Way.PLAIN, Way.MERGE, Way.GAPS])
async def test_all_pieces_see_one_state(database_url: str, way: Way) -> None:
    await run(database_url, STATE)
    await run(database_url, "VACUUM ANALYZE")

    def disturb(progress: Progress) -> None:
        if not told:
            with psycopg.connect(database_url) as connection:
                connection.execute("SET session_replication_role = replica")
                connection.execute("DELETE FROM c WHERE pid > '5'")
                connection.execute("DELETE FROM p WHERE id > '3'")
                connection.execute("INSERT INTO c SELECT 'x' || n FROM generate_series(1, 1000) n")
        told.append(progress)

    told: list[Progress] = []
    async with opened(database_url) as (database, schema):
        assert await _sliced(database, schema, edge_of(schema, "c"), way, disturb) is not None
        assert len(told) > 5
        assert told[-1].found <= 1000
        counted = await _sliced(database, schema, edge_of(schema, "c"), way)
        assert counted is not None
    assert counted != 1000


@pytest.mark.usefixtures("small_pieces")
async def test_a_snapshot_is_not_held_longer_than_its_limit(tables_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "LONG_MS", -1.0)
    async with opened(tables_url) as (database, schema):
        edge = edge_of(schema, "texts")
        whole = await count_edge(database, schema, edge)
        short = await count_edge(database, schema, edge, snapshot_seconds=0.0)
        assert whole.orphans is not None
        assert (short.status, short.bound, short.way) == (Status.ORPHANS, Bound.LOWER, Way.PLAIN)
        assert short.orphans in range(1, whole.orphans)
        assert short.error == "stopped after 0 s: VACUUM removes nothing that its snapshot may see"
        assert short.missing_keys is None
        # Without an orphan it knows nothing.
        await run(tables_url, "CREATE TABLE clean AS SELECT id AS k FROM pt, generate_series(1, 20)")
        await run(tables_url, "ALTER TABLE clean ADD FOREIGN KEY (k) REFERENCES pt")
    async with opened(tables_url) as (database, schema):
        short = await count_edge(database, schema, edge_of(schema, "clean"), snapshot_seconds=0.0)
        assert (short.status, short.orphans) == (Status.TIMED_OUT, None)
        assert (await count_edge(database, schema, edge_of(schema, "clean"))).status is Status.CLEAN


async def test_what_a_count_found_until_its_time_limit_is_a_lower_bound(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "LONG_MS", -1.0)
    await run(database_url, SLOW)
    async with opened(database_url) as (database, schema), slowed(database_url):
        edge = edge_of(schema, "c")
        count = await count_edge(database, schema, edge, timeout_seconds=1.0)
        assert (count.status, count.bound) == (Status.ORPHANS, Bound.LOWER)
        assert count.orphans in range(1, ORPHANS)
        assert count.error is not None
        assert "time limit" in count.error
        # Nor a statement of it: the first one brings nothing before then.
        count = await count_edge(database, schema, edge, timeout_seconds=0.05)
        assert (count.status, count.orphans) == (Status.TIMED_OUT, None)


@pytest.mark.parametrize("slow", [True, False])
async def test_what_takes_longer_than_it_should_tells_how_far_it_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, slow: bool
) -> None:
    """Whether because it turned out so, or the catalogue lets expect a good part of a second on a quick machine."""
    await run(database_url, SLOW)
    told: list[Progress] = []
    async with opened(database_url) as (database, schema), slowed(database_url):
        edge = edge_of(schema, "c")
        if not slow:
            monkeypatch.setattr(counter, "LONG_MS", 2 * estimated_ms(schema, edge))
        count = await count_edge(database, schema, edge, slow=slow, timeout_seconds=2.0, on_progress=told.append)
    assert (count.status, count.bound) == (Status.ORPHANS, Bound.LOWER)
    assert told[-1].done < told[-1].total
    assert told[-1].found > 0


async def test_a_cancelled_count_ends_on_the_server_at_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "LONG_MS", -1.0)
    await run(database_url, SLOW)
    async with opened(database_url) as (database, schema), slowed(database_url):
        task = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c")))
        await _until_fetching(database_url, 1, 5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)
        await _until_fetching(database_url, 0, 1.0)


async def _until_fetching(conninfo: str, number: int, seconds: float) -> None:
    """Wait until so many pieces are being counted."""
    async with asyncio.timeout(seconds), await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as watcher:
        while True:
            found = await watcher.execute("SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%'")
            if found.rowcount == number:
                return
            await asyncio.sleep(0.01)


class _Others(Watch):
    """Others that are at work or not, as a test wants it."""

    __slots__ = ()

    def __init__(self, *, busy: bool) -> None:
        super().__init__()
        self.busy = busy


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("busy", "eager", "share"), [(True, False, 1.0), (True, True, 0.0), (False, False, 0.0)])
async def test_every_other_moment_is_a_rest_while_others_work(
    tables_url: str, busy: bool, eager: bool, share: float
) -> None:
    async with opened(tables_url) as (database, schema):
        pace = Pace(60.0, eager=eager)
        counted = await _sliced(database, schema, edge_of(schema, "texts"), Way.PLAIN, None, pace, _Others(busy=busy))
    assert counted is not None
    assert pace.worked > 0
    # After the last piece it does not rest.
    assert share * pace.worked * 0.5 <= pace.rested <= share * pace.worked


async def test_a_rest_is_no_longer_than_a_person_takes_for_the_end() -> None:
    assert Pace(60.0).rest_after(0.25, busy=True) == 0.25
    assert Pace(60.0).rest_after(30.0, busy=True) == 2.0


@pytest.mark.usefixtures("told_at_once")
async def test_a_report_has_an_estimate_as_soon_as_there_is_one(
    tables_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "estimate_edge", partial(estimate_edge, pages=20))
    told: list[Progress] = []
    async with opened(tables_url) as (database, schema):
        edge = edge_of(schema, "texts")
        of = Course(edge.oid, told.append)
        of.report()
        async with counter._estimating(database, schema, edge, of, after=0.0), asyncio.timeout(10):
            while of.estimate is None:  # noqa: ASYNC110 - nobody waits for it
                await asyncio.sleep(0.01)
        of.report()
    assert told[0].estimate is None
    assert told[1].estimate is not None
    assert told[1].estimate.edge == edge.oid


async def test_a_quick_count_tells_nothing() -> None:
    told: list[Progress] = []
    of = Course(1, told.append)
    of.passed(1, 10, "blocks", 3)
    of.report()
    assert told == []


async def test_reports_come_in_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("fkexplorer.orphans.course.time.perf_counter", lambda: now)
    told: list[Progress] = []
    of = Course(1, told.append)
    of.begin(datetime.now(UTC), "1:1:")
    for tick in range(1, 101):
        now = 100.0 + tick * 0.05
        of.passed(tick, 100, "keys", tick // 10)
        of.report()
    # From the first second to the fifth, four a second.
    assert len(told) in range(15, 18)
    assert told[0].seconds >= 1.0
    last = told[-1]
    assert (last.edge, last.unit, last.total, last.found) == (1, "keys", 100, last.done // 10)
    assert last.seconds_left == pytest.approx((100 - last.done) * 0.05, abs=0.01)
    of.begin(datetime.now(UTC), "2:2:")
    now += 1
    of.report()
    assert (told[-1].done, told[-1].found, told[-1].seconds_left) == (0, 0, None)
    assert told[-1].seconds == pytest.approx(6.0)
    assert of.most is not None
    assert (of.most[0], of.most[2]) == (10, "1:1:")
