"""Whether the missing parent was deleted while the insert was on its way: a race that leaves nothing to count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.near import marks
from fkexplorer.diagnosis.rules import disagree, referring
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.causes_server import Server
    from fkexplorer.schema.model import Table

_DATES = frozenset(TypeName("pg_catalog", each) for each in ("date", "timestamp", "timestamptz"))


@dataclass(frozen=True, slots=True)
class Known:
    """What else is known of the key."""

    elsewhere: bool
    """It is in another table, as that of which the parent should have a twin."""
    left: str
    """A column that refers to that parent and holds the key still; empty where there is none."""


def deleted(case: Case, server: Server, parent: Table, known: Known) -> Part:
    """Weigh that the parent was deleted.

    Returns:
        `parent_deleted` where rows that refer to it are left; else `concurrent_delete`, found or, where no delete can
        have come between the statistics' beginning and the error, ruled out; `deletion_times_unknown`.
    """
    label = table_label(parent)
    counted = _counted(case, server, parent)
    query = f"{server.queries[4]};"
    at = server.at
    if known.left:
        text = (
            f"{known.left} still holds the key: its row of {label} was there once and was deleted past the constraint,"
            f" or the constraint was off when that row came. {counted.text}"
        )
        found = [Evidence("parent_deleted", text, at, label, query, counted.result, weight=88)]
    elif counted.none_since_the_error:
        text = f"No delete in {label} was in the way of the insert. {counted.text}"
        ruled_out = Evidence("concurrent_delete", text, at, "pg_stat_all_tables", query, counted.result, weight=45)
        return Part(ruled_out=(ruled_out,))
    else:
        clash = disagree(referring(case, parent))
        weight = 40 if known.elsewhere else counted.weight(clash=clash)
        text = (
            f"The row of {label} may have been deleted between its read and the insert: the insert then waits for that"
            f" delete and is refused, and no orphan is left. {counted.text}"
        )
        found = [Evidence("concurrent_delete", text, at, "pg_stat_all_tables", query, counted.result, weight=weight)]
    if unknown := _times(case, server, parent):
        found.append(replace(unknown, weight=min(unknown.weight, found[0].weight - 5)))
    return Part(tuple(found))


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many rows of the parent were deleted, and since when that is counted."""

    text: str
    result: str
    watched: int | None
    """Since the app began; None where it did not watch."""
    number: int | None
    none_since_the_error: bool = False

    def weight(self, *, clash: bool) -> int:
        """How likely a concurrent delete is; a clash of ON DELETE rules says that such deletes are meant to happen.

        An id from outside this database weighs 75: without deletes and without a clash that is likelier.
        """
        if self.watched:
            return 86
        if self.number:
            return 82 if clash else 72
        return 80 if clash else 55


def _counted(case: Case, server: Server, parent: Table) -> _Counted:
    label = table_label(parent)
    said, since = server.deletes, case.since
    watched = _watched(case, parent)
    if watched is not None and since is not None:
        if watched:
            text = f"{_rows(watched)} of {label} {_were(watched)} deleted since {since:%H:%M:%S} UTC."
        else:
            text = f"No row of {label} was deleted since {since:%H:%M:%S} UTC; TRUNCATE is not counted."
        none = watched == 0 and _came_after(case, since.timestamp())
        if watched or none:
            return _Counted(text, f"{watched:,} deleted", watched, watched, none_since_the_error=none)
    standby = not isinstance(server.standby, psycopg.Error) and server.standby["standby"]
    if isinstance(said, psycopg.Error) or standby or not said["counts"] or said["deleted"] is None:
        why = "a standby counts no deletes" if standby else "the server does not count them (track_counts)"
        return _Counted(f"How many are deleted there is not known: {why}.", "not known", watched, None)
    number, began = said["deleted"], said["since"]
    begin = "since its statistics began (when that was is not known)"
    if began is not None:
        begin = f"since its statistics began ({datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    result = f"{number:,} deleted"
    if number:
        return _Counted(f"{_rows(number)} of {label} {_were(number)} deleted {begin}.", result, watched, number)
    text = f"The server has counted no delete there {begin}; TRUNCATE is not counted."
    later = began is not None and _came_after(case, began)
    return _Counted(text, result, watched, 0, none_since_the_error=later)


def _watched(case: Case, parent: Table) -> int | None:
    """Rows that were deleted since the app began; None where it did not watch."""
    return case.deletes.get(parent.oid) if case.deletes is not None and case.since is not None else None


def _came_after(case: Case, seconds: float) -> bool:
    """Whether the first error is known to be later than that moment, in seconds since 1970."""
    first = case.found.first
    # A log without a zone tells no moment.
    return first is not None and first.tzinfo is not None and first.timestamp() > seconds


def _times(case: Case, server: Server, parent: Table) -> Evidence | None:
    """That nobody can tell when rows of the parent were deleted, and why; None where a column tells it."""
    reasons = []
    if any((mark.base_type or mark.type) in _DATES for mark in marks(parent)):
        return None
    reasons.append("no column says when, as a deleted_at would")
    if not isinstance(server.deletes, psycopg.Error):
        commits = server.deletes["commits"]
        why = "is on, but keeps no time for rows that are gone" if commits else "is off"
        reasons.append(f"track_commit_timestamp {why}")
    if _watched(case, parent) is None:
        reasons.append("nobody watched")
    text = f"When rows of {table_label(parent)} were deleted can't be known: {', '.join(reasons)}."
    query = "SELECT pg_catalog.current_setting('track_commit_timestamp');"
    return Evidence("deletion_times_unknown", text, server.at, "the server", query, reasons[-1], weight=45)


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
