"""A fix by keys, from the panel to its end, and its undo; for the tests on the demo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.journal import JournalScreen
from tests.tui.test_fixes import confirm, deed, panel, previewed, said

if TYPE_CHECKING:
    from tests.tui.helpers import Person


async def numbers(url: str, query: str) -> list[int]:
    """All the numbers that a query gives, row after row."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await (await connection.execute(query.encode())).fetchall()
    return [int(value) for row in found for value in row]


async def look(person: Person, table: str, edge: str, letter: str, *fields: str) -> str:
    """What the preview of a fix says.

    Args:
        person: armed, and on the main screen.
        table: the child.
        edge: the constraint's name.
        letter: of the fix in the panel.
        fields: what is typed into each, if it asks for something.
    """
    await panel(person, edge, table)
    return await answered(person, letter, *fields)


async def answered(person: Person, letter: str, *fields: str) -> str:
    """The same, where the panel is open."""
    await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
    await person.settle()
    await person.press(letter)
    if fields:
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        for field in fields:
            await person.type(field)
            await person.press("enter")
    await previewed(person)
    return await said(person)


async def do(person: Person, answer: str) -> str:
    """What is said at the end of a fix whose preview is shown, confirmed by this."""
    assert deed(person).deed.confirm == answer, await said(person)
    await confirm(person, answer)
    await previewed(person, Phase.ENDED)
    return await said(person)


async def back(person: Person) -> None:
    """To the main screen."""
    while person.app.screen is not person.app.main:
        await person.press("escape")


async def undo(person: Person, answer: str) -> str:
    """What is said at the end of the undo of the newest entry of the journal."""
    await back(person)
    await person.press("J")
    await person.until(lambda: isinstance(person.app.screen, JournalScreen) and person.app.screen.list.entries)
    await person.settle()
    await person.press("u")
    await previewed(person)
    text = await do(person, answer)
    await back(person)
    return text


def verified(text: str, before: int, after: int) -> bool:
    """Whether the end shows how many orphans there were and are."""
    return re.search(rf"orphans +{before} -> {after}\b", text) is not None
