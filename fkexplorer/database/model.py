"""What is known of the server and the session, and the one way in which a failure is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The session and its server, asked once after connecting."""

    database: str
    user: str
    """`current_user`."""
    host: str
    """Host name, address or socket folder as libpq used it."""
    port: int
    version_number: int
    """`server_version_num`, as 180006."""
    version: str
    """As people say it: `PostgreSQL 18.6`."""
    superuser: bool
    bypasses_row_security: bool
    standby: bool
    """`pg_is_in_recovery()`."""
    pooled: bool
    """The backend that answers is not the one that libpq was told of: a pooler stands between."""
    replication_role: str
    """`session_replication_role`: anything but `origin` turns foreign-key triggers off in this session."""
    connected_at: datetime
    """The server's clock, UTC."""
    instance: str = ""
    """What tells this database of this run of a server from every other: its OID, and when the server was started."""

    @property
    def place(self) -> str:
        """`user@host/database`, with a port other than 5432 behind its host: what is typed to arm writing."""
        local = not self.host or self.host.startswith(("/", "@"))
        host = "[local]" if local else f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}{'' if self.port == 5432 else f':{self.port}'}/{self.database}"


class Trouble(Exception):  # noqa: N818 - it is what a person is told, not a fault of the program
    """Something that cannot be done: one line of reason, one of hint, no password in either.

    Attributes:
        reason: what happened, one line.
        hint: what to do about it, one line.
        code: a stable word for it, as `refused`, `unknown_host`, `wrong_password`, `no_database`.
        needs_password: the server asked for a password and none was given.
    """

    def __init__(self, reason: str, hint: str, *, code: str, needs_password: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.code = code
        self.needs_password = needs_password
