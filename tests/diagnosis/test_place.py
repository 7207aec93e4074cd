"""Where errors belong: each text is one that PostgreSQL gave, or names that it would give, in a real catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.diagnosis.place import place
from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError, Written
from tests.orphans.connected import opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Placed

MISSING, BLOCKED = ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED

LONG = "a_name_of_so_many_words_that_it_does_not_fit_into_what_postgresql_keeps_of_it"
SCHEMA = f"""
CREATE TABLE users (id int PRIMARY KEY, org int, login text, UNIQUE (org, login));
CREATE TABLE sessions (id int PRIMARY KEY, user_id int REFERENCES users, org int, login text,
 CONSTRAINT by_login FOREIGN KEY (org, login) REFERENCES users (org, login));
CREATE TABLE accounts (id int PRIMARY KEY, user_id int CONSTRAINT owner REFERENCES users);
CREATE TABLE teams (id int PRIMARY KEY, user_id int CONSTRAINT owner REFERENCES users);
CREATE TABLE "Order Items" (id int PRIMARY KEY, "userId" int CONSTRAINT "OrderOwner" REFERENCES users);
CREATE TABLE {LONG} (id int PRIMARY KEY, user_id int CONSTRAINT {LONG} REFERENCES users);
CREATE SCHEMA one; CREATE SCHEMA two;
CREATE TABLE one.links (user_id int CONSTRAINT links_fk REFERENCES public.users);
CREATE TABLE two.links (user_id int CONSTRAINT links_fk REFERENCES public.users);
CREATE TABLE one.notes (user_id int CONSTRAINT notes_fk REFERENCES public.users);
"""


async def placed(conninfo: str, **told: object) -> Placed:
    """What `place` says of an error with these names: of a child that was refused, unless its kind is told."""
    async with opened(conninfo) as (database, schema):
        return await place(database, schema, ParsedError(**{"kind": MISSING, **told}))  # type: ignore[arg-type]


def certain(found: Placed) -> str:
    """The label of the only candidate, which is an edge."""
    [candidate] = found.candidates
    assert candidate.edge is not None
    assert candidate.edge == found.edge
    return candidate.label


def codes(found: Placed) -> set[str]:
    return {each.code for each in found.evidence}


@pytest.fixture(scope="module")
def users(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


@pytest.mark.parametrize(
    "told",
    [
        {"constraint": "sessions_user_id_fkey", "child_table": "sessions", "child_schema": "public"},
        {"constraint": "sessions_user_id_fkey"},
        {"constraint": "sessions_user_id_fkey (index)"},
        {"constraint": '"sessions_user_id_fkey"', "child_table": '"sessions"'},
        {"constraint": "SESSIONS_USER_ID_FKEY", "child_table": "Sessions"},
        {"constraint": "sessions_user_id_fkey", "child_table": "public.sessions"},
        {"child_table": "sessions", "columns": ("user_id",), "parent_table": "users"},
        {"child_table": "public.sessions", "columns": ("user_id",)},
    ],
)
async def test_one_edge_is_certain(users: str, told: dict[str, object]) -> None:
    found = await placed(users, **told)
    assert certain(found) == "public.sessions.sessions_user_id_fkey"
    assert codes(found) == set()


@pytest.mark.parametrize("told", [{"constraint": LONG}, {"child_table": LONG, "columns": ("user_id",)}])
async def test_a_name_is_cut_as_the_server_cuts_it(users: str, told: dict[str, object]) -> None:
    assert certain(await placed(users, **told)) == f"public.{LONG[:63]}.{LONG[:63]}"


async def test_names_in_quotes_and_in_another_case(users: str) -> None:
    for told in (
        {"constraint": "OrderOwner", "child_table": "Order Items"},
        {"constraint": '"OrderOwner"', "child_table": 'public."Order Items"'},
        {"constraint": "orderowner", "child_table": "order items"},
        {"child_table": "Order Items", "columns": ("userId",)},
    ):
        assert certain(await placed(users, **told)) == 'public."Order Items"."OrderOwner"'


async def test_a_constraint_that_was_made_after_the_catalogue_was_read_is_said(database_url: str) -> None:
    await run(database_url, "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int)")
    async with opened(database_url) as (database, schema):
        await run(database_url, "ALTER TABLE c ADD CONSTRAINT c_p_fkey FOREIGN KEY (p) REFERENCES p")
        error = ParsedError(MISSING, constraint="c_p_fkey", child_table="c")
        found = await place(database, schema, error)
        assert "catalogue_outdated" in codes(found)
        again = await place(database, await read_schema(database), error)
        assert again.edge is not None
        assert codes(again) == set()
        failed = await place(database, await read_schema(database), replace(error, kind=ErrorKind.CANNOT_IMPLEMENT))
        assert failed.edge == again.edge
        assert codes(failed) == {"constraint_exists"}


async def test_a_key_that_is_no_foreign_key_is_said(users: str) -> None:
    found = await placed(users, kind=ErrorKind.OTHER, constraint="users_org_login_key", child_table="users")
    assert found.candidates == ()
    assert [each.text for each in found.evidence] == [
        "users_org_login_key is no foreign key, but a unique key of public.users."
    ]


async def test_a_name_on_two_tables_is_ambiguous_until_the_table_is_told(users: str) -> None:
    found = await placed(users, constraint="owner")
    assert [each.label for each in found.candidates] == ["public.accounts.owner", "public.teams.owner"]
    assert found.edge is None
    assert codes(found) == {"ambiguous"}
    assert certain(await placed(users, constraint="owner", child_table="teams")) == "public.teams.owner"


@pytest.mark.matrix
async def test_a_text_that_is_broken_off_after_the_table_means_the_keys_of_that_table(users: str) -> None:
    assert certain(await placed(users, child_table="accounts")) == "public.accounts.owner"
    found = await placed(users, child_table="sessions")
    assert found.edge is None
    assert {each.label for each in found.candidates} == {
        "public.sessions.sessions_user_id_fkey",
        "public.sessions.by_login",
    }
    assert {each.reasons for each in found.candidates} == {("the table that is named",)}
    assert not (await placed(users, kind=BLOCKED, child_table="accounts")).candidates
    assert not (await placed(users, child_table="users")).candidates


async def test_foreign_keys_of_another_name_are_still_called_foreign_keys(users: str) -> None:
    found = await placed(users, constraint="gone_fk", child_table="links", columns=("user_id",), parent_table="users")
    assert len(found.candidates) == 2
    [text] = [each.text for each in found.evidence if each.code == "ambiguous"]
    assert text.startswith("The text may mean 2 foreign keys: one.links.links_fk, ")


async def test_another_schema_is_told_and_the_edge_found(users: str) -> None:
    found = await placed(users, constraint="notes_fk", child_table="notes", child_schema="public")
    assert certain(found) == "one.notes.notes_fk"
    [evidence] = found.evidence
    assert evidence.code == "schema_differs"
    assert evidence.text == "The text says schema public; here the table of notes_fk is one.notes."
    assert evidence.edge == found.edge


async def test_a_table_of_that_schema_without_the_constraint_is_told(database_url: str) -> None:
    await run(
        database_url,
        "CREATE SCHEMA one; CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE c (u int);"
        " CREATE TABLE one.c (u int CONSTRAINT k REFERENCES u)",
    )
    found = await placed(database_url, constraint="k", child_table="c", child_schema="public")
    assert certain(found) == "one.c.k"
    assert [each.text for each in found.evidence] == [
        "The text says schema public; here the table of k is one.c. public.c is here too, without that constraint."
    ]


async def test_two_schemas_are_both_listed_and_none_is_chosen(users: str) -> None:
    found = await placed(users, constraint="links_fk", child_table="links", child_schema="public")
    assert [each.label for each in found.candidates] == ["one.links.links_fk", "two.links.links_fk"]
    assert found.edge is None
    assert codes(found) == {"ambiguous", "schema_differs"}
    assert certain(await placed(users, constraint="links_fk", child_table="links", child_schema="two")) == (
        "two.links.links_fk"
    )


async def test_the_statement_tells_the_schema_where_the_error_does_not(users: str) -> None:
    told = {"constraint": "links_fk", "child_table": "links"}
    assert len((await placed(users, **told)).candidates) == 2
    insert = Written("INSERT INTO two.links (user_id) VALUES ($1)", ("5",))
    assert certain(await placed(users, **told, statement=insert)) == "two.links.links_fk"
    elsewhere = Written("INSERT INTO two.others (user_id) VALUES ($1)", ("5",))
    assert len((await placed(users, **told, statement=elsewhere)).candidates) == 2


async def test_the_parents_columns_are_told_of_a_blocked_delete(users: str) -> None:
    found = await placed(users, kind=BLOCKED, child_table="sessions", parent_table="users", columns=("login", "org"))
    assert certain(found) == "public.sessions.by_login"


async def test_a_constraint_of_that_name_on_another_table_is_no_edge(users: str) -> None:
    found = await placed(users, constraint="notes_fk", child_table="remarks", columns=("user_id",))
    [candidate] = found.candidates
    assert candidate.edge is None
    assert found.edge is None
    assert candidate.label == "one.notes.notes_fk"
    assert "the text names the table remarks" in candidate.reasons


@pytest.mark.matrix
async def test_partitions_and_their_clones_lead_to_the_constraint_itself(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("""
    CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
    CREATE TABLE c (pid int) PARTITION BY LIST (pid);
    CREATE TABLE c1 (pid int, CONSTRAINT c_pid_fkey CHECK (pid > 0));
    ALTER TABLE c ATTACH PARTITION c1 FOR VALUES IN (1, 2, 3);
    ALTER TABLE c ADD CONSTRAINT c_pid_fkey FOREIGN KEY (pid) REFERENCES p;
    INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);
    """)
    said = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in ("INSERT INTO c VALUES (2)", "DELETE FROM p"):
            with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
                connection.execute(statement.encode())
            said.append(refused.value.diag)
    inserted, deleted = said
    assert inserted.table_name == "c1"
    assert inserted.constraint_name != "c_pid_fkey"
    found = await placed(
        conninfo,
        constraint=inserted.constraint_name,
        child_table="c1",
        child_schema="public",
        columns=("pid",),
        parent_table="p",
    )
    assert certain(found) == "public.c.c_pid_fkey"
    assert codes(found) == {"partition_clone"}
    found = await placed(
        conninfo, kind=BLOCKED, constraint=deleted.constraint_name, child_table=deleted.table_name, parent_table="p1"
    )
    assert certain(found) == "public.c.c_pid_fkey"
    assert deleted.constraint_name != "c_pid_fkey"
    assert certain(await placed(conninfo, child_table="c1", columns=("pid",))) == "public.c.c_pid_fkey"
