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
ILL = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (p_id text);
CREATE TABLE d (p_id int);
ALTER TABLE d ADD CONSTRAINT d_fkey FOREIGN KEY (p_id) REFERENCES p NOT VALID;
"""


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


@pytest.fixture(name="ill")
async def _ill(database_url: str) -> str:
    """A database with a pair that can't be made, once it is configured, and a constraint that is NOT VALID."""
    await execute(database_url, ILL)
    return database_url


async def test_the_doctor_s_known_findings_stay_known(ill: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[[relationships]]\npair = "public.c(p_id):public.p(id)"\n')
    path = tmp_path / "known.json"
    options = ("-d", ill, "--config", str(config), "--format", "json", "--baseline", str(path))
    written = await run("doctor", *options[:4], "--write-baseline", str(path))
    assert written.code == 0
    assert json.loads(path.read_text())["doctor"] == [
        {"code": "not_valid", "subject": "public.d.d_fkey"},
        {"code": "types_differ", "subject": "public.c(p_id):public.p(id)"},
    ]
    known = await run("doctor", *options)
    assert known.code == 0, known.err
    document = json.loads(known.out)
    assert {each["code"]: each["excused"] for each in document["findings"]} == {
        "types_differ": "in the baseline",
        "not_valid": "in the baseline",
    }
    assert document["summary"]["errors"] == 0
    assert document["summary"]["excused"] == 2

    await execute(ill, "CREATE TABLE e (p_id int REFERENCES p); ALTER TABLE e DISABLE TRIGGER ALL")
    assert (await run("doctor", *options)).code == 0, "a warning alone does not fail"
    strict = await run("doctor", *options, "--fail-on", "warning")
    assert strict.code == 1
    new = [each for each in json.loads(strict.out)["findings"] if each["excused"] is None]
    assert [each["code"] for each in new] == ["triggers_disabled"]

    junit = await run("doctor", *options[:4], "--format", "junit", "--baseline", str(path))
    suite = ET.fromstring(junit.out).find("testsuite")  # noqa: S314 - it is our own
    assert suite is not None
    assert suite.get("failures") == "0"
    assert sum("in the baseline" in str(each.get("message")) for each in suite.iter("skipped")) == 2


async def test_a_finding_is_ignored_for_a_reason_until_its_day(ill: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    entry = '[[ignored]]\nedge = "public.d.d_fkey"\nfinding = "not_valid"\nreason = "after the freeze"\nuntil = {}\n'
    config.write_text(entry.format("2999-01-31"))
    ignored = await run("doctor", "-d", ill, "--config", str(config), "--fail-on", "notice")
    assert ignored.code == 0, ignored.out
    assert "ignored until 2999-01-31: after the freeze" in ignored.out
    config.write_text(entry.format("2026-01-31"))
    lapsed = await run("doctor", "-d", ill, "--config", str(config), "--fail-on", "notice")
    assert lapsed.code == 1
    assert "public.d.d_fkey, not_valid: was ignored until 2026-01-31: after the freeze" in lapsed.err
    config.write_text(entry.format("2999-01-31").replace("not_valid", "no_index"))
    other = await run("doctor", "-d", ill, "--config", str(config), "--fail-on", "notice")
    assert other.code == 1, "only that one finding is ignored"
