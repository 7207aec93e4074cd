"""`explain` and `doctor` through pgbouncer in transaction mode: they say the same as without."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from tests.database import test_pooler
from tests.test_cli_doctor import SESSIONS, document
from tests.test_cli_explain import INCIDENT, NEXTAUTH, PRIMARY, PROFILES, WORKSPACES, errors

pooled = test_pooler.pooled
_TIMES = frozenset({"at", "as_of", "seconds", "forecast"})


@pytest.fixture(scope="module")
def both(pooled: str) -> tuple[str, str]:
    """The demo behind a pooler, and the same database without it."""
    with psycopg.connect(pooled) as connection:
        [port] = connection.execute("SELECT inet_server_port()").fetchone() or (0,)
    direct = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    build_demo(direct)
    return pooled, direct


def without_times(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value without when and how fast it was found."""
    if isinstance(value, dict):
        return {name: without_times(each) for name, each in value.items() if name not in _TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("text", "edge"),
    [
        (INCIDENT, None),
        (WORKSPACES, f"workspaces.{PRIMARY}"),
        (WORKSPACES, f"workspaces_dangling.{PRIMARY}"),
        (PROFILES, None),
        (NEXTAUTH, None),
    ],
    ids=["github", "workspaces", "dangling", "profiles", "nextauth"],
)
async def test_it_says_the_same(both: tuple[str, str], text: str, edge: str | None) -> None:
    through, direct = [await errors(text, conninfo, edge) for conninfo in both]
    assert through[1][0]["problem"] is None
    assert len(through[1][0]["findings"]) > 1
    assert through[0] == direct[0]
    assert without_times(through[1]) == without_times(direct[1])


@pytest.mark.parametrize("arguments", [(), (SESSIONS,)], ids=["all", "sessions"])
async def test_the_doctor_says_the_same(
    both: tuple[str, str], arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    through, direct = [await document(conninfo, capsys, *arguments) for conninfo in both]
    assert through["findings"]
    assert through["not_looked"] == []
    for each in ("findings", "not_looked", "skipped", "summary"):
        assert without_times(through[each]) == without_times(direct[each])
