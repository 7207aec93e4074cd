"""Types that no operator compares: what is advised leads, step by step, to a constraint that is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE
from fkexplorer.orphans.model import Status
from fkexplorer.schema.actions import FixAction
from tests.doctor.pairs import errors, examined_names, examined_pairs, runnable
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS = "nextauth.sessions(user_id):nextauth.users(id)"


@pytest.mark.matrix
async def test_the_sessions_of_the_demo_from_error_to_a_valid_constraint(make_database: Callable[[str], str]) -> None:
    demo = make_database("")
    build_demo(demo)
    found = await examined_pairs(demo, SESSIONS)
    [finding] = found.findings
    assert finding.code == "types_differ"
    assert finding.text == (
        "nextauth.sessions.user_id is text, nextauth.users.id is uuid: no operator compares the two (42804)."
        " 3 values of nextauth.sessions.user_id (3 rows) do not cast to uuid: guest, undefined, user_42."
        " After the change 5 rows of nextauth.sessions would still name no row of nextauth.users: the next error would"
        " be 23503. nextauth.sessions.user_id is the one to change, to uuid: 1 foreign key (accounts_user_id_fkey)"
        " hangs on nextauth.users.id, no foreign key hangs on nextauth.sessions.user_id."
    )
    assert "(uuid, text)" in finding.seen
    assert finding.treatment.action is FixAction.CHANGE_TYPE
    assert finding.treatment.forecast.startswith("8 rows to clean first. ")
    assert ACCESS_EXCLUSIVE in {lock.mode for lock in finding.treatment.locks}
    first, delete = finding.treatment.statements[:2]
    assert first.startswith("-- First clean 8 rows of nextauth.sessions.user_id")
    change, add, validate = runnable(finding)
    # Not before they are cleaned.
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        await run(demo, change)
    with psycopg.connect(demo, autocommit=True) as connection:
        assert connection.execute(delete.removeprefix("-- ").encode()).rowcount == 8
    for statement in (change, add, validate):
        await run(demo, statement)
    after = await examined_pairs(demo, SESSIONS)
    assert not errors(after)
    assert after.edges[0].validated
    assert after.counts[after.edges[0].oid].status is Status.CLEAN


@pytest.mark.matrix
async def test_a_child_that_may_be_null_can_be_cleaned_by_that(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id text);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES ('1'), ('2'), ('x'), (NULL)",
    )
    finding = errors(await examined_pairs(database_url, "c(p_id):p(id)"))["types_differ"]
    [update] = [each for each in finding.treatment.statements if each.startswith("-- UPDATE")]
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(update.removeprefix("-- ").encode()).rowcount == 2
    for statement in runnable(finding):
        await run(database_url, statement)


async def test_the_parent_is_the_one_to_change_where_others_hang_on_the_child(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE root (id text PRIMARY KEY);"
        "CREATE TABLE c (p_id text REFERENCES root); CREATE TABLE other (p_id text);"
        "INSERT INTO root VALUES ('1'); INSERT INTO c VALUES ('1'); INSERT INTO p VALUES (1)",
    )
    finding = errors(await examined_pairs(database_url, "c(p_id):p(id)"))["types_differ"]
    assert dict(finding.treatment.options) == {"side": "parent"}
    assert ACCESS_EXCLUSIVE in {lock.mode for lock in finding.treatment.locks}
    for statement in runnable(finding):
        await run(database_url, statement)
    assert not errors(await examined_pairs(database_url, "c(p_id):p(id)"))


async def test_types_that_can_be_compared_are_no_finding(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id bigint PRIMARY KEY, code varchar(9) UNIQUE); CREATE TABLE c (id int, code text);",
    )
    assert not errors(await examined_pairs(database_url, "c(id):p(id)", "c(code):p(code)"))


async def test_views_no_key_and_other_types_come_in_the_order_in_which_they_are_mended(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int, note text); CREATE TABLE c (p_id text); CREATE VIEW v AS SELECT p_id FROM c;"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES ('1')",
    )
    found = errors(await examined_pairs(database_url, "c(p_id):p(id)"))
    assert list(found) == ["no_unique_key", "types_differ"]
    assert found["types_differ"].text.endswith("The type can't be changed while it is used by the view public.v.")
    assert (
        "-- Drop these first, and make them anew after: the view public.v" in found["types_differ"].treatment.statements
    )
    assert not any("ADD CONSTRAINT" in each and "FOREIGN KEY" in each for each in runnable(found["no_unique_key"]))
    await run(database_url, "DROP VIEW v")
    for each in found.values():
        for statement in runnable(each):
            await run(database_url, statement)
    after = await examined_pairs(database_url, "c(p_id):p(id)")
    assert not errors(after)
    assert after.edges[0].validated


async def test_what_was_not_read_is_said_and_secrets_are_not_shown(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id text, token text);"
        "INSERT INTO c SELECT 'hush' || n, 'hush' || n FROM generate_series(1, 3) n; ANALYZE",
    )
    found = await examined_pairs(database_url, "c(p_id):p(id)", max_bytes=1)
    assert errors(found).keys() == {"types_differ"}
    assert any("is not known" in reason for _, reason in found.not_looked)
    secret = errors(await examined_pairs(database_url, "c(token):p(id)"))["types_differ"]
    assert "3 values of public.c.token (3 rows) do not cast to integer." in secret.text
    assert "hush" not in secret.text + "".join(secret.treatment.statements)
    async with new_role(database_url) as role:
        found = await examined_pairs(database_url, "c(p_id):p(id)", role=role)
        assert any("no SELECT on public.c" in reason for _, reason in found.not_looked)
        assert {"types_differ", "privilege_missing"} <= errors(found).keys()


async def test_a_child_whose_create_failed_is_told_as_that(database_url: str) -> None:
    await run(database_url, "CREATE TABLE users (id uuid PRIMARY KEY)")
    with pytest.raises(psycopg.errors.DatatypeMismatch):
        await run(database_url, "CREATE TABLE sessions (id int PRIMARY KEY, user_id text REFERENCES users)")
    [finding] = (await examined_names(database_url, "sessions(user_id):users(id)")).findings
    assert finding.code == "table_missing"
    assert "its CREATE failed" in finding.text


async def test_a_key_of_several_columns_of_which_one_can_not_be_compared(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE p (tenant int, number int, PRIMARY KEY (tenant, number));"
        "CREATE TABLE c (tenant int, number text, above int, id int PRIMARY KEY);"
        "INSERT INTO p VALUES (1, 1), (1, 2);"
        "INSERT INTO c VALUES (1, '1', NULL, 1), (1, '9', 1, 2), (2, '1', 1, 3), (1, 'x', 3, 4), (NULL, '7', 1, 5)",
    )
    pair = "c(tenant, number):p(tenant, number)"
    finding = errors(await examined_pairs(database_url, pair))["types_differ"]
    assert "(1 row) does not cast to integer: x." in finding.text
    assert "After the change 2 rows of public.c would still name no row of public.p" in finding.text
    assert finding.treatment.statements[0].startswith("-- First clean 3 rows of public.c.number: delete,")
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert connection.execute(finding.treatment.statements[1].removeprefix("-- ").encode()).rowcount == 3
    for statement in runnable(finding):
        await run(database_url, statement)
    after = await examined_pairs(database_url, pair)
    assert after.edges[0].validated
    # A table may refer to itself.
    assert not errors(await examined_pairs(database_url, "c(above):c(id)"))


async def test_an_array_of_keys_is_no_key_and_no_row_of_it_is_in_the_way(database_url: str) -> None:
    await run(
        database_url,
        "CREATE TABLE users (id int PRIMARY KEY, name text UNIQUE NOT NULL);"
        " CREATE TABLE posts (id int PRIMARY KEY, reader_ids int[], names text[], written text);"
        " INSERT INTO users VALUES (1, 'a'); INSERT INTO posts VALUES (1, '{1}', '{a}', '{1}')",
    )
    pairs = "posts(reader_ids):users(id)", "posts(names):users(name)"
    found = await examined_pairs(database_url, *pairs)
    assert [each.code for each in found.findings] == ["array_of_keys", "array_of_keys"]
    assert found.findings[0].text == (
        "public.posts.reader_ids is integer[], public.users.id is integer: an array is not one key."
    )
    assert not any(each.treatment.action for each in found.findings)
    assert not any(runnable(each) for each in found.findings)
    for edge in found.edges:
        count = found.counts[edge.oid]
        assert count.status is Status.INCOMPARABLE
        assert "array" in (count.error or "")
        assert "do not cast" not in (count.error or "")
        assert "does not cast" not in (count.error or "")
    # Texts and arrays are another thing: what a text holds may be an array.
    [finding] = (await examined_pairs(database_url, "posts(written):users(id)")).findings
    assert finding.code == "types_differ"
