"""Why an error could happen: each cause provoked once on a real server, and once ruled out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.causes import causes
from fkexplorer.diagnosis.gap import gap
from fkexplorer.diagnosis.model import Part
from fkexplorer.diagnosis.reading.model import ErrorKind, Found
from fkexplorer.diagnosis.totals import involved, totals
from fkexplorer.diagnosis.trace import trace_case
from tests.diagnosis.cases import by_code, by_hand, case, edge_named, refused, told
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Evidence

GONE = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"
STRANGER = "acb42b05-c3e7-4818-aedb-42f95a2f3b54"
NEWEST = "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa"
MEMBERS, USERS = "workspace_members_workspace_id_workspaces_id_fk", "users_primary_workspace_id_workspaces_id_fk"

SCHEMA = """
CREATE TABLE accounts (id uuid PRIMARY KEY);
CREATE TABLE spaces (id uuid PRIMARY KEY, account uuid CONSTRAINT spaces_account REFERENCES accounts ON DELETE CASCADE);
CREATE TABLE people (id int PRIMARY KEY, space uuid CONSTRAINT people_space REFERENCES spaces);
CREATE TABLE members (space uuid CONSTRAINT members_space REFERENCES spaces ON DELETE CASCADE);
"""
MISSING = "00000000-0000-0000-0000-00000000000a"


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("")
    build_demo(conninfo)
    return conninfo


@pytest.fixture
def spaces(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return database_url


async def causes_of(one: Case) -> Part:
    counted, trace = await totals(one, involved(one)), await trace_case(one)
    return await causes(one, counted, trace, await gap(one))


async def why(conninfo: str, edge: str, value: str, column: str, kind: ErrorKind = ErrorKind.MISSING_PARENT) -> Part:
    async with case(conninfo, edge, told(column, value, kind=kind)) as one:
        return await causes_of(one)


async def of_space(conninfo: str, value: str = MISSING, edge: str = "people_space") -> Part:
    return await why(conninfo, edge, value, "space")


def of_schema(conninfo: str, name: str, schema: str) -> int:
    [[oid]] = by_hand(
        conninfo,
        f"SELECT oid FROM pg_constraint WHERE conname = '{name}' AND connamespace = '{schema}'::regnamespace",
    )
    return int(oid)


async def of_demo(conninfo: str, schema: str, name: str, column: str, value: str) -> Part:
    """The causes of a missing key on the constraint of that schema."""
    oid = of_schema(conninfo, name, schema)
    async with case(conninfo, "orders_customer_id_fkey", told(column, value)) as any_case:
        return await causes_of(replace(any_case, edge=any_case.schema.edges[oid]))


async def until(conninfo: str, query: str) -> None:
    """Wait until the query gives a row."""
    async with asyncio.timeout(10):
        while not by_hand(conninfo, query):  # noqa: ASYNC110 - nothing tells of another session
            await asyncio.sleep(0.02)


def first(part: Part) -> Evidence:
    return part.findings[0]


async def test_a_deleted_workspace_comes_first_where_nothing_is_left(demo: str) -> None:
    part = await of_demo(demo, "workspaces", USERS, "primary_workspace_id", GONE)
    found, ruled_out = by_code(part.findings), by_code(part.ruled_out)
    # Other schemas of the demo have such a workspace's member: it is found there, and so comes not from outside.
    assert first(part).code == "concurrent_delete"
    assert found["rules_disagree"].text == (
        f"ON DELETE disagrees about workspaces.workspaces: {MEMBERS} is CASCADE; {USERS} is NO ACTION. A delete there"
        " goes on into workspaces.workspace_members, and nothing stops it while no row of workspaces.users refers to it"
        " yet."
    )
    assert {"corrupt_data", "not_valid", "triggers_disabled", "standby_lag", "deferred"} <= ruled_out.keys()
    assert ruled_out["corrupt_data"].text == "No corrupt data: 0 orphans on 2 edges."
    assert "deletion_times_unknown" in found
    assert all(each.text and each.result for each in (*part.findings, *part.ruled_out))


async def test_a_stranger_comes_from_outside(demo: str) -> None:
    edge = "user_github_installation_user_id_user_id_fk"
    part = await why(demo, edge, STRANGER, "user_id")
    assert first(part).code == "from_outside"
    assert first(part).text.startswith("The key was found in 0 of ")
    assert "concurrent_delete" in by_code(part.findings)
    rules = by_code(part.ruled_out)["rules_disagree"]
    assert rules.text == ('No two ON DELETE rules disagree: all 3 constraints that refer to github."user" are CASCADE.')
    assert {row[-1] for row in by_hand(demo, rules.query)} == {"c"}


async def test_a_membership_that_is_left_tells_of_a_delete(demo: str) -> None:
    part = await of_demo(demo, "workspaces_dangling", USERS, "primary_workspace_id", GONE)
    found = by_code([each for each in part.findings if each.edge is None])
    assert first(part).code == "parent_deleted"
    assert "workspaces_dangling.workspace_members.workspace_id still holds the key" in first(part).text
    assert "from_outside" not in found
    assert "from_outside" in by_code(part.ruled_out)


async def test_no_trigger_keeps_users_and_profiles_in_step(demo: str) -> None:
    part = await why(demo, "chat_conversations_user_id_fkey", NEWEST, "user_id")
    assert first(part).code == "no_sync_trigger"
    assert first(part).text == (
        "No trigger of auth.users makes rows of chat.user_profiles: whoever inserts the one has to insert the other."
    )
    assert by_hand(demo, first(part).query) == []
    inside = by_code(part.ruled_out)["from_outside"].text
    assert inside.startswith("The key is known in this database: auth.users.id, ")


@pytest.mark.matrix
async def test_a_parent_that_goes_with_another_and_one_that_came_later(spaces: str) -> None:
    part = await of_space(spaces)
    assert by_code(part.findings)["cascade_from_above"].text == (
        "Rows of public.spaces go by ON DELETE CASCADE too, without being named in a DELETE: public.spaces with"
        " public.accounts (spaces_account)."
    )
    await run(spaces, f"INSERT INTO spaces VALUES ('{MISSING}')")
    part = await of_space(spaces)
    assert first(part).code == "parent_came_later"
    codes = {each.code for each in (*part.findings, *part.ruled_out)}
    assert not codes & {"concurrent_delete", "from_outside", "deletion_times_unknown"}


@pytest.mark.matrix
async def test_what_is_off_is_found_on_either_side_and_ruled_out_else(spaces: str) -> None:
    part = await of_space(spaces)
    assert not {"triggers_disabled", "not_valid", "not_enforced", "replication_role"} & by_code(part.findings).keys()
    off = by_code(part.ruled_out)["triggers_disabled"]
    assert off.text == "people_space, members_space, spaces_account: each has all its triggers on."
    assert by_hand(spaces, off.query) == []
    await run(spaces, "ALTER TABLE spaces DISABLE TRIGGER ALL")
    part = await of_space(spaces)
    [own, *_] = [each for each in part.findings if each.code == "triggers_disabled"]
    assert own.text == (
        "public.people.people_space has triggers that are off (of its parent) on public.spaces, so that rows come or"
        " go there unchecked."
    )
    assert by_hand(spaces, own.query)
    await run(spaces, "ALTER TABLE spaces ENABLE TRIGGER ALL; ALTER TABLE people DISABLE TRIGGER ALL")
    part = await of_space(spaces)
    [own, *_] = [each for each in part.findings if each.code == "triggers_disabled" and each.edge is None]
    assert "(of its child) on public.people" in own.text


@pytest.mark.matrix
async def test_a_trigger_that_is_off_on_one_partition(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p)"
        " PARTITION BY RANGE (pid); CREATE TABLE low PARTITION OF c FOR VALUES FROM (0) TO (10);"
        " CREATE TABLE high PARTITION OF c FOR VALUES FROM (10) TO (20); ALTER TABLE low DISABLE TRIGGER ALL;",
    )
    part = await why(database_url, "fk", "3", "pid")
    off = by_code(part.findings)["triggers_disabled"]
    assert "on public.low, so that" in off.text
    assert {row[0] for row in by_hand(database_url, off.query)} == {"low"}


@pytest.mark.matrix
async def test_a_constraint_that_is_not_valid_and_younger_than_its_orphans(database_url: str) -> None:
    await run(database_url, "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int); INSERT INTO c VALUES (1);")
    await run(database_url, "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID")
    part = await why(database_url, "fk", "1", "pid")
    found = by_code(part.findings)
    assert found["not_valid"].text == ("public.c.fk is NOT VALID: rows that were there before it were never checked.")
    assert by_hand(database_url, found["not_valid"].query) == [("c", "fk", False)]
    assert found["constraint_younger"].text == (
        "An orphan was written before public.c.fk was made, or changed last: it was there already."
    )
    row_age, constraint_age, _ = by_hand(database_url, found["constraint_younger"].query)[0]
    assert row_age > constraint_age
    assert found["corrupt_data"].result == "1 of 1 rows"
    await run(
        database_url,
        "DELETE FROM c; SET session_replication_role = replica; INSERT INTO c VALUES (2)",
    )
    ruled_out = by_code((await why(database_url, "fk", "2", "pid")).ruled_out)
    assert ruled_out["constraint_younger"].text.startswith("An orphan was written after public.c.fk was made")


async def test_an_orphan_whose_parent_went_past_a_valid_constraint(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE c (pid int);"
        " INSERT INTO c VALUES (1);",
    )
    await run(database_url, "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p")
    await run(database_url, "SET session_replication_role = replica; DELETE FROM p")
    part = await why(database_url, "fk", "1", "pid")
    gone = by_code(part.findings)["parent_gone_unseen"]
    assert gone.text.startswith("An orphan is older than the last change of public.c.fk, which is valid: ")
    assert part.findings[0].code == "parent_deleted"
    assert "not_valid" in by_code(part.ruled_out)


async def test_a_role_that_sees_little(spaces: str) -> None:
    async with new_role(spaces) as role, case(spaces, "people_space", told("space", MISSING), role=role) as one:
        part = await causes_of(one)
    assert by_code(part.ruled_out)["standby_lag"].result == "primary"
    assert not {"corrupt_data", "from_outside"} & {each.code for each in (*part.findings, *part.ruled_out)}


async def test_what_was_not_searched_may_have_the_key(spaces: str) -> None:
    await run(spaces, "CREATE TABLE hidden (id uuid PRIMARY KEY)")
    async with new_role(spaces) as role:
        await run(spaces, f"GRANT SELECT ON people, members, accounts TO {role}")
        async with case(spaces, "people_space", told("space", MISSING), role=role) as one:
            part = await causes_of(one)
        # The parent itself was not read.
        assert "from_outside" not in {each.code for each in (*part.findings, *part.ruled_out)}
        await run(spaces, f"GRANT SELECT ON spaces TO {role}")
        async with case(spaces, "people_space", told("space", MISSING), role=role) as one:
            part = await causes_of(one)
        text = by_code(part.findings)["from_outside"].text
        assert " (1 not searched): it may come from outside this database " in text
        assert text.endswith("is deleted, or it is where nobody searched.")


async def test_one_that_is_not_enforced(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p NOT ENFORCED)",
    )
    part = await why(database_url, "fk", "1", "pid")
    enforced = by_code(part.findings)["not_enforced"]
    assert enforced.text == "public.c.fk is NOT ENFORCED: PostgreSQL does not check it at all."
    assert by_hand(database_url, enforced.query) == [("c", "fk", False)]
    assert "not_valid" not in by_code(part.findings)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("how", "result", "found"),
    [
        ("DEFERRABLE INITIALLY DEFERRED", "deferred", True),
        ("DEFERRABLE", "deferrable", True),
        ("", "not deferrable", False),
    ],
)
async def test_a_deferred_constraint_speaks_at_commit(database_url: str, how: str, result: str, found: bool) -> None:
    await run(
        database_url,
        f"CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p {how})",
    )
    part = await why(database_url, "fk", "1", "pid")
    said = by_code(part.findings if found else part.ruled_out)["deferred"]
    assert said.result == result
    assert "deferred" not in by_code(part.ruled_out if found else part.findings)


async def test_a_role_whose_setting_turns_triggers_off(spaces: str) -> None:
    async with new_role(spaces) as role:
        await run(spaces, f"ALTER ROLE {role} IN DATABASE {name_of(spaces)} SET session_replication_role = replica")
        found = by_code((await of_space(spaces)).findings)["replication_role"]
        assert f"off for role {role} database {name_of(spaces)}." in found.text
        await run(spaces, f"ALTER ROLE {role} IN DATABASE {name_of(spaces)} RESET ALL")
    assert "replication_role" in by_code((await of_space(spaces)).ruled_out)


def name_of(conninfo: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"])


@pytest.mark.matrix
async def test_deletes_of_the_parent_are_told_as_far_as_they_are_known(spaces: str) -> None:
    await run(spaces, f"INSERT INTO spaces VALUES ('{MISSING}')")
    await run(spaces, "DELETE FROM spaces")
    # The server counts them once the session that deleted has told.
    await until(spaces, "SELECT 1 FROM pg_stat_user_tables WHERE relname = 'spaces' AND n_tup_del = 1")
    part = await of_space(spaces)
    assert first(part).code == "concurrent_delete"
    assert "1 row of public.spaces was deleted since its statistics began" in first(part).text
    assert first(part).result == "1 deleted"
    since = datetime(2026, 3, 1, 12, 5, 9, tzinfo=UTC)
    async with case(spaces, "people_space", told("space", MISSING)) as one:
        watched = replace(one, deletes={edge_named(one.schema, "people_space").parent: 3}, since=since)
        part = await causes_of(watched)
    assert "3 rows of public.spaces were deleted since 12:05:09 UTC." in first(part).text
    assert "nobody watched" not in by_code(part.findings)["deletion_times_unknown"].text


async def test_no_delete_since_the_statistics_began_rules_a_delete_out(spaces: str) -> None:
    await run(spaces, "SELECT pg_stat_reset()")
    for hours, rules_out in ((1, True), (-1, False)):
        async with case(spaces, "people_space", told("space", MISSING)) as one:
            moment = datetime.now(UTC) + timedelta(hours=hours)
            part = await causes_of(replace(one, found=Found(one.error, 1, first=moment, last=moment)))
        assert ("concurrent_delete" in by_code(part.ruled_out)) is rules_out
        assert ("concurrent_delete" in by_code(part.findings)) is not rules_out


async def test_no_delete_since_the_app_began_rules_a_delete_out(spaces: str) -> None:
    began = datetime.now(UTC)
    for hours, rules_out in ((1, True), (-1, False)):
        async with case(spaces, "people_space", told("space", MISSING)) as one:
            moment = began + timedelta(hours=hours)
            parent = edge_named(one.schema, "people_space").parent
            found = Found(one.error, 1, first=moment, last=moment)
            part = await causes_of(replace(one, found=found, deletes={parent: 0}, since=began))
        assert ("concurrent_delete" in by_code(part.ruled_out)) is rules_out
        assert ("concurrent_delete" in by_code(part.findings)) is not rules_out


async def test_a_column_that_keeps_the_time_of_a_delete(spaces: str) -> None:
    assert "no column says when" in by_code((await of_space(spaces)).findings)["deletion_times_unknown"].text
    await run(spaces, "ALTER TABLE spaces ADD deleted_at timestamptz")
    assert "deletion_times_unknown" not in by_code((await of_space(spaces)).findings)


@pytest.mark.matrix
async def test_who_waits_while_the_race_is_on(spaces: str) -> None:
    assert by_code((await of_space(spaces)).ruled_out)["lock_wait"].result == "0 waits"
    await run(spaces, f"INSERT INTO spaces VALUES ('{MISSING}')")
    deleter = await psycopg.AsyncConnection.connect(spaces, autocommit=True)
    inserter = await psycopg.AsyncConnection.connect(spaces, autocommit=True)
    # Left in this order, the insert does not wait for the delete for good.
    async with inserter, deleter:
        await deleter.execute("BEGIN")
        await deleter.execute("DELETE FROM spaces")
        insert = asyncio.create_task(inserter.execute(f"INSERT INTO people VALUES (1, '{MISSING}')".encode()))
        await until(spaces, "SELECT 1 FROM pg_locks WHERE NOT granted")
        wait = first(await of_space(spaces))
        assert wait.code == "lock_wait"
        assert wait.text.startswith(f"Session {inserter.info.backend_pid} (")
        assert f"for a row that session {deleter.info.backend_pid} (" in wait.text
        assert "INSERT INTO people VALUES (?, ?)" in wait.text
        assert "DELETE FROM spaces" in wait.text
        await deleter.execute("COMMIT")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            await insert
    # The race leaves nothing that a count would find.
    part = await of_space(spaces)
    assert by_code(part.ruled_out)["corrupt_data"].text.startswith("No corrupt data: 0 orphans on ")


async def test_a_blocked_delete_has_other_causes(spaces: str) -> None:
    await run(spaces, f"INSERT INTO spaces VALUES ('{MISSING}'); INSERT INTO people VALUES (1, '{MISSING}')")
    error = refused(spaces, "DELETE FROM spaces")
    async with case(spaces, "people_space", error) as one:
        part = await causes_of(one)
    found = by_code(part.findings)
    assert found["rules_disagree"].text.endswith(
        "A delete there would go on into public.members, and is refused as a whole."
    )
    codes = {each.code for each in (*part.findings, *part.ruled_out)}
    assert not codes & {"concurrent_delete", "from_outside", "parent_came_later", "other_schema"}


async def test_a_table_of_the_same_name_in_another_schema(spaces: str) -> None:
    assert "other_schema" in by_code((await of_space(spaces)).ruled_out)
    await run(spaces, "CREATE SCHEMA old; CREATE TABLE old.spaces (id uuid)")
    other = by_code((await of_space(spaces)).findings)["other_schema"]
    assert other.text.startswith("There is also old.spaces: ")
    assert len(by_hand(spaces, other.query)) == 2
    await run(spaces, "CREATE SCHEMA older; CREATE TABLE older.spaces (id uuid)")
    others = by_code((await of_space(spaces)).findings)["other_schema"]
    assert others.text.startswith("There are also old.spaces, older.spaces: ")


async def test_an_integer_in_another_table_is_no_trace(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p);"
        " CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (7);",
    )
    part = await why(database_url, "fk", "7", "pid")
    assert "from_outside" not in {each.code for each in (*part.findings, *part.ruled_out)}


async def test_other_errors_have_no_such_causes(spaces: str) -> None:
    assert await why(spaces, "people_space", MISSING, "space", ErrorKind.CANNOT_IMPLEMENT) == Part()


async def test_many_rules_are_counted_in_whole_sentences(spaces: str) -> None:
    tables = "; ".join(f"CREATE TABLE t{at} (space uuid REFERENCES spaces ON DELETE CASCADE)" for at in range(3))
    await run(spaces, tables)
    rules = by_code((await of_space(spaces)).findings)["rules_disagree"]
    assert rules.text.startswith(
        "ON DELETE disagrees about public.spaces: members_space is CASCADE, t0_space_fkey is CASCADE, t1_space_fkey is"
        " CASCADE and 1 more goes on; people_space is NO ACTION. "
    )
    assert rules.result == "4 go on, 1 stops"
    await run(spaces, "ALTER TABLE people DROP CONSTRAINT people_space; DROP TABLE t0, t1")
    rules = by_code((await of_space(spaces, edge="members_space")).ruled_out)["rules_disagree"]
    assert rules.text == "No two ON DELETE rules disagree: both constraints that refer to public.spaces are CASCADE."
