"""The four incidents of the demo: the facts that each is told by, and the error that it was reported with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.demo.asking import one

if TYPE_CHECKING:
    from tests.demo.asking import Edge

GITHUB_USER = "acb42b05-c3e7-4818-aedb-42f95a2f3b54"
WORKSPACE = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"

pytestmark = pytest.mark.matrix


def test_incident_1_the_user_is_not_there(connection: psycopg.Connection, edges: dict[str, Edge]) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        connection.execute(
            "INSERT INTO github.user_github_installation "
            "SELECT gen.id, %s, i.id, 'owner', '2025-06-30' FROM github.installation i, "
            "(VALUES ('4f1c8e0a-7a2e-4a43-9f3b-0c7d2a6b5e11'::uuid)) gen (id) ORDER BY i.created_at LIMIT 1",
            (GITHUB_USER,),
        )
    assert refused.value.diag.message_primary == (
        'insert or update on table "user_github_installation" violates foreign key constraint '
        '"user_github_installation_user_id_user_id_fk"'
    )
    assert refused.value.diag.message_detail == f'Key (user_id)=({GITHUB_USER}) is not present in table "user".'
    connection.rollback()
    assert edges["github.user_github_installation_user_id_user_id_fk"].parent == 'github."user"'
    for table, columns in searchable(connection, "github").items():
        for column in columns:
            query = f"SELECT count(*) FROM {table} WHERE {column}::text LIKE '%{GITHUB_USER}%'"
            assert one(connection, query) == 0, f"{table}.{column}"


def searchable(connection: psycopg.Connection, schema: str) -> dict[str, list[str]]:
    """All columns of all tables of a schema, quoted."""
    query = """
        SELECT a.attrelid::regclass::text, array_agg(quote_ident(a.attname)) FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        WHERE a.attnum > 0 AND c.relkind = 'r' AND c.relnamespace = %s::regnamespace GROUP BY 1
    """
    return dict(connection.execute(query, (schema,)).fetchall())


@pytest.mark.parametrize(
    ("schema", "memberships", "rule"), [("workspaces", 183, "c"), ("workspaces_dangling", 184, "a")]
)
def test_incident_2_in_two_variants(
    connection: psycopg.Connection, edges: dict[str, Edge], schema: str, memberships: int, rule: str
) -> None:
    connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema)))
    assert one(connection, "SELECT count(*) FROM users") == 179
    assert one(connection, "SELECT count(*) FROM workspaces") == 179
    assert one(connection, "SELECT count(*) FROM workspace_members") == memberships
    assert one(connection, "SELECT count(*) FROM users WHERE primary_workspace_id IS NULL") == 0
    assert one(connection, "SELECT count(*) FROM workspaces WHERE id::text LIKE 'a7189b92-%'") == 0
    # The third edge of the incident, which nobody declared: a text column to a unique one that is not the key.
    without_user = (
        "SELECT count(*) FROM workspace_members m LEFT JOIN users u ON u.privy_did = m.user_id WHERE u.id IS NULL"
    )
    assert one(connection, without_user) == 0
    assert f"{schema}.workspace_members_user_id_users_privy_did_fk" not in edges
    assert sorted(edge.child for edge in edges.values() if edge.parent == f"{schema}.workspaces") == [
        f"{schema}.users",
        f"{schema}.workspace_members",
    ]
    assert edges[f"{schema}.workspace_members_workspace_id_workspaces_id_fk"].on_delete == rule
    assert edges[f"{schema}.users_primary_workspace_id_workspaces_id_fk"].on_delete == "a"
    dangling = connection.execute("SELECT id FROM workspace_members WHERE workspace_id = %s", (WORKSPACE,)).fetchall()
    assert len(dangling) == memberships - 183
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        connection.execute(
            "INSERT INTO users (id, privy_did, display_name, primary_workspace_id, created_at) "
            "VALUES ('8b1f5c52-9c0e-4a55-8a37-5d0b8e9f1c66', 'did:privy:new', 'New', %s, '2025-07-01')",
            (WORKSPACE,),
        )
    assert refused.value.diag.constraint_name == "users_primary_workspace_id_workspaces_id_fk"
    assert refused.value.diag.message_detail == (
        f'Key (primary_workspace_id)=({WORKSPACE}) is not present in table "workspaces".'
    )


def test_incident_3_the_gap_and_what_a_backfill_loses(connection: psycopg.Connection) -> None:
    gap = "FROM auth.users u WHERE NOT EXISTS (SELECT FROM chat.user_profiles p WHERE p.id = u.id)"
    assert one(connection, "SELECT count(*) FROM auth.users") == 412
    assert one(connection, f"SELECT count(*) {gap}") == 37
    newest = one(connection, f"SELECT u.id::text {gap} ORDER BY u.created_at DESC LIMIT 1")
    assert newest.startswith("d78a04ae-")
    assert one(connection, "SELECT min(u.created_at)::date::text " + gap) == "2025-06-01"
    assert (
        one(connection, "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal")
        == 0
    )
    with (
        connection.transaction(),
        pytest.raises(psycopg.errors.ForeignKeyViolation) as refused,
        connection.transaction(),
    ):
        connection.execute(
            "INSERT INTO chat.chat_conversations VALUES ('0f2d9a4e-66b1-4a0c-8f0e-7f5f1d2c3b4a', %s, 'Hello', 'small', "
            "'2025-06-30')",
            (newest,),
        )
    assert refused.value.diag.constraint_name == "chat_conversations_user_id_fkey"
    assert refused.value.diag.message_detail == f'Key (user_id)=({newest}) is not present in table "user_profiles".'
    filled = connection.execute(
        "INSERT INTO chat.user_profiles (id, email, display_name, created_at) "
        "SELECT id, email, COALESCE(raw_user_meta_data ->> 'full_name', email), created_at FROM auth.users "
        "ON CONFLICT DO NOTHING"
    )
    assert filled.rowcount == 36
    lost_email = one(connection, f"SELECT u.email {gap}")
    assert connection.execute("SELECT count(*) FROM auth.users WHERE email = %s", (lost_email,)).fetchone() == (2,)


def test_incident_4_types_that_no_constraint_joins(connection: psycopg.Connection, edges: dict[str, Edge]) -> None:
    types = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = '{}'::regclass AND attname = '{}'"
    assert one(connection, types.format("nextauth.sessions", "user_id")) == "text"
    assert one(connection, types.format("nextauth.users", "id")) == "uuid"
    assert "nextauth.sessions_user_id_fkey" not in edges
    is_uuid = "s.user_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
    uncastable = f"SELECT array_agg(s.user_id ORDER BY s.user_id) FROM nextauth.sessions s WHERE NOT {is_uuid}"
    assert one(connection, uncastable) == ["guest", "undefined", "user_42"]
    orphans = (
        "SELECT count(*) FROM nextauth.sessions s LEFT JOIN nextauth.users u "
        f"ON u.id = CASE WHEN {is_uuid} THEN s.user_id::uuid END WHERE {is_uuid} AND u.id IS NULL"
    )
    assert one(connection, orphans) == 5
    as_text = (
        "SELECT count(*) FROM nextauth.sessions s LEFT JOIN nextauth.users u ON u.id::text = s.user_id "
        "WHERE u.id IS NULL"
    )
    assert one(connection, as_text) == 9, (
        "3 that do not cast, 5 orphans, and 1 in capitals that only text calls different"
    )
    with pytest.raises(psycopg.errors.DatatypeMismatch) as refused:
        connection.execute(
            "ALTER TABLE nextauth.sessions ADD CONSTRAINT sessions_user_id_fkey "
            "FOREIGN KEY (user_id) REFERENCES nextauth.users (id)"
        )
    assert refused.value.diag.message_primary == 'foreign key constraint "sessions_user_id_fkey" cannot be implemented'
