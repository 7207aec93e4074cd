"""Where a key lives: what is found is what SQL finds, and what was not looked into has its reason."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis import trace as module
from fkexplorer.diagnosis.trace import MANY, trace, trace_case
from fkexplorer.diagnosis.trace_targets import targets
from fkexplorer.orphans.rows import whole_row
from fkexplorer.schema.graph import Graph
from fkexplorer.tracing import asked
from tests.diagnosis.cases import GIB, by_hand, case, refused, row, told
from tests.orphans.connected import holding, new_role, opened, run
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Sighting, Trace
    from fkexplorer.schema.model import Schema

DEAD = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"
NEWEST = "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa"
FROM_OUTSIDE = "acb42b05-c3e7-4818-aedb-42f95a2f3b54"

SCHEMA = """
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN code AS varchar(9);
CREATE TABLE a (id bigint PRIMARY KEY, uid uuid UNIQUE, nick citext UNIQUE, name text UNIQUE,
 plain text, feeling mood UNIQUE, made date UNIQUE, code code UNIQUE, secret_token text UNIQUE, short char(4) UNIQUE);
CREATE TABLE b (id int PRIMARY KEY, a_id int REFERENCES a, up int REFERENCES b, uid_text text UNIQUE, nick citext,
 c_name text);
CREATE UNIQUE INDEX ON b (c_name COLLATE "C");
CREATE INDEX ON b (a_id);
CREATE INDEX ON b (up) WHERE up IS NOT NULL;
CREATE TABLE c (a_id smallint PRIMARY KEY REFERENCES a, small smallint UNIQUE);
CREATE TABLE d (tenant int, number int, a_id bigint REFERENCES a, PRIMARY KEY (tenant, number));
CREATE INDEX ON d USING hash (a_id);
CREATE TABLE e (tenant int, number int, extra text, FOREIGN KEY (number, tenant) REFERENCES d (number, tenant));
CREATE TABLE parted (id int, b_id int REFERENCES b, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (10000);
CREATE TABLE old (id int UNIQUE);
CREATE TABLE heir () INHERITS (old);
INSERT INTO a SELECT n, md5(n::text)::uuid, 'Nick' || n, 'Name' || n, 'p' || n,
 CASE n WHEN 1 THEN 'calm'::mood WHEN 2 THEN 'cross' END, date '2026-02-01' + n, 'code' || n, 'token' || n, 's' || n
 FROM generate_series(1, 50) n;
INSERT INTO b SELECT n, n % 50 + 1, nullif(n % 5, 0), md5(n::text)::uuid::text, 'nick' || n % 3, 'Name' || n
 FROM generate_series(1, 2100) n;
INSERT INTO c SELECT n, n + 1 FROM generate_series(1, 20) n;
INSERT INTO d SELECT n % 3, n, n FROM generate_series(1, 30) n;
INSERT INTO e SELECT tenant, number, 'x' FROM d WHERE number % 2 = 0;
INSERT INTO parted SELECT n, n FROM generate_series(1, 200) n;
INSERT INTO old VALUES (7); INSERT INTO heir VALUES (7), (8);
ANALYZE;
"""


@pytest.fixture(scope="module")
def small(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("")
    build_demo(conninfo)
    return conninfo


async def traced(
    there: tuple[Database, Schema], columns: str, *value: str | None, max_bytes: int = GIB, seconds: float = 30.0
) -> Trace:
    """The trace of a value; 30 s on a machine that is busy with other tests."""
    database, schema = there
    table, some = asked(schema, columns)
    return await trace(database, schema, Graph(schema), table, some, value, max_bytes=max_bytes, seconds=seconds)


def places(found: Trace) -> dict[str, int]:
    """Rows by place, of the places that hold the key."""
    return {each.label: each.rows or 0 for each in found.holding}


def at(found: Trace, label: str) -> Sighting:
    [sighting] = [each for each in found.sightings if each.label == label]
    return sighting


def reasons(found: Trace) -> dict[str, str]:
    return {each.label: each.not_searched for each in found.not_searched}


async def test_the_membership_that_holds_the_dead_workspace(demo: str) -> None:
    async with opened(demo) as (database, schema):
        found = await traced((database, schema), "workspaces_dangling.workspaces.id", DEAD)
        [membership] = found.holding
        assert membership.label == "workspaces_dangling.workspace_members.workspace_id"
        assert (membership.rows, membership.at_least, membership.role, membership.tied) == (
            1,
            False,
            "refers to it",
            True,
        )
        [sampled], [key] = membership.sample, membership.keys
        assert sampled["workspace_id"] == DEAD
        whole = await whole_row(database, schema, schema.tables[membership.table], key=key)
        values = {field.name: value.text for field, value in zip(whole.fields, whole.rows[0], strict=True)}
        assert values == sampled
        parent = at(found, "workspaces_dangling.workspaces.id")
        assert (parent.rows, parent.role) == (0, "parent key")
        # In the other variant nothing is left of it.
        found = await traced((database, schema), "workspaces.workspaces.id", DEAD)
        assert [each.label for each in found.holding if each.tied] == []


async def test_the_user_who_has_no_profile(demo: str) -> None:
    error = refused(
        demo,
        f"INSERT INTO chat.chat_conversations VALUES (gen_random_uuid(), '{NEWEST}', 'a', 'small', now())",
    )
    async with case(demo, "chat_conversations_user_id_fkey", error) as one:
        found = await trace_case(one)
    assert found is not None
    assert found.value == (NEWEST,)
    tied = {each.label: each.rows for each in found.sightings if each.tied}
    assert tied == {
        "auth.users.id": 1,
        "auth.identities.user_id": 1,
        "chat.user_profiles.id": 0,
        "chat.chat_conversations.user_id": 0,
    }
    assert places(found)["auth.identities.provider_id"] == 1  # a text, in a key of two columns
    assert "encrypted_password" not in at(found, "auth.users.id").sample[0]
    assert at(found, "auth.users.id").sample[0]["is_sso_user"] == "f"


async def test_a_key_from_outside_is_nowhere(demo: str) -> None:
    error = told("user_id", FROM_OUTSIDE)
    async with case(demo, "user_github_installation_user_id_user_id_fk", error) as one:
        found = await trace_case(one)
    assert found is not None
    assert found.holding == ()
    assert found.searched > 40
    assert found.searched + len(found.not_searched) == len(found.sightings)
    assert reasons(found) == {}
    assert found.at.tzinfo is not None


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ("shop.customers.id", "17"),
        ("auth.users.id", NEWEST),
        ("workspaces.users.privy_did", "{did}"),
        ("shop.orders.status", "paid"),
        ("shop.page_views.product_id", "12"),
    ],
)
async def test_every_place_holds_as_many_rows_as_its_values_as_text_say(demo: str, columns: str, value: str) -> None:
    if value == "{did}":
        [[value]] = by_hand(demo, "SELECT user_id FROM workspaces_dangling.workspace_members ORDER BY id LIMIT 1")
    async with opened(demo) as there:
        found = await traced(there, columns, value)
        schema = there[1]
    assert found.holding
    for sighting in found.sightings:
        if sighting.rows is None:
            continue
        table = schema.tables[sighting.table]
        query = psycopg.sql.SQL("SELECT count(*) FROM {} WHERE {}::text = {}").format(
            psycopg.sql.Identifier(table.schema, table.name),
            psycopg.sql.Identifier(table.column(sighting.column).name),
            value,
        )
        [[rows]] = by_hand(demo, query.as_string())
        assert sighting.rows == rows, sighting.label
        assert len(sighting.sample) == len(sighting.keys) == min(3, rows)


async def test_ties_lead_on_from_edge_to_edge_and_through_the_parts_of_a_key(small: str) -> None:
    async with opened(small) as there:
        found = await traced(there, "a.id", "7")
        roles = {each.label: each.role for each in found.sightings if each.tied}
        assert roles == {
            "public.a.id": "parent key",
            "public.b.a_id": "refers to it",
            "public.c.a_id": "refers to it",
            "public.d.a_id": "refers to it",
        }
        found = await traced(there, "e.tenant", "1")
        assert {each.label: each.role for each in found.sightings if each.tied} == {
            "public.e.tenant": "refers to it",
            "public.d.tenant": "parent key",
        }
        found = await traced(there, "parted.b_id", "4")
        assert {each.label: each.rows for each in found.sightings if each.tied} == {
            "public.b.id": 1,
            "public.b.up": 420,
            "public.parted.b_id": 1,
        }
        found = await traced(there, "a.plain", "p3")
        assert (found.sightings[0].label, found.sightings[0].role) == ("public.a.plain", "asked about")


async def test_a_key_of_several_columns_in_any_order(small: str) -> None:
    async with opened(small) as there:
        found = await traced(there, "d(tenant, number)", "1", "4")
        assert places(found) == {"public.d(tenant, number)": 1, "public.e(tenant, number)": 1}
        found = await traced(there, "e(number, tenant)", "5", "2")
        assert places(found) == {"public.d(number, tenant)": 1}
        assert at(found, "public.e(number, tenant)").rows == 0
        for value in (("1",), ("1", None), ("1", "2" * 10_001)):
            with pytest.raises(Trouble) as raised:
                await traced(there, "d(tenant, number)", *value)
            assert raised.value.code == "usage"


async def test_each_type_reads_the_value_in_its_own_way(small: str) -> None:
    async with opened(small) as there:

        async def elsewhere(columns: str, value: str) -> dict[str, int]:
            return places(await traced(there, columns, value))

        # Case is nothing to a citext; to another text it is, and an index in another order finds the same.
        assert await elsewhere("a.nick", "NICK1") == {"public.a.nick": 1}
        assert await elsewhere("b.nick", "NICK1") == {"public.b.nick": 700, "public.a.nick": 1}
        assert await elsewhere("b.c_name", "Name4") == {"public.b.c_name": 1, "public.a.name": 1}
        assert await elsewhere("a.code", "code5") == {"public.a.code": 1}
        assert await elsewhere("a.short", "s5") == {"public.a.short": 1}
        assert await elsewhere("a.made", "2026-02-11") == {"public.a.made": 1}
        assert await elsewhere("a.feeling", "cross") == {"public.a.feeling": 1}
        [[uid]] = by_hand(small, "SELECT md5('7')::uuid::text")
        for written in (uid, uid.upper(), uid.replace("-", ""), "{" + uid + "}"):
            assert await elsewhere("a.uid", written) == {"public.a.uid": 1, "public.b.uid_text": 1}
        assert await elsewhere("b.uid_text", uid) == {"public.a.uid": 1, "public.b.uid_text": 1}
        assert "public.a.id" in await elsewhere("b.uid_text", "7")
        assert "public.a.id" not in await elsewhere("b.uid_text", "007")
        assert (await elsewhere("a.id", " 007"))["public.a.id"] == 1
        # A foreign key of an inheritance parent does not see the rows of its heirs.
        assert (await elsewhere("old.id", "7"))["public.old.id"] == 1
        assert "public.old.id" not in await elsewhere("old.id", "8")
        # What a type cannot hold is not asked of the server, or refused by it, and said.
        found = await traced(there, "a.id", "40000")
        assert places(found) == {}
        assert reasons(found) == {
            "public.c.a_id": "out of the range of smallint",
            "public.c.small": "out of the range of smallint",
        }
        assert reasons(await traced(there, "a.uid", "no"))["public.a.uid"] == "not a uuid"
        assert reasons(await traced(there, "a.id", "1.5"))["public.b.a_id"] == "not an integer"
        assert reasons(await traced(there, "a.plain", "p1")) == {"public.a.secret_token": "named like a secret"}
        assert places(await traced(there, "a.secret_token", "token1")) == {"public.a.secret_token": 1}
        assert reasons(await traced(there, "a.feeling", "sad")) == {"public.a.feeling": "not of type public.mood"}
        for impossible in ("a\0b", "a\udcffb"):
            found = await traced(there, "a.plain", impossible)
            assert reasons(found)["public.a.plain"] == "not a text that a database can hold"
        assert reasons(await traced(there, "a.made", "soon")) == {"public.a.made": "not of type date"}


async def test_rows_are_counted_up_to_a_limit_by_index(small: str) -> None:
    async with opened(small) as there:
        await run(small, "INSERT INTO b SELECT n, 50 FROM generate_series(10001, 11500) n")
        found = await traced(there, "a.id", "50")
        assert (at(found, "public.b.a_id").rows, at(found, "public.b.a_id").at_least) == (MANY, True)
        assert len(at(found, "public.b.a_id").sample) == 3
        await run(small, "DELETE FROM b WHERE id > 10000")


async def test_a_large_table_without_an_index_is_left_alone(small: str) -> None:
    async with opened(small) as there:
        database, schema = there
        table, columns = asked(schema, "b.nick")
        found = await traced(there, "b.nick", "nick1", max_bytes=8192)
        assert places(found) == {"public.a.nick": 1}
        reason = re.fullmatch(r"no index, ([0-9.]+) KiB", reasons(found)["public.b.nick"])
        assert reason is not None
        [[size]] = by_hand(small, "SELECT pg_relation_size('b')")
        assert float(reason[1]) == pytest.approx(size / 1024, abs=0.1)
        # The statement that is sent does not read it, whatever the catalogue thinks of its size.
        [target] = [
            each
            for each in targets(schema, Graph(schema), table, columns, value=("nick1",))
            if each.label == "public.b.nick"
        ]
        assert not target.indexed
        plan = await _plan(database, module._Question((target,), scan=True).statement(8192))
        assert re.search(r"Seq Scan on b .*never executed", plan), plan
        plan = await _plan(database, module._Question((target,), scan=True).statement(size))
        assert re.search(r"Seq Scan on b .*rows=700", plan), plan


async def _plan(database: Database, statement: str) -> str:
    [lines] = await database.glance(f"EXPLAIN (ANALYZE, TIMING off) {statement}")
    return "\n".join(line for (line,) in lines)


async def test_what_is_searched_by_index_reads_no_table(small: str) -> None:
    async with opened(small) as (database, schema):
        table, columns = asked(schema, "a.id")
        for target in targets(schema, Graph(schema), table, columns, value=("7",)):
            if target.indexed:
                statement = module._Question((target,), scan=False).statement(GIB)
                [_, lines] = await database.glance(
                    "SELECT set_config('enable_seqscan', 'off', true)", f"EXPLAIN {statement}"
                )
                plan = "\n".join(line for (line,) in lines)
                assert "Seq Scan" not in plan, (target.label, plan)
                assert "Index Cond" in plan, (target.label, plan)


async def test_what_the_role_may_not_see_is_said(small: str) -> None:
    async with new_role(small) as role:
        await run(
            small,
            f"GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON a, c, parted TO {role};"
            f" GRANT SELECT (id, a_id, up) ON b TO {role};"
            f" CREATE SCHEMA shut; CREATE TABLE shut.t (a_id bigint REFERENCES a);"
            " ALTER TABLE c ENABLE ROW LEVEL SECURITY",
        )
        async with opened(small, role) as there:
            found = await traced(there, "a.id", "7")
            said = reasons(found)
            assert said["public.c.a_id"] == "row security"
            assert said["public.d.number"] == "no SELECT"
            assert said["shut.t.a_id"] == "no USAGE of its schema"
            assert places(found)["public.b.a_id"] == 42
            assert set(at(found, "public.b.a_id").sample[0]) == {"id", "a_id", "up"}
            # Since the catalogue was read, one of two columns of a table is taken away: the other is still searched.
            await run(small, f"REVOKE SELECT (up) ON b FROM {role}; REVOKE SELECT ON parted FROM {role}")
            found = await traced(there, "b.id", "4")
            assert reasons(found)["public.b.up"] == "no SELECT"
            assert reasons(found)["public.parted.b_id"] == "no SELECT"
            assert at(found, "public.b.id").rows == 1
        await run(small, "ALTER TABLE c DISABLE ROW LEVEL SECURITY; DROP SCHEMA shut CASCADE")


async def test_a_table_that_is_locked_or_gone_takes_no_other_with_it(small: str) -> None:
    async with opened(small) as there:
        await run(small, "CREATE TABLE passing (a_id bigint REFERENCES a)")
        async with opened(small) as later:
            await run(small, "DROP TABLE passing")
            assert reasons(await traced(later, "a.id", "7")) == {"public.passing.a_id": "public.passing has changed"}
        async with holding(small, "LOCK TABLE b"):
            found = await traced(there, "a.id", "7")
        assert reasons(found)["public.b.a_id"] == "locked by another session"
        assert places(found)["public.c.a_id"] == 1


async def test_time_that_runs_out_is_said_and_the_next_trace_is_whole(small: str) -> None:
    async with Proxy(small) as proxy, opened(proxy.conninfo) as there:
        proxy.silence()
        found = await traced(there, "a.id", "7", seconds=0.1)
        assert found.searched == 0
        assert set(reasons(found).values()) == {"time ran out"}
        proxy.speak()
        found = await traced(there, "a.id", "7")
        assert places(found)["public.a.id"] == 1
        assert reasons(found) == {}


async def test_values_print_and_read_the_same_whatever_the_settings_are(small: str) -> None:
    [[name]] = by_hand(small, "SELECT current_database()")
    await run(small, f"ALTER DATABASE {name} SET datestyle TO 'German, DMY'")
    try:
        async with opened(small) as there:
            found = await traced(there, "a.made", "2026-02-11")
            assert at(found, "public.a.made").sample[0]["made"] == "2026-02-11"
    finally:
        await run(small, f"ALTER DATABASE {name} RESET datestyle")


async def test_a_driver_that_leaves_the_key_out_gives_the_refused_row(small: str) -> None:
    error = replace(told("x"), columns=None, values=None, row=row("b", id="9000", a_id="49"))
    async with case(small, "b_a_id_fkey", error) as one:
        found = await trace_case(one)
        assert found is not None
        assert found.value == ("49",)
        assert places(found)["public.a.id"] == 1
    async with case(small, "b_a_id_fkey", replace(error, row=row("b", id="9000", a_id=None))) as one:
        assert await trace_case(one) is None


async def test_an_error_without_a_key_has_no_trace(small: str) -> None:
    for error in (told("tenant"), told("number,tenant", None, "1")):
        async with case(small, "e_number_tenant_fkey", error) as one:
            assert await trace_case(one) is None
    async with case(small, "e_number_tenant_fkey", told("number,tenant", "4", "1")) as one:
        found = await trace_case(one)
        assert found is not None
        assert places(found) == {"public.d(number, tenant)": 1, "public.e(number, tenant)": 1}


MANY_TABLES = "\n".join(
    [
        "CREATE TABLE t0 (id int PRIMARY KEY, up int, other int); INSERT INTO t0 VALUES (17);",
        *(
            f"CREATE TABLE t{n} (id int PRIMARY KEY, up int REFERENCES t{(n - 1) // 3}, other int);"
            + (f"INSERT INTO t{n} VALUES (17, 17);" if n < 200 else "")
            for n in range(1, 1000)
        ),
    ]
)


async def test_a_thousand_tables_take_few_round_trips(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MANY_TABLES)
    async with Proxy(conninfo) as proxy, opened(proxy.conninfo) as there:
        before = proxy.round_trips
        found = await traced(there, "t1.id", "17")
        trips = proxy.round_trips - before
    assert found.searched == 1999
    assert len(found.holding) == 200 + 199
    for group in ([each for each in found.holding if each.tied], [each for each in found.holding if not each.tied]):
        assert sum(bool(each.sample) for each in group) == min(len(group), module.SAMPLED)
    # Windows of statements by index, of tables that are read, and the rows that are shown: nine, each of which may be
    # sent in pieces while its first answers come.
    assert trips < 100


@pytest.mark.matrix
async def test_a_collation_to_which_case_is_nothing(database_url: str) -> None:
    try:
        await run(
            database_url,
            """CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            CREATE TABLE p (name text COLLATE nocase PRIMARY KEY); INSERT INTO p VALUES ('Ann'), ('ben');
            CREATE TABLE q (p text COLLATE nocase REFERENCES p, own text); INSERT INTO q VALUES ('ANN'), ('Ben');
            CREATE INDEX ON q (p COLLATE "C"); CREATE UNIQUE INDEX ON q (own)""",
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("a server without ICU")
    async with opened(database_url) as there:
        assert places(await traced(there, "p.name", "aNN")) == {"public.p.name": 1, "public.q.p": 1}


@pytest.mark.matrix
async def test_on_every_server(database_url: str) -> None:
    await run(database_url, SCHEMA)
    async with opened(database_url) as there:
        found = await traced(there, "a.id", "7")
        assert {label: rows for label, rows in places(found).items() if at(found, label).tied} == {
            "public.a.id": 1,
            "public.b.a_id": 42,
            "public.c.a_id": 1,
            "public.d.a_id": 1,
        }
        assert all(each.sample for each in found.holding)
