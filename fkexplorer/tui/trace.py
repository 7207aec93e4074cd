"""Where a key lives: every place with its rows, of which each can be opened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from fkexplorer.database.model import Trouble
from fkexplorer.reports.diagnosis import masked
from fkexplorer.reports.style import Span
from fkexplorer.reports.trace import TraceLine, trace_lines, trace_text
from fkexplorer.reports.values import fit, inert
from fkexplorer.schema.names import columns_label
from fkexplorer.tui.dialogs import HelpScreen, TextLines
from fkexplorer.tui.explain_said import NotLooked, Traced
from fkexplorer.tui.messages import ConnectionLost, words_of
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.message import Message

    from fkexplorer.diagnosis.model import Trace
    from fkexplorer.schema.model import Column, Table
    from fkexplorer.tui.explain_keys import ExplainKeys
    from fkexplorer.tui.lines import LineList

_KEYS = (("Enter", "the rows there"), ("y", "copy"), ("r", "again"), ("?", "help"), ("Esc", "close"))


class TraceScreen(ModalScreen[None]):
    """Searches for a key, and lists where it is and where it was not looked for.

    Args:
        main: the screen below, which shows the rows.
        table: the table of the key.
        columns: its columns.
        value: the value of each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close", id="trace.close", tooltip="Close it.", key_display="Esc"),
        Binding("question_mark,f1", "help", "help", id="trace.help", tooltip="These keys.", key_display="?"),
        Binding("y", "copy", "copy", id="trace.copy", tooltip="Copy all that is said."),
        Binding("r", "again", "look again", id="trace.again", tooltip="Search once more."),
    ]
    DEFAULT_CSS = """
    TraceScreen { align: center middle; }
    TraceScreen > Vertical { width: 96%; height: 94%; border: round $primary; background: $surface; }
    TraceScreen.-ascii > Vertical { border: ascii $primary; }
    """

    def __init__(self, main: ExplainKeys, table: Table, columns: Sequence[Column], value: Sequence[str | None]) -> None:
        super().__init__()
        self._main = main
        self._table = table
        self._columns = columns
        self._value = tuple(value)
        self.trace: Trace | None = None
        self._asked = 0
        self._searching = False
        self._said = ""
        self._lines: list[TraceLine] = []

    def compose(self) -> ComposeResult:
        """What was found above the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical():
            yield TextLines()
            yield Panel(id="trace-state")
            yield Panel(id="trace-keys")

    def on_mount(self) -> None:
        """Search."""
        self.action_again()

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    def _show(self) -> None:
        lines, ascii_only = self.query_one(TextLines), painted(self.app).ascii_only
        cells = max(20, lines.size.width - 2)
        title = f"where {columns_label(self._table, self._columns)} lives"
        self.query_one(Vertical).border_title = Content(fit(title, cells - 4, ascii=ascii_only, pad=False))
        if self.trace is not None:
            self._lines = trace_lines(self._shown(self.trace), cells=cells, ascii=ascii_only)
            lines.content = [(Span(" "), *each.line) for each in self._lines]
        lines.move_to(lines.cursor)
        lines.refresh()
        said = (Span(inert(self._said, ascii=ascii_only), "dim" if self._searching else "unknown"),)
        self.query_one("#trace-state", Panel).show(wrapped([said], cells)[:1])
        self.query_one("#trace-keys", Panel).show([keys_line(_KEYS)])

    def _shown(self, trace: Trace) -> Trace:
        """The same with the value masked where a column is named like a secret."""
        return replace(trace, value=tuple(masked([column.name for column in self._columns], trace.value)))

    # Searching

    def action_again(self) -> None:
        """Search, or once more."""
        self._asked += 1
        self._searching, self._said = True, "Searching; Ctrl+C stops it."
        searching = self._search(self._asked)
        self.app.run_worker(searching, group="trace", exclusive=True, exit_on_error=False, description="trace")
        self._show()

    async def _search(self, asked: int) -> None:
        world = self._main.world
        message: Message
        try:
            assert world.schema is not None
            assert world.graph is not None
            table = world.schema.tables.get(self._table.oid, self._table)
            found = await self._main.session.trace(world.schema, world.graph, table, self._columns, self._value)
        except Trouble as trouble:
            message = NotLooked(asked, trouble)
        except asyncio.CancelledError:
            self.post_message(NotLooked(asked, None))
            raise
        else:
            message = Traced(asked, found)
        self.post_message(message)

    def on_traced(self, event: Traced) -> None:
        """Show it."""
        if event.number == self._asked:
            self.trace, self._searching, self._said = event.trace, False, ""
            self._show()

    def on_not_looked(self, event: NotLooked) -> None:
        """Say why not."""
        if event.number != self._asked:
            return
        self._searching = False
        self._said = words_of(event.trouble) if event.trouble else "Stopped. r searches again."
        if event.trouble and event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self._main.session.generation, event.trouble))
        self._show()

    # What leads elsewhere

    def action_help(self) -> None:
        """The keys of this screen, before those of the others."""
        own = [each for each in self.BINDINGS if isinstance(each, Binding)]
        self.app.push_screen(HelpScreen({}, own, "Where a value lives; Enter opens the rows under the cursor"))

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter: the rows of a place, or one of them in full."""
        at = self._lines[event.index] if event.index < len(self._lines) else None
        if at is None or at.sighting is None or self.trace is None:
            return
        if not at.sighting.rows:
            self._main.say("It was not looked for there." if at.sighting.rows is None else "No row there holds it.")
        elif at.row is None:
            self._main.show_holding(at.sighting, self.trace.value)
        elif at.row < len(at.sighting.keys):
            self._main.show_row(at.sighting, self.trace.value, at.sighting.keys[at.row])

    def action_copy(self) -> None:
        """Copy all that is said."""
        if self.trace is not None:
            self.app.copy_to_clipboard("\n".join(trace_text(self._shown(self.trace))))
            self._main.say("Sent to the terminal's clipboard.")
