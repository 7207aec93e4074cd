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
from pathlib import Path

import psutil

from fkexplorer.demo.server import EmbeddedServer
from tests.benchmarks.counting_cases import DEFAULT, EDGES, FIVE, chosen, matches
from tests.benchmarks.counting_data import SCHEMA
from tests.benchmarks.counting_report import heading, row, summary
from tests.benchmarks.counting_run import run

SCALES = {"s": 1_000_000, "m": 5_000_000, "l": 20_000_000}
"""Rows of a child."""


def settings(rows: int) -> dict[str, str]:
    """Those of a server of our own: what a case reads fits into its memory, and nothing is written meanwhile."""
    memory = min(300 * rows, psutil.virtual_memory().total // 4)
    return {"shared_buffers": f"{max(memory >> 20, 256)}MB", "max_wal_size": "16GB", "checkpoint_timeout": "1d"}


def _scale(text: str) -> int:
    if text in SCALES:
        return SCALES[text]
    found = re.fullmatch(r"(\d+)([kM])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: s, m, l, or as 300k or 2M")
    return int(found[1]) * {"k": 1_000, "M": 1_000_000}[found[2]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dsn", help=f"a database to make the schema {SCHEMA} in, and remove it; without: a new server"
    )
    parser.add_argument(
        "--scale", type=_scale, default="s", help="rows of a child: s (1M), m (5M), l (20M), or as 300k"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is timed")
    parser.add_argument("--cases", default="", help="names or patterns, between commas; all: the whole matrix")
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    given = parser.parse_args()
    given.cases = given.cases.split(",") if given.cases else DEFAULT
    if not chosen(given.cases) and not any(matches(name, given.cases) for name in (*FIVE, EDGES)):
        parser.error("no case has such a name")
    return given


def main() -> None:
    """Measure, print, write."""
    given = _arguments()
    with ExitStack() as stack:
        if given.dsn is None:
            # The tables are larger than a folder in memory may be.
            os.environ.setdefault("TMPDIR", tempfile.gettempdir())
            given.dsn = stack.enter_context(EmbeddedServer.start(settings=settings(given.scale))).conninfo()
        print(f"{given.scale:,} rows, medians of {given.rounds} in ms\n{heading()}", flush=True)
        found = asyncio.run(
            run(given.dsn, given.cases, given.scale, given.rounds, lambda line: print(row(line), flush=True))
        )
    print("\n".join(summary(found)))
    if given.json:
        given.json.write_text(json.dumps(found.as_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
