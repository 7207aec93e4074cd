"""What an explanation made the server read, by its own statistics, and whether what was not looked at was named."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.diagnosis.totals import around
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Diagnosis, Trace
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Schema, Table

FEW = 1_000
"""Rows that may come from a look at the first rows of a table."""
SHARE = 0.05
"""Of the pages of a table and its indexes; a lookup by an index reads some four."""
_FEW_PAGES = 100
_GONE = 15.0
"""Seconds for the server processes to end that have read; with them their counters come."""
_READS = """
SELECT s.relid::int8, s.seq_tup_read, coalesce(s.idx_tup_fetch, 0),
       i.heap_blks_read + i.heap_blks_hit + coalesce(i.idx_blks_read + i.idx_blks_hit, 0),
       pg_table_size(s.relid) / 8192, pg_indexes_size(s.relid) / 8192, pg_relation_size(s.relid)
FROM pg_stat_user_tables AS s JOIN pg_statio_user_tables AS i USING (relid)
"""
_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@dataclass(frozen=True, slots=True)
class Reads:
    """What was read of a table."""

    by_scan: int
    """Rows of sequential scans."""
    by_index: int
    """Rows that an index led to."""
    pages: int
    """Of the table and its indexes, from memory or disk."""
    table_pages: int
    """That there are."""
    index_pages: int
    bytes: int
    """Of the table's main fork, as the limit has it."""

    def since(self, before: Reads) -> Reads:
        """What was read in between."""
        return Reads(
            self.by_scan - before.by_scan,
            self.by_index - before.by_index,
            self.pages - before.pages,
            self.table_pages,
            self.index_pages,
            self.bytes,
        )

    @property
    def whole(self) -> bool:
        """Whether the table, or an index of it, was read in a way that its size shows in."""
        return self.by_scan > FEW or self.pages > max(_FEW_PAGES, SHARE * (self.table_pages + self.index_pages))


def reads(conninfo: str) -> Mapping[int, Reads]:
    """What has been read of each table by now, by its OID, once all others have gone.

    Raises:
        TimeoutError: somebody is still connected.
    """
    end = time.monotonic() + _GONE
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while connection.execute(_CONNECTED).fetchone() != (0,):
            if time.monotonic() > end:
                raise TimeoutError("there are other connections, whose reads are not counted yet")
            time.sleep(0.02)
        return {row[0]: Reads(*row[1:]) for row in connection.execute(_READS)}


def between(before: Mapping[int, Reads], after: Mapping[int, Reads]) -> Mapping[int, Reads]:
    """What was read in between, of each table of which anything was."""
    found = {oid: read.since(before[oid]) for oid, read in after.items()}
    return {oid: read for oid, read in found.items() if read.pages or read.by_scan}


def scanned(schema: Schema, read: Mapping[int, Reads], max_bytes: int) -> Iterator[str]:
    """The tables over the limit that were read whole, with what was read of them."""
    for oid, each in read.items():
        if each.bytes > max_bytes and each.whole:
            yield f"{table_label(schema.tables[oid])}: {each}"


def unnamed(schema: Schema, graph: Graph, parent: Table, max_bytes: int, trace: Trace) -> Iterator[str]:
    """Columns that refer to a parent and that a trace of its key says nothing of.

    Also those that it says to have searched where no index led to them and their table is over the limit.
    """
    said = {(each.table, each.columns): each for each in trace.sightings}
    for edge in graph.children(parent.oid):
        child = schema.child_of(edge)
        columns = tuple(pair.child.number for pair in edge.pairs)
        label = f"{table_label(child)}.{', '.join(pair.child.name for pair in edge.pairs)}"
        sighting = said.get((child.oid, columns))
        if sighting is None or (sighting.rows is None and not sighting.not_searched):
            yield f"{label}: nothing is said of it"
        elif edge.index is None and child.likely_bytes > max_bytes and sighting.rows is not None:
            yield f"{label}: said to be searched, without an index"


def uncounted(case: Case, diagnosis: Diagnosis) -> Iterator[str]:
    """Edges around the error of which a diagnosis has no number of orphans, and a gap without one, and not why."""
    if diagnosis.gap is not None and diagnosis.gap.missing is None and not diagnosis.gap.problem:
        yield "the gap: no number, and no reason"
    for each in diagnosis.totals:
        if each.orphans is None and not each.problem:
            yield f"{case.schema.edges[each.edge].name}: no number, and no reason"
    rest = len(around(case)) - len(diagnosis.totals)
    told = [each.result for each in diagnosis.findings if each.code == "not_counted"]
    if told != ([f"{rest} more foreign keys"] if rest else []):
        yield f"{rest} edges are left out, and it says {told}"
