"""Reads a message of the server in any of its languages: what kind of error it is, and the names and values in it."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from fkexplorer.diagnosis.reading import messages_known as known
from fkexplorer.diagnosis.reading.messages_keys import with_key
from fkexplorer.diagnosis.reading.messages_match import Match
from fkexplorer.diagnosis.reading.messages_objects import dependent, described
from fkexplorer.diagnosis.reading.messages_other import other_engine
from fkexplorer.diagnosis.reading.messages_pattern import Kind, Template, data, languages, plain_templates, templates
from fkexplorer.diagnosis.reading.messages_short import shortened
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping

__all__ = ["Match", "could_match", "labels", "match_detail", "match_message", "severities"]


@cache
def _order() -> list[str]:
    """The languages, that of the last message first: a log is in one."""
    return list(languages())


def match_message(text: str) -> Match | None:
    """The first primary message in a text; None where there is none that is known.

    Args:
        text: the message alone, or with something before and after it on its line. Where it is alone its names are
            read whatever they hold; else the last one ends with its quote, as PostgreSQL does not escape those within.
    """
    return _found(text, "messages") or other_engine(text) or _broken_off(text)


def match_detail(text: str, match: Match | None = None) -> Match | None:
    """A message with what its DETAIL adds.

    Args:
        text: the DETAIL without its label; more may follow it, and its end may be missing.
        match: the message that it belongs to; None where the text has the DETAIL alone.

    Returns:
        The message as it was where the DETAIL is of another kind or says nothing; None where there is neither.
    """
    if match is not None and match.topic is Topic.DROP_DEPENDENT:
        return dependent(text, match)
    engine = match.engine if match else "postgresql"
    found = _found(text, "details", engine) or shortened(text, _order(), engine)
    if match is None and found is not None and found.values is None and found.topic is Topic.UNKNOWN_DIRECTION:
        return None  # The beginning of a key is too little to be sure that it is one.
    if match is None or found is None:
        return found or match
    if found.topic is Topic.UNKNOWN_DIRECTION:
        found = replace(found, kind=match.kind, topic=match.topic)
    if match.topic is Topic.UNKNOWN_DIRECTION:
        match = replace(match, kind=found.kind, topic=found.topic)
    if match.kind is not found.kind or (match.kind is ErrorKind.OTHER and match.topic is not found.topic):
        return match
    return _merged(match, found)


def could_match(text: bytes | str) -> bool:
    """Whether a text may hold a primary message that is known; much quicker than to match it, and never False wrongly.

    Args:
        text: a line or a whole piece of a log; bytes are UTF-8. No word in it may be broken over two lines.
    """
    given = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    plain, others = _rare()
    return any(word in given for word in plain) or (
        not given.isascii() and any(byte in given and any(word in given for word in words) for byte, words in others)
    )


@cache
def _rare() -> tuple[tuple[bytes, ...], tuple[tuple[bytes, tuple[bytes, ...]], ...]]:
    """The words to look for in any text, and those to look for where it has a byte."""
    words = {name: tuple(word.encode() for word in found) for name, found in data()["rare"].items()}
    return words.pop(""), tuple((bytes.fromhex(name), found) for name, found in words.items())


@cache
def labels() -> Mapping[str, str]:
    """What stands before a part of a message, in every language: `DÉTAIL` is DETAIL, `NOM DE TABLE` is TABLE NAME.

    Without the colon, before which French and some others have a space.
    """
    return _words((*known.LABELS, *known.FIELDS))


@cache
def severities() -> Mapping[str, str]:
    """The words for how bad a message is, in every language: `FEHLER` is ERROR."""
    return _words(known.SEVERITIES)


def _words(names: tuple[str, ...]) -> Mapping[str, str]:
    others = {other: name for name in reversed(names) for other in data()["words"].get(name, ())}
    return others | {name: name for name in names}


def _found(text: str, kind: Kind, engine: str = "postgresql") -> Match | None:
    """The message that a text is, or else the first in it."""
    able: list[Template] = []
    for each in _able(text, kind):
        if found := each.whole.match(text):
            return _taken(each, found, engine)
        able.append(each)
    parts = [(each, found) for each in able if (found := each.part.search(text))]
    if not parts:
        return None
    return _taken(*min(parts, key=lambda part: part[1].start()), engine)


def _able(text: str, kind: Kind) -> Iterator[Template]:
    """The messages that a text may be or have: their longest word is in it."""
    able_in = plain_templates if text.isascii() else templates
    for language in tuple(_order()):
        for each in able_in(kind, language):
            if each.anchor in text:
                yield each


def _broken_off(text: str) -> Match | None:
    """A message whose end is missing: it has all of its words but not its last name."""
    for each in _able(text, "messages"):
        if each.cut and (found := each.cut.search(text)):
            return _taken(each, found)
    return None


def _taken(template: Template, found: re.Match[str], engine: str = "postgresql") -> Match:
    _prefer(template.language)
    said, message = found.groupdict(), template.message
    if "«" in template.text:  # Some languages have a space within these quotes.
        said = {name: text if name == "key" else text.strip() for name, text in said.items()}
    names: dict[str, Any] = {
        field.name: said[field.name] for field in fields(Match) if said.get(field.name) is not None
    }
    made = Match(
        message.kind,
        message.topic,
        message.sqlstate,
        engine=engine,
        language=template.language,
        start=found.start(),
        end=found.end(),
        **names,
    )
    if "column" in said:
        made = replace(made, columns=(said["column"],))
    if "parent_column" in said:
        made = replace(made, parent_columns=(said["parent_column"],))
    if "child_type" in said:
        made = replace(made, types=(said["child_type"], said["parent_type"]))
    if "dropped" in said:
        _, schema, table = described(said["dropped"], template.language)
        made = replace(made, parent_schema=schema, parent_table=table)
    if "key" in said:
        made = with_key(made, said["key"])
    return _of_catalogue(made) if message.sqlstate == "23505" else made


def _merged(match: Match, detail: Match) -> Match:
    """A message with those fields of its DETAIL that it has not itself."""
    empty = {field.name for field in fields(Match) if getattr(match, field.name) in (None, (), Topic.NONE)} - {
        "sqlstate"
    }
    made = replace(match, **{name: getattr(detail, name) for name in empty}, sqlstate=detail.sqlstate or match.sqlstate)
    return _of_catalogue(made) if made.sqlstate == "23505" else made


def _of_catalogue(match: Match) -> Match:
    """A 23505 on an index of a system catalogue with the name of what exists, or is being made by another session."""
    if not (match.constraint or "").startswith("pg_"):
        return replace(match, topic=Topic.NOT_FK)
    said = dict(zip(match.columns or (), match.values or (), strict=True))
    return replace(
        match,
        constraint=said.get("conname") or match.constraint,
        child_table=said.get("relname") or said.get("typname"),
        columns=None,
        values=None,
        other_cuts=(),
        other_keys=(),
    )


def _prefer(language: str) -> None:
    order = _order()
    if order[0] != language:
        order.remove(language)
        order.insert(0, language)
