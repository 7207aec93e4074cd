"""What each way of counting an edge would take, from what the catalogue knows: hints, and never more than that.

The constants are medians on PostgreSQL 18, everything cached, 20 million rows of child against 1,000 to 5 million of
parent. Other machines are faster or slower by a factor that is much the same for all of them, so that the choice
between the ways stays right where the milliseconds do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.ways.bitmap import SPAN
from fkexplorer.orphans.ways.keys import (
    distinct_keys,
    exact_ways,
    in_batches,
    integers,
    lone_ways,
    most_words,
    ordered_pairs,
    rows_of,
)
from fkexplorer.schema.model import SMALL

if TYPE_CHECKING:
    from fkexplorer.schema.model import ColumnStatistics, Relationship, Schema, Table

# Milliseconds for each of them. A scan is 40 to 55 ns a row of 76 bytes, and as much again for 150 bytes more.
_ROW, _BYTE = 25e-6, 0.25e-6
_STATEMENT = 0.2
"""What the smallest count takes: planning, execution and the way there on one machine."""
_PROBE = 2e-3
"""An index looked into for one key, or for what lies between two."""
_NEAR_PROBE = 0.75e-3
"""The same on the page that was looked into last."""
_LEAF = 250
"""Rows whose keys are on one page of an index, or somewhat fewer."""
_ORDERED_KEY = 0.17e-3
"""A key of the parent read in order, and compared with the one before."""
_WORD, _WORD_KEY = 1e-3, 0.06e-3
"""The bits of 64 numbers looked up in the parent's index, and each key that is found there."""
_NOT_VISIBLE = 0.5e-3
"""A row that an index-only scan has to look up in the table, since its page is not all-visible."""
_EXPLAIN = 0.5
"""To look at the plan beforehand."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way of counting an edge that is exact for it, and what it would take in milliseconds."""

    way: Way
    ms: float


def estimated_ms(schema: Schema, edge: Relationship) -> float:
    """Milliseconds that the cheapest exact count would take; see `candidates`."""
    return candidates(schema, edge)[0].ms


def candidates(schema: Schema, edge: Relationship) -> list[Candidate]:
    """The ways of counting an edge's orphans that are exact for it, the cheapest first; PLAIN is always among them."""
    costs = _Costs(schema, edge)
    ways = exact_ways(schema, edge) if costs.children > SMALL else {Way.PLAIN}
    known = {way: ms for way in ways if (ms := costs.of(way)) is not None}
    found = [Candidate(way, _STATEMENT + ms + (0.0 if way is Way.PLAIN else _EXPLAIN)) for way, ms in known.items()]
    return sorted(found, key=lambda candidate: candidate.ms)


@dataclass(frozen=True, slots=True)
class LoneCandidate:
    """A way of counting an edge's parents without a child, and what it would take in milliseconds."""

    way: LoneWay
    ms: float


def lone_candidates(schema: Schema, edge: Relationship) -> list[LoneCandidate]:
    """The ways of counting parents without a child that are exact for an edge, the cheapest first; PLAIN among them."""
    costs = _Costs(schema, edge)
    known = ((way, costs.of_lone(way)) for way in lone_ways(schema, edge))
    found = [LoneCandidate(way, ms) for way, ms in known if ms is not None]
    return sorted(found, key=lambda candidate: candidate.ms)


def scan_ms(table: Table) -> float:
    """Milliseconds that it takes to read the table from its beginning to its end."""
    return rows_of(table) * _ROW + table.estimated_bytes * _BYTE


class _Costs:
    """The figures of one edge."""

    def __init__(self, schema: Schema, edge: Relationship) -> None:
        self._edge = edge
        self._child = schema.child_of(edge)
        self._parent = schema.parent_of(edge)
        self.children = rows_of(self._child)
        self._parents = rows_of(self._parent)
        pair = edge.pairs[0]
        self._of_child = schema.statistics.get((edge.child, pair.child.number))
        self._of_parent = schema.statistics.get((edge.parent, pair.parent.number))
        self._ordered = bool(ordered_pairs(schema, edge))
        self._integers = integers(edge)
        self._in_batches = in_batches(schema, edge)
        self._distinct = distinct_keys(schema, edge)
        self._most_words = most_words(schema, edge)
        self._places = max(1, len(self._child.partitions))

    def _plain(self) -> float:
        """`NOT EXISTS`, as a hash join or with a look into the parent's index for each row."""
        if self._parents < 60_000:
            each = 30e-6  # The hash table stays in the processor's cache,
        elif self._parents <= 1e6 or self._in_batches:
            each = 0.2e-3  # or a part of it at a time,
        else:
            each = 0.9e-3  # or in none.
        hashed = self.children * each + self._parents * 0.2e-3
        return self._scan() + min(hashed, self.children * _PROBE)

    def of(self, way: Way) -> float | None:
        """What this way takes; None where it would not serve, or nobody knows."""
        match way:
            case Way.PLAIN:
                return self._plain()
            case Way.MERGE:
                return self._merge()
            case Way.GAPS:
                return self._gaps()
            case Way.SKIP:
                # ANALYZE sees too few distinct values rather than too many, by a factor of 3 and more in a large table.
                return None if self._distinct is None else 3 * self._distinct * 2 * _PROBE * self._places
            case Way.BITMAP:
                return self._bitmap()
            case Way.RANGE:
                return self._range()

    def of_lone(self, way: LoneWay) -> float | None:
        """What this way of counting parents without a child takes; None where it would most likely not serve."""
        read_parents = scan_ms(self._parent)
        match way:
            case LoneWay.PLAIN:
                # A hash join, most often of the parents, each of which is marked when a child is found: quicker than to
                # look for orphans, of 3 million children against 100,000 to 1.5 million parents.
                each = 60e-6 if self._parents <= 150_000 else 0.2e-3 if self._parents <= 2e6 else 0.9e-3
                return read_parents + self._scan() + self.children * each + self._parents * 0.2e-3
            case LoneWay.PROBES:
                # A child that is found is looked at in its table where its page is not all-visible.
                return read_parents + self._parents * self._probe() + self._hidden(self._child, self._parents)
            case LoneWay.MERGE:
                return self._merge()
            case LoneWay.BITMAP:
                # The child's keys lie where the parent's do. It takes a scan to find their ends, and one for the bits.
                if (self._span() or 0) >= SPAN:
                    return None
                return 2 * self._scan() + self.children * 80e-6 + read_parents + self._parents * 25e-6

    def _scan(self) -> float:
        return scan_ms(self._child)

    def _referring(self) -> float:
        """Rows of the child that have a key."""
        return self.children * (1 - self._of_child.null_fraction if self._of_child else 1)

    def _hidden(self, table: Table, rows: float) -> float:
        return rows * (1 - table.visible) * _NOT_VISIBLE

    def _merge(self) -> float:
        children = self._referring()
        read = children * 0.075e-3 + self._parents * 0.06e-3  # integers, uuid and text within 10 %
        return read + self._hidden(self._child, children) + self._hidden(self._parent, self._parents)

    def _gaps(self) -> float:
        gaps = self._parents
        span = self._span()
        if self._integers and span is not None:
            gaps = min(gaps, max(0.0, span - self._parents))
        ordered = self._by_words(span)
        if ordered is None:
            ordered = self._parents * _ORDERED_KEY
        # The parent's index is read in the order of its rows, mostly: a page looked up serves many of them.
        return ordered + gaps * self._probe() + self._hidden(self._parent, self._parents) / 5

    def _by_words(self, span: float | None) -> float | None:
        """To look the parent's keys up 64 numbers at a time, where that is done."""
        count = None if span is None else span / 64
        if count is None or count >= self._most_words:
            return None
        return count * _WORD + self._parents * _WORD_KEY

    def _probe(self) -> float:
        """A look for a key, or for what lies behind it: where few rows lie between two, on the same page mostly."""
        far = min(1.0, self.children / max(1.0, self._parents) / _LEAF)
        return (_NEAR_PROBE + far * (_PROBE - _NEAR_PROBE)) * self._places

    def _range(self) -> float | None:
        span = self._span()
        dense = span is not None and span <= 1.005 * self._parents
        if not dense:
            return None
        parents = self._parents * 0.04e-3
        return parents + self._hidden(self._parent, self._parents) / 5 if self._ordered else parents + self._scan()

    def _bitmap(self) -> float | None:
        span = self._span() or 2 * self._parents
        if span >= SPAN:
            return None
        bits = self._by_words(self._span())
        if bits is None:
            bits = self._parents * 0.1e-3 + span / 64 * 0.6e-3
        return self._scan() + self.children * 15e-6 + bits

    def _span(self) -> float | None:
        """How many integers lie between the parent's least key and its greatest, both included."""
        statistics: ColumnStatistics | None = self._of_parent
        if statistics is None or statistics.least is None or statistics.greatest is None:
            return None
        return float(statistics.greatest - statistics.least + 1)
