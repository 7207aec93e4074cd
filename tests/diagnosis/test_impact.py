"""What a delete would do, found by reading: as the server does it, within limits that are told."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.diagnosis.impact import ROWS, SECONDS, impact
from fkexplorer.diagnosis.impact_model import Deed, Hop, Impact, Stop, Verdict
from fkexplorer.fixes import sql
from fkexplorer.fixes.model import Change, Verb
from fkexplorer.reports.impact import impact_lines, verdict_words
from fkexplorer.reports.style import plain
from fkexplorer.reports.values import width
from tests.fixes.random_schemas import Made, random_schema
from tests.fixes.test_closure import Done, done, folded
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.schema.model import Schema

SCHEMAS = int(os.environ.get("FKEXPLORER_IMPACT_SCHEMAS", "25"))
"""Random schemas: more of them on demand."""
BYTES = 1 << 30


async def of(
    database: Database,
    schema: Schema,
    name: str,
    *keys: str,
    max_bytes: int = BYTES,
    max_rows: int = ROWS,
    seconds: float = SECONDS,
) -> Impact:
    """The impact of rows by one-column keys."""
    [table] = [table for table in schema.tables.values() if table.name == name]
    each = [(key,) for key in keys]
    return await impact(database, schema, table, each, max_bytes=max_bytes, max_rows=max_rows, seconds=seconds)


def told(found: Impact, schema: Schema) -> dict[str, Hop]:
    """Each hop that is unfolded, by its constraint."""
    return {schema.edges[hop.edge].name: hop for _, hop in found.walk() if not hop.above}


@pytest.mark.matrix
async def test_random_schemas(database_url: str, server: EmbeddedServer) -> None:
    seen: Counter[str] = Counter()
    async with opened(database_url) as (database, _):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for seed in range(SCHEMAS):
                seen += await tried(database, connection, Random(seed), server.major)  # noqa: S311 - a test's
    # Were all of one kind, nothing would be compared.
    assert min(seen[verdict] for verdict in Verdict if verdict is not Verdict.UNKNOWN) > SCHEMAS / 5
    assert not seen[Verdict.UNKNOWN]
    assert seen["below"] > SCHEMAS / 4
    assert seen["cut"] > SCHEMAS / 4


async def tried(database: Database, connection: psycopg.Connection, random: Random, version: int) -> Counter[str]:
    """Deletes of single rows, each compared with what it really did."""
    made = random_schema(random, version)
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.execute(made.script.encode())
    connection.execute("RESET session_replication_role")
    schema = await read_schema(database)
    tables = {table.name: table for table in schema.tables.values()}
    seen: Counter[str] = Counter()
    for name in made.tables:
        ids = [id_ for (id_,) in connection.execute(f"SELECT id FROM {name}".encode())]
        for at, key in enumerate(random.sample(ids, 2)):
            found = await impact(database, schema, tables[name], [(str(key),)], max_bytes=BYTES)
            change = Change(Verb.DELETE, 0, f"DELETE FROM {sql.source(tables[name], 'c')}", f"c.id = {key}")
            came = done(connection, made, change)
            compare(found, came, schema, made, f"{change.sql}\n{made.script}\n{found}\n{came}")
            seen[found.verdict] += 1
            seen["below"] += found.verdict is Verdict.GOES and len(found.effects) > 1
            if at:
                continue
            # What was seen of some of the rows is true of all of them.
            part = await impact(database, schema, tables[name], [(str(key),)], max_bytes=BYTES, max_rows=2)
            within(part, found, came, f"{change.sql}\n{made.script}\n{part}\n{found}")
            seen["cut"] += part.stop is Stop.ROWS
    return seen


def compare(found: Impact, came: Done, schema: Schema, made: Made, label: str) -> None:
    """The rows of each table, and whether it was refused."""
    assert found.rows == 1, label
    assert found.complete, label
    if found.verdict is Verdict.DEPENDS:
        return
    assert (found.verdict is Verdict.REFUSED) == bool(came.refused), label
    if came.refused:
        assert found.blockers, label
        return
    counts = folded(came.counts)
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in found.effects:
        for at, count in enumerate((each.deleted, each.updated, each.more_updates)):
            sums[schema.tables[each.table].name][at] += count
    for name in made.tables:
        deleted, updated, more = sums[name]
        updates, deletes = counts.get(name, (0, 0))
        assert deletes == deleted, label
        assert updated <= updates <= updated + more, label


def within(part: Impact, found: Impact, came: Done, label: str) -> None:
    """What a look that was cut short says, beside the whole."""
    if part.verdict is Verdict.REFUSED and found.verdict is not Verdict.DEPENDS:
        assert came.refused, label
    if part.verdict is Verdict.GOES:
        assert found.verdict is Verdict.GOES, label
    if part.stop is None:
        assert part.effects == found.effects, label
    whole = {(hop.edge, hop.deed): hop for _, hop in found.walk()}
    for _, hop in part.walk():
        other = whole[hop.edge, hop.deed]
        assert hop.rows is not None, label
        assert other.rows is not None, label
        if hop.deed not in {Deed.REFUSE, Deed.LEAVE}:
            assert hop.rows == other.rows or (hop.at_least and hop.rows < other.rows), label


MAKE = """
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE wide (id int PRIMARY KEY, a int CONSTRAINT wide_fk REFERENCES a ON DELETE CASCADE);
CREATE TABLE b (id int PRIMARY KEY, a int CONSTRAINT b_fk REFERENCES a ON DELETE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, b int CONSTRAINT c_fk REFERENCES b ON DELETE CASCADE);
CREATE TABLE d (id int PRIMARY KEY, c int CONSTRAINT d_fk REFERENCES c, pad text);
CREATE TABLE boss (id int PRIMARY KEY, over int CONSTRAINT boss_fk REFERENCES boss ON DELETE CASCADE);
CREATE TABLE strict (id int PRIMARY KEY, boss int NOT NULL CONSTRAINT strict_fk REFERENCES boss ON DELETE SET NULL);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END';
CREATE TRIGGER audit BEFORE DELETE ON b FOR EACH ROW EXECUTE FUNCTION f();
SET session_replication_role = replica;
INSERT INTO a VALUES (1), (2), (3);
INSERT INTO wide SELECT n, 1 FROM generate_series(1, 6000) n;
INSERT INTO b SELECT n, 1 FROM generate_series(1, 20) n UNION ALL SELECT 100, 2;
INSERT INTO c SELECT n, n % 20 + 1 FROM generate_series(1, 3000) n;
INSERT INTO d SELECT n, n, repeat('x', 100) FROM generate_series(1, 3000) n;
INSERT INTO boss VALUES (1, 3), (2, 1), (3, 2), (4, NULL), (5, 4);
INSERT INTO strict VALUES (1, 5);
CREATE INDEX ON wide (a);
CREATE INDEX ON b (a);
CREATE INDEX ON c (b);
ANALYZE;
"""


@pytest.fixture(scope="module")
def made(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


async def test_a_large_cascade_stops_at_the_limit_and_shows_what_refuses_far_below(made: str) -> None:
    async with opened(made) as (database, schema):
        found = await of(database, schema, "a", "1", max_rows=4000)
        assert (found.verdict, found.stop, found.complete) == (Verdict.REFUSED, Stop.ROWS, False)
        hops = told(found, schema)
        assert [each.edge for each in found.blockers] == [hops["d_fk"].edge]
        assert hops["wide_fk"].rows == 4000 // 3 + 1
        assert hops["wide_fk"].at_least
        assert hops["c_fk"].rows == 4000 // 3 + 1
        [path] = [path for path, hop in found.walk() if hop.edge == hops["d_fk"].edge]
        assert [schema.edges[hop.edge].name for hop in path] == ["b_fk", "c_fk"]
        assert "by public.d.d_fk, below public.c" in verdict_words(found, schema)
        # All of it, in two looks, of which the first is told.
        heard: list[Impact] = []
        whole = await impact(database, schema, schema.tables[found.table], [("1",)], max_bytes=BYTES, told=heard.append)
        assert [each.stop for each in heard] == [Stop.ROWS]
        assert whole.complete
        assert {edge: hop.rows for edge, hop in told(whole, schema).items()} == {
            "wide_fk": 6000,
            "b_fk": 20,
            "c_fk": 3000,
            "d_fk": 3000,
        }
        assert [each.name for each in whole.triggers] == ["audit"]


async def test_a_large_table_without_an_index_is_not_read(made: str) -> None:
    async with opened(made) as (database, schema):
        found = await of(database, schema, "a", "1", max_bytes=100_000)
        hop = told(found, schema)["d_fk"]
        assert (hop.rows, hop.unknown, found.verdict) == (None, "no index, over the limit", Verdict.UNKNOWN)
        assert found.complete
        text = "\n".join(plain(each.line) for each in impact_lines(found, schema))
        assert "not all was looked at" in text
        assert "public.d.c  about" in text
        # Nothing of it matters for a row without any.
        assert (await of(database, schema, "a", "3")).verdict is Verdict.GOES


async def test_time_that_runs_out_is_told(made: str) -> None:
    async with opened(made) as (database, schema):
        with psycopg.connect(made) as connection:
            connection.execute("LOCK TABLE c IN ACCESS EXCLUSIVE MODE")
            found = await of(database, schema, "a", "1", seconds=0.2)
        assert (found.stop, found.rows, found.verdict) == (Stop.TIME, None, Verdict.UNKNOWN)
        assert {hop.unknown for _, hop in found.walk()} == {"time ran out"}


async def test_cycles_end_and_a_null_that_may_not_be_refuses(made: str) -> None:
    async with opened(made) as (database, schema):
        found = await of(database, schema, "boss", "1")
        assert found.verdict is Verdict.GOES
        assert [(each.deleted, each.updated) for each in found.effects if each.deleted] == [(3, 0)]
        again = [hop for path, hop in found.walk() if hop.above]
        assert [schema.edges[hop.edge].name for hop in again] == ["boss_fk", "strict_fk"]
        lines = [plain(each.line) for each in impact_lines(found, schema, ascii=True)]
        assert any("see above" in line for line in lines)
        found = await of(database, schema, "boss", "4", "3")
        assert (found.rows, found.verdict) == (2, Verdict.REFUSED)
        hop = next(hop for _, hop in found.walk() if hop.edge == found.blockers[0].edge and not hop.above)
        assert (hop.deed, hop.rows, hop.refused) == (Deed.SET_NULL, 1, 1)
        assert any("REFUSED for 1" in plain(each.line) for each in impact_lines(found, schema))


async def test_what_the_role_may_not_read_is_not_known(made: str) -> None:
    async with new_role(made) as role:
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute(f"GRANT SELECT ON a, wide, b, c TO {role}".encode())
            connection.execute("ALTER TABLE c ENABLE ROW LEVEL SECURITY")
        async with opened(made, role) as (database, schema):
            found = await of(database, schema, "a", "1")
            hops = told(found, schema)
            assert (hops["c_fk"].rows, hops["c_fk"].unknown) == (None, "row security hides rows")
            assert (hops["d_fk"].rows, hops["d_fk"].unknown) == (None, "privilege missing")
            assert (hops["b_fk"].rows, found.verdict, found.complete) == (20, Verdict.UNKNOWN, False)
            with pytest.raises(Trouble) as raised:
                await of(database, schema, "d", "1")
            assert raised.value.code == "denied"
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("ALTER TABLE c DISABLE ROW LEVEL SECURITY")
            connection.execute(f"REVOKE ALL ON a, wide, b, c FROM {role}".encode())


async def test_lines_keep_to_their_width(made: str) -> None:
    async with opened(made) as (database, schema):
        found = [await of(database, schema, "a", "1", max_rows=40), await of(database, schema, "boss", "4", "1")]
        for one in found:
            for cells in (40, 80, 200):
                for ascii_only in (False, True):
                    lines = [plain(each.line) for each in impact_lines(one, schema, cells=cells, ascii=ascii_only)]
                    assert all(width(line) <= cells for line in lines)
                    assert not ascii_only or all(line.isascii() for line in lines)
