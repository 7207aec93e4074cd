"""Failing to connect to a server that says no: for each cause, on a server that has it, a reason, a hint, a code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg.errors
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.refusals import Attempt, explain
from fkexplorer.database.source import Source
from tests.database.listening import listening, listening_in_french
from tests.database.refusal import PASSWORD, WRONG, refusal
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer
    from tests.database.listening import Listening


@pytest.fixture(scope="module")
def strict() -> Iterator[Listening]:
    """Passwords over TCP; people who may not come in, and what is full."""
    with listening() as found:
        found.run(
            f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'",
            "CREATE ROLE nologin",
            "CREATE ROLE rejected LOGIN",
            "CREATE ROLE nowhere LOGIN",
            "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0",
            "CREATE ROLE alone LOGIN CONNECTION LIMIT 1",
            "CREATE DATABASE closed",
            "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
            "CREATE DATABASE small CONNECTION LIMIT 0",
            "CREATE DATABASE off ALLOW_CONNECTIONS false",
        )
        found.add_rules(
            "host all rejected all reject",
            "host all crowded,alone,nologin,absent,postgres all trust",
            "host off,small,closed,absent crowded,nologin,ann all trust",
            "host all ann all scram-sha-256",
        )
        yield found


@pytest.mark.parametrize(
    ("parameters", "code", "reason"),
    [
        ({"user": "ann"}, "password_needed", "{place} wants a password for ann"),
        ({"user": "ann", "password": WRONG}, "wrong_password", "{place} does not accept the password of ann"),
        ({"user": "crowded", "dbname": "absent"}, "too_many_connections", "{place} has no connection left"),
        ({"user": "ann", "dbname": "absent"}, "no_database", "there is no database absent at {place}"),
        ({"user": "absent"}, "no_role", "{place} has no role absent that may log in"),
        ({"user": "nologin"}, "no_role", "{place} has no role nologin that may log in"),
        ({"user": "rejected"}, "not_allowed", "{place} does not let rejected into postgres from here"),
        ({"user": "nowhere"}, "not_allowed", "{place} does not let nowhere into postgres from here"),
        ({"user": "ann", "dbname": "closed"}, "not_allowed", "{place} does not let ann into closed from here"),
        ({"user": "ann", "dbname": "off"}, "not_allowed", "{place} does not let ann into off from here"),
        ({"user": "crowded"}, "too_many_connections", "{place} has no connection left"),
        ({"user": "ann", "dbname": "small"}, "too_many_connections", "{place} has no connection left"),
        (
            {"user": "postgres", "sslmode": "require"},
            "ssl_unsupported",
            "{place} does not offer encryption, and it was demanded",
        ),
        (
            {"user": "postgres", "target_session_attrs": "read-only"},
            "wrong_server",
            "{place} is not the kind of server that target_session_attrs asks for",
        ),
    ],
)
async def test_the_server_says_no(strict: Listening, parameters: dict[str, str], code: str, reason: str) -> None:
    trouble = await refusal(strict.tcp(**{"dbname": "postgres", **parameters}))
    assert (trouble.code, trouble.reason) == (code, reason.format(place=f"127.0.0.1:{strict.port}"))
    assert trouble.needs_password == (code == "password_needed")


async def test_a_password_from_any_place_is_used(
    strict: Listening, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def connects(conninfo: str, password: str | None = None) -> None:
        database = await Database.connect(Source(conninfo, "argument"), password=password)
        assert database.facts.user == "ann"
        await database.close()

    await connects(strict.tcp(user="ann", password=PASSWORD, dbname="postgres"))
    await connects(strict.tcp(user="ann", dbname="postgres"), PASSWORD)
    await connects(strict.tcp(user="ann", password=WRONG, dbname="postgres"), PASSWORD)
    saved = tmp_path / "pgpass"
    saved.write_text(f"127.0.0.1:{strict.port}:*:ann:{PASSWORD}\n")
    saved.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(saved))
    await connects(strict.tcp(user="ann", dbname="postgres"))
    monkeypatch.setenv("PGPASSWORD", WRONG)
    trouble = await refusal(strict.tcp(user="ann", dbname="postgres"))
    assert (trouble.code, trouble.needs_password) == ("wrong_password", False)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    await connects(strict.tcp(user="ann", dbname="postgres"))
    trouble = await refusal(strict.tcp(user="ann", dbname="postgres"), password=WRONG)
    assert (trouble.code, trouble.needs_password) == ("wrong_password", False)


async def test_the_one_connection_that_is_allowed_is_enough(strict: Listening) -> None:
    database = await Database.connect(Source(strict.tcp(user="alone", dbname="postgres"), "argument"))

    async def ask(number: int) -> int:
        async with database.read() as connection:
            row = (await connection.exec_driver_sql(f"SELECT {number:d}, pg_sleep(0.02)")).one()
            return int(row[0])

    assert await asyncio.gather(*map(ask, range(8))) == list(range(8))
    trouble = await refusal(strict.tcp(user="alone", dbname="postgres"))
    assert trouble.code == "too_many_connections"
    await database.close()


async def _once_there_is_room(conninfo: str) -> psycopg.AsyncConnection:
    """A connection; the server may not have seen the end of the session before it yet."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                return await psycopg.AsyncConnection.connect(conninfo)
            await asyncio.sleep(0.05)


async def test_no_connection_left() -> None:
    settings = {"max_connections": "4", "superuser_reserved_connections": "3"}
    with listening(settings=settings) as full:
        full.run("CREATE ROLE ann LOGIN")
        full.add_rules("host all all all trust")
        async with await _once_there_is_room(full.tcp(user="ann", dbname="postgres")):
            trouble = await refusal(full.tcp(user="ann", dbname="postgres"))
            assert trouble.code == "too_many_connections"
            async with contextlib.AsyncExitStack() as others:
                for _ in range(3):
                    connection = await psycopg.AsyncConnection.connect(full.server.conninfo())
                    await others.enter_async_context(connection)
                trouble = await refusal(full.tcp(user="postgres", dbname="postgres"))
                assert trouble.code == "too_many_connections"


async def test_each_host_and_each_address_is_tried(strict: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def two(host: str, *args: Any, **more: Any) -> list[Any]:  # noqa: ANN401
        if host == "gone.example":
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        addresses = ["127.0.0.2", "127.0.0.1"] if host == "two.example" else [host]
        return [entry for address in addresses for entry in resolve(address, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    for hosts, ports in (
        ("two.example", f"{strict.port}"),
        ("gone.example,two.example", f"1,{strict.port}"),
        ("/nowhere,127.0.0.3,two.example", f"{strict.port}"),
    ):
        conninfo = make_conninfo(host=hosts, port=ports, user="postgres", dbname="postgres")
        database = await Database.connect(Source(conninfo, "argument"))
        assert (database.facts.host, database.facts.port) == ("two.example", strict.port)
        await database.close()
    monkeypatch.setenv("PGHOST", "two.example")
    database = await Database.connect(Source(f"port={strict.port} user=postgres dbname=postgres", "argument"))
    assert database.facts.host == "two.example"
    await database.close()
    trouble = await refusal(f"host=gone.example port={strict.port} user=postgres dbname=postgres")
    assert trouble.code == "unknown_host"


async def test_a_service_is_used(strict: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = tmp_path / "services"
    services.write_text(f"[prod]\nhost=127.0.0.1\nport={strict.port}\nuser=ann\ndbname=postgres\npassword={PASSWORD}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    database = await Database.connect(Source("service=prod", "argument"))
    assert (database.facts.user, database.facts.host, database.facts.port) == ("ann", "127.0.0.1", strict.port)
    await database.close()


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Debian's 15, which can encrypt, with a certificate of its own; it takes nothing else."""
    folder = binaries("15")
    if not (folder / "postgres").exists():
        missing("PostgreSQL 15, which can encrypt")
    if not shutil.which("openssl"):
        missing("openssl")
    made = tmp_path_factory.mktemp("ssl")
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    files = ["-keyout", str(made / "server.key"), "-out", str(made / "server.crt")]
    subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)
    with listening(programs=folder) as found:
        owner = (found.server.data / "PG_VERSION").stat()
        for name in ("server.key", "server.crt"):
            target = found.server.data / name
            target.write_bytes((made / name).read_bytes())
            target.chmod(0o600)
            os.chown(target, owner.st_uid, owner.st_gid)
        found.run("CREATE ROLE ann LOGIN", "ALTER SYSTEM SET ssl = on")
        found.add_rules("hostssl all ann all trust")
        yield found


async def test_encryption(encrypted: Listening, tmp_path: Path) -> None:
    database = await Database.connect(Source(encrypted.tcp(user="ann", dbname="postgres"), "argument"))
    async with database.read() as connection:
        ask = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert (await connection.exec_driver_sql(ask)).scalar_one() is True
    await database.close()
    place = f"127.0.0.1:{encrypted.port}"
    trouble = await refusal(encrypted.tcp(user="ann", dbname="postgres", sslmode="disable"))
    assert (trouble.code, trouble.reason) == ("ssl_needed", f"{place} takes encrypted connections only")
    trouble = await refusal(encrypted.tcp(user="bob", dbname="postgres"))
    assert (trouble.code, trouble.reason) == ("not_allowed", f"{place} does not let bob into postgres from here")
    trouble = await refusal(encrypted.tcp(user="ann", dbname="postgres", sslmode="verify-ca", sslrootcert="/nowhere"))
    assert trouble.code == "ssl_failed"
    certificate = tmp_path / "root.crt"
    certificate.write_bytes((encrypted.server.data / "server.crt").read_bytes())
    trouble = await refusal(
        encrypted.tcp(user="ann", dbname="postgres", sslmode="verify-full", sslrootcert=str(certificate))
    )
    assert trouble.code == "ssl_failed"
    assert "does not match" in trouble.reason


async def test_starting_and_stopping() -> None:
    with listening() as found:
        found.run("CREATE ROLE ann LOGIN")
        found.add_rules("host all all all trust")
        held, stuck = [psycopg.connect(found.server.conninfo(), autocommit=True) for _ in range(2)]
        # The postmaster waits up to 5 s for a process that does not heed it; until then the server is in recovery.
        os.kill(stuck.info.backend_pid, signal.SIGSTOP)
        os.kill(held.info.backend_pid, signal.SIGKILL)
        trouble = await _until(found, "starting")
        assert trouble.reason == f"127.0.0.1:{found.port} is starting and takes no connection yet"
        os.kill(stuck.info.backend_pid, signal.SIGCONT)
        held.close()
        stuck.close()
        with await _connected(found) as held:
            postmaster = int((found.server.data / "postmaster.pid").read_text().split()[0])
            # "Smart" shutdown: it waits for those who are there.
            os.kill(postmaster, signal.SIGTERM)
            trouble = await _until(found, "stopping")
            assert trouble.reason == f"127.0.0.1:{found.port} is shutting down"


async def _until(found: Listening, code: str) -> Trouble:
    """Connect until it fails in this way."""
    async with asyncio.timeout(20):
        while True:
            try:
                database = await Database.connect(Source(found.tcp(user="ann", dbname="postgres"), "argument"))
            except Trouble as trouble:
                if trouble.code == code:
                    return trouble
                if trouble.code not in ("closed", "starting"):
                    raise
            else:
                await database.close()
            await asyncio.sleep(0.02)


async def _connected(found: Listening) -> psycopg.Connection[tuple[object, ...]]:
    async with asyncio.timeout(20):
        while True:
            try:
                return psycopg.connect(found.server.conninfo(), autocommit=True)
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def french() -> Iterator[Listening]:
    """A server that speaks French."""
    with listening_in_french() as found:
        yield found


async def test_a_server_that_speaks_another_language(french: Listening) -> None:
    french.run(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}'", "CREATE ROLE nologin")
    with psycopg.connect(french.server.conninfo()) as connection, pytest.raises(psycopg.Error, match="division par"):
        connection.execute("SELECT 1/0")
    french.add_rules("host all nologin all trust", "host all ann all scram-sha-256")
    trouble = await refusal(french.tcp(user="ann", dbname="postgres"))
    assert (trouble.code, trouble.needs_password) == ("password_needed", True)
    trouble = await refusal(french.tcp(user="ann", dbname="postgres", password=WRONG))
    assert trouble.code == "wrong_password"
    assert "FATAL" in trouble.reason
    trouble = await refusal(french.tcp(user="ann", dbname="absent", password=PASSWORD))
    assert trouble.code == "failed"
    # Before a session has an encoding, the server says é as ? and « as <<.
    assert "absent >> n'existe pas" in trouble.reason
    trouble = await refusal(french.tcp(user="nologin", dbname="postgres"))
    assert trouble.code == "failed"
    assert "nologin" in trouble.reason


def test_a_libpq_that_speaks_another_language() -> None:
    """One that was built with translations: whether a password is wanted, it tells without words."""
    said = 'connection failed: connection to server at "h", port 5432 failed: fe_sendauth: aucun mot de passe fourni'
    trouble = explain(Attempt(said, "h:5432", "ann", "app", needs_password=True))
    assert (trouble.code, trouble.needs_password) == ("password_needed", True)
    trouble = explain(Attempt(said, "h:5432", "ann", "app"))
    assert (trouble.code, trouble.needs_password) == ("failed", False)
    assert trouble.reason == "h:5432: fe_sendauth: aucun mot de passe fourni"


def test_server_fixture_is_what_it_says(server: EmbeddedServer) -> None:
    """The tests' own server takes nobody by address, so that what is tried here is not it."""
    with psycopg.connect(server.conninfo()) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
