"""Connecting in vain: what is told must be fit to be shown."""

from __future__ import annotations

import traceback

import psycopg
import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source

PASSWORD = "♠-s3cret-♥"  # noqa: S105 - of a role of these tests
WRONG = "♠-wr0ng-♥"


async def refusal(conninfo: str, *, password: str | None = None, timeout: float = 10.0) -> Trouble:  # noqa: ASYNC109
    """Connect in vain; whatever is raised must be fit to be shown."""
    with pytest.raises(Trouble) as caught:
        await Database.connect(Source(conninfo, "argument"), password=password, timeout=timeout)
    trouble = caught.value
    assert trouble.reason
    assert trouble.hint
    for line in (trouble.reason, trouble.hint):
        assert line.isprintable(), line
    shown: BaseException | None = trouble
    while shown is not None:
        text = "".join(map(str, (*shown.args, repr(shown), str(shown), vars(shown))))
        assert "s3cret" not in text
        assert "wr0ng" not in text
        # libpq's own error holds the password that it tried.
        assert not isinstance(shown, psycopg.Error)
        shown = shown.__cause__ or shown.__context__
    report = "".join(traceback.format_exception(trouble))
    assert "s3cret" not in report
    assert "wr0ng" not in report
    return trouble
