"""How many of some rows have no parent, and how many others name them: by that an undo knows what it may do.

An undo brings rows back that were orphans; one that is an orphan only since then is a conflict, and must stay away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, literal_column

from fkexplorer.fixes import sql
from fkexplorer.fixes.shapes import among
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.names import qualified, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from fkexplorer.fixes.shapes import Place
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

_SMALL = 256 << 20
"""Bytes of a child up to which it is looked through without an index: about a quarter of a second."""


def edge_key(schema: Schema, edge: Relationship) -> str:
    """`schema.table(column, …):schema.table(column, …)`: it stays the same where a constraint is made anew."""

    def side(table: Table, columns: Sequence[Column]) -> str:
        return f"{qualified(table.schema, table.name)}({', '.join(quote(column.name) for column in columns)})"

    child = side(schema.child_of(edge), [pair.child for pair in edge.pairs])
    return f"{child}:{side(schema.parent_of(edge), [pair.parent for pair in edge.pairs])}"


def countable(schema: Schema, edge: Relationship) -> bool:
    """Whether the role may compare the two sides, and they can be compared."""
    sides = (schema.child_of(edge), schema.parent_of(edge))
    return (
        all(pair.equals and pair.child.may_select and pair.parent.may_select for pair in edge.pairs)
        and all(table.privileges.usage for table in sides)
        and not any(table.row_security_active for table in sides)
    )


def affordable(schema: Schema, edge: Relationship) -> bool:
    """Whether the rows that name a given key are found without reading a large table."""
    return edge.index is not None or schema.child_of(edge).likely_bytes <= _SMALL


def is_orphan(schema: Schema, edge: Relationship) -> str:
    """Whether a row of `c` violates the edge: a condition, to follow a WHERE; the edge is a `countable` one."""
    predicate = EdgePredicate(schema, edge)
    return sql.condition(predicate, predicate.is_orphan)


def has_parent(schema: Schema, edge: Relationship) -> str:
    """Whether a row of `c` has a parent: a condition, to follow a WHERE; the edge is a `countable` one."""
    predicate = EdgePredicate(schema, edge)
    return sql.condition(predicate, predicate.has_parent)


def naming(schema: Schema, edge: Relationship, places: Sequence[Place]) -> str:
    """Counts the rows of the edge's child that name one of the parent's rows at these places."""
    predicate = EdgePredicate(schema, edge)
    at: ColumnElement[bool] = literal_column(among(places, "p"))
    child = sql.source(schema.child_of(edge), "c")
    named = sql.condition(predicate, and_(*predicate.meant, predicate.has_parent_where(at)))
    return f"SELECT count(*) FROM {child} WHERE {named}"
