"""The orphan query as text, to be run by hand in psql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal_column
from sqlalchemy.dialects import postgresql

from fkexplorer.orphans.predicate import EdgePredicate

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship, Schema


def orphan_query(schema: Schema, edge: Relationship) -> str:
    """`SELECT` of all columns of the child's rows that violate the edge, ending in a semicolon.

    It is the predicate that is counted with; run it in a session without row security.

    Raises:
        Incomparable: no operator compares the edge's columns.
    """
    predicate = EdgePredicate(schema, edge)
    statement = predicate.from_child(literal_column("c.*")).where(predicate.is_orphan)
    # A paramstyle without percent signs: else those in names would come out doubled.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return f"{statement.compile(dialect=dialect)};"
