"""What a step makes that keeps a pair of tables in step, and how it is proven before it is committed. Plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sync:
    """A trigger that gives each new row of one table its twin in another."""

    source: str
    """The table whose rows fire it, as SQL."""
    trigger: str
    function: str
    """What it calls, as SQL, without arguments."""
    body: str
    """The source of the function that is made; empty where a trigger that is there is switched on."""
    others: str
    """What tells the source's other triggers of INSERT, as they were when this was previewed (see `others_of`)."""
    check: str
    """A statement that the server refuses where the function's owner may not do what it does; it changes nothing."""
    proof: str
    """The DO statement that tries it and takes all back; empty where it is not tried."""
    back: str = ""
    """The statement that takes back what was switched on; empty where trigger and function are made."""
    unproven: str = ""
    """Why it is not tried."""
    shown: str = ""
    """What it has shown where it is proven, in words."""

    @property
    def makes(self) -> bool:
        """Whether trigger and function are made; else a trigger that is there is switched on."""
        return bool(self.body)
