"""A program in a real pseudo-terminal, looked at as a person would: keys in, the screen out."""

from __future__ import annotations

import os
import re
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pyte
from ptyprocess import PtyProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

KEYS = {
    "<up>": "\x1b[A",
    "<down>": "\x1b[B",
    "<right>": "\x1b[C",
    "<left>": "\x1b[D",
    "<pgdn>": "\x1b[6~",
    "<pgup>": "\x1b[5~",
    "<esc>": "\x1b",
    "<enter>": "\r",
    "<tab>": "\t",
    "<backtab>": "\x1b[Z",
    "<bs>": "\x7f",
    "<c-c>": "\x03",
    "<c-s>": "\x13",
}

# What pyte cannot parse: kitty's keyboard protocol, queries of modes, OSC strings, synchronised output.
_UNKNOWN_TO_PYTE = re.compile(
    rb"\x1b\[[<>=?][0-9;]*[uhlq]|\x1b\[\?[0-9;]*\$p|\x1b\[>[0-9;]*[a-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\"
)


class Terminal:
    """A program with a screen of its own; killed when the block is left."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cols: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self.screen)
        # TERM says 256 colours; the caller's own wishes about colour would change what is measured.
        plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM")}
        full = {**plain, "TERM": "xterm-256color", "COLUMNS": str(cols), "LINES": str(rows), **(env or {})}
        self.process = PtyProcess.spawn(list(command), dimensions=(rows, cols), env=full)
        self.raw = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.isalive():
            self.process.terminate(force=True)
        self.process.close(force=True)

    def pump(self, seconds: float) -> int:
        """Read what the program prints until nothing came for `seconds`; the number of bytes."""
        got = 0
        while select.select([self.process.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.process.fd, 65536)
            except OSError:
                break
            if not data:
                break
            got += len(data)
            self.raw += data
            self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data))
        return got

    def sent_in(self, seconds: float) -> int:
        """The number of bytes that the program prints in this time."""
        begin, end = len(self.raw), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(min(0.1, left))
        return len(self.raw) - begin

    @property
    def text(self) -> str:
        """The screen, a line each, without trailing spaces."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def send(self, *keys: str, settle: float = 0.2) -> None:
        """Press keys, `<enter>` and the like by name, and wait until the screen is quiet after each."""
        for key in keys:
            self.process.write(re.sub(r"<[a-z-]+>", lambda found: KEYS[found[0]], key).encode())
            self.pump(settle)

    def wait_for(self, pattern: str, timeout: float = 20.0) -> float:
        """Seconds until the screen shows this regular expression; AssertionError with the screen if it never does."""
        begin = time.monotonic()
        while time.monotonic() - begin < timeout:
            self.pump(0.02)
            if re.search(pattern, self.text):
                return time.monotonic() - begin
            if not self.process.isalive():
                self.pump(0.1)
                break
        if re.search(pattern, self.text):
            return time.monotonic() - begin
        alive = "runs" if self.process.isalive() else f"ended with {self.process.exitstatus}"
        raise AssertionError(f"no {pattern!r} on the screen, the program {alive}:\n{self.text}")

    def exit_code(self, timeout: float = 10.0) -> int:
        """The program's exit code once it ends; AssertionError if it does not."""
        begin = time.monotonic()
        while self.process.isalive():
            if time.monotonic() - begin > timeout:
                raise AssertionError(f"still running:\n{self.text}")
            with suppress(OSError):
                self.pump(0.05)
        self.pump(0.05)
        status = self.process.exitstatus
        return status if status is not None else 128 + (self.process.signalstatus or 0)
