"""SQL as tokens, literals as the values that they stand for: as much of the language as a refused statement needs.

What is not surely read is not told: a string that is not closed ends the tokens, a byte as an escape is no value.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Untold(str):
    """Stands where a value is that the text does not tell, so that those after it keep their places."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """No text is the same as what is not told."""
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = str.__hash__


UNTOLD = Untold("…")

Value = str | None
"""The value's text, None for NULL, or `UNTOLD`."""


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    """An identifier or a key word without quotes, folded as PostgreSQL folds it."""
    NAME = auto()
    """An identifier in quotes."""
    STRING = auto()
    """A string constant; its text is the value."""
    NUMBER = auto()
    POSITION = auto()
    """A placeholder by its position; the text is the number, from 1."""
    NAMED = auto()
    """A placeholder by its name."""
    SIGN = auto()
    """Anything else, one character; `::` is one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token."""

    kind: Kind
    text: str
    start: int
    """Where it begins in the text."""
    end: int
    told: bool = True
    """Whether `text` is surely the value of a string."""

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these key words."""
        return self.kind is Kind.WORD and self.text in words

    def is_sign(self, sign: str) -> bool:
        """Whether it is this sign."""
        return self.kind is Kind.SIGN and self.text == sign


FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<coded>[uU]&['"])
    | (?P<bits>[bBxX]'[0-9A-Fa-f]*')
    | (?P<string>[nN]?'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>[^\W\d]\w*)?\$)
    | \$(?P<position>\d+)
    | (?P<name>"(?:[^"]|"")+"|`[^`]+`)
    | (?P<pyformat>%\((?P<key>[^)]+)\)s)
    | (?P<format>%s)
    | (?P<cast>::)
    | :(?P<numbered>\d+)
    | [:@](?P<named>[^\W\d]\w*)
    | (?P<number>(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+)(?:[eE][+-]?\d+)?(?![^\W\d]))
    | (?P<word>[^\W\d][\w$]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|''", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def tokens(sql: str) -> list[Token]:
    """The tokens of a text, without spaces and comments; they end where a string is not closed.

    Placeholders without a number (`?`, `%s`) are numbered in their order. `?` is one where the text has no others.
    Where there is one with a percent sign, every other percent sign is doubled (PEP 249's `format` and `pyformat`).
    """
    found = list(_tokens(sql))
    if any(sql[token.start] == "%" for token in found if token.kind in (Kind.POSITION, Kind.NAMED)):
        return [replace(token, text=token.text.replace("%%", "%")) for token in found]
    if any(token.kind in (Kind.POSITION, Kind.NAMED) for token in found):
        return found
    number = 0
    for at, token in enumerate(found):
        if token.is_sign("?"):
            number += 1
            found[at] = Token(Kind.POSITION, str(number), token.start, token.end)
    return found


def _tokens(sql: str) -> Iterator[Token]:
    at, formats = 0, 0
    while at < len(sql) and (match := _TOKEN.match(sql, at)):
        group = match.lastgroup or ""
        text, start, at = match[0], match.start(), match.end()
        if group == "comment":
            at = _comment_end(sql, at)
        elif group in _MAKE:
            yield _MAKE[group](match)
        elif group == "format":
            formats += 1
            yield Token(Kind.POSITION, str(formats), start, at)
        elif group in ("dollar", "coded"):
            close = re.compile(re.escape(text) if group == "dollar" else _CODED[text[-1]]).search(sql, at)
            if close is None:
                return
            kind = Kind.NAME if text[-1] == '"' else Kind.STRING
            inner, at = sql[at : close.start()], close.end()
            yield Token(kind, inner, start, at, told=group == "dollar")
        elif group in ("sign", "cast"):
            if text in "'\"`":  # a string or a name that is not closed
                return
            yield Token(Kind.SIGN, text, start, at)


_CODED = {quote: f"(?:[^{quote}]|{quote}{quote})*{quote}" for quote in "'\""}


def _comment_end(sql: str, at: int) -> int:
    """Where a comment ends; they nest."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(sql, at):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    return len(sql)


def _token(kind: Kind, text: str, match: re.Match[str], *, told: bool = True) -> Token:
    return Token(kind, text, match.start(), match.end(), told)


def _string(match: re.Match[str]) -> Token:
    # Where standard_conforming_strings is off a backslash is an escape; it has been on by default since 9.1.
    return _token(Kind.STRING, match[0].lstrip("nN")[1:-1].replace("''", "'"), match)


def _escaped(match: re.Match[str]) -> Token:
    told = True

    def plain(escape: re.Match[str]) -> str:
        nonlocal told
        octal, two, four, eight, other = escape.groups()
        if octal or two:
            # A byte of the server's encoding: surely a character in ASCII alone.
            code = int(octal, 8) if octal else int(two, 16)
            told = told and 0 < code < 0x80
            return chr(code & 0x7F)
        if four or eight:
            code = int(four or eight, 16)
            told = told and 0 < code < 0x110000 and not 0xD800 <= code < 0xE000
            return chr(code) if told else ""
        return "'" if other is None else _CONTROLS.get(other, other)

    return _token(Kind.STRING, _ESCAPE.sub(plain, match[0][2:-1]), match, told=told)


def _name(match: re.Match[str]) -> Token:
    inner = match[0][1:-1]
    return _token(Kind.NAME, inner.replace('""', '"') if match[0][0] == '"' else inner, match)


_MAKE: dict[str, Callable[[re.Match[str]], Token]] = {
    "string": _string,
    "escaped": _escaped,
    "name": _name,
    "bits": lambda match: _token(Kind.STRING, match[0], match, told=False),
    "number": lambda match: _token(Kind.NUMBER, match[0].replace("_", ""), match),
    "word": lambda match: _token(Kind.WORD, match[0].translate(FOLD), match),
    "position": lambda match: _token(Kind.POSITION, match["position"], match),
    "numbered": lambda match: _token(Kind.POSITION, match["numbered"], match),
    "named": lambda match: _token(Kind.NAMED, match["named"], match),
    "pyformat": lambda match: _token(Kind.NAMED, match["key"], match),
}
