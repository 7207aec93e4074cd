"""Whether this session may write: off at the start, armed by a person for ten minutes, off again by itself."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.config.settings import Environment, Settings
    from fkexplorer.database.model import ServerFacts, Trouble

MINUTES = 10
"""How long writing stays armed."""


class Arming:
    """The state of writing.

    Args:
        settings: the environments; None where nothing is configured.
        allow_writes: whether `--allow-writes` was given.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        allow_writes: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        """What is configured, if anything is."""
        self._allow_writes = allow_writes
        self._clock = clock
        self._until = float("-inf")
        self._armed: ServerFacts | None = None

    def environment_of(self, facts: ServerFacts) -> Environment | None:
        """The configured environment that the header names."""
        return self.settings.environment_of(facts) if self.settings else None

    def refusal(self, facts: ServerFacts | None) -> Trouble | None:
        """Why writing can't be armed on this server; None where it can."""
        from fkexplorer.config.settings import Settings  # noqa: PLC0415 - the first frame does without
        from fkexplorer.database.model import Trouble  # noqa: PLC0415 - as above

        if facts is None:
            return Trouble("nothing is connected", "R reconnects", code="lost")
        return (self.settings or Settings()).refusal(facts, allow_writes=self._allow_writes)

    def arm(self, facts: ServerFacts, typed: str) -> bool:
        """Arm writing where it is permitted and the server's place was typed; whether it is armed now."""
        if self.refusal(facts) is None and typed == facts.place:
            self._until, self._armed = self._clock() + MINUTES * 60, facts
        return self.armed(facts)

    def disarm(self) -> bool:
        """Nothing can be written from now on; whether it could until now."""
        before, self._until, self._armed = self._until > self._clock(), float("-inf"), None
        return before

    def armed(self, facts: ServerFacts | None) -> bool:
        """Whether writing is armed at this moment, on this database of this run of the server and by this place."""
        here, armed = facts, self._armed
        same = here and armed and (here.place, here.instance) == (armed.place, armed.instance)
        return bool(same) and self._until > self._clock()

    def words(self) -> str:
        """For the header: how long it stays armed, as `WRITE 9 min`; empty where it is not."""
        left = self._until - self._clock()
        if left <= 0:
            return ""
        return f"WRITE {math.ceil(left / 60)} min" if left > 60 else f"WRITE {math.ceil(left)} s"
