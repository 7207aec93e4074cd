"""Why a foreign key could not be made: every such error provoked on a real server, explained, and mended."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from fkexplorer.diagnosis.cannot import cannot
from fkexplorer.diagnosis.model import Part
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from tests.diagnosis.cannots import ADD, SCHEMA, case_for, error_of, explained, statement_of, told_by
from tests.diagnosis.cases import by_code, by_hand, edge_named, told
from tests.orphans.connected import new_role, opened, run

pytestmark = pytest.mark.matrix


@pytest.fixture
def users(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    return database_url


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
    # Whether the session that was refused looks in the other schema is not known.
    await run(users, "CREATE SCHEMA elsewhere; ALTER TABLE places SET SCHEMA elsewhere")
    assert (await explained(users, error)).live is None
    await run(users, "ALTER TABLE elsewhere.places SET SCHEMA public")
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
    await run(users, "CREATE TYPE mood AS ENUM ('good')")
    error = error_of(users, "CREATE TYPE mood AS ENUM ('good')")
    assert error.sqlstate == "42710"
    assert by_code((await explained(users, error)).findings)["exists_now"].text.startswith("public.mood is there: ")
    await run(users, "DROP TYPE mood")
    assert "exists_no_more" in told_by(await explained(users, error))
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
