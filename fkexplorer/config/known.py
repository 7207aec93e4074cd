"""What a configuration file knows of relationships: linked or accepted, rejected, ignored, and other files that do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fkexplorer.config.lines import Lines

SOURCES = ("dbt", "tbls", "prisma", "dbml")
"""Kinds of other files that tell relationships."""
_PAIR = (
    "write pair = 'schema.table(column, ...):schema.table(column, ...)', the child first;"
    " for some rows of the child alone, [column='value'] behind it"
)
_EDGE = 'write edge = "schema.table.constraint", a pair, or "schema.table.*"'


@dataclass(frozen=True, slots=True)
class NotedPair:
    """A pair of columns that somebody has decided on: linked by hand or accepted, or rejected."""

    pair: str
    """`table(column, …):table(column, …)`, as it was written; ` [column=value]` behind it where it is about those rows
    of the child only."""
    origin: str
    """The file and the line."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A known problem, that is told and does not count as a failure."""

    edge: str
    """`schema.table.constraint`, a pair, or `schema.table.*` for all edges of which that table is the child."""
    reason: str
    origin: str
    finding: str | None = None
    """A code of the doctor's; None for all of the edge."""
    until: date | None = None
    """The last day on which it is ignored."""

    def expired(self, day: date) -> bool:
        """Whether it has run out by that day."""
        return self.until is not None and day > self.until


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Files of another program that tell relationships."""

    kind: str
    """One of `SOURCES`."""
    pattern: str
    """A path, or one with `*`, `**`, `?`."""
    folder: Path
    """What it is relative to: the folder of the file that names it."""
    origin: str


SECTIONS = ("relationships", "rejected", "ignored", "sources")


def pairs_in(lines: Lines, document: dict[str, Any], section: str) -> tuple[NotedPair, ...]:
    """What a file says in `[[relationships]]` or `[[rejected]]`.

    Args:
        lines: the file's text.
        document: what it was parsed to.
        section: which of the two.

    Raises:
        Trouble: something in it is wrong (`bad_config`).
    """
    return tuple(
        NotedPair(_pair(lines, path, table), origin, _text(lines, path, table))
        for path, origin, table in _tables(lines, document, section, ("pair", "reason"))
    )


def ignored_in(lines: Lines, document: dict[str, Any]) -> tuple[Ignored, ...]:
    """The same of `[[ignored]]`."""
    return tuple(
        _ignored(lines, path, origin, table)
        for path, origin, table in _tables(lines, document, "ignored", ("edge", "reason", "finding", "until"))
    )


def sources_in(lines: Lines, document: dict[str, Any], folder: Path) -> tuple[SourceFiles, ...]:
    """The same of `[sources]`; `folder` is where the file is."""
    table = document.get("sources", {})
    lines.check(("sources",), table, dict, "a table: [sources]")
    lines.known(("sources",), table, SOURCES)
    found: list[SourceFiles] = []
    for kind, value in table.items():
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list) or not all(isinstance(each, str) and each.strip() for each in patterns):
            raise lines.wrong(
                ("sources", kind), f"{kind} names no files", f'write {kind} = ["path/to/file", "*/*.yml"]'
            )
        origin = lines.place(("sources", kind))
        found += [SourceFiles(kind, pattern, folder, origin) for pattern in patterns]
    return tuple(found)


def _tables(
    lines: Lines, document: dict[str, Any], name: str, keys: tuple[str, ...]
) -> Iterator[tuple[tuple[str, int], str, dict[str, Any]]]:
    """Each table of an array: its path, its place, and itself, with no other keys than these."""
    tables = document.get(name, [])
    lines.check((name,), tables, list, f"a list of tables: [[{name}]]")
    places = lines.places(name, len(tables))
    for at, (place, table) in enumerate(zip(places, tables, strict=True)):
        path = (name, at)
        lines.check(path, table, dict, f"a list of tables: [[{name}]]")
        lines.known(path, table, keys)
        yield path, place, table


def _pair(lines: Lines, path: tuple[str, int], table: dict[str, Any]) -> str:
    from fkexplorer.schema.names import split_condition, split_pair  # noqa: PLC0415 - 10 ms, for those who have such a section

    if "pair" not in table:
        raise lines.wrong(path, f"a table of {path[0]} has no pair", _PAIR)
    pair = table["pair"]
    sides = split_pair(split_condition(pair)[0]) if isinstance(pair, str) else None
    if sides is None:
        raise lines.wrong((*path, "pair"), f"{pair!r} is no pair of columns", _PAIR)
    if len(sides[0][1]) != len(sides[1][1]):
        raise lines.wrong((*path, "pair"), f"{pair!r} has not as many columns on either side", _PAIR)
    return str(pair)


def _text(lines: Lines, path: tuple[str, int], table: dict[str, Any], key: str = "reason") -> str:
    text = table.get(key, "")
    lines.check((*path, key), text, str, "a text")
    return str(text)


def _ignored(lines: Lines, path: tuple[str, int], origin: str, table: dict[str, Any]) -> Ignored:
    edge = _text(lines, path, table, "edge").strip()
    if not edge:
        raise lines.wrong((*path, "edge") if "edge" in table else path, "an ignored problem names no edge", _EDGE)
    reason = _text(lines, path, table).strip()
    if not reason:
        at = (*path, "reason") if "reason" in table else path
        raise lines.wrong(at, f"no reason is told why {edge} is ignored", 'write reason = "..."')
    until = table.get("until")
    if until is not None and (not isinstance(until, date) or isinstance(until, datetime)):
        raise lines.wrong((*path, "until"), f"{until!s} is no day", "write until = 2027-01-31, without quotes")
    return Ignored(edge, reason, origin, _text(lines, path, table, "finding").strip() or None, until)
