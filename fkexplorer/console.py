"""Where a command's output goes: data to stdout, words to stderr, progress to stderr when somebody watches."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

from fkexplorer.database.model import Trouble
from fkexplorer.reports.values import fit, inert

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFRESH = 0.1
"""Seconds between two lines of progress: more often nobody can read them."""


def speaks_unicode(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether box drawing and letters beyond ASCII survive on a stream.

    On a terminal the locale decides, by the first of LC_ALL, LC_CTYPE and LANG that is set: under `LANG=C` Python
    says UTF-8 all the same, the terminal does not.
    """
    if stream is None or "utf" not in (stream.encoding or "").lower():
        return False
    if not stream.isatty():
        return True
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    return "utf" in locale.lower()


def dumb(environ: Mapping[str, str]) -> bool:
    """Whether the terminal cannot move its cursor."""
    return environ.get("TERM", "") in ("dumb", "unknown", "")


def needs_screen(environ: Mapping[str, str]) -> None:
    """Make sure that the app can draw.

    Raises:
        Trouble: there is no terminal, or none that can move its cursor (`no_terminal`).
    """
    hint = "`fkexplorer check` counts orphans without a screen"
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise Trouble("the app needs a terminal and there is none", hint, code="no_terminal")
    if dumb(environ):
        raise Trouble(
            f"the app cannot draw on a terminal of TERM={environ.get('TERM', '')!s}", hint, code="no_terminal"
        )


class Console:
    """The two streams of this process."""

    def __init__(self, environ: Mapping[str, str], *, ascii: bool = False) -> None:
        self.ascii = ascii or not speaks_unicode(sys.stdout, environ)
        self._watched = sys.stderr is not None and sys.stderr.isatty() and not dumb(environ)
        self._drawn = 0.0
        self._showing = False
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    @property
    def to_terminal(self) -> bool:
        """Whether the data goes to a terminal, which would obey what is in it."""
        return sys.stdout is not None and sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Cells of the terminal (or $COLUMNS); 80 where there is none."""
        return shutil.get_terminal_size((80, 24)).columns

    def data(self, text: str) -> bool:
        """Write to stdout; False once its reader has gone, as `head` does, which is no fault.

        Raises:
            Trouble: it cannot be written for another reason, as a full disk.
        """
        if sys.stdout is None:
            return False
        self.finish()
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            # What is left in the buffer must not fail again when Python closes the stream.
            hole = os.open(os.devnull, os.O_WRONLY)
            os.dup2(hole, sys.stdout.fileno())
            os.close(hole)
            if error.errno in (errno.EPIPE, errno.ESHUTDOWN):
                return False
            raise Trouble(
                f"cannot write the output: {error.strerror}", "free some space, or write it elsewhere", code="output"
            ) from None
        return True

    def lines(self, lines: list[str]) -> bool:
        """Write lines to stdout."""
        return self.data("".join(f"{line}\n" for line in lines))

    def say(self, words: str) -> None:
        """A line of words on stderr, made inert."""
        self.finish()
        self._words(f"fkexplorer: {inert(words, ascii=self.ascii)}\n")

    def trouble(self, trouble: Trouble) -> None:
        """The reason and the hint, a line each."""
        self.say(trouble.reason)
        if trouble.hint:
            self._words(f"  hint: {inert(trouble.hint, ascii=self.ascii)}\n")

    def progress(self, words: str) -> None:
        """Replace the line of progress, if stderr is a terminal."""
        now = time.monotonic()
        if self._watched and now - self._drawn >= _REFRESH:
            self._drawn = now
            self._showing = True
            self._words("\r\x1b[K" + fit(words, self.width - 1, middle=False, ascii=self.ascii, pad=False))

    def finish(self) -> None:
        """Take the line of progress away."""
        if self._showing:
            self._showing = False
            self._words("\r\x1b[K")

    @staticmethod
    def _words(text: str) -> None:
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            sys.stderr = None  # nobody listens any more
