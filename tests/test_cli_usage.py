"""The command line before any database: help, mistakes, no terminal, a fault."""

from __future__ import annotations

import asyncio
import stat
import sys
from pathlib import Path

import ptyprocess
import pytest

from fkexplorer.arguments import command_of, parsers
from fkexplorer.database.model import Trouble
from fkexplorer.version import version
from tests.commands import assert_told, environment, run


@pytest.mark.parametrize("command", [[], ["check"], ["show"], ["rows"], ["plan"], ["journal"], ["undo"]])
async def test_help_goes_to_stdout(command: list[str]) -> None:
    done = await run(*command, "--help")
    assert done.code == 0
    assert done.err == ""
    assert f"usage: fkexplorer {' '.join(command)}".strip() in done.out
    assert "--demo" in done.out
    assert "--database" in done.out


async def test_version() -> None:
    done = await run("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"fkexplorer {version()}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["--nonsense", "--help"]),
        (["check", "--format", "yaml"], ["yaml", "fkexplorer check --help"]),
        (["check", "--jobs", "3"], ["--jobs"]),
        (["check", "--max-bytes", "7x"], ["7x", "500M"]),
        (["show"], ["TABLE"]),
        (["show", "t", "--width", "3"], ["--width"]),
        (["rows"], ["EDGE"]),
        (["rows", "e", "--limit", "0"], ["--limit"]),
        (["rows", "e", "--keys", "--childless"], ["not allowed with"]),
        (["chekc"], ["chekc", "check, show, rows", "dbname=chekc"]),
        (["check", "mysql://h/d"], ["mysql"]),
        ([], ["needs a terminal", "fkexplorer check"]),
        (["postgresql://h/d"], ["needs a terminal"]),
    ],
)
async def test_a_mistake_is_told_in_two_lines(arguments: list[str], words: list[str]) -> None:
    assert_told(await run(*arguments), *words)


@pytest.mark.parametrize(
    ("argv", "command", "rest"),
    [
        ([], "", []),
        (["check"], "check", []),
        (["check", "check"], "check", ["check"]),
        (["-d", "check"], "", ["-d", "check"]),
        (["-d", "url", "check", "--full"], "check", ["-d", "url", "--full"]),
        (["--database", "show", "rows", "e"], "rows", ["--database", "show", "e"]),
        (["--database=show", "rows", "e"], "rows", ["--database=show", "e"]),
        (["--demo", "show", "t"], "show", ["--demo", "t"]),
        (["--", "check"], "", ["--", "check"]),
        (["postgresql://h/check"], "", ["postgresql://h/check"]),
        (["postgresql://h/d", "check"], "", ["postgresql://h/d", "check"]),
    ],
)
def test_a_command_is_told_from_a_database(argv: list[str], command: str, rest: list[str]) -> None:
    assert command_of(argv) == (command, rest)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("500", 500), ("2k", 2048), ("1.5M", 3 << 19), ("2G", 2 << 30), ("2GiB", 2 << 30), ("1 TB", 1 << 40)],
)
def test_sizes(text: str, number: int) -> None:
    assert parsers()["check"].parse_args(["--max-bytes", text]).max_bytes == number


@pytest.mark.parametrize("text", ["", "-1", "x", "1X", "1e3", "G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(Trouble):
        parsers()["check"].parse_args([f"--max-bytes={text}"])


async def test_a_reader_that_has_gone_is_no_fault() -> None:
    code = (
        "import os, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "from fkexplorer.__main__ import main\n"
        "main()\n"
    )
    done = await run("--help", code=code)
    assert (done.code, done.err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_a_full_disk_is_told() -> None:
    code = "import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nfrom fkexplorer.__main__ import main\nmain()\n"
    assert_told(await run("--version", code=code), "cannot write the output")


def in_terminal(*arguments: str, env: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and all that a terminal of 80x24 got."""
    process = ptyprocess.PtyProcess.spawn(
        [sys.executable, "-m", "fkexplorer", *arguments], dimensions=(24, 80), env=env
    )
    said = b""
    try:
        while True:
            said += process.read(65536)
    except EOFError:
        pass
    process.wait()
    return process.exitstatus, said.decode()


@pytest.mark.parametrize("term", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_draw(term: str) -> None:
    code, said = in_terminal(env=environment(TERM=term))
    assert code == 2
    assert "fkexplorer: the app cannot draw" in said
    assert "hint: `fkexplorer check`" in said
    assert "\x1b" not in said


FAULT = """
import fkexplorer.database.source as source
def find_source(url, option, environ):
    password = "a-local-value"
    raise ZeroDivisionError("cannot divide " + environ["PGPASSWORD"] + "\\nDETAIL: a row")
source.find_source = find_source
from fkexplorer.__main__ import main
main()
"""


def test_a_fault_writes_one_line_and_a_private_file(tmp_path: Path) -> None:
    env = environment(XDG_STATE_HOME=str(tmp_path), PGPASSWORD="hunter2-sesame")
    done = asyncio.run(run("check", code=FAULT, env=env))
    assert done.code == 3
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("fkexplorer: a fault of fkexplorer: ZeroDivisionError: cannot divide ***")
    path = Path(line.rpartition(" ")[2])
    assert path.parent == tmp_path / "fkexplorer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "ZeroDivisionError" in text
    assert "hunter2-sesame" not in done.err + text
    assert "a-local-value" not in text
    assert "a row" not in text.replace('DETAIL: a row")', "")


def test_a_fault_without_a_home(tmp_path: Path) -> None:
    env = environment(XDG_STATE_HOME="/dev/null", HOME="/dev/null", TMPDIR=str(tmp_path), PGPASSWORD="x-y-z")
    done = asyncio.run(run("check", code=FAULT, env=env))
    assert done.code == 3
    path = Path(done.err.strip().rpartition(" ")[2])
    assert path.parent.parent == tmp_path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
