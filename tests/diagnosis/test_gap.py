"""The gap that a missing key is a part of: as many rows as SQL counts, on both kinds of pair, with its trigger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.gap import gap
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.schema.names import table_label
from tests.diagnosis.cases import GIB, by_hand, case, refused, told
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Gap

NEWEST = "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa"
PROFILES, CONVERSATIONS = "user_profiles_id_fkey", "chat_conversations_user_id_fkey"

SCHEMA = """
CREATE TABLE accounts (id uuid PRIMARY KEY, made timestamp DEFAULT now(), born date);
CREATE TABLE profiles (id uuid PRIMARY KEY, nick text);
CREATE TABLE posts (id int PRIMARY KEY, profile uuid CONSTRAINT posts_profile REFERENCES profiles);
CREATE TABLE numbers (id int PRIMARY KEY);
CREATE TABLE people (id int PRIMARY KEY, number int UNIQUE);
CREATE TABLE badges (person int CONSTRAINT badges_person REFERENCES people);
CREATE TABLE wallets (person int PRIMARY KEY CONSTRAINT wallets_person REFERENCES people);
CREATE TABLE coins (wallet int CONSTRAINT coins_wallet REFERENCES wallets);
CREATE TABLE stray (id uuid PRIMARY KEY);
INSERT INTO accounts SELECT md5(n::text)::uuid, timestamp '2026-03-01 12:00' + n * interval '1 day', NULL
 FROM generate_series(1, 60) n;
INSERT INTO accounts VALUES (md5('61')::uuid, 'infinity', NULL);
INSERT INTO profiles SELECT md5(n::text)::uuid FROM generate_series(1, 48) n;
INSERT INTO stray SELECT md5(n::text)::uuid FROM generate_series(40, 60) n;
INSERT INTO numbers SELECT generate_series(1, 90);
INSERT INTO people SELECT n, n FROM generate_series(1, 70) n;
INSERT INTO wallets SELECT generate_series(1, 50);
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


def key(conninfo: str, number: int) -> str:
    [[text]] = by_hand(conninfo, f"SELECT md5('{number}')::uuid::text")
    return str(text)


async def gap_of(
    conninfo: str, edge: str, *value: str, role: str | None = None, max_bytes: int = GIB, columns: str = ""
) -> Gap | None:
    async with case(conninfo, edge, told(columns or "profile", *value), role=role, max_bytes=max_bytes) as one:
        return await gap(one)


async def test_the_users_who_have_no_profile(demo: str) -> None:
    error = refused(
        demo, f"INSERT INTO chat.chat_conversations VALUES (gen_random_uuid(), '{NEWEST}', 'a', 'small', now())"
    )
    async with case(demo, CONVERSATIONS, error) as one:
        found = await gap(one)
        assert found is not None
        tables = one.schema.tables
        assert table_label(tables[found.source]) == "auth.users"
        assert table_label(tables[found.target]) == "chat.user_profiles"
        assert found.edge is not None
        assert one.schema.edges[found.edge].name == PROFILES
    without = "FROM auth.users u WHERE NOT EXISTS (SELECT FROM chat.user_profiles p WHERE p.id = u.id)"
    [[missing, newest]] = by_hand(demo, f"SELECT count(*), max(created_at) {without}")
    [[rows]] = by_hand(demo, "SELECT count(*) FROM auth.users")
    assert (found.missing, found.rows) == (missing, rows) == (37, 412)
    assert (found.newest, found.newest_by) == (newest, "created_at")
    assert abs(datetime.now(UTC) - found.at) < timedelta(minutes=5)
    assert (found.trigger, found.trigger_off, found.problem) == ("", "", "")
    listed = by_hand(demo, found.query)
    assert len(listed) == 37
    assert str(listed[0][0]) == NEWEST


WRITER = """
CREATE FUNCTION public.make_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN -- {comment}
  {body}
  RETURN NEW;
END $$;
CREATE TRIGGER on_sign_up AFTER {event} ON auth.users FOR EACH ROW EXECUTE FUNCTION public.make_profile();
"""
INSERTS = "INSERT INTO chat.user_profiles (id) VALUES (NEW.id) ON CONFLICT DO NOTHING;"


@pytest.mark.parametrize(
    ("script", "fires", "off"),
    [
        (WRITER.format(comment="", body=INSERTS, event="INSERT"), "on_sign_up", ""),
        (
            WRITER.format(comment="", body=INSERTS.lower().replace("into ", "INTO\n"), event="INSERT OR UPDATE"),
            "on_sign_up",
            "",
        ),
        (
            WRITER.format(
                comment="", body=INSERTS.replace("chat.user", '"chat"."user').replace("files", 'files"'), event="INSERT"
            ),
            "on_sign_up",
            "",
        ),
        (
            WRITER.format(comment="", body=INSERTS, event="INSERT")
            + "ALTER TABLE auth.users DISABLE TRIGGER on_sign_up",
            "",
            "on_sign_up",
        ),
        (
            WRITER.format(comment="", body=INSERTS, event="INSERT")
            + "ALTER TABLE auth.users ENABLE REPLICA TRIGGER on_sign_up",
            "",
            "on_sign_up",
        ),
        (WRITER.format(comment="", body=INSERTS, event="DELETE"), "", ""),
        (WRITER.format(comment=INSERTS, body="", event="INSERT"), "", ""),
        (WRITER.format(comment="", body="PERFORM 1 FROM chat.user_profiles;", event="INSERT"), "", ""),
        (WRITER.format(comment="", body=INSERTS.replace("user_profiles", "user_profiles_log"), event="INSERT"), "", ""),
        (
            "CREATE FUNCTION public.put_profile(uuid) RETURNS void LANGUAGE plpgsql AS"
            f" $$ BEGIN {INSERTS.replace('NEW.id', '$1')} END $$;"
            + WRITER.format(comment="", body="PERFORM public.put_profile(NEW.id);", event="INSERT"),
            "on_sign_up",
            "",
        ),
    ],
    ids=["insert", "lower case", "quoted", "disabled", "replica", "of delete", "comment", "reads", "another", "called"],
)
async def test_the_trigger_that_should_make_the_twins(demo: str, script: str, fires: str, off: str) -> None:
    await run(demo, script)
    try:
        found = await gap_of(demo, CONVERSATIONS, NEWEST, columns="user_id")
        assert found is not None
        assert (found.trigger, found.trigger_off) == (fires, off)
    finally:
        await run(
            demo,
            "DROP TRIGGER on_sign_up ON auth.users; DROP FUNCTION public.make_profile;"
            " DROP FUNCTION IF EXISTS public.put_profile",
        )


async def test_a_pair_that_nobody_declared_is_seen_by_the_key_and_the_other_twins(small: str) -> None:
    found = await gap_of(small, "posts_profile", key(small, 55))
    assert found is not None
    [[missing]] = by_hand(
        small, "SELECT count(*) FROM accounts a WHERE NOT EXISTS (SELECT FROM profiles p WHERE p.id = a.id)"
    )
    assert (found.edge, found.rows, found.missing) == (None, 61, missing) == (None, 61, 13)
    # Not a table that has the key and of whose rows the others are no twins.
    [[oid]] = by_hand(small, "SELECT 'accounts'::regclass::oid")
    assert found.source == oid
    # The newest that is a date, of a column without a zone in the session's zone.
    [[newest]] = by_hand(small, "SELECT max(made)::timestamptz FROM accounts WHERE isfinite(made)")
    assert (found.newest, found.newest_by) == (newest, "made")
    assert by_hand(small, f"SELECT count(*) FROM ({found.query.removesuffix(';')}) q") == [(13,)]
    # A key that nobody has is a part of no gap, nor is one of a row that is there.
    assert await gap_of(small, "posts_profile", key(small, 1000)) is None


async def test_an_integer_that_two_tables_have_by_chance_makes_no_pair(small: str) -> None:
    assert await gap_of(small, "badges_person", "80", columns="person") is None  # numbers has an 80
    found = await gap_of(small, "coins_wallet", "60", columns="wallet")
    assert found is not None
    assert (found.rows, found.missing, found.newest, found.newest_by) == (70, 20, None, "")


async def test_what_is_not_known_of_a_gap(small: str) -> None:
    value = key(small, 55)
    found = await gap_of(small, "posts_profile", value, max_bytes=100)
    assert found is not None
    assert (found.rows, found.missing, found.newest) == (None, None, None)
    assert found.problem == "the tables are larger than 100 bytes"
    async with new_role(small) as role:
        await run(small, f"GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT (id) ON accounts, profiles TO {role}")
        found = await gap_of(small, "posts_profile", value, role=role)
        assert found is not None
        assert (found.rows, found.missing, found.newest_by, found.problem) == (61, 13, "", "")
        await run(small, f"REVOKE SELECT (id) ON profiles FROM {role}")
        assert await gap_of(small, "posts_profile", value, role=role) is None


async def test_other_errors_have_no_gap(small: str) -> None:
    for error in (told("id", key(small, 55), kind=ErrorKind.STILL_REFERENCED), told("nick", "x")):
        async with case(small, "posts_profile", error) as one:
            assert await gap(one) is None


@pytest.mark.matrix
async def test_on_every_server(database_url: str) -> None:
    await run(database_url, SCHEMA)
    found = await gap_of(database_url, "posts_profile", key(database_url, 55))
    assert found is not None
    assert (found.rows, found.missing) == (61, 13)
