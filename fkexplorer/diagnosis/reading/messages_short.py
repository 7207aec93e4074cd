"""Reads a DETAIL whose end is missing, as titles and narrow columns have it: what is there is still told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.messages_keys import with_key
from fkexplorer.diagnosis.reading.messages_match import Match
from fkexplorer.diagnosis.reading.messages_pattern import KEY, PLACE, Template, templates
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DOTS = ("...", "…")


@dataclass(frozen=True, slots=True)
class _Piece:
    template: Template
    key: str
    tail: int
    """How many letters of the words after the key are there; -1 where not even the value ends."""


def shortened(text: str, languages: Iterable[str], engine: str) -> Match | None:
    """The key in a DETAIL that breaks off after it or within it; None where the text does not begin as one.

    Where the text ends before it says which side is wrong, the topic is `fk_violation_unknown_direction`. Of a value
    that is cut off only the columns are told.
    """
    whole = text.strip()
    for dots in _DOTS:
        whole = whole.removesuffix(dots)
    pieces = [
        piece
        for language in languages
        for piece in _pieces(whole, language)
        if piece.template.message.kind is not ErrorKind.OTHER
    ]
    return _match(pieces, engine, len(text)) if pieces else None


def _match(pieces: list[_Piece], engine: str, end: int) -> Match:
    longest = max(piece.tail for piece in pieces)
    pieces = [piece for piece in pieces if piece.tail == longest]
    template, key = pieces[0].template, pieces[0].key
    kinds = {piece.template.message.kind for piece in pieces}
    sure = len(kinds) == 1 and longest > 0
    match = with_key(
        Match(
            template.message.kind if sure else ErrorKind.OTHER,
            Topic.NONE if sure else Topic.UNKNOWN_DIRECTION,
            engine=engine,
            language=template.language,
            end=end,
        ),
        key,
    )
    return match if longest >= 0 else replace(match, values=None, other_cuts=(), other_keys=())


def _pieces(text: str, language: str) -> Iterator[_Piece]:
    for template in templates("details", language):
        key = KEY.search(template.text)
        places = list(PLACE.finditer(template.text))
        if key is None or places[0].start() != key.start() + 1:
            continue
        head, tail = template.text[: key.start() + 1], template.text[key.end() :]
        tail = ")" + (tail[: places[2].start() - key.end()] if len(places) > 2 else tail)
        if not text.startswith(head) or ")=(" not in text:
            continue
        rest = text[len(head) :]
        if (at := rest.rfind(tail)) >= 0:
            yield _Piece(template, rest[:at], len(tail))
            continue
        here = next((size for size in range(len(tail) - 1, 0, -1) if rest.endswith(tail[:size])), 0)
        yield _Piece(template, rest[: len(rest) - here], here - 1)
