"""Where a key lives: every column that could hold it is searched, in few round trips and within limits that are told.

By an index wherever there is one, planned without sequential scans; where there is none a table is read up to a size,
which the statement itself looks at first. Each statement is alone in its transaction, so that one that fails takes no
other with it. JSON and arrays are not looked into; of a polymorphic pair, only the kinds that are edges.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.connection import Lane
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.pipeline import pipelined
from fkexplorer.diagnosis.keyed import of_another_style
from fkexplorer.diagnosis.model import Sighting, Trace
from fkexplorer.diagnosis.trace_sample import layout_of, sample_statement, shown
from fkexplorer.diagnosis.trace_targets import Target, targets
from fkexplorer.fixes import sql
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.orphans.paging import Layout
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Column, Schema, Table

    Answer = Mapping[str, Any] | psycopg.Error

SECONDS = 2.0
"""What a trace may take."""
MANY = 1_000
"""Rows of a column that are counted at most."""
SAMPLED = 40
"""Columns of which rows are shown at most, of those that are tied to the key and of the others."""
LONGEST = 10_000
"""Characters of a value at most, since it goes with each of some thousand statements; an index holds 2,700 bytes."""
WINDOW = 250
"""Statements that are sent at once: a look into an index takes some 0.3 ms, its settings included."""
_OF_CASE, _ROUND_TRIPS = 1.0, 16
"""Seconds that the trace of an error may take, for an explanation takes less than 2, and round trips on top of them."""
OUT_OF_TIME = "time ran out"
_MOMENT = 4 << 20
"""Bytes of a table that are read in some milliseconds."""
_LOCK_MS = 150
"""Longer than this no table that somebody else has locked is waited for: it has the time of all others."""
_PRINTING = {"DateStyle": "ISO, YMD", "extra_float_digits": "1", "bytea_output": "hex"}
"""Values read and print as those of a page do, whatever the role's own settings are."""

# From PostgreSQL 18 a NOT NULL may be NOT VALID, and its column hold NULLs, which a unique index lets repeat.
_DOUBTFUL = """ARRAY(SELECT k.conrelid::text || '.' || u.number FROM pg_catalog.pg_constraint k,
 unnest(k.conkey) AS u (number) WHERE k.contype = 'n' AND NOT k.convalidated)"""
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8 AS at, {} AS doubtful"


async def trace(  # noqa: PLR0917 - what is asked about, in the order in which one says it
    database: Database,
    schema: Schema,
    graph: Graph,
    table: Table,
    columns: Sequence[Column],
    value: Key,
    *,
    max_bytes: int,
    seconds: float = SECONDS,
) -> Trace:
    """Everywhere that a key lives: what is tied to the column by edges, and what could hold the same value.

    Args:
        database: where to look.
        schema: the catalogue.
        graph: its graph.
        table: the table of the column that the key is of.
        columns: the column; several, in any order, for a key of several.
        value: the value of each column as text, as it is typed or as PostgreSQL prints it.
        max_bytes: a table without an index for it is read up to this size.
        seconds: what all of it may take; what is not looked into by then is told as such.

    Raises:
        Trouble: the value has not as many parts as there are columns, or a part is NULL or too long (`usage`); the
            connection is lost, or could not be made.
    """
    found = targets(schema, graph, table, columns, value=_whole(columns, value))
    return await _Search(database, schema, found, max_bytes).trace(value, seconds)


async def trace_case(case: Case) -> Trace | None:
    """The same for the key that an error names, from the parent's side of its edge; None where it names no whole one.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    edge, key = case.edge, next(iter(case.keys), None)
    columns = [pair.parent for pair in edge.pairs] if edge else []
    if edge is None or key is None or None in key or _longest(key) > LONGEST or of_another_style(columns, key):
        return None
    also = edge if edge.oid not in case.schema.edges else None
    parent = case.schema.parent_of(edge)
    found = targets(case.schema, case.graph, parent, columns, value=key, also=also)
    return await _Search(case.database, case.schema, found, case.max_bytes).trace(
        key, _OF_CASE + _ROUND_TRIPS * case.database.round_trip
    )


def _whole(columns: Sequence[Column], value: Key) -> Key:
    if len(columns) != len(value):
        raise Trouble(
            f"the key has {len(columns)} columns, and the value is for {len(value)}",
            "a value of several columns is a line of CSV, one part for each of them",
            code="usage",
        )
    if None in value:
        raise Trouble("a key with NULL in it refers to nothing", "give a value for each column", code="usage")
    if _longest(value) > LONGEST:
        raise Trouble(
            f"the value has more than {LONGEST} characters", "no key is as long: give one of its parts", code="usage"
        )
    return value


def _longest(value: Key) -> int:
    return max(len(part or "") for part in value)


@dataclass(frozen=True, slots=True)
class _Question:
    """Targets of one table that are searched by one statement."""

    targets: tuple[Target, ...]
    scan: bool

    def statement(self, max_bytes: int) -> str:
        """One row: `r0`, `r1`, … for the rows of each target, and of a scan the `bytes` of its table."""
        source = sql.source(self.targets[0].table, "c")
        if not self.scan:
            return "SELECT " + ", ".join(
                f"(SELECT count(*) FROM (SELECT FROM {source} WHERE {target.condition} LIMIT {MANY + 1}) AS q) AS r{at}"
                for at, target in enumerate(self.targets)
            )
        size = _size(self.targets[0].table)
        counted = ", ".join(
            f"count(*) FILTER (WHERE {target.condition}) AS r{at}" for at, target in enumerate(self.targets)
        )
        wanted = " OR ".join(f"({target.condition})" for target in self.targets)
        # Without a column of the table in it, the planner asks it once and before the scan, which it can spare.
        return f"SELECT {size} AS bytes, {counted} FROM {source} WHERE {size} <= {max_bytes} AND ({wanted})"


def _size(table: Table) -> str:
    """The bytes of a table's main fork now, of all leaves of one that is partitioned."""
    if table.kind is TableKind.PARTITIONED:
        return (
            "(SELECT coalesce(sum(pg_catalog.pg_relation_size(relid)), 0)::bigint"
            f" FROM pg_catalog.pg_partition_tree({table.oid}) WHERE isleaf)"
        )
    return f"(SELECT coalesce(pg_catalog.pg_relation_size({table.oid}), 0))"


@dataclass(slots=True)
class _Search:
    """One trace on its way: what is known of each target."""

    database: Database
    schema: Schema
    all: list[Target]
    max_bytes: int
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: dict[str, int] = field(default_factory=dict)
    """By a target's label."""
    why_not: dict[str, str] = field(default_factory=dict)
    samples: dict[str, tuple[tuple[Mapping[str, str | None], ...], tuple[Key, ...]]] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    """Columns whose NOT NULL is not valid, as `oid.number`."""
    seconds: float = 0.0

    limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    async def trace(self, value: Key, seconds: float) -> Trace:
        """Search as long as that, once a connection is there (which is waited for as long), and tell what is known."""
        started = time.perf_counter()
        self.seconds = seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds) as self.limit:
                await self._run()
        return Trace(value, self._sightings(), self.at, time.perf_counter() - started)

    async def _run(self) -> None:
        searched = [target for target in self.all if not target.why_not]
        questions = list(_grouped([target for target in searched if target.indexed], scan=False))
        by_index = {"enable_seqscan": "off"}
        again = await self._ask(questions, clock=True, planner=by_index)
        if again:
            await self._ask(again, planner=by_index)
        # What was found so far is not to lose its rows to a long scan.
        await self._sample(planner=by_index)
        scans = sorted(_grouped([target for target in searched if not target.indexed], scan=True), key=_turn)
        again = await self._ask(scans)
        if again:
            await self._ask(again)
        await self._sample()

    async def _ask(
        self, questions: list[_Question], *, clock: bool = False, planner: Mapping[str, str] | None = None
    ) -> list[_Question]:
        """Ask in windows; what failed as a whole is to be asked again, target by target."""
        again: list[_Question] = []
        statements = [question.statement(self.max_bytes) for question in questions]
        if clock:
            doubtful = _DOUBTFUL if self.database.facts.version_number >= 180000 else "ARRAY[]::text[]"
            statements.insert(0, _CLOCK.format(doubtful))
        for start in range(0, len(statements), WINDOW):

            def answered(position: int, answer: Answer, start: int = start) -> None:
                at = start + position - clock
                if at < 0:
                    self._began(answer)
                elif left := self._answered(questions[at], answer):
                    again.extend(left)

            await self._send(statements[start : start + WINDOW], answered, planner)
        return again

    async def _send(
        self,
        statements: list[str],
        answered: Callable[[int, Answer], None],
        planner: Mapping[str, str] | None = None,
    ) -> None:
        end = self.limit.when() or 0.0
        left = max(50, int((end - asyncio.get_running_loop().time()) * 1000))
        limits = Limits(left, min(_LOCK_MS, left), planner={**_PRINTING, **(planner or {})})
        await pipelined(self.database, statements, limits, answered, lane=Lane.SCREEN)

    def _began(self, answer: Answer) -> None:
        if not isinstance(answer, psycopg.Error):
            self.at = datetime.fromtimestamp(answer["at"], UTC)
            self.doubtful = frozenset(answer["doubtful"])
        self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)

    def _answered(self, question: _Question, answer: Answer) -> list[_Question]:
        if not isinstance(answer, psycopg.Error):
            size = answer.get("bytes", 0)
            for at, target in enumerate(question.targets):
                if size > self.max_bytes:
                    self.why_not[target.label] = f"no index, {size_text(size)}"
                else:
                    self.rows[target.label] = answer[f"r{at}"]
            return []
        failure = translate(answer)
        if len(question.targets) > 1 and failure.kind not in (Kind.LOCK, Kind.ROW_SECURITY):
            return [_Question((target,), question.scan) for target in question.targets]
        for target in question.targets:
            self.why_not[target.label] = _reason(target, failure.kind, failure.sqlstate, failure.reason)
        return []

    async def _sample(self, planner: Mapping[str, str] | None = None) -> None:
        """Read some rows of what was found and has no sample yet."""
        held = [target for target in self.all if self.rows.get(target.label)]
        wanted: list[Target] = []
        for tied in (True, False):
            group = [target for target in held if target.tied is tied]
            new = [target for target in group if target.label not in self.samples]
            wanted += new[: SAMPLED - (len(group) - len(new))]
        layouts: list[tuple[Target, Layout]] = []
        for target in wanted:
            self.samples[target.label] = ((), ())
            try:
                layouts.append((target, layout_of(self.schema, target.table, self.doubtful)))
            except Trouble:
                continue  # nothing that the role may read tells its rows apart: there is no row to be shown

        def answered(position: int, answer: Answer) -> None:
            if not isinstance(answer, psycopg.Error):
                target, layout = layouts[position]
                self.samples[target.label] = shown(layout, answer["rows"] or [])

        if layouts:
            statements = []
            for target, layout in layouts:
                statements.append(sample_statement(target, layout))
                await asyncio.sleep(0)  # one takes a millisecond, and there may be 80 of them
            await self._send(statements, answered, planner)

    def _sightings(self) -> tuple[Sighting, ...]:
        """What is known of each target: those that hold the key first, what was not searched last."""
        found = (self._sighting(target) for target in self.all)
        return tuple(sorted(found, key=lambda sighting: (sighting.rows is None, not sighting.rows)))

    def _sighting(self, target: Target) -> Sighting:
        rows = self.rows.get(target.label)
        sample, keys = self.samples.get(target.label, ((), ()))
        numbers = tuple(column.number for column in target.columns)
        many = rows is not None and target.indexed and rows > MANY
        return Sighting(
            table=target.table.oid,
            column=numbers[0],
            columns=numbers,
            label=target.label,
            rows=MANY if many else rows,
            at_least=many,
            sample=sample,
            keys=keys,
            not_searched="" if rows is not None else target.why_not or self.why_not.get(target.label, OUT_OF_TIME),
            role=target.role,
            tied=target.tied,
            only=target.only,
        )


def _grouped(some: Sequence[Target], *, scan: bool) -> Iterator[_Question]:
    """The targets of one table together: one statement searches them, and no table is read twice."""
    by_table: defaultdict[int, list[Target]] = defaultdict(list)
    for target in some:
        by_table[target.table.oid].append(target)
    return (_Question(tuple(group), scan) for group in by_table.values())


def _turn(scan: _Question) -> tuple[bool, bool, int]:
    """What is read in a moment first, then what is tied to the key; one that takes long keeps no other waiting."""
    size = scan.targets[0].table.likely_bytes
    return size > _MOMENT, not any(target.tied for target in scan.targets), size


def _reason(target: Target, kind: Kind, sqlstate: str | None, said: str) -> str:
    """Why a target was not searched, of what the server answered."""
    words = {
        Kind.DENIED: "no SELECT",
        Kind.ROW_SECURITY: "row security",
        Kind.LOCK: "locked by another session",
        Kind.INCOMPARABLE: "no operator for its type",
        Kind.TIMED_OUT: OUT_OF_TIME,
        Kind.STOPPED: OUT_OF_TIME,
    }
    # 22: the text is none of the type's, as an unknown value of an enum.
    if sqlstate is not None and sqlstate.startswith("22"):
        return f"not of type {', '.join(column.type_text for column in target.columns)}"
    if sqlstate in ("42P01", "42703"):
        return f"{table_label(target.table)} has changed"
    return words.get(kind, said)
