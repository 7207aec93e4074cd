"""What a message and its DETAIL say, before it is known where in a text they stood. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

Cut = tuple[tuple[str, ...], tuple[str, ...]]
"""The columns and the values of one way to cut the key of a DETAIL."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a message says. What it does not say is None; the fields are those of `ParsedError`."""

    kind: ErrorKind
    topic: Topic = Topic.NONE
    sqlstate: str | None = None
    """The code that the server gives with this message."""
    constraint: str | None = None
    child_schema: str | None = None
    child_table: str | None = None
    """With the topics `already_exists`, `permission` and `not_fk` the table that is named, whichever side it is of."""
    columns: tuple[str, ...] | None = None
    values: tuple[str | None, ...] | None = None
    parent_schema: str | None = None
    """Of `relation "a.b" does not exist`; it may be the name of a table with a dot in it as well."""
    parent_table: str | None = None
    parent_columns: tuple[str, ...] | None = None
    types: tuple[str, str] | None = None
    other_cuts: tuple[tuple[str, ...], ...] = ()
    """Other ways to cut the key into as many values, see `ParsedError`."""
    other_keys: tuple[Cut, ...] = ()
    """Ways in which the columns are cut otherwise too: one of their names holds `, ` or `)=(`."""
    engine: str = "postgresql"
    language: str = "en"
    """As the server's catalogue is called, as `pt_BR`."""
    start: int = 0
    """Where in the text the message begins."""
    end: int = 0
    """And where it ends."""
