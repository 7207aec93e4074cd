"""What one line or one record of a text says of an error, before it is known which others belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.messages import Match, match_detail, match_message
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Said:
    """Pieces of one error. What is not told is None or empty."""

    match: Match | None = None
    """What the message and the detail mean."""
    message: str = ""
    """The message's own words."""
    detail: str = ""
    sqlstate: str | None = None
    schema: str | None = None
    """Of the child, as the server's field of that name."""
    table: str | None = None
    constraint: str | None = None
    columns: tuple[str, ...] | None = None
    topic: Topic = Topic.NONE
    """What a driver's own word for the error means, where it does not pass on the server's."""
    sql: str = ""
    parameters: tuple[str | None, ...] | Mapping[str, str | None] | None = None
    when: datetime | None = None

    @property
    def tells(self) -> bool:
        """Whether it is a part of an error, and not of a statement alone."""
        return bool(self.is_key or self.sqlstate or self.constraint or self.detail or self.schema or self.table)

    @property
    def is_key(self) -> bool:
        """Whether it tells of a foreign key by itself, or of another error that a server has."""
        return bool((self.match and not is_duplicate(self)) or self.topic or self.sqlstate in VIOLATIONS)


VIOLATIONS = frozenset({"23503", "23001"})
_FIELDS = tuple(each.name for each in fields(Said))


def is_duplicate(said: Said) -> bool:
    """Whether it is the DETAIL alone of a duplicate key, which says nothing of what the key is of."""
    match = said.match
    return match is not None and match.topic is Topic.ALREADY_EXISTS and not said.message


def agree(one: Said, other: Said) -> bool:
    """Whether nothing that the two say rules out that they are of one error."""
    for this, that in (
        (one.sqlstate, other.sqlstate),
        (_folded(constraint_of(one)), _folded(constraint_of(other))),
        (one.schema, other.schema),
        (table_of(one), table_of(other)),
    ):
        if this is not None and that is not None and this != that:
            return False
    return one.match is None or other.match is None or _alike(one, other, one.match, other.match)


def _alike(one: Said, other: Said, mine: Match, its: Match) -> bool:
    """Whether two messages, or a message and a detail, may be of one error."""
    if mine.values is not None and its.values is not None and mine.values != its.values:
        return False
    if UNKNOWN in {mine.topic, its.topic}:
        return True
    if is_duplicate(other) or is_duplicate(one):
        return {mine.topic, its.topic} <= {Topic.ALREADY_EXISTS, Topic.NOT_FK}
    return mine.kind is its.kind and (mine.topic is its.topic or mine.kind is not ErrorKind.OTHER)


UNKNOWN = Topic.UNKNOWN_DIRECTION


def constraint_of(said: Said) -> str | None:
    """The constraint, by its field or by the message."""
    return said.constraint or (said.match.constraint if said.match else None)


def table_of(said: Said) -> str | None:
    """The child table, by its field or by the message."""
    return (said.match.child_table if said.match else None) or said.table


def _folded(name: str | None) -> str | None:
    return None if name is None else name.lower()


def joined(one: Said, other: Said) -> Said:
    """What two say together; where both tell something the first one's word stands."""
    made = {name: getattr(one, name) or getattr(other, name) for name in _FIELDS}
    mine, its = one.match, other.match
    if mine is not None and its is not None:
        made["match"] = _richer(mine, its)
    return Said(**made)


def _richer(one: Match, other: Match) -> Match:
    if UNKNOWN in {one.topic, other.topic} and one.topic is not other.topic:
        one, other = (other, one) if one.topic is UNKNOWN else (one, other)
        other = replace(other, kind=one.kind, topic=one.topic)
    if one.topic is Topic.NOT_FK:
        return one
    told = {
        name: getattr(other, name)
        for name in ("constraint", "child_schema", "child_table", "parent_schema", "parent_table", "types")
        if getattr(one, name) is None and getattr(other, name) is not None
    }
    if one.values is None and other.values is not None:
        told |= {name: getattr(other, name) for name in ("columns", "values", "other_cuts", "other_keys")}
    if one.columns is None and other.columns is not None and "columns" not in told:
        told["columns"] = other.columns
    if one.parent_columns is None and other.parent_columns is not None:
        told["parent_columns"] = other.parent_columns
    if one.topic is Topic.NONE and other.topic is not Topic.NONE and one.kind is other.kind:
        told["topic"] = other.topic
    return replace(one, **told) if told else one


@lru_cache(4096)
def message(text: str) -> Match | None:
    """`match_message`; a log says the same again and again."""
    return match_message(text)


@lru_cache(4096)
def detail(text: str, match: Match | None) -> Match | None:
    """`match_detail`, likewise."""
    return match_detail(text, match)


_ESCAPED_QUOTE = re.compile(r'\\+(["\'`])')
_ESCAPED_END = re.compile(r"\\+n")


def unquoted(text: str) -> str:
    """A text as it was before it was put into a string constant, once or several times over."""
    if "\\" not in text:
        return text
    return _ESCAPED_END.sub("\n", _ESCAPED_QUOTE.sub(r"\1", text)).replace("\\t", "\t")


_INNER = re.compile(r"\bdetails?[\"']?\s*[:=]\s*[\"'`]?", re.IGNORECASE)
_KEY = re.compile(r"\)\s*=\s*\(")


def of_text(text: str) -> Said | None:
    """What a text says that may have a message, a detail or both in it, with anything before, between and after."""
    found = message(text)
    if found is None and "\\" in text:
        text = unquoted(text)
        found = message(text)
    elif found is not None and "\\" in text and _has_escapes(found):
        text = unquoted(text)
        found = message(text) or found
    if found is None:
        match = detail(_after_label(text), None) if _KEY.search(text) else None
        return None if match is None else Said(match=match, detail=_alone(_after_label(text)))
    words = text[found.start : found.end].strip()
    rest = text[found.end :]
    if not rest.strip() or (not _INNER.search(rest) and not _KEY.search(rest)):
        return Said(match=found, message=words)
    told = _after_label(rest)
    return Said(match=detail(told, found), message=words, detail=_alone(told)[:1000])


def _alone(told: str) -> str:
    """A DETAIL without what a driver prints after it, where its end is known."""
    found = detail(told, None)
    return (told[: found.end] if found is not None and found.values is not None else told).strip()


def _after_label(text: str) -> str:
    label = _INNER.search(text)
    return text[label.end() :] if label else text


def _has_escapes(found: Match) -> bool:
    names = (found.constraint, found.child_table, found.parent_table)
    return any("\\" in name for name in names if name is not None)
