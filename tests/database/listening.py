"""Servers with TCP, passwords and rules of their own, for the tests of failing to connect."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from fkexplorer.demo.server import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
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
def listening(*, binaries: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Listening]:
    """A server that listens on a free port of 127.0.0.1."""
    port = free_port()
    chosen = {"listen_addresses": "127.0.0.1", "port": str(port), **(settings or {})}
    with EmbeddedServer.start(settings=chosen, binaries=binaries) as server:
        yield Listening(server, port)
