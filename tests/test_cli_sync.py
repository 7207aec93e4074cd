"""Incident 3 without a screen, from the text of the error to a pair that is kept in step: explain, plan, psql."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from tests.fixes.psqlrun import psql_of, run_script
from tests.fixes.test_sync import USERS, left, made
from tests.test_cli_explain import PROFILES, errors, explain, flat, query
from tests.test_cli_fixes import Done
from tests.test_cli_plan import planned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIR = "chat.user_profiles(id):auth.users(id)"
NAME = "display_name=coalesce(s.raw_user_meta_data ->> 'full_name', split_part(s.email, '@', 1))"


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


async def test_incident_3_to_its_end(demo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def carried_out(*arguments: str) -> str:
        assert await planned(demo, list(arguments)) == 0
        ran = await run_script(psql_of(18), demo, capsys.readouterr().out, tmp_path)
        assert ran.code == 0, ran.said
        return ran.out

    code, [error] = await errors(PROFILES, demo)
    assert code == 1
    suggested = {each["action"]: each for each in error["suggestions"]}
    assert suggested["sync-trigger"]["edge"] == "chat.user_profiles.user_profiles_id_fkey"
    assert suggested["sync-trigger"]["command"] == (
        "fkexplorer plan chat.user_profiles.user_profiles_id_fkey sync-trigger"
    )
    filled = ("chat.chat_conversations.chat_conversations_user_id_fkey", "backfill", "--from", "auth.users")
    await carried_out(*filled, "--scope", "gap", "--set", NAME)
    code, [error] = await errors(PROFILES, demo)
    assert (code, error["gap"]["missing"], error["gap"]["trigger"]) == (0, 1, None)
    assert "sync-trigger" in {each["action"] for each in error["suggestions"]}
    assert "fkexplorer: proven: a made-up row" in await carried_out(PAIR, "sync-trigger", "--set", NAME)
    new = "INSERT INTO auth.users (id, email, created_at) VALUES (gen_random_uuid(), 'new@x.example', now())"
    query(demo, new)
    assert query(demo, "SELECT display_name FROM chat.user_profiles WHERE email = 'new@x.example'") == [("new",)]
    assert await planned(demo, [PAIR, "sync-trigger", "--set", NAME]) == 0
    kept = "auth.users and chat.user_profiles are kept in step already, by the trigger sync_user_profiles"
    again = capsys.readouterr()
    assert f"nothing to do; {kept}" in again.err
    ran = await run_script(psql_of(18), demo, again.out, tmp_path)
    assert (ran.code, "nothing to do" in ran.out) == (0, True), ran.said
    code, [error] = await errors(PROFILES, demo)
    assert (code, error["gap"]["missing"], error["gap"]["trigger"]) == (0, 1, "sync_user_profiles")
    assert "sync-trigger" not in {each["action"] for each in error["suggestions"]}
    text = flat((await explain(PROFILES, "-d", demo)).out)
    assert "New rows are kept in step by the trigger sync_user_profiles of auth.users." in text


async def test_it_is_taken_back_in_a_terminal(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo, folder = make_database(USERS), tmp_path / "fkexplorer"
    folder.mkdir(mode=0o700)
    before = left(conninfo)
    _, outcome = await made(conninfo, folder)
    with Done(conninfo, tmp_path, outcome.entry, {}).undo("--allow-writes") as terminal:
        terminal.wait_for("to arm writing, type ")
        assert 'SQL: DROP TRIGGER "sync_profiles" ON "auth"."users"' in terminal.text
        assert "not brought back" not in terminal.text
        terminal.send(terminal.text.partition("to arm writing, type ")[2].split()[0], "<enter>")
        terminal.wait_for("type the trigger's name, sync_profiles")
        terminal.send("sync_profiles", "<enter>")
        terminal.wait_for("taken back")
        assert terminal.exit_code() == 0
    assert left(conninfo) == before
    [undone, entry] = Journal(folder).entries()
    assert (undone.action, entry.action, entry.state) == ("undo", "sync-trigger", State.UNDONE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([PAIR, "sync-trigger", "--strict-lock"], "sync-trigger locks the parent as it needs to"),
        ([PAIR, "sync-trigger", "--repeatable", "--max-rows", "1"], "sync-trigger changes no rows"),
        ([PAIR, "sync-trigger", "--rule", "cascade"], "--rule is not for sync-trigger"),
        ([PAIR, "backfill", "--strict-trigger"], "--strict-trigger is not for backfill"),
        ([PAIR, "sync-trigger", "--set", "nick=1"], "nick"),
    ],
)
async def test_options_that_are_not_its_own(demo: str, arguments: list[str], words: str) -> None:
    with pytest.raises(Trouble, match=words):
        await planned(demo, arguments)
