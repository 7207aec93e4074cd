"""Tells whether a second print of an error is the same one told again, or the next of its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.model import Topic

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.diagnosis.reading.drafts import Draft
    from fkexplorer.diagnosis.reading.prefixes import Line
    from fkexplorer.diagnosis.reading.said import Said

AGAIN = 4
"""Lines between two prints of one error by different hands, as a log line and the traceback under it."""
_LINK = re.compile(
    r"^\W{0,12}(?:\[?(?:cause|parent|original\w*|driverError|previous|nested\w*|inner\w*|source|errors?|err|"
    r"details)\]?['\"]?\s*[:=]\s*(?!insert|update)|Caused by:|--->|Next [\w\\]+:|caused by)"
    r"|(?:^|\s)\[cause\]|\[previous exc"
)
_NOT_LINK = re.compile(r"^\W{0,3}errors?:\s")
_CHAINED = ("exception was the direct cause", "another exception occurred", "with root cause")
_ALONE = frozenset({"Caused by:", "Causes:"})
_TRACEBACK = "Traceback (most recent call last):"
"""The first one after an error that was logged without one is of that error."""
_DETAIL_FIRST = re.compile(r"\.(?:insert or update|update or delete) on table ")
"""How pgAdmin prints an error before it prints it once more."""
_HEADING = re.compile(r"^\S.*?(?:\b\w*(?:Error|Exception|Failure)\b|Traceback|Failed|⨯)|^Error$")
_OPENS, _CLOSES = re.compile(r"[{\[(]\s*$"), re.compile(r"^\s*[}\])]+[,;]?\s*$")


def is_traced(before: str) -> bool:
    """Whether an error is the last line of a traceback."""
    return _TRACEBACK in before


def follow(draft: Draft, text: str, *, told: bool) -> None:
    """Keeps what a line tells of where in its dump an error is."""
    if text.startswith(_TRACEBACK) and not draft.traced and not draft.ended:
        draft.linked = draft.traced = True
        return
    if text.strip() in _ALONE or any(each in text for each in _CHAINED) or (told and _DETAIL_FIRST.search(text)):
        draft.linked = True
    if _OPENS.search(text):
        draft.depth += 1
    elif _CLOSES.match(text):
        draft.depth = max(draft.depth - 1, 0)
    if not told and not draft.linked and not _LINK.search(text) and _HEADING.match(text):
        draft.ended = True


def is_again(draft: Draft, said: Said, line: Line, shape: str, when: datetime | None) -> bool:
    """Whether this is one more print of the error that is open, or another part of it."""
    if draft.ended:
        return False
    indent = len(line.text) - len(line.text.lstrip())
    named = _LINK.search(line.text) and not _NOT_LINK.match(line.text)
    if draft.linked or named or (draft.depth > 0 and indent > 0):
        return True
    if Topic.AUTH_TRIGGER_FAILURE in {draft.said.topic, said.topic}:
        return said.match is None and not said.topic
    if draft.quiet <= AGAIN and _is_part(draft.said, said):
        return True
    if said.match is not None and not said.message and said.match.values is not None:
        return draft.said.match is None or draft.said.match.values is None
    apart = when is not None and draft.when is not None and _seconds(when, draft.when) > 2
    return shape not in draft.shapes and draft.quiet <= AGAIN and not draft.blank and not apart


def _is_part(whole: Said, said: Said) -> bool:
    """Whether something that was said is just what an error lacks: its message, or its code."""
    if said.match is not None and said.message:
        return whole.match is None
    return said.match is None and not said.topic and whole.sqlstate is None


def _seconds(one: datetime, other: datetime) -> float:
    if (one.tzinfo is None) != (other.tzinfo is None):
        return 0.0
    return abs((one - other).total_seconds())


def shape_of(text: str, said: Said) -> str:
    """A line without the words of its message and without numbers: two prints by one hand have the same."""
    at = text.find(said.message) if said.message else -1
    return re.sub(r"\d+", "0", text[:at] if at >= 0 else text[:40]).strip()
