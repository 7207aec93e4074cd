"""The table of keys, and that help, palette and screen hold to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from textual.binding import Binding

from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.dialogs import HelpScreen, PasswordScreen, RowScreen, TextLines
from fkexplorer.tui.doctor import DoctorScreen
from fkexplorer.tui.explain import ExplainScreen
from fkexplorer.tui.explain_finding import FindingScreen
from fkexplorer.tui.filterbar import FilterBar
from fkexplorer.tui.find import Chooser, FindScreen, PaletteScreen
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import DeedScreen
from fkexplorer.tui.fixes.journal import JournalScreen
from fkexplorer.tui.fixes.typed import TypeScreen
from fkexplorer.tui.keys import KEYS, Key
from fkexplorer.tui.lens import LensView
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.main import MainScreen
from fkexplorer.tui.panel import Detail
from fkexplorer.tui.rows import RowsView
from fkexplorer.tui.tables import TablesView
from fkexplorer.tui.trace import TraceScreen
from fkexplorer.tui.world import View
from tests.tui.helpers import Person, opened

if TYPE_CHECKING:
    from textual.dom import DOMNode

OWNERS: dict[str, tuple[type[DOMNode], ...]] = {
    "list": (LineList,),
    "columns": (LensView, RowsView),
    "main": (MainScreen,),
    "app": (ExplorerApp,),
}
"""Where the keys of each group are bound."""
OURS = (ExplorerApp, MainScreen, LineList, LensView, RowsView, TablesView, Detail, FilterBar, TextLines)
DIALOGS = (
    HelpScreen,
    RowScreen,
    PasswordScreen,
    Chooser,
    TypeScreen,
    FieldsScreen,
    ChoiceScreen,
    DeedScreen,
    JournalScreen,
    ExplainScreen,
    FindingScreen,
    TraceScreen,
    DoctorScreen,
)


def own_bindings(owner: type[DOMNode]) -> list[Binding]:
    """The bindings that a class of ours makes, one for each key."""
    made = [binding for binding in owner.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]
    return list(Binding.make_bindings(made))


def test_every_binding_has_an_id_and_a_tooltip_and_no_id_is_used_twice() -> None:
    ids: dict[str, str] = {}
    for owner in (*OURS, *DIALOGS):
        for binding in own_bindings(owner):
            assert binding.id, f"{owner.__name__}: {binding.key}"
            assert binding.tooltip, f"{owner.__name__}: {binding.key}"
            # One id may have several keys and be bound on several lists; it always means the same.
            assert ids.setdefault(binding.id, binding.action) == binding.action
    assert len({key.id for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_every_key_is_bound_to_a_method_that_exists(key: Key) -> None:
    for owner in OWNERS[key.group]:
        bound = {binding.key: binding for binding in own_bindings(owner) if binding.id == key.id}
        assert set(bound) == set(key.keys.split(","))
        for binding in bound.values():
            assert binding.action == key.action
            assert binding.tooltip == key.tooltip
        assert callable(getattr(owner, "action_" + key.action.partition("(")[0]))


def test_no_key_means_two_things_where_it_can_be_pressed() -> None:
    for focused in (TablesView, LensView, RowsView, Detail):
        seen: dict[str, str] = {}
        for owner in (ExplorerApp, MainScreen, *focused.__mro__):
            for binding in own_bindings(owner) if owner.__module__.startswith("fkexplorer") else ():
                assert seen.setdefault(binding.key, binding.action) == binding.action, f"{focused}: {binding.key}"
        assert len(seen) > 30


async def test_nothing_of_textuals_own_is_bound_beside(demo_url: str) -> None:
    """Keys that the help does not name would be surprises: Textual's own are replaced or off."""
    async with opened(demo_url) as person:
        known = {one for key in KEYS for one in key.keys.split(",")}
        for pane in (person.app.main.tables, person.app.main.detail):
            person.app.main.set_focus(pane)
            await person.pilot.pause()
            active = set(person.app.screen.active_bindings)
            assert active <= known, active - known


async def test_help_names_every_key_with_its_tooltip(demo_url: str) -> None:
    for size in ((80, 24), (140, 40), (44, 12)):
        async with opened(demo_url, size=size) as person:
            await person.press("question_mark")
            await person.until(lambda: isinstance(person.app.screen, HelpScreen))
            await person.pilot.pause()
            said = await scrolled(person)
            for key in KEYS:
                words = r"\s+".join(map(re.escape, key.tooltip.split()))
                assert re.search(rf"^{re.escape(key.shown)}\s+{words}", said, re.MULTILINE), key.id
            assert "orphans under a constraint that PostgreSQL calls valid" in " ".join(said.split())
            assert re.search(r"no\s+filter\s+is\s+set:\s+/\s+sets\s+one", said)
            await person.press("escape")
            assert person.app.screen is person.app.main


async def scrolled(person: Person) -> str:
    """All that a dialog's list says, read by scrolling through it."""
    lines = person.app.screen.query_one(TextLines)
    inner = lines.region.shrink(lines.styles.gutter)
    said: list[str] = []
    while True:
        shown = [line[inner.x : inner.right - 1].strip() for line in person.lines()[inner.y : inner.bottom]]
        said[lines.top :] = shown
        if lines.cursor == lines.line_count() - 1:
            return "\n".join(said)
        await person.press("pagedown")


async def test_palette_runs_an_action(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.press("colon")
        await person.until(lambda: isinstance(person.app.screen, PaletteScreen))
        await person.type("lens")
        await person.sees("The Lens: parents, this table, children")
        await person.press("enter")
        await person.until(lambda: person.in_view(View.LENS))
        assert person.app.screen is person.app.main
        await person.press("ctrl+p")
        await person.type("stop running")
        await person.press("enter")
        await person.told(r"Ctrl\+C again quits")
        # What can't be done now is greyed with the reason, and says it when it is chosen.
        await person.press("ctrl+p")
        await person.type("unmask")
        await person.sees(r"unmask +M +\(only in rows\)")
        await person.press("enter")
        await person.told("unmask: only in rows")


async def test_palette_names_every_action_of_the_views(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 80)) as person:
        await person.press("colon")
        said = person.text
        for key in KEYS:
            shown = re.search(rf"[│|] {re.escape(key.label)} +{re.escape(key.shown)} ", said)
            assert bool(shown) == (key.group in ("main", "app") and key.action != "palette"), key.id


async def test_palette_stays_shut_over_a_dialog(demo_url: str) -> None:
    """Its actions belong to what lies below; in the finder Ctrl+P is one line up."""
    async with opened(demo_url) as person:
        await person.press("f")
        assert isinstance(person.app.screen, FindScreen)
        lines = person.app.screen.query_one(TextLines)
        await person.press("down", "down", "ctrl+p")
        assert isinstance(person.app.screen, FindScreen)
        assert lines.cursor == 1
        await person.press("escape", "question_mark", "ctrl+p")
        assert isinstance(person.app.screen, HelpScreen)


async def test_keys_before_the_catalogue_say_why_not(demo_url: str) -> None:
    from fkexplorer.tui.messages import SchemaLoaded  # noqa: PLC0415
    from tests.tui.helpers import Gate  # noqa: PLC0415

    gate = Gate(SchemaLoaded)
    async with opened(demo_url, gate=gate, wait=False) as person:
        await person.until(lambda: gate.held)
        for key in KEYS:
            # What ends the app or lies over it has tests of its own.
            if key.action in ("close", "close_or_quit", "interrupt", "help", "palette", "explain"):
                continue
            await person.press(key.keys.split(",")[0])
            assert person.app.screen is person.app.main, key.id
        await person.told("the catalogue is not read yet")
        assert person.app.main.view in (View.TABLES, View.LENS)
        gate.open()
        await person.counted()
        await person.press("1")
        assert re.match(r" shop\.orders ", person.lines()[3]) or person.app.main.tables.touched


async def test_every_key_in_every_view_leaves_the_app_alive(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 40)) as person:
        main = person.app.main
        await person.press("enter", "o")
        await person.read()
        for view in View:
            for key in KEYS:
                if key.action in ("close_or_quit", "interrupt"):
                    continue
                main.switch(view)
                await person.press(key.keys.split(",")[0])
                if person.app.screen is not main or main.query_one(FilterBar).display:
                    await person.press("escape")
                elif main.zoomed:
                    await person.press("Z")
                assert person.app.screen is main, key.id
        await person.read()
        assert person.app._exception is None
        assert not person.app._exit
