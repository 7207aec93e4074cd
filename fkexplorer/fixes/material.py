"""What a script of a plan needs to know of the database beside the plan: read now, and checked again when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.bonds import countable, has_parent
from fkexplorer.fixes.closure import follow
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.parents import sourced, stubs
from fkexplorer.fixes.rows import Orphans
from fkexplorer.fixes.shapes import Stored, shapes
from fkexplorer.fixes.writer import IMAGES
from fkexplorer.orphans.paging import key_index
from fkexplorer.schema.actions import FixAction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import DataStep, Preview
    from fkexplorer.fixes.shapes import Ask, Shape
    from fkexplorer.schema.model import Column, Schema

AMONG = "(c.tableoid, c.ctid) IN (SELECT at.leaf, at.place FROM :fk_target)"
"""That a row of `c` is one of those that a script has locked."""


@dataclass(frozen=True, slots=True)
class Material:
    """Of one data step."""

    shapes: Mapping[int, Shape]
    """The tables whose rows change or go, or for an INSERT come, by OID."""
    rows: int
    """How many rows it is about now; of an INSERT, those that another unique key keeps out as well."""
    digest: str
    """A sum over `same` of these rows."""
    same: str
    """An expression, of type text, that tells one row, and what it refers to, from another: over `c`, for an INSERT
    over `p`."""
    new: str = ""
    """Of an INSERT: a SELECT of the rows that it is about."""
    following: str = ""
    """A SELECT of `rel`, `place`, `gone` of all rows that are touched, those of `AMONG` included; empty where no row
    follows another."""
    loose: frozenset[int] = frozenset()
    """Tables in which a row may be updated more than once."""
    parents: str = ""
    """Whether a row of `c` has a parent now; empty where nobody can tell, or it does not matter."""
    keys: tuple[Stored, ...] = ()
    """The columns of `c` that `parents` looks at."""


def digest_of(expression: str) -> str:
    """A sum over rows that is another one if any of them is another; it does not depend on their order."""
    return f"coalesce(sum(hashtextextended({expression}, 0)), 0)::text"


async def material(database: Database, schema: Schema, preview: Preview, step: DataStep) -> Material:
    """Read what the script of a data step needs.

    Raises:
        Trouble: the rows are no longer as many as in the preview (`moved`), the server refused, or the connection is
            lost.
    """
    # The settings under which the script computes the same.
    limits = Limits(planner={**IMAGES, "row_security": "off"})

    async def ask(statement: str) -> list[tuple[Any, ...]]:
        return (await database.glance(statement, limits=limits))[0]

    try:
        if step.change.verb is Verb.INSERT:
            # Marked rows are told by the index that orders their table.
            async with database.read() as connection:
                child = schema.child_of(preview.plan.request.edge)
                index = await key_index(connection, child, database.facts.version_number)
            orphans = Orphans(schema, preview.plan.request, index, database.facts.version_number)
            return await _of_insert(ask, orphans, preview, step)
        return await _of_rows(ask, schema, preview, step)
    except (psycopg.Error, SQLAlchemyError) as error:
        raise trouble_of(error) from error


async def _of_insert(ask: Ask, orphans: Orphans, preview: Preview, step: DataStep) -> Material:
    request = preview.plan.request
    wanted = sourced if request.action is FixAction.BACKFILL else stubs
    new = wanted(orphans, request).rows
    same = _same([pair.parent.name for pair in request.edge.pairs], "p")
    [(rows, digest)] = await ask(f"SELECT count(*), {digest_of(same)} FROM ({new}) AS p")
    _as_many(rows, preview.found + preview.lost)
    return Material(await shapes(ask, [step.change.table]), rows, digest, same, new=new)


async def _of_rows(ask: Ask, schema: Schema, preview: Preview, step: DataStep) -> Material:
    change, edge = step.change, preview.plan.request.edge
    closure = await follow(ask, schema, change, AMONG)
    reach = closure.reach
    touched = [node for node in reach.nodes if node not in reach.started]
    # The rows of a partition are reached through the table that it is of, where that is touched as well.
    tables = {node.table for node in touched}
    inner = {part for table in tables for part in schema.tables[table].partitions}
    known = await shapes(ask, tables - inner)
    shape = known[change.table]
    child = change.table == edge.child
    names = [name for name, _ in shape.key] or [column.name for column in shape.columns]
    same = _same([*names, *([pair.child.name for pair in edge.pairs] if child else [])], "c")
    [(rows, digest)] = await ask(f"SELECT count(*), {digest_of(same)} FROM {shape.source} WHERE {change.where}")
    _as_many(rows, preview.found)
    updated = [node.table for node in touched if not node.goes]
    return Material(
        known,
        rows,
        digest,
        same,
        following=closure.places if reach.arms else "",
        loose=frozenset(table for table in updated if sum(node.table == table for node in touched) > 1),
        parents=has_parent(schema, edge) if child and countable(schema, edge) else "",
        keys=tuple(_stored(pair.child) for pair in edge.pairs),
    )


def _same(names: list[str], alias: str) -> str:
    return f"ROW({', '.join(f'{alias}.{sql.name(name)}' for name in dict.fromkeys(names))})::text"


def _as_many(rows: int, wanted: int) -> None:
    if rows != wanted:
        raise Trouble(
            f"it is about {rows} rows now, and a moment ago it was about {wanted}", "make the plan again", code="moved"
        )


def _stored(column: Column) -> Stored:
    known = column.collation
    return Stored(column.name, column.type, sql.name(known.schema, known.name) if known else "")
