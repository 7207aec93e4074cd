"""What the tests of the embedded server look at: its processes, its shared memory, what others are told at its door."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.demo.server import EmbeddedServer

_INTRUDER = Path(__file__).with_name("intruder.py")


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something is true, and fail when it does not get so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def mentioning(folder: Path, *, descendants: bool = False) -> list[psutil.Process]:
    """The processes on whose command line a folder is: a server's keeper and the server; with their descendants."""
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
    if descendants:
        for process in tuple(found):
            with suppress(psutil.NoSuchProcess):
                found += [child for child in process.children(recursive=True) if child not in found]
    return found


def server_processes(server: EmbeddedServer) -> list[psutil.Process]:
    """The server and its children, the keeper not among them."""
    postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    return [postmaster, *postmaster.children(recursive=True)]


def alive(process: psutil.Process) -> bool:
    """Whether a process runs: one that nobody has asked for its exit code does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shared_memory(processes: list[psutil.Process]) -> list[str]:
    """The System V segments that these processes made; none where the system does not list them."""
    listed = Path("/proc/sysvipc/shm")
    if not listed.exists():
        return []
    born = {str(process.pid): process.create_time() for process in processes}
    found = []
    for line in listed.read_text().splitlines()[1:]:
        _key, _id, _mode, _size, maker, *_others, changed, _resident, _swapped = line.split()
        # A segment that is older is one of a process that had this number before.
        if maker in born and float(changed) > born[maker] - 1:
            found.append(line)
    return found


def knock(server: EmbeddedServer, user: int | None = None) -> str:
    """What the intruder is told, as this user or another one."""
    door = str(server.folder / ".s.PGSQL.5432")
    program = [sys.executable, "-I", "-S", str(_INTRUDER), door, *([] if user is None else [str(user)])]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip()
