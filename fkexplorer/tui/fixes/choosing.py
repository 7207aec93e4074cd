"""The panel of fixes: all that could be done about one foreign key, and why not where it can't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.planning import PlanOptions
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.deeds import Fix
from fkexplorer.tui.fixes.leading import OF_ROWS, lead_on
from fkexplorer.tui.fixes.said import Chosen, Failed
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panel import wrapped
from fkexplorer.tui.rows import Marks
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.diagnosis.model import Suggestion
    from fkexplorer.fixes.model import Choice
    from fkexplorer.orphans.model import Count
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
    FixAction.ENFORCE: "e",
    FixAction.CREATE_INDEX: "x",
    FixAction.CHANGE_TYPE: "y",
    FixAction.ADD_UNIQUE: "u",
    FixAction.ENABLE_TRIGGERS: "w",
    FixAction.SYNC_TRIGGER: "s",
}
"""No letter that moves a cursor, nor `q`."""


def letter_of(choice: Choice, choices: Sequence[Choice]) -> str:
    """The key of a choice; the ON DELETE rules have digits."""
    if choice.action is not FixAction.CHANGE_ON_DELETE:
        return _LETTERS[choice.action]
    return str([each.rule for each in choices if each.action is choice.action].index(choice.rule) + 1)


_UNMARK = "Esc in the list unmarks first"


def _whole(choice: Choice) -> str:
    """Why it can't be done, and what would permit it."""
    return f"{choice.reason}: {choice.remedy}" if choice.remedy else choice.reason


class ChoiceLines(TextLines):
    """Choices, and below each that can't be done why; the cursor stands on choices alone."""

    def __init__(self) -> None:
        super().__init__(id="fixes")
        self.places: dict[int, int] = {}
        """The choice of each line that is one."""

    def selectable(self, index: int) -> bool:
        """Not on a reason."""
        return index in self.places or not self.places

    def on_resize(self) -> None:
        """Wrap for the width."""
        if isinstance(self.parent, ChoicePanel):
            self.parent.show_choices()


class ChoicePanel(Vertical):
    """The fixes of one edge, or of what is marked of its orphans. Nothing is done here.

    A letter, or Enter, leads to the preview. Docked beside a list it is given another edge, or other marks, as the
    cursor moves there; its frame shows where the keys go.

    Args:
        session: whom to ask.
        world: what is known.
        wishes: what a diagnosis suggests: a fix that is one of these begins with its source, scope and key.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "close", id="choice.close", tooltip="Close the panel.")
    ]
    DEFAULT_CSS = """
    ChoicePanel { border: round $primary; background: $surface; }
    ChoicePanel.-away { border: round $foreground 40%; }
    ChoicePanel.-ascii { border: ascii $primary; }
    ChoicePanel.-ascii.-away { border: ascii $foreground 40%; }
    """

    @dataclass
    class Closed(Message):
        """Somebody wants it to go."""

        panel: ChoicePanel

    def __init__(
        self, session: Session, world: World, wishes: Sequence[Suggestion] = (), *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._session = session
        self._wishes = wishes
        self._world = world
        self._about: tuple[Schema, Relationship] | None = None
        self._marks = Marks()
        self._count: Count | None = None
        self._asked = 0
        """How often choices were asked for: an answer to an earlier question is dropped."""
        self.choices: Sequence[Choice] = ()
        self.lines = ChoiceLines()

    def compose(self) -> ComposeResult:
        """One list."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        yield self.lines

    def aim(self, schema: Schema | None, edge: Relationship | None, marks: Marks) -> None:
        """Be about this edge and these marks from now on; what can be done is asked unless it is known.

        Args:
            schema: the schema that the edge is of.
            edge: a declared edge, or a pair of columns; None where there is nothing to mend.
            marks: what is marked of its orphans.
        """
        about = (schema, edge) if schema is not None and edge is not None else None
        count = self._world.counts.get(edge.oid) if edge is not None else None
        same = (
            about is not None
            and self._about is not None
            and about[0] is self._about[0]
            and about[1] is self._about[1]
            and (count and count.orphans) == (self._count and self._count.orphans)
        )
        if same and marks == self._marks:
            return
        self._about, self._marks, self._count = about, marks, count
        if not same:
            self.choices = ()
            self._asked += 1
            if about is not None:
                asking = self._ask(*about, self._asked)
                self.app.run_worker(asking, group="look", exit_on_error=False, description="choices")
        self.show_choices()

    async def _ask(self, schema: Schema, edge: Relationship, number: int) -> None:
        message: Message
        try:
            message = Chosen(await choices(self._session.connected(), schema, edge, self._count))
        except Trouble as trouble:
            message = Failed(trouble)
        if number == self._asked:
            self.post_message(message)

    def on_chosen(self, event: Chosen) -> None:
        """Show them."""
        self.choices = event.choices
        self.show_choices()

    def on_failed(self, event: Failed) -> None:
        """Say why there are none."""
        why = (Span(self._inert(words_of(event.trouble)), "severe"),)
        self.lines.content = wrapped([why], self._cells)
        self.lines.refresh()

    @property
    def _cells(self) -> int:
        return max(20, self.lines.size.width - 1)

    def _inert(self, text: str) -> str:
        return inert(text, ascii=painted(self.app).ascii_only)

    def reason(self, choice: Choice) -> str:
        """Why it can't be done to what is marked, or at all; empty where it can."""
        if self._marks and choice.action not in OF_ROWS:
            return _UNMARK
        return choice.reason

    def show_choices(self) -> None:
        """Say what can be done."""
        label = edge_label(*self._about) if self._about else ""
        self.border_title = Content(self._inert(f"fixes  {label}"))
        content: list[Line] = []
        self.lines.places = {}
        choices = list(enumerate(self.choices))
        if self._marks:
            # What is of all rows comes last, with one reason for all of it.
            choices.sort(key=lambda each: each[1].action not in OF_ROWS)
        heading, alike = "", self._one_reason()
        if alike:
            content += wrapped([(Span(self._inert(f"{alike[0].upper()}{alike[1:]}."), "unknown"),)], self._cells)
        for number, choice in choices:
            if (said := self._heading(choice)) != heading:
                heading = said
                content += wrapped([(Span(said, "heading"),)], self._cells)
            self.lines.places[len(content)] = number
            reason = self.reason(choice)
            letter = letter_of(choice, self.choices)
            title = Span(self._inert(self._title(choice)), "off" if reason else "")
            content += wrapped([(Span(f"{letter}  ", "off" if reason else "key"), title)], self._cells)
            if reason and reason != _UNMARK and not alike:
                content += wrapped([(Span("   "), Span(self._inert(_whole(choice)), "unknown"))], self._cells)
        asking = "Asking what can be done." if self._about else "No foreign key under the cursor."
        self.lines.content = content or [(Span(f" {asking}", "dim"),)]
        self.lines.move_to(self.lines.cursor)
        self.lines.refresh()

    def _one_reason(self) -> str:
        """Why none of them can be done, where it is one reason; then it is said once."""
        reasons = {choice.reason and _whole(choice) for choice in self.choices}
        return reasons.pop() if len(reasons) == 1 else ""

    def _heading(self, choice: Choice) -> str:
        """What stands above the choices of this kind."""
        if not self._marks:
            return ""
        return f"Of {self._marks} alone" if choice.action in OF_ROWS else f"Of all rows: {_UNMARK}"

    def _title(self, choice: Choice) -> str:
        if not self._marks or choice.action not in OF_ROWS:
            return choice.title
        of = "these rows" if self._marks.rows else "the orphans with these keys"
        return {
            FixAction.DELETE: f"delete {of}",
            FixAction.SET_NULL: f"set the key of {of} to NULL",
            FixAction.SET_DEFAULT: f"set the key of {of} to its default",
            FixAction.REPOINT: f"re-point {of} to a parent that exists",
            FixAction.INSERT_PARENTS: f"insert the parents that {of} miss"
            if self._marks.rows
            else "insert the parents with these keys",
            FixAction.QUARANTINE: f"move {of} to a side table",
        }[choice.action]

    def on_descendant_focus(self) -> None:
        """Its frame shows that letters are choices."""
        self.remove_class("-away")

    def on_descendant_blur(self) -> None:
        """The keys go elsewhere."""
        self.add_class("-away")

    def on_key(self, event: events.Key) -> None:
        """Letters are choices."""
        for choice in self.choices:
            if event.character == letter_of(choice, self.choices):
                event.stop()
                self._take(choice)
                return

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter."""
        event.stop()
        number = self.lines.places.get(event.index)
        if number is not None:
            self._take(self.choices[number])

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """No list of the screen moved."""
        event.stop()

    def action_close(self) -> None:
        """Whoever shows it takes it away."""
        self.post_message(self.Closed(self))

    def _take(self, choice: Choice) -> None:
        if self._about is None:
            return
        if reason := self.reason(choice):
            self.app.notify(self._inert(f"{choice.title}: {reason}"), markup=False, timeout=6)
            return
        schema, edge = self._about
        options = PlanOptions(edge_label(schema, edge), choice.action, rule=choice.rule or None)
        wish = next((each for each in self._wishes if each.action is choice.action), None)
        lead_on(
            self.app,
            Fix(self._session, schema, edge, options, self._marks),
            world=self._world,
            title=self._title(choice),
            wish=wish,
            asks=choice.asks,
        )


class ChoiceScreen(ModalScreen[None]):
    """The panel over the right half, where there is no room beside the list."""

    DEFAULT_CSS = """
    ChoiceScreen { align: right middle; }
    ChoiceScreen > ChoicePanel { width: 70; max-width: 96%; height: 100%; }
    """

    def __init__(  # noqa: PLR0917 - whom to ask, then what about
        self,
        session: Session,
        world: World,
        schema: Schema,
        edge: Relationship,
        marks: Marks | None = None,
        wishes: Sequence[Suggestion] = (),
    ) -> None:
        super().__init__()
        self._world = world
        self.panel = ChoicePanel(session, world, wishes)
        self._about = (schema, edge, marks or Marks())

    @property
    def choices(self) -> Sequence[Choice]:
        """What can be done; empty until it is known."""
        return self.panel.choices

    def compose(self) -> ComposeResult:
        """The panel."""
        yield self.panel

    def on_mount(self) -> None:
        """Ask what can be done."""
        self.panel.aim(*self._about)

    def on_screen_resume(self) -> None:
        """After a fix it is of all orphans again: what was marked may be gone."""
        if self._world.mended:
            schema, edge, _ = self._about
            self.panel.aim(schema, edge, Marks())

    def on_choice_panel_closed(self) -> None:
        """Go."""
        self.dismiss()
