"""What the journal tells of the fixes that were made, and what taking one back would do. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.fixes.model import Trigger


class State(StrEnum):
    """What an entry of the journal has left in the database."""

    NOTHING = "nothing"
    """Nothing was committed."""
    PART = "part"
    """Some of its transactions are committed, and it went no further."""
    ALL = "all"
    UNKNOWN = "unknown"
    """Nobody has asked the server yet what came of its last COMMIT, or the server does not know it any more."""
    UNDONE = "undone"
    """What was committed of its rows is taken back."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows of a table by its name, for the journal: tables come and go, and their OIDs with them."""

    table: str
    """`schema.table`, quoted as SQL does."""
    deleted: int = 0
    updated: int = 0
    inserted: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A fix, or the undo of one, as the journal tells it."""

    id: str
    at: datetime
    """When it began, by this computer's clock, UTC."""
    action: str
    """A `FixAction`, or `undo`."""
    edge: str
    """`schema.table.constraint`, or the pair of columns."""
    database: str
    """`user@host/database`."""
    person: str
    """The system user who ran it, behind sudo the one who called it."""
    machine: str
    sql: tuple[str, ...]
    """Its statements, in their order."""
    touched: tuple[Touched, ...]
    """What was committed, by table."""
    state: State
    words: str
    """How it ended, in a line; empty if it never came to say."""
    backup: str
    """The folder with the rows that changed or vanished; empty where there are none."""
    undo: tuple[str, ...]
    """How it is taken back, or that it cannot be: a sentence for each step."""
    lasting: tuple[str, ...]
    """What an undo does not bring back, a sentence each."""
    undoes: str = ""
    """The id of the entry that this one takes back."""
    ticket: str = ""
    approver: str = ""
    before: int | None = None
    """Orphans of the edge before it; None where that was not counted."""
    after: int | None = None
    gap_before: int | None = None
    """Rows of a backfill's source without a twin."""
    gap_after: int | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why rows of an entry cannot be put back as they were."""

    place: str
    """`schema.table`, or an edge."""
    words: str
    """What happened since, in a few words."""
    rows: int


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What taking back an entry would do, found out by reading alone."""

    entry: Entry
    parts: tuple[int, ...]
    """The transactions that it takes back, in this order, each in one of its own."""
    touched: tuple[Touched, ...]
    """By table, what the undo itself does: `inserted` are the rows that come back."""
    conflicts: tuple[Conflict, ...]
    """With any of them the undo is refused."""
    statements: tuple[str, ...]
    """The SQL of the last part, its rows left out."""
    ways: tuple[str, ...]
    """How orphans get under the constraints that would refuse them, a sentence for each constraint."""
    triggers: tuple[Trigger, ...]
    """Triggers of users that it fires."""
    lasting: tuple[str, ...]
    """What it does not bring back, a sentence each."""
    confirm: str
    """What has to be typed: the number of rows, or the name of the trigger that goes."""
    as_of: datetime

    @property
    def rows(self) -> int:
        """Rows that it touches."""
        return sum(each.deleted + each.updated + each.inserted for each in self.touched)
