"""What a table's unique indexes say about an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkexplorer.schema.model import Relationship, Table


def is_one_to_one(child: Table, edge: Relationship) -> bool:
    """Whether no two child rows can name one parent: a valid unique index covers nothing but the key's columns.

    A partial index counts where it leaves out only rows whose key is NULL.
    """
    own = {pair.child.number for pair in edge.pairs}
    return any(
        index.unique
        and index.valid
        and not index.has_expressions
        and {column.number for column in index.columns} <= own
        and (not index.partial or index.not_null_predicate in own)
        for index in child.indexes
    )
