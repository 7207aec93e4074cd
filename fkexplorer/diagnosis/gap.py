"""How large a gap is of which an error shows one key: rows of one table that should have a twin in another.

A key that is missing in the parent and there in another table's unique key is most often one of many: whatever makes
the twins has not run for a while. The rows without one are the parents without a child of the edge between the two.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import cast, func, literal_column, not_, select
from sqlalchemy.types import DateTime

from fkexplorer.database.connection import Lane
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.database.pipeline import pipelined
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.diagnosis.model import Gap
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.trace import trace_case
from fkexplorer.diagnosis.trace_targets import condition
from fkexplorer.fixes import sql, twins
from fkexplorer.orphans.childless import creation_column
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.keys import is_one_to_one
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Label, Select

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Key, Trace
    from fkexplorer.schema.model import Column, Relationship, Table

    Answer = Mapping[str, Any] | psycopg.Error

COUNT_MS = 1_000
"""What the count may take: an explanation as a whole takes less than 2 s."""
_CANDIDATES = 8
"""Tables that are asked whether they are the one whose rows should have twins, at most."""
_TWINS = 20
"""Rows of the target that are looked up in a table that no edge leads to: each has its twin there, or it is another."""
_INTEGERS = frozenset({"int2", "int4", "int8"})

_CLOCK = "extract(epoch FROM statement_timestamp())::float8"


async def gap(case: Case, traced: Awaitable[Trace | None] | None = None) -> Gap | None:
    """The gap that the missing parent of an error is one row of.

    The rows that should have a twin are those of the table that the missing parent refers to by its own key, one to
    one; else of one that has the key as a unique one, where an edge leads there, or where every row of the missing
    parent has a twin too. An integer that two tables have by chance is no sign.

    Args:
        case: the error.
        traced: the search for where its key lives, which is waited for where that is needed; None to begin one then.

    Returns:
        None where the error is another, names no key, or its key is in no such table.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    edge, key = case.edge, next(iter(case.keys), None)
    if case.error.kind is not ErrorKind.MISSING_PARENT or edge is None or key is None or None in key:
        return None
    target, columns = case.schema.parent_of(edge), [pair.parent for pair in edge.pairs]
    found = await _first(case, _declared(case, target, columns), columns, key)
    if found is None:
        trace = await (traced or trace_case(case))
        found = await _first(case, await _sighted(case, trace, target, columns), columns, key)
    return None if found is None else await _measured(case, found)


def _declared(case: Case, target: Table, columns: Sequence[Column]) -> list[Relationship]:
    """The edges by which each row of the target names one row of another table by this very key."""
    numbers = {column.number for column in columns}
    return [
        edge
        for edge in case.graph.parents(target.oid)
        if {pair.child.number for pair in edge.pairs} == numbers
        and not edge.period
        and edge.only is None
        and not edge.self_referencing
        and is_one_to_one(target, edge)
    ]


async def _sighted(case: Case, trace: Trace | None, target: Table, columns: Sequence[Column]) -> list[Relationship]:
    """Pairs of the target with tables that hold the key as a unique one."""
    pairs: list[Relationship] = []
    integers = all((column.base_type or column.type).name in _INTEGERS for column in columns)
    for sighting in trace.holding if trace else ():
        there = case.schema.tables[sighting.table]
        own = set(sighting.columns)
        unique = any(
            index.unique and index.valid and not index.partial and {part.number for part in index.columns} == own
            for index in there.indexes
        )
        below = any(edge.child == there.oid for edge in case.graph.children(target.oid))
        if there.oid == target.oid or below or sighting.only or not unique or (integers and not sighting.tied):
            continue
        try:
            other = [there.column(number) for number in sighting.columns]
            pair = await read_pair(case.database, case.schema, (target, columns), (there, other))
        except Trouble as trouble:
            if trouble.code == Kind.LOST.value:
                raise
            continue  # no operator compares the two, as text with uuid: they are no pair that an edge could make
        pairs.append(pair)
        if len(pairs) == _CANDIDATES:
            break
    return pairs


async def _first(case: Case, pairs: Sequence[Relationship], columns: Sequence[Column], key: Key) -> Relationship | None:
    """The first of these pairs whose parent has the key, and most likely is the one that is meant."""
    value = {column.number: text for column, text in zip(columns, key, strict=True)}
    statements = []
    for pair in pairs:
        source = case.schema.parent_of(pair)
        wanted = condition(
            source, [each.parent for each in pair.pairs], tuple(value[each.child.number] for each in pair.pairs)
        )
        lone = "0"
        if pair.kind is not EdgeKind.DECLARED:
            predicate = EdgePredicate(case.schema, pair)
            without = not_(predicate.has_parent_where(one_by_one=True)).label("lone")
            some = predicate.from_child(without).where(predicate.not_null_condition).limit(literal_column(str(_TWINS)))
            lone = f"(SELECT count(*) FROM ({sql.written(some)}) AS q WHERE q.lone)"
        statements.append(
            f"SELECT EXISTS (SELECT FROM {sql.source(source, 'c')} WHERE {wanted}) AS there, {lone} AS lone"
        )
    answers = await _asked(case, statements) if statements else []
    for pair, answer in zip(pairs, answers, strict=True):
        if not isinstance(answer, psycopg.Error) and answer["there"] and not answer["lone"]:
            return pair
    return None


async def _measured(case: Case, pair: Relationship) -> Gap:
    """How many rows of the pair's parent have no row of its child, of one snapshot, and what makes them."""
    source, target = case.schema.parent_of(pair), case.schema.child_of(pair)
    newest = creation_column(source)
    predicate = EdgePredicate(case.schema, pair, all_columns=True)
    dates = [] if newest is None else [_newest(predicate.parent.c[newest.name])]
    without = predicate.from_parent(func.count().label("missing"), *dates).where(predicate.is_childless)
    rows = predicate.from_parent(func.count()).scalar_subquery().label("rows")
    lost = without.subquery("q")
    large = source.likely_bytes + target.likely_bytes > case.max_bytes
    clock: Label[float] = literal_column(_CLOCK).label("at")
    # What is over the limit is not counted; the clock is asked for all the same.
    totals = select(clock) if large else select(rows, *lost.c, clock).select_from(lost)
    counted, triggers, functions = await _asked(case, [sql.written(totals), *twins.statements(source, target)])
    problem = f"the tables are larger than {size_text(case.max_bytes)}" if large else ""
    answer: Mapping[str, Any] = {}
    if isinstance(counted, psycopg.Error):
        failure = translate(counted)
        late = failure.kind is Kind.TIMED_OUT
        problem = f"counting took longer than {COUNT_MS / 1000:g} s" if late else failure.reason
    else:
        answer = counted
    makers = _keepers(triggers, functions, target)
    listed: Select[Any] = without.with_only_columns(literal_column("p.*"))
    if newest is not None:
        listed = listed.order_by(predicate.parent.c[newest.name].desc().nulls_last())
    return Gap(
        source=source.oid,
        target=target.oid,
        edge=pair.oid if pair.kind is EdgeKind.DECLARED else None,
        rows=answer.get("rows"),
        missing=answer.get("missing"),
        newest=_moment(answer.get("newest")),
        newest_by=newest.name if newest else "",
        at=_moment(answer.get("at")) or datetime.now(UTC),
        query=f"{sql.written(listed)};",
        problem=problem,
        trigger=next((each.trigger for each in makers if each.fires), ""),
        trigger_off=next((each.trigger for each in makers if not each.fires), ""),
    )


def _newest(created: ColumnElement[Any]) -> Label[Any]:
    """The newest date that is one, in seconds since 1970; one without a zone is of the session's, as a cast has it."""
    finite = func.pg_catalog.isfinite(created)
    zoned = cast(func.pg_catalog.max(created).filter(finite), DateTime(timezone=True))
    return literal_column(f"extract(epoch FROM {sql.written(zoned)})::float8").label("newest")


def _moment(seconds: float | None) -> datetime | None:
    """A server's clock, UTC; None for a date that Python does not have."""
    if seconds is None:
        return None
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC)
    return None


def _keepers(triggers: Answer, functions: Answer, target: Table) -> list[twins.Keeper]:
    """The triggers that make the twins; none where the server would not say."""
    if isinstance(triggers, psycopg.Error) or isinstance(functions, psycopg.Error):
        return []
    return twins.keepers(triggers["triggers"], functions["functions"], target)


async def _asked(case: Case, statements: Sequence[str]) -> list[Answer]:
    """What each statement gave: all are sent at once, and each is a transaction of its own."""
    answers: list[Answer] = []
    limits = Limits(statement_timeout_ms=COUNT_MS, lock_timeout_ms=200)

    def answered(_: int, answer: Answer) -> None:
        answers.append(answer)

    await pipelined(case.database, statements, limits, answered, lane=Lane.SCREEN)
    return answers
