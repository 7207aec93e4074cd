"""Which way a count takes, and that it comes to the right number where the catalogue had hinted at something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.limits import Limits
from fkexplorer.orphans.attempts import attempts
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Bound, Status, Way
from fkexplorer.orphans.predicate import EdgePredicate
from tests.orphans.connected import edge_of, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.model import Count

ROWS = 30_000
"""More than are too few to choose for."""
ORPHANS = 3

# Each table with its parents, its references and the way that should count it. Three rows of each have no parent.
EDGES: dict[str, tuple[str, str, Way]] = {
    "dense": ("int, SELECT generate_series(1, 2000)", "int, 1 + n % 2000, -n", Way.RANGE),
    "dense_unindexed": ("int, SELECT generate_series(1, 2000)", "int, 1 + n % 2000, -n", Way.RANGE),
    "few_holes": (
        "int, SELECT n FROM generate_series(1, 2000) n WHERE n % 20 <> 0",
        "int, 1 + n % 19 + 20 * (n % 95), 20 * n",
        Way.GAPS,
    ),
    "holes": ("int, SELECT 2 * n FROM generate_series(1, 20000) n", "int, 2 * (1 + n % 20000), 2 * n + 1", Way.BITMAP),
    "holes_unindexed": (
        "int, SELECT 2 * n FROM generate_series(1, 70000) n",
        "int, 2 * (1 + n % 70000), 1",
        Way.BITMAP,
    ),
    "few_keys": (
        "uuid, SELECT md5(n::text)::uuid FROM generate_series(1, 20000) n",
        "uuid, md5((1 + n % 3)::text)::uuid, md5('x')::uuid",
        Way.SKIP,
    ),
    "few_parents": (
        "uuid, SELECT md5(n::text)::uuid FROM generate_series(1, 30) n",
        "uuid, md5((1 + n % 30)::text)::uuid, md5('x' || n)::uuid",
        Way.GAPS,
    ),
    "texts": ("text, SELECT 't' || n FROM generate_series(1, 20000) n", "text, 't' || (1 + n % 20000), 'x'", Way.MERGE),
    "texts_unindexed": (
        "text, SELECT 't' || n FROM generate_series(1, 90) n",
        "text, 't' || (1 + n % 90), 'x'",
        Way.PLAIN,
    ),
    "far_unindexed": (
        "bigint, SELECT n * 100000000::bigint FROM generate_series(1, 90) n",
        "bigint, 100000000::bigint * (1 + n % 90), 1",
        Way.PLAIN,
    ),
}


def _statements() -> str:
    made = ["SET session_replication_role = replica"]
    for name, (parent, child, _) in EDGES.items():
        of_type, keys = parent.split(", ", 1)
        made += [f"CREATE TABLE {name}_p (id {of_type} PRIMARY KEY)", f"INSERT INTO {name}_p {keys}"]
        of_type, there, missing = _split(child)
        made += [
            f"CREATE TABLE {name} (k {of_type} REFERENCES {name}_p, note text)",
            f"INSERT INTO {name} SELECT {there}, '' FROM generate_series(1, {ROWS}) n",
            f"INSERT INTO {name} SELECT {missing}, '' FROM generate_series(1, {ORPHANS}) n",
        ]
        if "unindexed" not in name:
            made.append(f"CREATE INDEX ON {name} (k)")
    return ";".join(made)


def _split(child: str) -> tuple[str, str, str]:
    of_type, rest = child.split(", ", 1)
    there, _, missing = rest.rpartition(", ")
    return of_type, there, missing


@pytest.fixture(scope="module")
def conninfo(make_database: Callable[[str], str]) -> str:
    made = make_database(_statements())
    _vacuum(made)
    return made


def _vacuum(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        # Pages count as visible to all once the commits are on disk, of its own transactions too.
        connection.execute("SET synchronous_commit = on")
        connection.execute("CREATE TABLE flushed ()")
        connection.execute("VACUUM ANALYZE")


async def _count(conninfo: str, name: str, **options: bool) -> Count:
    async with opened(conninfo) as (database, schema):
        return await count_edge(database, schema, edge_of(schema, name), **options)  # type: ignore[arg-type]


@pytest.mark.matrix
@pytest.mark.parametrize("name", EDGES)
async def test_the_way_that_fits(conninfo: str, name: str) -> None:
    count = await _count(conninfo, name)
    assert (count.status, count.orphans, count.bound) == (Status.ORPHANS, ORPHANS, Bound.EXACT)
    assert count.way is EDGES[name][2]
    assert count.snapshot
    assert (count.rows, count.missing_keys) == (None, None)


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["holes", "texts"])
async def test_in_full_it_is_a_merge_or_as_it_stands(conninfo: str, name: str) -> None:
    count = await _count(conninfo, name, full=True)
    plain = await _count(conninfo, name, full=True, deep=True)
    assert (count.way, plain.way) == (Way.MERGE, Way.PLAIN)
    assert (count.rows, count.nulls, count.orphans) == (ROWS + ORPHANS, 0, ORPHANS)
    assert (count.missing_keys, count.childless) == (plain.missing_keys, plain.childless)


async def test_one_to_one_counts_the_childless_with_the_same_way(database_url: str) -> None:
    await run(
        database_url,
        """CREATE TABLE p (id uuid PRIMARY KEY); CREATE TABLE c (k uuid UNIQUE);
        INSERT INTO p SELECT md5(n::text)::uuid FROM generate_series(1, 30000) n;
        INSERT INTO c SELECT md5(n::text)::uuid FROM generate_series(11, 30003) n;
        ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p NOT VALID""",
    )
    _vacuum(database_url)
    count = await _count(database_url, "c")
    assert (count.way, count.orphans, count.childless) == (Way.MERGE, 3, 10)


async def test_small_tables_are_counted_as_they_stand(database_url: str) -> None:
    await run(
        database_url,
        """CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (k int REFERENCES p); CREATE INDEX ON c (k);
        INSERT INTO p SELECT generate_series(1, 5000); INSERT INTO c SELECT id FROM p; ANALYZE""",
    )
    count = await _count(database_url, "c")
    assert (count.way, count.orphans) == (Way.PLAIN, 0)


CHANGED = {
    "keys that are no longer dense": (
        "dense",
        "DELETE FROM dense_p WHERE id % 7 = 0",
        "SELECT count(*) FROM dense WHERE k % 7 = 0 OR k < 1",
    ),
    "keys without an index that are no longer dense": (
        "dense_unindexed",
        "DELETE FROM dense_unindexed_p WHERE id % 7 = 0",
        "SELECT count(*) FROM dense_unindexed WHERE k % 7 = 0 OR k < 1",
    ),
    "an index that is gone": ("few_parents", "DROP INDEX few_parents_k_idx", f"SELECT {ORPHANS}"),
    "more keys than expected": (
        "few_keys",
        "INSERT INTO few_keys SELECT md5('y' || n)::uuid, '' FROM generate_series(1, 3000) n",
        f"SELECT {ORPHANS} + 3000",
    ),
    "keys too far apart for a bitmap": (
        "holes_unindexed",
        "UPDATE holes_unindexed_p SET id = 2000000000 WHERE id = 4; UPDATE holes_unindexed_p SET id = -9 WHERE id = 2",
        f"SELECT count(*) + {ORPHANS} FROM holes_unindexed WHERE k IN (2, 4)",
    ),
    "no key at all": ("dense", "DELETE FROM dense_p", f"SELECT {ROWS} + {ORPHANS}"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", CHANGED)
async def test_what_has_changed_since_makes_another_way_count(make_database: Callable[[str], str], name: str) -> None:
    table, change, truth = CHANGED[name]
    conninfo = make_database(
        ";".join(
            statement
            for statement in _statements().split(";")
            if statement.startswith("SET") or any(f" {word} " in f"{statement} " for word in (table, f"{table}_p"))
        )
    )
    _vacuum(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        async with opened(conninfo) as (database, schema):
            edge = edge_of(schema, table)
            expected = attempts(schema, EdgePredicate(schema, edge), 180000, full=False, deep=False)[0]
            assert expected.counting.way is EDGES[table][2]
            connection.execute(f"SET session_replication_role = replica; {change}".encode())
            count = await count_edge(database, schema, edge)
        assert (count.orphans,) == connection.execute(truth.encode()).fetchone()
        assert count.way is not EDGES[table][2]


async def test_what_an_attempt_sets_ends_with_it(conninfo: str) -> None:
    async with opened(conninfo) as (database, schema):
        predicate = EdgePredicate(schema, edge_of(schema, "holes"))
        tries = attempts(schema, predicate, database.facts.version_number, full=False, deep=False)
        ways = {attempt.counting.way: attempt for attempt in tries}
        merge, plain = ways[Way.MERGE], ways[Way.PLAIN]

        async with database.read(Limits(planner=merge.settings)) as connection:

            async def settings() -> list[str]:
                asked = (
                    "SELECT current_setting('enable_hashjoin'), current_setting('enable_sort'), current_setting('jit')"
                )
                return list((await connection.exec_driver_sql(asked)).one())

            assert await settings() == ["off", "off", "off"]
            await plain.replace(merge, connection)
            assert await settings() == ["on", "on", "off"]
            await merge.replace(plain, connection)
            assert await settings() == ["off", "off", "off"]
        async with database.read() as connection:
            assert await settings() == ["on", "on", "off"]


async def test_deep_trusts_no_index(database_url: str) -> None:
    await run(
        database_url,
        """CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (k int); CREATE INDEX short ON c (k) WHERE k < 5000;
        INSERT INTO p SELECT generate_series(1, 5000);
        INSERT INTO c SELECT 1 + n % 4000 FROM generate_series(1, 30000) n;
        INSERT INTO c VALUES (9000), (9001);
        ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p NOT VALID;
        UPDATE pg_index SET indpred = NULL WHERE indexrelid = 'short'::regclass;
        ANALYZE""",
    )
    # As after a corruption: rows are missing in the index.
    assert (await _count(database_url, "c")).orphans == 0
    deep = await _count(database_url, "c", deep=True)
    assert (deep.orphans, deep.way) == (2, Way.PLAIN)
    full = await _count(database_url, "c", deep=True, full=True)
    assert (full.orphans, full.missing_keys, full.childless, full.way) == (2, 2, 1000, Way.PLAIN)
