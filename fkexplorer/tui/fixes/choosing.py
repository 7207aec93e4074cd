"""The panel of fixes: all that could be done about one foreign key, and why not where it can't."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.planning import PlanOptions
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.asking import FieldsScreen, fields_for, options_of
from fkexplorer.tui.fixes.deed import DeedScreen
from fkexplorer.tui.fixes.deeds import Fix
from fkexplorer.tui.fixes.said import Chosen, Failed
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panel import wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.fixes.model import Choice
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World

_LETTERS = {
    FixAction.DELETE: "d",
    FixAction.SET_NULL: "n",
    FixAction.SET_DEFAULT: "f",
    FixAction.REPOINT: "p",
    FixAction.INSERT_PARENTS: "i",
    FixAction.BACKFILL: "b",
    FixAction.QUARANTINE: "t",
    FixAction.ADD_CONSTRAINT: "c",
    FixAction.VALIDATE: "v",
    FixAction.REVALIDATE: "r",
}
"""No letter that moves a cursor, nor `q`."""


def letter_of(choice: Choice, choices: Sequence[Choice]) -> str:
    """The key of a choice; the ON DELETE rules have digits."""
    if choice.action is not FixAction.CHANGE_ON_DELETE:
        return _LETTERS[choice.action]
    return str([each.rule for each in choices if each.action is choice.action].index(choice.rule) + 1)


class ChoiceLines(TextLines):
    """Choices, and below each that can't be done why; the cursor stands on choices alone."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[int, int] = {}
        """The choice of each line that is one."""

    def selectable(self, index: int) -> bool:
        """Not on a reason."""
        return index in self.places or not self.places


class ChoiceScreen(ModalScreen[None]):
    """The fixes of one edge. A letter, or Enter, leads to the preview; nothing is done here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close", id="choice.close", tooltip="Close the panel.")
    ]
    DEFAULT_CSS = """
    ChoiceScreen { align: right middle; }
    ChoiceScreen > Vertical { width: 70; max-width: 96%; height: 100%; border: round $primary; background: $surface; }
    ChoiceScreen.-ascii > Vertical { border: ascii $primary; }
    """

    def __init__(self, session: Session, world: World, schema: Schema, edge: Relationship) -> None:
        super().__init__()
        self._session = session
        self._world = world
        self._schema = schema
        self._edge = edge
        self.choices: Sequence[Choice] = ()

    def compose(self) -> ComposeResult:
        """One list."""
        ascii_only = painted(self.app).ascii_only
        self.set_class(ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = Content(inert(f"fixes  {edge_label(self._schema, self._edge)}", ascii=ascii_only))
            yield ChoiceLines()

    def on_mount(self) -> None:
        """Ask what can be done."""
        self.app.run_worker(self._ask(), group="look", exit_on_error=False, description="choices")

    async def _ask(self) -> None:
        try:
            count = self._world.counts.get(self._edge.oid)
            found = await choices(self._session.connected(), self._schema, self._edge, count)
        except Trouble as trouble:
            self.post_message(Failed(trouble))
        else:
            self.post_message(Chosen(found))

    def on_chosen(self, event: Chosen) -> None:
        """Show them."""
        self.choices = event.choices
        self._show()

    def on_failed(self, event: Failed) -> None:
        """Say why there are none."""
        lines = self.query_one(ChoiceLines)
        lines.content = wrapped([(Span(self._inert(words_of(event.trouble)), "severe"),)], self._cells)
        lines.refresh()

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    @property
    def _cells(self) -> int:
        return max(20, min(70, int(self.size.width * 0.96)) - 4)

    def _inert(self, text: str) -> str:
        return inert(text, ascii=painted(self.app).ascii_only)

    def _show(self) -> None:
        lines = self.query_one(ChoiceLines)
        content: list[Line] = []
        lines.places = {}
        for number, choice in enumerate(self.choices):
            lines.places[len(content)] = number
            off = bool(choice.reason)
            letter = letter_of(choice, self.choices)
            title = Span(self._inert(choice.title), "off" if off else "")
            content += wrapped([(Span(f"{letter}  ", "off" if off else "key"), title)], self._cells)
            if off:
                remedy = f": {choice.remedy}" if choice.remedy else ""
                why = (Span("   "), Span(self._inert(f"{choice.reason}{remedy}"), "unknown"))
                content += wrapped([why], self._cells)
        lines.content = content or [(Span(" Asking what can be done.", "dim"),)]
        lines.move_to(lines.cursor)
        lines.refresh()

    def on_key(self, event: events.Key) -> None:
        """Letters are choices."""
        for choice in self.choices:
            if event.character == letter_of(choice, self.choices):
                event.stop()
                self._take(choice)
                return

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter."""
        number = self.query_one(ChoiceLines).places.get(event.index)
        if number is not None:
            self._take(self.choices[number])

    def _take(self, choice: Choice) -> None:
        if choice.reason:
            self.app.notify(self._inert(f"{choice.title}: {choice.reason}"), markup=False, timeout=6)
            return
        fields = fields_for(self._schema, self._edge, choice.action)
        if not fields:
            self._preview(choice, {})
            return

        def answered(values: Mapping[str, str] | None) -> None:
            if values is not None:
                self._preview(choice, values)

        find = partial(self._session.find_parents, self._schema, self._edge)
        self.app.push_screen(FieldsScreen(choice.title, fields, find), answered)

    def _preview(self, choice: Choice, values: Mapping[str, str]) -> None:
        label = edge_label(self._schema, self._edge)
        options = options_of(PlanOptions(label, choice.action, rule=choice.rule or None), values)
        self.app.push_screen(
            DeedScreen(self._session, self._world, Fix(self._session, self._schema, self._edge, options))
        )
