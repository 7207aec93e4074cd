"""Counts an edge piece by piece, in one snapshot: so that it can tell how far it is, rest in between, and be stopped.

Pieces are so large that each takes about half a second. A range of the parent's keys is a statement of its own. Ranges
of the child's blocks are the rows of a cursor, so that the bitmap of the parent is made once. A join that can't be cut
is read by a cursor too, which has a row now and then to tell that it goes on.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, Executable, case, func, literal_column, select
from sqlalchemy.ext.compiler import compiles

from fkexplorer.orphans.sizes import pages_of
from fkexplorer.orphans.ways.explain import plan_of
from fkexplorer.orphans.ways.keys import rows_of
from fkexplorer.orphans.ways.way import BlockRanges, KeyRanges, MarkedRows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from sqlalchemy import ColumnElement, FromClause, Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.compiler import SQLCompiler

    from fkexplorer.orphans.course import Course
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Table

_PIECE = 0.5
"""Seconds that a piece should take: 4 % of it are lost to a way of 20 ms there and back."""
_BLOCKS = 256
"""Blocks (2 MiB) in a row of a cursor: some ms, and many of them are one piece."""
_BOUNDARIES = 255
_BOUNDARY_PAGES = 300
"""Pages of the parent that boundaries are found by: some 30,000 keys, which takes 15 ms."""
_MARKS = 1000
"""Rows by which a join tells how far it is, from its start to its end."""
_MOST_ROWS = 100_000
"""Rows of a cursor that come at once: some 10 MB here."""
_END = (1 << 32) - 1
"""`InvalidBlockNumber`: behind every block."""
_BLOCK_SIZE = 8192
"""That of nearly every server; here it is a matter of how many marks there are, no more."""
_LONGEST_REST = 2.0
"""Seconds: a rest that follows a long piece, so that nobody takes it for the end."""


_names = itertools.count(1)
"""Of cursors: one of a way that did not serve stays open beside the next."""


class Unfit(Exception):  # noqa: N818 - a fact about a way, not a fault
    """The way of counting does not serve here: not by the server's plan, or not by the keys that are there."""


class CutShort(Exception):  # noqa: N818 - a limit that was kept
    """A count came to one of its limits before its end; what it has found is a lower bound."""


@dataclass(slots=True)
class Pace:
    """What a count may take of a server, and has taken of it.

    `work_seconds` is the time that it may work. `snapshot_seconds` is the time for which it may hold a snapshot, asleep
    or not: VACUUM removes nothing that a snapshot may still see. `eager` means that it never rests.
    `statement_began` is when it last sent something, `snapshot_began` when the attempt did, by `time.perf_counter()`.
    """

    work_seconds: float
    snapshot_seconds: float = 300.0
    eager: bool = False
    statement_began: float = field(default_factory=time.perf_counter)
    snapshot_began: float = field(default_factory=time.perf_counter)
    worked: float = 0.0
    rested: float = 0.0

    def begin(self) -> None:
        """A new attempt, of which nothing is done."""
        self.statement_began = self.snapshot_began = time.perf_counter()
        self.worked = self.rested = 0.0

    def rest_after(self, seconds: float, *, busy: bool) -> float:
        """How many seconds to sleep after so many of work: on a server that others work on, every other one."""
        return min(seconds, _LONGEST_REST) if busy and not self.eager else 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of a piece: for each edge the orphans in it, None where the edge has to be counted in another way."""

    found: Sequence[int | None]
    done: int
    total: int
    unit: str
    last: bool


class _Size:
    """How much to take at once, so that it takes as long as a piece should."""

    __slots__ = ("_most", "_started", "number")

    def __init__(self, first: int, most: int) -> None:
        self._most = most
        self.number = min(first, most)
        self._started = time.perf_counter()

    def begin(self) -> None:
        self._started = time.perf_counter()

    def end(self) -> None:
        seconds = max(time.perf_counter() - self._started, 1e-6)
        self.number = max(1, min(self._most, round(self.number * min(4.0, max(0.25, _PIECE / seconds)))))


async def count_in_slices(
    connection: AsyncConnection,
    counting: Counting,
    tables: tuple[Table, Table],
    *,
    course: Course,
    pace: Pace,
    watch: Watch,
) -> int:
    """Count an edge's orphans in the transaction's snapshot.

    Args:
        connection: in a transaction with one snapshot (REPEATABLE READ) and with the settings of the way.
        counting: the way, which can be cut.
        tables: the edge's child and parent.
        course: is told how far it is, and what was found.
        pace: what it may take; keeps how long it worked and rested.
        watch: who says whether others are at work.

    Raises:
        Unfit: it has to be counted in another way.
        CutShort: it came to a limit; `course` has what was found until then.
        DBAPIError: the server refused or stopped it.
    """
    pieces = _pieces(connection, counting, *tables)
    [found] = await run_pieces(pieces, [course], pace=pace, watch=watch)
    if found is None:
        raise Unfit
    return found


async def run_pieces(
    pieces: AsyncGenerator[Piece, None],
    courses: Sequence[Course],
    *,
    pace: Pace,
    watch: Watch,
    numbers: int | None = None,
) -> list[int | None]:
    """The sum of all pieces for each edge; their courses are told of each piece.

    Args:
        pieces: with a number for each course; or with so many as `numbers` says, for one course.
        courses: of the edges.
        pace: what it may take.
        watch: who says whether others are at work.
        numbers: see `pieces`.

    Raises:
        CutShort: it came to a limit.
        DBAPIError: the server refused or stopped it.
    """
    pace.statement_began = time.perf_counter()
    sums: list[int | None] = [0] * (numbers or len(courses))
    async with aclosing(pieces):
        async for piece in pieces:
            took = time.perf_counter() - pace.statement_began
            pace.worked += took
            sums = [None if n is None or more is None else n + more for n, more in zip(sums, piece.found, strict=True)]
            rest = 0.0 if piece.last else pace.rest_after(took, busy=watch.busy)
            for course, found in zip(courses, sums, strict=numbers is None):
                course.passed(piece.done, piece.total, piece.unit, found or 0)
                course.resting = "others are at work" if rest else ""
            if piece.last or all(found is None for found in sums):
                break
            _keep_limits(pace)
            for course in courses:
                course.report()
            if rest:
                await asyncio.sleep(rest)
                pace.rested += rest
            pace.statement_began = time.perf_counter()
    return sums


def _keep_limits(pace: Pace) -> None:
    if pace.worked > pace.work_seconds:
        raise CutShort(f"stopped at its time limit of {pace.work_seconds:.0f} s")
    if time.perf_counter() - pace.snapshot_began > pace.snapshot_seconds:
        raise CutShort(f"stopped after {pace.snapshot_seconds:.0f} s: VACUUM removes nothing that its snapshot may see")


def _pieces(
    connection: AsyncConnection, counting: Counting, child: Table, parent: Table
) -> AsyncGenerator[Piece, None]:
    match counting.cut:
        case KeyRanges() as ranges:
            return _by_keys(connection, counting, ranges, parent)
        case BlockRanges(count):
            return _by_blocks(connection, count, child)
        case MarkedRows(rows):
            return by_rows(connection, child, rows, 1)
        case None:
            raise AssertionError("this way can't be cut")


async def _by_keys(
    connection: AsyncConnection, counting: Counting, cut: KeyRanges, parent: Table
) -> AsyncGenerator[Piece, None]:
    pages = sum(await pages_of(connection, parent))
    percent = min(100.0, 100 * _BOUNDARY_PAGES / max(1, pages))
    boundaries = (await connection.execute(cut.boundaries(percent, _BOUNDARIES))).scalars()
    bounds: list[str | None] = [None, *dict.fromkeys(boundaries), None]
    ranges = len(bounds) - 1
    keys = max(ranges, round(rows_of(parent)))
    size = _Size(1, ranges)
    at = 0
    while at < ranges:
        upto = min(ranges, at + size.number)
        whole = upto - at == ranges
        statement = select(counting.whole() if whole else cut.count(bounds[at], bounds[upto]))
        if at == 0 and not counting.accepts(await plan_of(connection, statement)):
            raise Unfit
        size.begin()
        found = (await connection.execute(statement)).scalar_one()
        size.end()
        at = upto
        yield Piece([found], keys * at // ranges, keys, "keys", at == ranges)


def _by_blocks(
    connection: AsyncConnection,
    count: Callable[[ColumnElement[int], ColumnElement[int]], ColumnElement[int]],
    child: Table,
) -> AsyncGenerator[Piece, None]:
    def counts(numbers: FromClause, low: ColumnElement[int], high: ColumnElement[int]) -> Select[Any]:
        return select(count(low, high)).select_from(numbers)

    return by_blocks(connection, child, counts)


async def by_blocks(
    connection: AsyncConnection,
    child: Table,
    counts: Callable[[FromClause, ColumnElement[int], ColumnElement[int]], Select[Any]],
) -> AsyncGenerator[Piece, None]:
    """Pieces of the child's blocks.

    Args:
        connection: in a transaction with one snapshot.
        child: the table.
        counts: makes the statement: for each row of the FROM element a row of numbers, one for each edge, of the blocks
            from the second argument to before the third, which are columns of it.
    """
    pages = await pages_of(connection, child)
    rows = max(1, math.ceil(max(pages, default=0) / _BLOCKS))
    last: ColumnElement[int] = literal_column(str(rows - 1))
    numbers = func.generate_series(literal_column("0"), last).table_valued("n", name="g").render_derived()
    low = numbers.c.n * literal_column(str(_BLOCKS))
    # The last one has no end: what was put behind the last block meanwhile is not seen, and no block is forgotten.
    high = case((numbers.c.n == last, literal_column(str(_END))), else_=low + literal_column(str(_BLOCKS)))
    done = 0
    async for found, ended in _fetched(connection, counts(numbers, low, high), _Size(4, rows)):
        done += len(found) * _BLOCKS
        passed = sum(min(each, done) for each in pages)
        sums = [None if None in column else sum(column) for column in zip(*found, strict=True)]
        yield Piece(sums, passed, sum(pages), "blocks", ended or done >= rows * _BLOCKS)


async def by_rows(
    connection: AsyncConnection, child: Table, marked: Callable[[int], Select[Any]], edges: int
) -> AsyncGenerator[Piece, None]:
    """Pieces of what one scan or join of the child brings, of which it is told on the way how far it is.

    Args:
        connection: in a transaction with one snapshot.
        child: the table.
        marked: makes the statement: `Counting.marked`, of one or of several edges.
        edges: how many.
    """
    pages = sum(await pages_of(connection, child))
    # As the planner does: as many rows in a page as there were when they were last counted.
    rows = rows_of(child) * pages * _BLOCK_SIZE / child.estimated_bytes if child.estimated_bytes else pages * 80.0
    of = 1 << max(8, round(math.log2(max(1.0, rows / _MARKS))))
    marks = 0
    async for flags, last in _fetched(connection, marked(of), _Size(16, _MOST_ROWS)):
        columns = list(zip(*flags, strict=True)) or [()] * edges
        found = [None if None in column else sum(column) for column in columns]
        marks += sum(not any(row) for row in flags)
        done = pages if last else min(pages - 1, round(pages * marks * of / max(1.0, rows)))
        yield Piece(found, done, pages, "blocks", last)


async def _fetched(
    connection: AsyncConnection, statement: Select[Any], size: _Size
) -> AsyncGenerator[tuple[Sequence[Row[Any]], bool], None]:
    """A statement's rows, some at a time, and whether they are the last."""
    await connection.exec_driver_sql("SELECT set_config('cursor_tuple_fraction', '1', true)")
    name = f"fkexplorer_{next(_names)}"
    await connection.execute(_Declare(name, statement))
    last = False
    while not last:
        asked = size.number
        size.begin()
        values = (await connection.exec_driver_sql(f"FETCH {asked} FROM {name}")).all()
        size.end()
        last = len(values) < asked
        yield values, last


class _Declare(Executable, ClauseElement):
    """A cursor over a statement; it ends with the transaction."""

    inherit_cache = False

    def __init__(self, name: str, statement: Select[Any]) -> None:
        self.name = name
        self.statement = statement


@compiles(_Declare)
def _write(element: _Declare, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as the compiler passes them
    return f"DECLARE {element.name} NO SCROLL CURSOR FOR {compiler.process(element.statement, **options)}"
