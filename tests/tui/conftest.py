"""The demo database for the tests of the app, built once a process; and copies of it, for those that change it."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fkexplorer.demo.database import NAME, build_demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.demo.server import EmbeddedServer

_numbers = count(1)


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


@pytest.fixture(scope="session")
def demo_template(server: EmbeddedServer) -> Iterator[str]:
    """The name of a database with the demo in it, which nobody is connected to."""
    name = f"demo_template_{os.getpid()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        build_demo(server.conninfo(name))
        yield name
        connection.execute(f"DROP DATABASE {name}".encode())


@pytest.fixture
def demo_copy(server: EmbeddedServer, demo_template: str) -> Iterator[str]:
    """The conninfo of a database with the demo in it, to be changed; dropped after the test."""
    name = f"demo_copy_{next(_numbers)}"
    how = " STRATEGY FILE_COPY" if server.major >= 15 else ""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {demo_template}{how}".encode())
        yield server.conninfo(name)
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        forced = " WITH (FORCE)" if server.major >= 13 else ""
        connection.execute(f"DROP DATABASE {name}{forced}".encode())
