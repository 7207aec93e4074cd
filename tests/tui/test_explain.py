"""The box that errors are pasted into: whatever is pasted is text, and runs no key."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from textual.events import Paste

from fkexplorer.database.source import Source
from fkexplorer.tui import explain
from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.explain import ExplainScreen
from fkexplorer.tui.explain_finding import FindingScreen
from fkexplorer.tui.fixes import typed
from fkexplorer.tui.messages import SchemaLoaded
from tests.diagnosis.logs import github_link
from tests.tui.helpers import Gate, Person, opened
from tests.tui.test_fixes import rows
from tests.tui.typing_by_hand import burst, slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fkexplorer.diagnosis.reading.model import Reading

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES p);
INSERT INTO p SELECT n, 'parent ' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 10) n;
"""
ERROR = """\
ERROR:  insert or update on table "c" violates foreign key constraint "fk"
DETAIL:  Key (pid)=(11) is not present in table "p".
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)


def box(person: Person) -> ExplainScreen:
    screen = person.app.screen
    assert isinstance(screen, ExplainScreen)
    return screen


def finding(person: Person) -> FindingScreen:
    screen = person.app.screen
    assert isinstance(screen, FindingScreen)
    return screen


async def paste(person: Person, text: str) -> None:
    """Paste into whatever is on screen."""
    person.app.post_message(Paste(text))
    await person.until(lambda: isinstance(person.app.screen, ExplainScreen))
    await person.until(lambda: text.splitlines()[-1] in box(person).pasted.text)
    await person.settle()


async def diagnosed(person: Person) -> FindingScreen:
    """Wait until the database was asked about the finding that is shown."""
    await person.until(lambda: isinstance(person.app.screen, FindingScreen))
    await person.until(lambda: finding(person).explained.known is not None and not finding(person).looking)
    await person.settle()
    return finding(person)


async def explained(person: Person, text: str) -> FindingScreen:
    """Paste a text and have it explained."""
    await paste(person, text)
    await person.press("enter")
    return await diagnosed(person)


async def test_a_whole_log_lands_on_its_edge(demo_url: str) -> None:
    """Incident 1: one error of a log of 500 lines; its edge is clean, and under the cursor."""
    async with opened(demo_url) as person:
        await person.press("e")
        box(person)
        await person.sees("Paste an error, a traceback or a whole log")
        log = github_link()
        person.app.post_message(Paste(log))
        await person.sees(f"{len(log.splitlines()) + 1} lines. Enter reads them")
        await person.press("enter")
        await diagnosed(person)
        await person.sees("seen 2 times")
        await person.sees("it would come again now")
        await person.sees(r'github."user" has no row with id =')
        edge = person.edge("user_github_installation_user_id_user_id_fk")
        # Enter on what opens nothing leads to the Lens.
        await person.press("enter")
        assert person.app.screen is person.app.main
        assert person.app.main.lens.current == edge.oid
        await person.sees("0 orphans of about 130 rows")
        # It comes back, without the database being asked again.
        before = person.app.world.explained
        await person.press("e")
        await person.sees("Enter\\s+│\\s+│\\s+shows the last finding again|With nothing pasted Enter")
        await person.press("enter")
        assert finding(person).explained is before
        await person.sees("it would come again now")


@pytest.mark.parametrize(
    "keys", [("enter",), ("enter", "o"), ("question_mark",), ("enter", "a"), ("enter", "o", "enter"), ("e",)]
)
async def test_a_paste_is_explained_wherever_it_falls(url: str, keys: tuple[str, ...]) -> None:
    async with opened(url) as person:
        for key in keys:
            await person.press(key)
            await person.read()
        await explained(person, ERROR)
        await person.sees("public.p has no row with id = 11")
        assert person.app.main.lens.current == person.edge("fk").oid


async def test_another_text_takes_the_place_of_a_finding(url: str) -> None:
    async with opened(url) as person:
        first = await explained(person, ERROR)
        second = await explained(person, ERROR.replace("(11)", "(3)"))
        assert second is first
        await person.sees("it would not come again now")
        await person.press("escape")
        assert person.app.screen is person.app.main


async def test_without_an_error_it_says_so_and_the_text_stays(url: str) -> None:
    async with opened(url) as person:
        await paste(
            person, 'one line\nERROR:  null value in column "id" of relation "c" violates not-null constraint\n'
        )
        await person.press("enter")
        await person.sees(r"No foreign-key error in \d lines")
        await person.sees("1 other error")
        await person.sees("one line")
        await person.press("ctrl+u")
        await person.misses("one line")
        # What is typed is text too, keys of lists among it.
        await person.type("gjq /é")
        await person.press("backspace")
        assert box(person).pasted.text == "gjq /"
        await person.press("escape")
        assert person.app.screen is person.app.main


async def test_keys_that_come_as_a_burst_are_text(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal without bracketed paste sends what is pasted as keys, line ends as Enter."""
    async with opened(url) as person:
        await person.press("e")
        burst(monkeypatch)
        await person.press(*(("enter" if letter == "\n" else letter) for letter in ERROR), "escape", "tab")
        assert box(person).pasted.text == f"{ERROR}\t"
        monkeypatch.setattr(typed, "when", lambda _: time.monotonic() + 2000)
        await person.press("enter")
        await diagnosed(person)
        await person.sees("public.p has no row with id = 11")


async def test_a_burst_on_the_main_screen_writes_and_arms_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url, arming=Arming(allow_writes=True)) as person:
        burst(monkeypatch)
        before = await rows(url, "SELECT id, pid FROM c ORDER BY id")
        facts = person.app.world.facts
        assert facts is not None
        text = f"W{facts.place}\nadd 10\nW\n{facts.place}\nERROR: insert or update on table c {{fk}}\na\nd\n10\n10\ny\n"
        for letter in text:
            await person.press("enter" if letter == "\n" else letter)
        assert not person.app._exit
        assert not person.app.world.arming.armed(facts)
        assert not person.app.world.arming.words()
        assert await rows(url, "SELECT id, pid FROM c ORDER BY id") == before


async def test_reading_is_beside_the_app_and_can_be_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Esc works while a text is read; what it would have said comes to nobody."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    real = explain.read_chunks

    def held(chunks: Iterable[bytes], stop: threading.Event) -> Reading | None:
        begun.set()
        go_on.wait(20)
        try:
            return real(chunks, stop)
        finally:
            ended.set()

    monkeypatch.setattr(explain, "read_chunks", held)
    async with opened(url) as person:
        await paste(person, ERROR * 1000)
        await person.press("enter")
        await person.until(begun.is_set)
        await person.sees(r"Reading \d+,\d+ characters")
        await person.press("enter", "x")
        assert box(person).pasted.line_count() == 2001, "what is being read is not changed"
        await person.press("escape")
        assert person.app.screen is person.app.main
        go_on.set()
        await person.until(ended.is_set)
        await person.settle()
        assert person.app.screen is person.app.main
        assert person.app.world.explained is None


async def test_a_long_text_is_painted_by_the_line(url: str) -> None:
    """Of 100,000 lines, and of one that has a million characters, what is on screen is looked at."""
    async with opened(url) as person:
        await paste(person, "x" * 1_000_000 + "\n" + "INFO heartbeat ok\n" * 100_000 + ERROR + "the end")
        await person.sees("the end")
        await person.press("pageup", "up", "pagedown", "down")
        await person.sees("the end")
        await person.press("enter")
        await diagnosed(person)
        await person.sees("public.p has no row with id = 11")


async def test_before_the_catalogue_is_there_the_text_alone_is_told(url: str) -> None:
    gate = Gate(SchemaLoaded)
    async with opened(url, gate=gate, wait=False) as person:
        await person.until(lambda: gate.held)
        await paste(person, ERROR)
        await person.press("enter")
        await person.sees("The catalogue is not read yet")
        await person.sees("pid = 11")
        gate.open()
        await diagnosed(person)
        await person.sees("public.p has no row with id = 11")
        assert person.app.main.lens.current == person.edge("fk").oid


async def test_a_file_is_explained_at_the_start(url: str, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(ERROR, encoding="utf-8")
    app = ExplorerApp(Source(url, "argument"), explain=path)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        person = Person(app, pilot)
        await diagnosed(person)
        await person.sees("public.p has no row with id = 11")


async def test_a_file_that_has_gone_is_told(url: str, tmp_path: Path) -> None:
    app = ExplorerApp(Source(url, "argument"), explain=tmp_path / "gone.log")
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        person = Person(app, pilot)
        await person.sees(r"gone.log cannot be read: No such file")
        await person.press("escape")
        assert app.screen is app.main
