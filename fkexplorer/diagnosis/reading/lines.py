"""Cuts a stream of bytes into lines, and leaves out at once those that no error can be in or near."""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.messages_known import MESSAGES
from fkexplorer.diagnosis.reading.messages_pattern import PLACE, languages, translations
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 18
"""Bytes that wait at most before they are looked at; a line longer than that is cut."""
HEAD = 1 << 16
"""Bytes at the beginning of a text of which every line is read: a paste may be wrapped within the words looked for."""
BEFORE = 20
"""Lines before a word of an error that are read too: the statement is often printed first."""
AFTER = 40
"""And after the last line that said something; the lines of a stack do not count."""

_ENGLISH = (
    *(b"oreign key", b"oreignKey", b"FOREIGN KEY", b"foreign_key", b"P2003", b"violates ", b"eferenced from table"),
    *(b" is not present in table", b'" does not exist', b'" already exists', b"ermission denied for", b"must be owner"),
    *(b"other objects depend on", b"nique constraint", b"cannot be implemented", b"referenced table", b"MATCH FULL"),
    *(
        b"eferenced relation",
        b"may reference only",
        b"must involve temporary",
        b"row-level security",
        b"cannot truncate",
    ),
    *(
        b"Failed query",
        b"Error executing DDL",
        b"Database error ",
        b"constraint [",
        b"insert or update on",
        b"update or delete on",
        b"ConstraintError",
        b"system trigger",
    ),
)
_CODES = (b"23503", b"23001")
_WORD = re.compile(rb"\w")
_STACK = re.compile(rb"^[^\n]{0,60}?(?:\bat |\bFile \"|\.\.\. \d+ more|\bfrom [/\w])")


@cache
def _needles() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The words of an error, those of ASCII first; of each translated message its longest own piece."""
    found: set[str] = set()
    for known in MESSAGES:
        if known.kind is ErrorKind.OTHER and known.topic in {Topic.PERMISSION, Topic.NOT_FK}:
            continue
        for language in languages()[1:]:
            for text in translations(known.text, language):
                pieces = [piece for part in PLACE.split(text)[::2] for piece in re.split(r'["“”«»\n\u00a0]', part)]
                found.add(max((piece.strip() for piece in pieces), key=lambda piece: len(piece.encode())))
    needed = sorted(found, key=len)
    kept = [each for at, each in enumerate(needed) if not any(other in each for other in needed[:at])]
    own = [each for each in kept if not any(word in each.encode() for word in _ENGLISH)]
    return (
        (*_ENGLISH, *(each.encode() for each in own if each.isascii())),
        tuple(each.encode() for each in own if not each.isascii()),
    )


def hits(block: bytes) -> list[int]:
    """Where in a block the words of an error are, in order; one for each line at most is needed, more do no harm."""
    plain, others = _needles()
    found: list[int] = []
    for needle in plain if block.isascii() else (*plain, *others):
        at = block.find(needle)
        while at >= 0:
            found.append(at)
            end = block.find(b"\n", at)
            at = block.find(needle, end) if end >= 0 else -1
    for code in _CODES:
        at = block.find(code)
        while at >= 0:
            # Within a longer number or an identifier it is no code.
            if not _WORD.match(block, at + 5) and not (at and _WORD.match(block, at - 1)):
                found.append(at)
            at = block.find(code, at + 5)
    return sorted(found)


class Lines:
    """The lines of a stream that are worth reading, given to `take` one by one.

    What is given depends on the stream alone and not on how it was cut into pieces.

    Args:
        take: gets a line's number from 1, the line without its end, and whether a word of an error is in it; says
            whether it told something of an error.
    """

    def __init__(self, take: Callable[[int, bytes, bool], bool]) -> None:
        self._take = take
        self._decoder = _Decoder()
        self._pending = bytearray()
        self._kept = b""
        """Lines before `_pending` that were counted but not read: a word in the next block may ask for them."""
        self._left = 0
        """How many more lines are read even if there is nothing in them."""
        self._number = 1
        """Of the first line of `_kept`."""
        self._offset = 0
        self.bytes = 0

    @property
    def count(self) -> int:
        """How many lines there were."""
        return self._number - 1 + self._kept.count(b"\n") + (bool(self._kept) and not self._kept.endswith(b"\n"))

    def feed(self, chunk: bytes) -> None:
        """More of the stream."""
        self.bytes += len(chunk)
        for start in range(0, len(chunk), BLOCK):
            self._pending += self._decoder.decode(chunk[start : start + BLOCK])
            while len(self._pending) >= BLOCK:
                self._block((self._pending.rfind(b"\n", 0, BLOCK) + 1) or BLOCK)

    def drain(self) -> None:
        """Reads all lines that are whole."""
        self._block(self._pending.rfind(b"\n") + 1)

    def close(self) -> None:
        """Reads what is left, a last line without an end too."""
        self._pending += self._decoder.decode(b"", final=True)
        while self._pending:
            self._block((self._pending.rfind(b"\n", 0, BLOCK) + 1) or min(len(self._pending), BLOCK))

    def _block(self, size: int) -> None:
        if not size:
            return
        data = self._kept + bytes(self._pending[:size])
        del self._pending[:size]
        number = self._number
        at, started = 0, self._offset - len(self._kept)
        self._offset += size
        found = hits(data)
        next_hit = 0
        while at < len(data):
            while next_hit < len(found) and found[next_hit] < at:
                next_hit += 1
            hit = found[next_hit] if next_hit < len(found) else None
            if not self._left and started + at >= HEAD:
                start = _lines_before(data, len(data) if hit is None else hit, BEFORE, at)
                number += data.count(b"\n", at, start)
                at = start
                if hit is None:
                    break
                self._left = BEFORE + 1
            end = data.find(b"\n", at)
            stop = end if end >= 0 else len(data)
            line = data[at:stop]
            hits_it = hit is not None and hit < stop
            if self._take(number, line, hits_it) or hits_it:
                self._left = AFTER
            elif self._left and not _STACK.match(line):
                self._left -= 1
            number += 1
            at = stop + 1
        self._kept, self._number = data[at:], number


def _lines_before(data: bytes, at: int, lines: int, least: int) -> int:
    """Where the line begins that is so many before another."""
    start = data.rfind(b"\n", least, at) + 1 or least
    for _ in range(lines):
        if start <= least or at - start > 1 << 13:
            break
        start = data.rfind(b"\n", least, start - 1) + 1 or least
    return max(start, least)


class _Decoder:
    """Bytes to UTF-8 without a byte order mark; UTF-16, as PowerShell writes it, is turned into that."""

    def __init__(self) -> None:
        self._first: bytes | None = b""
        self._wide: codecs.IncrementalDecoder | None = None

    def decode(self, chunk: bytes, *, final: bool = False) -> bytes:
        if self._first is not None:
            self._first += chunk
            if len(self._first) < 4 and not final:
                return b""
            chunk, self._first = self._first, None
            name = _encoding(chunk)
            if name:
                self._wide = codecs.getincrementaldecoder(name)("replace")
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        if self._wide is None:
            return chunk
        return self._wide.decode(chunk, final).lstrip("\ufeff").encode("utf-8", "replace")


def _encoding(start: bytes) -> str:
    if start.startswith(codecs.BOM_UTF16_LE) or (start[1:2] == b"\0" == start[3:4] and start[:1] != b"\0"):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE) or (start[:1] == b"\0" == start[2:3] and start[1:2] != b"\0"):
        return "utf-16-be"
    return ""
