"""The app ended from outside: a signal, a terminal that is closed."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import ptyprocess
import pytest

from tests.commands import environment

if TYPE_CHECKING:
    from pathlib import Path


def spawn(conninfo: str, state: Path) -> ptyprocess.PtyProcess:
    """The app in a terminal; crash files go to `state`."""
    return ptyprocess.PtyProcess.spawn(
        [sys.executable, "-m", "fkexplorer", conninfo],
        dimensions=(24, 80),
        env=environment(TERM="xterm-256color", XDG_STATE_HOME=str(state)),
    )


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> ptyprocess.PtyProcess:
    """The app on an empty database, once its connection is there."""
    process = spawn(database_url, tmp_path)
    deadline = time.monotonic() + 20
    while not sessions(database_url):
        assert time.monotonic() < deadline
        read(process)
    return process


def read(process: ptyprocess.PtyProcess) -> None:
    """What the terminal has to show by now: a full pipe would stop the app."""
    if select.select([process.fd], [], [], 0.05)[0]:
        os.read(process.fd, 65536)


def sessions(conninfo: str) -> int:
    """Other sessions in this database."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(row[0]) if row else 0


def exit_code(process: ptyprocess.PtyProcess, *, reading: bool) -> int:
    """The exit code, within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        pid, status = os.waitpid(process.pid, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if reading:
            try:
                read(process)
            except OSError:
                reading = False
        else:
            time.sleep(0.02)
    raise AssertionError("it did not end")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_app(
    app: ptyprocess.PtyProcess, database_url: str, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    os.kill(app.pid, number)
    assert exit_code(app, reading=True) == code
    assert not list(tmp_path.iterdir())  # no crash file
    assert sessions(database_url) == 0


def test_a_closed_terminal_ends_the_app_without_a_crash(
    app: ptyprocess.PtyProcess, database_url: str, tmp_path: Path
) -> None:
    app.fileobj.close()
    assert exit_code(app, reading=False) == 129
    assert not list(tmp_path.iterdir())
    assert sessions(database_url) == 0


@pytest.mark.parametrize("delay", [0.15, 0.25, 0.35, 0.5, 0.8])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_at_any_moment_of_the_start(
    database_url: str, tmp_path: Path, number: signal.Signals, code: int, delay: float
) -> None:
    process = spawn(database_url, tmp_path)
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline:
        read(process)
    os.kill(process.pid, number)
    ended = exit_code(process, reading=True)
    assert ended in (code, -number)  # by the signal itself before Python has read this program
    assert not list(tmp_path.iterdir())
