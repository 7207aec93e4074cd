"""What a plan needs to know of the catalogue beside the schema: partitions by name, triggers that are off, and more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes.enabling import off_query
from fkexplorer.fixes.hanging import UNHUNG, Hanging, read_hanging
from fkexplorer.fixes.retype import retyped_table, retypes
from fkexplorer.fixes.rows import impossible, named
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind, TableKind
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Request
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Schema

# Foreign tables among the partitions have no index, nor do they need one for that of the whole table.
_LEAVES = """
SELECT n.nspname::text, c.relname::text, c.relkind = 'f' FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN ({partitions}) AND c.relkind IN ('r', 'f') ORDER BY c.oid
"""
_PARTITION_KEY = "SELECT k.partattrs::int2[]::int[] FROM pg_catalog.pg_partitioned_table k WHERE k.partrelid = {table}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A partition that has rows."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What was read for one request; empty for an action that needs nothing of it."""

    leaves: tuple[Leaf, ...] = ()
    """The partitions, without foreign tables, of the table that gets an index."""
    off: tuple[tuple[str, str, str], ...] = ()
    """The triggers of the constraint that do not fire: schema, table, name."""
    hanging: Hanging = UNHUNG
    """What hangs on columns whose type is to change."""


NOTHING = Beside()


async def read_beside(database: Database, ask: Ask, schema: Schema, request: Request) -> Beside:
    """Read what the plan of a request needs.

    Args:
        database: where.
        ask: runs a statement there, with the limits of a preview.
        schema: the schema that the request's edge is of.
        request: what is asked for.

    Raises:
        Trouble: what it aims at can't be (`impossible`), or the connection is lost.
        psycopg.Error: the server refused.
    """
    if request.action is FixAction.CREATE_INDEX:
        return Beside(leaves=await _leaves(ask, schema, request.edge.child, unique=False))
    if request.action is FixAction.ADD_UNIQUE:
        await _partition_key(ask, schema, request)
        return Beside(leaves=await _leaves(ask, schema, request.edge.parent, unique=True))
    if request.action is FixAction.ENABLE_TRIGGERS and request.edge.kind is EdgeKind.DECLARED:
        return Beside(off=tuple((a, b, c) for a, b, c in await ask(off_query(schema, request.edge))))
    if request.action is FixAction.CHANGE_TYPE and (changes := retypes(request.edge, request.side)):
        found = await read_hanging(database, ask, schema, retyped_table(schema, request), changes)
        return Beside(hanging=found)
    return NOTHING


async def _leaves(ask: Ask, schema: Schema, oid: int, *, unique: bool) -> tuple[Leaf, ...]:
    table = schema.tables[oid]
    if not table.partitions:
        return ()
    found = await ask(_LEAVES.format(partitions=", ".join(map(str, table.partitions))))
    foreign = [name for _, name, is_foreign in found if is_foreign]
    if foreign and unique:
        raise impossible(
            f"a partition of {table_label(table)} is a foreign table: {foreign[0]}", "no unique index can hold there"
        )
    return tuple(Leaf(namespace, name) for namespace, name, is_foreign in found if not is_foreign)


async def _partition_key(ask: Ask, schema: Schema, request: Request) -> None:
    """A unique index of a partitioned table has to have all columns that it is partitioned by."""
    table = schema.parent_of(request.edge)
    if table.kind is not TableKind.PARTITIONED:
        return
    own = {pair.parent.number for pair in request.edge.pairs}
    for (numbers,) in await ask(_PARTITION_KEY.format(table=table.oid)):
        if 0 in numbers:
            raise impossible(
                f"{table_label(table)} is partitioned by an expression", "it can't have a unique key of columns"
            )
        if lacking := [table.column(number) for number in numbers if number not in own]:
            raise impossible(
                f"{table_label(table)} is partitioned by {named(lacking)}, which the key has not",
                "a unique key of a partitioned table has all columns that it is partitioned by",
            )
