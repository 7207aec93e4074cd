"""From one error to all that the database says about it: puts the looks together, and decides what they come to."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import psycopg
from sqlalchemy import func
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.diagnosis.asking import clock
from fkexplorer.diagnosis.cannot import cannot
from fkexplorer.diagnosis.case import Case
from fkexplorer.diagnosis.causes import causes
from fkexplorer.diagnosis.gap import gap
from fkexplorer.diagnosis.mend import mend
from fkexplorer.diagnosis.model import Candidate, Diagnosis, Part, Placed
from fkexplorer.diagnosis.near import near_misses
from fkexplorer.diagnosis.place import place
from fkexplorer.diagnosis.presence import presence
from fkexplorer.diagnosis.siblings import siblings
from fkexplorer.diagnosis.totals import involved, totals
from fkexplorer.diagnosis.trace import trace_case
from fkexplorer.fixes import sql
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Evidence, Gap, Side, Suggestion, Totals
    from fkexplorer.diagnosis.reading.model import Found
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema

T = TypeVar("T")


async def diagnose(
    database: Database,
    schema: Schema,
    graph: Graph,
    found: Found,
    *,
    max_bytes: int,
    deletes: Mapping[int, int | None] | None = None,
    since: datetime | None = None,
    chosen: int | None = None,
) -> Diagnosis:
    """Look at all that may explain an error.

    `live` is what the look at definitions says (`cannot`), else the look at the key. A statement that another foreign
    key of its row would refuse is live too. `side` is the child where a near miss says that its value is wrong, else
    what the same looks say.

    Args:
        database: where to look.
        schema: its catalogue.
        graph: the graph of that.
        found: the error with its repeats.
        max_bytes: tables up to this size may be read whole; larger ones by an index alone.
        deletes: rows deleted from each parent since `since`, by its OID, where somebody has watched; None for what
            can't be known.
        since: when that began, by the server's clock.
        chosen: OID of the edge that somebody says the text means, where it may mean several.

    Returns:
        What a look could not do is told in `problem`, and in evidence of its own; the others are there all the same.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    began = time.perf_counter()
    looks = _Looks()
    at = await clock(database)
    placed = await looks.look("where it belongs", place(database, schema, found.error), None)
    if placed is None:
        return Diagnosis(found, None, at=at, seconds=time.perf_counter() - began, problem=looks.problem)
    edge = schema.edges.get(chosen) if chosen is not None else None
    if edge is None:
        edge = await looks.look("the pair", _edge(database, schema, placed), None)
    else:
        placed = _as_chosen(schema, placed, edge)
    watched = None if deletes is None else {oid: rows for oid, rows in deletes.items() if rows is not None}
    case = Case(database, schema, graph, found, placed, edge, max_bytes, watched, since)
    try:
        async with asyncio.TaskGroup() as together:
            key = together.create_task(looks.look("the key", presence(case), Part()))
            others = together.create_task(looks.look("the row's other keys", siblings(case), Part()))
            definition = together.create_task(looks.look("the definition", cannot(case), Part()))
            near = together.create_task(looks.look("near misses", near_misses(case), Part()))
            counted = together.create_task(looks.look("the totals", totals(case, involved(case)), ()))
            traced = together.create_task(looks.look("where the key lives", trace_case(case), None))
            hole = together.create_task(looks.look("the gap", gap(case, traced), None))
    except* Trouble as lost:
        raise _first(lost) from None
    trace = traced.result()
    why = await looks.look("the causes", causes(case, counted.result(), trace, hole.result()), Part())
    parts = [key.result(), others.result(), definition.result(), near.result(), why]
    findings = _heaviest((*placed.evidence, *(each for part in parts for each in part.findings)))
    ruled_out = _heaviest(each for part in parts for each in part.ruled_out)
    live = _live([definition.result(), key.result()], findings)
    suggestions = [
        *(each for part in parts for each in part.suggestions),
        *mend(case, findings, counted.result(), trace, hole.result(), live=live),
    ]
    return Diagnosis(
        found=found,
        placed=placed,
        live=live,
        side=_side([definition.result(), near.result(), key.result()]),
        findings=findings,
        ruled_out=ruled_out,
        suggestions=tuple(sorted(_distinct(suggestions), key=lambda each: -each.weight)),
        totals=counted.result(),
        trace=trace,
        gap=hole.result(),
        verification=_verification(case, parts[:3], counted.result(), hole.result()),
        at=at,
        seconds=time.perf_counter() - began,
        problem=looks.problem,
    )


class _Looks:
    """Each look by itself: one that fails takes no other with it, and is told."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    @property
    def problem(self) -> str:
        """What could not be looked at and why, on one line."""
        return "; ".join(self._problems)

    async def look(self, what: str, looking: Coroutine[Any, Any, T], nothing: T) -> T:
        """What a look brings, or `nothing` where it was refused.

        Raises:
            Trouble: the connection is lost, or could not be made.
        """
        try:
            return await looking
        except (psycopg.Error, DBAPIError) as error:
            self._problems.append(f"{what}: {translate(error).reason}")
        except Trouble as trouble:
            if trouble.code in {kind.value for kind in Kind} - {Kind.LOST.value}:
                self._problems.append(f"{what}: {trouble.reason}")
            else:
                raise
        return nothing


def _first(group: BaseExceptionGroup[Trouble]) -> Trouble:
    """One of a group's exceptions: all say that the connection is lost."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, Trouble)  # noqa: S101 - the group was caught as one of these
    return first


def _as_chosen(schema: Schema, placed: Placed, edge: Relationship) -> Placed:
    """The edge that somebody has chosen, with the reasons that the text gives for it; which others it may mean goes."""
    own = next((each for each in placed.candidates if each.edge == edge.oid), None)
    own = own or Candidate(edge.oid, edge_label(schema, edge), ("it was chosen",), edge.child, edge.parent)
    evidence = tuple(each for each in placed.evidence if each.code != "ambiguous" and each.edge in {None, edge.oid})
    return Placed((own,), evidence)


async def _edge(database: Database, schema: Schema, placed: Placed) -> Relationship | None:
    """The edge that is certain, or the pair that the only guess means; None where no operator compares its sides."""
    if placed.edge is not None:
        return schema.edges.get(placed.edge)
    if len(placed.candidates) != 1:
        return None
    [guess] = placed.candidates
    if guess.child is None or guess.parent is None or not guess.child_columns or not guess.parent_columns:
        return None
    child, parent = schema.tables[guess.child], schema.tables[guess.parent]
    sides = (
        (child, [child.column(number) for number in guess.child_columns]),
        (parent, [parent.column(number) for number in guess.parent_columns]),
    )
    try:
        return await read_pair(database, schema, *sides)
    except Trouble as trouble:
        if trouble.code in {Kind.INCOMPARABLE.value, "bad_pair"}:
            return None
        raise


def _live(parts: Sequence[Part], findings: Iterable[Evidence]) -> bool | None:
    """Whether the error would come again: the first of these that can tell says so."""
    told = next((part.live for part in parts if part.live is not None), None)
    if told is False and any(each.code == "other_key_missing" for each in findings):
        return True
    return told


def _side(parts: Sequence[Part]) -> Side | None:
    return next((part.side for part in parts if part.side is not None), None)


def _heaviest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each once, the heaviest first."""
    return tuple(sorted(dict.fromkeys(evidence), key=lambda each: -each.weight))


def _distinct(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """Each fix once, with the words of the heaviest."""
    kept: dict[tuple[object, ...], Suggestion] = {}
    for each in sorted(suggestions, key=lambda one: -one.weight):
        what = (each.action, each.edge, each.scope, each.key, each.rule) if each.action else (each.text,)
        kept.setdefault(what, each)
    return list(kept.values())


def _verification(
    case: Case, looked: Iterable[Part], counted: Iterable[Totals], hole: Gap | None
) -> tuple[tuple[str, str], ...]:
    """Queries that show how rows stand, ready to be run by hand, each with what it gave.

    Those of the key on either side and of the refused row's other keys, the orphans of each edge, and the gap.
    """
    evidence = _heaviest(each for part in looked for each in (*part.findings, *part.ruled_out))
    found = {each.query: each.result for each in evidence if each.query and each.result}
    for each in counted:
        edge = case.schema.edges.get(each.edge, case.edge)
        if each.orphans is not None and edge is not None:
            predicate = EdgePredicate(case.schema, edge)
            orphans = predicate.from_child(func.count().label("orphans")).where(predicate.is_orphan)
            found.setdefault(f"{sql.written(orphans)};", f"{each.orphans:,} orphan{'' if each.orphans == 1 else 's'}")
    if hole is not None and hole.missing is not None:
        found.setdefault(hole.query, f"{hole.missing:,} row{'' if hole.missing == 1 else 's'}")
    return tuple(found.items())
