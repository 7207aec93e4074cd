"""Guesses beside what is known: without those that somebody has rejected, and as edges that are counted fast."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_comparisons, types_of, undeclared
from fkexplorer.known.bind import of_all, rejected_oids
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.config.settings import Settings
    from fkexplorer.database.connection import Database
    from fkexplorer.inference.model import Guess
    from fkexplorer.schema.model import Relationship, Schema


def not_rejected(schema: Schema, settings: Settings, guesses: Iterable[Guess]) -> tuple[Guess, ...]:
    """Those that nobody has rejected; of a polymorphic pair all kinds are rejected at once, where none is named."""
    rejected = rejected_oids(schema, settings.rejected)
    return tuple(guess for guess in guesses if rejected.isdisjoint({guess.edge.oid, of_all(guess.edge)}))


async def with_guesses(database: Database, schema: Schema, guesses: Iterable[Guess]) -> Schema:
    """The schema with guesses as edges of kind `inferred`, each with all that a fast count of it takes.

    Left out are those whose columns somebody vouches for by now, or that are not there any more.

    Args:
        database: what compares the columns is asked of it, in one round trip.
        schema: the catalogue with what is known beside it.
        guesses: of this catalogue, or of an earlier one.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    known = {_pair_of(edge) for edge in schema.edges.values()}
    found = [edge for guess in guesses if _pair_of(edge := guess.edge) not in known and _is_there(schema, edge)]
    compared = await read_comparisons(database, (types_of(pair.child, pair.parent) for e in found for pair in e.pairs))
    made = [
        undeclared(
            (schema.child_of(edge), [pair.child for pair in edge.pairs]),
            (schema.parent_of(edge), [pair.parent for pair in edge.pairs]),
            compared,
            kind=EdgeKind.INFERRED,
            only=edge.only,
        )
        for edge in found
    ]
    return replace(schema, edges={**schema.edges, **{edge.oid: edge for edge in made}}) if made else schema


def _pair_of(edge: Relationship) -> tuple[object, ...]:
    pairs = frozenset((pair.child.number, pair.parent.number) for pair in edge.pairs)
    only = (edge.only.column.number, edge.only.value) if edge.only else None
    return edge.child, edge.parent, pairs, only


def _is_there(schema: Schema, edge: Relationship) -> bool:
    """Whether both tables have these columns, by number, name and type."""
    child, parent = schema.tables.get(edge.child), schema.tables.get(edge.parent)
    if child is None or parent is None:
        return False
    wanted = [(child, pair.child) for pair in edge.pairs] + [(parent, pair.parent) for pair in edge.pairs]
    wanted += [(child, edge.only.column)] if edge.only else []
    return all(
        any((each.number, each.name, each.type) == (column.number, column.name, column.type) for each in table.columns)
        for table, column in wanted
    )
