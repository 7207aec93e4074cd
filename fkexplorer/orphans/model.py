"""What counting and paging bring back: each result says what it is worth (exact or a bound), as of when, how long."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.schema.model import Column


class Status(StrEnum):
    """What is known of an edge's rows. Only `clean` and `orphans` carry a number."""

    CLEAN = "clean"
    ORPHANS = "orphans"
    SKIPPED = "skipped"
    """Over the cost limit, and nobody asked for it yet."""
    TIMED_OUT = "timed_out"
    DENIED = "denied"
    """A privilege is missing."""
    UNRELIABLE = "unreliable"
    """Row security hides rows from this role, on either side."""
    INCOMPARABLE = "incomparable"
    """No operator compares the two types."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Somebody stopped the count: not known, and not shown as if it were. On screen only."""


class Bound(StrEnum):
    """What the number is to the truth."""

    EXACT = "exact"
    LOWER = "lower"
    UPPER = "upper"
    ESTIMATE = "estimate"


class Way(StrEnum):
    """How orphans were counted. Each way is exact; they differ in what they read."""

    PLAIN = "plain"
    """`NOT EXISTS` with the planner's own choice."""
    GAPS = "gaps"
    """Index probes of the child between consecutive keys of the parent."""
    SKIP = "skip"
    """One index probe for each distinct key of the child."""
    MERGE = "merge"
    """A merge of two index-only scans."""
    BITMAP = "bitmap"
    """One scan of the child against a bitmap of the parent's integer keys."""
    RANGE = "range"
    """One scan of the child against the least and the greatest key of a parent that has all keys in between."""


class LoneWay(StrEnum):
    """How parents without a child were counted. Each way is exact."""

    PLAIN = "plain"
    """`NOT EXISTS` with the planner's own choice."""
    PROBES = "probes"
    """One look into the child's index for each parent."""
    MERGE = "merge"
    """A merge of two index-only scans."""
    BITMAP = "bitmap"
    """One scan of the parent against a bitmap of the integers that the child names."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sample of the child's pages says of its orphans: bounds at 95 %, never an exact number and never 0."""

    edge: int
    likely: int
    """Rows; 0 where the sample held no orphan, which proves nothing."""
    low: int
    high: int
    """At least 1."""
    rows: int
    """Rows of the child that this is a part of, estimated."""
    sampled: int
    """Rows looked at."""
    as_of: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class First:
    """Whether an edge has any orphan at all: exact, as of its snapshot."""

    edge: int
    any: bool
    as_of: datetime
    snapshot: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a count has come that takes longer than a second."""

    edge: int
    done: int
    total: int
    unit: str
    """What `done` and `total` count: `blocks` or `keys`. A `total` of 0 means that this count has no measure of it."""
    found: int
    """Orphans so far: a lower bound."""
    seconds: float
    seconds_left: float | None
    """None while it can't be told."""
    resting: str = ""
    """Why it does not run at this moment, in a few words; empty while it runs."""
    estimate: Estimate | None = None
    step: str = ""
    """What is being counted now besides the orphans, all of which are known by then; empty while they are counted."""


@dataclass(frozen=True, slots=True)
class Count:
    """The outcome of one count of one edge. A number that is not known is None, never 0."""

    edge: int
    """OID of the constraint."""
    status: Status
    as_of: datetime
    """The server's clock at the count's snapshot, UTC (the client's where the server gave none)."""
    seconds: float
    """Time of the edge's own query, as the client saw it."""
    orphans: int | None = None
    bound: Bound = Bound.EXACT
    snapshot: str | None = None
    """`pg_current_snapshot()` of the counting transaction: equal later means that nothing changed."""
    rows: int | None = None
    nulls: int | None = None
    """Rows whose key is wholly NULL."""
    unchecked: int | None = None
    """Rows that MATCH SIMPLE lets pass because a part of the key is NULL; 0 for one column and for MATCH FULL."""
    missing_keys: int | None = None
    """Distinct keys that the orphans name."""
    childless: int | None = None
    """Parents that no child row refers to."""
    error: str | None = None
    """One line of reason where the status carries no number, or a bound in place of an exact one."""
    way: Way = Way.PLAIN
    uncastable: int | None = None
    """Of status `incomparable`: rows whose value the parent's type does not read."""
    orphans_if_cast: int | None = None
    """Of status `incomparable`: rows that would be orphans if both sides had the parent's type, without those."""

    @property
    def known(self) -> bool:
        """Whether `orphans` is a number."""
        return self.orphans is not None


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a page; `secret` values stay on the server until somebody asks to see them."""

    name: str
    column: Column | None
    """None for a computed one, as the number of rows of a missing key."""
    key: bool
    """Part of the table's own key."""
    foreign: bool
    """Part of the edge's columns."""
    secret: bool


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row as PostgreSQL prints it; `text` is None for NULL and for a masked value."""

    text: str | None
    cut: bool = False
    """`text` is the beginning of a longer value."""
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows in the order of their key."""

    fields: tuple[Field, ...]
    rows: tuple[tuple[Value, ...], ...]
    more: bool
    """There are rows behind the last one."""
    after: tuple[str | None, ...] | None
    """Where the next page begins: the key of the last row, as text; None at the end."""
    as_of: datetime
    seconds: float
    as_role: bool = False
    """Row security was left on: these are the rows that this role sees, not all there are."""
    keys: tuple[tuple[str | None, ...], ...] = ()
    """For each row what identifies it (its key's values or its ctid, as text), to fetch it again in full."""
    order: str = ""
    """How the rows are ordered, for people: `by id`, `newest created_at first`."""
    left_out: tuple[str, ...] = ()
    """Columns that the role may not read, and that are therefore no fields."""
