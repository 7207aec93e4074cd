"""Where a key lives: every place with its rows, of which each can be opened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding

from fkexplorer.reports.diagnosis import masked
from fkexplorer.reports.style import Span
from fkexplorer.reports.trace import TraceLine, trace_lines, trace_text
from fkexplorer.schema.names import columns_label
from fkexplorer.tui.boxes import LookingBox
from fkexplorer.tui.dialogs import HelpScreen
from fkexplorer.tui.explain_said import Traced
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

    from fkexplorer.diagnosis.model import Trace
    from fkexplorer.schema.model import Column, Table
    from fkexplorer.tui.explain_keys import ExplainKeys
    from fkexplorer.tui.lines import LineList

_KEYS = (("Enter", "the rows there"), ("y", "copy"), ("r", "again"), ("?", "help"), ("Esc", "close"))


class TraceScreen(LookingBox):
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
    stopped = "Stopped. r searches again."

    def __init__(self, main: ExplainKeys, table: Table, columns: Sequence[Column], value: Sequence[str | None]) -> None:
        super().__init__(main.session)
        self.looking = True  # from when it is mounted
        self._main = main
        self._table = table
        self._columns = columns
        self._value = tuple(value)
        self.trace: Trace | None = None
        self._lines: list[TraceLine] = []

    def on_mount(self) -> None:
        """Search."""
        self.action_again()

    def _show(self) -> None:
        if self.trace is not None:
            self._lines = trace_lines(self._shown(self.trace), cells=self._cells, ascii=painted(self.app).ascii_only)
        lines = [(Span(" "), *each.line) for each in self._lines]
        self._paint(f"where {columns_label(self._table, self._columns)} lives", lines, _KEYS)

    def _shown(self, trace: Trace) -> Trace:
        """The same with the value masked where a column is named like a secret."""
        return replace(trace, value=tuple(masked([column.name for column in self._columns], trace.value)))

    # Searching

    def action_again(self) -> None:
        """Search, or once more."""
        self._asked += 1
        self._ask(self._search(self._asked), "Searching; Ctrl+C stops it.", group="trace")

    async def _search(self, asked: int) -> Traced:
        world = self._main.world
        assert world.known is not None
        assert world.graph is not None
        table = world.known.tables.get(self._table.oid, self._table)
        return Traced(asked, await self._session.trace(world.known, world.graph, table, self._columns, self._value))

    def on_traced(self, event: Traced) -> None:
        """Show it."""
        if self._answers(event.number):
            self.trace = event.trace
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
