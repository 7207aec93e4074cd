"""Fixes of marked rows and of marked keys alone, on real databases: done, counted, in the journal, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.fixes.choosing import letter_of
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.journal import JournalScreen
from fkexplorer.tui.world import View
from tests.tui.helpers import opened, run
from tests.tui.test_fixes import armed, by_hand, confirm, fixes, previewed, rows, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.tui.rows import RowsView
    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int DEFAULT 1, note text);
CREATE TABLE bare (pid int, note text);
INSERT INTO p VALUES (1, 'one'), (2, 'two');
INSERT INTO c VALUES (1, 1, 'fine'), (2, 70, 'a'), (3, 71, 'b'), (4, 70, 'c'), (5, 72, 'd'), (6, 70, 'e');
INSERT INTO bare VALUES (70, 'a'), (71, 'b'), (70, 'c');
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
ALTER TABLE bare ADD CONSTRAINT bare_fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""
EVERYTHING = (
    "SELECT 'c', id, pid, note FROM c UNION ALL SELECT 'p', id, NULL, name FROM p"
    " UNION ALL SELECT 'bare', NULL, pid, note FROM bare ORDER BY 1, 2, 3, 4"
)
SIZE = (80, 24)


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


async def listed(person: Person, *, keys: bool = False, edge: str = "fk", table: str = "c") -> RowsView:
    """The orphan rows of an edge, or the keys that they miss."""
    await person.open_lens(table, edge)
    await person.press("o")
    shown = person.app.main.rows
    await person.until(lambda: shown.rows)
    if keys:
        await person.press("v")
        await person.until(lambda: shown.rows and not shown.keys)
    await person.settle()
    return shown


async def take_back(person: Person) -> None:
    """Undo the newest entry of the journal."""
    await person.press("J")
    await person.until(lambda: isinstance(person.app.screen, JournalScreen) and person.app.screen.list.entries)
    await person.settle()
    await person.press("u")
    screen = await previewed(person)
    await confirm(person, screen.deed.confirm)
    await previewed(person, Phase.ENDED)


FIXES = {
    "d": ((), "SELECT count(*) = 4 AND count(*) FILTER (WHERE id IN (2, 3)) = 0 FROM c"),
    "n": ((), "SELECT array_agg(id ORDER BY id) = '{2,3}' FROM c WHERE pid IS NULL"),
    "f": ((), "SELECT array_agg(id ORDER BY id) = '{1,2,3}' FROM c WHERE pid = 1"),
    "p": (("2", "enter", "enter"), "SELECT array_agg(id ORDER BY id) = '{2,3}' FROM c WHERE pid = 2"),
    "i": ((), "SELECT array_agg(id ORDER BY id) = '{70,71}' FROM p WHERE id > 10"),
    "t": ((*"side", "enter"), "SELECT (SELECT count(*) FROM side) = 2 AND count(*) = 4 FROM c"),
}


@pytest.mark.parametrize("letter", FIXES)
async def test_two_marked_rows_alone_are_changed_and_brought_back(url: str, letter: str) -> None:
    typed, done = FIXES[letter]
    before = await rows(url, EVERYTHING)
    async with armed(url, SIZE) as person:
        shown = await listed(person)
        await person.press("space", "space")
        assert shown.marks.rows == (("2",), ("3",))
        await person.sees("2 marked")
        found = await fixes(person)
        await person.sees("Of 2 marked rows alone")
        # What is of all rows is greyed, with the reason.
        for choice in found.choices:
            key = letter_of(choice, found.choices)
            assert bool(found.reason(choice)) == (key not in FIXES), key
        await person.press(letter)
        if typed:
            await person.settle()
            await person.press(*typed)
        screen = await previewed(person)
        assert screen.deed.confirm == "2"
        assert "'2'" in "".join(screen.deed.sql), "the SQL has the keys"
        assert "marked" in screen.deed.title
        await confirm(person, "2")
        await previewed(person, Phase.ENDED)
        assert await rows(url, done) == [(True,)]
        await person.press("enter")
        await person.press("escape")
        # The rows are read anew, without marks.
        await person.until(lambda: shown.rows and not shown.waiting and not shown.marks)
        if letter != "i":
            await person.until(lambda: [key for (key,) in shown.keys] == ["4", "5", "6"])
        await take_back(person)
        after = await rows(url, EVERYTHING)
        assert after == before


def written(folder: Path) -> str:
    """All that the journal holds."""
    return "".join(path.read_text() for path in folder.rglob("*.jsonl"))


async def test_the_journal_says_that_rows_were_marked(url: str, tmp_path: Path) -> None:
    async with armed(url, SIZE) as person:
        await listed(person)
        await person.press("j", "space")
        await fixes(person)
        await person.press("d")
        await previewed(person)
        await confirm(person, "1")
        await previewed(person, Phase.ENDED)
    assert "delete the marked rows of public.c" in written(tmp_path)
    assert "CAST('3' AS" in written(tmp_path)
    assert await rows(url, "SELECT array_agg(id ORDER BY id) FROM c") == [([1, 2, 4, 5, 6],)]


async def test_a_marked_key_is_all_of_its_rows(url: str) -> None:
    before = await rows(url, EVERYTHING)
    async with armed(url, SIZE) as person:
        shown = await listed(person, keys=True)
        await person.press("space")
        assert shown.marks.missing == (("70",),)
        await fixes(person)
        await person.sees("Of 1 marked key alone")
        await person.press("d")
        screen = await previewed(person)
        assert screen.deed.confirm == "3"
        assert "1 marked key" in screen.deed.title
        # One more row with this key is one more than was previewed.
        await run(url, "BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO c VALUES (7, 70, 'f'); COMMIT")
        await confirm(person, "3")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT count(*) FROM c") == [(7,)]
        await run(url, "DELETE FROM c WHERE id = 7")
        await person.press("enter")
        await previewed(person)
        await confirm(person, "3")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT array_agg(id ORDER BY id) FROM c") == [([1, 3, 5],)]
        await person.press("enter", "escape")
        await person.until(lambda: len(shown.rows) == 2)
        await take_back(person)
        assert await rows(url, EVERYTHING) == before


async def test_a_marked_row_that_is_no_orphan_now_is_left_out_and_said(url: str) -> None:
    async with armed(url, SIZE) as person:
        await listed(person)
        await person.press("space", "space", "space")
        await fixes(person)
        await run(url, "INSERT INTO p VALUES (71, 'came meanwhile')")
        await person.press("d")
        screen = await previewed(person)
        assert screen.deed.confirm == "2"
        assert "2 of 3 marked rows would change: the others are no orphans now" in await said(person)
        await confirm(person, "2")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT array_agg(id ORDER BY id) FROM c") == [([1, 3, 5, 6],)]


async def test_rows_without_a_key_are_not_marked_but_their_keys_are(url: str) -> None:
    async with opened(url, size=SIZE) as person:
        shown = await listed(person, edge="bare_fk", table="bare")
        await person.press("space")
        await person.told("no key that tells its rows apart")
        assert not shown.marks
        await person.press("v")
        await person.until(lambda: shown.rows and not shown.keys)
        await person.press("space")
        assert shown.marks.missing == (("70",),)


async def test_esc_takes_the_marks_away_first(url: str) -> None:
    async with opened(url, size=SIZE) as person:
        shown = await listed(person)
        await person.press("space", "k", "space", "j", "space")
        assert shown.marks.rows == (("4",),), "a mark is taken away by another space"
        await person.press("escape")
        assert not shown.marks
        assert person.in_view(View.ROWS)
        await person.press("escape")
        assert person.in_view(View.LENS)
