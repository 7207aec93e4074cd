"""The parameters of a statement, from what drivers and logs print: each prints a list of values in its own language."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.literals import UNTOLD, Untold, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Item = Value | list["Item"] | dict[str, "Item"]

_LABEL = re.compile(
    r"[\s\[]*(?:--\s*)?(?:with\s+)?(?:parameters|params|bindings|args|arguments|values)\s*[:=]\s*", re.IGNORECASE
)
_SERVER = re.compile(r"\$(\d+) = (?:(NULL)|'((?:[^']|'')*)')(, )?")
_NPGSQL = re.compile(r"@(\w+)=(?:(NULL)|'(.*?)')(?: \([^()]*\))*(?=, @|\]|$)", re.DOTALL)
_HIBERNATE = re.compile(
    r"binding parameter (?:\((\d+):[^()]*\) <-|\[(\d+)\] as \[[^\]]*\] -) \[(.*?)\]\s*(?:\n|$)", re.DOTALL
)
_JS_DATE = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d{4} \d\d:\d\d:\d\d GMT")
_CUT = re.compile(r" \.\.\. \(\d+ characters truncated\) \.\.\. |\.\.\. \d+ more characters?$")

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)n?(?=[\s,\])}]|$)")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?=[\s,\])}]|$)")
_WORD = re.compile(r"(None|null|nil|NULL|undefined|True|true|False|false)(?=[\s,\])}]|$)")
_CALL = re.compile(r"((?:\w+\.)*(\w+))\(")
_KEY = re.compile(r"""\s*:?(?:(?P<quote>['"`])(?P<quoted>(?:[^\\'"`])*)(?P=quote)|(?P<bare>[@:]?\w+))\s*(?::|=>)\s*""")
_STRING = re.compile(r"""[bBuU]?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)""", re.DOTALL)
_JOINED = re.compile(r"\s*\+\s*(?=['\"`])")
_ESCAPE = re.compile(
    r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|([0-7]{1,3})|(.))", re.DOTALL
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "\n": ""}
_DEPTH = 3
"""Lists in lists that are read: of a batch, the pairs of Rails. Deeper ones are not told."""


def parameters_of(text: str) -> tuple[Value, ...] | dict[str, Value] | None:
    """The parameters that a text tells, by position or by name; None where it is no list of any.

    The text is what stands behind `parameters:`, `params:` or the like (which may stand before it): a list, tuple or
    mapping as Python, JavaScript, JSON or Ruby print it, Rails' pairs, what PostgreSQL logs (`$1 = 'a', $2 = NULL`),
    Npgsql's `@p0='a'`, Hibernate's lines of bindings, or values with commas between, as Drizzle has them: whoever uses
    those must know how many they should be, since a comma may be part of one. A value that is not told is `UNTOLD`.
    """
    if label := _LABEL.match(text):
        text = text[label.end() :]
    text = text.strip()
    for read in (_of_server, _of_npgsql, _of_hibernate):
        if (found := read(text)) is not None:
            return found
    if text[:1] in _CLOSING:
        reader = _Reader(text)
        item = reader.item(0)
        return _flat(item) if isinstance(item, (list, dict)) and reader.closed else None
    return tuple(map(_bare, text.split(","))) if text and "\n" not in text else None


def _of_server(text: str) -> tuple[Value, ...] | None:
    """As `log_parameter_max_length` and its kin have them (BuildParamLogString): those cut end with `...`."""
    first = _SERVER.search(text)
    if first is None or first[1] != "1":
        return None
    found: list[Value] = []
    match: re.Match[str] | None = first
    while match and int(match[1]) == len(found) + 1:
        value = match[3].replace("''", "'") if match[3] is not None else None
        found.append(UNTOLD if value is not None and value.endswith("...") else value)
        match = _SERVER.match(text, match.end()) if match[4] else None
    return tuple(found)


def _of_npgsql(text: str) -> dict[str, Value] | None:
    """As Entity Framework has them; `?` where values are not logged."""
    found = {name: None if null else UNTOLD if value == "?" else value for name, null, value in _NPGSQL.findall(text)}
    return found or None


def _of_hibernate(text: str) -> tuple[Value, ...] | None:
    """As its lines of bindings have them, of which the last ones count; `null` may be a text."""
    found: dict[int, str] = {}
    for new, old, value in _HIBERNATE.findall(text):
        found[int(new or old)] = UNTOLD if value == "null" else value
    return tuple(found.get(at, UNTOLD) for at in range(1, max(found) + 1)) if found else None


def _bare(text: str) -> Value:
    """A value of a JavaScript array as text: NULL is empty there, and so is an empty string."""
    if not text or _JS_DATE.match(text) or text in ("[object Object]", "undefined", "null"):
        return UNTOLD
    return text


def _flat(item: list[Item] | dict[str, Item]) -> tuple[Value, ...] | dict[str, Value] | None:
    """The values of a list or mapping; those of a batch are what all of its sets have in common."""
    if isinstance(item, dict):
        return {name: _told(value) for name, value in item.items()}
    if item and all(isinstance(each, list) and len(each) == 2 and _names(each[0]) for each in item):
        pairs = [each for each in item if isinstance(each, list)]
        return tuple(_told(value) for _, value in pairs)
    if item and all(isinstance(each, (list, dict)) for each in item):
        return _common([_flat(each) for each in item if isinstance(each, (list, dict))])
    return tuple(map(_told, item))


def _names(item: Item) -> bool:
    """Whether it can be the name in one of Rails' pairs."""
    return item is None or (isinstance(item, str) and re.fullmatch(r"[^\W\d]\w*", item) is not None)


def _common(sets: Sequence[tuple[Value, ...] | dict[str, Value] | None]) -> tuple[Value, ...] | dict[str, Value] | None:
    first, rest = sets[0], sets[1:]
    if isinstance(first, dict):
        found = dict(first)
        for each in rest:
            if not isinstance(each, dict) or each.keys() != found.keys():
                return None
            found = {name: _same(value, each[name]) for name, value in found.items()}
        return found
    if first is None:
        return None
    values = first
    for each in rest:
        if not isinstance(each, tuple) or len(each) != len(values):
            return None
        values = tuple(map(_same, values, each))
    return values


def _same(one: Value, other: Value) -> Value:
    return one if one == other else UNTOLD


def _told(item: Item) -> Value:
    return UNTOLD if isinstance(item, (list, dict)) else item


class _Reader:
    """Values between brackets, in whichever language; what it does not know is `UNTOLD`, up to the next comma."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._stray: set[str] = set()
        """Quotes that begin no string, since none of their kind closes one up to the end."""
        self.closed = True
        """Whether every bracket was closed."""

    def item(self, depth: int) -> Item:
        """The value that begins here; afterwards it stands behind it."""
        text = self._text
        opening = text[self._at : self._at + 1]
        if opening in _CLOSING and depth < _DEPTH:
            return self._mapping(depth) if opening == "{" else self._list(depth, _CLOSING[opening])
        value = self._scalar()
        rest = self._at
        self._skip()
        # What stands behind a value, before the comma, makes something else of it.
        return value if not text[rest : self._at].strip() else UNTOLD

    def _list(self, depth: int, closing: str) -> list[Item]:
        self._at += 1
        found: list[Item] = []
        while self._more(closing):
            if self._text.startswith("...", self._at):
                self._skip()
                found.append(UNTOLD)
            else:
                found.append(self.item(depth + 1))
        return found

    def _mapping(self, depth: int) -> dict[str, Item]:
        self._at += 1
        found: dict[str, Item] = {}
        while self._more("}"):
            key = _KEY.match(self._text, self._at)
            if key is None:
                self._skip()
                continue
            self._at = key.end()
            name = key["quoted"] if key["quoted"] is not None else key["bare"]
            found[name.lstrip("@:")] = self.item(depth + 1)
        return found

    def _more(self, closing: str) -> bool:
        """Step over spaces and a comma; False at the end, which is stepped over too."""
        text = self._text
        while self._at < len(text) and (text[self._at].isspace() or text[self._at] == ","):
            self._at += 1
        if self._at >= len(text):
            self.closed = False
            return False
        if text[self._at] in ")]}":
            self.closed &= text[self._at] == closing
            self._at += 1
            return False
        return True

    def _scalar(self) -> Value:
        text = self._text
        if _STRING.match(text, self._at):
            return self._strings()
        if match := _WORD.match(text, self._at):
            self._at = match.end()
            return match[0].lower() if match[0].lower() in ("true", "false") else None
        if match := _ISO.match(text, self._at) or _NUMBER.match(text, self._at):
            self._at = match.end()
            return match[0].removesuffix("n")
        if (match := _CALL.match(text, self._at)) and (made := self._call(match)) is not None:
            return made
        return UNTOLD

    def _strings(self) -> Value:
        """A string, or several with `+` between."""
        found = ""
        while match := _STRING.match(self._text, self._at):
            self._at = match.end()
            inner = next(each for each in match.groups() if each is not None)
            if match[0][0] in "bB":
                return UNTOLD
            value = unescaped(inner)
            if value is None or _CUT.search(value):
                return UNTOLD
            found += value
            if not (joined := _JOINED.match(self._text, self._at)):
                break
            self._at = joined.end()
        return found

    def _call(self, match: re.Match[str]) -> Value:
        make = _MAKERS.get(match[2])
        if make is None:
            return None
        start = self._at
        self._at = match.end()
        reader = _Reader("(" + self._text[match.end() :])
        arguments = reader._list(0, ")")
        if reader.closed and (made := make([each for each in arguments if isinstance(each, str)])) is not None:
            self._at = match.end() + reader._at - 1
            return made
        self._at = start
        return None

    def _skip(self) -> None:
        """To the next comma or closing bracket of this list, over strings and brackets within."""
        text, depth = self._text, 0
        while self._at < len(text):
            character = text[self._at]
            if character in "'\"`" and character not in self._stray:
                if match := _STRING.match(text, self._at):
                    self._at = match.end()
                    continue
                self._stray.add(character)
            if character in "([{<":
                depth += 1
            elif character == ">":  # of an object or a binary, not of `=>`
                depth -= depth > 0 and text[self._at - 1] not in "=-"
            elif character in ")]}":
                if not depth:
                    return
                depth -= 1
            elif character == "," and not depth:
                return
            self._at += 1


def string_at(text: str, at: int) -> tuple[str, int] | None:
    """The string constant that begins here, of whichever language, and where it ends."""
    match = _STRING.match(text, at)
    value = unescaped(next(each for each in match.groups() if each is not None)) if match else None
    return (value, match.end()) if match and value is not None else None


def unescaped(text: str) -> str | None:
    """The text of a string constant with backslashes; None where an escape is no character."""
    if "\\" not in text:
        return text
    told = True

    def plain(match: re.Match[str]) -> str:
        nonlocal told
        *codes, octal, other = match.groups()
        digits = next((each for each in codes if each), None)
        if digits is None and octal is None:
            return _CONTROLS.get(other, other)
        code = int(digits, 16) if digits else int(octal, 8)
        if code >= 0x110000:
            told = False
            return ""
        return chr(code)

    # Halves of a pair of surrogates, as JSON writes what is beyond 16 bits, are put together.
    found = _ESCAPE.sub(plain, text).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return found if told and not _SURROGATE.search(found) else None


def _one(arguments: list[str]) -> Value:
    return arguments[0] if len(arguments) == 1 and not isinstance(arguments[0], Untold) else None


def _moment(make: Callable[..., date]) -> Callable[[list[str]], Value]:
    """`datetime.datetime(2026, 11, 24, 9, 30)`, without a zone: what stands for one is not told."""

    def made(arguments: list[str]) -> Value:
        if not all(each.isascii() and each.isdigit() for each in arguments):
            return None
        try:
            return str(make(*map(int, arguments)))
        except (ValueError, TypeError, OverflowError):
            return None

    return made


_MAKERS: dict[str, Callable[[list[str]], Value]] = {
    "UUID": _one,
    "Decimal": _one,
    "datetime": _moment(datetime),
    "date": _moment(date),
}
