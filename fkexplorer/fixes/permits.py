"""What the role may do with the tables of an edge now, and the words for what it may not: the panel's reasons.

What may have changed since the catalogue was read (privileges, ownership, row security) is asked of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes.rows import named
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.schema.model import Column, Relationship, Schema, Table

MAY = """
SELECT c.oid::int8, has_schema_privilege(c.relnamespace, 'USAGE'), has_schema_privilege(c.relnamespace, 'CREATE'),
 has_table_privilege(c.oid, 'SELECT'), has_any_column_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'DELETE'),
 has_table_privilege(c.oid, 'REFERENCES'), has_table_privilege(c.oid, 'TRIGGER'),
 pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid), pg_get_userbyid(c.relowner)::text,
 ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(c.oid, a.attnum, 'UPDATE'))
FROM pg_class c WHERE c.oid IN ({tables})
"""
"""The table and the fields of `May`, a row each."""
STATE = """
SELECT pg_is_in_recovery(), current_user::text, current_setting('session_replication_role'),
 (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
"""
"""The fields of `Role`, but for the version."""


@dataclass(frozen=True, slots=True)
class May:
    """What the role may do with a table now."""

    usage: bool
    create: bool
    select: bool
    insert: bool
    delete: bool
    references: bool
    trigger: bool
    owner: bool
    hidden: bool
    """Row security hides rows from it."""
    owner_name: str
    updatable: list[str]
    """The columns that it may update."""


class No(Exception):  # noqa: N818 - an answer
    """A fix can't be done: why, and what would permit it."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Role:
    """Who is connected, and to what."""

    standby: bool
    name: str
    replication: str
    """`session_replication_role`."""
    superuser: bool
    version: int
    """`server_version_num`."""


class Permits:
    """What keeps a role from a fix of an edge: each method raises `No` with the reason, and what would permit it."""

    def __init__(self, schema: Schema, edge: Relationship, may: Mapping[int, May], role: Role) -> None:
        self._schema = schema
        self._edge = edge
        self._may = may
        self._server = role
        self._role = quote(role.name)
        self._child = schema.child_of(edge)
        self._parent = schema.parent_of(edge)

    def _anywhere(self) -> None:
        """What keeps every fix from being done."""
        if self._server.standby:
            raise No("the server is a standby, which takes no writes", "connect to the primary")
        for table in (self._child, self._parent):
            if table.oid not in self._may:
                raise No(f"{table_label(table)} is gone", "load the schema again")
            if not self._may[table.oid].usage:
                raise No(
                    f"no USAGE on the schema {quote(table.schema)}",
                    f"GRANT USAGE ON SCHEMA {quote(table.schema)} TO {self._role}",
                )

    def _sees(self, table: Table) -> None:
        may = self._may.get(table.oid)
        if may is None:
            return
        if may.hidden:
            raise No(
                f"row security hides rows of {table_label(table)} from {self._role}",
                f"connect as its owner {quote(may.owner_name)}, or as a role with BYPASSRLS",
            )
        if not may.select:
            self._lacks("SELECT", table)

    def _lacks(self, privilege: str, table: Table, columns: Iterable[Column] = ()) -> None:
        listed = f" ({named(columns)})" if columns else ""
        label = table_label(table)
        raise No(f"no {privilege} on {label}{listed}", f"GRANT {privilege}{listed} ON {label} TO {self._role}")

    def _owns(self, table: Table) -> None:
        may = self._may[table.oid]
        if not may.owner:
            raise No(
                f"{self._role} is not the owner of {table_label(table)}",
                f"GRANT {quote(may.owner_name)} TO {self._role}, or connect as it",
            )

    def _refers(self) -> None:
        if not self._may[self._parent.oid].references:
            self._lacks("REFERENCES", self._parent)

    def _creates(self, table: Table) -> None:
        if not self._may[table.oid].create:
            name = quote(table.schema)
            raise No(f"no CREATE on the schema {name}", f"GRANT CREATE ON SCHEMA {name} TO {self._role}")
