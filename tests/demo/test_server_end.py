"""However the process ends that started an embedded server: no process of the server is left, and no folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from ptyprocess import PtyProcess

from fkexplorer.demo import keeper
from fkexplorer.demo.folders import PREFIX, sweep
from fkexplorer.demo.server import EmbeddedServer
from tests.demo.watching import alive, mentioning, server_processes, shared_memory, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psutil

STARTER = [sys.executable, "-m", "tests.demo.starter"]


def twice(program: PtyProcess) -> None:
    """An impatient Ctrl-C."""
    program.write(b"\x03")
    time.sleep(0.02)
    program.write(b"\x03")


ENDS: dict[str, Callable[[PtyProcess], object]] = {
    "ctrl-c": lambda program: program.write(b"\x03"),
    "ctrl-c twice": twice,
    "closed terminal": lambda program: program.fileobj.close(),
    "hang-up": lambda program: program.kill(signal.SIGHUP),
    "terminate": lambda program: program.kill(signal.SIGTERM),
    "kill": lambda program: program.kill(signal.SIGKILL),
    "crash": lambda program: program.kill(signal.SIGSEGV),
}


@pytest.fixture(autouse=True)
def base(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, of each test alone: what is left in it is of this test."""
    monkeypatch.setenv("TMPDIR", str(open_folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return open_folder


def keepers(folder: Path) -> list[psutil.Process]:
    """The keepers of the servers in a folder."""
    return [process for process in mentioning(folder) if keeper.__file__ in (process.info["cmdline"] or ())]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The starter without a terminal, and its server's folder."""
    with subprocess.Popen([*STARTER, *arguments], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        folder = Path(program.stdout.readline().strip())
        try:
            yield program, folder
        finally:
            program.kill()
            wait_for(lambda: not keepers(folder))


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_left(how: str, base: Path) -> None:
    program = PtyProcess.spawn(STARTER)
    folder = Path(program.readline().decode().strip())
    assert folder.parent == base
    processes = mentioning(folder, descendants=True)
    assert len(processes) > 3
    assert shared_memory(processes) or not Path("/proc/sysvipc/shm").exists()
    ENDS[how](program)
    wait_for(lambda: not folder.exists())
    wait_for(lambda: not any(alive(process) for process in processes), 1)
    assert shared_memory(processes) == []
    assert list(base.iterdir()) == []
    wait_for(lambda: not program.isalive())
    program.close()


def test_a_ctrl_c_that_its_starter_survives_does_not_end_it() -> None:
    program = PtyProcess.spawn([*STARTER, "patient"])
    folder = Path(program.readline().decode().strip())
    program.write(b"\x03")
    assert b"^C" in program.read()
    with psycopg.connect(f"host={folder} user=postgres") as connection:
        for _ in range(20):  # A server that was told to stop has some moments left.
            assert connection.execute("SELECT pg_sleep(0.01)").fetchone()
    program.kill(signal.SIGKILL)
    wait_for(lambda: not folder.exists())
    wait_for(lambda: not program.isalive())
    program.close()


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_ends_while_it_starts(number: signal.Signals, moment: float, base: Path) -> None:
    with subprocess.Popen([*STARTER, "early"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "starting\n"
        time.sleep(moment)
        processes = mentioning(base, descendants=True)
        program.send_signal(number)
        program.wait()
    wait_for(lambda: not mentioning(base))
    for folder in base.iterdir():  # Killed before it had a keeper: nothing is in it but, at most, the lock.
        assert {each.name for each in folder.iterdir()} <= {"lock", "new"}
        if not (folder / "lock").exists():
            os.utime(folder, (0, 0))  # Without a lock it counts as one that is being made, for a minute.
    sweep()
    assert list(base.iterdir()) == []
    wait_for(lambda: not any(alive(process) for process in processes), 1)
    assert shared_memory(processes) == []


def test_a_fork_of_the_starter_does_not_end_it() -> None:
    with started("fork") as (program, folder):
        assert program.poll() is None
        with psycopg.connect(f"host={folder} user=postgres") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_end_of_the_block_ends_it_whoever_works(base: Path) -> None:
    with EmbeddedServer.start() as server:
        connection = psycopg.connect(server.conninfo())
        connection.pgconn.send_query(b"SELECT pg_sleep(60)")
        processes = server_processes(server)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert not any(alive(process) for process in processes)
    assert list(base.iterdir()) == []
    server.stop()  # Once more is harmless.
    connection.close()


@pytest.fixture
def abandoned() -> Iterator[Path]:
    """The folder of a server that runs although its starter and its keeper were killed."""
    with started() as (program, folder):
        (kept,) = keepers(folder)
        program.send_signal(signal.SIGSTOP)  # It cannot act before it is killed itself.
        kept.kill()
        program.kill()
        program.wait()
        wait_for(lambda: not alive(kept))
        yield folder


def test_the_next_start_stops_and_removes_what_a_killed_run_left(abandoned: Path, base: Path) -> None:
    processes = mentioning(abandoned, descendants=True)
    with psycopg.connect(f"host={abandoned} user=postgres") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with EmbeddedServer.start() as server:
        assert list(base.iterdir()) == [server.folder]
        assert processes
        assert not any(alive(process) for process in processes)
        assert shared_memory(processes) == []


def test_a_number_that_is_another_process_by_now_is_not_killed(abandoned: Path) -> None:
    processes = mentioning(abandoned, descendants=True)
    status = abandoned / "data" / "postmaster.pid"
    number, told = status.read_text().split("\n", 1)
    os.kill(int(number), signal.SIGQUIT)  # As a kill -9 would, but it takes its shared memory along.
    wait_for(lambda: not any(alive(process) for process in processes))
    with subprocess.Popen(["sleep", "60"]) as innocent:
        status.write_text(f"{innocent.pid}\n{told}")
        sweep()
        assert not abandoned.exists()
        assert innocent.poll() is None
        innocent.kill()


def test_a_run_that_lives_is_left_alone(base: Path) -> None:
    with EmbeddedServer.start() as server:
        sweep()
        with started():
            with psycopg.connect(server.conninfo()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert len(list(base.iterdir())) == 2


def test_what_is_not_ours_is_left_alone(base: Path) -> None:
    """Folders that others can enter, files, links, folders just made; what has no lock for a minute is removed."""
    names = ("open", "file", "link", "young", "old")
    opened, file, link, young, old = (base / f"{PREFIX}{name}" for name in names)
    for folder in (opened, young, old):
        folder.mkdir(mode=0o700)
        os.utime(folder, (0, 0))
    opened.chmod(0o755)
    os.utime(young)
    file.touch()
    link.symlink_to(old)
    strangers = []
    for user in (1, 59999) if os.geteuid() == 0 else ():  # An account, and a number that no server is given.
        stranger = base / f"{PREFIX}{user}"
        stranger.mkdir(mode=0o700)
        (stranger / "lock").touch(mode=0o600)
        os.chown(stranger, user, user)
        strangers.append(stranger)
    sweep()
    assert not old.exists()
    link.unlink()
    assert opened.exists()
    assert file.exists()
    assert young.exists()
    assert all(stranger.exists() for stranger in strangers)
