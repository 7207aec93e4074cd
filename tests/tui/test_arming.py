"""Writing is off until a person types where it is; what tries to get past that fails."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from textual.events import Paste

from fkexplorer.config.settings import Environment, Settings
from fkexplorer.tui.arming import MINUTES, Arming
from fkexplorer.tui.fixes.typed import TypeScreen
from tests.proxy import Proxy
from tests.tui.helpers import Person, holding, opened
from tests.tui.test_counts import waits
from tests.tui.typing_by_hand import burst, slow

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p)")


def armed(person: Person) -> bool:
    return person.app.world.arming.armed(person.app.world.facts)


def place(person: Person) -> str:
    facts = person.app.world.facts
    assert facts is not None
    return facts.place


async def asked(person: Person) -> None:
    await person.press("W")
    await person.until(lambda: isinstance(person.app.screen, TypeScreen))
    await person.settle()


async def test_armed_by_typing_and_off_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)
    for ascii_only in (False, True):
        async with opened(url, arming=Arming(allow_writes=True), ascii_only=ascii_only) as person:
            assert person.lines()[0].endswith("RO")
            await asked(person)
            assert place(person) in person.text
            await person.type(place(person))
            await person.press("enter")
            await person.sees(r"^.* WRITE 10 min")
            assert armed(person)
            assert "RO" not in person.lines()[0].split()
            [write] = [segment for line in person.segments() for segment in line if "WRITE" in segment.text]
            assert write.style is not None
            assert write.style.bold
            await person.press("W")
            assert not armed(person)
            await person.sees(r"^.* RO$")


async def test_unmistakable_without_colours(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    slow(monkeypatch)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await asked(person)
        await person.type(place(person))
        await person.press("enter")
        await person.sees("WRITE 10 min")
        [write] = [segment for line in person.segments() for segment in line if "WRITE" in segment.text]
        assert write.style is not None
        assert write.style.reverse
        assert write.style.bold


async def test_wrong_text_pastes_and_bursts_do_not_arm(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await asked(person)
        for wrong in (place(person).split("/")[1], place(person).upper(), "y", ""):
            await person.type(wrong)
            await person.press("enter")
            assert not armed(person)
            assert isinstance(person.app.screen, TypeScreen)
        field = person.app.screen.focused
        assert field is not None
        field.post_message(Paste(place(person)))
        await person.told("A paste does nothing here")
        person.app.copy_to_clipboard(place(person))
        await person.press("ctrl+v", "enter")
        assert not armed(person)
        burst(monkeypatch)
        await person.type(place(person))
        await person.press("enter")
        await person.sees("faster than anybody types")
        assert not armed(person)
        # Of all that was typed nothing is left in the field.
        slow(monkeypatch)
        await person.press("enter")
        assert not armed(person)
        await person.press("escape")
        assert person.app.screen is person.app.main
        assert not armed(person)


async def test_keys_pressed_before_the_question_do_not_answer_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fkexplorer.tui.fixes import typed  # noqa: PLC0415

    monkeypatch.setattr(typed, "when", lambda _: 0.0)
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        await asked(person)
        await person.type(place(person))
        await person.press("enter")
        assert not armed(person)


async def test_refused_where_it_is_not_permitted(url: str) -> None:
    here = Environment("here", ("*",), "file:1", read_only=True)
    for arming, said in (
        (Arming(), "--allow-writes"),
        (Arming(Settings((here,)), allow_writes=True), r"here is read-only \(file:1\)"),
    ):
        async with opened(url, arming=arming) as person:
            await person.press("W")
            await person.told(said)
            assert person.app.screen is person.app.main
            facts = person.app.world.facts
            assert facts is not None
            assert not arming.arm(facts, facts.place)


async def test_refused_on_a_standby_and_where_a_host_sounds_like_production(url: str) -> None:
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        facts = person.app.world.facts
        assert facts is not None
        for change, said in (({"standby": True}, "standby"), ({"host": "db.prod.example"}, "sounds like production")):
            person.app.world.facts = replace(facts, **change)
            await person.press("W")
            await person.told(said)
            assert person.app.screen is person.app.main
            assert not armed(person)


async def test_permitted_by_the_environment(url: str) -> None:
    here = Environment("here", ("*",), "file:1", allow_writes=True)
    async with opened(url, arming=Arming(Settings((here,)))) as person:
        await asked(person)
        assert not armed(person)


async def test_a_lost_connection_disarms(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)
    async with Proxy(url) as proxy, opened(proxy.conninfo, arming=Arming(allow_writes=True)) as person:
        await asked(person)
        await person.type(place(person))
        await person.press("enter")
        assert armed(person)
        async with holding(url, "LOCK TABLE c"):
            await person.go_to("c")
            await person.press("r")
            await waits(url)
            proxy.hang_up()
            await person.sees("LOST")
        assert not armed(person)
        await person.press("W")
        await person.told("can't be armed")
        await person.press("R")
        await person.misses("LOST")
        assert not armed(person)


async def test_it_ends_by_itself(url: str) -> None:
    now = [0.0]
    arming = Arming(allow_writes=True, clock=lambda: now[0])
    async with opened(url, arming=arming) as person:
        facts = person.app.world.facts
        assert facts is not None
        assert arming.arm(facts, facts.place)
        for seconds, said in ((0, "10 min"), (61, "9 min"), (MINUTES * 60 - 30, "30 s")):
            now[0] = seconds
            await person.sees(rf"^.* WRITE {re.escape(said)}")
        now[0] = MINUTES * 60
        assert not armed(person)
        await person.sees(r"^.* RO$")
        assert not arming.armed(replace(facts, database="other"))
