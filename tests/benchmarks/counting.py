"""How long a count takes against what PostgreSQL itself offers: `python -m tests.benchmarks.counting`.

Each case is timed in turns: a sequential scan that counts the key, VALIDATE CONSTRAINT on a constraint that holds
(taken back), plain NOT EXISTS as the planner likes it, and fkexplorer's own count, whose number must be that of
NOT EXISTS. Prints a line for each case, with the ratios to reach on 20 million rows, and writes everything as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import tempfile
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from fkexplorer.demo.server import EmbeddedServer
from tests.benchmarks.counting_cases import DEFAULT, NOT_EXISTS, OURS, SCAN, SUM_AIMS, VALIDATE, chosen
from tests.benchmarks.counting_data import SCHEMA, add_index, drop_schema, drop_tables, make_schema, make_tables
from tests.benchmarks.counting_measure import Bench, connect, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.counting_cases import Case
    from tests.benchmarks.counting_measure import Line

SCALES = {"s": 1_000_000, "m": 5_000_000, "l": 20_000_000}
"""Rows of a child."""
_OTHERS = (SCAN, VALIDATE, NOT_EXISTS)


def settings(rows: int) -> dict[str, str]:
    """Those of a server of our own: what a case reads fits into its memory, and nothing is written meanwhile."""
    memory = min(300 * rows, psutil.virtual_memory().total // 4)
    return {"shared_buffers": f"{max(memory >> 20, 256)}MB", "max_wal_size": "16GB", "checkpoint_timeout": "1d"}


async def run_cases(
    conninfo: str, cases: Sequence[Case], scale: int, rounds: int, tell: Callable[[Line], None]
) -> list[Line]:
    """Make the tables, time the cases, and remove the tables.

    Args:
        conninfo: of a database in which a schema may be made.
        cases: in the order in which `chosen` gives them.
        scale: rows of a child.
        rounds: how often each case is timed.
        tell: gets each line as soon as it is measured.
    """
    lines: list[Line] = []
    database = await connect(conninfo)
    try:
        with psycopg.connect(conninfo, autocommit=True) as session:
            make_schema(session)
            bench = Bench(session, database, rounds)
            for data, of_one_table in groupby(cases, key=lambda case: case.data):
                wanted = list(of_one_table)
                make_tables(session, data, {case.orphans for case in wanted}, scale)
                for index, group in groupby(wanted, key=lambda case: case.index):
                    if index:
                        add_index(session, data)
                    await bench.refresh()
                    for case in group:
                        lines.append(await measure(bench, case, scale))
                        tell(lines[-1])
                drop_tables(session)
            drop_schema(session)
    finally:
        await database.close()
    return lines


def heading() -> str:
    """The table's first line: medians in ms, then our time to each of the others'."""
    medians = "".join(f"{name:>12}" for name in (*_OTHERS, OURS))
    return f"{'case':<34}{'way':<8}{medians}" + "".join(f"{'/' + name:>12}" for name in _OTHERS) + f"{'RSS':>8}  aim"


def row(line: Line) -> str:
    """A line of the table; an aim that was missed is marked."""
    medians = "".join(f"{1000 * line.median(name):>12,.1f}" for name in (*_OTHERS, OURS))
    ratios = "".join(f"{line.ratio(name):>12.3f}" for name in _OTHERS)
    aims = ", ".join(
        f"{'' if line.ratio(aim.against) <= aim.limit else 'MISSED '}{aim.limit} {aim.against}" for aim in line.aims
    )
    return f"{line.name:<34}{line.way:<8}{medians}{ratios}{line.growth / (1 << 20):>5.1f} MB  {aims}"


def sums(lines: Sequence[Line]) -> dict[str, float]:
    """Over the cases that have an index or integer keys: the sum of our times to that of each of the others'."""
    counted = [line for line in lines if line.in_sum]
    if not counted:
        return {}
    ours = sum(line.median(OURS) for line in counted)
    return {other: ours / sum(line.median(other) for line in counted) for other in _OTHERS}


def _scale(text: str) -> int:
    if text in SCALES:
        return SCALES[text]
    found = re.fullmatch(r"(\d+)([kM])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: s, m, l, or as 300k or 2M")
    return int(found[1]) * {"k": 1_000, "M": 1_000_000}[found[2]]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dsn", help=f"a database to make the schema {SCHEMA} in, and remove it; else a server of its own"
    )
    parser.add_argument(
        "--scale", type=_scale, default="s", help="rows of a child: s (1M), m (5M), l (20M), or as 300k"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is timed")
    parser.add_argument("--cases", default="", help="names or patterns, between commas; all: the whole matrix")
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    given = parser.parse_args()
    cases = chosen(given.cases.split(",") if given.cases else DEFAULT)
    if not cases:
        parser.error("no case has such a name")
    with ExitStack() as stack:
        if given.dsn is None:
            # The tables are larger than a folder in memory may be.
            os.environ.setdefault("TMPDIR", tempfile.gettempdir())
            given.dsn = stack.enter_context(EmbeddedServer.start(settings=settings(given.scale))).conninfo()
        print(f"{given.scale:,} rows, medians of {given.rounds} in ms\n{heading()}")
        lines = asyncio.run(
            run_cases(given.dsn, cases, given.scale, given.rounds, lambda line: print(row(line), flush=True))
        )
    total = sums(lines)
    for aim in SUM_AIMS if total else ():
        ratio = total[aim.against]
        print(f"all with an index or integer keys, ours to {aim.against}: {ratio:.3f}   (aim: at most {aim.limit})")
    if given.json:
        found = {
            "rows": given.scale,
            "rounds": given.rounds,
            "cases": [line.as_json() for line in lines],
            "sums": total,
        }
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
