"""Why connecting failed: one line of reason, one of hint and a code.

libpq gives no SQLSTATE for a failed connection, only text: of its own (its wheels speak English), of the operating
system and of the server, who may speak another language. What no pattern knows is repeated as one line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    import psycopg

_NAME = r'"(?P<name>.*?)"'


@dataclass(frozen=True, slots=True)
class _Cause:
    """A cause, and what shows it; `{place}`, `{user}`, `{database}` and `{name}` stand in the texts."""

    code: str
    pattern: re.Pattern[str]
    reason: str
    hint: str


def _cause(code: str, pattern: str, reason: str, hint: str) -> _Cause:
    return _Cause(code, re.compile(pattern, re.IGNORECASE | re.DOTALL), reason, hint)


# The first that fits tells; those that a server said itself come before those of the way to it, since of several hosts
# or addresses the one that answered knows more.
_CAUSES = (
    _cause(
        "password_needed",
        r"no password supplied",
        "{place} wants a password for {user}",
        "give it when asked, in ~/.pgpass or in PGPASSWORD",
    ),
    _cause(
        "wrong_password",
        r"password authentication failed|SASL authentication failed|password is too long",
        "{place} does not accept the password of {user}",
        "check the user, the password and ~/.pgpass; an @ or / in a URL's password must be percent-encoded",
    ),
    _cause(
        "no_database",
        rf"(?:database {_NAME} does not exist|no such database:? \"?(?P<other>[^\s\"]+))",
        "there is no database {name} at {place}",
        "list them with: psql -l",
    ),
    _cause(
        "no_role",
        rf"role {_NAME} (?:does not exist|is not permitted to log in)|no such user",
        "{place} has no role {user} that may log in",
        "name another user: postgresql://USER@…, or PGUSER",
    ),
    _cause(
        "ssl_needed",
        r"SSL(?:/TLS)? (?:is )?required|connection is insecure|must use SSL|requires a valid client certificate",
        "{place} takes encrypted connections only",
        "add sslmode=require, and a client certificate where it wants one",
    ),
    _cause(
        "ssl_unsupported",
        r"server does not support SSL",
        "{place} does not offer encryption, and it was demanded",
        "lower sslmode to prefer, if the network between is trusted",
    ),
    _cause(
        "not_allowed",
        r"no pg_hba\.conf entry|pg_hba\.conf rejects|authentication failed for user|permission denied for database"
        r"|not currently accepting connections",
        "{place} does not let {user} into {database} from here",
        "the server's pg_hba.conf, or the CONNECT privilege, decides: ask who runs it, or connect from an allowed host",
    ),
    _cause(
        "too_many_connections",
        r"too many (?:clients|connections)|remaining connection slots|no more connections allowed|max_client_conn",
        "{place} has no connection left",
        "close other clients, or raise max_connections or the role's limit; up to 3 are used here, 1 is enough",
    ),
    _cause(
        "starting",
        r"(?:database system is (?:starting up|in recovery mode|not yet accepting)|not accepting connections)",
        "{place} is starting and takes no connection yet",
        "try again in a moment",
    ),
    _cause(
        "stopping",
        r"database system is shutting down",
        "{place} is shutting down",
        "try again when it is back",
    ),
    _cause(
        "pooler_options",
        r"unsupported startup parameter",
        "the pooler at {place} does not take the options given",
        "leave out options=… (and PGOPTIONS), or connect to the server itself",
    ),
    _cause(
        "wrong_server",
        r"session is (?:not )?read-only|server is (?:not )?in hot standby mode|server is in hot standby",
        "{place} is not the kind of server that target_session_attrs asks for",
        "change target_session_attrs, or name another host",
    ),
    _cause(
        "ssl_failed",
        r"SSL error: certificate|certificate verify failed|server certificate for|root certificate|certificate file"
        r"|private key file|SSL error: (?:tls|ssl)v",
        "{place}: the certificates do not fit: {said}",
        "check sslrootcert, sslcert and sslkey, and that the host is named as in the certificate",
    ),
    _cause(
        "not_postgresql",
        r"invalid response to SSL negotiation|expected authentication request|unencrypted data after SSL response"
        r"|wrong version number|packet length too long|invalid response to GSSAPI|lost synchronization with server",
        "what answers at {place} is not a PostgreSQL",
        "check host and port; 5432 is PostgreSQL's own",
    ),
    _cause(
        "malformed_url",
        r"invalid (?:integer value|port number|\w+ value|connection option|URI)|could not match \d+ (?:port|host)"
        r"|missing \"=\"|unterminated quoted|invalid percent",
        "the database URL has a parameter or a value that libpq does not take",
        "write postgresql://user@host/database, or host=… dbname=…, or service=NAME",
    ),
    _cause(
        "unknown_service",
        rf"(?:definition of service {_NAME} not found|service file .* not found)",
        "libpq knows no such service",
        "define it in ~/.pg_service.conf, or say with PGSERVICEFILE where it is",
    ),
    _cause(
        "timeout",
        r"timeout expired|timed out",
        "{place} did not answer in time",
        "check host and port, a firewall or a VPN between, and that the server is up",
    ),
    _cause(
        "refused",
        r"connection refused",
        "{place} refused the connection",
        "is PostgreSQL running there, and does it listen on that address and port?",
    ),
    _cause(
        "no_socket",
        r"on socket .*(?:no such file|not a directory|permission denied)",
        "no PostgreSQL listens at {place}",
        "is it running here? Name its host, or the folder of its socket: host=/var/run/postgresql",
    ),
    _cause(
        "unknown_host",
        r"failed to resolve host|could not translate host name|Name or service not known|name resolution",
        "the host of {place} is not known",
        "check its spelling and the name server; behind a VPN, that it is up",
    ),
    _cause(
        "unreachable",
        r"network is unreachable|no route to host|host is down",
        "{place} can't be reached from here",
        "check the network, the VPN or the SSH tunnel",
    ),
    _cause(
        "closed",
        r"server closed the connection|connection reset|SSL SYSCALL error|terminating connection|EOF detected"
        r"|unexpected eof",
        "{place} closed the connection before it was made",
        "is it PostgreSQL that listens there? Its log says why it hung up",
    ),
)
_BY_CODE = {cause.code: cause for cause in _CAUSES}

_UNENCRYPTED = re.compile(r"no pg_hba\.conf entry.*(?:no encryption|SSL off)", re.IGNORECASE | re.DOTALL)
_PREFIX = re.compile(r"^connection (?:failed|is bad): |connection to server (?:at|on socket) .*? failed: ", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a failed attempt; plain values, so that no exception with a password in it is kept."""

    said: str
    place: str = "the server"
    user: str = "this user"
    database: str = "the database"
    ssl_mode: str = ""
    used_password: bool = False
    needs_password: bool = False

    @classmethod
    def of(cls, error: psycopg.Error, place: str) -> Attempt:
        """Read what libpq tells of its failed connection; `place` is for when it tells nothing."""
        connection = error.pgconn
        said = str(error)
        if connection is None:
            return cls(said, place)
        options = {option.keyword: option.val for option in connection.info}

        def value(key: str) -> str:
            return (options.get(key.encode()) or b"").decode(errors="backslashreplace")

        host = value("host") or value("hostaddr")
        port = value("port") or "5432"
        if host.startswith(("/", "@")):
            where = f"the socket in {host}, port {port}"
        elif host:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        else:
            where = place
        return cls(
            said,
            where,
            value("user") or "this user",
            value("dbname") or value("user") or "the database",
            value("sslmode"),
            used_password=bool(connection.used_password),
            needs_password=bool(connection.needs_password),
        )


def explain(attempt: Attempt) -> Trouble:
    """The reason of a failed attempt in one line, with a hint and a code."""
    needs_password = attempt.needs_password and not attempt.used_password
    cause = _find(attempt.said)
    if needs_password and (cause is None or cause.code in ("not_allowed", "wrong_password")):
        cause = _BY_CODE["password_needed"]
    refused_plain = cause is not None and cause.code == "not_allowed" and _UNENCRYPTED.search(attempt.said)
    if refused_plain and attempt.ssl_mode in ("disable", "allow") and "SSL encryption" not in attempt.said:
        cause = _BY_CODE["ssl_needed"]
    if cause is None:
        said = one_line(_PREFIX.sub("", attempt.said.partition("\n")[0]))
        # In a language that is not known here: whose password was tried, and who is named, hardly failed otherwise.
        wrong = attempt.used_password and attempt.user in said and attempt.database not in said
        return Trouble(
            one_line(f"{attempt.place}: {said}"),
            "it could not connect; the server's log may say more",
            code="wrong_password" if wrong else "failed",
        )
    match = cause.pattern.search(attempt.said)
    groups = match.groupdict() if match else {}
    texts = {
        "place": attempt.place,
        "user": attempt.user,
        "database": attempt.database,
        "name": groups.get("name") or groups.get("other") or attempt.database,
        "said": _PREFIX.sub("", attempt.said.partition("\n")[0]),
    }
    return Trouble(
        one_line(cause.reason.format_map(texts)),
        cause.hint,
        code=cause.code,
        needs_password=needs_password or cause.code == "password_needed",
    )


def explain_code(code: str, place: str) -> Trouble:
    """The reason of a cause that is known already."""
    cause = _BY_CODE[code]
    texts = {"place": place, "user": "this user", "database": "the database", "name": "", "said": ""}
    return Trouble(one_line(cause.reason.format_map(texts)), cause.hint, code=code)


def _find(said: str) -> _Cause | None:
    return next((cause for cause in _CAUSES if cause.pattern.search(said)), None)
