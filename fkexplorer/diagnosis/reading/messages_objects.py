"""Reads the descriptions of objects that a refused DROP gives: which table, which constraint on it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading import messages_known as known
from fkexplorer.diagnosis.reading.messages_pattern import Template, translations
from fkexplorer.diagnosis.reading.model import Topic

if TYPE_CHECKING:
    from fkexplorer.diagnosis.reading.messages_match import Match

_WORD = r'(?:"(?:[^"]|"")+"|[^".\s]+)'
_QUALIFIED = re.compile(rf"(?:({_WORD})\.)?({_WORD})")

Described = tuple[str | None, str | None, str | None]
"""A constraint, and the schema and name of the table that it is on; or a table without a constraint."""


def described(text: str, language: str) -> Described:
    """What `getObjectDescription` of objectaddress.c says, where it is a table or a constraint on one.

    Names in it are quoted as SQL has them, all but a constraint's own.
    """
    for each in _templates(known.CONSTRAINT_ON, ("constraint", "object"), language):
        if found := each.whole.match(text):
            _, schema, table = described(found["object"], language)
            return found["constraint"], schema, table
    for each in _templates(known.TABLE, ("table",), language):
        if (found := each.whole.match(text)) and (name := _QUALIFIED.fullmatch(found["table"])):
            return None, _unquoted(name[1]), _unquoted(name[2])
    return None, None, None


def dependent(text: str, match: Match) -> Match:
    """A refused DROP with what its DETAIL adds: the first constraint that depends on what was to be dropped.

    Where only views and the like depend on it, it has nothing to do with a foreign key.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    pairs = [pair for line in lines if (pair := _pair(line, match.language))]
    for left, right in pairs:
        constraint, schema, table = described(left, match.language)
        if constraint is not None:
            _, parent_schema, parent_table = described(right, match.language)
            return replace(
                match,
                constraint=constraint,
                child_schema=schema,
                child_table=table,
                parent_schema=parent_schema or match.parent_schema,
                parent_table=parent_table or match.parent_table,
            )
    return replace(match, topic=Topic.NOT_FK) if pairs and len(pairs) == len(lines) else match


def _pair(line: str, language: str) -> tuple[str, str] | None:
    for each in _templates(known.DEPENDS, ("left", "right"), language):
        if found := each.whole.match(line):
            return found["left"], found["right"]
    return None


@cache
def _templates(text: str, names: tuple[str, ...], language: str) -> tuple[Template, ...]:
    """A description's templates; a language that has none writes it as English does."""
    texts = translations(text, language) or (text,)
    return tuple(Template(known.Known(text, names), each, language) for each in texts)


def _unquoted(name: str | None) -> str | None:
    return name[1:-1].replace('""', '"') if name and name.startswith('"') else name
