"""What is true now of the key that an error names: whether the parent is there, and which child rows hold it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import ask, clock
from fkexplorer.diagnosis.blocked import still_referenced
from fkexplorer.diagnosis.duplicate import not_a_duplicate
from fkexplorer.diagnosis.keyed import (
    child_look,
    child_text,
    count_text,
    edge_text,
    of_another_style,
    parent_look,
    value_text,
)
from fkexplorer.diagnosis.looked import Looked, fitting
from fkexplorer.diagnosis.model import Evidence, Part, Side
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.diagnosis.repeats import repeats
from fkexplorer.fixes import sql
from fkexplorer.orphans.childless import creation_column
from fkexplorer.orphans.outcome import incomparable
from fkexplorer.orphans.predicate import Incomparable
from fkexplorer.schema.model import EdgeKind, Match
from fkexplorer.schema.names import edge_label, quote, table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.model import Column, Relationship

_CUTS = 8
"""Ways to cut a text into a key that are looked at."""
_DDL = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:ALTER|CREATE)\s", re.IGNORECASE | re.DOTALL)
# Whoever has referred to the row since locks it too, but does not lock its table for writing. Of a row that nobody has
# touched, as of most, the locks are not read: that stops the server's lock manager for a moment.
_HOLDERS = """
SELECT l.pid, l.granted, EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS t WHERE t.pid = l.pid AND t.granted
  AND t.relation IN ({tables}) AND t.mode NOT IN ('AccessShareLock', 'RowShareLock'))
 FROM ({holder} AND p.xmax OPERATOR(pg_catalog.<>) '0'::pg_catalog.xid LIMIT 1) AS r
 JOIN pg_catalog.pg_locks AS l ON l.locktype = 'transactionid' AND l.transactionid OPERATOR(pg_catalog.=) r.xmax
""".strip()


async def presence(case: Case) -> Part:
    """Look for the key of the error on both sides of its edge.

    Returns:
        `live` is whether the error would come again now, None where that can't be told; every doubt has its evidence.

    Raises:
        Trouble: the connection is lost.
    """
    edge, error = case.edge, case.error
    if edge is None:
        return Part()
    if error.topic is Topic.MATCH_FULL_NULLS:
        return await _match_full(case, edge)
    unknown = error.topic is Topic.UNKNOWN_DIRECTION
    if error.kind not in {ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED} and not unknown:
        return Part()
    keys = [key for key in case.keys if None not in key][:_CUTS]
    if not keys:
        part = await _without_key(case, edge, unknown=unknown)
    elif of_another_style(_columns(case, edge), keys[0]):
        part = await _of_another_style(case, edge, keys[0])
    else:
        blocked = error.kind is ErrorKind.STILL_REFERENCED
        try:
            part = await (still_referenced if blocked else _missing_parent)(case, edge, keys)
            part = await _with_repeats(case, edge, part)
        except Incomparable:
            part = await _incomparable(case, edge)
    if error.kind is ErrorKind.STILL_REFERENCED:
        return part
    no_duplicate = await not_a_duplicate(case, edge)
    return replace(
        part,
        findings=(*part.findings, *no_duplicate.findings),
        ruled_out=(*part.ruled_out, *no_duplicate.ruled_out),
    )


async def _with_repeats(case: Case, edge: Relationship, part: Part) -> Part:
    """With what is true of the other keys of the text: the error is live while it is so of any of them."""
    evidence, number = await repeats(case, edge)
    if evidence is None:
        return part
    live, side = part.live, part.side
    if not live and not _of_rows_there(case, edge):
        live = True if number else None if number is None else live
        side = side or (_side(case) if number else None)
    return replace(part, findings=(*part.findings, evidence), live=live, side=side)


def _side(case: Case) -> Side:
    """Which side is wrong while the error is live."""
    return Side.CHILD if case.error.kind is ErrorKind.STILL_REFERENCED else Side.PARENT


def _columns(case: Case, edge: Relationship) -> list[Column]:
    """Those that the error's key is of."""
    return [pair.parent if _side(case) is Side.CHILD else pair.child for pair in edge.pairs]


async def _missing_parent(case: Case, edge: Relationship, keys: list[Key]) -> Part:
    looked = []
    for key in keys:
        parent = await ask(case, parent_look(case.schema, edge, key))
        child = None if parent.code == "not_of_type" else await ask(case, child_look(case.schema, edge, key))
        looked.append(Looked(key, parent, child))
    findings, possible = fitting(edge, looked, of_parent=False)
    ruled_out: list[Evidence] = []
    states: set[bool | None] = set()
    for each in possible:
        findings += _of_parent(case, edge, each)
        contested = False
        if each.parent_there and not edge.period:
            # Of a PERIOD there may be several rows.
            held, contested = await _in_flight(case, edge, each.key)
            findings += [*held, *await _created(case, edge, each.key)]
        # While others wait for who has the row, nobody knows whether it will stay.
        states.add(None if contested else _would_come_again(case, edge, each))
        found, without = _of_child(case, edge, each)
        findings += found
        ruled_out += without
    missing = {each.parent_there for each in possible} == {False}
    return Part(
        tuple(findings),
        tuple(ruled_out),
        live=states.pop() if len(states) == 1 else None,
        side=Side.PARENT if missing else None,
    )


def _would_come_again(case: Case, edge: Relationship, looked: Looked) -> bool | None:
    """Of an INSERT, where the parent is missing still; of a constraint that is to be made, where a row needs it too."""
    if looked.parent_there is not False or not _of_rows_there(case, edge):
        return None if looked.parent_there is None else not looked.parent_there
    return None if looked.children is None else looked.children > 0


def _of_rows_there(case: Case, edge: Relationship) -> bool:
    """Whether the error came of rows that were there: the constraint was to be made, or to be validated."""
    written = case.error.statement
    return edge.kind is not EdgeKind.DECLARED or (written is not None and _DDL.match(written.sql) is not None)


def _of_parent(case: Case, edge: Relationship, looked: Looked) -> list[Evidence]:
    """Whether the parent is there now."""
    answer, table = looked.parent, table_label(case.schema.parent_of(edge))
    key = edge_text(edge, looked.key, of_parent=True)
    if looked.parent_there:
        rows = count_text(answer.number or 0)
        said = "covers" if edge.period else "has"
        text = f"{table} {said} {key} now: it was committed after the error, or the error is from another database."
        return [answer.evidence("key_exists_now", text, result=rows, weight=100)]
    if looked.parent_there is None:
        return [answer.unknown(f"Whether {table} has {key}", weight=100)]
    return [answer.evidence("key_missing", f"{table} has no row with {key}.", result="0 rows", weight=100)]


def _of_child(case: Case, edge: Relationship, looked: Looked) -> tuple[list[Evidence], list[Evidence]]:
    """Which rows of the child hold the key: a finding, or what that rules out."""
    answer, table = looked.child, child_text(case.schema, edge)
    if answer is None:
        return [], []
    key = edge_text(edge, looked.key, of_parent=False)
    number = looked.children
    if number is None:
        return [answer.unknown(f"Whether a row of {table} holds {key}")], []
    if number == 0:
        text = f"No row of {table} holds {key}: a refused insert leaves no row."
        return [], [answer.evidence("no_row_left", text, result="0 rows", weight=60)]
    rows, hold = count_text(number), "holds" if number == 1 else "hold"
    why = {
        True: "it was written after its parent came" if number == 1 else "they have their parent",
        False: "without that parent: the constraint does not keep such rows out, or did not when they came",
        None: "whether they have a parent is not known",
    }[looked.parent_there]
    text = f"{rows[0].upper()}{rows[1:]} of {table} {hold} {key}; {why}."
    weight = 90 if looked.parent_there is False else 30
    return [answer.evidence("child_row_holds_key", text, result=rows, weight=weight)], []


async def _in_flight(case: Case, edge: Relationship, key: Key) -> tuple[list[Evidence], bool]:
    """Who changes the parent's row in a transaction that is open, or keeps others waiting for it; and whether so."""
    table = case.schema.parent_of(edge)
    look = parent_look(case.schema, edge, key)
    holder = look.query.replace("pg_catalog.count(*)", "p.xmax", 1)
    tables = ", ".join(str(oid) for oid in (table.oid, *table.partitions))
    answer = await ask(case, replace(look, query=_HOLDERS.format(tables=tables, holder=holder)))
    holders = [pid for pid, granted, writes in answer.rows or () if granted and writes]
    waiting = [pid for pid, granted, _ in answer.rows or () if not granted]
    if not holders:
        holders = [pid for pid, granted, _ in answer.rows or () if granted and waiting]
    if not holders:
        return [], False
    text = f"Session {holders[0]} deletes, changes or locks that row of {table_label(table)}, and has not committed"
    if waiting:
        text += f"; {len(waiting)} wait{'s' if len(waiting) == 1 else ''} for it, as an insert that refers to it does"
    result = f"held by {holders[0]}, {len(waiting)} waiting"
    return [answer.evidence("row_in_flight", f"{text}.", result=result, weight=95)], bool(waiting)


async def _created(case: Case, edge: Relationship, key: Key) -> list[Evidence]:
    """When the parent was made, going by its own date, and whether that was before the error."""
    table = case.schema.parent_of(edge)
    created = creation_column(table)
    if created is None:
        return []
    date = f"p.{sql.name(created.name)}"
    values = f"pg_catalog.concat({date}), extract(epoch FROM CAST({date} AS pg_catalog.timestamptz))::float8"
    look = parent_look(case.schema, edge, key)
    answer = await ask(case, replace(look, query=look.query.replace("pg_catalog.count(*)", values, 1)))
    shown, seconds = answer.rows[0] if answer.rows else ("", None)
    if seconds is None:
        return []
    when = case.found.last or case.error.when
    text = f"Its {quote(created.name)} is {shown}"
    if when is not None and when.tzinfo is not None:
        text += (
            ", after the error"
            if seconds > when.timestamp()
            else ", before the error: it was not committed by then, or the error is from another database"
        )
    return [answer.evidence("parent_created", f"{text}.", result=shown, weight=60)]


async def _match_full(case: Case, edge: Relationship) -> Part:
    """NULL in a part of the key only: no parent would help."""
    names = ", ".join(pair.child.name for pair in edge.pairs)
    label = edge_label(case.schema, edge)
    at = await clock(case.database)
    if edge.match is not Match.FULL:
        text = f"{label} is MATCH SIMPLE now: a row with NULL in a part of its key is let pass."
        return Part((Evidence("match_is_simple", text, at, "the catalogue", weight=100),), live=False)
    given = ""
    if case.row is not None:
        told = [
            (pair.child, case.row.values[pair.child.name]) for pair in edge.pairs if pair.child.name in case.row.values
        ]
        given = f" The row had {', '.join(f'{column.name} {value_text(column, text)}' for column, text in told)}."
    text = (
        f"{label} is MATCH FULL: either all of ({names}) are NULL, or none. The row has NULL in some of them, and no"
        f" parent would help.{given}"
    )
    return Part((Evidence("match_full_nulls", text, at, "the catalogue", weight=100),), live=True, side=Side.CHILD)


async def _without_key(case: Case, edge: Relationship, *, unknown: bool) -> Part:
    """The text does not tell which key it was."""
    at = await clock(case.database)
    named = case.error.columns
    own = {name for pair in edge.pairs for name in (pair.child.name, pair.parent.name)}
    code = "direction_not_told" if unknown else "key_not_told"
    if unknown:
        text = (
            "The text does not tell whether a parent is missing or children are left: the driver dropped the server's"
            " message. The server's log has it."
        )
    elif named and case.error.values and not set(named) <= own:
        key = ", ".join(pair.child.name for pair in edge.pairs)
        text = f"The text names the columns {', '.join(named)}, and here the key is {key}: its value is not known."
    else:
        text = (
            "The text does not tell the key: the role that was refused may not read the table, or the driver dropped"
            " the server's DETAIL. The server's log may have it."
        )
    return Part((Evidence(code, text, at, "the text", weight=100),))


async def _of_another_style(case: Case, edge: Relationship, key: Key) -> Part:
    """A date that may be read as two different ones is not looked for."""
    shown = edge_text(edge, key, of_parent=_side(case) is Side.CHILD)
    text = f"{shown} was printed in a DateStyle that is not known here: which day it is can't be told."
    return Part((Evidence("value_ambiguous", text, await clock(case.database), "the text", weight=100),))


async def _incomparable(case: Case, edge: Relationship) -> Part:
    """No operator compares the two sides: there is nothing to ask."""
    reason = incomparable(edge).error or ""
    text = f"Whether the key is there can't be asked: {reason}."
    evidence = Evidence("incomparable", text, await clock(case.database), "the catalogue", result=reason, weight=100)
    return Part((evidence,))
