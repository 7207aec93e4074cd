"""Who may hold one of the few connections: counts never hold the last one, which is for what a person waits for.

Everything here runs on one event loop; nothing needs a lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum


class Lane(Enum):
    """What a connection is wanted for."""

    SCREEN = "screen"
    """Rows, the catalogue, looks at what changed or at who waits for a count: short, and somebody waits."""
    COUNTS = "counts"


class Lanes:
    """Slots for connections. Where there is but one, both lanes take turns on it.

    Args:
        slots: how many connections there may be.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._held = dict.fromkeys(Lane, 0)
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    @property
    def held(self) -> int:
        """How many slots are taken."""
        return sum(self._held.values())

    async def enter(self, lane: Lane) -> None:
        """Take a slot, in the order of asking within a lane; the screen's turn comes first."""
        if not self._waiting[lane] and self._has_room(lane):
            self._held[lane] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.leave(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """Give a slot back."""
        self._held[lane] -= 1
        for each in Lane:
            while self._waiting[each] and self._has_room(each):
                turn = self._waiting[each].popleft()
                # Whoever was cancelled stays in the queue until its turn comes.
                if not turn.done():
                    self._held[each] += 1
                    turn.set_result(None)

    def shrink(self) -> bool:
        """One slot less for good, since the server allows no more connections; False where it is the last one."""
        if self._slots == 1:
            return False
        self._slots -= 1
        return True

    def _has_room(self, lane: Lane) -> bool:
        if self.held >= self._slots:
            return False
        return lane is Lane.SCREEN or self._held[lane] < max(1, self._slots - 1)
