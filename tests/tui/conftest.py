"""The demo database for the tests of the app, built once a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.demo.database import NAME, build_demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.demo.server import EmbeddedServer


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One kind of terminal, whatever the tests were started from."""
    for name, value in (("TERM", "xterm-256color"), ("COLORTERM", "truecolor")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(scope="session")
def demo_url(server: EmbeddedServer) -> Iterator[str]:
    """Libpq's conninfo of the demo database, as `--demo` has it: the same names, as the same role. Only read it."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {NAME} SUPERUSER LOGIN".encode())
        connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME} TEMPLATE template0".encode())
        connection.execute(f"ALTER DATABASE {NAME} SET timezone TO 'UTC'".encode())
    conninfo = make_conninfo(server.conninfo(NAME), user=NAME)
    build_demo(conninfo)
    yield conninfo
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {NAME}".encode())
