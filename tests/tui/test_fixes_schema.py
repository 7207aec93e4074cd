"""By keys: what a constraint rests on is made (an index, a unique key, a type), triggers fire again, it is enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import ModalScreen

from tests.tui.on_demo import answered, back, do, look, verified
from tests.tui.test_fixes import armed, by_hand, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, email text);
CREATE TABLE c (id int, pid int CONSTRAINT fk REFERENCES p, email text);
CREATE TABLE later (id int, pid int CONSTRAINT not_yet REFERENCES p NOT ENFORCED);
CREATE TABLE quiet (id int, pid int CONSTRAINT off REFERENCES p);
ALTER TABLE quiet DISABLE TRIGGER ALL;
INSERT INTO p VALUES (1, 'a@x'), (2, 'b@x');
INSERT INTO c VALUES (1, 1, 'a@x'); INSERT INTO later VALUES (1, 1); INSERT INTO quiet VALUES (1, 9);
"""


def flat(text: str) -> str:
    """On one line, however it was wrapped."""
    return " ".join(text.split())


async def pair(person: Person, text: str) -> None:
    """The panel of two columns that are typed."""
    await back(person)
    await person.press("=")
    await person.until(lambda: isinstance(person.app.screen, ModalScreen))
    await person.settle()
    await person.press("ctrl+u")
    await person.type(text)
    await person.press("ctrl+f")


async def known(person: Person, table: str, column: str, type_text: str) -> None:
    """Wait until the app has read that a column has that type."""
    await person.until(
        lambda: (
            (schema := person.app.world.schema) is not None
            and any(
                each.name == table and any((own.name, own.type_text) == (column, type_text) for own in each.columns)
                for each in schema.tables.values()
            )
        )
    )


async def test_an_index_a_unique_key_triggers_and_enforcing(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE)
    async with armed(url) as person:
        text = await look(person, "c", "fk", "x", "")
        assert 'CREATE INDEX CONCURRENTLY "c_pid_idx"' in text
        assert "reads and writes go on; it waits for all transactions that run when it begins" in flat(text)
        assert "done" in await do(person, "c_pid_idx")
        assert await rows(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'c_pid_idx'::regclass") == [(True,)]
        await pair(person, "c(email):p(email)")
        text = await answered(person, "u", "mail_key")
        assert "UNIQUE USING INDEX" in text
        await do(person, "mail_key")
        assert await rows(url, "SELECT contype::text FROM pg_constraint WHERE conname = 'mail_key'") == [("u",)]
        await back(person)
        text = await look(person, "later", "not_yet", "e")
        assert "ALTER CONSTRAINT" in text
        assert verified(await do(person, "not_yet"), 0, 0)
        assert await rows(url, "SELECT convalidated FROM pg_constraint WHERE conname = 'not_yet'") == [(True,)]
        await back(person)
        text = await look(person, "quiet", "off", "w")
        assert "1 orphan is there and stays: mend it, then revalidate" in flat(text)
        assert verified(await do(person, "off"), 1, 1)
        assert await rows(url, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'") == [(0,)]


async def test_incident_4_from_two_types_to_a_valid_constraint(demo_copy: str) -> None:
    sides = "nextauth.sessions(user_id):nextauth.users(id)"
    async with armed(demo_copy) as person:
        await pair(person, sides)
        text = await answered(person, "d", "")
        assert "nextauth.sessions: 8 deleted" in text
        text = flat(await do(person, "8"))
        assert "every value casts now, and of those that do none has no parent" in text
        assert "orphans 5, and 3 rows do not cast -> 0, and 0 rows do not cast" in text
        await pair(person, sides)
        text = await answered(person, "y", "")
        assert "built anew with it: sessions_user_id_idx" in flat(text)
        assert "1 value is spelled otherwise than uuid writes them" in flat(text)
        assert "done" in await do(person, "user_id")
        await back(person)
        await known(person, "sessions", "user_id", "uuid")
        await pair(person, sides)
        await answered(person, "c", "", "cascade")
        assert verified(await do(person, "sessions_user_id_fkey"), 0, 0)
    made = "SELECT convalidated FROM pg_constraint WHERE conname = 'sessions_user_id_fkey'"
    assert await rows(demo_copy, made) == [(True,)]
