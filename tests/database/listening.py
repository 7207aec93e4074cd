"""Servers with TCP, passwords and rules of their own, for the tests of failing to connect."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.demo.server import EmbeddedServer
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, below those that the system gives to outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


class Listening:
    """A server that listens on 127.0.0.1 too, for which pg_hba.conf gives the rules."""

    def __init__(self, server: EmbeddedServer, port: int) -> None:
        self.server = server
        self.port = port

    def tcp(self, **parameters: str) -> str:
        """Conninfo by address, with these parameters."""
        return make_conninfo("host=127.0.0.1", port=self.port, **parameters)

    def run(self, *statements: str) -> None:
        """Execute each statement as the superuser."""
        with psycopg.connect(self.server.conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def add_rules(self, *rules: str) -> None:
        """Put rules before those of the server's pg_hba.conf, and make them count."""
        rules_file = self.server.data / "pg_hba.conf"
        rules_file.write_text("\n".join([*rules, rules_file.read_text()]))
        self.run("SELECT pg_reload_conf()")


@contextmanager
def listening(*, programs: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Listening]:
    """A server that listens on a free port of 127.0.0.1."""
    port = free_port()
    chosen = {"listen_addresses": "127.0.0.1", "port": str(port), **(settings or {})}
    with EmbeddedServer.start(settings=chosen, binaries=programs) as server:
        yield Listening(server, port)


@contextmanager
def listening_in_french() -> Iterator[Listening]:
    """Debian's 15, which has translations, with a French locale made for it."""
    folder = binaries("15")
    if not (folder / "postgres").exists():
        missing("PostgreSQL 15, which has translations")
    with tempfile.TemporaryDirectory() as locales, pytest.MonkeyPatch.context() as patch:
        # The server runs under another user id.
        Path(locales).chmod(0o755)
        make = ["localedef", "-i", "fr_FR", "-f", "UTF-8", f"{locales}/fr_FR.UTF-8"]
        if not shutil.which("localedef") or subprocess.run(make, check=False).returncode:
            missing("the locale fr_FR")
        patch.setenv("LOCPATH", locales)
        with listening(programs=folder, settings={"lc_messages": "fr_FR.UTF-8"}) as found:
            yield found
