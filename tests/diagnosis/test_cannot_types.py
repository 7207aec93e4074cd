"""Columns that no operator compares: what does not cast is what the server refuses, and what is advised works."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.cannot import cannot
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.reader import read_text
from tests.diagnosis.cannots import ADD, SCHEMA, case_for, error_of, explained, statement_of, told_by
from tests.diagnosis.cases import MIB, by_code, by_hand
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.matrix


@pytest.fixture
def users(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return database_url


async def test_the_sessions_of_the_demo(make_database: Callable[[str], str]) -> None:
    demo = make_database("")
    build_demo(demo)
    [bare] = read_text('Error [X]: foreign key constraint "sessions_user_id_fkey" cannot be implemented').found
    part = await explained(demo, bare.error)
    found, ruled_out = by_code(part.findings), by_code(part.ruled_out)
    assert part.live is True
    assert part.findings[0].text == (
        "nextauth.sessions.user_id is text, nextauth.users.id is uuid: no operator compares the two (42804)."
    )
    assert found["uncastable"].text == (
        "3 values of nextauth.sessions.user_id (3 rows) do not cast to uuid: guest, undefined, user_42."
    )
    assert {row[0] for row in by_hand(demo, found["uncastable"].query)} == {"guest", "undefined", "user_42"}
    assert found["orphans_after_cast"].result == "5 rows"
    assert by_hand(demo, found["orphans_after_cast"].query) == [(5,)]
    assert found["change_direction"].text == (
        "nextauth.sessions.user_id is the one to change, to uuid: 1 foreign key (accounts_user_id_fkey) hangs on"
        " nextauth.users.id, no foreign key hangs on nextauth.sessions.user_id."
    )
    assert {"two_starts", "order_of_creation", "no_unique_key", "privilege_missing"} <= ruled_out.keys()
    # What is suggested works once the rows are mended.
    await run(demo, "DELETE FROM nextauth.sessions WHERE user_id !~ '^[0-9A-Fa-f-]{36}$'")
    await run(demo, statement_of(part, "USING"))
    await run(
        demo, "DELETE FROM nextauth.sessions s WHERE NOT EXISTS (SELECT FROM nextauth.users u WHERE u.id = user_id)"
    )
    await run(demo, statement_of(part, "VALIDATE"))
    async with case_for(demo, bare.error) as case:
        assert case.edge is not None and case.edge.validated  # noqa: PT018 - one thing
        mended = await cannot(case)
    assert mended.live is False
    assert told_by(mended) == {"types_agree"}


async def test_types_that_were_changed_since(users: str) -> None:
    error = error_of(users, f"{ADD} (user_id) REFERENCES users")
    assert error.kind is ErrorKind.CANNOT_IMPLEMENT
    part = await explained(users, error)
    assert part.live is True
    ruled_out = by_code(part.ruled_out)
    assert ruled_out["casts"].text == "Every value casts from public.sessions.user_id to uuid."
    assert ruled_out["no_orphans_after_cast"].result == "0 orphans"
    await run(users, statement_of(part, "USING"))
    part = await explained(users, error)
    assert part.live is False
    assert part.findings[0].text.startswith("The types agree now: public.sessions.user_id is uuid and ")


@pytest.mark.parametrize(
    ("of", "values", "not_cast"),
    [
        ("int", ["1", " 2 ", "-3", "x", "2147483648", "", "1.5"], {"x", "2147483648", "", "1.5"}),
        ("bigint", ["9223372036854775807", "9223372036854775808", "1e3"], {"9223372036854775808", "1e3"}),
        (
            "uuid",
            [
                "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
                "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
                "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11",
            ],
            {
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
                " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11",
            },
        ),
    ],
)
async def test_what_casts_is_what_the_server_casts(
    database_url: str, of: str, values: list[str], not_cast: set[str]
) -> None:
    await run(database_url, f"CREATE TABLE p (id {of} PRIMARY KEY); CREATE TABLE c (pid text)")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for value in values:
            connection.execute("INSERT INTO c VALUES (%s)", [value])
            if value in not_cast:
                with pytest.raises(psycopg.DataError):
                    connection.execute(f"SELECT %s::text::{of}".encode(), [value])
            else:
                connection.execute(f"SELECT %s::text::{of}".encode(), [value])
    part = await explained(database_url, error_of(database_url, "ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p"))
    uncastable = by_code(part.findings)["uncastable"]
    assert uncastable.result == f"{len(not_cast)} row{'s' if len(not_cast) > 1 else ''} do not cast"
    assert {row[0] for row in by_hand(database_url, uncastable.query)} <= not_cast
    castable = len(values) - len(not_cast)
    assert by_hand(database_url, by_code(part.findings)["orphans_after_cast"].query) == [(castable,)]


async def test_a_type_that_only_newer_servers_can_try(database_url: str) -> None:
    await run(
        database_url, "CREATE TABLE p (id inet PRIMARY KEY); CREATE TABLE c (pid text); INSERT INTO c VALUES ('x')"
    )
    part = await explained(database_url, error_of(database_url, "ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p"))
    [[version]] = by_hand(database_url, "SELECT current_setting('server_version_num')::int")
    assert ("uncastable" in told_by(part)) is (version >= 160000)
    assert ("uncastable_unknown" in told_by(part)) is (version < 160000)


async def test_a_number_that_would_become_text_and_one_on_which_others_hang(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE c (pid int UNIQUE DEFAULT 7);"
        " INSERT INTO c VALUES (1), (2); INSERT INTO p VALUES ('1');"
        " CREATE TABLE d (cid int CONSTRAINT of_c REFERENCES c (pid));",
    )
    error = error_of(database_url, "ALTER TABLE c ADD FOREIGN KEY (pid) REFERENCES p")
    part = await explained(database_url, error)
    direction = by_code(part.findings)["change_direction"].text
    assert direction.startswith("public.p.id is the one to change, to integer: 1 foreign key (of_c) hangs on")
    await run(database_url, "DROP TABLE d")
    part = await explained(database_url, error)
    assert by_code(part.findings)["orphans_after_cast"].result == "1 row"
    assert statement_of(part, "USING") == (
        "ALTER TABLE public.c ALTER COLUMN pid DROP DEFAULT;\n"
        "ALTER TABLE public.c ALTER COLUMN pid TYPE text USING pid::text;"
    )
    await run(database_url, statement_of(part, "USING"))


async def test_a_large_table_is_not_read_and_secrets_are_not_shown(users: str) -> None:
    await run(
        users, "INSERT INTO sessions SELECT n, 'u', 'secret' || n FROM generate_series(1, 40000) n; ANALYZE sessions"
    )
    error = error_of(users, f"{ADD} (user_id) REFERENCES users")
    part = await explained(users, error, max_bytes=MIB)
    assert "over_the_limit" in told_by(part)
    assert "uncastable" not in told_by(part)
    part = await explained(users, error_of(users, f"{ADD} (token) REFERENCES users"))
    assert by_code(part.findings)["uncastable"].text == (
        "40,000 values of public.sessions.token (40,000 rows) do not cast to uuid."
    )


async def test_a_role_that_may_neither_read_nor_alter(users: str) -> None:
    error = error_of(users, f"{ADD} (user_id) REFERENCES users")
    async with new_role(users) as role:
        await run(users, f"GRANT USAGE ON SCHEMA public TO {role}")
        part = await explained(users, error, role=role)
    found = by_code([each for each in part.findings if each.code != "denied"])
    assert f"{role} is not the owner of public.sessions (postgres is)" in found["privilege_missing"].text
    assert "denied" in told_by(part)


async def test_a_create_that_failed_left_no_table(users: str) -> None:
    error = error_of(users, "CREATE TABLE logins (id int, user_id text CONSTRAINT l REFERENCES users (id))")
    part = await explained(users, error)
    assert part.live is True
    assert "create_failed" in told_by(part)
    assert by_code(part.findings)["types_differ"].text == (
        "user_id and id are of types text and uuid, says the text: no operator compares them."
    )
    assert by_code(part.findings)["parent_type"].text.startswith("public.users.id is uuid here")


async def test_a_view_stands_in_the_way(users: str) -> None:
    await run(users, "CREATE VIEW who AS SELECT user_id FROM sessions")
    part = await explained(users, error_of(users, f"{ADD} (user_id) REFERENCES users"))
    view = by_code(part.findings)["views_in_the_way"]
    assert view.text.startswith("public.who uses public.sessions.user_id: ")
    assert by_hand(users, view.query) == [("public", "who")]
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        await run(users, statement_of(part, "USING"))
    await run(users, "DROP VIEW who")
    await run(users, statement_of(part, "USING"))


async def test_each_pair_that_the_text_may_mean(users: str) -> None:
    await run(
        users,
        "CREATE SCHEMA old; CREATE TABLE old.users (id int PRIMARY KEY);"
        " CREATE TABLE old.sessions (id int, user_id uuid)",
    )
    [bare] = read_text('foreign key constraint "sessions_user_id_fkey" cannot be implemented').found
    async with case_for(users, bare.error) as case:
        assert len(case.placed.candidates) > 1
        part = await cannot(case)
    texts = {each.text for each in part.findings if each.code == "types_of_candidate"}
    assert part.live is None
    assert (
        "If old.sessions(user_id):old.users(id) is meant: old.sessions.user_id is uuid, old.users.id is integer."
    ) in texts


async def test_two_tables_of_the_name_that_is_told(users: str) -> None:
    error = replace(error_of(users, f"{ADD} (email) REFERENCES users (code)"), statement=None)
    await run(users, "CREATE SCHEMA old; CREATE TABLE old.users (id int PRIMARY KEY)")
    part = await explained(users, error)
    assert [each.text for each in part.findings] == ["The text may mean one of 2 tables: old.users, public.users."]
