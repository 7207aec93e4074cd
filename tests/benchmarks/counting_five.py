"""The case of five integer keys of one child, none indexed: what one scan for all of them takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fkexplorer.orphans.shared import count_together
from tests.benchmarks.counting_cases import FIVE, NOT_EXISTS, SCAN, VALIDATE, Aim
from tests.benchmarks.counting_data import execute
from tests.benchmarks.counting_measure import PATIENCE, Line, Timed, alternate, not_exists, number_of, scan, validate

if TYPE_CHECKING:
    import psycopg

    from tests.benchmarks.counting_measure import Bench

_KEYS = 100_000
_BEYOND = 20
"""Rows in a million, for each key, that refer to a number beyond the greatest of the parents."""
_COLUMNS = ("k1", "k2", "k3", "k4", "k5")


def make_five(session: psycopg.Connection, scale: int) -> None:
    """The child, and of parents for each key one with all numbers and one with every hundredth missing.

    The parent `whole` has the numbers beyond too, for VALIDATE CONSTRAINT to succeed on.
    """
    every = 1_000_000 // _BEYOND
    values = ", ".join(
        f"""CASE WHEN g % {every} = {1 + position} THEN {_KEYS} + g / {every} + 1
        ELSE 100 * (n{position} / 99) + n{position} % 99 + 1 END AS {column}"""
        for position, column in enumerate(_COLUMNS)
    )
    # Up to the greatest there are 99,000 numbers that are no hundredth.
    numbers = ", ".join(f"floor(random() * {_KEYS // 100 * 99})::bigint AS n{n}" for n in range(len(_COLUMNS)))
    execute(
        session,
        "SELECT setseed(0.5)",
        f"""CREATE TABLE five AS SELECT g AS id, {values}, repeat('x', 28) AS pad
        FROM (SELECT g, {numbers} FROM (SELECT generate_series(1::bigint, {scale}) AS g) a OFFSET 0) b""",
        f"CREATE TABLE whole AS SELECT generate_series(1::bigint, {_KEYS + scale // every + 1}) AS k",
        "ALTER TABLE whole ADD PRIMARY KEY (k)",
    )
    for column in _COLUMNS:
        execute(
            session, f"ALTER TABLE five ADD CONSTRAINT whole_{column} FOREIGN KEY ({column}) REFERENCES whole NOT VALID"
        )
        for name, wanted in zip(FIVE, ("true", "k % 100 <> 0"), strict=True):
            parent = _parent(name, column)
            execute(
                session,
                f"CREATE TABLE {parent} AS SELECT k FROM generate_series(1::bigint, {_KEYS}) k WHERE {wanted}",
                f"ALTER TABLE {parent} ADD PRIMARY KEY (k)",
                f"ALTER TABLE five ADD CONSTRAINT {parent} FOREIGN KEY ({column}) REFERENCES {parent} NOT VALID",
                f"VACUUM (ANALYZE) {parent}",
            )
    execute(session, "VACUUM (ANALYZE) whole, five")


def _parent(name: str, column: str) -> str:
    return f"{name.replace('-', '_')}_{column}"


async def measure_five(bench: Bench, name: str) -> Line:
    """All five keys against parents of one kind, ours in one scan; the others are five of each.

    Raises:
        SystemExit: the orphans of all five together are not those of NOT EXISTS.
    """
    line = Line(name, aims=(Aim(SCAN, 2.0),) if name == FIVE[0] else (), in_sum=True)
    edges = [bench.edge(_parent(name, column)) for column in _COLUMNS]

    async def ours() -> Timed:
        started = time.perf_counter()
        counts = await count_together(bench.database, bench.schema, edges, timeout_seconds=PATIENCE)
        seconds = time.perf_counter() - started
        line.way = ",".join(sorted({count.way.value for count in counts}))
        return seconds, sum(number_of(line, count) for count in counts)

    def validated() -> Timed:
        return sum(validate(bench.session, "five", f"whole_{column}")[0] for column in _COLUMNS), None

    def plainly() -> Timed:
        each = [not_exists(bench.session, "five", (column,), _parent(name, column), ("k",)) for column in _COLUMNS]
        return sum(seconds for seconds, _ in each), sum(number or 0 for _, number in each)

    others = {SCAN: lambda: scan(bench.session, "five", "k1"), VALIDATE: validated, NOT_EXISTS: plainly}
    await alternate(line, others, ours, bench.rounds)
    return line
