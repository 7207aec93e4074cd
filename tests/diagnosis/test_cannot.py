"""Why a foreign key could not be made: every such error provoked on a real server, explained, and mended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.cannot import cannot
from fkexplorer.diagnosis.case import Case
from fkexplorer.diagnosis.model import Part
from fkexplorer.diagnosis.place import place
from fkexplorer.diagnosis.reading.model import ErrorKind, Found, ParsedError, Topic, Written
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.schema.graph import Graph
from tests.diagnosis.cases import GIB, MIB, by_code, by_hand, edge_named, told
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.matrix

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY, email text, number int UNIQUE DEFERRABLE, code text);
CREATE UNIQUE INDEX users_some ON users (email) WHERE email <> 'x';
CREATE TABLE sessions (id int PRIMARY KEY, user_id text, token text, email text, number int);
CREATE VIEW people AS SELECT id FROM users;
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
CREATE TABLE plain (id int);
"""
ADD = "ALTER TABLE sessions ADD CONSTRAINT fk FOREIGN KEY"


@pytest.fixture
def users(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return database_url


def error_of(conninfo: str, statement: str, *, role: str | None = None) -> ParsedError:
    """What PostgreSQL says to a statement, read as a log has it; with the statement, as a good log has that too."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if role is not None:
            connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement.encode())
    diag = raised.value.diag
    lines = [f"ERROR:  {diag.message_primary}"]
    if diag.message_detail:
        lines.append(f"DETAIL:  {diag.message_detail}")
    [found] = read_text("\n".join(lines) + "\n").found
    return replace(found.error, sqlstate=diag.sqlstate, statement=Written(statement))


@asynccontextmanager
async def case_for(
    conninfo: str, error: ParsedError, *, role: str | None = None, max_bytes: int = GIB
) -> AsyncIterator[Case]:
    async with opened(conninfo, role) as (database, schema):
        placed = await place(database, schema, error)
        edge = schema.edges.get(placed.edge) if placed.edge else None
        yield Case(database, schema, Graph(schema), Found(error, 1), placed, edge, max_bytes)


async def explained(conninfo: str, error: ParsedError, *, role: str | None = None, max_bytes: int = GIB) -> Part:
    async with case_for(conninfo, error, role=role, max_bytes=max_bytes) as case:
        return await cannot(case)


def told_by(part: Part) -> set[str]:
    return {each.code for each in part.findings}


def statement_of(part: Part, word: str) -> str:
    """The statement of a suggestion that has this word in it."""
    [found] = [each.sql for each in part.suggestions if word in each.sql]
    return found


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
        "nextauth.sessions.user_id is the one to change, to uuid: 1 foreign key hangs (accounts_user_id_fkey) on"
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
    assert direction.startswith("public.p.id is the one to change, to integer: 1 foreign key hangs (of_c) on")
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


async def test_no_unique_key_and_what_stands_against_one(users: str) -> None:
    await run(
        users,
        "INSERT INTO users SELECT md5(n::text)::uuid, NULL, NULL, 'a' FROM generate_series(1, 3) n",
    )
    error = error_of(users, f"{ADD} (email) REFERENCES users (code)")
    assert error.kind is ErrorKind.NO_UNIQUE
    part = await explained(users, error)
    assert part.live is True
    found = by_code(part.findings)
    assert found["no_unique_key"].text == "No unique key covers just public.users.code, and a foreign key needs one."
    assert found["keys_of_parent"].text.startswith("The keys of public.users are users_pkey (id), ")
    assert found["repeated_keys"].text == "1 key of public.users.code is there more than once: code = a 3 times."
    await run(users, "DELETE FROM users")
    part = await explained(users, error)
    assert by_code(part.ruled_out)["no_repeats"].result == "0 repeated keys"
    for statement in statement_of(part, "CONCURRENTLY").splitlines():
        await run(users, statement)
    part = await explained(users, error)
    assert part.live is False
    assert told_by(part) == {"unique_key_exists"}
    await run(users, f"{ADD} (email) REFERENCES users (code)")


async def test_keys_that_nearly_serve(users: str) -> None:
    part = await explained(users, error_of(users, f"{ADD} (email) REFERENCES users (email)"))
    assert by_code(part.findings)["unusable_key"].text == (
        "No unique key of public.users.email can serve: users_some is partial: rows outside of its WHERE may repeat."
    )
    error = error_of(users, f"{ADD} (number) REFERENCES users (number)")
    assert error.topic is Topic.DEFERRABLE_UNIQUE
    part = await explained(users, error)
    assert by_code(part.findings)["deferrable_key"].text == (
        "No unique key of public.users.number can serve: users_number_key is DEFERRABLE, and a foreign key can't refer"
        " to such a one."
    )
    for statement in statement_of(part, "CONCURRENTLY").splitlines():
        await run(users, statement)
    assert (await explained(users, error)).live is False
    await run(users, f"{ADD} (number) REFERENCES users (number)")


async def test_columns_that_the_text_does_not_tell(users: str) -> None:
    error = replace(error_of(users, f"{ADD} (email) REFERENCES users (code)"), statement=None)
    part = await explained(users, error)
    assert part.live is None
    assert told_by(part) == {"keys_of_parent"}


async def test_no_primary_key(users: str) -> None:
    error = error_of(users, f"{ADD} (id) REFERENCES plain")
    part = await explained(users, error)
    assert (part.live, part.findings[0].code) == (True, "no_primary_key")
    await run(users, "ALTER TABLE plain ADD PRIMARY KEY (id)")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"primary_key_exists"})


async def test_more_columns_on_one_side(users: str) -> None:
    part = await explained(users, error_of(users, f"{ADD} (email, number) REFERENCES users (id)"))
    assert part.live is True
    assert by_code(part.findings)["arity"].text == (
        "The definition names (email, number) and (id): a foreign key has as many columns on either side."
    )
    part = await explained(users, error_of(users, f"{ADD} (email, number) REFERENCES users"))
    assert "the primary key (id) of public.users:" in by_code(part.findings)["arity"].text


async def test_a_table_that_comes_later_or_is_spelled_otherwise(users: str) -> None:
    error = error_of(users, "CREATE TABLE visits (id int, place int REFERENCES places (id))")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (True, {"order_of_creation"})
    await run(users, "CREATE TABLE places (id int PRIMARY KEY); CREATE TABLE visits (id int, place int)")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"order_of_creation"})
    await run(users, statement_of(part, "ADD FOREIGN KEY"))
    await run(users, 'CREATE TABLE "Towns" (id int PRIMARY KEY)')
    part = await explained(users, error_of(users, "CREATE TABLE x (t int REFERENCES Towns (id))"))
    assert part.live is True
    assert by_code(part.findings)["name_case"].text.endswith('looks for it in lower case: write "Towns".')
    part = await explained(users, error_of(users, "CREATE SCHEMA s; CREATE TABLE x (t int REFERENCES s.places (id))"))
    assert part.live is True
    assert "There is no s.places, but public.places" in by_code(part.findings)["wrong_schema"].text


async def test_a_column_that_is_not_there(users: str) -> None:
    error = error_of(users, f"{ADD} (userid) REFERENCES users (id)")
    part = await explained(users, error)
    assert part.live is True
    assert by_code(part.findings)["column_missing"].text.startswith(
        "There is no column userid in public.sessions and public.users; near: user_id"
    )
    await run(users, "ALTER TABLE sessions ADD userid uuid")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"column_exists"})


async def test_a_parent_that_is_a_view(users: str) -> None:
    error = error_of(users, f"{ADD} (user_id) REFERENCES people (id)")
    part = await explained(users, error)
    assert part.live is True
    found = by_code(part.findings)
    assert found["not_a_table"].text == "public.people is a view, and a foreign key refers to a table alone."
    assert found["tables_behind"].text == "public.people reads public.users."
    assert by_hand(users, found["tables_behind"].query) == [("public", "users")]
    await run(users, "DROP VIEW people; CREATE TABLE people (id uuid PRIMARY KEY)")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"is_a_table"})


async def test_a_permanent_table_and_an_unlogged_one(users: str) -> None:
    error = error_of(users, f"{ADD} (number) REFERENCES cache (id)")
    part = await explained(users, error)
    assert part.live is True
    assert by_code(part.findings)["persistence"].text.startswith(
        "public.sessions is permanent, public.cache is UNLOGGED: "
    )
    await run(users, statement_of(part, "SET LOGGED"))
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"persistence_agrees"})


@pytest.mark.parametrize("statement", ["DROP TABLE plain", "TRUNCATE plain"])
async def test_a_drop_and_a_truncate_that_foreign_keys_stand_against(users: str, statement: str) -> None:
    await run(users, f"ALTER TABLE plain ADD PRIMARY KEY (id); {ADD} (number) REFERENCES plain")
    error = error_of(users, statement)
    part = await explained(users, error)
    assert part.live is True
    by = by_code(part.findings)["referenced_by"]
    assert by.text.startswith("1 foreign key refers to public.plain: public.sessions.fk.")
    assert by_hand(users, by.query) == [("sessions", "fk")]
    assert not any(word in each.sql + each.text for each in part.suggestions for word in ("DROP TABLE", "TRUNCATE"))
    await run(users, "ALTER TABLE sessions DROP CONSTRAINT fk")
    part = await explained(users, error)
    assert (part.live, told_by(part)) == (False, {"no_longer_referenced"})


async def test_two_starts_at_once(users: str) -> None:
    await run(users, "ALTER TABLE plain ADD PRIMARY KEY (id)")
    await run(users, f"{ADD} (number) REFERENCES plain")
    error = error_of(users, f"{ADD} (number) REFERENCES plain")
    assert error.sqlstate == "42710"
    part = await explained(users, error)
    assert part.live is False
    found = by_code(part.findings)
    assert found["two_starts"].text.startswith("IF NOT EXISTS looks first and creates then")
    assert found["exists_now"].text == (
        "public.sessions.fk is there, from (number) to public.plain: what was to be made is not missing."
    )
    await run(users, "ALTER TABLE sessions DROP CONSTRAINT fk; ALTER TABLE cache ADD CONSTRAINT fk CHECK (id > 0)")
    assert by_code((await explained(users, error)).findings)["exists_no_more"].text == (
        "There is no constraint fk on that table now; the one on public.cache is another."
    )
    part = await explained(users, error_of(users, "CREATE TABLE sessions (id int)"))
    assert by_code(part.findings)["exists_now"].text.startswith("public.sessions is there: ")
    # As the slower one of two that create the same table at one time.
    race = told("typname,typnamespace", "sessions", "2200", kind=ErrorKind.OTHER)
    race = replace(
        race,
        topic=Topic.ALREADY_EXISTS,
        sqlstate="23505",
        constraint="pg_type_typname_nsp_index",
        child_table="sessions",
    )
    part = await explained(users, race)
    assert part.live is False
    assert by_code(part.findings)["two_starts"].text.startswith("pg_type_typname_nsp_index is the catalogue's own: ")
    assert by_code(part.findings)["exists_now"].text.startswith("public.sessions is there: ")
    # A row that is there twice is no start.
    assert await explained(users, replace(race, constraint="users_email_key")) == Part()


async def test_which_privilege_is_missing(users: str) -> None:
    statement = "ALTER TABLE own ADD FOREIGN KEY (id) REFERENCES plain (id)"
    async with new_role(users) as role:
        await run(
            users,
            f"ALTER TABLE plain ADD PRIMARY KEY (id); CREATE TABLE own (id int); ALTER TABLE own OWNER TO {role};"
            f" GRANT USAGE ON SCHEMA public TO {role}",
        )
        error = error_of(users, statement, role=role)
        assert error.sqlstate == "42501"
        part = await explained(users, error, role=role)
        assert part.live is True
        missing = by_code(part.findings)["privilege_missing"]
        assert missing.text == f"{role} has no REFERENCES on public.plain."
        await run(users, statement_of(part, "GRANT"))
        part = await explained(users, error, role=role)
        assert part.live is None
        assert by_code(part.ruled_out)["privilege_missing"].text == (
            f"{role} lacks nothing for it on public.own, public.plain: the role that was refused is another one."
        )
        await run(users, "ALTER TABLE own OWNER TO postgres")
        part = await explained(users, error_of(users, statement, role=role), role=role)
        assert f"{role} is not the owner of public.own" in by_code(part.findings)["privilege_missing"].text
        await run(users, f"REVOKE USAGE ON SCHEMA public FROM {role}, PUBLIC; GRANT USAGE ON SCHEMA public TO postgres")
        part = await explained(users, error_of(users, statement, role=role), role=role)
        assert "has no USAGE on schema public" in by_code(part.findings)["privilege_missing"].text
        error = error_of(users, statement.replace("own", "public.own"), role=role)
        part = await explained(users, error, role=role)
        lacking = [each.result for each in part.findings if each.code == "privilege_missing"]
        assert f"GRANT USAGE ON SCHEMA public TO {role}" in lacking


async def test_a_violated_constraint_is_not_its_matter(users: str) -> None:
    await run(users, f"ALTER TABLE plain ADD PRIMARY KEY (id); {ADD} (number) REFERENCES plain")
    async with opened(users) as (database, schema):
        edge = edge_named(schema, "fk")
        async with case_for(users, told("number", "7")) as case:
            assert await cannot(replace(case, database=database, schema=schema, edge=edge)) == Part()
