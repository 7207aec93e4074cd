"""What the connected role may do, and that what is there does not depend on who asks."""

from __future__ import annotations

from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.schema.model import Privileges
from tests.database.catalogue import by_label, load, run

pytestmark = pytest.mark.matrix

ALL = Privileges(usage=True, select=True, insert=True, update=True, delete=True, references=True, owner=True)
NONE = Privileges(usage=False, select=False, insert=False, update=False, delete=False, references=False, owner=False)


async def test_a_role_without_privileges(database_url: str) -> None:
    role = f"nobody_{uuid4().hex[:8]}"
    run(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        "CREATE SCHEMA hidden",
        "CREATE TABLE hidden.p (id int PRIMARY KEY)",
        "CREATE TABLE open (id int, secret text, parent int REFERENCES hidden.p)",
        "CREATE TABLE limited (id int, secret text)",
        "CREATE TABLE policed (id int)",
        "ALTER TABLE policed ENABLE ROW LEVEL SECURITY",
        "CREATE TABLE forced (id int)",
        "ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"CREATE SCHEMA own AUTHORIZATION {role}",
        "CREATE TABLE own.mine (id int)",
        f"ALTER TABLE own.mine OWNER TO {role}",
        "CREATE TABLE own.forced (id int)",
        f"ALTER TABLE own.forced OWNER TO {role}, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        f"GRANT SELECT, INSERT ON open TO {role}",
        f"GRANT SELECT (id), UPDATE (secret) ON limited TO {role}",
        f"GRANT DELETE, REFERENCES, SELECT ON policed TO {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
    )
    try:
        schema = await load(make_conninfo(database_url, user=role))
        superuser = await load(database_url)
    finally:
        run(database_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    tables = by_label(schema)

    def granted(label: str) -> set[str]:
        fields = ("usage", "select", "insert", "update", "delete", "references", "owner")
        return {each for each in fields if getattr(tables[label].privileges, each)}

    assert tables["hidden.p"].privileges == NONE
    assert tables["hidden.p"].columns[0].may_select is False
    assert granted("open") == {"usage", "select", "insert"}
    assert granted("limited") == {"usage"}
    assert granted("policed") == {"usage", "select", "delete", "references"}
    assert granted("own.mine") == {"usage", "select", "insert", "update", "delete", "references", "owner"}
    assert [(c.may_select, c.may_update) for c in tables["open"].columns] == [(True, False)] * 3
    assert [(c.name, c.may_select, c.may_update) for c in tables["limited"].columns] == [
        ("id", True, False),
        ("secret", False, True),
    ]
    # What is there does not depend on who asks.
    assert [edge.name for edge in schema.edges.values()] == ["open_parent_fkey"]
    assert {(t.oid, t.owner) for t in schema.tables.values()} == {(t.oid, t.owner) for t in superuser.tables.values()}
    security = {
        label: (t.row_security, t.row_security_forced, t.row_security_active)
        for label, t in tables.items()
        if t.row_security
    }
    assert security == {
        "policed": (True, False, True),
        "forced": (True, True, True),
        "own.forced": (True, True, True),
    }
    assert not any(t.row_security_active for t in superuser.tables.values())
    assert all(t.privileges == ALL for t in superuser.tables.values())
    assert tables["own.mine"].owner == role
