"""The installed command in a real terminal: `fkexplorer --demo` from its start to its end."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.terminal import Terminal

COMMAND = str(Path(sys.executable).with_name("fkexplorer"))
"""The console script beside the Python that runs the tests."""
LEAVES = "\x1b[?1049l"
"""What ends the alternate screen."""


class Demo:
    """`fkexplorer --demo` in a terminal of its own, its server's folder below one of ours."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def family(self) -> list[psutil.Process]:
        """The command's process and what it started."""
        main = psutil.Process(self.terminal.process.pid)
        return [main, *main.children(recursive=True)]

    def server(self) -> tuple[list[psutil.Process], Path]:
        """The processes of the server, and its folder."""
        servers = [each for each in self.family() if each.name().startswith("postgres")]
        assert servers
        lines = [each.cmdline() for each in servers]
        [data] = {Path(words[words.index("-D") + 1]) for words in lines if "-D" in words}
        return servers, data.parent


def assert_gone(processes: list[psutil.Process], folder: Path) -> None:
    """Wait until the server and its folder are gone."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    deadline = time.monotonic() + 10
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()


def test_connect_count_table_rows_quit() -> None:
    with Terminal([COMMAND, "--demo"]) as terminal:
        demo = Demo(terminal)
        terminal.wait_for(r"connecting")
        terminal.wait_for(r"8 FKs with orphans", timeout=60)
        terminal.wait_for(r"shop\.orders +!23")
        assert "demo@[local]/demo" in terminal.text
        assert terminal.text.splitlines()[0].endswith(" RO")
        servers, folder = demo.server()
        assert folder.exists()
        terminal.send("<enter>")
        terminal.wait_for(r"tables > shop\.orders")
        terminal.wait_for(r"customers +!23 NV")
        terminal.send("o")
        terminal.wait_for(r"orders\.customer_id -> customers\.id +23\b")
        terminal.wait_for(r"SO-20250005")
        terminal.send("<enter>")
        terminal.wait_for(r"number +SO-20250005")
        # One layer after the other, then the end.
        terminal.send("q", "q", "q", "q", settle=0.3)
        assert terminal.exit_code() == 0
        said = terminal.raw.decode(errors="replace")
    assert LEAVES in said[-400:]
    assert "\x1b[?25h" in said[said.rindex(LEAVES) - 100 :], "the cursor is shown again"
    assert_gone(servers, folder)


@pytest.mark.parametrize(
    ("way", "code"), [("ctrl-c", 130), ("SIGTERM", 143), ("SIGHUP", 129)], ids=["ctrl-c", "sigterm", "sighup"]
)
def test_other_ends_leave_nothing_either(way: str, code: int) -> None:
    with Terminal([COMMAND, "--demo"]) as terminal:
        terminal.wait_for(r"8 FKs with orphans", timeout=60)
        servers, folder = Demo(terminal).server()
        if way == "ctrl-c":
            terminal.send("<c-c>", "<c-c>")
        else:
            os.kill(terminal.process.pid, getattr(signal, way))
        assert terminal.exit_code() == code
        said = terminal.raw.decode(errors="replace")
        assert LEAVES in said[-600:]
        assert "Traceback" not in said
        assert_gone(servers, folder)


def test_quitting_before_the_server_is_there() -> None:
    with Terminal([COMMAND, "--demo"]) as terminal:
        terminal.wait_for(r"connecting", timeout=60)
        before = Demo(terminal).family()
        terminal.send("q")
        assert terminal.exit_code() == 0
        _, alive = psutil.wait_procs(before, timeout=15)
        assert not alive


def test_a_killed_one_leaves_no_server() -> None:
    with Terminal([COMMAND, "--demo"]) as terminal:
        terminal.wait_for(r"8 FKs with orphans", timeout=60)
        servers, folder = Demo(terminal).server()
        os.kill(terminal.process.pid, signal.SIGKILL)
        assert_gone(servers, folder)


def test_closing_the_terminal_ends_it() -> None:
    with Terminal([COMMAND, "--demo"]) as terminal:
        terminal.wait_for(r"8 FKs with orphans", timeout=60)
        servers, folder = Demo(terminal).server()
        terminal.process.fileobj.close()
        assert_gone(servers, folder)
        deadline = time.monotonic() + 10
        while terminal.process.isalive():
            assert time.monotonic() < deadline
            time.sleep(0.02)
