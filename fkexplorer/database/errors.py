"""What went wrong in a read: one word for it and one line, by SQLSTATE wherever the server gave one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import psycopg
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble


class Kind(Enum):
    """The ways in which a read fails."""

    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    DENIED = "denied"
    ROW_SECURITY = "row_security"
    LOST = "lost"
    LOCK = "lock"
    CONFLICT = "conflict"
    INCOMPARABLE = "incomparable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed read."""

    kind: Kind
    reason: str
    """One line, without characters that steer a terminal."""
    sqlstate: str | None
    """None where no server said it: the connection was lost, mostly."""


_KINDS = {
    "42501": Kind.DENIED,
    "55P03": Kind.LOCK,
    "40001": Kind.CONFLICT,
    "40P01": Kind.CONFLICT,
    "42883": Kind.INCOMPARABLE,
    "42804": Kind.INCOMPARABLE,
    # The server ends the session with these: admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped,
    # idle_session_timeout, and the time limits of a transaction.
    "57P01": Kind.LOST,
    "57P02": Kind.LOST,
    "57P03": Kind.LOST,
    "57P04": Kind.LOST,
    "57P05": Kind.LOST,
    "25P03": Kind.LOST,
    "25P04": Kind.LOST,
}

_HINTS = {
    Kind.TIMED_OUT: "count or read it alone: on demand the server may take longer",
    Kind.STOPPED: "ask again to run it",
    Kind.DENIED: "grant what is missing, or connect as a role that has it",
    Kind.ROW_SECURITY: "connect as the table's owner or as a role with BYPASSRLS",
    Kind.LOST: "connect again; the server or the network between ended the connection",
    Kind.LOCK: "somebody holds a lock on the table, as ALTER TABLE takes it; try again",
    Kind.CONFLICT: "try again; on a standby, read from the primary instead",
    Kind.INCOMPARABLE: "the types of the two sides have no common operator",
    Kind.FAILED: "the server refused the statement",
}

_ROW_SECURITY_FUNCTION = "check_enable_rls"
"""The server's function that refuses to hide rows; its name is in the error and, unlike the text, not translated."""


def translate(error: BaseException, *, cancelled: bool = False) -> Failure:
    """Tell what failed.

    Args:
        error: what a read raised: SQLAlchemy's wrapper, or the driver's own.
        cancelled: whether the caller asked the server to stop. A time limit and a request have one SQLSTATE (57014),
            and the text that tells them apart may be translated.
    """
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
    sqlstate = original.sqlstate if isinstance(original, psycopg.Error) else None
    said = original.diag.message_primary if isinstance(original, psycopg.Error) else None
    reason = one_line(said or str(original) or type(original).__name__)
    return Failure(_kind(original, sqlstate, reason, cancelled=cancelled, invalidated=invalidated), reason, sqlstate)


def _kind(original: BaseException, sqlstate: str | None, said: str, *, cancelled: bool, invalidated: bool) -> Kind:
    if sqlstate is None:
        # Without a SQLSTATE it is libpq that speaks, and in a read only of the connection.
        return Kind.LOST if invalidated or isinstance(original, psycopg.OperationalError) else Kind.FAILED
    if sqlstate == "57014":
        return Kind.STOPPED if cancelled or "user request" in said else Kind.TIMED_OUT
    if sqlstate == "42501" and isinstance(original, psycopg.Error):
        hidden = original.diag.source_function == _ROW_SECURITY_FUNCTION
        return Kind.ROW_SECURITY if hidden else Kind.DENIED
    return Kind.LOST if sqlstate.startswith("08") else _KINDS.get(sqlstate, Kind.FAILED)


def trouble_of(error: BaseException) -> Trouble:
    """The same for people: a reason, a hint, and the kind's word as the code.

    Raises:
        BaseException: the error itself, where neither the database nor the way to it is to blame.
    """
    if isinstance(error, Trouble):
        return error
    if not isinstance(error, (DBAPIError, psycopg.Error)):
        raise error
    failure = translate(error)
    reason = "the connection to the server is lost" if failure.kind is Kind.LOST else failure.reason
    if failure.kind is Kind.LOST and failure.sqlstate is not None:
        reason = f"{reason}: {failure.reason}"
    return Trouble(reason, _HINTS[failure.kind], code=failure.kind.value)
