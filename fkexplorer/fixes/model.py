"""What a fix is about: what somebody asks for, what it would do, what it did. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from fkexplorer.fixes.standing import Standing
    from fkexplorer.fixes.sync_model import Sync
    from fkexplorer.orphans.model import Count, Page
    from fkexplorer.schema.actions import FixAction
    from fkexplorer.schema.model import Relationship, TypeName

NAMED = 5
"""Rows that a backfill left out are named up to so many."""
BATCH_ROWS = 10_000
"""More rows than these are changed in several transactions, where that can be."""

Key = tuple[str | None, ...]
"""The values of a key's columns, as PostgreSQL prints them."""


class Scope(StrEnum):
    """Which rows a fix is about: of a backfill, those that it brings into the parent."""

    ORPHANS = "orphans"
    """Those that the edge's orphans name."""
    KEY = "key"
    """One given key."""
    GAP = "gap"
    """Every row of the source that has no twin in the parent."""
    UNCASTABLE = "uncastable"
    """Of a change of rows whose columns can't be compared: those alone whose key the parent's type does not read."""


@dataclass(frozen=True, slots=True)
class Request:
    """A fix that somebody asks for. What an action does not use is left at its default."""

    edge: Relationship
    """A declared edge, or a pair of columns as an edge of kind `configured`."""
    action: FixAction
    rows: tuple[Key, ...] = ()
    """Marked rows of the child by what identifies them (`Page.keys`); empty means all orphans of the edge."""
    missing: tuple[Key, ...] = ()
    """Marked keys: of the orphans only those that name one of them, by the child's values; empty means any key."""
    key: Key = ()
    """One key: to re-point to, or to insert."""
    mapping: tuple[tuple[Key, Key], ...] = ()
    """Old key and new key, to re-point by."""
    source: int | None = None
    """OID of the table that a backfill takes rows from."""
    scope: Scope = Scope.ORPHANS
    columns: Mapping[str, str] = field(default_factory=dict)
    """SQL expressions by column of the parent; a backfill's may use the source's row as `s`.
    Of `sync-trigger` by column of the child, with the parent's new row as `s`."""
    rule: str = ""
    """The new ON DELETE rule, as `cascade`."""
    name: str = ""
    """Of the constraint to add, of the index or key to build, or of the side table."""
    side: str = ""
    """Whose column gets the other's type: `child` or `parent`; empty means the child's."""
    strict: bool = False
    """Keep others from writing the parent while rows are changed, so that there is no race at all."""
    strict_trigger: bool = False
    """Of `sync-trigger`: a new row whose twin can't be made is refused, and not only warned of."""
    without: tuple[str, ...] = ()
    """SQL conditions over a row `c` of the child: those rows go by other fixes before this one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An action in the panel; one that cannot be done here says why, and what would permit it."""

    action: FixAction
    title: str
    """What it would do here, in a few words."""
    reason: str = ""
    """Why it cannot be done; empty where it can."""
    remedy: str = ""
    """What would permit it, as a GRANT; empty where nothing is known to."""
    rule: str = ""
    """Of `change-on-delete`, which is a choice for each rule: the rule, as `cascade`."""
    asks: bool = True
    """There may be something to tell it first; not where it does what is there already to be done."""


class Verb(StrEnum):
    """What a change does to rows."""

    DELETE = "delete"
    UPDATE = "update"
    INSERT = "insert"


@dataclass(frozen=True, slots=True)
class Change:
    """One statement that changes rows of one table, in pieces, so that it can be narrowed to rows that were locked.

    All its values are literals in the text, all its names are qualified: it is what people read, copy and save.
    """

    verb: Verb
    table: int
    """OID of the table whose rows change."""
    head: str
    """All before WHERE, as `DELETE FROM ONLY "public"."c" AS c`: the changed table is `c`, but for an INSERT."""
    where: str
    """The condition, over the alias alone; sub-selects may look elsewhere."""
    tail: str = ""
    """What follows the condition, as `ON CONFLICT DO NOTHING`, but for a RETURNING of the statement's own."""
    into: str = ""
    """The side table that a DELETE moves its rows to, as SQL; then head and tail wrap it into an INSERT."""
    sets: tuple[tuple[int, str], ...] = ()
    """Of an UPDATE the columns that it sets, by number, each with its new value: SQL over the alias, or DEFAULT."""

    @property
    def sql(self) -> str:
        """The whole statement, without a semicolon."""
        return " ".join(part for part in (self.head, f"WHERE {self.where}" if self.where else "", self.tail) if part)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a table by its mode in `pg_locks`, and what it keeps others from, in a few words."""

    table: int
    mode: str
    blocks: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to the rows of one table."""

    table: int
    deleted: int = 0
    updated: int = 0
    inserted: int = 0
    edges: tuple[int, ...] = ()
    """OIDs of the edges by whose ON DELETE or ON UPDATE it happens; empty for what the statement itself does."""
    more_updates: int = 0
    """Updates that the server may count on top: of rows that go after all, or that several edges change in turn."""
    by_triggers: bool = False
    """Triggers of users did it, as a dry run saw."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Rows that would make the server refuse the change: NO ACTION or RESTRICT below the rows that would go."""

    edge: int
    rows: int


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a change does to its own rows and, by foreign keys, to all others."""

    effects: tuple[Effect, ...]
    """By table (of a partition, its root), the target first."""
    blockers: tuple[Blocker, ...] = ()
    """Rows that the server refuses; it does so for certain where nothing is doubtful."""
    doubtful: tuple[Blocker, ...] = ()
    """Rows that it refuses, or treats in another way, or not, by the order in which its triggers fire."""
    returns: bool = False
    """Foreign keys lead from its rows to rows of the same table, which may be its own as well."""
    left_behind: tuple[Blocker, ...] = ()
    """Rows that become orphans, since their constraint is not enforced or its triggers are off."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which rows an INSERT brings, by their keys in the parent: by that it is cut into batches."""

    keys: str
    """A query of each key that comes, as texts, and of how many rows have it."""
    types: tuple[TypeName, ...]
    """Of the columns of a key."""
    equals: tuple[str, ...]
    """For each of them whether a row of `p` has it: a comparison with `m."k0"`, `m."k1"`, …."""


@dataclass(frozen=True, slots=True)
class DataStep:
    """A change of rows, in one transaction, or in one a batch where it is of many rows."""

    title: str
    change: Change
    locks: tuple[Lock, ...]
    first: tuple[str, ...] = ()
    """Statements of the same transaction that go before it, as the CREATE TABLE of a side table."""
    batches: bool = True
    """Whether it may be cut into batches: not where foreign keys lead from its rows to others of the same table."""
    source: Source | None = None
    """Of an INSERT that may be cut into batches; None where its rows have to come together."""
    hold: str = ""
    """A statement that goes before all else in each of its transactions: it locks the parent; empty for none."""
    looks: tuple[Lock, ...] = ()
    """On tables that the run reads besides, for its backup: whose parents are missing, who refers to new rows."""

    @property
    def statements(self) -> tuple[str, ...]:
        """All its statements, in the order in which they run."""
        return (*([self.hold] if self.hold else []), *self.first, self.change.sql)


@dataclass(frozen=True, slots=True)
class DdlStep:
    """A change of the schema, in a transaction of its own unless it is alone."""

    title: str
    statements: tuple[str, ...]
    locks: tuple[Lock, ...]
    undo: str
    """How it is taken back, in a sentence; that it cannot be, where it cannot."""
    standing: Standing | None = None
    """By what it is told whether it has to be done; the table of its first lock is the one that it alters."""
    alone: bool = False
    """Its statement cannot be in a transaction (CONCURRENTLY)."""
    clean: str = ""
    """Of one that is alone: the statement that takes away what a failed try leaves."""
    sync: Sync | None = None
    """Of one that keeps a pair of tables in step: what it makes, and its proof."""


Step = DataStep | DdlStep


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a fix, in their order."""

    request: Request
    steps: tuple[Step, ...]
    verification: tuple[str, ...]
    """Queries whose result shows that it is done, whole."""
    gap: str = ""
    """A query of one number, of a backfill: how many rows of its source have no twin. Empty for all else."""
    gap_keys: str = ""
    """A query of some of their keys, to name them afterwards: one more than `NAMED` where there are more."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user's trigger, enabled, that the change would fire: it may change more, or cancel some of it."""

    table: int
    name: str
    function: str
    """`schema.name` of what it calls."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds, or waits for, a lock that stands in the way of a step or would have to wait for it."""

    pid: int
    user: str | None
    application: str | None
    table: int
    mode: str
    granted: bool
    seconds: float | None
    """Since its transaction began; None where the role may not know."""
    statement: str | None
    """One line, its literals masked."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a plan would do, found out by reading alone."""

    plan: Plan
    effects: tuple[Effect, ...]
    """By table, the target first; none for DDL."""
    blockers: tuple[Blocker, ...]
    left_behind: tuple[Blocker, ...]
    """Rows that become orphans, since their constraint is not enforced or its triggers are off."""
    before: Page | None
    """A sample of the rows as they are; None for DDL."""
    after: Page | None
    """The same rows as they will be; None where they go, and for DDL."""
    holders: tuple[Holder, ...]
    triggers: tuple[Trigger, ...]
    seconds: float
    """About how long it takes, by the time that reading took."""
    privilege: str
    """By which privilege it may be done, in a few words."""
    lasting: tuple[str, ...]
    """What an undo does not bring back, a sentence each."""
    lost: int
    """Rows of the source that another unique key keeps out of the parent."""
    confirm: str
    """What has to be typed: the number of rows, or the constraint's name."""
    as_of: datetime
    dry: bool = False
    """The numbers are those of a dry run that was rolled back, and not of reading alone."""
    doubtful: tuple[Blocker, ...] = ()
    """Rows that the server may refuse, by the order in which its triggers fire: a dry run tells."""
    lost_to: tuple[str, ...] = ()
    """The unique keys that keep the lost rows out."""
    notes: tuple[str, ...] = ()
    """What else there is to know of it, a sentence each."""
    read_effects: tuple[Effect, ...] = ()
    """Of a dry run the effects that reading alone had foreseen, without what triggers add or cancel."""

    @property
    def foreseen(self) -> tuple[Effect, ...]:
        """The effects by reading alone: which rows there are to be changed."""
        return self.read_effects if self.dry else self.effects

    @property
    def rows(self) -> int:
        """Rows that the change itself touches, without what follows from it."""
        return _own(self.effects)

    @property
    def found(self) -> int:
        """Rows that the change finds, and would touch if no trigger cancelled any."""
        return _own(self.foreseen)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the goal already stands: not where there are rows, whatever triggers make of them."""
        return not self.plan.steps or (bool(self.effects) and self.found == 0)

    @property
    def cancelled(self) -> bool:
        """Whether a dry run saw that nothing at all would change, since triggers cancel every row."""
        return self.dry and self.found > 0 and not any(map(_touched, self.effects))


def _own(effects: Iterable[Effect]) -> int:
    return sum(_touched(effect) for effect in effects if not effect.edges and not effect.by_triggers)


def _touched(effect: Effect) -> int:
    return effect.deleted + effect.updated + effect.inserted


class Ending(StrEnum):
    """How a run of a plan ended."""

    DONE = "done"
    """All steps are committed, and the verification found nothing left."""
    REMAINING = "remaining"
    """All steps are committed, and something is left all the same."""
    STOPPED = "stopped"
    """Somebody stopped it between two batches or steps: those before are committed."""
    MOVED = "moved"
    """Rows or parents changed since the preview: the step at hand changed nothing."""
    REFUSED = "refused"
    """The server, a guard or the backup refused the step at hand, which changed nothing."""
    UNKNOWN = "unknown"
    """The connection was lost at COMMIT, and the server could not be asked what came of it yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did."""

    entry: str
    """Its id in the journal."""
    ending: Ending
    words: str
    """One line for people: what was done, what moved or who refused."""
    effects: tuple[Effect, ...]
    """What was committed."""
    before: Count | None
    after: Count | None
    """The edge before and after; None where it could not be counted."""
    gap_before: int | None = None
    gap_after: int | None = None
    """Rows of a backfill's source without a twin."""
    may_validate: bool = False
    """No orphan is left, and the constraint could be validated now."""
    backup: str = ""
    """The folder of the backup; empty where nothing changed or vanished."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a run has come."""

    step: int
    """From 1."""
    steps: int
    title: str
    done: int
    """Rows of the step that are committed."""
    rows: int
    """Rows of the step; 0 for DDL."""
    waits: str = ""
    """What it waits for before it tries again, in a few words; empty while it runs."""
