"""What deleting rows would do: the tree of foreign keys below them with numbers, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fkexplorer.diagnosis.model import Key
    from fkexplorer.fixes.model import Blocker, Effect, Trigger


class Deed(StrEnum):
    """What a foreign key does to the rows of its child when those that they name go, or when their key changes."""

    DELETE = "delete"
    SET_NULL = "set_null"
    SET_DEFAULT = "set_default"
    UPDATE = "update"
    """Their key follows: ON UPDATE CASCADE, below a SET NULL or a SET DEFAULT."""
    REFUSE = "refuse"
    LEAVE = "leave"
    """Nothing: it is not enforced, or its trigger is off. They become orphans."""


class Verdict(StrEnum):
    """What would come of the delete."""

    GOES = "goes"
    """No foreign key refuses it."""
    REFUSED = "refused"
    DEPENDS = "depends"
    """On the order in which PostgreSQL fires its triggers."""
    UNKNOWN = "unknown"
    """Nothing that refuses was found, and not all was looked at."""


class Stop(StrEnum):
    """Why a look ended before it had seen all."""

    ROWS = "rows"
    TIME = "time"
    LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Hop:
    """One foreign key on the way down, and the rows of its child that it concerns."""

    edge: int
    deed: Deed
    rows: int | None
    """None where they were not counted. However many ways lead here, each row counts once."""
    at_least: bool = False
    """There may be more."""
    refused: int = 0
    """Of these rows those for which the server refuses the delete: also a SET NULL of a column that is NOT NULL."""
    doubtful: int = 0
    """Those of which that hangs on the order of triggers, or on rows that were not looked at."""
    unknown: str = ""
    """Why they were not counted, in a few words."""
    above: bool = False
    """The same foreign key stands in the tree already, with its numbers and with what is below it."""
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What a DELETE of some rows would do, found by reading alone."""

    table: int
    keys: tuple[Key, ...]
    """As they were asked for."""
    rows: int | None
    """Rows that have these keys; None where there was no answer."""
    verdict: Verdict
    hops: tuple[Hop, ...]
    effects: tuple[Effect, ...]
    """By table, the target first; at least so many where `complete` is false."""
    blockers: tuple[Blocker, ...]
    """The foreign keys that refuse it, by the server's own rule for certain."""
    complete: bool
    """Whether all rows that go or change were found."""
    stop: Stop | None
    at: datetime
    """The server's clock when it began, UTC."""
    seconds: float
    max_rows: int
    """How many rows were followed at most."""
    triggers: tuple[Trigger, ...] = ()
    """Of users, on the tables that would change: what they do is not foreseen."""

    def walk(self) -> Iterator[tuple[tuple[Hop, ...], Hop]]:
        """All hops from above, each with those that lead to it."""
        yield from _walked((), self.hops)


def _walked(path: tuple[Hop, ...], hops: tuple[Hop, ...]) -> Iterator[tuple[tuple[Hop, ...], Hop]]:
    for hop in hops:
        yield path, hop
        yield from _walked((*path, hop), hop.hops)
