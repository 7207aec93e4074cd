"""Makes the way of counting that was chosen for an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.keys import ordered_pairs
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.orphans.ways.plain import Plain

if TYPE_CHECKING:
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Schema


def counting(way: Way, schema: Schema, predicate: EdgePredicate, server_version: int) -> Counting | None:
    """That way of counting the predicate's edge; None where it is not proven to be exact there.

    Args:
        way: which one.
        schema: what the edge is of.
        predicate: the edge's.
        server_version: `server_version_num`.
    """
    ordered = ordered_pairs(schema, predicate.edge)
    match way:
        case Way.PLAIN:
            return Plain(predicate, server_version)
        case Way.MERGE if ordered:
            return Merge(predicate, ordered)
        case _:
            return None
