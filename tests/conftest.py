"""Real PostgreSQL servers and databases of their own for all tests.

- `server`: one of each kind per process, superuser `postgres`, no password; `server.conninfo(dbname)`.
- `database_url`: libpq's conninfo of a fresh, empty database, dropped after the test.
- `make_database(sql)`: a fresh database with SQL run in it (many statements at once are one transaction; the
  connection is in autocommit), its conninfo; dropped after the module. Both are plain functions, not coroutines.

Tests marked `matrix` run once on every server of FKEXPLORER_TEST_SERVERS, see `tests/servers.py`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.servers import DEFAULT, Servers, label, matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fkexplorer.demo.server import EmbeddedServer

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """The caller's own libpq settings would lead the tests to another server, or make them fail."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `matrix` on all servers that are asked for."""
    if "server" in metafunc.fixturenames and metafunc.definition.get_closest_marker("matrix"):
        metafunc.parametrize("server", matrix(), ids=label, indirect=True, scope="session")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All servers of this process."""
    running = Servers()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, servers: Servers) -> EmbeddedServer:
    """The server that the test runs on."""
    return servers.get(getattr(request, "param", DEFAULT))


@contextmanager
def _database(server: EmbeddedServer) -> Iterator[str]:
    """A fresh database; whoever is still connected at its end is thrown out."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        # Copying files is twice as fast as logging pages where nothing waits for a disk: 8 ms, 17 ms.
        how = " STRATEGY FILE_COPY" if server.major >= 15 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0{how}".encode())
    yield server.conninfo(name)
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
            if server.major >= 14
            else "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [name],
        )
        forced = " WITH (FORCE)" if server.major >= 13 else ""
        connection.execute(f"DROP DATABASE {name}{forced}".encode())


@pytest.fixture
def database_url(server: EmbeddedServer) -> Iterator[str]:
    """The conninfo of a fresh, empty database, dropped after the test."""
    with _database(server) as conninfo:
        yield conninfo


@pytest.fixture(scope="module")
def make_database(server: EmbeddedServer) -> Iterator[Callable[[str], str]]:
    """Makes a fresh database, runs SQL in it and gives its conninfo; dropped after the module."""
    with ExitStack() as databases:

        def make(script: str) -> str:
            conninfo = databases.enter_context(_database(server))
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute(script.encode())
            return conninfo

        yield make


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every user can get to, unlike pytest's own; in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    folder = Path(tempfile.mkdtemp(prefix="fkx-", dir=memory if memory.is_dir() else "/tmp"))  # noqa: S108 - as above
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
