"""How far a count that takes long has come: what it has found so far, and who is told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fkexplorer.orphans.model import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from fkexplorer.orphans.model import Estimate, First, Way

FIRST = 1.0
"""Seconds after which somebody is told for the first time: what is quicker needs no progress."""
_EVERY = 0.25
"""Seconds between two reports at least; people read no faster."""


class Course:
    """The course of one count, over all of its attempts.

    Args:
        edge: OID of the edge.
        tell: called with reports of it; None where nobody wants any.

    Attributes:
        found: orphans that the attempt has found so far.
        most: the most that an attempt has found, and as of when: a lower bound.
        resting: see `Progress.resting`.
        estimate: see `Progress.estimate`.
        known: the orphans as an attempt has counted them to the end, a row of `count_statement`, and in which way;
            None until then.
    """

    __slots__ = (
        "_as_of",
        "_began",
        "_done",
        "_edge",
        "_last",
        "_least",
        "_started",
        "_step",
        "_tell",
        "_told",
        "_total",
        "_unit",
        "estimate",
        "found",
        "known",
        "most",
        "resting",
    )

    def __init__(self, edge: int, tell: Callable[[Progress], None] | None = None) -> None:
        self._edge = edge
        self._tell = tell
        self._started = time.perf_counter()
        self._began = self._started
        self._told = self._started + FIRST - _EVERY
        self._as_of: tuple[datetime, str] | None = None
        self._done = 0
        self._total = 0
        self._unit = "blocks"
        self.found = 0
        self.most: tuple[int, datetime, str] | None = None
        self.resting = ""
        self.estimate: Estimate | None = None
        self.known: tuple[Mapping[str, Any], Way] | None = None
        self._step = ""
        self._last = True
        self._least = 0

    def begin(self, as_of: datetime, snapshot: str, *, last: bool = True) -> None:
        """An attempt begins, in this snapshot: from the start, since none sees what another saw.

        Args:
            as_of: the server's clock.
            snapshot: its text.
            last: whether the orphans are all that is counted.
        """
        self._as_of = as_of, snapshot
        self.found = 0
        self.begin_step("", last=last)

    def begin_step(self, step: str, *, last: bool) -> None:
        """Now something else is counted than the orphans, of which all are found.

        Args:
            step: see `Progress.step`.
            last: whether nothing follows it: else nobody knows how much time is left.
        """
        self._began = time.perf_counter()
        self._step, self._last = step, last
        self._done = self._total = 0
        self.resting = ""

    def passed(self, done: int, total: int, unit: str, found: int) -> None:
        """So much of the step is done, and so much was found in it."""
        self._done, self._total, self._unit = done, total, unit
        if self._step:
            return
        self.found = found
        if found and self._as_of and (self.most is None or found >= self.most[0]):
            self.most = found, *self._as_of

    def seen(self, first: First) -> None:
        """Somebody else has looked whether there is any orphan, in a snapshot of its own."""
        if first.any:
            self._least = 1
            self.most = self.most or (1, first.as_of, first.snapshot)

    def report(self) -> None:
        """Tell how far it is, if it takes long enough and nobody was told just now."""
        now = time.perf_counter()
        if self._tell is None or now - self._told < _EVERY:
            return
        self._told = now
        took = now - self._began
        left = took * (self._total - self._done) / self._done if self._done and self._last else None
        self._tell(
            Progress(
                edge=self._edge,
                done=self._done,
                total=self._total,
                unit=self._unit,
                found=self.found if self._step else max(self.found, self._least),
                seconds=now - self._started,
                seconds_left=left,
                step=self._step,
                resting=self.resting,
                estimate=self.estimate,
            )
        )
