"""Where the database comes from: which of the places that can name it does, read as libpq reads it.

Neither psycopg nor SQLAlchemy is imported: the first frame says where it connects to before they are.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK = "***"

_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
_SOUNDS_SECRET = re.compile(r"pass(?!file)|pwd|secret|token", re.IGNORECASE)
# The parameters of libpq 18: only to tell what a misspelt one was meant to be. libpq itself decides what it takes.
# fmt: off
_PARAMETERS = [
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "fallback_application_name",
    "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version",
    "options", "passfile", "password", "port", "replication", "require_auth", "requirepeer", "service", "sslcert",
    "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation",
    "sslpassword", "sslrootcert", "sslsni", "ssl_max_protocol_version", "ssl_min_protocol_version",
    "target_session_attrs", "tcp_user_timeout", "user",
]
# fmt: on

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)(?:\+[A-Za-z0-9_.-]+)?://")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_KEYWORD = re.compile(r"\s*([^\s=]+)\s*=\s*")
_FORMS = "write postgresql://user@host/database, or host=… dbname=…, or service=NAME"
_ENCODE = "percent-encode @ : / ? # % in user and password: %40 %3A %2F %3F %23 %25"


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """What libpq is given to connect with, and where it was named."""

    conninfo: str
    """A URL or a key=value string; empty for libpq's own environment (PGHOST, PGSERVICE, …)."""
    origin: str
    """For people: `argument`, `--database`, `--demo`, `$DATABASE_URL`, `libpq environment`."""

    def label(self) -> str:
        """`user@host/database` as far as it is known here, on one line, never with a password."""
        try:
            given = {part.key: part.value for part in _parse(self.conninfo)}
        except Trouble:
            return "?"
        user, service, database = (given.get(key, "") for key in ("user", "service", "dbname"))
        hosts = ",".join(_hosts(given))
        place = hosts or (f"service {service}" if service else "")
        if not (user or place or database):
            return "libpq environment"
        label = f"{user}@{place or '[local]'}" if user else place or "[local]"
        return one_line(f"{label}/{database}" if database else label)

    def masked(self) -> str:
        """The conninfo with `***` for every password in it; all of it where it can't be read."""
        try:
            parts = _parse(self.conninfo)
        except Trouble:
            return MASK
        masked = self.conninfo
        for part in sorted(parts, key=lambda part: part.start, reverse=True):
            if part.secret and part.end > part.start:
                masked = masked[: part.start] + MASK + masked[part.end :]
        return masked

    def __repr__(self) -> str:
        return f"Source({self.masked()!r}, {self.origin!r})"


def find_source(url: str | None, option: str | None, environ: Mapping[str, str]) -> Source:
    """The first that names a database: the argument, `--database`, `$DATABASE_URL`, then libpq's own environment.

    Args:
        url: the argument, if any; one that is empty counts as none, as `"$UNSET"` in a shell is.
        option: what `--database` was given.
        environ: the environment variables.

    Raises:
        Trouble: it is malformed (`malformed_url`), or names another kind of database (`unsupported`).
    """
    places = (("argument", url), ("--database", option), ("$DATABASE_URL", environ.get("DATABASE_URL")))
    for origin, given in places:
        if given is not None and (text := given.strip()):
            return Source(_for_libpq(text, origin), origin)
    return Source("", "libpq environment")


@dataclass(frozen=True, slots=True)
class _Part:
    """One parameter, and where its value stands in the text."""

    key: str
    value: str
    start: int
    end: int

    @property
    def secret(self) -> bool:
        return self.key.lower() in _SECRETS or bool(_SOUNDS_SECRET.search(self.key))


def _for_libpq(text: str, origin: str) -> str:
    """The text without a driver's suffix and known to be readable."""
    if match := _SCHEME.match(text):
        dialect = match[1].lower()
        if dialect not in ("postgresql", "postgres"):
            raise Trouble(
                f"{one_line(match[1])} ({origin}): only PostgreSQL is supported for now",
                _FORMS,
                code="unsupported",
            )
        text = f"{dialect}://{text[match.end() :]}"
    parts = _parse(text)
    for part in parts:
        if part.key in _PARAMETERS or part.secret:
            continue
        # A name that is like none of libpq's may be a piece of a password that holds `&` or a space: not repeated.
        near = difflib.get_close_matches(part.key, _PARAMETERS, n=1)
        if near and near[0] != part.key:
            raise _malformed(f"has the parameter {one_line(part.key)}, which libpq does not know", f"is it {near[0]}?")
    if any("://" in part.value for part in parts if part.key == "dbname"):
        raise _malformed("has a URL for a database name", _FORMS)
    return text


def _malformed(what: str, hint: str = _FORMS) -> Trouble:
    return Trouble(f"the database URL {what}", hint, code="malformed_url")


def _parse(conninfo: str) -> list[_Part]:
    """The parameters of a conninfo, as libpq reads it.

    Raises:
        Trouble: it can't be read; the text says why without repeating any of it.
    """
    if match := _SCHEME.match(conninfo):
        return list(_of_url(conninfo, match.end()))
    return list(_of_keywords(conninfo))


def _decoded(text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise _malformed("has a % that begins no percent-encoded character", _ENCODE)
    return unquote(text, errors="surrogateescape")


def _of_url(text: str, begin: int) -> Iterator[_Part]:
    def part(key: str, start: int, end: int) -> _Part:
        return _Part(key, _decoded(text[start:end]), start, end)

    first = re.search("[@/]", text[begin:])
    if first and first[0] == "@":
        at = begin + first.start()
        colon = text.find(":", begin, at)
        if begin < (colon if colon >= 0 else at):
            yield part("user", begin, colon if colon >= 0 else at)
        if colon >= 0:
            yield part("password", colon + 1, at)
        begin = at + 1
    query = text.find("?", begin)
    end = query if query >= 0 else len(text)
    if "@" in text[begin:end]:
        raise _malformed("has an @ that does not end the password", _ENCODE)
    slash = text.find("/", begin, end)
    yield from _of_hosts(text[begin : slash if slash >= 0 else end])
    if 0 <= slash < end - 1:
        yield part("dbname", slash + 1, end)
    if query >= 0:
        yield from _of_query(text, query + 1)


def _of_hosts(text: str) -> Iterator[_Part]:
    hosts, ports = [], []
    for each in text.split(","):
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]]*)(?::([0-9]*))?", each)
        if not match:
            raise _malformed("has a host or a port that can't be read", _ENCODE)
        hosts.append(_decoded(match[1].strip("[]") if match[1].startswith("[") else match[1]))
        ports.append(match[2] or "")
    if any(hosts):
        yield _Part("host", ",".join(hosts), 0, 0)
    if any(ports):
        yield _Part("port", ",".join(ports), 0, 0)


def _of_query(text: str, begin: int) -> Iterator[_Part]:
    for pair in text[begin:].split("&") if begin < len(text) else ():
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise _malformed("has a parameter after ? that is not name=value", _ENCODE)
        start = begin + len(key) + 1
        yield _Part(_decoded(key), _decoded(value), start, start + len(value))
        begin += len(pair) + 1


def _of_keywords(text: str) -> Iterator[_Part]:
    at = 0
    while text[at:].strip():
        match = _KEYWORD.match(text, at)
        if not match:
            raise _malformed("is neither a URL nor name=value pairs")
        start = at = match.end()
        value = ""
        quoted = text[at : at + 1] == "'"
        at += quoted
        while at < len(text) and (text[at] != "'" if quoted else not text[at].isspace()):
            # A backslash takes the next character as it is, in quotes and outside.
            at += text[at] == "\\" and at + 1 < len(text)
            value += text[at]
            at += 1
        if quoted:
            if at >= len(text):
                raise _malformed("has a quote that is not closed", "quote a value as '…', with \\' and \\\\ inside")
            at += 1
        yield _Part(match[1], value, start, at)


def _hosts(given: Mapping[str, str]) -> Iterator[str]:
    """Each host as people write it, with its port unless that is 5432."""
    hosts = (given.get("host") or given.get("hostaddr") or "").split(",")
    ports = given.get("port", "").split(",")
    if hosts == [""] and ports == [""]:
        return
    for number, host in enumerate(hosts):
        port = ports[number] if number < len(ports) else ports[0] if len(ports) == 1 else ""
        local = not host or host.startswith(("/", "@"))
        shown = "[local]" if local else f"[{host}]" if ":" in host else host
        yield shown if port in ("", "5432") else f"{shown}:{port}"
