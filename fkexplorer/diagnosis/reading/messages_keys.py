"""Cuts the key of a DETAIL into columns and values: nothing in it is quoted, so there may be several ways.

`ri_ReportViolation` of ri_triggers.c writes the columns' names and the values' texts with `, ` between them, all of
each value, and `null` for NULL (which a violated key has only under MATCH FULL, where no key is shown).
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, islice, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.diagnosis.reading.messages_match import Cut, Match

WAYS = 50
"""Ways to cut a key that are told: more would help nobody."""
_TRIED = 2_000
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_SQL_VALUE = re.compile(r"(e?)'((?:[^'\\]|''|\\.)*)'|([^',]+)", re.DOTALL)


def with_key(match: Match, key: str) -> Match:
    """A message with the key of its DETAIL.

    Args:
        match: the message.
        key: what the DETAIL has between `Key (` and the last `)`, as `a, b)=(1, 2`.
    """
    if match.engine == "cockroachdb" and (quoted := _quoted_key(key)):
        return replace(match, columns=quoted[0], values=quoted[1])
    ways = cuts(key)
    if not ways:
        return match
    columns, values = ways[0]
    return replace(
        match,
        columns=columns,
        values=values,
        other_cuts=tuple(other for names, other in ways[1:] if names == columns),
        other_keys=tuple(way for way in ways[1:] if way[0] != columns),
    )


def cuts(key: str) -> tuple[Cut, ...]:
    """Every way to cut a key, the likeliest first; at most `WAYS`.

    A name with `)=(` or `, ` in it is less likely than a value with it.
    """
    sides = key.split(")=(")
    found: list[Cut] = []
    for at in range(1, len(sides)):
        columns, values = ")=(".join(sides[:at]).split(", "), ")=(".join(sides[at:]).split(", ")
        for width in range(min(len(columns), len(values)), 0, -1):
            keys = sorted(_joined(values, width), key=_oddity)
            found.extend((names, value) for names in _joined(columns, width) for value in keys)
            if len(found) >= WAYS:
                return tuple(found[:WAYS])
    return tuple(found)


def _joined(parts: list[str], width: int) -> Iterator[tuple[str, ...]]:
    """The ways to make `width` texts of the parts, those first that leave the most to the last one."""
    for ends in islice(combinations(range(1, len(parts)), width - 1), _TRIED):
        edges = (0, *ends, len(parts))
        yield tuple(", ".join(parts[start:end]) for start, end in pairwise(edges))


def _oddity(values: tuple[str, ...]) -> int:
    """How many of the values look like half of one: a bracket that is not closed, a space at an end."""
    return sum(not _balanced(value) or value != value.strip() for value in values)


def _balanced(value: str) -> bool:
    open_: list[str] = []
    for letter in value:
        if letter in _PAIRS:
            open_.append(_PAIRS[letter])
        elif letter in _PAIRS.values() and (not open_ or open_.pop() != letter):
            return False
    return not open_ and value.count('"') % 2 == 0


def _quoted_key(key: str) -> tuple[tuple[str, ...], tuple[str | None, ...]] | None:
    """A key of CockroachDB, which writes values as SQL does; None where it is not written so."""
    columns, _, text = key.partition(")=(")
    names = tuple(columns.split(", "))
    values: list[str | None] = []
    at = 0
    while found := _SQL_VALUE.match(text, at):
        escaped, quoted, bare = found.groups()
        if quoted is None:
            values.append(None if bare == "NULL" else bare)
        else:
            values.append(re.sub(r"\\(.)", r"\1", quoted) if escaped else quoted.replace("''", "'"))
        at = found.end() + len(", ")
        if not text.startswith(", ", found.end()):
            break
    return (names, tuple(values)) if found and found.end() == len(text) and len(values) == len(names) else None
