"""Terminals without colours, with few of them, and without a character beyond ASCII."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from textual import constants

from tests.tui.helpers import Person, opened
from tests.tui.test_counts import SCHEMA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


async def every_screen(person: Person) -> AsyncIterator[str]:
    """Go through all views and dialogs; the name of what is on screen."""
    yield "tables"
    await person.open_lens("shop.orders")
    yield "lens"
    await person.press("l")
    yield "children"
    await person.press("h", "g", "o")
    await person.read()
    yield "rows"
    await person.press("enter")
    await person.until(lambda: person.app.screen is not person.app.main)
    await person.settle()
    yield "row"
    await person.press("escape", "v")
    await person.read()
    yield "keys"
    await person.press("b")
    await person.read()
    yield "childless"
    await person.press("escape", "question_mark")
    await person.settle()
    yield "help"
    await person.press("escape", "f")
    await person.type("or")
    yield "find"
    await person.press("escape", "slash")
    await person.type("or")
    yield "filter"
    await person.press("escape", "tab")
    yield "detail"
    await person.press("n")
    await person.sees("no filter")
    yield "notification"
    person.app.main.say("An error.", severity="error")
    await person.sees("An error")
    yield "error"
    await person.press("colon")
    await person.until(lambda: person.app.screen is not person.app.main)
    await person.type("recount")
    await person.sees("Count this fore|Count this")
    yield "palette"
    await person.type("zzz")
    await person.until(lambda: "Count this" not in person.text)
    yield "palette without a match"
    await person.press("escape")
    await person.pilot.resize_terminal(39, 9)
    await person.pilot.pause()
    yield "small"


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (50, 20)])
async def test_ascii_is_ascii_everywhere(demo_url: str, size: tuple[int, int]) -> None:
    async with opened(demo_url, size=size, ascii_only=True) as person:
        seen = []
        async for name in every_screen(person):
            text = person.text
            odd = sorted({character for character in text if not character.isascii()})
            assert not odd, f"{name}: {odd}\n{text}"
            seen.append(name)
        assert len(seen) == 16


async def test_ascii_password_dialog() -> None:
    from fkexplorer.tui.dialogs import PasswordScreen  # noqa: PLC0415

    async with opened("host=127.0.0.1 port=1 user=üser dbname=d", wait=False, ascii_only=True) as person:
        person.app.push_screen(PasswordScreen("üser@h/d", "the server said: »no«"))
        await person.until(lambda: isinstance(person.app.screen, PasswordScreen))
        await person.settle()
        await person.type("geheim")
        assert person.text.isascii(), person.text
        assert "geheim" not in person.text


async def test_ascii_while_connecting_and_without_tables(database_url: str) -> None:
    async with opened(database_url, ascii_only=True) as person:
        await person.sees("no table of its own")
        assert person.text.isascii()


@pytest.mark.parametrize("system", ["standard", "256", "truecolor"])
@pytest.mark.parametrize("no_color", [False, True])
async def test_every_text_can_be_told_from_its_background(
    demo_url: str, monkeypatch: pytest.MonkeyPatch, system: str, *, no_color: bool
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", system)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    async with opened(demo_url) as person:
        async for name in every_screen(person):
            for line in person.segments():
                for segment in line:
                    style = segment.style
                    assert style is not None, name
                    if segment.text.strip() and style.color and not style.color.is_default:
                        assert style.color != style.bgcolor, (name, segment)
        await person.pilot.resize_terminal(80, 24)
        await person.press("1")
        await person.sees("shop.orders")
        if no_color or system == "standard":
            await person.until(lambda: "shop.orders" in lit(person))


async def test_no_color_paints_without_colours(demo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(demo_url) as person:
        assert person.app.no_color
        for word in ("problem", "severe", "unknown", "cursor", "off", "key"):
            style = person.app.palette[word]
            assert style.color is None, word
            assert style.bgcolor is None, word
        assert person.app.palette["severe"].bold
        assert person.app.palette["cursor"].reverse


def lit(person: Person) -> str:
    """The text on the cursor's line: reversed."""
    return "".join(
        segment.text
        for line in person.segments()[3:17]
        for segment in line
        if segment.style is not None and segment.style.reverse
    )


@pytest.mark.parametrize("system", ["standard", "truecolor"])
async def test_colours_repeat_what_the_letters_say(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", system)
    async with opened(make_database(SCHEMA)) as person:
        assert person.app.console.color_system == system
        problem = person.app.palette["severe"].color
        assert problem is not None
        if system == "standard":
            assert problem.name == "red"
            assert problem.number == 1
            assert person.app.theme == "ansi-dark"
        badges = [segment for line in person.segments() for segment in line if re.search(r"!1\b", segment.text)]
        assert badges
        assert all(segment.style is not None and segment.style.color == problem for segment in badges)
        if system == "standard":
            # Nothing but the terminal's own sixteen colours, which Textual leaves alone.
            colours = {
                colour
                for line in person.segments()
                for segment in line
                if segment.style is not None
                for colour in (segment.style.color, segment.style.bgcolor)
                if colour is not None
            }
            assert all(colour.is_default or (colour.number is not None and colour.number < 16) for colour in colours)
