"""Errors about what is not in the catalogue: guesses with their reasons, what is missing, and where a delete began."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.diagnosis.constraint_names import object_name
from fkexplorer.diagnosis.place import place
from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError, Topic, Written
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Candidate, Placed

LONG = "a_table_whose_name_is_nearly_as_long_as_it_may_be"
SCHEMA = f"""
CREATE SCHEMA auth;
CREATE TABLE users (id uuid PRIMARY KEY, name text);
CREATE TABLE auth.identities (id int PRIMARY KEY);
CREATE TABLE sessions (id int PRIMARY KEY, user_id text, identity_id int, org int, login text);
CREATE TABLE photo (id int PRIMARY KEY, "userId" int);
CREATE TABLE auth_permission (id int PRIMARY KEY, content_type_id int);
CREATE TABLE django_content_type (id int PRIMARY KEY);
CREATE TABLE usr (id int PRIMARY KEY);
CREATE TABLE message (id int PRIMARY KEY, user_id int);
CREATE TABLE active_storage_attachments (id int PRIMARY KEY, blob_id int, record_id int);
CREATE SCHEMA shop; CREATE TABLE shop."user" (id int PRIMARY KEY, family_id int);
CREATE TABLE "Orders" (id int PRIMARY KEY, "UserId" int);
CREATE TABLE user_sessions (id int PRIMARY KEY, user_id uuid CONSTRAINT renamed_since REFERENCES users);
CREATE TABLE {LONG} (id int PRIMARY KEY, column_with_a_long_name_too int, user_id uuid);
CREATE VIEW people AS SELECT * FROM users;
"""
ALL = {"kind": ErrorKind.CANNOT_IMPLEMENT, "sqlstate": "42804"}


@pytest.fixture(scope="module")
def names(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def placed(conninfo: str, **told: object) -> Placed:
    """What `place` says of an error with these names."""
    async with opened(conninfo) as (database, schema):
        return await place(database, schema, ParsedError(**{"kind": ErrorKind.MISSING_PARENT, **told}))  # type: ignore[arg-type]


def guess(found: Placed) -> Candidate:
    """The only candidate, which is none of the edges."""
    [candidate] = found.candidates
    assert candidate.edge is None
    assert found.edge is None
    return candidate


def said(found: Placed) -> dict[str, str]:
    return {each.code: each.text for each in found.evidence}


@pytest.mark.parametrize(
    ("name", "label", "why"),
    [
        ("sessions_user_id_fkey", "public.sessions(user_id):public.users(id)", "PostgreSQL"),
        ("sessions_identity_id_fkey", "public.sessions(identity_id):auth.identities(id)", "PostgreSQL"),
        ("sessions_user_id_foreign", "public.sessions(user_id):public.users(id)", "Laravel"),
        ("sessions_user_id_users_id_fk", "public.sessions(user_id):public.users(id)", "Drizzle"),
        ("message_user_id_usr_id_fk", "public.message(user_id):public.usr(id)", "Drizzle"),
        ("FK_Orders_users_UserId", 'public."Orders"("UserId"):public.users(id)', "Entity Framework"),
        ("fk_message_user_id_usr", "public.message(user_id):public.usr(id)", "SQLAlchemy"),
        ("fk_rails_c3b3935057", "public.active_storage_attachments(blob_id):?", "Rails"),
        ("FK_4494006ff358f754d07df5ccc87", 'public.photo("userId"):public.users(id)', "TypeORM"),
        ("fk_8d93d649c35e566a", 'shop."user"(family_id):?', "Doctrine"),
        ("fk70bv6o4exfe3fbrho7nuotopf", "public.message(user_id):public.usr(id)", "Hibernate"),
        (
            "auth_permission_content_type_id_2f476e4b_fk_django_co",
            "public.auth_permission(content_type_id):public.django_content_type(id)",
            "Django",
        ),
        (
            object_name(LONG, "column_with_a_long_name_too", "fkey"),
            f"public.{LONG}(column_with_a_long_name_too):?",
            "PostgreSQL",
        ),
        (f"{LONG}_user_id_users_id_fk"[:63], f"public.{LONG}(user_id):public.users(id)", "Drizzle names them, cut"),
    ],
)
async def test_a_constraint_that_is_not_there_is_taken_apart_by_its_name(
    names: str, name: str, label: str, why: str
) -> None:
    """The names with a hash are of public repositories, not made by the code that reads them."""
    found = await placed(names, constraint=name)
    candidate = guess(found)
    assert candidate.label == label
    assert why in " ".join(candidate.reasons)
    assert candidate.child is not None
    assert len(candidate.child_columns) == 1
    assert (candidate.parent is None) == label.endswith("?")
    assert len(candidate.parent_columns) == (candidate.parent is not None)
    assert "constraint_absent" in said(found)


async def test_two_tables_after_which_a_column_may_be_called_are_both_guessed(
    make_database: Callable[[str], str],
) -> None:
    conninfo = make_database(
        'CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE "user" (id int PRIMARY KEY);'
        "CREATE TABLE posts (owner_user_id int)"
    )
    found = await placed(conninfo, constraint="posts_owner_user_id_fkey")
    assert [each.label for each in found.candidates] == [
        'public.posts(owner_user_id):public."user"(id)',
        "public.posts(owner_user_id):public.users(id)",
    ]
    assert found.edge is None


async def test_the_name_that_postgresql_chooses_is_the_one_that_is_made_again(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE p (id int PRIMARY KEY)")
        for at, (table, column) in enumerate(
            [("t" * 50, "c" * 30), ("ä" * 20, "ö" * 30), ("t", "c"), ("t" * 31, "c" * 27)]
        ):
            connection.execute(f'CREATE TABLE "{table}{at}" ("{column}" int REFERENCES p)'.encode())
            row = connection.execute("SELECT conname FROM pg_constraint ORDER BY oid DESC LIMIT 1").fetchone()
            assert row == (object_name(f"{table}{at}", column, "fkey"),)


async def test_a_table_whose_creation_failed_is_said_and_guessed_by_its_name(
    make_database: Callable[[str], str],
) -> None:
    conninfo = make_database("CREATE TABLE users (id uuid PRIMARY KEY)")
    with psycopg.connect(conninfo, autocommit=True) as connection, pytest.raises(psycopg.errors.DatatypeMismatch):
        connection.execute("CREATE TABLE sessions (user_id text REFERENCES users)")
    found = await placed(conninfo, **ALL, constraint="sessions_user_id_fkey")
    candidate = guess(found)
    assert candidate.label == "sessions(user_id):public.users(id)"
    assert (candidate.child, candidate.child_columns) == (None, ())
    assert candidate.parent is not None
    assert said(found)["table_absent"] == "sessions does not exist: its CREATE failed."
    assert "other_database" not in said(found)
    nothing = await placed(make_database(""), **ALL, constraint="sessions_user_id_fkey")
    assert guess(nothing).label == "sessions(user_id):users(id)"
    assert {"constraint_absent", "table_absent", "other_database"} == set(said(nothing))


async def test_a_statement_in_the_text_tells_both_sides(names: str) -> None:
    sql = "ALTER TABLE sessions ADD CONSTRAINT k FOREIGN KEY (identity_id) REFERENCES auth.identities (id)"
    found = await placed(names, **ALL, constraint="k", statement=Written(sql))
    candidate = guess(found)
    assert candidate.label == "public.sessions(identity_id):auth.identities(id)"
    assert candidate.reasons == ("the statement defines it",)


async def test_the_text_alone_may_tell_both_sides(names: str) -> None:
    found = await placed(names, child_table="sessions", columns=("user_id",), parent_table="users")
    assert guess(found).label == "public.sessions(user_id):public.users(id)"
    assert guess(found).reasons == ("the text names both sides",)


async def test_a_constraint_that_was_renamed_is_a_guess(names: str) -> None:
    found = await placed(
        names, constraint="user_sessions_user_id_fkey", child_table="user_sessions", columns=("user_id",)
    )
    assert guess(found).label == "public.user_sessions.renamed_since"
    assert "its name is another than the text says" in guess(found).reasons
    assert "dropped or renamed" in said(found)["constraint_absent"]


async def test_nothing_of_it_is_here(names: str) -> None:
    found = await placed(names, constraint="k_fk", child_table="customer", child_schema="shop", parent_table="shops")
    assert found.candidates == ()
    text = said(found)["other_database"]
    assert text.endswith("k_fk, customer, shops. Is it the right database?")
    assert "@" in text


@pytest.mark.matrix
async def test_an_index_of_a_catalogue_is_not_said_to_be_gone(names: str) -> None:
    both_started = {"kind": ErrorKind.OTHER, "topic": Topic.ALREADY_EXISTS, "child_table": "identities"}
    found = said(await placed(names, **both_started, constraint="pg_type_typname_nsp_index"))
    assert not {"constraint_absent", "no_foreign_key"} & found.keys()


async def test_a_table_that_was_missing_may_be_there_now(names: str) -> None:
    missing = {"kind": ErrorKind.OTHER, "topic": Topic.RELATION_MISSING}
    # What is there now is told once, by the look at definitions.
    assert not said(await placed(names, **missing, parent_table="identities"))
    assert not said(await placed(names, **missing, parent_table="people"))
    absent = said(await placed(names, **missing, parent_table="identites"))
    assert absent["table_absent"] == "There is no table identites; near: auth.identities."


async def test_guesses_stay_in_one_schema_and_within_what_is_there(make_database: Callable[[str], str]) -> None:
    one = "CREATE TABLE users (id int PRIMARY KEY, code int); CREATE TABLE posts (user_id int, author int, code int);"
    other = (
        "CREATE SCHEMA other; CREATE TABLE other.users (id int PRIMARY KEY); CREATE TABLE other.posts (user_id int);"
    )
    more = "CREATE TABLE pairs (a int, b int, id int PRIMARY KEY, UNIQUE (b, a)); CREATE TABLE uses (a int, b int);"
    conninfo = make_database(one + other + more)
    found = await placed(conninfo, constraint="posts_user_id_fkey", child_table="posts", parent_table="users")
    assert [each.label for each in found.candidates] == [
        "other.posts(user_id):other.users(id)",
        "public.posts(user_id):public.users(id)",
    ]
    found = await placed(conninfo, child_table="posts", columns=("author",), parent_table="users")
    assert guess(found).label == "public.posts(author):public.users(id)"
    found = await placed(conninfo, child_table="uses", columns=("a", "b"), parent_table="pairs")
    assert guess(found).label == "public.uses(a, b):public.pairs(a, b)"
    assert (await placed(conninfo, constraint="uses_user_id_fkey", child_table="uses")).candidates == ()
    absent = await placed(conninfo, constraint="likes_user_id_fkey")
    assert guess(absent).label == "likes(user_id):?"
    assert "user_id may be the key of other.users, public.users" in guess(absent).reasons
    absent = await placed(conninfo, child_table="likes", columns=("user_id",), parent_table="users")
    assert guess(absent).label == "likes(user_id):users"
    assert guess(absent).reasons == ("the text names both sides", "there is no table likes")


BLOCKED = """
CREATE TABLE orgs (id int PRIMARY KEY);
CREATE TABLE workspaces (id int PRIMARY KEY, org int REFERENCES orgs ON DELETE CASCADE);
CREATE TABLE members (id int PRIMARY KEY, workspace int REFERENCES workspaces ON DELETE CASCADE);
CREATE TABLE notes (id int PRIMARY KEY, member int REFERENCES members);
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO orgs VALUES (1); INSERT INTO workspaces VALUES (1, 1); INSERT INTO members VALUES (1, 1);
INSERT INTO notes VALUES (1, 1);
"""


async def test_a_blocked_delete_is_followed_up_to_where_it_began(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(BLOCKED)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
            connection.execute("DELETE FROM orgs")
        diag = refused.value.diag
    assert str(diag.message_primary).startswith('update or delete on table "members"')
    blocked = {
        "kind": ErrorKind.STILL_REFERENCED,
        "constraint": diag.constraint_name,
        "child_table": diag.table_name,
        "parent_table": "members",
    }
    chain = "public.orgs -> public.workspaces -> public.members"
    texts = {
        None: "The delete may have begun above public.members, by ON DELETE CASCADE:"
        f" public.workspaces -> public.members; {chain}.",
        "DELETE FROM orgs WHERE id = 1": "The statement was DELETE on orgs; ON DELETE CASCADE led from there:"
        f" {chain}.",
        "delete from other": "The statement was DELETE on other, from which no cascade leads to public.members:"
        " a trigger may.",
        "delete from members": None,
    }
    for sql, text in texts.items():
        found = await placed(conninfo, **blocked, statement=Written(sql) if sql else None)
        assert found.edge is not None
        assert said(found).get("deleted_from") == text, sql
