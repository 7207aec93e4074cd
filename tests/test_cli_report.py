"""`fkexplorer report`: the incident report of the demo's incidents, and nothing in it that was not found."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.demo.database import build_demo
from tests.commands import Done, assert_told, environment, run
from tests.test_cli_explain import PRIMARY, PROFILES, WORKSPACE, WORKSPACES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECTIONS = [
    *("Summary", "The error", "Impact", "State of the database", "Causes found", "Causes ruled out"),
    *("Options, awaiting approval", "Verification", "Prevention"),
]
EDGE = f"workspaces_dangling.{PRIMARY}"
MEMBERS = "workspaces_dangling.workspace_members.workspace_members_workspace_id_workspaces_id_fk"


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    """The demo's database."""
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


async def report(text: str, folder: Path, *arguments: str) -> Done:
    """The report of a text, with a journal of its own in that folder."""
    path = folder / "err.txt"
    path.write_text(text)
    return await run("report", str(path), *arguments, env=environment(XDG_STATE_HOME=str(folder)))


async def test_incident_2_in_full(demo: str, tmp_path: Path) -> None:
    done = await report(WORKSPACES, tmp_path, "-d", demo, "--edge", EDGE)
    assert done.code == 0, done
    lines = done.out.splitlines()
    assert lines[0] == f"# Incident report: {EDGE}"
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == SECTIONS
    for words in (
        "- Status: open",
        "- Prepared by: ",
        "- Reviewed by:",
        f"- Affected key: primary_workspace_id = {WORKSPACE}",
        f"- {MEMBERS}: 1 orphan",
        f"- {EDGE}: 179 rows, 179 parents, 0 NULL, 0 orphans, 0 missing keys, 0 parents without a child",
        "- 1 row of workspaces_dangling.workspace_members.workspace_id (refers to it)",
        f"   - Plan: `fkexplorer plan {MEMBERS} delete`",
        "   - Approved by:",
        "FOR KEY SHARE",
    ):
        assert words in done.out, done.out
    assert "Fixes that were made" not in done.out
    assert all(re.search(r"\d\d:\d\d:\d\d\]\*$", line) for line in lines if line.endswith("]*"))
    # What is told of a query is what it gives by hand.
    queries = re.findall(r"```sql\n(SELECT.*?);\n```\nGave: (\d+)", done.out, re.DOTALL)
    assert len(queries) >= 4
    with psycopg.connect(demo) as connection:
        for query, number in queries:
            assert connection.execute(query.encode()).fetchone() == (int(number),), query


async def test_a_fix_that_ran_is_told_with_before_and_after(demo: str, tmp_path: Path) -> None:
    with psycopg.connect(demo) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    common = {"entry": "20261120-091402-a1b2", "at": "2026-11-20T09:14:02+00:00"}
    begun = {
        **common,
        "event": "begun",
        "action": "delete",
        "edge": MEMBERS,
        "database": f"postgres@[local]/{name}",
        "person": "ann",
        "machine": "m",
        "sql": ["DELETE"],
        "undo": [],
        "lasting": [],
        "system": "1",
    }
    touched = [{"table": "workspaces_dangling.workspace_members", "deleted": 1, "updated": 0, "inserted": 0}]
    events = [
        begun,
        {**common, "event": "committing", "part": 0, "xid": "9", "touched": touched},
        {**common, "event": "committed", "part": 0, "xid": "9"},
        {**common, "event": "verified", "before": 1, "after": 0, "gap_before": None, "gap_after": None},
        {**common, "event": "ended", "ending": "done", "words": "done: no orphan remains"},
        {**begun, "entry": "20261120-091403-a1b2", "database": "postgres@elsewhere/other"},
    ]
    folder = tmp_path / "fkexplorer"
    folder.mkdir(mode=0o700)
    (folder / "journal.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    done = await report(WORKSPACES, tmp_path, "-d", demo, "--edge", EDGE)
    section = done.out.partition("## Fixes that were made\n")[2].partition("\n## ")[0]
    assert f"2026-11-20 09:14:02 UTC: delete of {MEMBERS} by ann" in section
    assert "orphans before 1, after 0" in section
    assert "workspace_members: 1 deleted" in section
    assert "gap" not in section
    assert section.count("20261120") == 1


async def test_incident_3_tells_the_gap_and_its_plan(demo: str, tmp_path: Path) -> None:
    done = await report(PROFILES, tmp_path, "-d", demo)
    impact = done.out.partition("## Impact")[2].partition("\n## ")[0]
    assert "- 37 of 412 rows of auth.users have no row in chat.user_profiles." in impact
    assert "backfill --from auth.users --scope gap`" in done.out
    assert (
        "Give each new row of auth.users its row in chat.user_profiles by a trigger"
        in (done.out.partition("## Prevention")[2])
    )
    assert "Plan: `fkexplorer plan chat.user_profiles.user_profiles_id_fkey sync-trigger`" in done.out


async def test_without_an_error_there_is_no_report(demo: str, tmp_path: Path) -> None:
    done = await report("all is well\n", tmp_path, "-d", demo)
    assert (done.code, done.out) == (0, "")
    assert "no foreign-key error" in done.err
    assert_told(await report(PROFILES, tmp_path, "-d", "host=127.0.0.1 port=1 dbname=x"))
