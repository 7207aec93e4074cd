"""The foreign keys that a CREATE TABLE or ALTER TABLE would have made: both sides of the one that was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.literals import Kind, Token, tokens
from fkexplorer.diagnosis.reading.syntax import bracketed, names, split, upto

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NO_COLUMN = ("constraint", "foreign", "primary", "unique", "check", "exclude", "like")


@dataclass(frozen=True, slots=True)
class Definition:
    """A foreign key as a statement defines it."""

    constraint: str | None
    """None where PostgreSQL was to choose the name."""
    schema: str | None
    table: str
    columns: tuple[str, ...]
    parent_schema: str | None
    parent: str
    parent_columns: tuple[str, ...]
    """Empty for the parent's primary key."""


def definitions(sql: str) -> tuple[Definition, ...]:
    """The foreign keys that the statements of this text define, in their order."""
    every = tokens(sql)
    found: list[Definition] = []
    at = 0
    while (at := at + 1) < len(every):
        if not every[at].is_word("table") or not every[at - 1].is_word("create", "alter", "temp", "unlogged"):
            continue
        start = at + 1
        while start < len(every) and every[start].is_word("if", "not", "exists", "only"):
            start += 1
        named, start = names(every, start)
        if not named:
            continue
        at = end = upto(every, start)
        if start < end and every[start].is_sign("("):  # CREATE TABLE
            start, end = start + 1, upto(every, start + 1)
        for part in split(every[start:end]):
            found += _of(part, named)
    return tuple(found)


def _of(part: Sequence[Token], table: Sequence[str]) -> Iterator[Definition]:
    """The foreign key of one element of a definition."""
    at = upto(part, 0, "references")
    parent, end = names(part, at + 1)
    if not parent:
        return
    key = upto(part, 0, "foreign")
    columns = _listed(part[key + 2 : at]) if key < at else _column(part)
    if not columns:
        return
    named = upto(part[:at], 0, "constraint")
    constraint, _ = names(part[:at], named + 1)
    of_parent = _listed(part[end : upto(part, end + 1) + 1]) if end < len(part) and part[end].is_sign("(") else ()
    yield Definition(
        constraint[0] if constraint else None,
        table[-2] if len(table) > 1 else None,
        table[-1],
        columns,
        parent[-2] if len(parent) > 1 else None,
        parent[-1],
        of_parent,
    )


def _column(part: Sequence[Token]) -> tuple[str, ...]:
    """The column that `[ADD [COLUMN]] name type … REFERENCES …` defines."""
    at = 0
    if part[0].is_word("add"):
        at += 1
        while at < len(part) and part[at].is_word("column", "if", "not", "exists"):
            at += 1
    named = at < len(part) and part[at].kind in (Kind.WORD, Kind.NAME) and not part[at].is_word(*_NO_COLUMN)
    return (part[at].text,) if named else ()


def _listed(part: Sequence[Token]) -> tuple[str, ...]:
    """The names between these brackets; none where there is anything else."""
    if not bracketed(part):
        return ()
    found = split(part[1:-1])
    plain = all(len(each) == 1 and each[0].kind in (Kind.WORD, Kind.NAME) for each in found)
    return tuple(each[0].text for each in found) if plain else ()
