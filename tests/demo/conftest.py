"""The demo database, built twice for the tests of this folder, and how they ask it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from fkexplorer.demo.database import build_demo
from tests.demo.asking import EDGES, Edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.demo.server import EmbeddedServer


@pytest.fixture(scope="module")
def databases(server: EmbeddedServer) -> Iterator[tuple[str, str]]:
    """Two builds; the second by a client whose settings differ in all that could show in the rows."""
    names = (f"demo_first_{os.getpid()}", f"demo_second_{os.getpid()}")
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        for setting in ("timezone TO 'Asia/Tokyo'", "datestyle TO 'German, DMY'", "search_path TO shop, auth"):
            connection.execute(f"ALTER DATABASE {names[1]} SET {setting}".encode())
        first, second = (server.conninfo(name) for name in names)
        for conninfo in (first, second):
            started = time.perf_counter()
            build_demo(conninfo)
            print(f"demo built in {time.perf_counter() - started:.3f} s")  # noqa: T201 - a figure for people
        yield first, second
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.fixture
def connection(databases: tuple[str, str]) -> Iterator[psycopg.Connection]:
    """A connection to the first build whose changes are rolled back."""
    with psycopg.connect(databases[0]) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
        connection.rollback()


@pytest.fixture
def edges(connection: psycopg.Connection) -> dict[str, Edge]:
    """All declared edges, partitions' clones left out."""
    return {row[0]: Edge(*row) for row in connection.execute(EDGES)}
