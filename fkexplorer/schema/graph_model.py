"""Answers of the schema graph: plain values, so that whoever shows them needs no graph library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fkexplorer.schema.model import Action


@dataclass(frozen=True, slots=True)
class OrderGroup:
    """A step of an order: one table, or several that refer to each other in a circle.

    Attributes:
        tables: OIDs, in the order in which they go once `apart` is left out.
        apart: OIDs of the edges that stand in the way of an order; none of them is a self-reference, which does not.
            To create and load: add these constraints last. To delete: set them to NULL, or drop them, first. As far
            as there is a choice they are edges that may be NULL or be deferred.
    """

    tables: tuple[int, ...]
    apart: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """One edge by which a delete touches, or is refused by, another table's rows.

    Attributes:
        table: OID of the child.
        edge: OID of the edge, the last of `path`.
        action: what PostgreSQL does to the child's rows: CASCADE goes on from there, SET NULL and SET DEFAULT end,
            RESTRICT and NO ACTION refuse the delete while there are such rows. None: the constraint is not enforced,
            so the rows are left behind as orphans.
        path: OIDs of the edges from the table deleted from down to this one: a shortest one.
    """

    table: int
    edge: int
    action: Action | None
    path: tuple[int, ...]
