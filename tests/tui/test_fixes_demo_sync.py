"""A trigger for the pair of incident 3, by keys on the demo: made, proven, seen to work, taken back; or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from fkexplorer.schema.actions import FixAction
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.asking import FieldsScreen
from tests.orphans.connected import run as execute
from tests.test_cli_explain import PROFILES
from tests.tui.on_demo import back, do, look, undo
from tests.tui.test_explain import explained
from tests.tui.test_explain_finding import all_of, to_suggestion
from tests.tui.test_fixes import armed, by_hand, choosing, panel, previewed, rows, said

if TYPE_CHECKING:
    from tests.tui.helpers import Person

__all__ = ["by_hand"]

EDGE = "user_profiles_id_fkey"
NAME = "split_part(s.email, '@', 1)"
KEY = "11111111-2222-3333-4444-555555555555"
TRIGGERS = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'auth.users'::regclass AND NOT tgisinternal"


async def signed_up(url: str) -> list[tuple[object, ...]]:
    """The profiles that somebody who signs up has, who is gone again."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(
            f"INSERT INTO auth.users (id, email, created_at) VALUES ('{KEY}', 'new@x.example', now())".encode()
        )
        found = await connection.execute(f"SELECT display_name FROM chat.user_profiles WHERE id = '{KEY}'".encode())
        profiles = await found.fetchall()
        await connection.rollback()
        return profiles


async def reason(person: Person) -> str:
    """Why the panel of the pair says that it can't be done; empty where it can."""
    await back(person)
    shown = await panel(person, EDGE, "chat.user_profiles")
    await person.until(lambda: shown.choices)
    return next(each.reason for each in shown.choices if each.action is FixAction.SYNC_TRIGGER)


async def told(person: Person, *fields: str) -> None:
    """Type these into the fields that are to be filled in first, and go on to the preview."""
    await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
    await person.settle()
    for at, field in enumerate(fields, 1):
        await person.type(field)
        await person.press("enter" if at < len(fields) else "ctrl+s")
    await previewed(person)


async def strict(person: Person, says: str) -> str:
    """The preview after L, which then says this of it."""
    await person.press("L")
    lines = person.app.screen.query_one(TextLines)
    await person.until(lambda: any(says in "".join(span.text for span in line) for line in lines.content))
    return await said(person)


async def test_a_trigger_is_made_proven_and_taken_back(demo_copy: str) -> None:
    assert await signed_up(demo_copy) == []
    async with armed(demo_copy) as person:
        text = await look(person, "chat.user_profiles", EDGE, "s", NAME, "", "", "", "", "")
        assert "SECURITY DEFINER" in text
        assert "SET search_path = pg_catalog, pg_temp" in text
        assert "37 rows of auth.users have no row in chat.user_profiles now" in " ".join(text.split())
        assert "L refuses such a row" in text
        assert "EXCEPTION WHEN OTHERS" in text
        assert "EXCEPTION WHEN OTHERS" not in await strict(person, "L lets such a row come")
        await strict(person, "L refuses such a row")
        text = " ".join((await do(person, "sync_user_profiles")).split())
        assert "proven: a made-up row of auth.users got its row in chat.user_profiles" in text
        assert "gap 37 -> 37" in text
        assert await rows(demo_copy, TRIGGERS) == [("sync_user_profiles", "O")]
        assert await signed_up(demo_copy) == [("new",)]
        assert await reason(person) == "it is kept in step already, by the trigger sync_user_profiles"
        # One that is off is switched on, and needs no word.
        await execute(demo_copy, "ALTER TABLE auth.users DISABLE TRIGGER sync_user_profiles")
        await back(person)
        text = await look(person, "chat.user_profiles", EDGE, "s")
        assert 'ALTER TABLE "auth"."users" ENABLE TRIGGER "sync_user_profiles"' in text
        await do(person, "sync_user_profiles")
        assert await rows(demo_copy, TRIGGERS) == [("sync_user_profiles", "O")]
        await undo(person, "sync_user_profiles")
        assert await rows(demo_copy, TRIGGERS) == [("sync_user_profiles", "D")]


async def test_incident_3_from_the_paste_to_the_trigger(demo_copy: str) -> None:
    async with armed(demo_copy) as person:
        await explained(person, PROFILES)
        await person.press("a")
        await person.until(lambda: (found := choosing(person)) is not None and found.choices)
        await person.settle()
        await person.press("b")
        await told(person, "", NAME)
        assert "user_profiles_email_key" in await said(person)
        text = await do(person, "36")
        assert "gap 37 -> 1" in " ".join(text.split())
        await person.press("escape", "escape")
        await person.sees("it would not come again now")
        await to_suggestion(person, "Give each new row of auth.users")
        await person.press("enter")
        await told(person, NAME)
        text = " ".join((await do(person, "sync_user_profiles")).split())
        assert "proven: a made-up row of auth.users got its row" in text
        assert await signed_up(demo_copy) == [("new",)]
        await person.press("escape")
        await person.until(lambda: "kept in step by the trigger sync_user_profiles" in all_of(person))
        # Both are in the journal, and both can be taken back.
        await undo(person, "sync_user_profiles")
        assert await rows(demo_copy, TRIGGERS) == []
        assert await signed_up(demo_copy) == []
