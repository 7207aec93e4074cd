"""How long an explanation takes on 100 tables with 20 million rows: `python -m tests.benchmarks.explaining`.

For each kind of error: the looks one by one, the diagnosis in which they are together, the trace and the impact that
somebody asks for, and the whole command `explain`, from its start to its end. What the server read of each table comes
from its own statistics: none over `--max-bytes` may be read whole, and what was not looked at has to be named. Exits 1
where that fails, or the catalogue and the diagnosis take more than two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.diagnosis.case import Case
from fkexplorer.diagnosis.causes import causes
from fkexplorer.diagnosis.diagnose import diagnose
from fkexplorer.diagnosis.gap import gap
from fkexplorer.diagnosis.impact import impact
from fkexplorer.diagnosis.near import near_misses
from fkexplorer.diagnosis.presence import presence
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.diagnosis.siblings import siblings
from fkexplorer.diagnosis.totals import involved, totals
from fkexplorer.diagnosis.trace import trace, trace_case
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import table_label
from tests.benchmarks.explaining_data import ERRORS, build
from tests.benchmarks.explaining_reads import FEW, between, reads, scanned, uncounted, unnamed
from tests.commands import run

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from fkexplorer.diagnosis.model import Trace
    from fkexplorer.diagnosis.reading.model import ParsedError

T = TypeVar("T")
AIM = 2.0
CATALOGUE, DIAGNOSIS, COMMAND = "catalogue", "diagnosis", "command"
_SHOWN = 6
_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1d"}


@dataclass(slots=True)
class Explained:
    """One kind of error."""

    name: str
    error: ParsedError
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By what was done."""
    live: bool | None = None
    scanned: list[str] = field(default_factory=list)
    """Tables over the limit that were read whole: there should be none."""
    unnamed: list[str] = field(default_factory=list)
    """What was not looked at, or not counted, without a word."""
    within: list[str] = field(default_factory=list)
    """Tables within the limit that were read whole."""

    async def timed(self, what: str, doing: Awaitable[T]) -> T:
        """The same, and its time is noted."""
        began = time.perf_counter()
        done = await doing
        self.seconds[what].append(time.perf_counter() - began)
        return done

    @property
    def medians(self) -> dict[str, float]:
        """In seconds, by what was done."""
        return {what: statistics.median(times) for what, times in self.seconds.items()}

    @property
    def explanation(self) -> float:
        """Seconds from the connection to the whole explanation."""
        return self.medians[CATALOGUE] + self.medians[DIAGNOSIS]


async def explained(conninfo: str, name: str, rounds: int, max_bytes: int, *, command: bool = True) -> Explained:
    """Explain an error again and again.

    Args:
        conninfo: the database, to which nobody else is connected.
        name: one of `ERRORS`.
        rounds: how often.
        max_bytes: tables up to this size may be read whole.
        command: whether the command is run too.
    """
    [found] = read_text(ERRORS[name]).found
    done = Explained(name, found.error)
    before = reads(conninfo)
    schema = None
    for _ in range(rounds):
        database = await Database.connect(Source(conninfo, "argument"))
        try:
            schema = await done.timed(CATALOGUE, read_schema(database))
            diagnosis = await done.timed(
                DIAGNOSIS, diagnose(database, schema, Graph(schema), found, max_bytes=max_bytes)
            )
            assert diagnosis.placed is not None, diagnosis.problem
            assert diagnosis.placed.edge is not None, diagnosis.placed
            edge = schema.edges[diagnosis.placed.edge]
            case = Case(database, schema, Graph(schema), found, diagnosis.placed, edge, max_bytes)
            if diagnosis.live is None and not any(each.code == "over_the_limit" for each in diagnosis.findings):
                done.unnamed.append("whether it would come again")
            traces = [diagnosis.trace, *await _one_by_one(done, case)]
            parent = schema.parent_of(edge)
            for each in filter(None, traces):
                done.unnamed += unnamed(schema, case.graph, parent, max_bytes, each)
            done.unnamed += uncounted(case, diagnosis)
            done.live = diagnosis.live
        finally:
            await database.close()
        if command:
            await _command(done, conninfo, max_bytes)
    assert schema is not None, rounds
    read = between(before, reads(conninfo))
    done.scanned += scanned(schema, read, max_bytes)
    done.within += (
        f"{table_label(schema.tables[oid])} {size_text(each.bytes)}"
        for oid, each in sorted(read.items(), key=lambda one: -one[1].bytes)
        if each.bytes <= max_bytes and each.whole
    )
    if found.error.kind is ErrorKind.STILL_REFERENCED:
        for _ in range(rounds):
            await _impact(done, conninfo, max_bytes)
    return done


async def _one_by_one(done: Explained, case: Case) -> list[Trace | None]:
    """Each look by itself, and the trace of the parent's key that somebody asks for; both traces."""
    await done.timed("presence", presence(case))
    await done.timed("siblings", siblings(case))
    await done.timed("near misses", near_misses(case))
    counted = await done.timed("totals", totals(case, involved(case)))
    traced = await done.timed("trace of the error", trace_case(case))
    hole = await done.timed("gap", gap(case))
    await done.timed("causes", causes(case, counted, traced, hole))
    assert case.edge is not None
    parent, columns = case.schema.parent_of(case.edge), [pair.parent for pair in case.edge.pairs]
    asked = trace(case.database, case.schema, case.graph, parent, columns, case.keys[0], max_bytes=case.max_bytes)
    return [traced, await done.timed("trace", asked)]


async def _impact(done: Explained, conninfo: str, max_bytes: int) -> None:
    """What a delete of the parent would do; it finds the row again for each foreign key, so that pages say little."""
    before = reads(conninfo)
    database = await Database.connect(Source(conninfo, "argument"))
    try:
        schema = await read_schema(database)
        parent = next(table for table in schema.tables.values() if table.name == done.error.parent_table)
        await done.timed("impact", impact(database, schema, parent, [done.error.values or ()], max_bytes=max_bytes))
    finally:
        await database.close()
    for oid, read in between(before, reads(conninfo)).items():
        if read.bytes > max_bytes and read.by_scan > FEW:
            done.scanned.append(f"{table_label(schema.tables[oid])} by impact: {read}")


async def _command(done: Explained, conninfo: str, max_bytes: int) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        log.write(ERRORS[done.name])
        log.flush()
        ended = await done.timed(COMMAND, run("explain", log.name, "-d", conninfo, "--max-bytes", str(max_bytes)))
    assert ended.code == {True: 1, False: 0, None: 2}[done.live], ended


def _lines(given: argparse.Namespace, each: Explained) -> list[str]:
    medians = each.medians
    missed = "" if each.explanation < AIM else f"  MISSED: {AIM:g} s"
    lines = [f"{each.name}: live {each.live}, {each.explanation:.2f} s{missed}"]
    lines.append("  " + ", ".join(f"{what} {1000 * seconds:,.0f} ms" for what, seconds in medians.items()))
    lines += [f"  MISSED, over {size_text(given.max_bytes)} and read whole: {what}" for what in each.scanned]
    lines += [f"  MISSED, not named: {what}" for what in dict.fromkeys(each.unnamed)]
    if each.within:
        lines.append(
            f"  {len(each.within)} read whole within {size_text(given.max_bytes)}: {', '.join(each.within[:_SHOWN])}"
        )
    return lines


def main() -> None:
    """Build, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="of all tables together")
    parser.add_argument("--rounds", type=int, default=5, help="how often each error is explained")
    parser.add_argument("--max-bytes", type=int, default=1 << 30, help="tables up to this size may be read whole")
    parser.add_argument("--dsn", help="an empty database to make the tables in; without: a new server")
    parser.add_argument("--built", action="store_true", help="the tables are there already")
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    given = parser.parse_args()
    # The tables are larger than a folder in memory may be.
    os.environ.setdefault("TMPDIR", tempfile.gettempdir())
    server = None if given.dsn else EmbeddedServer.start(settings=_SETTINGS)
    try:
        conninfo = server.conninfo() if server else given.dsn
        if not given.built:
            began = time.perf_counter()
            build(conninfo, given.rows)
            print(f"{given.rows:,} rows in 100 tables, made in {time.perf_counter() - began:.0f} s", flush=True)
        done = []
        for name in ERRORS:
            done.append(asyncio.run(explained(conninfo, name, given.rounds, given.max_bytes)))
            print("\n".join(_lines(given, done[-1])), flush=True)
    finally:
        if server:
            server.stop()
    if given.json:
        found = [
            {"error": e.name, "live": e.live, "seconds": e.seconds, "scanned": e.scanned, "unnamed": e.unnamed}
            for e in done
        ]
        whole = {"rows": given.rows, "max_bytes": given.max_bytes, "errors": found}
        given.json.write_text(json.dumps(whole, indent=1) + "\n")
    if any(e.scanned or e.unnamed or e.explanation >= AIM for e in done):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
