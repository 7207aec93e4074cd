"""The schema as it will be once a fix is done: by it the fixes that follow are planned before any of them has run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_comparisons, types_of
from fkexplorer.fixes.constraints import constraint_name, rule_of, same_columns
from fkexplorer.fixes.indexes import index_name, unique_key
from fkexplorer.fixes.retype import retyped_table, retypes
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.keys import supporting_index
from fkexplorer.schema.model import ColumnPair, EdgeKind, Index, IndexColumn, Triggers

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Request
    from fkexplorer.schema.model import Column, Relationship, Schema


async def as_if(database: Database, schema: Schema, request: Request) -> Schema:
    """The schema after a fix that was planned with this one. A fix of rows leaves it as it is.

    Args:
        database: is asked what compares columns that get another type.
        schema: the schema before.
        request: the fix.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    edge = request.edge
    match request.action:
        case FixAction.CHANGE_TYPE:
            return await _retyped(database, schema, request)
        case FixAction.ADD_UNIQUE | FixAction.CREATE_INDEX:
            return _indexed(schema, request)
        case FixAction.ADD_CONSTRAINT:
            return _with(schema, _declared(schema, request))
        case FixAction.VALIDATE | FixAction.ENFORCE:
            return _with(schema, replace(edge, validated=True, enforced=True))
        case FixAction.ENABLE_TRIGGERS:
            return _with(schema, replace(edge, triggers=Triggers(missing=edge.triggers.missing)))
        case _:
            return schema


def _with(schema: Schema, *edges: Relationship) -> Schema:
    return replace(schema, edges={**schema.edges, **{each.oid: each for each in edges}})


def _declared(schema: Schema, request: Request) -> Relationship:
    """The constraint of the pair; it keeps the pair's number, since nobody knows the one that it will get."""
    edge = request.edge
    if (existing := same_columns(schema, edge)) is not None:
        return replace(existing, validated=True)
    return replace(
        edge,
        name=request.name or constraint_name(schema, edge),
        kind=EdgeKind.DECLARED,
        on_delete=rule_of(request.rule) if request.rule else edge.on_delete,
        validated=True,
        enforced=True,
    )


async def _retyped(database: Database, schema: Schema, request: Request) -> Schema:
    """Columns have the other side's type; indexes of them, which the server builds anew, that type's own order."""
    table = retyped_table(schema, request)
    new: dict[int, Column] = {}
    parts: dict[int, IndexColumn] = {}
    for each in retypes(request.edge, request.side):
        to, number = each.to, each.column.number
        new[number] = replace(
            each.column,
            type=to.type,
            type_text=to.type_text,
            category=to.category,
            base_type=to.base_type,
            collation=to.collation,
        )
        if (part := _order_of(schema, request, to)) is not None:
            parts[number] = replace(part, number=number)
    indexes = tuple(
        replace(index, columns=tuple(parts.get(part.number, part) for part in index.columns)) for index in table.indexes
    )
    columns = tuple(new.get(column.number, column) for column in table.columns)
    tables = {**schema.tables, table.oid: replace(table, columns=columns, indexes=indexes)}
    changed: dict[int, list[tuple[Column, Column]]] = {}
    for edge in schema.edges.values():
        pairs = [
            (
                new.get(pair.child.number, pair.child) if edge.child == table.oid else pair.child,
                new.get(pair.parent.number, pair.parent) if edge.parent == table.oid else pair.parent,
            )
            for pair in edge.pairs
        ]
        if pairs != [(pair.child, pair.parent) for pair in edge.pairs]:
            changed[edge.oid] = pairs
    compared = await read_comparisons(database, (types_of(*pair) for pairs in changed.values() for pair in pairs))
    edges = []
    for oid, pairs in changed.items():
        made = tuple(ColumnPair(*pair, *(compared[types_of(*pair)] or (None, ()))) for pair in pairs)
        edge = schema.edges[oid]
        index = edge.index if edge.kind is EdgeKind.DECLARED else supporting_index(tables[edge.child], made, edge.only)
        edges.append(replace(edge, pairs=made, index=index))
    return _with(replace(schema, tables=tables), *edges)


def _order_of(schema: Schema, request: Request, column: Column) -> IndexColumn | None:
    """How an index orders the column of the other side, whose type is taken."""
    edge = request.edge
    other = edge.parent if retyped_table(schema, request).oid == edge.child else edge.child
    found = (part for index in schema.tables[other].indexes for part in index.columns if part.number == column.number)
    return next(found, None)


def _indexed(schema: Schema, request: Request) -> Schema:
    """With an index of these columns, unless there is one that serves."""
    edge, unique = request.edge, request.action is FixAction.ADD_UNIQUE
    table = schema.parent_of(edge) if unique else schema.child_of(edge)
    columns = [pair.parent if unique else pair.child for pair in edge.pairs]
    if unique_key(table, columns) is not None if unique else edge.index is not None:
        return schema
    index = Index(
        oid=0,
        name=index_name(schema, request, table, columns, unique=unique),
        method="btree",
        columns=tuple(IndexColumn(column.number, column.collation, None, None, None) for column in columns),
        unique=unique,
        primary=False,
        valid=True,
        immediate=True,
        nulls_not_distinct=False,
        partial=False,
        not_null_predicate=None,
    )
    # One of the same name that is not valid is what a try that failed has left, and goes.
    kept = tuple(each for each in table.indexes if each.name != index.name)
    with_it = replace(schema, tables={**schema.tables, table.oid: replace(table, indexes=(*kept, index))})
    if unique:
        return with_it
    name = f"{table.schema}.{index.name}"
    numbers = {column.number for column in columns}
    served = [
        replace(edge, index=name)
        for edge in schema.edges.values()
        if edge.child == table.oid and {pair.child.number for pair in edge.pairs} == numbers
    ]
    return _with(with_it, *served)
