"""What a read may take at most, as settings that end with its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one read; the server keeps them. Times are in milliseconds, and 0 would mean no limit."""

    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 2_000
    idle_timeout_ms: int = 60_000
    """`idle_in_transaction_session_timeout`: the server ends a session that waits longer than this for us."""
    row_security: bool = False
    """False: a read that policies would filter fails. True: rows as this role sees them."""
    planner: Mapping[str, str] = field(default_factory=dict)
    """More settings, of those that steer a plan and the printing of values: names and values that need no quotes."""

    def settings(self) -> dict[str, str]:
        """Each setting by its name."""
        return {
            "statement_timeout": f"{self.statement_timeout_ms:d}ms",
            "lock_timeout": f"{self.lock_timeout_ms:d}ms",
            "idle_in_transaction_session_timeout": f"{self.idle_timeout_ms:d}ms",
            "row_security": "on" if self.row_security else "off",
            # No object of a user's schema can stand in for one that is meant.
            "search_path": "",
            "jit": "off",
            "max_parallel_workers_per_gather": "0",
            "application_name": APPLICATION_NAME,
            **self.planner,
        }


APPLICATION_NAME = "fkexplorer"
DEFAULT = Limits()
