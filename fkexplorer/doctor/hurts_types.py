"""Keys that will not fit one day: an integer that refers to a bigint, how much of it is used, how long it lasts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.treating import listed, treated
from fkexplorer.fixes import sql
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import columns_label, edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.doctor.reading_hurts import Counters
    from fkexplorer.schema.model import Column, ColumnPair, Relationship, Table

_GREATEST = {"int2": (1 << 15) - 1, "int4": (1 << 31) - 1, "int8": (1 << 63) - 1}
_MANY = 3
"""Children of one key up to which each is told by itself: where there are more, one cause has made them all."""
_PRESSING = 0.25
"""The share of what fits from which a key is told beside its own children."""
_YEARS = 100
"""What lasts longer needs no date."""


@dataclass(frozen=True, slots=True)
class _Narrow:
    """A pair of columns of which the child's has not room for all that the parent's may have."""

    edge: Relationship
    pair: ColumnPair
    most: int
    """The greatest number that the child's takes."""

    @property
    def key(self) -> tuple[int, int]:
        """The parent's column: its table's OID, its number."""
        return self.edge.parent, self.pair.parent.number


async def narrow(exam: Exam, edges: Sequence[Relationship], counters: Counters) -> list[Finding]:
    """`narrow_key`: children of a type that has not room for all keys of the parent.

    The greatest key that is there is looked up where an index ends with it; else it is not known. Many children of one
    key are one finding, and so are all those whose keys are far from the end.

    Raises:
        Trouble: the connection is lost.
    """
    by_key: dict[tuple[int, int], list[_Narrow]] = defaultdict(list)
    for edge in edges:
        for pair in edge.pairs:
            own, other = (_GREATEST.get(_base(column)) for column in (pair.child, pair.parent))
            if own is not None and other is not None and own < other:
                by_key[edge.parent, pair.parent.number].append(_Narrow(edge, pair, own))
                break  # Of a key of several columns one tells it; the fix changes all of them.
    greatest = await _greatest(exam, list(by_key))
    pressing = {key: group for key, group in by_key.items() if _pressing(group, greatest)}
    calm = [each for key, group in by_key.items() if key not in pressing for each in group]
    found = []
    for group in pressing.values():
        if len(group) <= _MANY or not exam.whole:
            found += [await _alone(exam, each, _room(each, greatest, counters)) for each in group]
        else:
            least = min(group, key=lambda each: each.most)
            found.append(await _together(exam, group, least, _room(least, greatest, counters)))
    if len(calm) <= _MANY or not exam.whole:
        found += [await _alone(exam, each, _room(each, greatest, counters)) for each in calm]
    else:
        found.append(await _all(exam, calm, greatest))
    return found


def _pressing(group: Sequence[_Narrow], greatest: Mapping[tuple[int, int], int | None]) -> bool:
    """Whether much of what fits is used, or nobody knows how much."""
    least = min(group, key=lambda each: each.most)
    return least.key not in greatest or _share(least, greatest[least.key]) >= _PRESSING


def _share(narrow_: _Narrow, used: int | None) -> float:
    """Of the numbers that fit, those that are used: 0 to 1, or more where the parent's keys have left it behind."""
    return max(0.0, (used or 0) / narrow_.most)


def _base(column: Column) -> str:
    of = column.base_type or column.type
    return of.name if of.schema == "pg_catalog" else ""


async def _greatest(exam: Exam, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int | None]:
    """The greatest value of each of these columns, by table and number, of those with an index for it."""
    asked = [key for key in keys if _ordered(exam.schema.tables[key[0]], key[1])]
    found: dict[tuple[int, int], int | None] = {}

    def answered(position: int, answer: Mapping[str, Any] | psycopg.Error) -> None:
        table, number = asked[position]
        if isinstance(answer, psycopg.Error):
            label = columns_label(exam.schema.tables[table], [exam.schema.tables[table].column(number)])
            exam.miss(f"the greatest {label}", translate(answer).reason)
        else:
            found[table, number] = answer["greatest"]

    statements = [
        f"SELECT pg_catalog.max(p.{sql.name(exam.schema.tables[table].column(number).name)}) AS greatest"
        f" FROM {sql.source(exam.schema.tables[table], 'p')}"
        for table, number in asked
    ]
    if statements:
        await pipelined(exam.database, statements, Limits(statement_timeout_ms=exam.ms), answered)
    return found


def _ordered(table: Table, number: int) -> bool:
    return any(
        index.method == "btree" and index.valid and not index.partial and index.columns[0].number == number
        for index in table.indexes
    )


async def _alone(exam: Exam, narrow_: _Narrow, room: str) -> Finding:
    edge, pair = narrow_.edge, narrow_.pair
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    text = (
        f"{columns_label(child, [pair.child])} is {pair.child.type_text}, and refers to"
        f" {columns_label(parent, [pair.parent])}, which is {pair.parent.type_text}: {room}"
    )
    return await _finding(exam, edge_label(exam.schema, edge), narrow_, text, edge.oid, edge.child)


async def _together(exam: Exam, group: Sequence[_Narrow], least: _Narrow, room: str) -> Finding:
    parent = exam.schema.parent_of(least.edge)
    key = columns_label(parent, [least.pair.parent])
    names = listed([columns_label(exam.schema.child_of(each.edge), [each.pair.child]) for each in group])
    wide = f"{key}, which is {least.pair.parent.type_text}"
    text = f"{len(group)} columns that refer to {wide}, are smaller ({names}): {room}"
    return await _finding(exam, key, least, text, None, parent.oid)


async def _all(exam: Exam, group: Sequence[_Narrow], greatest: Mapping[tuple[int, int], int | None]) -> Finding:
    """All those whose keys are far from the end: somebody chose the type once, for the whole schema."""
    first = max(group, key=lambda each: _share(each, greatest[each.key]))
    parent = exam.schema.parent_of(first.edge)
    names = listed([columns_label(exam.schema.child_of(each.edge), [each.pair.child]) for each in group])
    key, used = columns_label(parent, [first.pair.parent]), _percent(_share(first, greatest[first.key]))
    text = (
        f"{len(group)} columns have less room than the keys that they refer to: {names}. None is near its end: the"
        f" furthest, {key}, has used {used}."
    )
    return await _finding(exam, "columns smaller than their keys", first, text, None, None)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def _room(narrow_: _Narrow, greatest: Mapping[tuple[int, int], int | None], counters: Counters) -> str:
    """What does not fit, how much of what fits is used, and about when that ends."""
    text = f"keys over {narrow_.most:,} do not fit."
    if narrow_.key not in greatest:
        return f"{text} How far the keys have come is not known."
    used = greatest[narrow_.key]
    if used is None:
        return f"{text} There is none yet."
    text += f" The greatest is {used:,}, {_percent(_share(narrow_, used))} of that."
    inserted = counters.inserted.get(narrow_.edge.parent, 0)
    return text + lasting(max(0, narrow_.most - used), inserted, counters.since, counters.now)


def lasting(left: int, inserted: int, since: datetime | None, now: datetime | None) -> str:
    """How long so many keys last by the rows that came, as a sentence with a space before it; empty where unknown.

    Args:
        left: keys that are free.
        inserted: rows that came between the two times, a day apart at least: less says nothing of a day.
        since: when it was begun to count them; None where nobody knows.
        now: the server's clock.
    """
    if since is None or now is None or now - since < timedelta(days=1) or not inserted:
        return ""
    a_day = inserted / ((now - since) / timedelta(days=1))
    days = left / a_day
    size, unit = next(each for each in ((365, "years"), (30, "months"), (0, "days")) if days >= 2 * each[0])
    many = f"about {days / max(1, size):.0f} {unit}" if days <= 365 * _YEARS else f"more than {_YEARS} years"
    return f" With {max(1, round(a_day)):,} new row{'s' if a_day >= 1.5 else ''} a day that lasts {many}."


async def _finding(  # noqa: PLR0917 - what a finding is made of
    exam: Exam, subject: str, narrow_: _Narrow, text: str, edge: int | None, table: int | None
) -> Finding:
    child = exam.schema.child_of(narrow_.edge)
    forecast = (
        f"{table_label(child)} ({size_text(child.likely_bytes)}) and its indexes are written anew, and nobody reads or"
        " writes it meanwhile."
    )
    mend = await treated(exam, narrow_.edge, FixAction.CHANGE_TYPE, forecast)
    if edge is None:
        # No single edge's action: the statements of one stand for all.
        mend = Treatment((*mend.statements, "-- and so for each of the others"), mend.locks, forecast)
    return Finding(
        "narrow_key",
        Severity.NOTICE,
        subject,
        edge,
        table,
        text,
        f"pg_attribute.atttypid: {narrow_.pair.child.type_text} and {narrow_.pair.parent.type_text}",
        "From then on no row can refer to a new parent: the insert fails with 22003, integer out of range.",
        exam.at,
        mend,
    )
