"""What a delete would do, asked from a row of the app: the tree, what leads on from it, and how it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.diagnosis.impact_model import Verdict
from fkexplorer.tui.impact import ImpactScreen
from fkexplorer.tui.world import RowsKind, View
from tests.tui.helpers import holding, opened, run, sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tui.helpers import Person

MAKE = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int);
CREATE TABLE d (id int PRIMARY KEY, cid int CONSTRAINT d_fk REFERENCES c ON DELETE CASCADE);
CREATE TABLE e (id int PRIMARY KEY, did int CONSTRAINT e_fk REFERENCES d);
INSERT INTO p SELECT n FROM generate_series(1, 10) n;
INSERT INTO c VALUES (1, 1), (2, 77), (3, 77), (4, 78);
INSERT INTO d VALUES (1, 2), (2, 2), (3, 3);
INSERT INTO e VALUES (1, 2), (2, 2);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


def shown(person: Person) -> ImpactScreen:
    screen = person.app.screen
    assert isinstance(screen, ImpactScreen)
    return screen


async def foreseen(person: Person) -> str:
    """Press `x`, wait for all of it, and give the text of the screen."""
    await person.press("x")
    await person.until(lambda: isinstance(person.app.screen, ImpactScreen) and not person.app.screen.looking)
    await person.settle()
    return person.text


async def orphans(person: Person) -> None:
    await person.open_lens("c", "fk")
    await person.press("o")
    await person.until(lambda: person.app.main.rows.rows)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_tree_of_a_row(url: str, size: tuple[int, int]) -> None:
    async with opened(url, size=size) as person:
        await orphans(person)
        text = await foreseen(person)
        assert "what deleting this row of public.c would do" in text
        assert "PostgreSQL refuses it: by public.e.e_fk, below public.d." in text
        lines = [line.strip("│ ") for line in person.lines()]
        assert any(line.startswith("└─ public.d.cid") and "2 rows deleted" in line for line in lines)
        assert any(line.startswith("└─ public.e.did") and "2 rows REFUSE" in line for line in lines)
        assert all(len(line) <= size[0] for line in person.lines())
        await person.press("y")
        assert "public.e.did" in person.app.clipboard
        # Its foreign key in the Lens.
        screen = shown(person)
        at = next(n for n, each in enumerate(screen._lines) if each.hop and each.hop.edge == person.edge("e_fk").oid)
        screen.query_one("TextLines").move_to(at)  # type: ignore[attr-defined]
        await person.press("enter")
        await person.until(lambda: person.app.screen is person.app.main)
        assert person.in_view(View.LENS)
        assert person.app.main.lens.current == person.edge("e_fk").oid


async def test_marked_rows_are_meant_together(url: str) -> None:
    async with opened(url) as person:
        await orphans(person)
        await person.press("space", "space")
        assert "what deleting these 2 rows of public.c would do" in await foreseen(person)
        impact = shown(person).impact
        assert impact is not None
        assert impact.rows == 2
        assert [(each.deleted, each.updated) for each in impact.effects] == [(2, 0), (3, 0)]
        await person.press("escape")
        assert person.app.screen is person.app.main


async def test_parents_without_a_child_and_what_changes_meanwhile(url: str) -> None:
    async with opened(url) as person:
        await person.open_lens("c", "fk")
        await person.press("b")
        await person.until(lambda: person.app.main.rows.rows)
        query = person.app.main.rows.query_shown
        assert query is not None
        assert query.kind is RowsKind.CHILDLESS
        key = person.app.main.rows.keys[0][0]
        assert "It goes through" in await foreseen(person)
        await run(url, f"DELETE FROM p WHERE id = {key}")
        await person.press("r")
        await person.sees("There is no such row")


async def test_where_there_is_no_row_it_says_why(url: str) -> None:
    async with opened(url, size=(140, 80)) as person:
        await person.read()
        await person.press("x")
        await person.told("impact: only in rows")
        await orphans(person)
        await person.press("v")
        await person.read()
        await person.press("x")
        await person.told("impact: these keys have no row")
        await person.press("?")
        await person.sees("What deleting this row, or the marked rows, would do")


async def test_esc_stops_it_on_the_server_and_a_lock_is_told(url: str) -> None:
    async with opened(url) as person:
        await orphans(person)
        async with holding(url, "LOCK TABLE e IN ACCESS EXCLUSIVE MODE"):
            await person.press("x")
            await person.until(lambda: isinstance(person.app.screen, ImpactScreen))
            await person.until(lambda: person.app.screen._worker is not None)  # type: ignore[attr-defined]
            await person.press("escape")
            await person.until(lambda: person.app.screen is person.app.main)
            await person.until(lambda: not [each for each in person.app.workers if each.group == "impact"])
            assert not [each for each in await sessions(url) if "WITH RECURSIVE" in each]
            # Nobody stops it: its own limit does, and says so.
            await foreseen(person)
            impact = shown(person).impact
            assert impact is not None
            assert impact.verdict is Verdict.UNKNOWN
            assert "somebody holds a lock" in person.text
        await person.press("r")
        await person.sees("PostgreSQL refuses it")
