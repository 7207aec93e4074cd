"""A parent that is found by a few letters while the orphans are re-pointed, by keys, on a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.fixes import searching
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.said import ParentsFound
from fkexplorer.tui.fixes.searching import ParentField
from tests.tui.helpers import Person, opened, run
from tests.tui.test_fixes import MAKE, ORPHANS, armed, by_hand, confirm, panel, previewed, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.fixes.finding import Found

__all__ = ["by_hand"]


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE + "UPDATE p SET name = E'Zo\\xc3\\xab \\x1b[31m' WHERE id = 7;")


async def asked(person: Person) -> ParentField:
    await panel(person)
    await person.press("p")
    await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
    await person.settle()
    return person.app.screen.query_one(ParentField)


async def test_a_parent_is_chosen_by_search(url: str) -> None:
    async with armed(url) as person:
        await asked(person)
        await person.type("ZO")
        await person.sees(r"1 parent by key, name")
        assert "\x1b" not in person.text
        await person.sees("as it is typed")
        await person.press("down", "enter")
        screen = await previewed(person)
        assert screen.deed.confirm == "5"
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
    assert await rows(url, ORPHANS) == [(0,)]
    assert await rows(url, "SELECT count(*) FROM c WHERE pid = 7 AND id > 10") == [(5,)]


async def test_many_are_found_and_one_is_taken_by_arrow_keys_on_a_small_screen(url: str) -> None:
    async with opened(url, size=(50, 16)) as person:
        field = await asked(person)
        await person.type("parent")
        await person.sees("9 parents")
        await person.press("down", "down", "down", "up")
        key = field.chosen
        await person.sees(f" {key}  parent {key}")
        # Up to the first line again: what is typed is the key.
        await person.press("up", "up")
        assert field.chosen is None
        await person.press("down", "enter")
        await previewed(person)
        await person.sees(r"CAST\('1' AS")


async def test_typed_on_what_was_looked_for_is_dropped(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PAUSE", 0.01)
    async with opened(url) as person:
        field = await asked(person)
        looked: list[str] = []
        find = field._find

        async def slow(text: str) -> Found:
            looked.append(text)
            return await find(text)

        field._find = slow
        await run(url, "ALTER TABLE p RENAME TO hidden")
        await person.type("1")
        await person.sees("does not exist")
        await run(url, "ALTER TABLE hidden RENAME TO p")
        await person.type("0")
        await person.sees(" 10  parent 10")
        assert looked[-1] == "10"
        # An answer to what is no longer typed.
        field.post_message(ParentsFound("1", None, "late"))
        await person.settle()
        assert "late" not in person.text
        await person.press("backspace", "backspace")
        await person.misses("parent 10")


async def test_what_is_refused_says_why(url: str) -> None:
    async with opened(url, max_bytes=0) as person:
        await asked(person)
        await person.type("parent")
        await person.sees("over the limit")
        await person.press("ctrl+u", *"10")
        await person.sees(" 10  parent 10")


async def test_an_ascii_screen(url: str) -> None:
    async with opened(url, ascii_only=True) as person:
        await asked(person)
        await person.type("zo")
        await person.sees("1 parent by key, name")
        assert person.text.isascii(), person.text
