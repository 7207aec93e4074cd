"""The private folder of an embedded server: where it may be, what says that it is in use, what killed runs left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.demo.accounts import passable, unnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "fkexplorer-pg-"
_LONGEST_SOCKET = 99
"""Bytes: `sun_path` holds 104 on macOS and 108 on Linux, the closing zero included."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder in it
_MEMORY_ROOM = 1 << 30
"""Bytes that must be free there: containers often have 64 MiB, a cluster with the demo is 60."""
_UNLOCKED = 60.0
"""Seconds after which a folder without a lock is one whose maker died before it could make it."""


def _places() -> Iterator[Path]:
    """The folders in which a server's folder may be, the best first.

    Memory comes before disk unless $TMPDIR says otherwise: beside a slow disk a start takes 0.4 s instead of 1.2, and a
    CREATE DATABASE 0.02 s instead of 0.25.
    """
    places = [Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - a private folder in it
    places.insert(1 if "TMPDIR" in os.environ else 0, _MEMORY)
    return (place for place in dict.fromkeys(places) if place.is_dir())


def _unfit(base: Path, *, programs: bool) -> str:
    """Why a server's folder cannot be made in a place; empty when it can."""
    told = os.statvfs(base)
    if len(os.fsencode(base / f"{PREFIX}12345678" / ".s.PGSQL.65535")) > _LONGEST_SOCKET:
        return "its name is too long for a socket"
    if base == _MEMORY and told.f_bavail * told.f_frsize < _MEMORY_ROOM:
        return "it is too small"
    if os.geteuid() == 0 and not passable(base):  # The server drops root's privileges.
        return "only root gets there"
    if programs and told.f_flag & getattr(os, "ST_NOEXEC", 0):
        return "no programs may run in it"
    return ""


def private_folder(*, programs: bool) -> tuple[Path, int]:
    """A new folder, and the descriptor of the lock that says that it is in use.

    Args:
        programs: programs are to run from it.

    Raises:
        Trouble: no place is fit for it.
    """
    problem = "there is no temporary folder"
    for base in _places():
        why = _unfit(base, programs=programs)
        if not why:
            try:
                folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
                if folder.stat().st_mode & 0o077 == 0:
                    return folder, _lock(folder)
                folder.rmdir()
                why = "it keeps no modes of files"
            except OSError as error:
                why = error.strerror or "it cannot be written"
        problem = f"{base}: {why}"
    raise Trouble(
        f"no folder for the embedded PostgreSQL: {problem}",
        "set $TMPDIR to a folder on a local disk",
        code="no_server",
    )


def _lock(folder: Path) -> int:
    lock = os.open(folder / "new", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Under its name only once it is locked: a sweep in between would take the folder for a stale one.
    (folder / "new").rename(folder / "lock")
    return lock


def sweep() -> None:
    """Stop the servers and remove the folders that killed runs of this user left behind.

    A run that lives is known by the lock that its keeper holds; the kernel takes it back however the keeper ends.
    """
    for folder in (folder for base in _places() for folder in base.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o007:
                continue
            # As root a server has a user id of its own.
            if found.st_uid == os.geteuid() or (os.geteuid() == 0 and unnamed(found.st_uid)):
                _sweep_one(folder, found)


def _sweep_one(folder: Path, found: os.stat_result) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _UNLOCKED:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _stop_abandoned(folder / "data")
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


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
