"""A trigger for the pair of incident 3, by keys on the demo: made, proven, seen to work, taken back; or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from fkexplorer.schema.actions import FixAction
from fkexplorer.tui.dialogs import TextLines
from tests.tui.on_demo import back, do, look, undo
from tests.tui.test_fixes import armed, by_hand, panel, rows, said

if TYPE_CHECKING:
    from tests.tui.helpers import Person

__all__ = ["by_hand"]

EDGE = "user_profiles_id_fkey"
NAME = "coalesce(s.raw_user_meta_data ->> 'full_name', split_part(s.email, '@', 1))"
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
        await undo(person, "sync_user_profiles")
    assert await rows(demo_copy, TRIGGERS) == []
    assert await signed_up(demo_copy) == []
