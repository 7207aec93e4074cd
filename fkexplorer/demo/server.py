"""A PostgreSQL server of our own, for the demo and the tests: private, without TCP, gone with the one who started it.

Everything of it is in one folder that only its owner can enter. A process of its own (`keeper.py`) makes it and
removes it. Who starts as root gets a server that runs under a user id and a group id that nothing else has.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import json
import os
import pwd
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from fkexplorer.database.model import Trouble
from fkexplorer.demo.binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "fkexplorer-pg-"
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
_LONGEST_SOCKET = 99
"""Bytes: `sun_path` holds 104 on macOS and 108 on Linux, the closing zero included."""
_START = 60.0
"""Seconds until a server that does not get ready is given up."""
_STOP = 10.0
"""Seconds for the keeper to remove it."""
_IDS = range(61184, 65520)
"""User ids that Linux distributions leave to be used for a while (systemd's dynamic users)."""
_UNLOCKED = 60.0
"""Seconds after which a folder without a lock is one whose maker died before it could make it."""


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
        account = _account()
        root = os.geteuid() == 0
        for base in _bases():
            sweep(base)
        folder, lock = _private_folder()
        settings = {**SETTINGS, "unix_socket_directories": str(folder), **settings}
        try:
            order = {
                "folder": str(folder),
                "binaries": str(binaries),
                "account": account,
                "settings": settings,
                "copy": root and not _readable_by_all(binaries),
                "user": _unused_id() if root else None,
                "named_user": _nobody() if root else None,
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
            sweep(self.folder.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> int:
        """The major version, when the server takes connections."""
        import select  # noqa: PLC0415 - only here

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


def sweep(base: Path) -> None:
    """Remove what killed runs of this user left in a folder: their servers are stopped, their folders removed.

    A run that lives is known by the lock that its keeper holds; the kernel takes it back however the keeper ends.
    """
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if not _ours(folder.lstat()):
                continue
            try:
                lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                if time.time() - folder.lstat().st_mtime > _UNLOCKED:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop_abandoned(folder / "data")
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _ours(found: os.stat_result) -> bool:
    """Whether a folder was made by this user: as root, its owner is an id that no account has."""
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o007:
        return False
    return found.st_uid == os.geteuid() or (os.geteuid() == 0 and found.st_uid in _IDS and not _named(found.st_uid))


def _stop_abandoned(data: Path) -> None:
    """Stop the server of a data folder whose keeper is gone."""
    try:
        process = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    for number, seconds in ((signal.SIGQUIT, 6.0), (signal.SIGKILL, 1.0)):
        end = time.monotonic() + seconds
        if str(data) in _command(process):  # The number may be another process's by now.
            os.kill(process, number)
        while str(data) in _command(process):
            if time.monotonic() > end:
                break
            time.sleep(0.005)
        else:
            return


def _command(process: int) -> str:
    """The command line of a process, empty when there is none."""
    with contextlib.suppress(OSError):
        if Path("/proc/self/cmdline").exists():
            return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return subprocess.run(  # noqa: S603 - a number
            ["ps", "-o", "command=", "-p", str(process)],  # noqa: S607 - where it is differs
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    return ""


def _account() -> str:
    """The name of the one who starts: `initdb` and the peer authentication know users by name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Trouble(
            f"the user id {os.geteuid()} has no name, and PostgreSQL does not run without one",
            "run as a user that the system knows (in a container: one of /etc/passwd)",
            code="no_server",
        ) from None


def _nobody() -> int:
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise Trouble(
            "PostgreSQL does not run as root, and there is no user `nobody` to run it as",
            "run as another user",
            code="no_server",
        ) from None


def _named(number: int) -> bool:
    try:
        pwd.getpwuid(number)
    except KeyError:
        return False
    return True


def _unused_id() -> int:
    """A user id that no account has and no process of this machine runs under."""
    used = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            used.add(process.stat().st_uid)
    numbers = list(_IDS)
    random.shuffle(numbers)
    return next(number for number in numbers if number not in used and not _named(number))


def _bases() -> Iterator[Path]:
    """The folders in which a server's folder may be made, the best first."""
    seen = set()
    for base in (Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - a private folder in it
        socket = base / f"{PREFIX}12345678" / ".s.PGSQL.65535"
        fits = len(os.fsencode(socket)) <= _LONGEST_SOCKET and base.is_dir()
        # The server drops root's privileges, so that it must get through to its folder.
        if base not in seen and fits and (os.geteuid() != 0 or _passable(base)):
            seen.add(base)
            yield base


def _private_folder() -> tuple[Path, int]:
    """A new folder, and the descriptor of the lock that says that it is in use."""
    problem = "no temporary folder is fit"
    for base in _bases():
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            problem = str(error)
            continue
        if folder.stat().st_mode & 0o077 == 0:
            lock = os.open(folder / "new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its name only once it is locked: a sweep in between would take the folder for a stale one.
            (folder / "new").rename(folder / "lock")
            return folder, lock
        folder.rmdir()
        problem = f"{base} keeps no modes of files"
    raise Trouble(
        f"no folder for the embedded PostgreSQL: {problem}",
        "set $TMPDIR to a folder on a local disk",
        code="no_server",
    )


def _passable(folder: Path) -> bool:
    """Whether any user can get to and through a folder."""
    return all(place.stat().st_mode & 0o001 for place in (folder.resolve(), *folder.resolve().parents))


def _readable_by_all(binaries: Path) -> bool:
    """Whether any user can run the programs; the files beside them were installed under the same umask."""
    places = [binaries, *(place for name in ("lib", "share") if (place := binaries.parent / name).is_dir())]
    programs = (binaries / "initdb", binaries / "postgres")
    try:
        return all(map(_passable, places)) and all(path.stat().st_mode & 0o005 == 0o005 for path in programs)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return True
