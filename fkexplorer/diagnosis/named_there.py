"""Which of the names in an error are in the catalogue now, however the text spells them: one round trip for all.

The schema that is in memory folds partitions into their root; here a partition, and the constraint's clone on it, is
found under its own name, as an error tells it.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.diagnosis.reading.definitions import definitions
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.statements import target_of
from fkexplorer.fixes.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.reading.definitions import Definition
    from fkexplorer.diagnosis.reading.model import ParsedError

NAME_BYTES = 63
"""`NAMEDATALEN - 1`: PostgreSQL cuts longer names to it."""
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_QUOTED = re.compile(r'"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]')
_DOTTED = re.compile(r'("(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[^".`\[\]]+)\.(.+)', re.DOTALL)

_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"
# The root of a clone is at the end of its conparentid's.
_CONSTRAINTS = """
WITH RECURSIVE up (own, at) AS (
 SELECT k.oid, k.oid FROM pg_constraint k WHERE k.conrelid <> 0 AND k.conname IN ({names})
 UNION ALL SELECT u.own, k.conparentid FROM up u JOIN pg_constraint k ON k.oid = u.at WHERE k.conparentid <> 0)
SELECT k.oid, k.conname, k.conrelid, n.nspname, c.relname, u.at, k.contype::text
FROM up u JOIN pg_constraint root ON root.oid = u.at AND root.conparentid = 0 JOIN pg_constraint k ON k.oid = u.own
 JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
"""
_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname IN ({names}) AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
 AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
ORDER BY n.nspname COLLATE "C"
"""


def clipped(name: str) -> str:
    """The name as PostgreSQL cuts it: at most 63 bytes, of UTF-8, and no half character (`pg_mbcliplen`)."""
    return name.encode(errors="replace")[:NAME_BYTES].decode(errors="ignore")


def spellings(name: str) -> tuple[str, ...]:
    """What the catalogue may call this name, the nearest first.

    That is the name itself, without what an ORM puts behind it, without quotes, cut to 63 bytes, in lower case.
    """
    bare = name.strip().removesuffix("(index)").strip()
    short = unquoted(name)
    return tuple(dict.fromkeys(each for each in (name, bare, short, short.translate(_FOLD)) if each))


def unquoted(name: str) -> str:
    """The name as a person would say it: without what an ORM puts behind it, without quotes, cut to 63 bytes."""
    bare = name.strip().removesuffix("(index)").strip()
    if match := _QUOTED.fullmatch(bare):
        bare = (match[1] or "").replace('""', '"') or match[2] or match[3]
    return clipped(bare)


@dataclass(frozen=True, slots=True)
class Name:
    """A table, or a constraint, as a text tells it."""

    text: str
    schema: str | None
    forms: tuple[str, ...]
    """What the catalogue may call it, the nearest first."""

    @property
    def name(self) -> str:
        """What it would be called, were it there."""
        return unquoted(self.text)

    def among(self, names: Iterable[str]) -> str | None:
        """The nearest form that is one of these names, else the one that differs in the case of its letters alone."""
        there = list(names)
        for form in self.forms:
            if form in there:
                return form
        folded = {form.casefold() for form in self.forms}
        return next((each for each in there if each.casefold() in folded), None)


def table_told(schema: str | None, text: str | None) -> Name | None:
    """The table, with its schema split off where the text has both in one (`public.users`)."""
    if not text:
        return None
    forms = spellings(text)
    if match := _DOTTED.fullmatch(text.strip()):
        schema = schema or spellings(match[1])[-1]
        forms = tuple(dict.fromkeys((*forms, *spellings(match[2]))))
    return Name(text, schema, forms)


@dataclass(frozen=True, slots=True)
class Told:
    """All names that an error tells, and the statement in it that would have made the constraint."""

    constraint: Name | None
    child: Name | None
    parent: Name | None
    child_columns: tuple[str, ...] | None
    parent_columns: tuple[str, ...] | None
    defined: bool
    """Both sides are as a statement in the text defines them."""

    @classmethod
    def of(cls, error: ParsedError) -> Told:
        """The names of this error."""
        of_parent = error.kind is ErrorKind.STILL_REFERENCED
        constraint = error.constraint
        told = cls(
            Name(constraint, error.child_schema, spellings(constraint)) if constraint else None,
            _in_statement(error, table_told(error.child_schema, error.child_table)),
            _in_statement(error, table_told(error.parent_schema, error.parent_table)),
            None if of_parent else error.columns,
            error.columns if of_parent else error.parent_columns,
            defined=False,
        )
        made = _defined(error, told)
        if made is None:
            return told
        return cls(
            told.constraint,
            told.child or table_told(made.schema, made.table),
            told.parent or table_told(made.parent_schema, made.parent),
            told.child_columns or made.columns,
            told.parent_columns or made.parent_columns or None,
            defined=True,
        )


def _in_statement(error: ParsedError, told: Name | None) -> Name | None:
    """The table with the schema that the statement has before it, where the error tells none."""
    target = target_of(error.statement.sql) if told and error.statement else None
    if told is None or target is None or told.schema is not None or target.table not in told.forms:
        return told
    return replace(told, schema=target.schema)


def _defined(error: ParsedError, told: Told) -> Definition | None:
    """The foreign key that the error is about, of those that its statement defines."""
    found = definitions(error.statement.sql) if error.statement else ()
    if told.constraint is not None:
        forms = {form.casefold() for form in told.constraint.forms}
        named = [each for each in found if (each.constraint or f"{_default(each)}fkey").casefold() in forms]
        # PostgreSQL numbers the names of its own that are taken already.
        own = [each for each in found if each.constraint is None and told.constraint.text.startswith(_default(each))]
        found = tuple(named or own)
    return found[0] if len(found) == 1 else None


def _default(made: Definition) -> str:
    return "_".join((made.table, *made.columns, ""))


@dataclass(frozen=True, slots=True)
class Own:
    """A constraint of the name that is told, as it is on one table: itself, or a partition's clone of a foreign key."""

    oid: int
    name: str
    table: int
    schema: str
    relation: str
    root: int
    """OID of the constraint that it is a clone of, at the end of `conparentid`; its own where it is none."""
    kind: str
    """`pg_constraint.contype`."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of a name that is told."""

    oid: int
    schema: str
    name: str
    kind: str
    """`pg_class.relkind`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the catalogue had under those names."""

    at: datetime
    constraints: tuple[Own, ...]
    """The foreign keys."""
    others: tuple[Own, ...]
    """The other constraints."""
    relations: tuple[Relation, ...]

    def tables(self, name: Name) -> list[Relation]:
        """The relations of that name, of the nearest form that there is."""
        form = name.among({each.name for each in self.relations})
        return [each for each in self.relations if each.name == form]


async def look(database: Database, told: Told, also: Iterable[str] = ()) -> Seen:
    """Ask the catalogue for these names.

    Args:
        database: whom to ask.
        told: the names.
        also: further names of tables.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    tables = {form for each in (told.child, told.parent) if each for form in each.forms} | set(also)
    named = told.constraint.forms if told.constraint else ()
    try:
        [[(clock,)], owns, relations] = await database.glance(
            _CLOCK,
            _CONSTRAINTS.format(names=_listed(named)),
            _RELATIONS.format(names=_listed(sorted(tables))),
        )
    except psycopg.Error as error:
        raise trouble_of(error) from error
    constraints = [Own(*row) for row in owns]
    return Seen(
        datetime.fromtimestamp(clock, UTC),
        tuple(own for own in constraints if own.kind == "f"),
        tuple(own for own in constraints if own.kind != "f"),
        tuple(Relation(*row) for row in relations),
    )


def _listed(names: Iterable[str]) -> str:
    """The names between commas; a name holds no NUL, and what is in a text may."""
    return ", ".join(f"{literal(clipped(each.replace(chr(0), '')))}::name" for each in names) or "NULL"
