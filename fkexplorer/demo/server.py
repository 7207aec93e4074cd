"""A PostgreSQL server of our own, for the demo and the tests: private, without TCP, gone with the one who started it.

Everything of it is in one folder that only its owner can enter. A process of its own (`keeper.py`) makes it and
removes it. Who starts as root gets a server that runs under a user id and a group id that nothing else has.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from fkexplorer.database.model import Trouble
from fkexplorer.demo.accounts import account, nobody, readable_by_all, unused_id
from fkexplorer.demo.binaries import find_binaries
from fkexplorer.demo.folders import private_folder, sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_permissions": "0700",
        # The data lives as long as the process that wants it: a crash needs no recovery.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "256MB",
        # Statistics change when they are asked to, so that what is shown stays equal from start to start.
        "autovacuum": "off",
        "shared_buffers": "32MB",
        # Segments in the data folder: those in /dev/shm outlive a server that is killed.
        "dynamic_shared_memory_type": "mmap",
        "max_connections": "100",
        "max_locks_per_transaction": "256",
        "lc_messages": "C",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)
_START = 60.0
"""Seconds until a server that does not get ready is given up."""
_STOP = 10.0
"""Seconds for the keeper to remove it."""


class EmbeddedServer:
    """A running server. `start` makes it, `stop` or the end of the process removes it; also a context manager."""

    def __init__(self, folder: Path, keeper: subprocess.Popen[bytes], port: str) -> None:
        self.folder = folder
        """Holds the socket, the data folder and the log."""
        self.major = 0
        """The major version, as 18."""
        self._keeper = keeper
        self._port = port
        self._starter = os.getpid()

    @classmethod
    def start(
        cls, *, settings: Mapping[str, str] = MappingProxyType({}), binaries: Path | None = None
    ) -> EmbeddedServer:
        """Make a cluster and start its server; what killed runs left behind is removed first.

        Args:
            settings: of postgresql.conf, over `SETTINGS`.
            binaries: the folder of `initdb` and `postgres`; None: `find_binaries` looks for it.

        Raises:
            Trouble: no server was found, or it did not start.
        """
        binaries = binaries or find_binaries()
        starter = account()
        root = os.geteuid() == 0
        sweep()
        copy = root and not readable_by_all(binaries)
        folder, lock = private_folder(programs=copy)
        settings = {**SETTINGS, "unix_socket_directories": str(folder), **settings}
        try:
            order = {
                "folder": str(folder),
                "binaries": str(binaries),
                "account": starter,
                "settings": settings,
                "copy": copy,
                "user": unused_id() if root else None,
                "named_user": nobody() if root else None,
            }
            keeper = subprocess.Popen(  # noqa: S603 - this Python, our program
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                pass_fds=(lock,),
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            os.close(lock)  # The keeper holds it from here on.
        server = cls(folder, keeper, settings["port"])
        atexit.register(server.stop)
        try:
            server.major = server._wait()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def data(self) -> Path:
        """The data folder: pg_hba.conf is here."""
        return self.folder / "data"

    def conninfo(self, dbname: str = "postgres") -> str:
        """What libpq takes to connect as the superuser `postgres`: keywords and values, no password.

        `hostaddr` is set and empty, since one in the environment (PGHOSTADDR) would win over the socket's folder.
        """
        name = dbname.replace("\\", "\\\\").replace("'", "\\'")
        return f"host='{self.folder}' hostaddr='' port={self._port} user=postgres dbname='{name}'"

    def stop(self) -> None:
        """Stop the server at once, whoever is connected, and remove its folder. Harmless when done already."""
        atexit.unregister(self.stop)
        if self._starter != os.getpid():  # A fork of the starter: the server is not its own.
            return
        pipe = self._keeper.stdin
        if pipe is not None and not pipe.closed:
            # A byte, since a fork of this process may hold the pipe's other copy open.
            with contextlib.suppress(BrokenPipeError):
                pipe.write(b"\n")
                pipe.flush()
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()
        try:
            self._keeper.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
            sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> int:
        """The major version, when the server takes connections."""
        out = self._keeper.stdout
        told = b""
        if out is not None and select.select([out], [], [], _START)[0]:
            told = out.readline()
        answer = json.loads(told) if told else {"error": "it did not get ready"}
        if "major" not in answer:
            raise Trouble(
                f"the embedded PostgreSQL did not start: {answer['error']}",
                "is there room in the temporary folder? $TMPDIR chooses another one",
                code="server_failed",
            )
        return int(answer["major"])
