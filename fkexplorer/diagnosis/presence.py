"""What is true now of the key that an error names: whether the parent is there, and which child rows hold it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import Answer, ask, clock
from fkexplorer.diagnosis.duplicate import not_a_duplicate
from fkexplorer.diagnosis.keyed import (
    child_look,
    children_look,
    count_text,
    equality,
    key_text,
    of_another_style,
    parent_look,
    rows_look,
    value_text,
)
from fkexplorer.diagnosis.model import Evidence, Part, Side
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.orphans.outcome import incomparable
from fkexplorer.orphans.predicate import Incomparable
from fkexplorer.schema.model import EdgeKind, Match
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.model import Relationship

_CUTS = 8
"""Ways to cut a text into a key that are looked at."""
_DDL = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:ALTER|CREATE)\s", re.IGNORECASE | re.DOTALL)
_HOLDERS = """
SELECT l.pid, l.granted FROM pg_catalog.pg_locks AS l WHERE l.locktype = 'transactionid' AND l.transactionid =
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
    keys = _keys(case, edge)
    if not keys:
        part = await _without_key(case, edge, unknown=unknown)
    elif of_another_style([pair.child for pair in edge.pairs], keys[0]):
        part = await _of_another_style(case, edge, keys[0])
    else:
        blocked = error.kind is ErrorKind.STILL_REFERENCED
        try:
            part = await (_still_referenced if blocked else _missing_parent)(case, edge, keys)
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


def _keys(case: Case, edge: Relationship) -> list[Key]:
    """The key, and the others that the text may be cut into; else the refused row's own."""
    cuts = (case.error.values, *case.error.other_cuts)
    keys = [key for cut in cuts if (key := case.ordered(cut)) is not None]
    if keys or case.row is None or case.error.kind is ErrorKind.STILL_REFERENCED:
        return list(dict.fromkeys(keys))[:_CUTS]
    named = [case.row.values.get(pair.child.name) for pair in edge.pairs]
    return [tuple(named)] if all(text is not None for text in named) else []


@dataclass(frozen=True, slots=True)
class _Looked:
    """One key on both sides."""

    key: Key
    parent: Answer
    child: Answer | None
    """None where the parent's side has said that it is no key."""

    @property
    def of_type(self) -> bool:
        """Whether it can be a key at all."""
        return self.parent.code != "not_of_type" and (self.child is None or self.child.code != "not_of_type")

    @property
    def parent_there(self) -> bool | None:
        """Whether a row of the parent has it; of those that row security hides nobody knows."""
        number = self.parent.number
        return None if number is None or (number == 0 and self.parent.as_role) else number > 0

    @property
    def children(self) -> int | None:
        """Rows of the child that have it, or refer to it."""
        number = self.child.number if self.child else None
        return None if number is None or (number == 0 and self.child and self.child.as_role) else number


async def _missing_parent(case: Case, edge: Relationship, keys: list[Key]) -> Part:
    looked = []
    for key in keys:
        parent = await ask(case, parent_look(case.schema, edge, key))
        child = None if parent.code == "not_of_type" else await ask(case, child_look(case.schema, edge, key))
        looked.append(_Looked(key, parent, child))
    findings, fitting = _fitting(edge, looked, of_parent=False)
    ruled_out = []
    for each in fitting:
        findings += _of_parent(case, edge, each)
        if each.parent_there:
            findings += await _in_flight(case, edge, each.key)
        found, without = _of_child(case, edge, each)
        findings += found
        ruled_out += without
    states = {_would_come_again(case, edge, each) for each in fitting}
    missing = {each.parent_there for each in fitting} == {False}
    return Part(
        tuple(findings),
        tuple(ruled_out),
        live=states.pop() if len(states) == 1 else None,
        side=Side.PARENT if missing else None,
    )


def _would_come_again(case: Case, edge: Relationship, looked: _Looked) -> bool | None:
    """Of an INSERT, where the parent is missing still; of a constraint that is to be made, where a row needs it too."""
    if looked.parent_there is not False or not _of_rows_there(case, edge):
        return None if looked.parent_there is None else not looked.parent_there
    return None if looked.children is None else looked.children > 0


def _of_rows_there(case: Case, edge: Relationship) -> bool:
    """Whether the error came of rows that were there: the constraint was to be made, or to be validated."""
    written = case.error.statement
    return edge.kind is not EdgeKind.DECLARED or (written is not None and _DDL.match(written.sql) is not None)


def _of_parent(case: Case, edge: Relationship, looked: _Looked) -> list[Evidence]:
    """Whether the parent is there now."""
    answer, table = looked.parent, table_label(case.schema.parent_of(edge))
    key = key_text([pair.parent for pair in edge.pairs], looked.key)
    if looked.parent_there:
        rows = count_text(answer.number or 0)
        said = "covers" if edge.period else "has"
        text = f"{table} {said} {key} now: it came after the error, or the error is from another database."
        return [answer.evidence("key_exists_now", text, result=rows, weight=100)]
    if looked.parent_there is None:
        return [_unknown(answer, f"Whether {table} has {key}", weight=100)]
    return [answer.evidence("key_missing", f"{table} has no row with {key}.", result="0 rows", weight=100)]


def _of_child(case: Case, edge: Relationship, looked: _Looked) -> tuple[list[Evidence], list[Evidence]]:
    """Which rows of the child hold the key: a finding, or what that rules out."""
    answer, table = looked.child, table_label(case.schema.child_of(edge))
    if answer is None:
        return [], []
    key = key_text([pair.child for pair in edge.pairs], looked.key)
    number = looked.children
    if number is None:
        return [_unknown(answer, f"Whether a row of {table} holds {key}")], []
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


async def _in_flight(case: Case, edge: Relationship, key: Key) -> list[Evidence]:
    """Who holds the parent's row in a transaction that is open, and who waits for that one."""
    look = parent_look(case.schema, edge, key)
    if edge.period:
        return []  # there may be several rows, and each has a lock of its own
    holder = look.query.replace("pg_catalog.count(*)", "p.xmax", 1)
    query = f"{_HOLDERS} ({holder} LIMIT 1)"
    answer = await ask(case, replace(look, query=query))
    holders = [pid for pid, granted in answer.rows or () if granted]
    waiting = [pid for pid, granted in answer.rows or () if not granted]
    if not holders:
        return []
    table = table_label(case.schema.parent_of(edge))
    text = f"Session {holders[0]} has that row of {table} deleted or locked in a transaction that is open"
    if waiting:
        text += f"; {len(waiting)} wait{'s' if len(waiting) == 1 else ''} for it, as an insert that refers to it does"
    result = f"held by {holders[0]}, {len(waiting)} waiting"
    return [answer.evidence("row_in_flight", f"{text}.", result=result, weight=95)]


async def _still_referenced(case: Case, edge: Relationship, keys: list[Key]) -> Part:
    columns = [pair.parent for pair in edge.pairs]
    table = case.schema.parent_of(edge)
    by = [equality(table, pair.parent, pair) for pair in edge.pairs]
    looked = []
    for key in keys:
        parent = await ask(case, rows_look(table, columns, key, by))
        child = None if parent.code == "not_of_type" else await ask(case, children_look(case.schema, edge, key))
        looked.append(_Looked(key, parent, child))
    findings, fitting = _fitting(edge, looked, of_parent=True)
    ruled_out = []
    lives = set()
    for each in fitting:
        findings += _row_there(case, edge, each)
        found, without = _referring(case, edge, each)
        findings += found
        ruled_out += without
        told = (each.parent_there, None if each.children is None else each.children > 0)
        lives.add(False if False in told else None if None in told else True)
    live = lives.pop() if len(lives) == 1 else None
    return Part(tuple(findings), tuple(ruled_out), live=live, side=Side.CHILD if live else None)


def _row_there(case: Case, edge: Relationship, looked: _Looked) -> list[Evidence]:
    """Whether the parent's row, which was to be deleted, is there."""
    answer, table = looked.parent, table_label(case.schema.parent_of(edge))
    key = key_text([pair.parent for pair in edge.pairs], looked.key)
    if looked.parent_there is None:
        return [_unknown(answer, f"Whether {table} still has {key}", weight=90)]
    result = count_text(answer.number or 0)
    if looked.parent_there:
        return [answer.evidence("parent_there", f"{table} still has the row with {key}.", result=result, weight=70)]
    text = f"{table} has no row with {key} any more: it was deleted, or changed, after the error."
    return [answer.evidence("parent_gone", text, result=result, weight=100)]


def _referring(case: Case, edge: Relationship, looked: _Looked) -> tuple[list[Evidence], list[Evidence]]:
    """Which children refer to it: a finding, or what that rules out."""
    answer, table = looked.child, table_label(case.schema.child_of(edge))
    if answer is None:
        return [], []
    key = key_text([pair.parent for pair in edge.pairs], looked.key)
    number = looked.children
    if number is None:
        return [_unknown(answer, f"Whether rows of {table} refer to {key}", weight=100)], []
    if number == 0:
        text = f"No row of {table} refers to {key} any more."
        return [], [answer.evidence("no_longer_referenced", text, result="0 rows", weight=100)]
    rows = count_text(number)
    text = f"{rows[0].upper()}{rows[1:]} of {table} refer{'s' if number == 1 else ''} to {key}."
    return [answer.evidence("still_referenced", text, result=rows, weight=100)], []


def _fitting(edge: Relationship, looked: list[_Looked], *, of_parent: bool) -> tuple[list[Evidence], list[_Looked]]:
    """Which of the keys the types allow, and what is to be said of the others."""
    columns = [pair.parent if of_parent else pair.child for pair in edge.pairs]
    fitting = [each for each in looked if each.of_type]
    first = (fitting or looked)[0]
    if not fitting:
        answer = first.parent
        types = ", ".join(column.type_text for column in columns)
        text = (
            f"{key_text(columns, first.key)} is no value of type {types}: it was masked or cut in the text, or the"
            " column has another type here."
        )
        return [answer.evidence("value_not_of_type", text, result=answer.reason, weight=100)], []
    if len(looked) == 1:
        return [], fitting
    ways = f"The text can be cut into the key in {len(looked)} ways"
    if len(fitting) == 1:
        text = f"{ways}; only {key_text(columns, first.key)} fits the types."
        return [first.parent.evidence("cut_by_type", text, weight=40)], fitting
    shown = "; ".join(key_text(columns, each.key) for each in fitting)
    return [first.parent.evidence("key_ambiguous", f"{ways}, and each was looked at: {shown}.", weight=80)], fitting


def _unknown(answer: Answer, what: str, *, weight: int = 50) -> Evidence:
    """That a look told nothing, or that row security may have hidden what it looked for."""
    if answer.rows is None:
        return answer.unknown(what, weight=weight)
    hidden = replace(answer, rows=None, code="hidden_by_row_security", reason="row security hides rows from this role")
    return hidden.unknown(what, weight=weight)


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
    columns = [pair.parent if case.error.kind is ErrorKind.STILL_REFERENCED else pair.child for pair in edge.pairs]
    text = f"{key_text(columns, key)} was printed in a DateStyle that is not known here: which day it is can't be told."
    return Part((Evidence("value_ambiguous", text, await clock(case.database), "the text", weight=100),))


async def _incomparable(case: Case, edge: Relationship) -> Part:
    """No operator compares the two sides: there is nothing to ask."""
    reason = incomparable(edge).error or ""
    text = f"Whether the key is there can't be asked: {reason}."
    evidence = Evidence("incomparable", text, await clock(case.database), "the catalogue", result=reason, weight=100)
    return Part((evidence,))
