"""A pair of columns that no constraint binds: found by letters, checked by the server, and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.schema.actions import FixAction
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.pair import PairScreen, parts_of
from tests.tui.helpers import opened
from tests.tui.test_fixes import armed, by_hand, confirm, fixes, previewed, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MAKE = """
CREATE TABLE parent (id int PRIMARY KEY, a int, b int, UNIQUE (a, b));
CREATE TABLE child (id int PRIMARY KEY, parent_id int, x int, y int, at date);
CREATE TABLE bound (id int PRIMARY KEY, pid int CONSTRAINT bound_fk REFERENCES parent);
INSERT INTO parent VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO child VALUES (1, 1, 1, 1), (2, 9, 2, 2), (3, NULL, 3, 3), (4, 2, NULL, NULL);
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


async def asked(person: Person) -> PairScreen:
    await person.press("equals_sign")
    await person.until(lambda: isinstance(person.app.screen, PairScreen))
    await person.settle()
    screen = person.app.screen
    assert isinstance(screen, PairScreen)
    await person.press("ctrl+u")
    return screen


async def chosen(person: Person) -> ChoiceScreen:
    await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
    await person.settle()
    screen = person.app.screen
    assert isinstance(screen, ChoiceScreen)
    return screen


def test_what_is_settled_of_a_pair() -> None:
    assert parts_of("") == ("", "")
    assert parts_of("a(x, ") == ("", "a(x, ")
    assert parts_of("a(x): b(") == ("a(x):", "b(")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_pair_is_found_by_letters_and_gets_its_constraint(url: str, size: tuple[int, int]) -> None:
    async with armed(url, size) as person:
        await asked(person)
        await person.type("childparid")
        await person.press("enter")
        await person.sees(r"public.child\(parent_id\):")
        await person.type("parentid")
        await person.sees(r"the parent, whose column they name")
        await person.press("tab")
        await person.sees(r"public.child\(parent_id\):public.parent\(id\)")
        await person.press("ctrl+f")
        await chosen(person)
        # First its orphan, then its constraint.
        await person.press("n")
        screen = await previewed(person)
        await confirm(person, screen.deed.confirm)
        await previewed(person, Phase.ENDED)
        await person.press("enter")
        await chosen(person)
        await person.press("c")
        await person.settle()
        await person.press("enter", "enter")
        screen = await previewed(person)
        await confirm(person, screen.deed.confirm)
        await previewed(person, Phase.ENDED)
        assert await rows(
            url,
            "SELECT convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'child'::regclass AND contype = 'f'",
        ) == [(True, "FOREIGN KEY (parent_id) REFERENCES parent(id)")]


async def test_several_columns_are_typed_with_help(url: str) -> None:
    async with opened(url) as person:
        await asked(person)
        await person.type("child(x,")
        await person.sees(r"child\(x, y\)")
        await person.type("y")
        await person.press("enter")
        await person.type("parent(a, b)")
        await person.press("ctrl+f")
        await chosen(person)
        await person.sees(r"fixes +public.child\(x, y\):public.parent\(a, b\)")


async def test_what_does_not_fit_is_said_and_can_be_typed_again(url: str) -> None:
    async with opened(url) as person:
        screen = await asked(person)
        await person.type("child(at):nothing(at)")
        await person.press("enter")
        await person.sees("there is no table nothing")
        assert screen.is_current
        await person.press(*["backspace"] * len("nothing(at)"))
        await person.type("parent(id)")
        await person.press("ctrl+f")
        # Nothing compares the two: the panel says so, and offers what mends it.
        free = {choice.action for choice in (await chosen(person)).choices if not choice.reason}
        assert free >= {FixAction.DELETE, FixAction.CHANGE_TYPE}
        assert FixAction.ADD_CONSTRAINT not in free
        await person.sees("no operator compares")
        await person.press("escape")
        await person.press("escape")
        assert person.app.main.is_current


async def test_a_pair_that_is_bound_is_its_constraint(url: str) -> None:
    async with opened(url) as person:
        await asked(person)
        await person.type("bound(pid):parent(id)")
        await person.press("ctrl+f")
        await chosen(person)
        await person.sees("fixes +public.bound.bound_fk")
        await person.press("escape")
        # The palette has it too.
        await person.press("colon")
        await person.type("link two")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, PairScreen))
        await person.press("escape")
        await person.open_lens("bound", "bound_fk")
        await fixes(person)
