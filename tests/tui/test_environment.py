"""The environment that the server belongs to: its name in the header, in its colour where there are colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import constants

from fkexplorer.config.settings import COLOURS, Environment, Settings
from fkexplorer.reports.values import width
from fkexplorer.tui.arming import Arming
from tests.tui.helpers import Person, opened

if TYPE_CHECKING:
    from rich.style import Style


def arming(name: str, colour: str, hosts: str = "*") -> Arming:
    return Arming(Settings((Environment(name, (hosts,), "file:1", colour=colour),)))


def style_of(person: Person, name: str) -> Style:
    """How the header paints the name."""
    [style] = [segment.style for segment in person.segments()[0] if segment.text.strip() == name]
    assert style is not None
    return style


@pytest.mark.parametrize("system", ["standard", "256", "truecolor"])
@pytest.mark.parametrize("colour", ["", *COLOURS])
async def test_its_name_is_there_and_its_colour_behind_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, system: str, colour: str
) -> None:
    monkeypatch.setattr(constants, "COLOR_SYSTEM", system)
    async with opened(database_url, arming=arming("staging", colour)) as person:
        await person.sees(r"^ .* staging  RO$")
        style = style_of(person, "staging")
        if not colour:
            assert style.bold
        elif system == "standard":
            assert style.reverse
            assert style.color is not None
            assert style.color.name == colour
        else:
            assert style.bgcolor is not None
            assert style.color is not None
            assert style.bgcolor.get_truecolor() != style.color.get_truecolor()


def test_each_colour_is_another() -> None:
    from fkexplorer.tui.theme import palette  # noqa: PLC0415

    for colours in (16, 256, 1 << 24):
        found = palette(colours=colours, no_color=False)
        assert len({found[f"env {colour}".strip()] for colour in ("", *COLOURS)}) == len(COLOURS) + 1


async def test_without_colours_the_name_says_it(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(database_url, arming=arming("staging", "red")) as person:
        await person.sees(r"^ .* staging  RO$")
        style = style_of(person, "staging")
        assert style.underline
        assert style.color is None
        assert style.bgcolor is None


@pytest.mark.parametrize("cells", [40, 80, 140])
async def test_a_long_name_is_cut_and_where_it_is_stays(database_url: str, cells: int) -> None:
    for ascii_only in (False, True):
        name = "produktion-europa-wichtig-\x1b[31m-\u00fc" * 3
        async with opened(database_url, size=(cells, 12), arming=arming(name, "red"), ascii_only=ascii_only) as person:
            header = person.lines()[0]
            assert header.endswith(" RO")
            assert width(header) <= cells
            assert " produ" in header
            assert "postgres@" in header
            assert "\x1b" not in header
            assert header.isascii() or not ascii_only


async def test_another_host_has_none(database_url: str) -> None:
    async with opened(database_url, arming=arming("staging", "red", hosts="elsewhere")) as person:
        assert "staging" not in person.text
