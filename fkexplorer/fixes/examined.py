"""What stands against a change of what a constraint rests on, and what it takes, found out by reading alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.indexes import index_name
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.rows import named
from fkexplorer.fixes.standing import ANOTHER, BUSY, INVALID
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from fkexplorer.fixes.model import Plan
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Column, Schema, Table

EXAMPLES = 3
"""Values that a reason names."""
BUILD_BYTES = 100e6
"""Bytes of a table from which an index is built in a second."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found."""

    confirm: str
    """What has to be typed."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What people have to know beside, a sentence each."""


async def examined(ask: Ask, schema: Schema, plan: Plan) -> Examined:
    """Look whether a plan whose steps have a standing can be done.

    Raises:
        Trouble: values are in the way (`blocked`), or a name is taken (`incomplete`).
        psycopg.Error: the server refused.
    """
    request = plan.request
    unique = request.action is FixAction.ADD_UNIQUE
    table = schema.parent_of(request.edge) if unique else schema.child_of(request.edge)
    columns = tuple(pair.parent if unique else pair.child for pair in request.edge.pairs)
    notes = []
    for step in plan.steps:
        if isinstance(step, DdlStep):
            notes += await _stands(ask, step)
    if unique:
        await _no_duplicates(ask, table, columns)
        if nullable := [column for column in columns if not column.not_null]:
            notes.append(
                f"rows where {named(nullable)} is NULL are not kept apart by it, and nothing can refer to them"
            )
    name = index_name(schema, request, table, columns, unique=unique)
    return Examined(name, table.likely_bytes / BUILD_BYTES, tuple(notes))


async def _stands(ask: Ask, step: DdlStep) -> list[str]:
    """What an earlier try has left, or that another session is at it.

    Raises:
        Trouble: the name is that of something else.
    """
    if step.standing is None or not step.alone:
        return []
    [(word,)] = await ask(step.standing.query)
    if word == ANOTHER:
        raise Trouble(f"{step.title}: there is something else of that name", "give it another name", code="incomplete")
    if word == INVALID:
        return [f"an invalid index, which an earlier try left, is taken away before: {step.clean}"]
    return (
        [f"{step.title}: another session seems to be at it; then this waits, and does nothing"] if word == BUSY else []
    )


async def _no_duplicates(ask: Ask, table: Table, columns: tuple[Column, ...]) -> None:
    """Make sure that no key is there twice.

    Raises:
        Trouble: one is (`blocked`).
    """
    own = [f"c.{sql.name(column.name)}" for column in columns]
    present = " AND ".join(f"{each} IS NOT NULL" for each in own)
    shown = "'…'" if any(is_secret(column.name) for column in columns) else _printed(own)
    [(keys, rows, examples)] = await ask(
        f"WITH d AS (SELECT {shown} AS shown, pg_catalog.count(*) AS rows FROM {sql.source(table, 'c')}"
        f" WHERE {present} GROUP BY {', '.join(own)} HAVING pg_catalog.count(*) > 1)"
        " SELECT pg_catalog.count(*), pg_catalog.sum(d.rows)::pg_catalog.int8, ARRAY(SELECT x.shown FROM d AS x"
        f" ORDER BY x.rows DESC, x.shown LIMIT {EXAMPLES}) FROM d"
    )
    if keys:
        many = f"{keys:,} {'key is' if keys == 1 else 'keys are'} there more than once, in {rows:,} rows"
        more = ", …" if keys > len(examples) else ""
        raise Trouble(
            f"{many} of {table_label(table)} ({named(columns)}): {', '.join(examples)}{more}",
            "make them differ, or delete the rows that are too many, first",
            code="blocked",
        )


def _printed(own: list[str]) -> str:
    """A key as people read it; cut, since a value may be long."""
    texts = ", ".join(f"{each}::pg_catalog.text" for each in own)
    return f"pg_catalog.left(pg_catalog.concat_ws(', ', {texts}), 60)"
