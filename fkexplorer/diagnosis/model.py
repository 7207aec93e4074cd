"""What a diagnosis is: each thing that was found or ruled out, with what was looked at and when. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.diagnosis.reading.model import Found
    from fkexplorer.fixes.model import Scope
    from fkexplorer.schema.actions import FixAction
    from fkexplorer.schema.model import Condition

Key = tuple[str | None, ...]
"""The values of a key's columns, as PostgreSQL prints them."""


class Side(StrEnum):
    """Which side of an edge is wrong."""

    PARENT = "parent"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was looked at."""

    code: str
    """A stable word for it, as `key_missing`, `rules_disagree`, `triggers_disabled`."""
    text: str
    """What it says, in a sentence for people."""
    at: datetime
    """The server's clock when it was looked at, UTC."""
    looked_at: str = ""
    """What was looked at, in a few words: a table, a catalogue."""
    query: str = ""
    """The SQL that shows it, ready to be run again by hand; empty where it is the catalogue's own word."""
    result: str = ""
    """What that gave, on one line."""
    edge: int | None = None
    """OID of the edge that it is about, where that is not the diagnosis's own."""
    weight: int = 0
    """The heavier, the earlier it is told."""
    number: int | None = None
    """The rows that it counts, where it counts some."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What would mend it: an action of the panel in its scope, or advice for the code that was refused."""

    text: str
    action: FixAction | None = None
    """None for advice."""
    edge: int | None = None
    """OID of the edge that the action is for; None for the diagnosis's own."""
    scope: Scope | None = None
    key: Key = ()
    source: int | None = None
    """OID of the table that a backfill would take rows from."""
    rule: str = ""
    """Of `change-on-delete`."""
    rows: tuple[Key, ...] = ()
    """The child rows that it is for, by what identifies them."""
    sql: str = ""
    """Of advice: a statement to be used in the code."""
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edge that a text may mean, or a pair of columns that a constraint's name tells of."""

    edge: int | None
    """OID of the edge; None for a guess from the name of a constraint that is not there."""
    label: str
    """As `schema.table.constraint`, or `schema.table(col):schema.table(col)` for a guess."""
    reasons: tuple[str, ...]
    """Why, in a few words each; what the text says otherwise too, as another schema."""
    child: int | None = None
    """OID of the child table of a guess; None where that is not there."""
    parent: int | None = None
    child_columns: tuple[int, ...] = ()
    parent_columns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an error belongs: one candidate is certain, several are all shown and none is chosen."""

    candidates: tuple[Candidate, ...]
    evidence: tuple[Evidence, ...] = ()
    """What was found on the way: `schema_differs`, `partition_clone`, `constraint_absent`, `ambiguous`, …"""

    @property
    def edge(self) -> int | None:
        """The edge, where it is certain."""
        return self.candidates[0].edge if len(self.candidates) == 1 else None


@dataclass(frozen=True, slots=True)
class Totals:
    """An edge in numbers, of one snapshot with those of the other edges. What is not known is None."""

    edge: int
    rows: int | None
    parents: int | None
    """Rows of the parent."""
    nulls: int | None
    orphans: int | None
    missing_keys: int | None
    childless: int | None
    at: datetime
    problem: str = ""
    """Why something of it is not known, on one line."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A column in which a key was looked for."""

    table: int
    """OID."""
    column: int
    """`pg_attribute.attnum`; of a key of several columns the first."""
    columns: tuple[int, ...]
    label: str
    """`schema.table.column`, or `schema.table(a, b)`; with `only`, ` [column=value]` behind it."""
    rows: int | None
    """Rows that hold the key; None where it was not searched."""
    at_least: bool = False
    """There may be more rows than that: the search stopped there."""
    sample: tuple[Mapping[str, str | None], ...] = ()
    """The first rows that hold it, by column; secrets are left out."""
    keys: tuple[Key, ...] = ()
    """What identifies those rows, as a page's `keys` do."""
    not_searched: str = ""
    """Why it was not searched, in a few words: `no index, 12 GiB`, `no SELECT`, `row security`, `not a uuid`."""
    role: str = ""
    """What it is to the key: `parent key`, `refers to it`, `same type, unique`."""
    tied: bool = False
    """Edges tie it to the key; elsewhere the same value may be another thing."""
    only: Condition | None = None
    """Which rows were looked at, where the edge that ties it is not about all."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Everywhere that a key lives."""

    value: Key
    sightings: tuple[Sighting, ...]
    """Those that hold it first; those that were not searched last."""
    at: datetime
    seconds: float

    @property
    def holding(self) -> tuple[Sighting, ...]:
        """Where it was found."""
        return tuple(each for each in self.sightings if each.rows)

    @property
    def searched(self) -> int:
        """How many columns were searched."""
        return sum(each.rows is not None for each in self.sightings)

    @property
    def not_searched(self) -> tuple[Sighting, ...]:
        """Where it was not looked for, each with its reason."""
        return tuple(each for each in self.sightings if each.rows is None)


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of one table that should have a twin in another, by the same key, and how many have none."""

    source: int
    """OID of the table that has the key, as `auth.users`."""
    target: int
    """OID of the one that lacks it, as `user_profiles`."""
    edge: int | None
    """OID of the edge from target to source, where one is declared."""
    rows: int | None
    """Rows of the source."""
    missing: int | None
    """Those without a twin."""
    newest: datetime | None
    """When the newest of those was made, by the column named in `newest_by`."""
    newest_by: str
    at: datetime
    query: str = ""
    problem: str = ""
    trigger: str = ""
    """The trigger of the source that keeps the pair in step; empty where there is none."""
    trigger_off: str = ""
    """One that would, and is disabled."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of look brought: pieces of a diagnosis."""

    findings: tuple[Evidence, ...] = ()
    ruled_out: tuple[Evidence, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    live: bool | None = None
    """Whether the error would come again now; None where this look can't tell."""
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding of a text and all that the database says about it."""

    found: Found
    placed: Placed | None
    """None without a database."""
    live: bool | None = None
    """Whether the error would come again now; None where that is not known."""
    side: Side | None = None
    findings: tuple[Evidence, ...] = ()
    ruled_out: tuple[Evidence, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    totals: tuple[Totals, ...] = ()
    trace: Trace | None = None
    gap: Gap | None = None
    verification: tuple[tuple[str, str], ...] = ()
    """Queries that show the state, each with what it gave."""
    at: datetime | None = None
    seconds: float = 0.0
    problem: str = ""
    """Why something could not be looked at, on one line."""
