"""The look of the doctor in the app: at the catalogue as it is now, with the counts that the monitor has already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from fkexplorer.database.model import Trouble
from fkexplorer.doctor.examine import examine
from fkexplorer.doctor.excusing import excused
from fkexplorer.doctor.guessed import examine_guess
from fkexplorer.known.bind import by_hand, read_known
from fkexplorer.known.ignoring import Ignores
from fkexplorer.orphans.history import pair_of
from fkexplorer.schema.difference import same_question
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.database.connection import Database
    from fkexplorer.doctor.model import Examination
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema


@dataclass
class Examining(Message):
    """How far the look is."""

    number: int
    words: str


@dataclass
class Examined(Message):
    """What was found, with the catalogue that it was found with."""

    number: int
    found: Examination
    schema: Schema


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be examined, and what is known of it already."""

    edge: Relationship | None
    """An edge as it was before; None for all that are declared or configured."""
    counts: Sequence[tuple[Schema, Mapping[int, Count]]]
    """Counts, each with the catalogue that they are of; of several of one edge the newest is taken."""
    anew: frozenset[int] = frozenset()
    """OIDs of tables in which rows may have changed since: what touches them is counted."""


async def look(
    database: Database, settings: Settings, question: Question, *, max_bytes: int, told: Callable[[str], None]
) -> tuple[Examination, Schema]:
    """Examine, with what the configuration ignores apart; and the catalogue that it was done with.

    Raises:
        Trouble: the edge is no more (`gone`), a statement was refused, or the connection is lost.
    """
    told("reading the catalogue")
    known = await read_known(database, settings, Path())
    schema, edge = known.schema, None
    if question.edge is not None:
        edge = _as_it_is(schema, question.edge)
        if edge.kind is EdgeKind.INFERRED:
            schema = replace(schema, edges={**schema.edges, edge.oid: edge})
    counts = _usable(schema, question)
    if edge is not None and edge.kind is EdgeKind.INFERRED:
        found = await examine_guess(database, schema, edge, max_bytes=max_bytes, counts=counts, told=told)
    else:
        found = await examine(
            database,
            schema,
            Graph(schema),
            None if edge is None else [edge],
            max_bytes=max_bytes,
            counts=counts,
            unbound=by_hand(known, settings) if edge is None else (),
            told=told,
        )
    found, _ = excused(found, Ignores(schema, settings.ignored, found.at.date()))
    return found, schema


def _as_it_is(schema: Schema, edge: Relationship) -> Relationship:
    """The edge in this catalogue, where another constraint may have taken its place; a guess as it is."""
    same = schema.edges.get(edge.oid)
    heirs = [each for each in (same, *schema.edges.values()) if each is not None and pair_of(each) == pair_of(edge)]
    if heirs:
        return heirs[0]
    if edge.kind is EdgeKind.INFERRED:
        return edge
    raise Trouble("this foreign key is no more", "Esc closes; D looks at all that there are", code="gone")


def _usable(schema: Schema, question: Question) -> dict[int, Count]:
    """The newest count of each edge that still answers for this catalogue, where nobody has changed its rows."""
    found: dict[int, Count] = {}
    for before, counts in question.counts:
        for oid, count in counts.items():
            edge = schema.edges.get(oid)
            if edge is None or not question.anew.isdisjoint({edge.child, edge.parent}):
                continue
            if same_question(before, schema, oid) and (oid not in found or found[oid].as_of < count.as_of):
                found[oid] = count
    return found
