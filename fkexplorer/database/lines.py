"""Foreign text as one line: what servers, resolvers and people say may span several and hold control characters."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LONGEST = 500
"""A server may put a whole value into its message; a reason is one line to read."""


def one_line(text: str) -> str:
    """The text with runs of white space as one space, and what steers a terminal (ESC, bidi marks) as an escape."""
    line = " ".join(text.split())
    shown = "".join(_visible(each) if unicodedata.category(each) in _INVISIBLE else each for each in line)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
