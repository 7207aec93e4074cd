"""Asks for a pair of columns that no constraint binds: found by a few letters; the server says how they compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input

from fkexplorer.database.model import Trouble
from fkexplorer.named import edge_or_pair
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.schema.names import find_tables, quote, split_pair, table_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.find import in_order
from fkexplorer.tui.fixes.said import Failed, Paired
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panel import Panel, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.session import Session

LIMIT = 100
"""Names that are shown at most."""


def parts_of(text: str) -> tuple[str, str]:
    """What is settled of a pair being typed, and the rest, for which names are sought.

    `a(x):b(` is `a(x):` and `b(`; `a(x, ` is all rest.
    """
    at = text.find("):") + 2
    return (text[:at], text[at:].lstrip()) if at > 1 else ("", text)


def completions(schema: Schema, sides: Sequence[str], rest: str) -> list[str]:
    """What the rest may become, the best first: a table with a column, or one more column of the table at hand.

    Args:
        schema: where the names are.
        sides: `schema.table(column)` of every column.
        rest: what is typed of one side.
    """
    begun, comma, letters = rest.rpartition(",")
    if comma:
        tables = find_tables(schema, begun.partition("(")[0])
        columns = [quote(each.name) for each in tables[0].columns] if len(tables) == 1 else []
        return [f"{begun}, {column})" for column in _matching(columns, letters.strip(" )"))]
    return _matching(sides, rest)


def _matching(names: Sequence[str], typed: str) -> list[str]:
    letters = typed.casefold().replace(" ", "")
    if not letters:
        return list(names[:LIMIT])
    search = FuzzySearch()
    scored = [
        (-search.match(letters, name)[0], len(name), name) for name in names if in_order(letters, name.casefold())
    ]
    return [name for score, _, name in sorted(scored) if score][:LIMIT]


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair that was typed, and what for."""

    edge: Relationship
    fix: bool
    """What can be done about it is wanted, and no link."""


class PairScreen(ModalScreen[Pair | None]):
    """A field for `child(column):parent(column)`, above the names that fit; Enter completes, then gives the edge.

    Args:
        session: whom to ask how the columns are compared.
        schema: where the names are.
        begun: what the field says before anything is typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="pair.close", tooltip="Give it up."),
        Binding("down,ctrl+n", "move(1)", "down", id="pair.down", tooltip="The next name."),
        Binding("up,ctrl+p", "move(-1)", "up", id="pair.up", tooltip="The previous name."),
        Binding("ctrl+f", "fix", "fix it", id="pair.fix", tooltip="Fix it without a link.", priority=True),
        Binding("tab", "complete", "complete", id="pair.complete", tooltip="Take the name.", priority=True),
    ]
    DEFAULT_CSS = """
    PairScreen { align: center top; }
    PairScreen > Vertical { width: 90%; max-width: 100; height: 80%; background: $surface; border: round $primary; }
    PairScreen.-ascii > Vertical { border: ascii $primary; }
    PairScreen Input, PairScreen Input:focus { border: none; height: 1; background: $panel; }
    #pair-said { height: 3; }
    """

    def __init__(self, session: Session, schema: Schema, begun: str = "") -> None:
        super().__init__()
        self._begun = begun
        self._fix = False
        self._session = session
        self._schema = schema
        tables = sorted(schema.tables.values(), key=table_label)
        self._sides = [f"{table_label(table)}({quote(column.name)})" for table in tables for column in table.columns]
        self._found: list[str] = []

    def compose(self) -> ComposeResult:
        """The field, what is wrong with it, and names."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = Content("link two columns")
            yield Input(self._begun, placeholder="child(column):parent(column)", select_on_focus=False)
            yield Panel(id="pair-said")
            names = TextLines()
            names.can_focus = False
            yield names

    def on_mount(self) -> None:
        """The names that fit what is there."""
        self._show(self._begun)
        self.query_one(Input).cursor_position = len(self._begun)

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._hint()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Seek again."""
        self._show(event.value)

    def _show(self, text: str) -> None:
        settled, rest = parts_of(text)
        # A whole pair needs no name any more.
        self._found = [] if settled and split_pair(text) else completions(self._schema, self._sides, rest)
        ascii_only = painted(self.app).ascii_only
        names = self.query_one(TextLines)
        names.content = [(Span(" " + inert(name, ascii=ascii_only)),) for name in self._found]
        names.cursor = names.top = 0
        names.refresh()
        self._hint()

    def _hint(self) -> None:
        settled, _ = parts_of(self.query_one(Input).value)
        if self._found:
            side = "the parent, whose column they name" if settled else "the child, whose column names a parent"
            clear = "; Ctrl+U clears" if self.query_one(Input).value else ""
            self._say(f"{side}: Enter takes the name; of several columns type them, (a, b){clear}", "dim")
        elif settled:
            self._say("Enter links the two; Ctrl+F: what can be done about them, without a link", "dim")
        else:
            self._say("no column is called that", "unknown")

    def _say(self, text: str, style: str) -> None:
        text = inert(text, ascii=painted(self.app).ascii_only)
        cells = max(20, self.query_one("#pair-said").size.width)
        self.query_one("#pair-said", Panel).show(wrapped([(Span(text, style),)], cells)[:3])

    def action_move(self, by: int) -> None:
        """The next or previous name."""
        names = self.query_one(TextLines)
        names.move_to(names.cursor + by)

    def action_complete(self) -> None:
        """Take the name under the cursor."""
        at = self.query_one(TextLines).cursor
        if at < len(self._found):
            field = self.query_one(Input)
            settled, _ = parts_of(field.value)
            field.value = settled + self._found[at] + ("" if settled else ":")
            field.cursor_position = len(field.value)

    def on_line_list_chosen(self, _event: LineList.Chosen) -> None:
        """A name, by mouse."""
        self.action_complete()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Complete it, or check what is whole."""
        self._take(fix=False)

    def action_fix(self) -> None:
        """The same, to see what can be done about it."""
        self._take(fix=True)

    def _take(self, *, fix: bool) -> None:
        text, self._fix = self.query_one(Input).value, fix
        if split_pair(text) is None:
            self.action_complete()
            return
        self._say("Asking how they are compared.", "dim")
        checking = self._check(text)
        self.app.run_worker(checking, group="look", exit_on_error=False, description="pair")

    async def _check(self, text: str) -> None:
        try:
            edge = await edge_or_pair(self._session.connected(), self._schema, text, incomparable=True)
        except Trouble as trouble:
            self.post_message(Failed(trouble))
        else:
            self.post_message(Paired(text, edge))

    def on_paired(self, event: Paired) -> None:
        """There are such columns, unless something else is typed by now; that nothing compares them says the panel."""
        if event.text == self.query_one(Input).value:
            self.dismiss(Pair(event.edge, self._fix))

    def on_failed(self, event: Failed) -> None:
        """Say why they can't."""
        self._say(words_of(event.trouble), "severe")
