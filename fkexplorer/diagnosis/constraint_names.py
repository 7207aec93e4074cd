"""What the name of a foreign key tells of its tables and columns: each tool makes names in a way of its own.

A name that is made of others is taken apart by the tables and columns that there are, so that an underscore in one of
them misleads nobody; one that is a hash is made again of whatever it may be of, and then known for sure.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.named_there import NAME_BYTES, clipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fkexplorer.schema.model import Table

_TRIES = 200_000
"""Hashes of child, column and parent that are made at most: a third of a second."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a name."""

    child: Table
    columns: tuple[str, ...] = ()
    """Empty where the name does not tell them."""
    parent: Table | None = None
    parent_columns: tuple[str, ...] = ()
    why: str = ""
    sure: bool = False
    """It was made again, so that it is of nothing else."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Names joined by underscores, between a beginning and an end: t child, c its columns, p parent, q its columns."""

    before: str
    order: str
    after: str
    why: str


_POSTGRESQL = "as PostgreSQL, Prisma and Supabase name them"
_DRIZZLE = _Pattern("", "tcpq", "_fk", "as Drizzle names them")
_PATTERNS = (
    _Pattern("", "tc", r"_fkey\d*", _POSTGRESQL),
    _Pattern("", "tc", "_foreign", "as Laravel and Knex name them"),
    _DRIZZLE,
    _Pattern("fk_", "tpc", "", "as Entity Framework names them"),
    _Pattern("fk_", "tcp", "", "as SQLAlchemy's conventions name them"),
    _Pattern("fk_", "tc", "", "child and column"),
    _Pattern("", "tc", "_fk", "child and column"),
    _Pattern("fk_", "tp", "", "child and parent"),
    _Pattern("", "tp", "_fk", "child and parent"),
)


def readings(name: str, children: Sequence[Table], tables: Sequence[Table], columns: Sequence[str]) -> list[Reading]:
    """What a name may tell: the one that is sure, or else those that tell most.

    Args:
        name: the constraint's.
        children: the tables that it may be on.
        tables: all tables.
        columns: the child's, where a text tells them; else each column by itself is tried in a hash.
    """
    if sure := list(_hashed(name, children, tables, tuple(columns))):
        return sure
    found = [each for pattern in _PATTERNS for each in _parted(name, pattern, children, tables)]
    found += _cut(name, children, tables, tuple(columns))
    # A pattern that tells less may read the same name: `_fk` ends Drizzle's too.
    most = max((_told(each) for each in found), default=0)
    return list(dict.fromkeys(each for each in found if _told(each) == most))


def _told(reading: Reading) -> int:
    return bool(reading.columns) + bool(reading.parent)


def _parted(name: str, pattern: _Pattern, children: Sequence[Table], tables: Sequence[Table]) -> Iterator[Reading]:
    """The ways to read a name by one pattern."""
    whole = re.fullmatch(f"{pattern.before}(.+?){pattern.after}", name, re.IGNORECASE | re.DOTALL)
    if whole is None:
        return

    for child, rest in _tables_at(whole[1], children):
        for each in _onwards(rest, pattern.order[1:], Reading(child, why=pattern.why), tables):
            if not each.parent_columns or len(each.parent_columns) == len(each.columns):
                yield each


def _onwards(text: str, order: str, made: Reading, tables: Sequence[Table]) -> Iterator[Reading]:
    """The ways to read the rest of a name as what the pattern has in this order."""
    if not order:
        if not text:
            yield made
    elif order[0] == "p":
        for parent, rest in _tables_at(text, tables):
            yield from _onwards(rest, order[1:], replace(made, parent=parent), tables)
    elif order[0] == "c":
        for columns, rest in _columns_at(text, made.child):
            yield from _onwards(rest, order[1:], replace(made, columns=columns), tables)
    elif made.parent is not None:
        for columns, rest in _columns_at(text, made.parent):
            yield from _onwards(rest, order[1:], replace(made, parent_columns=columns), tables)


def _behind(text: str, name: str) -> str | None:
    """What follows a name and an underscore; nothing at the end, None where the text begins otherwise."""
    if text[: len(name)].casefold() != name.casefold():
        return None
    rest = text[len(name) :]
    return rest[1:] if rest.startswith("_") and len(rest) > 1 else None if rest else ""


def _tables_at(text: str, tables: Sequence[Table]) -> Iterator[tuple[Table, str]]:
    for table in tables:
        if (rest := _behind(text, table.name)) is not None:
            yield table, rest


def _columns_at(text: str, table: Table, most: int = 4) -> Iterator[tuple[tuple[str, ...], str]]:
    """The lists of its columns that the text begins with, each with what follows."""
    for column in table.columns:
        rest = _behind(text, column.name)
        if rest is None:
            continue
        yield (column.name,), rest
        if rest and most > 1:
            for more, behind in _columns_at(rest, table, most - 1):
                yield (column.name, *more), behind


def _of(child: Table, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The lists of columns that a name may be made of: those that are told, or each by itself."""
    own = {column.name for column in child.columns}
    if columns:
        if own.issuperset(columns):
            yield columns
        return
    yield from ((each,) for each in own)


def _cut(name: str, children: Sequence[Table], tables: Sequence[Table], columns: tuple[str, ...]) -> Iterator[Reading]:
    """The ways to read a name that PostgreSQL has cut."""
    if len(name.encode()) < NAME_BYTES - 3:  # a last character of up to four bytes goes whole
        return
    label = re.search(r"_(fkey\d*)$", name)
    for child in children:
        for each in _of(child, columns):
            if label and object_name(child.name, "_".join(each), label[1]) == name:
                yield Reading(child, each, why=_POSTGRESQL)
            rest = _behind(name, "_".join((child.name, *each)))
            for parent in tables if rest else ():
                for key in parent.keys:
                    of_parent = tuple(parent.column(number).name for number in key.columns)
                    if len(of_parent) == len(each) and f"{'_'.join((parent.name, *of_parent))}_fk".startswith(
                        rest or ""
                    ):
                        yield Reading(child, each, parent, of_parent, why=f"{_DRIZZLE.why}, cut to 63 bytes")


def object_name(first: str, second: str, label: str) -> str:
    """The name that PostgreSQL chooses, both parts cut to what fits (makeObjectName in indexcmds.c)."""
    one, two = first.encode(), second.encode()
    room = NAME_BYTES - len(label) - 2
    lengths = [len(one), len(two)]
    while sum(lengths) > room:
        lengths[lengths[0] <= lengths[1]] -= 1
    parts = [whole[:length].decode(errors="ignore") for whole, length in zip((one, two), lengths, strict=True)]
    return "_".join((*parts, label))


def _hashed(
    name: str, children: Sequence[Table], tables: Sequence[Table], columns: tuple[str, ...]
) -> Iterator[Reading]:
    """What a name that holds a hash was made of."""
    folded = name.casefold()
    for shape, make, why in _HASHES:
        if shape.fullmatch(folded):
            for child in children:
                for each in _of(child, columns):
                    if folded in make(child, each):
                        yield Reading(child, each, why=why, sure=True)
    if match := re.fullmatch(r".+_([0-9a-f]{8})_fk(_.*)?", folded):
        yield from _of_django(match, children, tables, columns)
    if match := re.fullmatch(r"fk_?([0-9a-y]{20,25})", folded):
        yield from _of_hibernate(int(match[1], 35), children, tables, columns)


def _rails(child: Table, columns: tuple[str, ...]) -> list[str]:
    """`foreign_key_name` of Active Record's schema statements."""
    digest = hashlib.sha256(f"{child.name}_{'_and_'.join(columns)}_fk".encode()).hexdigest()
    return [f"fk_rails_{digest[:10]}"]


def _typeorm(child: Table, columns: tuple[str, ...]) -> list[str]:
    """`DefaultNamingStrategy.foreignKeyName`; the table's name may have its schema before it."""
    listed = "_".join(sorted(columns))
    paths = (child.name, f"{child.schema}_{child.name}")
    return [f"fk_{_sha1(f'{path}_{listed}')[:27]}" for path in paths]


def _doctrine(child: Table, columns: tuple[str, ...]) -> list[str]:
    """`_generateIdentifierName` of Doctrine's DBAL: at most 30 characters, or as many as the database allows."""
    made = "fk_" + "".join(f"{zlib.crc32(each.encode()):x}" for each in (child.name, *columns))
    return [made[:NAME_BYTES], made[:30]]


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


_HASHES: tuple[tuple[re.Pattern[str], Callable[[Table, tuple[str, ...]], list[str]], str], ...] = (
    (re.compile(r"fk_rails_[0-9a-f]{10}"), _rails, "the hash that Rails makes of them"),
    (re.compile(r"fk_[0-9a-f]{27}"), _typeorm, "the hash that TypeORM makes of them"),
    (re.compile(r"fk_[0-9a-f]{9,60}"), _doctrine, "the hash that Doctrine makes of them"),
)


def _of_django(
    match: re.Match[str], children: Sequence[Table], tables: Sequence[Table], columns: tuple[str, ...]
) -> Iterator[Reading]:
    """`_create_index_name` of Django's schema editor; behind `_fk` the parent with its column, cut where it is long."""
    for child in children:
        for each in _of(child, columns):
            if _md5("".join((child.name, *each)))[:8] != match[1]:
                continue
            made = Reading(child, each, why="the hash that Django makes of them", sure=True)
            told = match[2] or ""
            parents = [
                (parent, column.name)
                for parent in (tables if len(told) > 1 else ())
                for column in parent.columns
                if f"_{parent.name}_{column.name}".casefold().startswith(told)
            ]
            if len(parents) == 1:
                made = replace(made, parent=parents[0][0], parent_columns=(parents[0][1],))
            yield made


def _of_hibernate(
    number: int, children: Sequence[Table], tables: Sequence[Table], columns: tuple[str, ...]
) -> Iterator[Reading]:
    """`NamingHelper.generateHashedFkName`: MD5, written as a number in base 35."""
    wanted = f"{number:032x}"
    tries = 0
    for child, parent in product(children, tables):
        beginning = f"table`{child.name}`references`{parent.name}`"
        for each in _of(child, columns):
            tries += 1
            if _md5(beginning + "".join(f"column`{column}`" for column in sorted(each))) == wanted:
                yield Reading(child, each, parent, why="the hash that Hibernate makes of them", sure=True)
        if tries > _TRIES:
            return


def in_words(name: str) -> tuple[str, str] | None:
    """Child and column that the name tells where there is no such table: the column is taken to be one word and `id`.

    Returns:
        `sessions`, `user_id` for `sessions_user_id_fkey`; None where the name is not made so.
    """
    core = re.sub(r"_(?:fkey\d*|foreign|fk)$|^fk_", "", clipped(name), flags=re.IGNORECASE)
    match = re.fullmatch(r"(\w+?)_((?i:[^\W_]+_(?:id|uuid|key|code|ref|did))|[^\W_]+(?:Id|ID|Uuid))", core)
    return (match[1], match[2]) if match and core != name else None
