"""Fixes on the screen, from the panel to the journal, on real databases; and what tries to get past the guard."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from textual.events import Paste

from fkexplorer.tui.arming import Arming
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.choosing import ChoicePanel, ChoiceScreen
from fkexplorer.tui.fixes.deed import DeedScreen, Phase
from fkexplorer.tui.fixes.journal import JournalScreen
from fkexplorer.tui.fixes.typed import TypeScreen
from tests.proxy import Proxy
from tests.tui.helpers import Person, holding, opened, run
from tests.tui.typing_by_hand import slow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int DEFAULT 1, note text);
INSERT INTO p SELECT n, 'parent ' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n, E'row \x1b ' || n FROM generate_series(1, 15) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys come slowly, and the journal is one of the test's own."""
    slow(monkeypatch)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return list(await (await connection.execute(query.encode())).fetchall())


ALL = "SELECT id, pid, note FROM c ORDER BY id"
ORPHANS = "SELECT count(*) FROM c WHERE pid NOT IN (SELECT id FROM p)"


async def arm(person: Person) -> None:
    await person.press("W")
    await person.until(lambda: isinstance(person.app.screen, TypeScreen))
    facts = person.app.world.facts
    assert facts is not None
    await person.type(facts.place)
    await person.press("enter")
    await person.sees("WRITE 10 min")


def choosing(person: Person) -> ChoicePanel | None:
    """The panel, over the screen or docked in it."""
    screen = person.app.screen
    return screen.panel if isinstance(screen, ChoiceScreen) else person.app.main.panel


async def panel(person: Person, edge: str = "fk", table: str = "c") -> ChoicePanel:
    await person.open_lens(table, edge)
    return await fixes(person)


async def fixes(person: Person) -> ChoicePanel:
    """The panel of what the cursor is on."""
    await person.press("a")
    await person.until(lambda: (found := choosing(person)) is not None and found.choices)
    await person.settle()
    found = choosing(person)
    assert found is not None
    return found


def deed(person: Person) -> DeedScreen:
    screen = person.app.screen
    assert isinstance(screen, DeedScreen)
    return screen


async def previewed(person: Person, phase: Phase = Phase.SEEN) -> DeedScreen:
    await person.until(lambda: isinstance(person.app.screen, DeedScreen) and person.app.screen.phase is phase)
    await person.settle()
    return deed(person)


async def confirm(person: Person, text: str) -> None:
    await person.press("enter")
    await person.until(lambda: isinstance(person.app.screen, TypeScreen))
    await person.settle()
    await person.type(text)
    await person.press("enter")


async def said(person: Person) -> str:
    """All that the deed's screen says, read by scrolling through it."""
    from fkexplorer.reports.style import plain  # noqa: PLC0415
    from fkexplorer.tui.dialogs import TextLines  # noqa: PLC0415

    await person.settle()
    return "\n".join(plain(line) for line in deed(person).query_one(TextLines).content)


@asynccontextmanager
async def armed(url: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Person]:
    async with opened(url, arming=Arming(allow_writes=True), size=size) as person:
        await arm(person)
        yield person


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_orphans_are_deleted_and_the_undo_brings_them_back(url: str, size: tuple[int, int]) -> None:
    before = await rows(url, ALL)
    async with armed(url, size) as person:
        await panel(person)
        await person.sees("d +delete the 5 orphans")
        await person.press("d")
        await previewed(person)
        text = await said(person)
        assert "public.c: 5 deleted" in text
        assert "DELETE FROM ONLY" in text
        assert "\x1b" not in text
        assert "RowExclusiveLock on public.c" in text
        assert await rows(url, ALL) == before
        await person.press("Y")
        assert "DELETE FROM ONLY" in person.app.clipboard
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        text = await said(person)
        assert "orphans  5 -> 0" in text
        assert await rows(url, ORPHANS) == [(0,)]
        # Nothing is left, so that the constraint can be validated: the next preview.
        await person.sees("v validate")
        await person.press("v")
        screen = await previewed(person)
        assert screen.deed.confirm == "fk"
        await confirm(person, "fk")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT convalidated FROM pg_constraint WHERE conname = 'fk'") == [(True,)]
        await person.press("escape", "escape")
        assert person.app.screen is person.app.main
        await person.until(lambda: person.app.world.counts[person.edge("fk").oid].orphans == 0)
        # Its undo, from the journal.
        await person.press("J")
        await person.until(lambda: isinstance(person.app.screen, JournalScreen) and person.app.screen.list.entries)
        await person.settle()
        await person.press("j", "u")
        await previewed(person)
        assert "public.c: 5 inserted" in await said(person)
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert await rows(url, ALL) == before
        await person.press("escape")
        await person.sees("taken back")


@pytest.mark.parametrize(
    ("letter", "answer", "query", "result"),
    [
        ("n", "5", "SELECT count(*) FROM c WHERE pid IS NULL", 5),
        ("f", "5", "SELECT count(*) FROM c WHERE pid = 1", 6),
        ("r", "fk", "SELECT count(*) FROM c", 15),
        ("1", "fk", "SELECT count(*) FROM pg_constraint WHERE conname = 'fk' AND confdeltype = 'a'", 1),
    ],
)
async def test_choices_that_need_no_word(url: str, letter: str, answer: str, query: str, result: int) -> None:
    async with armed(url) as person:
        choices = (await panel(person)).choices
        from fkexplorer.tui.fixes.choosing import letter_of  # noqa: PLC0415

        [choice] = [each for each in choices if letter_of(each, choices) == letter]
        await person.press(letter)
        if choice.reason:
            # What can't be done is greyed with its reason, and leads nowhere.
            assert isinstance(person.app.screen, ChoiceScreen)
        else:
            screen = await previewed(person)
            assert screen.deed.confirm == answer
            await confirm(person, answer)
            await previewed(person, Phase.ENDED)
        assert await rows(url, query) == [(result,)]


@pytest.mark.parametrize(
    ("letter", "keys", "query"),
    [
        ("t", [*"side", "enter"], "SELECT count(*) FROM side"),
        ("p", ["7", "enter", "enter"], "SELECT count(*) FROM c WHERE pid = 7 AND id > 10"),
        ("i", ["enter"], "SELECT count(*) FROM p WHERE id > 10"),
        ("b", [*"public.src", "ctrl+s"], "SELECT count(*) FROM p WHERE name LIKE 'from src%'"),
    ],
)
async def test_choices_that_are_told_something(url: str, letter: str, keys: list[str], query: str) -> None:
    await run(url, "CREATE TABLE src AS SELECT n AS id, 'from src ' || n AS name FROM generate_series(11, 15) n")
    async with armed(url) as person:
        await panel(person)
        await person.press(letter)
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        await person.press(*keys)
        screen = await previewed(person)
        assert screen.deed.confirm == "5", await said(person)
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert await rows(url, ORPHANS) == [(0,)]
        assert await rows(url, query) == [(5,)]


async def test_unarmed_nothing_is_confirmed(url: str) -> None:
    before = await rows(url, ALL)
    for arming, words in ((Arming(), "--allow-writes"), (Arming(allow_writes=True), "W arms it")):
        async with opened(url, arming=arming) as person:
            await panel(person)
            await person.press("d")
            await previewed(person)
            await person.sees(words)
            await person.press("enter")
            await person.settle()
            assert isinstance(person.app.screen, DeedScreen)
            await person.press("d")
            await person.told("W arms writing first")
    assert await rows(url, ALL) == before


async def test_wrong_numbers_pastes_and_bursts_confirm_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await rows(url, ALL)
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        for wrong in ("6", "", "yes", "5 "):
            await confirm(person, wrong) if not isinstance(person.app.screen, TypeScreen) else await person.type(wrong)
            await person.press("enter")
            assert isinstance(person.app.screen, TypeScreen)
        field = person.app.screen.focused
        assert field is not None
        field.post_message(Paste("5"))
        await person.told("A paste does nothing here")
        await person.press("enter")
        assert isinstance(person.app.screen, TypeScreen)
        await person.press("escape")
        assert deed(person).phase is Phase.SEEN
        # Keys sent ahead, before anything is on screen.
        from fkexplorer.tui.fixes import typed  # noqa: PLC0415

        monkeypatch.setattr(typed, "when", lambda _: 0.0)
        await person.press("enter", "5", "enter")
        assert isinstance(person.app.screen, TypeScreen)
    assert await rows(url, ALL) == before


async def test_armed_no_more_when_it_is_confirmed(url: str) -> None:
    now = [0.0]
    before = await rows(url, ALL)
    async with opened(url, arming=Arming(allow_writes=True, clock=lambda: now[0])) as person:
        await arm(person)
        await panel(person)
        await person.press("d")
        await previewed(person)
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, TypeScreen))
        await person.type("5")
        now[0] = 601
        await person.press("enter")
        await person.told("Nothing was done: writing is not armed")
        assert deed(person).phase is Phase.SEEN
    assert await rows(url, ALL) == before


async def test_rows_that_moved_since_roll_it_back(url: str) -> None:
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        await run(url, "UPDATE c SET pid = 1 WHERE id = 15")
        before = await rows(url, ALL)
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert "moved" in await said(person)
        assert await rows(url, ALL) == before
        await person.press("enter")
        assert (await previewed(person)).deed.confirm == "4"


async def test_a_connection_lost_between_preview_and_run(url: str) -> None:
    before = await rows(url, ALL)
    async with Proxy(url) as proxy, opened(proxy.conninfo, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        await panel(person)
        await person.press("d")
        await previewed(person)
        from fkexplorer.database.model import Trouble  # noqa: PLC0415
        from fkexplorer.tui.messages import ConnectionLost  # noqa: PLC0415

        proxy.hang_up()
        lost = Trouble("the connection to the server is lost", "R reconnects", code="lost")
        person.app.post_message(ConnectionLost(person.app.session.generation, lost))
        await person.until(lambda: person.app.world.lost)
        await person.press("enter")
        await person.settle()
        assert isinstance(person.app.screen, DeedScreen)
        await person.sees("can't be done: nothing is connected")
    assert await rows(url, ALL) == before


async def test_triggers_ask_for_consent_or_a_dry_run(url: str) -> None:
    await run(
        url,
        "CREATE TABLE log (n int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO log VALUES (1); RETURN OLD; END $$;"
        " CREATE TRIGGER noted BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION f()",
    )
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        assert "the trigger noted" in await said(person)
        await person.press("enter")
        await person.told("its triggers may change more")
        assert isinstance(person.app.screen, DeedScreen)
        await person.press("d")
        await person.until(lambda: isinstance(person.app.screen, TypeScreen))
        await person.type("dry run")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, DeedScreen) and not deed(person).deed.triggers)
        await person.settle()
        assert "public.log: 5 inserted by triggers" in await said(person)
        assert await rows(url, "SELECT count(*) FROM log") == [(0,)]
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert await rows(url, "SELECT count(*) FROM log") == [(5,)]


async def test_the_parent_is_locked_if_somebody_wants_it(url: str) -> None:
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        assert "(L locks it)" in await said(person)
        for word in ("LOCK", "DELETE", "LOCK"):
            await person.press("L")
            await previewed(person)
            assert deed(person).deed.sql[0].startswith(word)
        text = " ".join((await said(person)).split())
        assert "ShareLock on public.p: reads go on; all writes to the table wait" in text
        assert "(L leaves it unlocked)" in text
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert await rows(url, ORPHANS) == [(0,)]


async def test_while_it_runs_it_waits_for_locks_and_is_not_closed(url: str) -> None:
    async with armed(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        async with holding(url, "LOCK TABLE c IN SHARE MODE"):
            await confirm(person, "5")
            await previewed(person, Phase.RUNNING)
            await person.press("escape")
            await person.told("It is running")
            assert deed(person).phase is Phase.RUNNING
            await asyncio.sleep(0)
        await previewed(person, Phase.ENDED)
        assert await rows(url, ORPHANS) == [(0,)]


async def test_the_script_is_saved(url: str, tmp_path: Path) -> None:
    def saved() -> list[Path]:
        return list(tmp_path.glob("*.sql"))

    async with opened(url) as person:
        await panel(person)
        await person.press("d")
        await previewed(person)
        await person.press("S")
        await person.until(saved)
        await previewed(person)
        await person.press("S")
        await person.until(lambda: len(saved()) == 2)
        await previewed(person)
    for path in saved():
        assert "DELETE FROM ONLY" in path.read_text()
        assert path.stat().st_mode & 0o077 == 0


async def test_a_second_app_finds_that_the_rows_moved(url: str) -> None:
    async with armed(url) as first, opened(url, arming=Arming(allow_writes=True)) as second:
        for person in (first, second):
            await panel(person)
            await person.press("n")
            await previewed(person)
        await confirm(first, "5")
        await previewed(first, Phase.ENDED)
        done = await rows(url, ALL)
        # Armed is the session, not the machine.
        await second.press("enter")
        await second.told("writing is not armed")
        await second.press("W")
        await second.until(lambda: isinstance(second.app.screen, TypeScreen))
        facts = second.app.world.facts
        assert facts is not None
        await second.type(facts.place)
        await second.press("enter")
        await confirm(second, "5")
        await previewed(second, Phase.ENDED)
        assert "moved" in await said(second)
        assert await rows(url, ALL) == done


async def test_everything_is_ascii_and_inert(url: str) -> None:
    await run(
        url,
        "ALTER TABLE c RENAME CONSTRAINT fk TO \"f\u2502k\x1b[31m\"; UPDATE c SET note = 'r\u00fcckl\u00e4ufig \u202e'",
    )
    async with opened(url, arming=Arming(allow_writes=True), ascii_only=True) as person:
        await arm(person)
        [edge] = person.app.world.schema.edges.values()  # type: ignore[union-attr]
        await panel(person, edge.name)
        assert person.text.isascii(), person.text
        await person.press("p")
        await person.settle()
        assert person.text.isascii(), person.text
        await person.press("escape", "d")
        await previewed(person)
        assert (await said(person)).isascii()
        await confirm(person, "5")
        await previewed(person, Phase.ENDED)
        assert person.text.isascii(), person.text
        assert (await said(person)).isascii()
        await person.press("escape", "escape", "J")
        await person.until(lambda: isinstance(person.app.screen, JournalScreen) and person.app.screen.list.entries)
        await person.settle()
        assert person.text.isascii(), person.text
        assert "set-null" not in person.text
        assert "delete" in person.text


async def test_an_empty_journal_and_small_screens(url: str) -> None:
    async with opened(url, size=(50, 16)) as person:
        await person.press("J")
        await person.sees("No fix was made from here")
        await person.press("u", "Y", "escape")
        assert person.app.screen is person.app.main
        await panel(person)
        for size in ((40, 10), (140, 40), (80, 24)):
            await person.pilot.resize_terminal(*size)
            await person.settle()
            assert "delete the" in person.text
