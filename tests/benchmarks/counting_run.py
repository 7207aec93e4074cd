"""Runs the counting benchmark: makes the tables of the chosen cases one after the other, measures, removes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.orphans.course import FIRST
from tests.benchmarks.counting_cases import EDGES, FIVE, OTHERS, OURS, chosen, matches
from tests.benchmarks.counting_data import (
    add_index,
    constraint_name,
    drop_schema,
    drop_tables,
    make_schema,
    make_tables,
)
from tests.benchmarks.counting_edges import make_edges, measure_edges
from tests.benchmarks.counting_five import make_five, measure_five
from tests.benchmarks.counting_measure import Bench, connect, measure
from tests.benchmarks.counting_probes import cancel_latencies, pieces, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.counting_edges import Reached
    from tests.benchmarks.counting_measure import Line
    from tests.benchmarks.counting_probes import Pieces, Sampled

_LONG = 0.1
"""Seconds from which on a count is so long that it can be cancelled in its midst, or an estimate be worth it."""


@dataclass(slots=True)
class Found:
    """Everything that was measured."""

    rows: int
    """Of a child."""
    rounds: int
    server: str = ""
    lines: list[Line] = field(default_factory=list)
    samples: list[Sampled] = field(default_factory=list)
    pieces: list[Pieces] = field(default_factory=list)
    cancels: dict[str, list[float]] = field(default_factory=dict)
    """By case: seconds until nothing of a cancelled count ran on the server."""
    edges: dict[float, dict[str, Reached]] = field(default_factory=dict)
    """See `measure_edges`."""

    def sums(self) -> dict[str, float]:
        """Over the cases that have an index or integer keys: the sum of our times to that of each of the others'."""
        counted = [line for line in self.lines if line.in_sum]
        ours = sum(line.median(OURS) for line in counted)
        return {other: ours / sum(line.median(other) for line in counted) for other in OTHERS if counted}

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "rows": self.rows,
            "rounds": self.rounds,
            "server": self.server,
            "cases": [line.as_json() for line in self.lines],
            "sums": self.sums(),
            "estimates": [asdict(sampled) for sampled in self.samples],
            "pieces": [asdict(each) for each in self.pieces],
            "cancel_seconds": self.cancels,
            "edges": [
                {"round_trip_seconds": 2 * delay, "share": share, "seconds": at.seconds, "round_trips": at.round_trips}
                for delay, reached in self.edges.items()
                for share, at in reached.items()
            ],
        }


async def run(conninfo: str, patterns: Sequence[str], scale: int, rounds: int, tell: Callable[[Line], None]) -> Found:
    """Measure what the patterns mean, in a schema of its own that is removed in the end.

    Args:
        conninfo: of a database in which a schema may be made.
        patterns: of the names of cases.
        scale: rows of a child.
        rounds: how often each case is timed.
        tell: gets each line as soon as it is measured.
    """
    found = Found(scale, rounds)
    database = await connect(conninfo)
    try:
        found.server = database.facts.version
        with psycopg.connect(conninfo, autocommit=True) as session:
            make_schema(session)
            bench = Bench(session, database, rounds)
            await _cases(bench, found, patterns, tell)
            names = [name for name in FIVE if matches(name, patterns)]
            if names:
                make_five(session, scale)
                await bench.refresh()
                for name in names:
                    found.lines.append(await measure_five(bench, name))
                    tell(found.lines[-1])
                drop_tables(session)
            if matches(EDGES, patterns):
                make_edges(session, scale)
                found.edges = await measure_edges(conninfo, rounds)
            drop_schema(session)
    finally:
        await database.close()
    return found


async def _cases(bench: Bench, found: Found, patterns: Sequence[str], tell: Callable[[Line], None]) -> None:
    for data, of_one_child in groupby(chosen(patterns), key=lambda case: case.data):
        cases = list(of_one_child)
        make_tables(bench.session, data, {case.orphans for case in cases}, found.rows)
        for index, group in groupby(cases, key=lambda case: case.index):
            if index:
                add_index(bench.session, data)
            await bench.refresh()
            for case in group:
                line = await measure(bench, case, found.rows)
                found.lines.append(line)
                tell(line)
                if line.median(OURS) < _LONG:
                    continue
                edge = bench.edge(constraint_name(case.orphans))
                found.cancels[case.name] = await cancel_latencies(bench, line, edge)
                if sampled := await sample(bench, line, edge):
                    found.samples.append(sampled)
                if line.median(OURS) >= FIRST:
                    found.pieces.append(await pieces(bench, line, edge))
        drop_tables(bench.session)
