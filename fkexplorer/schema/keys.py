"""What a table's indexes say about an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.schema.names import qualified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.schema.model import ColumnPair, Condition, Index, Relationship, Table


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


def supporting_index(child: Table, pairs: Sequence[ColumnPair], only: Condition | None = None) -> str | None:
    """The smallest index that finds the rows of a child by a key that no constraint names, as `schema.name`.

    Its leading columns are the key's, and it has the order of what they are compared as: none serves a column that has
    to be cast to another type first. None where there is no such index, or nothing compares a pair. Of an edge that is
    for some rows only, the column that tells them may be among the leading ones.
    """
    found = [index for index in child.indexes if _finds(index, pairs) or (only and _finds(index, pairs, only))]
    best = min(found, key=lambda index: (index.partial, len(index.columns), index.name), default=None)
    return qualified(child.schema, best.name) if best else None


def _finds(index: Index, pairs: Sequence[ColumnPair], only: Condition | None = None) -> bool:
    wanted = {pair.child.number: pair for pair in pairs}
    # An enum is compared by its text, in whose order it has no index.
    told = {only.column.number} - wanted.keys() if only and only.column.category in "SN" else set()
    leading = index.columns[: len(wanted) + len(told)]
    if not index.valid or {column.number for column in leading} != wanted.keys() | told:
        return False
    if index.partial and index.not_null_predicate not in wanted:
        return False
    for column in leading:
        if column.number in told:
            continue
        pair = wanted[column.number]
        if pair.equals is None or column.equal is None or column.equal.right != pair.equals.right:
            return False
        mixed = pair.parent.collation is not None and not pair.parent.collation.deterministic
        if column.collation not in {None, pair.parent.collation if mixed else pair.child.collation}:
            return False
    return True
