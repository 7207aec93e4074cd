"""What the mouse does: a click moves the cursor, a second one opens, the wheel scrolls."""

from __future__ import annotations

from textual.events import MouseScrollDown, MouseScrollUp

from fkexplorer.tui.world import View
from tests.tui.helpers import opened


async def test_a_click_moves_and_a_double_click_opens(demo_url: str) -> None:
    async with opened(demo_url) as person:
        tables = person.app.main.tables
        await person.pilot.click("#tables", offset=(5, 0))  # the titles of the columns
        assert tables.cursor == 0
        await person.pilot.click("#tables", offset=(5, 3))
        await person.settle()
        assert tables.cursor == 2
        assert person.in_view(View.TABLES)
        wanted = tables.current
        await person.pilot.double_click("#tables", offset=(5, 3))
        await person.until(lambda: person.in_view(View.LENS))
        assert person.app.main.lens.table == wanted


async def test_a_click_chooses_the_side_of_the_lens(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.press("enter")
        lens = person.app.main.lens
        rows = [(place, row) for place in range(lens.line_count()) if (row := lens._row(place)) is not None]
        place, row = next((place, row) for place, row in rows if row.parent_edge and row.child_edge)
        y = place - lens.top + lens.heading_count()
        seen = []
        for x in (70, 3):
            await person.pilot.click("#lens", offset=(x, y))
            await person.settle()
            seen.append((lens.children_side, lens.current))
        assert seen == [(True, row.child_edge), (False, row.parent_edge)]


async def test_the_wheel_scrolls_with_the_cursor(demo_url: str) -> None:
    async with opened(demo_url) as person:
        tables = person.app.main.tables
        await person.pilot._post_mouse_events([MouseScrollDown], "#tables", offset=(5, 5))
        await person.settle()
        assert tables.cursor == 3
        await person.pilot._post_mouse_events([MouseScrollUp], "#tables", offset=(5, 5))
        await person.settle()
        assert tables.cursor == 0
