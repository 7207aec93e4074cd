"""Which letters a stream can show."""

from __future__ import annotations

import io

import pytest

from fkexplorer.console import dumb, speaks_unicode


class Stream(io.TextIOWrapper):
    """A stream that says whether it is a terminal."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal

    def isatty(self) -> bool:
        """As it was made."""
        return self.terminal


@pytest.mark.parametrize(
    ("encoding", "terminal", "environ", "expected"),
    [
        ("utf-8", True, {"LANG": "en_GB.UTF-8"}, True),
        ("utf-8", True, {"LANG": "C"}, False),  # Python says UTF-8 there, the terminal does not
        ("utf-8", True, {}, False),
        ("utf-8", True, {"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, False),
        ("utf-8", True, {"LC_ALL": "", "LC_CTYPE": "C.utf8", "LANG": "C"}, True),
        ("utf-8", False, {"LANG": "C"}, True),
        ("latin-1", False, {"LANG": "en_GB.UTF-8"}, False),
        ("ascii", True, {"LANG": "en_GB.UTF-8"}, False),
    ],
)
def test_the_terminal_s_locale_decides(encoding: str, terminal: bool, environ: dict[str, str], expected: bool) -> None:
    assert speaks_unicode(Stream(encoding, terminal=terminal), environ) is expected
    assert speaks_unicode(None, environ) is False


def test_dumb_terminals() -> None:
    assert [dumb({"TERM": term}) for term in ("dumb", "unknown", "", "xterm-256color", "linux")] == [
        *(True, True, True),
        *(False, False),
    ]
    assert dumb({})
