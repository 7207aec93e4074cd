"""Reads when a line of a log was written, in the spellings that servers, containers and frameworks use."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = {
    name: at
    for at, name in enumerate(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)
}
_ZONES = {
    "z": 0.0,
    "utc": 0.0,
    "gmt": 0.0,
    "bst": 1.0,
    "cet": 1.0,
    "cest": 2.0,
    "eet": 2.0,
    "eest": 3.0,
    "msk": 3.0,
    "jst": 9.0,
    "est": -5.0,
    "edt": -4.0,
    "mst": -7.0,
    "mdt": -6.0,
    "pst": -8.0,
    "pdt": -7.0,
}
"""Hours east of UTC of the abbreviations that mean one zone only, or nearly so; of others the time has no zone."""
_CLOCK = r"(?P<hour>[0-2]\d):(?P<minute>[0-5]\d):(?P<second>[0-6]\d)(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = r"(?:\s?(?P<zone>Z\b|[+-]\d\d(?::?\d\d)?(?!\d)|[A-Z]{3,4}\b))?"
_NUMBERS = re.compile(rf"(?<!\d)(?P<year>\d{{4}})[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)[T ]\s?{_CLOCK}{_ZONE}")
_NAMED = re.compile(rf"(?<!\d)(?P<day>\d\d?)[ /-](?P<name>[A-Z][a-z]{{2}})[ /-](?P<year>\d{{4}})[ :]{_CLOCK}{_ZONE}")
_SYSLOG = re.compile(rf"(?<!\w)(?P<name>[A-Z][a-z]{{2}}) (?P<day>[ \d]\d) {_CLOCK}(?: (?P<year>\d{{4}})\b)?")
_MAYBE = re.compile(r"\d:[0-5]\d:")
_EPOCH = re.compile(r"\d{10}(?:\.\d+)?|\d{13}")
LOOK = 200
"""Characters of a line in which its time is looked for."""


def time_of(text: str, today: datetime) -> datetime | None:
    """The first time in a line; UTC where its zone is told, else without a zone.

    Args:
        text: the line.
        today: which year a time without one is of: that in which it lies before this, or a day after at most.
    """
    start = text[:LOOK]
    if not _MAYBE.search(start):
        return None
    found = _NUMBERS.search(start) or _NAMED.search(start) or _SYSLOG.search(start)
    return None if found is None else _made(found, today)


def time_from(value: object, today: datetime) -> datetime | None:
    """The time in a field: text, or seconds or milliseconds since 1970."""
    text = str(value)
    if _EPOCH.fullmatch(text):
        seconds = float(text) / (1000 if len(text) == 13 else 1)
        return datetime.fromtimestamp(seconds, UTC)
    return time_of(text, today)


def _made(found: re.Match[str], today: datetime) -> datetime | None:
    part = found.groupdict()
    month = int(part["month"]) if part.get("month") else _MONTHS.get(part["name"].lower(), 0)
    fraction = (part["fraction"] or "")[:6].ljust(6, "0")
    try:
        when = datetime(  # noqa: DTZ001 - it gets its zone below, where it has one
            int(part["year"] or today.year),
            month,
            int(part["day"]),
            int(part["hour"]),
            int(part["minute"]),
            int(part["second"]),
            int(fraction),
        )
    except ValueError:
        return None
    if not part["year"] and when > today.replace(tzinfo=None) + timedelta(days=1):
        when = when.replace(year=when.year - 1) if (month, when.day) != (2, 29) else when
    offset = _offset(part.get("zone") or "")
    return when if offset is None else when.replace(tzinfo=timezone(offset)).astimezone(UTC)


def _offset(zone: str) -> timedelta | None:
    if zone[:1] in {"+", "-"} and zone:
        digits = zone[1:].replace(":", "")
        east = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
        return east if zone[0] == "+" else -east
    hours = _ZONES.get(zone.lower())
    return None if hours is None else timedelta(hours=hours)
