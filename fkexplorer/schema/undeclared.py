"""Edges that no constraint declares: built and numbered in one way, so that the same columns are the same edge."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.schema.model import Action, EdgeKind, Match, Relationship, Triggers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.schema.model import ColumnPair, Condition, Schema


def without_guesses(schema: Schema) -> Schema:
    """The schema with those edges alone that somebody vouches for; the very same one where it has no others."""
    known = {oid: edge for oid, edge in schema.edges.items() if edge.kind is not EdgeKind.INFERRED}
    return schema if len(known) == len(schema.edges) else replace(schema, edges=known)


def undeclared_oid(child: int, parent: int, pairs: Sequence[ColumnPair], only: Condition | None = None) -> int:
    """The number of the edge between these columns, below 0: the same in whatever order the pairs are given.

    Args:
        child: OID of the referencing table.
        parent: OID of the referenced table.
        pairs: its columns.
        only: the rows of the child that it is about, where it is not about all.
    """
    wanted = sorted((pair.child.number, pair.parent.number) for pair in pairs)
    kind = () if only is None else (only.column.number, only.value)
    return -1 - zlib.crc32(repr((child, parent, wanted, *kind)).encode())


def undeclared_edge(
    child: int,
    parent: int,
    pairs: Sequence[ColumnPair],
    *,
    kind: EdgeKind = EdgeKind.CONFIGURED,
    only: Condition | None = None,
    index: str | None = None,
) -> Relationship:
    """An edge without a name, a rule or a trigger, compared with MATCH SIMPLE; the arguments are its own fields."""
    return Relationship(
        oid=undeclared_oid(child, parent, pairs, only),
        name="",
        kind=kind,
        child=child,
        parent=parent,
        pairs=tuple(pairs),
        match=Match.SIMPLE,
        on_delete=Action.NO_ACTION,
        on_update=Action.NO_ACTION,
        set_columns=(),
        deferrable=False,
        deferred=False,
        validated=False,
        enforced=False,
        period=False,
        triggers=Triggers(),
        index=index,
        only=only,
    )
