"""The process that keeps an embedded server: makes it, and stops and removes it as soon as its starter is gone.

It runs as a program of its own, with the standard library alone, in a session of its own: Ctrl-C and a closed
terminal do not reach it. Its standard input is a pipe that the starter holds open. When the starter ends, however it
ends, the kernel closes that pipe; that also covers `kill -9`, on Linux and macOS alike. Standard output carries one
line, a JSON object: `{"major": 18}` when the server takes connections, else `{"error": "..."}`.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

POLL = 0.003
"""Seconds between looks at a program that is awaited."""
PATIENCE = 5.0
"""Seconds that the server has to stop at once; PostgreSQL itself kills its processes after 5."""


class _Stop(BaseException):
    """The starter is gone or wants the server no more."""


class _Failure(Exception):  # noqa: N818 - what the starter is told
    """The server cannot be made."""


class Keeper:
    """One server in one private folder."""

    def __init__(self, order: dict[str, object]) -> None:
        self.folder = Path(str(order["folder"]))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.binaries = Path(str(order["binaries"]))
        self.account = str(order["account"])
        """The operating system's name of the one who may connect."""
        self.settings: dict[str, str] = dict(order["settings"])  # type: ignore[call-overload]
        self.copy = bool(order["copy"])
        """The server's user cannot read the programs where they are."""
        self.user: int | None = order["user"]  # type: ignore[assignment]
        """The id, of a user and a group, that nobody else has; None: the server runs as the starter."""
        self.named_user: int | None = order["named_user"]  # type: ignore[assignment]
        self.running: subprocess.Popen[bytes] | None = None
        """`initdb`, then the server."""
        self.started = False
        """The server was."""

    def make(self) -> int:
        """Make the cluster and start the server.

        Returns:
            The server's major version.
        """
        # `initdb` refuses a user id that has no name, so it runs as one that has (nobody). The group is already the
        # private one, and only root and this group can enter the folder meanwhile: other processes of that user
        # get in neither by the folder nor by ptrace, which wants the same group too.
        self._give(self.folder, 0, mode=0o710)
        if self.copy:
            self._copy_programs()
        if self.user is not None and self.named_user is not None:
            self.data.mkdir(mode=0o700)
            os.chown(self.data, self.named_user, self.user)
        self._run_initdb()
        major = int((self.data / "PG_VERSION").read_text())
        self._configure(major)
        if self.user is not None:
            for place, _, names in os.walk(self.data):
                for path in (place, *(os.path.join(place, name) for name in names)):  # noqa: PTH118 - a thousand files
                    os.chown(path, self.user, self.user, follow_symlinks=False)
        self._give(self.folder, self.user, mode=0o700)
        self._start()
        return major

    def remove(self) -> None:
        """Stop the server at once and remove the folder."""
        if self.running is not None and self.running.poll() is None:
            # `initdb` is let finish, which takes less than a second: killed, its children would leave shared memory.
            if self.started:
                self.running.send_signal(signal.SIGQUIT)
            try:
                self.running.wait(PATIENCE + 1)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _give(self, path: Path, owner: int | None, *, mode: int) -> None:
        if self.user is None or owner is None:
            return
        os.chown(path, owner, self.user)
        path.chmod(mode)

    def _copy_programs(self) -> None:
        """Copy what the server needs into the folder, as far from each other as before."""
        programs, home = self.binaries, self.binaries.parent
        root = self.folder / "programs" / home.parent.name
        unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man")
        for name in ("lib", "share"):
            if (home / name).is_dir():
                shutil.copytree(home / name, root / home.name / name, symlinks=True, ignore=unneeded)
        (root / home.name / programs.name).mkdir(parents=True)
        for name in ("initdb", "postgres"):
            shutil.copy2(programs / name, root / home.name / programs.name / name)
        # Wheels keep the libraries that they bring in a folder beside their package.
        for libraries in home.parent.parent.glob(f"{home.parent.name}.libs"):
            shutil.copytree(libraries, root.parent / libraries.name, symlinks=True)
        top = self.folder / "programs"
        for place, _, names in os.walk(top):
            Path(place).chmod(0o755)
            for path in (Path(place, name) for name in names):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        self.binaries = root / home.name / programs.name

    def _spawn(self, command: list[str], user: int | None) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
        # TZ spares `initdb` a search through all time zones. The rest may be needed to find libraries.
        environment |= {"TZ": "UTC", "LC_ALL": "C"}
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - PostgreSQL's programs
                command,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=self.user,
                extra_groups=None if user is None else (),
                umask=0o077,
            )

    def _run_initdb(self) -> None:
        self.running = self._spawn(
            [
                str(self.binaries / "initdb"),
                *("-D", str(self.data), "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=reject", "--no-sync"),
            ],
            self.named_user,
        )
        while self.running.poll() is None:
            self._look()
        if self.running.returncode:
            raise _Failure(self._last_words())

    def _configure(self, major: int) -> None:
        settings = self.settings
        if major >= 18:
            settings = {"io_method": "sync"} | settings
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(lines)
        # Before 16 a map cannot say "any role": there the modes of folder and socket alone keep others out.
        how = "peer map=starter" if major >= 16 else "trust"
        (self.data / "pg_hba.conf").write_text(f"local all all {how}\n")
        name = self.account.replace('"', '""')
        (self.data / "pg_ident.conf").write_text(f'starter "{name}" all\n' if major >= 16 else "")

    def _start(self) -> None:
        self.running = self._spawn([str(self.binaries / "postgres"), "-D", str(self.data)], self.user)
        self.started = True
        status = self.data / "postmaster.pid"
        while not _ready(status):
            if self.running.poll() is not None:
                raise _Failure(self._last_words())
            self._look()

    def _look(self) -> None:
        """Wait a moment, and end when the starter has."""
        if select.select([0], [], [], POLL)[0]:
            raise _Stop

    def _last_words(self) -> str:
        """The line of the log that tells most: the last error, else the last one."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        told = [found[1] for line in lines if (found := re.search(r"\b(?:FATAL|PANIC|ERROR|error):\s+(.*)", line))]
        return (told or lines or ["it said nothing"])[-1]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _ready(status: Path) -> bool:
    """Whether the eighth line of `postmaster.pid` says so: written by the server when it takes connections."""
    try:
        lines = status.read_bytes().split(b"\n")
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].startswith(b"ready")


def _tell(message: dict[str, object]) -> None:
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode() + b"\n")


def _stop(_number: int, _frame: object) -> None:
    raise _Stop


def main(order: str) -> None:
    """Keep one server until standard input closes.

    Args:
        order: JSON, see `EmbeddedServer.start`.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    keeper = Keeper(json.loads(order))
    try:
        _tell({"major": keeper.make()})
        os.close(1)
        os.read(0, 1)
    except _Stop:
        pass
    except (_Failure, OSError, subprocess.SubprocessError) as failure:
        _tell({"error": str(failure)})
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.remove()


if __name__ == "__main__":
    main(sys.argv[1])
