"""Whether what a request aims at is there: a default that is a parent, keys to re-point to, a name that is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.rows import impossible, incomplete, mapped, named, names_parent
from fkexplorer.fixes.verdicts import new_values
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from fkexplorer.fixes.model import Change, Request
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.fixes.verdicts import Defaults
    from fkexplorer.schema.model import Schema, Table

_NAMED = 5
"""Keys that a reason names at most."""


async def check(ask: Ask, schema: Schema, request: Request, change: Change, defaults: Defaults) -> None:
    """Make sure that the rows would have a parent afterwards.

    Args:
        ask: runs a statement.
        schema: the schema that the edge is of.
        request: what is asked for.
        change: the change that is made of it.
        defaults: of the child's columns, where the change sets some.

    Raises:
        Trouble: the default, or the key to re-point to, is none of the parent's (`impossible`).
        psycopg.Error: the server refused.
    """
    edge = request.edge
    parent = table_label(schema.parent_of(edge))
    if request.action is FixAction.SET_DEFAULT:
        values = new_values(schema.child_of(edge), change, defaults)
        key = [values.get(pair.child.name) for pair in edge.pairs]
        # A key of defaults and of the row's own values is each row's: the consequences count those without a parent.
        given = [value for value in key if value is not None]
        if len(given) == len(key):
            found = names_parent(EdgePredicate(schema, edge), given)
            [(good,)] = await ask(f"SELECT {found} OR num_nulls({', '.join(given)}) > 0")
            if not good:
                columns = named(pair.child for pair in edge.pairs)
                raise impossible(
                    f"the default of {columns} is no row of {parent}", "insert that parent first, or choose another fix"
                )
    if request.action is FixAction.REPOINT and request.key:
        values_of = [value for _, value in change.sets]
        [(good,)] = await ask(f"SELECT {names_parent(EdgePredicate(schema, edge), values_of)}")
        if not good:
            shown = ", ".join(map(str, request.key))
            raise impossible(f"{parent} has no row {shown}", "choose a parent that is there, or insert it first")
    if request.action is FixAction.REPOINT and request.mapping:
        new = [f'm."n{at}"' for at in range(len(edge.pairs))]
        found = names_parent(EdgePredicate(schema, edge), new)
        rows = await ask(
            f"SELECT DISTINCT concat_ws(', ', {', '.join(new)}) FROM {mapped(edge, request)}"
            f" WHERE NOT {found} ORDER BY 1"
        )
        if rows:
            shown = "; ".join(key for (key,) in rows[:_NAMED]) + ("; …" if len(rows) > _NAMED else "")
            raise impossible(
                f"{len(rows)} new keys of the mapping are no rows of {parent}: {shown}",
                "insert these parents first, or correct the mapping",
            )


async def check_name(ask: Ask, child: Table, name: str, *, known: bool) -> None:
    """Make sure that a constraint can have this name.

    Args:
        ask: runs a statement.
        child: the table that gets it.
        name: the name.
        known: whether the constraint is there already, and keeps it.

    Raises:
        Trouble: the table has another constraint of that name (`incomplete`).
    """
    if known:
        return
    rows = await ask(
        f"SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = {child.oid} AND conname = {sql.literal(name)}"
    )
    if rows:
        raise incomplete(
            f"{table_label(child)} has a constraint {quote(name)} already, on other columns", "give it another name"
        )


async def check_lockable(ask: Ask, parent: Table, version: int) -> None:
    """Make sure that this role may keep others from writing the parent.

    Args:
        ask: runs a statement.
        parent: the table.
        version: of the server, as 180000.

    Raises:
        Trouble: it has none of the privileges for it (`denied`).
    """
    privileges = ["UPDATE", "DELETE", "TRUNCATE", *(["MAINTAIN"] if version >= 170000 else [])]
    [(may, role)] = await ask(
        f"SELECT has_table_privilege({parent.oid}::oid, {sql.literal(', '.join(privileges))}), current_user::text"
    )
    if not may:
        label = table_label(parent)
        listed = f"{', '.join(privileges[:-1])} or {privileges[-1]}"
        raise Trouble(
            f"{quote(role)} has none of {listed} on {label}: it may not lock it against writes",
            f"GRANT {privileges[-1]} ON {label} TO {quote(role)}, or do it without the lock",
            code="denied",
        )
