"""The fixes panel docked beside the rows: the list stays live, the panel follows it, and each has its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.world import View
from tests.tui.helpers import opened, run
from tests.tui.test_fixes import armed, by_hand, choosing, confirm, fixes, previewed, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int, other int, note text);
INSERT INTO p SELECT n, 'parent ' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n, n % 10 + 1, 'row ' || n FROM generate_series(1, 15) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
ALTER TABLE c ADD CONSTRAINT other_fk FOREIGN KEY (other) REFERENCES p;
"""
DOCKED = (130, 36)


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


async def docked_rows(person: Person) -> None:
    """The orphans of fk, with the panel beside them."""
    await person.open_lens("c", "fk")
    await person.press("o")
    await person.until(lambda: person.app.main.rows.rows)
    await fixes(person)


@pytest.mark.parametrize("size", [DOCKED, (140, 40)])
async def test_beside_the_rows_the_list_stays_in_sight_and_live(url: str, size: tuple[int, int]) -> None:
    async with opened(url, size=size) as person:
        await docked_rows(person)
        main = person.app.main
        assert person.app.screen is main
        assert person.focused_on("fixes")
        # On one line both: a row at the left, a choice at the right.
        await person.sees(r"\b11 +11 .*n +set the key to NULL")
        found = choosing(person)
        assert found is not None
        assert main.rows.region.right <= found.region.x
        # Letters are choices here: n is no next match, and what can't be done says why.
        await person.press("c")
        await person.told("the constraint fk is there already")
        await person.sees("a letter is a choice")
        # In the list the same letters are keys of the list, and marks are followed by the panel.
        await person.press("shift+tab")
        assert person.focused_on("rows")
        await person.press("space", "space")
        await person.sees("Of 2 marked rows alone")
        await person.sees("Space mark")
        await person.sees("delete these rows")
        await person.press("space", "k", "space")
        await person.sees("Of 2 marked rows alone")
        await person.press("a")
        assert person.focused_on("fixes")
        await person.press("escape")
        assert choosing(person) is None
        assert person.focused_on("rows")
        assert len(main.rows.marks.rows) == 2, "the marks stay"


async def test_counts_and_cursor_are_followed(url: str) -> None:
    async with opened(url, size=DOCKED) as person:
        await person.open_lens("c", "fk")
        await fixes(person)
        await person.sees("delete the 5 orphans")
        assert person.in_view(View.LENS)
        await run(url, "INSERT INTO p VALUES (11, 'eleven')")
        await person.press("shift+tab", "shift+tab")
        assert person.focused_on("lens")
        await person.press("r")
        await person.sees("delete the 4 orphans")
        await person.to_edge("other_fk")
        await person.sees("fixes +public.c.other_fk")
        await person.sees("there is no orphan")
        await person.press("semicolon", "a")
        assert person.focused_on("fixes")


async def test_another_size_takes_it_over_the_screen_and_back(url: str) -> None:
    async with opened(url, size=DOCKED) as person:
        await docked_rows(person)
        found = choosing(person)
        assert found is not None
        await person.pilot.resize_terminal(129, 36)
        await person.until(lambda: not found.display)
        await person.until(lambda: person.focused_on("rows"))
        await person.press("a")
        assert isinstance(person.app.screen, ChoiceScreen)
        await person.press("escape")
        await person.pilot.resize_terminal(*DOCKED)
        await person.until(lambda: found.display)
        await person.sees("delete the 5 orphans")
        await person.press("escape")
        assert choosing(person) is None
        assert person.in_view(View.ROWS)


async def test_a_fix_from_the_docked_panel(url: str) -> None:
    async with armed(url, DOCKED) as person:
        await docked_rows(person)
        await person.press("shift+tab", "space", "a", "d")
        screen = await previewed(person)
        assert screen.deed.confirm == "1"
        await confirm(person, "1")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT count(*) FROM c WHERE id = 11") == [(0,)]
        await person.press("enter")
        # Back, the rows are read anew and the panel is of all of them again.
        await person.until(lambda: len(person.app.main.rows.rows) == 4)
        await person.sees("delete the 4 orphans")
        await person.misses("marked rows? alone")
        found = choosing(person)
        assert found is not None
        assert found.choices


async def test_ascii_and_no_colour(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(url, size=DOCKED, ascii_only=True) as person:
        await docked_rows(person)
        assert person.text.isascii()
        away = person.app.main.panel
        assert away is not None
        await person.press("shift+tab")
        assert person.text.isascii()
        assert away.has_class("-away")
