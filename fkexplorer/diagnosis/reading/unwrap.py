"""Puts a message together again that a console or a chat broke over several lines, within its names too."""

from __future__ import annotations

import re
from itertools import islice, product
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.said import of_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.reading.said import Said

LINES = 6
"""Lines that one message may be broken over."""
NARROWEST = 40
"""Characters of a line below which no console breaks it: a value has a line end of its own there."""
_TRIED = 64
_OPEN = re.compile(
    r"(?:['\"]|\s|^)(?:detail|message|constraint|table)['\"]?\s*:\s*(['\"`])(?:(?!\1)[^\\]|\\.)*$", re.IGNORECASE
)


def whole(text: str, said: Said | None) -> bool:
    """Whether a line has all of what it says of an error, or says nothing of one."""
    if said is None or said.match is None:
        return False
    if ")=(" in text and (said.match.values is None or not _has_table(said)):
        return False
    if _OPEN.search(text):
        return False
    words = said.message
    return words.count('"') % 2 == 0 and words.count("«") == words.count("»")


def _has_table(said: Said) -> bool:
    match = said.match
    return match is not None and bool(match.parent_table if match.kind == "missing_parent" else match.child_table)


def unwrapped(lines: Sequence[str]) -> str | None:
    """The lines as one, where that makes a whole message or detail of them; None where it does not."""
    detail: str | None = None
    likely = [_joints(lines, at) for at in range(1, len(lines))]
    for joints in islice(product(*likely), _TRIED):
        text = lines[0].rstrip("\r")
        for joint, line in zip(joints, lines[1:], strict=True):
            if joint == " ":
                text = text.rstrip(" ") + joint + line.strip(" ")
            else:
                text += joint + line.removeprefix("\t")
        said = of_text(text)
        if said is not None and whole(text, said) and _plain(said):
            if said.message:
                return text
            # A detail alone: put together otherwise, its message may be there too.
            detail = detail or text
    return detail


def _plain(said: Said) -> bool:
    """Whether no name got a space where it was put together: of two ways to do it that without is right."""
    match = said.match
    names = (match.constraint, match.child_table, match.parent_table) if match else ()
    return all(" " not in name for name in names if name)


def _joints(lines: Sequence[str], at: int) -> tuple[str, ...]:
    """What may have stood between two lines, the likelier first."""
    before, after = lines[at - 1], lines[at]
    opened = before.rfind("(")
    key = opened > before.rfind(")") and before[opened - 1 : opened] in {"=", " "}
    if key and (len(before) < NARROWEST or after.startswith("\t")):  # With a tab the server's log goes on.
        return ("\n", "", " ")
    inside = "".join(lines[:at]).count('"') % 2 == 1 or key
    if before[-1:] in " -_./(=:" or inside or not after or after[0] in " )]'.,":
        return ("", " ")
    return (" ", "")
