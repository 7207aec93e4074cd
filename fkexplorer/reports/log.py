"""A change of one edge's count as a line of a log, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fkexplorer.orphans.model import Bound, Status
from fkexplorer.reports.badges import STATUS_WORDS
from fkexplorer.reports.values import inert, number

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.orphans.model import Count


def said(count: Count | None) -> str:
    """What a count says, in a word or two: `clean`, `3 orphans`, `timed out`; `?` before the first."""
    if count is None:
        return "?"
    if count.status is Status.CLEAN or count.orphans is None:
        return STATUS_WORDS[count.status]
    return ("at least " if count.bound is Bound.LOWER else "") + number(count.orphans, "orphan")


def change_line(
    when: datetime, edge: str, before: str, after: str, why: str | None = None, *, ascii: bool = False
) -> str:
    """`2026-11-21T02:00:01Z public.sessions.sessions_user_id_fkey clean -> 3 orphans`, inert.

    Args:
        when: the server's clock at the count, UTC.
        edge: its id.
        before: what was said of it last.
        after: what is said now.
        why: the reason where there is no number.
        ascii: whether the terminal shows nothing else.
    """
    words = f"{stamp(when)} {edge} {before} -> {after}{f': {why}' if why else ''}"
    return inert(words, ascii=ascii)


def change_json(when: datetime, edge: str, before: Count | None, after: Count | None) -> str:
    """The same as one line of JSON; null is what was not known before, and an edge that is no more."""
    return json.dumps({"time": stamp(when), "edge": edge, "before": _object(before), "after": _object(after)})


def stamp(when: datetime) -> str:
    """`2026-11-21T02:00:01Z`."""
    return f"{when:%Y-%m-%dT%H:%M:%S}Z"


def _object(count: Count | None) -> dict[str, Any] | None:
    if count is None:
        return None
    return {
        "status": count.status.value,
        "orphans": count.orphans,
        "bound": count.bound.value,
        "error": count.error,
    }
