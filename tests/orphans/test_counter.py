"""What a count brings back: its numbers, and a word with a reason where the server gives none."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.counter import count_edge
from fkexplorer.orphans.model import Bound, Status
from tests.orphans.connected import edge_of, holding, new_role, opened, run, until

if TYPE_CHECKING:
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship

TABLES = """
CREATE TABLE p (id int PRIMARY KEY, secret text);
CREATE TABLE c (id int PRIMARY KEY, pid int, other int);
INSERT INTO p VALUES (1), (2), (3);
INSERT INTO c VALUES (1, 1), (2, 1), (3, 8), (4, 9), (5, 9), (6, NULL);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


def _has_no_number(count: Count, status: Status) -> str:
    """Check that the count is that word alone, and give its reason, which is one line."""
    assert count.status is status
    numbers = (count.orphans, count.rows, count.nulls, count.unchecked, count.missing_keys, count.childless)
    assert numbers == (None,) * 6
    assert not count.known
    assert count.error
    assert "\n" not in count.error
    return count.error


async def _count(conninfo: str, role: str | None = None, *, trust_catalogue: bool = True) -> Count:
    async with opened(conninfo, role) as (database, schema):
        return await count_edge(database, schema, edge_of(schema, "c"), trust_catalogue=trust_catalogue)


async def test_a_count_says_what_it_is_worth(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        edge = edge_of(schema, "c")
        count = await count_edge(database, schema, edge)
        assert (count.edge, count.status, count.orphans, count.bound) == (edge.oid, Status.ORPHANS, 3, Bound.EXACT)
        # What would cost another scan is not known; a single column is never partly NULL.
        assert (count.rows, count.nulls, count.missing_keys, count.childless) == (None, None, None, None)
        assert count.unchecked == 0
        assert abs(datetime.now(UTC) - count.as_of) < timedelta(seconds=30)
        assert count.as_of.utcoffset() == timedelta(0)
        assert 0 < count.seconds < 10
        assert re.fullmatch(r"\d+:\d+:[\d,]*", count.snapshot or "")
        assert count.error is None

        await run(database_url, "INSERT INTO p VALUES (8), (9)")
        later = await count_edge(database, schema, edge)
        assert (later.status, later.orphans, later.missing_keys) == (Status.CLEAN, 0, 0)
        assert later.snapshot != count.snapshot
        assert later.as_of > count.as_of


async def test_full_counts_all_of_one_snapshot(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        count = await count_edge(database, schema, edge_of(schema, "c"), full=True)
    assert (count.rows, count.nulls, count.unchecked) == (6, 1, 0)
    assert (count.orphans, count.missing_keys, count.childless) == (3, 2, 2)


@pytest.mark.parametrize(
    ("index", "childless"),
    [
        ("CREATE UNIQUE INDEX ON c (pid)", 1),
        ("CREATE UNIQUE INDEX ON c (pid) WHERE pid IS NOT NULL", 1),
        ("CREATE UNIQUE INDEX ON c (pid) WHERE id > 0", None),
        ("CREATE UNIQUE INDEX ON c (abs(pid))", None),
        ("CREATE UNIQUE INDEX ON c (pid, id)", None),
        ("CREATE INDEX ON c (pid)", None),
    ],
)
async def test_parents_without_a_child_are_counted_where_one_has_one_child(
    database_url: str, index: str, childless: int | None
) -> None:
    await run(
        database_url, TABLES + "DELETE FROM c WHERE id IN (2, 5); INSERT INTO p VALUES (9); DELETE FROM p WHERE id = 2;"
    )
    await run(database_url, index)
    count = await _count(database_url)
    assert (count.orphans, count.childless) == (1, childless)


async def test_unchecked_rows_are_not_known_without_another_scan(database_url: str) -> None:
    await run(
        database_url,
        """
        CREATE TABLE p (a int, b int, PRIMARY KEY (a, b));
        CREATE TABLE c (x int, y int, FOREIGN KEY (x, y) REFERENCES p);
        CREATE TABLE f (x int, y int, FOREIGN KEY (x, y) REFERENCES p MATCH FULL);
        INSERT INTO c VALUES (NULL, 1), (1, NULL), (NULL, NULL);
        """,
    )
    async with opened(database_url) as (database, schema):
        assert (await count_edge(database, schema, edge_of(schema, "c"))).unchecked is None
        assert (await count_edge(database, schema, edge_of(schema, "c"), full=True)).unchecked == 2
        assert (await count_edge(database, schema, edge_of(schema, "f"))).unchecked == 0


GRANTED = {
    "USAGE on the schema": "GRANT SELECT ON s.c, s.p TO {0}",
    "SELECT on the child": "GRANT USAGE ON SCHEMA s TO {0}; GRANT SELECT ON s.p TO {0}",
    "SELECT on the parent": "GRANT USAGE ON SCHEMA s TO {0}; GRANT SELECT ON s.c TO {0}",
    "SELECT on the column": (
        "GRANT USAGE ON SCHEMA s TO {0}; GRANT SELECT (id, other) ON s.c TO {0}; GRANT SELECT ON s.p TO {0}"
    ),
}


@pytest.mark.parametrize("trust_catalogue", [True, False])
@pytest.mark.parametrize("grants", GRANTED.values(), ids=GRANTED.keys())
async def test_a_missing_privilege_is_denied_and_names_the_grant_that_helps(
    database_url: str, grants: str, trust_catalogue: bool
) -> None:
    await run(database_url, "CREATE SCHEMA s; SET search_path = s;" + TABLES)
    async with new_role(database_url) as role:
        await run(database_url, grants.format(role))
        error = _has_no_number(await _count(database_url, role, trust_catalogue=trust_catalogue), Status.DENIED)
        await run(database_url, error[error.index("GRANT") :])
        assert (await _count(database_url, role)).orphans == 3


async def test_select_on_the_columns_of_the_key_is_enough(database_url: str) -> None:
    await run(database_url, TABLES)
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT (pid) ON c TO {role}; GRANT SELECT (id) ON p TO {role}")
        count = await _count(database_url, role)
    assert (count.status, count.orphans) == (Status.ORPHANS, 3)


async def test_the_schema_of_an_operator_needs_usage_too(database_url: str) -> None:
    await run(
        database_url,
        """
        CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
        CREATE TABLE p (id ext.citext PRIMARY KEY); CREATE TABLE c (pid ext.citext REFERENCES p);
        INSERT INTO p VALUES ('A'); INSERT INTO c VALUES ('a');
        """,
    )
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT ON c, p TO {role}")
        error = _has_no_number(await _count(database_url, role), Status.DENIED)
        await run(database_url, error[error.index("GRANT") :])
        assert (await _count(database_url, role)).status is Status.CLEAN


async def test_what_the_catalogue_forbids_is_not_asked(database_url: str) -> None:
    await run(database_url, TABLES)
    async with new_role(database_url) as role, opened(database_url, role) as (database, schema):
        # Granted since, so that a count that did ask would get a number.
        await run(database_url, f"GRANT SELECT ON c, p TO {role}")
        edge = edge_of(schema, "c")
        _has_no_number(await count_edge(database, schema, edge), Status.DENIED)
        assert (await count_edge(database, schema, edge, trust_catalogue=False)).orphans == 3


SECURED = {
    "policy of the child": "ALTER TABLE c ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON c USING (id < 4)",
    "policy of the parent": "ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON p USING (id < 2)",
}


@pytest.mark.parametrize("trust_catalogue", [True, False])
@pytest.mark.parametrize("policy", SECURED.values(), ids=SECURED.keys())
async def test_hidden_rows_make_a_count_unreliable(database_url: str, policy: str, trust_catalogue: bool) -> None:
    await run(database_url, TABLES + policy)
    async with new_role(database_url) as role, new_role(database_url, "BYPASSRLS") as free:
        await run(database_url, f"GRANT SELECT ON c, p TO {role}, {free}")
        error = _has_no_number(await _count(database_url, role, trust_catalogue=trust_catalogue), Status.UNRELIABLE)
        assert "row security" in error
        assert (await _count(database_url, free, trust_catalogue=trust_catalogue)).orphans == 3
    assert (await _count(database_url, trust_catalogue=trust_catalogue)).orphans == 3


@pytest.mark.parametrize("trust_catalogue", [True, False])
async def test_an_owner_is_bound_by_forced_row_security_alone(database_url: str, trust_catalogue: bool) -> None:
    async with new_role(database_url) as role:
        await run(database_url, TABLES + SECURED["policy of the child"])
        await run(database_url, f"ALTER TABLE c OWNER TO {role}; ALTER TABLE p OWNER TO {role}")
        assert (await _count(database_url, role, trust_catalogue=trust_catalogue)).orphans == 3
        await run(database_url, "ALTER TABLE c FORCE ROW LEVEL SECURITY")
        _has_no_number(await _count(database_url, role, trust_catalogue=trust_catalogue), Status.UNRELIABLE)


async def test_policies_made_after_the_schema_was_read(database_url: str) -> None:
    await run(database_url, TABLES)
    async with new_role(database_url) as role:
        await run(database_url, f"GRANT SELECT ON c, p TO {role}")
        async with opened(database_url, role) as (database, schema):
            await run(database_url, SECURED["policy of the parent"])
            count = await count_edge(database, schema, edge_of(schema, "c"))
    assert "row security hides rows of public.p" in _has_no_number(count, Status.UNRELIABLE)


async def test_the_time_limit_is_the_servers(database_url: str) -> None:
    many = "SET session_replication_role = replica; INSERT INTO c SELECT n, n FROM generate_series(10, 300000) n"
    await run(database_url, TABLES + many)
    async with opened(database_url) as (database, schema):
        count = await count_edge(database, schema, edge_of(schema, "c"), timeout_seconds=0.005)
        assert "time limit" in _has_no_number(count, Status.TIMED_OUT)
        assert 0.005 <= count.seconds < 1
        # The connection still serves.
        assert (await count_edge(database, schema, edge_of(schema, "c"))).orphans == 3 + 299991


async def test_a_lock_is_not_waited_for_long(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema), holding(database_url, "LOCK TABLE p"):
        count = await count_edge(database, schema, edge_of(schema, "c"))
        assert "lock" in _has_no_number(count, Status.TIMED_OUT)
        assert count.seconds < 5


async def test_a_cancel_by_somebody_else_is_no_time_out(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema), holding(database_url, "LOCK TABLE p"):
        task = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c")))
        [pid] = await until(database_url, lambda pids: len(pids) == 1)
        await run(database_url, f"SELECT pg_cancel_backend({pid})")
        _has_no_number(await task, Status.FAILED)


async def test_a_cancelled_task_cancels_on_the_server(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema), holding(database_url, "LOCK TABLE p"):
        task = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c")))
        await until(database_url, lambda pids: len(pids) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(database_url, lambda pids: not pids, seconds=1)


async def test_a_lost_connection_is_not_a_result(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema), holding(database_url, "LOCK TABLE p"):
        task = asyncio.create_task(count_edge(database, schema, edge_of(schema, "c")))
        [pid] = await until(database_url, lambda pids: len(pids) == 1)
        await run(database_url, f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(Trouble) as caught:
            await task
        assert caught.value.code == "lost"


async def test_a_table_dropped_meanwhile_fails(database_url: str) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        await run(database_url, "DROP TABLE c")
        assert "public.c" in _has_no_number(await count_edge(database, schema, edge_of(schema, "c")), Status.FAILED)


def _with_operator(edge: Relationship, name: str | None) -> Relationship:
    [pair] = edge.pairs
    assert pair.equals is not None
    return replace(edge, pairs=(replace(pair, equals=replace(pair.equals, name=name) if name else None),))


@pytest.mark.parametrize("operator", [None, "=#=#="])
async def test_types_without_an_operator_are_incomparable(database_url: str, operator: str | None) -> None:
    await run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        edge = _with_operator(edge_of(schema, "c"), operator)
        _has_no_number(await count_edge(database, schema, edge), Status.INCOMPARABLE)


async def test_a_value_that_cannot_be_compared_fails_with_the_servers_words(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id oid PRIMARY KEY); CREATE TABLE c (pid int8); INSERT INTO c VALUES (5000000000);"
        "ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p NOT VALID;",
    )
    assert "OID out of range" in _has_no_number(await _count(database_url), Status.FAILED)


async def test_the_clock_is_read_whatever_the_date_style(database_url: str) -> None:
    await run(database_url, TABLES)
    await run(
        database_url, "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = German', current_database()); END$$"
    )
    async with opened(database_url) as (database, schema):
        assert abs(datetime.now(UTC) - schema.loaded_at) < timedelta(seconds=30)
        for full in (False, True):
            count = await count_edge(database, schema, edge_of(schema, "c"), full=full)
            assert (count.status, count.orphans) == (Status.ORPHANS, 3)
            assert abs(datetime.now(UTC) - count.as_of) < timedelta(seconds=30)
