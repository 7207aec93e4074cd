"""What a text says about a foreign key, and nothing that only a database could know. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class ErrorKind(StrEnum):
    """What kind of error a text tells of."""

    MISSING_PARENT = "missing_parent"
    """A child row was refused: its parent is not there (23503 of an INSERT, an UPDATE, of ADD or VALIDATE)."""
    STILL_REFERENCED = "still_referenced"
    """A parent row was kept: children refer to it (23503, and from PostgreSQL 18 23001 of ON DELETE RESTRICT)."""
    CANNOT_IMPLEMENT = "cannot_implement"
    """The types of the two sides can't be compared (42804)."""
    NO_UNIQUE = "no_unique"
    """The parent's columns have no unique key that could serve (42830, 55000 of one that is deferrable)."""
    OTHER = "other"
    """One that has to do with a foreign key in another way, which `Topic` tells, or whose direction is not known."""


class Topic(StrEnum):
    """What an error is about, where its kind does not say it all."""

    NONE = ""
    UNKNOWN_DIRECTION = "fk_violation_unknown_direction"
    """A foreign key was violated; whether a parent is missing or children are left is not in the text."""
    MATCH_FULL_NULLS = "match_full_nulls"
    """MATCH FULL, and the row has NULL in a part of the key only."""
    RELATION_MISSING = "relation_missing"
    """42P01: a table is not there."""
    COLUMN_MISSING = "column_missing"
    """42703: a column that a key names is not there."""
    ARITY = "arity"
    """42830: the two sides have not as many columns."""
    NO_PRIMARY_KEY = "no_primary_key"
    """42704: REFERENCES without columns, and the parent has no primary key."""
    DEFERRABLE_UNIQUE = "deferrable_unique"
    """55000: the parent's unique key is deferrable."""
    PARENT_NOT_TABLE = "parent_not_table"
    """42809: the parent is a view, a sequence or the like; 0A000 for a foreign table."""
    PERSISTENCE = "persistence"
    """42P16: a permanent table refers to a temporary or an unlogged one."""
    TRUNCATE_REFERENCED = "truncate_referenced"
    """0A000: TRUNCATE of a table that is referred to."""
    DROP_DEPENDENT = "drop_dependent"
    """2BP01: DROP of a table or a key on which a foreign key depends."""
    ALREADY_EXISTS = "already_exists"
    """42710, 42P07, 23505 on a system catalogue: it is there already, perhaps by another start at the same time."""
    PERMISSION = "permission"
    """42501."""
    AUTH_TRIGGER_FAILURE = "auth_trigger_failure"
    """A sign-up failed in a trigger; the text hides what the database said."""
    NOT_FK = "not_fk"
    """An error of the database that has nothing to do with a foreign key, as 23502."""


@dataclass(frozen=True, slots=True)
class Written:
    """The statement that was refused, as far as the text has it."""

    sql: str
    parameters: tuple[str | None, ...] = ()
    """By their position; a value as text, None for NULL."""
    named: Mapping[str, str | None] = field(default_factory=dict)
    """By their name, where the driver names them."""


@dataclass(frozen=True, slots=True)
class Row:
    """The child row that a statement would have written, as far as statement and parameters tell it."""

    schema: str | None
    table: str
    values: Mapping[str, str | None]
    """By column as it is called in the catalogue; None is NULL. A column that the text does not tell is not there."""


@dataclass(frozen=True, slots=True)
class ParsedError:
    """One error of a text. What the text does not say is None."""

    kind: ErrorKind
    topic: Topic = Topic.NONE
    sqlstate: str | None = None
    constraint: str | None = None
    child_schema: str | None = None
    child_table: str | None = None
    columns: tuple[str, ...] | None = None
    """Of the child; with `still_referenced` those of the parent's key, as its DETAIL names them."""
    values: tuple[str | None, ...] | None = None
    """The key, as the server printed it; one for each of `columns`."""
    parent_schema: str | None = None
    parent_table: str | None = None
    parent_columns: tuple[str, ...] | None = None
    types: tuple[str, str] | None = None
    """The child's and the parent's type, where they can't be compared."""
    other_cuts: tuple[tuple[str, ...], ...] = ()
    """Other ways to cut the text of a key of several columns into its values: the text does not tell which is right."""
    engine: str = "postgresql"
    """`postgresql`, `cockroachdb`, `mysql`: whose words they are."""
    statement: Written | None = None
    row: Row | None = None
    when: datetime | None = None
    """As the log tells it; in UTC where it names a zone, else without one."""
    line: int = 0
    """Of the text, from 1: where the error begins."""
    excerpt: str = ""
    """The error's own words, without prefixes, at most 2,000 characters."""

    @property
    def same(self) -> tuple[object, ...]:
        """What two prints of one problem have in common: repeats are folded by it.

        A constraint of a table says it all, since some prints of it have no DETAIL.
        """
        if self.constraint is not None and self.child_table is not None:
            return (self.kind, self.topic, self.constraint, self.child_table)
        return (self.kind, self.topic, self.constraint, self.child_table, self.parent_table, self.columns, self.types)


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: an error and its repeats."""

    error: ParsedError
    """The print that says most; of several equal ones the last."""
    occurrences: int
    """Errors, and not the nested prints of one."""
    first: datetime | None = None
    last: datetime | None = None
    keys: Mapping[tuple[str | None, ...], int] = field(default_factory=dict)
    """The distinct keys with how often each came; at most `KEYS` of them."""
    more_keys: bool = False
    """There were more distinct ones than that."""

    @property
    def per_minute(self) -> float | None:
        """Errors a minute between the first and the last; None where the log gives no times, or one only."""
        if self.first is None or self.last is None or self.occurrences < 2:
            return None
        seconds = (self.last - self.first).total_seconds()
        return (self.occurrences - 1) * 60 / seconds if seconds > 0 else None


KEYS = 1_000
"""Distinct keys of a finding that are kept: memory stays bounded however long a log is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a text said."""

    found: tuple[Found, ...]
    """In the order of their first error."""
    lines: int
    bytes: int
    others: int = 0
    """Errors of a database in it that have nothing to do with a foreign key."""
