"""Makes the way of counting that was chosen for an edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.ways.bitmap import Bitmap
from fkexplorer.orphans.ways.dense import Range
from fkexplorer.orphans.ways.gaps import Gaps
from fkexplorer.orphans.ways.keys import distinct_keys, exact_ways, in_batches, lone_ways, most_words, ordered_pairs
from fkexplorer.orphans.ways.lone import LoneBitmap, LoneMerge, LonePlain, LoneProbes
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.orphans.ways.missed import MissedMerge, MissedPlain, MissedScan
from fkexplorer.orphans.ways.plain import Plain
from fkexplorer.orphans.ways.rowgaps import RowGaps
from fkexplorer.orphans.ways.skip import Skip
from fkexplorer.orphans.ways.way import Scanning

if TYPE_CHECKING:
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Relationship, Schema


def counting(way: Way, schema: Schema, predicate: EdgePredicate, server_version: int) -> Counting | None:
    """That way of counting the predicate's edge; None where it is not proven to be exact there.

    Args:
        way: which one.
        schema: what the edge is of.
        predicate: the edge's.
        server_version: `server_version_num`.
    """
    edge = predicate.edge
    if way not in exact_ways(schema, edge):
        return None
    ordered = ordered_pairs(schema, edge)
    chosen: Counting
    match way:
        case Way.PLAIN:
            chosen = Plain(predicate, in_batches=in_batches(schema, edge))
        case Way.MERGE:
            chosen = Merge(predicate, ordered)
        case Way.GAPS:
            if len(ordered) == 1:
                chosen = Gaps(predicate, ordered, most_words=most_words(schema, edge))
            else:
                chosen = RowGaps(predicate, ordered)
        case Way.SKIP:
            chosen = Skip(predicate, ordered[0], _most_keys(schema, edge))
        case Way.RANGE:
            chosen = Range(predicate, server_version, indexed=bool(ordered))
        case Way.BITMAP:
            chosen = Bitmap(predicate, server_version, most_words=most_words(schema, edge))
    return chosen


def missed_counting(way: Way, schema: Schema, predicate: EdgePredicate, server_version: int) -> Counting | None:
    """The way of counting missing keys that goes with one of counting orphans; None where there is none."""
    match way:
        case Way.PLAIN:
            return MissedPlain(predicate)
        case Way.MERGE:
            return MissedMerge(predicate, ordered_pairs(schema, predicate.edge))
        case Way.BITMAP | Way.RANGE:
            made = counting(way, schema, predicate, server_version)
            return MissedScan(predicate, made) if isinstance(made, Scanning) else None
        case Way.GAPS | Way.SKIP:
            return None


def lone_counting(way: LoneWay, schema: Schema, predicate: EdgePredicate, server_version: int) -> Counting | None:
    """That way of counting the parents without a child; None where it is not proven to be exact there."""
    edge = predicate.edge
    if way not in lone_ways(schema, edge):
        return None
    match way:
        case LoneWay.PLAIN:
            return LonePlain(predicate)
        case LoneWay.PROBES:
            return LoneProbes(predicate, server_version)
        case LoneWay.MERGE:
            return LoneMerge(predicate, ordered_pairs(schema, edge))
        case LoneWay.BITMAP:
            return LoneBitmap(predicate, server_version)


def _most_keys(schema: Schema, edge: Relationship) -> int:
    """Four times as many as are expected: then another way would have been quicker."""
    return 1000 + 4 * round(distinct_keys(schema, edge) or 0)
