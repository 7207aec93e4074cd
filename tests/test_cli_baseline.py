"""`check` with a baseline, and in the forms for CI, as processes on a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.commands import assert_told, run
from tests.test_cli_commands import SHOP, execute

if TYPE_CHECKING:
    from pathlib import Path

EDGE = "public.orders.orders_customer_id_fkey"


@pytest.fixture
async def shop(database_url: str) -> str:
    """A database with one broken foreign key of four."""
    await execute(database_url, SHOP)
    return database_url


async def test_known_problems_stay_known_and_new_ones_fail(shop: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    written = await run("check", shop, "--write-baseline", str(path))
    assert (written.code, written.err.splitlines()[-1]) == (0, f"fkexplorer: {path}: 1 foreign key with orphans")
    assert json.loads(path.read_text())["check"]["orphans"] == {EDGE: 5}
    known = await run("check", shop, "--baseline", str(path))
    assert known.code == 0
    assert "known or ignored:" in known.out
    assert "(in the baseline with 5 orphans)" in known.out

    await execute(shop, "SET session_replication_role = replica; UPDATE orders SET customer_id = 950 WHERE id = 1")
    more = await run("check", shop, "--baseline", str(path))
    assert more.code == 1
    assert "baseline" not in more.out

    await execute(shop, "DELETE FROM orders WHERE customer_id >= 900 AND id > 20")
    fewer = await run("check", shop, "--baseline", str(path), "--format", "json")
    assert fewer.code == 0
    document = json.loads(fewer.out)
    [edge] = [edge for edge in document["edges"] if edge["id"] == EDGE]
    assert (edge["status"], edge["excused"]) == ("orphans", "in the baseline with 5 orphans")
    assert document["summary"]["excused"] == 1
    assert f"fewer orphans than in the baseline: {EDGE}" in fewer.err


async def test_another_table_s_orphans_are_new(shop: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    await run("check", shop, "--write-baseline", str(path))
    await execute(shop, "SET session_replication_role = replica; UPDATE items SET order_id = 999 WHERE id = 1")
    found = await run("check", shop, "--baseline", str(path))
    assert found.code == 1
    lines = found.out.splitlines()
    assert "items_order_id_fkey" in lines[0], "what is new comes first"


async def test_a_baseline_that_is_none_is_told(shop: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    assert_told(await run("check", shop, "--baseline", str(path)), "No such file", "--write-baseline")
    path.write_text('{"edges": []}')
    assert_told(await run("check", shop, "--baseline", str(path)), "it is no baseline", "--write-baseline")
    assert_told(await run("check", shop, "--write-baseline", str(path)), "it is no baseline", "--write-baseline")
    assert path.read_text() == '{"edges": []}', "what is no baseline is not overwritten"
    missing = tmp_path / "nowhere" / "known.json"
    unwritten = await run("check", shop, "--write-baseline", str(missing))
    assert unwritten.code == 2
    assert "cannot be written: No such file" in unwritten.err


async def test_forms_for_ci(shop: str) -> None:
    junit = await run("check", shop, "--format", "junit")
    assert junit.code == 1
    suite = ET.fromstring(junit.out).find("testsuite")  # noqa: S314 - it is our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "0")
    markdown = await run("check", shop, "--format", "markdown")
    assert markdown.code == 1
    assert "## Orphans" in markdown.out
    assert f"| `{EDGE}` |" in markdown.out
