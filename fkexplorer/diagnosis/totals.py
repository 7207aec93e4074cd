"""The edges that an error involves in numbers, all of one snapshot, within a second."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import Kind, translate, trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.diagnosis.model import Totals
from fkexplorer.orphans.attempts import attempts, key_attempts, lone_attempts
from fkexplorer.orphans.cost import candidates, lone_candidates, scan_ms
from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.outcome import incomparable, refused
from fkexplorer.orphans.predicate import EdgePredicate, row_totals, taken_at, totals_statement
from fkexplorer.orphans.turns import size_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.orphans.attempts import Attempt
    from fkexplorer.schema.model import Relationship

EDGES = 6
"""Edges that are counted for one error."""
_MS = 1_000
"""What all of them together should take: an explanation is there in 2 s."""
_MOST_MS = 2_000
"""What small edges may take in all where the server is slow: they are what an error is mostly about."""
_SMALL_MS = 100
"""What takes no more than this is counted in one statement, and else piece by piece, the cheapest way for each."""
_STAGES = ("", "orphans", "parents", "rows, NULLs", "childless parents", "missing keys")
"""What the pieces count, in the order in which they have their turn; the first is all of a small edge."""


def around(case: Case) -> tuple[Relationship, ...]:
    """The error's own edge, the others of its parent, the parent's own, and the child's."""
    if case.edge is None:
        return ()
    graph, own = case.graph, case.edge
    others = (*graph.children(own.parent), *graph.parents(own.parent), *graph.parents(own.child))
    return tuple({edge.oid: edge for edge in (own, *others)}.values())


def involved(case: Case) -> tuple[Relationship, ...]:
    """Those of them that are counted, `EDGES` at most."""
    return around(case)[:EDGES]


async def totals(case: Case, edges: Sequence[Relationship]) -> tuple[Totals, ...]:
    """Count these edges in one snapshot (REPEATABLE READ).

    Args:
        case: where, and above which size of its two tables an edge is left aside.
        edges: which, as `involved` gives them.

    Returns:
        One for each edge, in their order. `problem` says why a number is not known.

    Raises:
        Trouble: the connection is lost.
    """
    if not edges:
        return ()
    version = case.database.facts.version_number
    limits = Limits(statement_timeout_ms=_MOST_MS, lock_timeout_ms=_MOST_MS // 4)
    counting = [_Counting(case, edge, version) for edge in edges]
    try:
        async with case.database.read(limits, snapshot=True) as connection:
            taken = (await connection.execute(select(*taken_at(version)))).one()
            began = time.perf_counter()
            await connection.exec_driver_sql("SAVEPOINT piece")
            # What is small first, then all orphans before anything else, in the order of the edges.
            pieces = [(piece, each) for each in counting for piece in each.pieces]
            for piece, each in sorted(pieces, key=lambda one: one[0].turn):
                await each.count(piece, connection, began)
    except DBAPIError as error:
        raise trouble_of(error) from error
    at = datetime.fromtimestamp(taken.as_of, UTC)
    return tuple(each.totals(at) for each in counting)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of an edge's numbers that one statement, or one of several tried in turn, brings."""

    names: str
    """What it counts, one of `_STAGES`."""
    ms: float
    """What it should take."""
    run: Callable[[AsyncConnection], Awaitable[Mapping[str, Any]]]

    @property
    def turn(self) -> tuple[int, float]:
        """The least goes first."""
        return _STAGES.index(self.names), 0 if self.names else self.ms


class _Counting:
    """One edge."""

    def __init__(self, case: Case, edge: Relationship, version: int) -> None:
        self._case = case
        self._edge = edge
        self._version = version
        self._found: dict[str, int | None] = {}
        self._problems: list[str] = []
        self._predicate = EdgePredicate(case.schema, edge)
        self._bytes = sum(case.schema.tables[oid].likely_bytes for oid in {edge.child, edge.parent})
        self._left_out: list[str] = []
        self.pieces = self._to_count()

    def totals(self, at: datetime) -> Totals:
        """What was counted."""
        known = {name: self._found.get(name) for name in ("rows", "parents", "nulls", "orphans", "childless")}
        missing = 0 if self._found.get("orphans") == 0 else self._found.get("missing_keys")
        problems = list(self._problems)
        if self._left_out:
            what = f"{', '.join(self._left_out)} not counted".lstrip()
            problems.append(f"{what} in time: {size_text(self._bytes)} (r counts it)")
        return Totals(edge=self._edge.oid, missing_keys=missing, at=at, problem="; ".join(problems), **known)

    async def count(self, piece: _Piece, connection: AsyncConnection, began: float) -> None:
        """Count a piece, unless it would take longer than it may.

        Args:
            piece: of this edge.
            connection: in the transaction of the snapshot, after `SAVEPOINT piece`.
            began: when the first piece did, by `time.perf_counter`.

        Raises:
            DBAPIError: the connection is lost.
        """
        if piece.names == "missing keys" and self._found.get("orphans") == 0:
            return
        ms = round((_MS if piece.names else _MOST_MS) - (time.perf_counter() - began) * 1000)
        if piece.ms > ms:
            self._left_out.append(piece.names)
            return
        # One that seemed small, since its table was never analysed, leaves as much to the others.
        most = max(1, ms if piece.names else ms // 2)
        # The settings of a way, and an error, are over with what the piece before it did.
        limit = f"SELECT pg_catalog.set_config('statement_timeout', '{most}ms', true)"
        await connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT piece; {limit}")
        try:
            self._found.update(await piece.run(connection))
        except DBAPIError as error:
            failure = translate(error)
            if failure.kind is Kind.LOST:
                raise
            if failure.kind is Kind.TIMED_OUT:
                self._left_out.append(piece.names)
            else:
                self._problems.append(f"{piece.names} not counted: {failure.reason}".lstrip())

    def _to_count(self) -> list[_Piece]:
        """In which pieces. Of what the server would refuse, or is over the limit, there is none, and the problem."""
        schema, edge = self._case.schema, self._edge
        if refusal := refused(schema, edge, self._case.database.facts.user):
            self._problems.append(f"not counted: {refusal.error}")
            return []
        if self._bytes > self._case.max_bytes:
            self._problems.append(f"not counted: {size_text(self._bytes)} (r counts it)")
            return []
        child, parent = schema.child_of(edge), schema.parent_of(edge)
        rows = _Piece("rows, NULLs", scan_ms(child), self._rows)
        parents = _Piece("parents", scan_ms(parent), self._parents)
        if any(pair.equals is None for pair in edge.pairs):
            self._problems.append(f"orphans not counted: {incomparable(edge).error}")
            return [rows, parents]
        plain = next(each.ms for each in candidates(schema, edge) if each.way is Way.PLAIN)
        lone = next(each.ms for each in lone_candidates(schema, edge) if each.way is LoneWay.PLAIN)
        whole = 2 * plain + lone + rows.ms + parents.ms
        if whole <= _SMALL_MS:
            return [_Piece("", whole, self._whole)]
        predicate, version = self._predicate, self._version
        orphans = attempts(schema, predicate, version, full=False, deep=False, alone=True)
        keys = key_attempts(schema, predicate, version, deep=False)
        childless = lone_attempts(schema, predicate, version, deep=False)
        return [
            _Piece("orphans", orphans[0].ms, _first_of(orphans, "orphans")),
            parents,
            rows,
            _Piece("childless parents", childless[0].ms, _first_of(childless, "childless")),
            _Piece("missing keys", keys[0].ms, _first_of(keys, "missing_keys")),
        ]

    async def _whole(self, connection: AsyncConnection) -> Mapping[str, Any]:
        parents = self._predicate.from_parent(func.count()).scalar_subquery().label("parents")
        statement = totals_statement(self._predicate, self._version).add_columns(parents)
        return dict((await connection.execute(statement)).mappings().one())

    async def _rows(self, connection: AsyncConnection) -> Mapping[str, Any]:
        statement = self._predicate.from_child(*row_totals(self._predicate))
        return dict((await connection.execute(statement)).mappings().one())

    async def _parents(self, connection: AsyncConnection) -> Mapping[str, Any]:
        statement = self._predicate.from_parent(func.count().label("parents"))
        return dict((await connection.execute(statement)).mappings().one())


def _first_of(tries: Sequence[Attempt], name: str) -> Callable[[AsyncConnection], Awaitable[Mapping[str, Any]]]:
    """Runs the first of these that serves, and gives its number that name."""

    async def run(connection: AsyncConnection) -> Mapping[str, Any]:
        before = replace(tries[0], settings={})
        for attempt in tries:
            await attempt.replace(before, connection)
            before = attempt
            if (row := await attempt.run(connection)) is not None:
                return {name: row["orphans"]}
        raise AssertionError("the predicate as it stands always gives a number")

    return run
