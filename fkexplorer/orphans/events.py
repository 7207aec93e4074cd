"""What the monitor tells while it runs: plain values, each passed to its listener on the event loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.orphans.model import Count, Progress
    from fkexplorer.schema.difference import Difference
    from fkexplorer.schema.model import Schema


@dataclass(frozen=True, slots=True)
class Started:
    """A count of this edge began (or was sent, with others, ahead of its turn on the server)."""

    edge: int


@dataclass(frozen=True, slots=True)
class Advanced:
    """A count that takes longer than a second got on, rests, or has an estimate."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Counted:
    """A count ended."""

    count: Count
    before: Count | None
    """The last one of this edge (or of the constraint that it replaced) that had a number, if any."""
    background: bool = False
    """Nobody asked for it: a recount of the monitor's own."""

    @property
    def added(self) -> int:
        """How many more orphans there are than there were; 0 where either number is not known, or there are less."""
        if self.count.orphans is None or self.before is None or self.before.orphans is None:
            return 0
        return max(0, self.count.orphans - self.before.orphans)


@dataclass(frozen=True, slots=True)
class Settled:
    """Every edge has been counted once, as far as it can be, and what was asked for as well."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The server was looked at: the counts of these edges are proven to be right as of then, without a recount.

    Those of all others were, until they are counted again, right at an earlier time; something may have changed since.
    """

    as_of: datetime
    edges: frozenset[int]


@dataclass(frozen=True, slots=True)
class Deleted:
    """Deletes on parents since the monitor began; told when a number changed."""

    since: datetime
    """The server's clock at the first look."""
    rows: Mapping[int, int | None]
    """By the parent's OID, of all its partitions, those that were rolled back included. None: it can't be known (on
    a standby, with `track_counts` off, after the statistics were reset). TRUNCATE counts as none."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One server process in a lock wait."""

    pid: int
    user: str | None
    """None where the role may not know, as in the two below."""
    application: str | None
    statement: str | None
    """What it runs, or ran last if it idles in its transaction: one line, its literals masked."""
    state: str | None
    """`pg_stat_activity.state`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody waits for a lock that others hold or have asked for before."""

    waiter: Backend
    blockers: tuple[Backend, ...]
    """Those whom it waits for (`pg_blocking_pids`); pid 0 is a prepared transaction."""
    since: datetime
    """The server's clock: when the wait began (`pg_locks.waitstart`), before PostgreSQL 14 when its statement did."""
    mode: str
    """The lock that it wants, as `AccessExclusiveLock`, or `row` for a row that another transaction has locked."""
    tables: frozenset[int]
    """The tables of edges, partitions folded into their root, that it has locked or wants."""
    wanted: int | None
    """The one of them that it waits for, where that is known."""

    def concerns(self, child: int, parent: int) -> bool:
        """Whether an edge between these tables is in it.

        It is where its table is the one waited for; and where the wait is for a row, both ends must be in use by the
        waiter, as they are by an INSERT into the child that waits for the deleter of its parent.
        """
        ends = {child, parent}
        if self.mode != "row":
            return self.wanted in ends
        return ends <= self.tables and (self.wanted is None or self.wanted in ends)


@dataclass(frozen=True, slots=True)
class Waiting:
    """All lock waits on tables of edges; told when they changed, empty when the last has ended."""

    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class SchemaChanged:
    """The catalogue changed and was read again. Counts of edges that are the same question as before stay."""

    schema: Schema
    differences: tuple[Difference, ...]
    recounted: frozenset[int]
    """Edges of the new schema that are new, or another question than before: their old counts mean nothing now."""


Event = Started | Advanced | Counted | Settled | Confirmed | Deleted | Waiting | SchemaChanged
