"""What a person may write as the value of a column: one SQL expression, and nothing that ends it early.

It is put into statements that are shown and confirmed; what is checked here is that it stays where it is put, so that
a preview, which only reads, does only read.
"""

from __future__ import annotations

import re

from fkexplorer.database.model import Trouble

# In PostgreSQL's own order: what none of them takes is a character by itself.
_TOKEN = re.compile(
    r"""
    (?P<escaped>[eE]'(?:[^'\\]|''|\\.)*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")+")
    | (?P<dollar>(?<![\w$])\$(?P<tag>[^\W\d]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
    | (?P<comment>--|/\*)
    | (?P<word>\w[\w$]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {")": "(", "]": "["}
_HINT = "write one SQL expression, as lower(s.email) or 'unknown'"


def check_expression(column: str, text: str) -> str:
    """The expression without space around it.

    Args:
        column: whose value it is, for the reason.
        text: what was written.

    Raises:
        Trouble: it is empty, ends before its end, or is more than one expression (`expression`).
    """
    text = text.strip()
    open_: list[str] = []
    for token in _TOKEN.finditer(text):
        if token["comment"]:
            raise _wrong(column, "holds a comment")
        if token["string"] and "\\" in token["string"]:
            # Whether a backslash escapes there depends on a setting of the session that it runs in.
            raise _wrong(column, "has a backslash in a plain string", "write it as E'…', with \\\\ for a backslash")
        character = token["other"]
        if character in {"'", '"'}:
            raise _wrong(column, "has a quote that is not closed")
        if character == ";":
            raise _wrong(column, "holds a semicolon")
        if character == "," and not open_:
            raise _wrong(column, "is more than one")
        if character in {"(", "["}:
            open_.append(character)
        if character in _PAIRS and (not open_ or open_.pop() != _PAIRS[character]):
            raise _wrong(column, "closes a parenthesis that it did not open")
    if open_:
        raise _wrong(column, "has a parenthesis that is not closed")
    if not text:
        raise _wrong(column, "is empty")
    return text


def _wrong(column: str, what: str, hint: str = _HINT) -> Trouble:
    return Trouble(f"the expression for {column} {what}", hint, code="expression")
