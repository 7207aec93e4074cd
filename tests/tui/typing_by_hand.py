"""The speed of keys, for tests: each a second after the one before, or all of them at once."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

from fkexplorer.tui.fixes import typed

if TYPE_CHECKING:
    import pytest


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come as a careful person presses them."""
    seconds = count(time.monotonic() + 10)
    monkeypatch.setattr(typed, "when", lambda _: float(next(seconds)))


def burst(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come all at once, a while after the question."""
    at = time.monotonic() + 1000
    monkeypatch.setattr(typed, "when", lambda _: at)
