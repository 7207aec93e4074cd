"""Foreign text made harmless and brought to a width, and numbers made short.

Names, values and server messages come from others: an escape sequence, a line break or a bidirectional override in
them must not move the cursor, break a line or reorder it. They are shown, never dropped: a key that ends in an
invisible character is just what somebody looks for.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from functools import lru_cache

_SHORT_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

_UNCERTAIN = frozenset(
    [
        # Terminals disagree about the width of these: variation selectors, skin tones, late Hangul vowels, and the
        # trigrams and hexagrams that Unicode 16 widened.
        *map(chr, range(0xFE00, 0xFE10)),
        *map(chr, range(0xE0100, 0xE01F0)),
        *map(chr, (*range(0x180B, 0x1810), *range(0x1F3FB, 0x1F400), *range(0xD7B0, 0xD800))),
        *map(chr, (*range(0x2630, 0x2638), *range(0x268A, 0x2690), *range(0x4DC0, 0x4E00), *range(0x1D300, 0x1D377))),
        *"\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",  # joiner, Hangul fillers, Khmer vowels, empty braille
    ]
)

_ESCAPED_CATEGORIES = frozenset(["Cc", "Cf", "Cs", "Cn", "Zl", "Zp"])

MOST_MARKS = 3
"""Combining marks that one letter may carry; more of them climb into the lines above and below."""


def inert(text: str, *, ascii: bool = False) -> str:
    r"""The text with everything that a terminal would obey, or a reader could not see, made visible.

    Control characters become their pictures (`␊` for a line break, `␛` for ESC); C1 controls, formats (bidirectional
    overrides, zero-width ones), lone surrogates, odd spaces and characters unknown to this Python become `\xNN`,
    `\uNNNN` or `\UNNNNNNNN`. With `ascii` every character beyond ASCII is written so, and a line break as `\n`.
    """
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    marks = MOST_MARKS  # a mark at the very beginning would join the border before it
    for character in text:
        if not character.isascii() and unicodedata.category(character) in ("Mn", "Me", "Mc"):
            marks += 1
            pieces.append(_escape(character) if ascii or marks > MOST_MARKS else _visible(character, ascii=ascii))
            continue
        marks = 0
        pieces.append(_visible(character, ascii=ascii))
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _visible(character: str, *, ascii: bool) -> str:
    if character == " " or (character.isascii() and character.isprintable()):
        return character
    if ascii:
        return _SHORT_ESCAPES.get(character) or _escape(character)
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    category = unicodedata.category(character)
    if category in _ESCAPED_CATEGORIES or character in _UNCERTAIN or (category == "Zs" and character != "\u3000"):
        return _escape(character)
    return character


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Cells that an inert text takes in a terminal: 2 for East Asian wide, 0 for combining marks, else 1."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Mc") or 0x1160 <= ord(character) <= 0x11FF:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(
    text: str,
    cells: int,
    *,
    middle: bool = True,
    ascii: bool = False,
    right: bool = False,
    pad: bool = True,
) -> str:
    """The text made inert and exactly `cells` wide: cut (in the middle, or at the end) and padded with spaces.

    The middle goes, since names share prefixes and suffixes; `…` (`~` in ASCII) stands for what is gone. `right`
    puts the padding before the text, `pad=False` leaves it out.
    """
    if cells <= 0:
        return ""
    if len(text) > 8 * cells + 64:  # a value of megabytes: neither end reaches further than this
        reach = 4 * cells + 32
        text = inert(text[:reach], ascii=ascii) + inert(text[-reach:], ascii=ascii)
    else:
        text = inert(text, ascii=ascii)
    taken = width(text)
    if taken > cells:
        room = cells - 1
        tail = room // 2 if middle else 0
        text = _head(text, room - tail) + ("~" if ascii else "…") + _tail(text, tail)
        taken = width(text)
    if not pad or taken >= cells:
        return text
    return " " * (cells - taken) + text if right else text + " " * (cells - taken)


def _head(text: str, cells: int) -> str:
    if text.isascii():
        return text[:cells]
    taken = 0
    for index, character in enumerate(text):
        taken += _cells(character)
        if taken > cells:
            return text[:index]
    return text


def _tail(text: str, cells: int) -> str:
    if cells <= 0:
        return ""
    if text.isascii():
        return text[-cells:]
    taken = 0
    for index in range(len(text) - 1, -1, -1):
        step = _cells(text[index])
        if taken + step > cells:
            # A mark whose letter was cut off would join the ellipsis.
            while index + 1 < len(text) and not _cells(text[index + 1]):
                index += 1  # noqa: PLW2901
            return text[index + 1 :]
        taken += step
    return text


def human(number: float) -> str:
    """A count in at most four characters up to the billions: `37`, `1.3k`, `16k`, `180k`, `2.1M`."""
    if number < 1000:
        return str(round(number))
    value = float(number)
    for unit in ("k", "M", "G", "T", "P"):
        value /= 1000
        if value < 9.95:
            return f"{value:.1f}".removesuffix(".0") + unit
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{value:.0f}P"


def exact(number: int) -> str:
    """The whole number with separators: `16,004`."""
    return f"{number:,}"


def number(count: int, one: str, many: str = "") -> str:
    """`1 foreign key`, `2,104 foreign keys`."""
    return f"{exact(count)} {one if count == 1 else many or one + 's'}"


def percent(part: float, whole: float) -> str:
    """A share as people compare it: `0.76%`, `12%`; never 0% of something nor 100% of less than everything."""
    if whole <= 0:
        return "?"
    if part <= 0 or part >= whole:
        return "0%" if part <= 0 else "100%"
    share = 100 * part / whole
    if share < 0.01:
        return "<0.01%"
    if share > 99.9:
        return ">99.9%"
    return f"{share:.2f}%" if share < 1 else f"{share:.1f}%" if share < 10 or share >= 99 else f"{share:.0f}%"


def age(seconds: float) -> str:
    """How long ago: `just now`, `12s ago`, `3m ago`, `2h ago`, `5d ago`."""
    if seconds < 2:
        return "just now"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit} ago"
    return f"{int(seconds)}s ago"


def duration(seconds: float) -> str:
    """A length of time: `4 ms`, `1.2 s`, `3 min 20 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(count: float) -> str:
    """Bytes in binary units: `812 B`, `8.0 KiB`, `1.4 GiB`."""
    if count < 1024:
        return f"{round(count)} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024 or unit == "TiB":
            break
    return f"{count:.1f} {unit}" if count < 100 else f"{count:.0f} {unit}"


def moment(when: datetime) -> str:
    """A server's clock as JSON has it: `2026-11-21T02:00:01Z`, whole seconds, UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
