"""The screen of a fix, where something else happens meanwhile: what is said stays true."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.arming import Arming
from fkexplorer.tui.fixes import typed
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.typed import Typed, TypeScreen
from tests.tui.helpers import holding, opened
from tests.tui.test_fixes import ORPHANS, armed, by_hand, confirm, deed, panel, previewed, rows, said, url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["by_hand", "url"]


async def test_a_script_that_is_saved_late_ends_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        screen = await previewed(person)
        save, go = screen.deed.save, asyncio.Event()

        async def late() -> Path:
            await go.wait()
            return await save()

        monkeypatch.setattr(screen.deed, "save", late)
        await person.press("S")
        async with holding(url, "LOCK TABLE c IN SHARE MODE"):
            await confirm(person, "5")
            await previewed(person, Phase.RUNNING)
            go.set()
            await person.told("Saved: ")
            assert screen.phase is Phase.RUNNING
            await person.press("escape")
            await person.told("It is running")
            assert deed(person) is screen
        await previewed(person, Phase.ENDED)
        assert await rows(url, ORPHANS) == [(0,)]


async def test_a_side_table_is_named_before_and_after(url: str) -> None:
    async with armed(url) as person:
        await panel(person)
        await person.press("t")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        await person.type("aside")
        await person.press("enter")
        await previewed(person)
        text = await said(person)
        assert "public.c: 5 deleted" in text
        assert '"public"."aside": 5 inserted, in a table that it makes' in text
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        text = await said(person)
        assert "public.c: 5 deleted" in text
        assert "public.aside: 5 inserted" in text


@pytest.mark.parametrize("settle", [0.0, 0.03])
async def test_enter_by_hand_makes_no_burst_slow(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    settle: float,
) -> None:
    """As in a terminal that hands on a paste as keys: whoever pasted presses Enter a second later."""
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await person.press("W")
        await person.until(lambda: isinstance(person.app.screen, TypeScreen))
        await person.settle()
        facts = person.app.world.facts
        assert facts is not None
        moment = person.app.screen.query_one(Typed)._asked + 1
        moments = iter([*(moment + settle * key for key in range(len(facts.place))), moment + 2])
        monkeypatch.setattr(typed, "when", lambda _: next(moments))
        await person.type(facts.place)
        await person.press("enter")
        if settle:
            await person.sees("WRITE 10 min")
        else:
            await person.sees("faster than anybody types")
        assert person.app.world.arming.armed(facts) is bool(settle)
