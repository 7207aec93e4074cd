"""Small counts, many of them on their way at once: over a slow line, one round trip for all of a window.

Each is the plain predicate in a transaction of its own, with limits that no small count comes to. One that does was
not small: it is told apart, to be counted alone, and those behind it have waited half a second at most.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.dialects import postgresql

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.orphans.misfits import counted_misfits, misfit_statement, uncounted_misfits, why_unknown
from fkexplorer.orphans.outcome import counted, failed, refused, without_number
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, count_statement
from fkexplorer.schema.keys import is_one_to_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema

SMALL_MS = 20.0
"""What is estimated to take less goes into a window."""
WINDOW_MS = 50.0
"""Estimated work of a window: whoever comes next, or cancels, waits no longer for it."""
WINDOW = 64
"""Statements of a window at most: over a line of 50 ms twice as many would save a tenth of the whole."""
_LIMITS = Limits(statement_timeout_ms=500, lock_timeout_ms=100)
# A paramstyle without percent signs: else those in names would come out doubled.
_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


class Pipeline:
    """Counts small edges of one schema in windows.

    Args:
        database: where; windows run on the counts' lane.
        schema: where the edges are.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._database = database
        self._schema = schema
        self._texts: dict[int, str | None] = {}
        """The statement of each edge that was counted; None where no operator compares it, and no cast can be tried."""

    async def prepare(self, edges: Iterable[int]) -> None:
        """Build the statements of these edges, so that they need not be built when their turn comes."""
        missing = [edge for edge in edges if edge not in self._texts]
        for edge in missing:
            # One takes 0.3 ms: what else the event loop has to do, as sending the rest of a window, goes in between.
            await asyncio.sleep(0)
            self._texts[edge] = self._statement(self._schema.edges[edge])

    def _statement(self, edge: Relationship) -> str | None:
        childless = is_one_to_one(self._schema.child_of(edge), edge)
        try:
            predicate = EdgePredicate(self._schema, edge)
            statement = count_statement(predicate, self._database.facts.version_number, childless=childless)
        except Incomparable:
            return misfit_statement(self._schema, edge, self._database.facts.version_number)
        return str(statement.compile(dialect=_DIALECT))

    async def run(
        self, window: Mapping[int, bool], on_count: Callable[[Count], None], on_slow: Callable[[int, bool], None]
    ) -> None:
        """Count a window.

        Args:
            window: the edges in the order of their turn, each with whether what the catalogue says of its privileges
                decides that the server would refuse; if not, the server is asked.
            on_count: called with each result, as it comes.
            on_slow: called for each edge that was not small after all, or (True) whose tables are locked: it has no
                result.

        Raises:
            Trouble: the connection is lost (`lost`) or could not be made; the rest of the window has no result.
        """
        await self.prepare(window)
        sent: list[Relationship] = []
        for oid, trust in window.items():
            edge = self._schema.edges[oid]
            if self._texts[oid] is None:
                on_count(uncounted_misfits(edge, why_unknown(edge)))
            elif trust and (refusal := refused(self._schema, edge, self._database.facts.user)):
                on_count(refusal if _compared(edge) else uncounted_misfits(edge, refusal.error or ""))
            else:
                sent.append(edge)
        errors: list[tuple[Relationship, psycopg.Error, float]] = []
        before = time.perf_counter()

        def answered(position: int, answer: Mapping[str, Any] | psycopg.Error) -> None:
            nonlocal before
            now = time.perf_counter()
            edge, seconds, before = sent[position], now - before, now
            if not isinstance(answer, psycopg.Error):
                on_count((counted_misfits if "uncastable" in answer else counted)(edge, answer, seconds))
            elif (kind := translate(answer).kind) in (Kind.TIMED_OUT, Kind.STOPPED, Kind.LOCK):
                on_slow(edge.oid, kind is Kind.LOCK)
            else:
                errors.append((edge, answer, seconds))

        if sent:
            await pipelined(self._database, self._sent(sent), _LIMITS, answered)
        # To say why the server refused it may have to be asked, which needs a connection: not while this one is held.
        for edge, error, seconds in errors:
            status, reason = await failed(self._database, self._schema, edge, error, timed_out=False)
            if _compared(edge):
                on_count(without_number(edge, status, reason, seconds))
            else:
                on_count(uncounted_misfits(edge, reason, seconds))

    def _sent(self, edges: Sequence[Relationship]) -> list[str]:
        return [text for edge in edges if (text := self._texts[edge.oid])]


def _compared(edge: Relationship) -> bool:
    return all(pair.equals for pair in edge.pairs)
