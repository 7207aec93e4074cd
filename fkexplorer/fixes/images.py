"""Rows in COPY's text format, the form of a backup: taken apart, and put into a statement again, byte for byte.

All is bytes: a SQL_ASCII database holds text of any encoding, or of none. The format escapes tab, line break and
backslash, so that a line is a row and a tab ends a column whatever the values are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_QUOTED = re.compile(rb'["\\]')
_MEANT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def read_lines(path: Path) -> list[bytes]:
    """The rows of a backup file, each without its line break."""
    # Not splitlines: a lone carriage return, or what else Unicode calls a line, is a value's own.
    return path.read_bytes().split(b"\n")[:-1]


def values(line: bytes) -> list[bytes | None]:
    """The values of a row, None for NULL."""
    return [None if field == rb"\N" else _ESCAPED.sub(_unescaped, field) for field in line.split(b"\t")]


def _unescaped(match: re.Match[bytes]) -> bytes:
    return _MEANT.get(match[1], match[1])


def text_array(elements: Iterable[bytes | None]) -> bytes:
    """A literal of type `text[]`."""
    listed = b",".join(b"NULL" if each is None else b'"' + _QUOTED.sub(rb"\\\g<0>", each) + b'"' for each in elements)
    # E'…' is read alike under any standard_conforming_strings, and a doubled quote under any backslash_quote.
    return b"E'{" + listed.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"}'::pg_catalog.text[]"


def row_source(lines: Sequence[bytes], columns: int) -> bytes:
    """A FROM element `v` with these rows: texts in columns named `"1"`, `"2"`, … and `n`, the row's number from 1."""
    rows = [values(line) for line in lines]
    arrays = b", ".join(
        b"pg_catalog.unnest(" + text_array(row[column] for row in rows) + b")" for column in range(columns)
    )
    names = ", ".join(f'"{number}"' for number in range(1, columns + 1)).encode()
    return b"ROWS FROM (" + arrays + b") WITH ORDINALITY AS v (" + names + b", n)"
