"""What is shown of a statement in a lock wait: what it does, and no value."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fkexplorer.orphans.events import Backend, Wait
from fkexplorer.orphans.waits import masked


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("INSERT INTO c VALUES (3, 'secret')", "INSERT INTO c VALUES (?, ?)"),
        (
            "UPDATE t SET a = -1.5e3, b = 0x1F WHERE c = 'it''s' AND d = E'a\\'b'",
            "UPDATE t SET a = ?, b = ? WHERE c = ? AND d = ?",
        ),
        ('DELETE FROM "Order 66" WHERE t1.id = 5', 'DELETE FROM "Order 66" WHERE t1.id = ?'),
        ("SELECT $1, $fn$secret$fn$, $$another$$", "SELECT $1, ?, ?"),
        ("SELECT 1 -- it's secret\n, 2 /* 'secret' */ FROM t", "SELECT ? , ? FROM t"),
        ("UPDATE t SET token = 'cut off in the mid", "UPDATE t SET token = ?"),
        ("UPDATE t SET token = $x$cut off", "UPDATE t SET token = ?"),
        ("SELECT /* cut 'off", "SELECT"),
        ("SELECT \"cut 'off", "SELECT \"cut 'off"),
        ("SELECT\n\x1b[31m 1", "SELECT \\x1b[? ?"),
    ],
)
def test_masked(statement: str, shown: str) -> None:
    assert masked(statement) == shown


def wait(mode: str, tables: set[int], wanted: int | None) -> Wait:
    return Wait(
        waiter=Backend(1, "u", "a", "INSERT", "active"),
        blockers=(),
        since=datetime(2026, 11, 24, tzinfo=UTC),
        mode=mode,
        tables=frozenset(tables),
        wanted=wanted,
    )


def test_which_edges_are_in_a_wait() -> None:
    child, parent, other = 1, 2, 3
    assert wait("row", {child, parent}, parent).concerns(child, parent)
    assert wait("row", {child, parent}, None).concerns(child, parent)
    assert not wait("row", {parent}, parent).concerns(child, parent)
    assert not wait("row", {child, parent, other}, other).concerns(child, parent)
    assert wait("AccessExclusiveLock", {parent}, parent).concerns(child, parent)
    assert not wait("AccessExclusiveLock", {child, parent, other}, other).concerns(child, parent)
    assert wait("row", {child}, child).concerns(child, child)
