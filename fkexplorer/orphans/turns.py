"""Whose turn it is: what counting each edge costs, how likely it has orphans, and who waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from fkexplorer.orphans.cost import candidates
from fkexplorer.orphans.long import LONG_MS
from fkexplorer.orphans.model import Way
from fkexplorer.orphans.pipeline import SMALL_MS
from fkexplorer.orphans.ways.keys import distinct_keys, rows_of
from fkexplorer.schema.model import EdgeKind, EdgeState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.model import Relationship, Schema

_TRUSTED = 1000.0
"""How much less likely orphans are under a constraint that PostgreSQL vouches for: so much cheaper must be a count
that goes before one of a suspicious edge."""
_GUESSED = 1e9
"""A guess comes after all that somebody vouches for."""


class Turn(IntEnum):
    """Why an edge is counted: the least goes first."""

    ASKED = 0
    """Somebody asked for it, whatever it costs; the last asked goes first."""
    WATCHED = 1
    """Somebody looks at it."""
    DUE = 2
    """It was never counted, or has changed."""
    AGED = 3
    """Its count is old, and nothing proves that it is still right."""


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """An edge that waits; `order` is its place among those of the same turn."""

    turn: Turn
    order: tuple[float, ...]
    full: bool = False

    @property
    def asked(self) -> bool:
        """Whether a person waits for it and said so."""
        return self.turn is Turn.ASKED


class Prices:
    """What the edges of a schema cost, as the catalogue lets expect at first, and as it turned out.

    Args:
        schema: where the edges are.
        max_bytes: an edge whose tables together are estimated to be larger is not affordable.
    """

    def __init__(self, schema: Schema, max_bytes: int) -> None:
        self._schema = schema
        self._max_bytes = max_bytes
        self._costs: dict[int, float] = {}
        self._large: set[int] = set()
        """Edges that are not for a pipeline, whatever they cost in another way: by estimate, or as it turned out."""
        self._sizes: dict[int, int] = {}
        """Of the tables of each edge, in bytes; asked for each edge at each look."""
        self._slow: set[int] = set()
        """Edges that took so long that the next count is to tell how far it is, and rest, whatever was expected."""

    def take(self, schema: Schema, gone: Iterable[int]) -> None:
        """Go on with a catalogue that was read again, in which these edges are others."""
        self._schema = schema
        self._sizes.clear()
        for edge in gone:
            self._costs.pop(edge, None)
            self._large.discard(edge)
            self._slow.discard(edge)

    def cost(self, edge: int) -> float:
        """Milliseconds that counting an edge takes."""
        if edge not in self._costs:
            ways = candidates(self._schema, self._schema.edges[edge])
            self._costs[edge] = ways[0].ms
            if next(way.ms for way in ways if way.way is Way.PLAIN) >= SMALL_MS:
                self._large.add(edge)
        return self._costs[edge]

    def is_small(self, edge: int) -> bool:
        """Whether the edge is for a pipeline."""
        return self.cost(edge) < SMALL_MS and edge not in self._large

    def took(self, edge: int, ms: float) -> None:
        """So long it took alone."""
        self._costs[edge] = ms
        if ms > LONG_MS:
            self._slow.add(edge)
        else:
            self._slow.discard(edge)
        if ms < SMALL_MS:
            self._large.discard(edge)  # what held it up in a pipeline was a lock

    def held_up(self, edge: int, *, locked: bool) -> None:
        """It looked small, and was not, or its tables are locked."""
        self._large.add(edge)
        if not locked:
            self._slow.add(edge)

    def is_slow(self, edge: int) -> bool:
        """Whether it turned out to take long."""
        return edge in self._slow

    def score(self, edge: int) -> float:
        """The place of an edge among those that nobody looks at: first what is suspicious or cheap, guesses last."""
        known = self._schema.edges[edge]
        if known.kind is EdgeKind.INFERRED:
            return self.cost(edge) * _GUESSED
        return self.cost(edge) * (_TRUSTED if self._is_trusted(known) else 1.0)

    def _is_trusted(self, edge: Relationship) -> bool:
        if edge.state is not EdgeState.ENFORCED:
            return False
        keys = distinct_keys(self._schema, edge)
        # More different keys than there are parents: some of them have none, unless the statistics are old.
        return keys is None or keys <= 1.2 * rows_of(self._schema.parent_of(edge))

    def affordable(self, edge: int) -> bool:
        """Whether the edge is there and within the cost limit."""
        return edge in self._schema.edges and self._bytes(edge) <= self._max_bytes

    def why_skipped(self, edge: int) -> str:
        """Why it is not affordable, one line."""
        return f"its tables have about {size_text(self._bytes(edge))}, over the limit of {size_text(self._max_bytes)}"

    def _bytes(self, oid: int) -> int:
        if oid not in self._sizes:
            edge = self._schema.edges[oid]
            self._sizes[oid] = sum(self._schema.tables[table].likely_bytes for table in {edge.child, edge.parent})
        return self._sizes[oid]


def size_text(size: int) -> str:
    """Bytes in a unit that people read: `1.5 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
