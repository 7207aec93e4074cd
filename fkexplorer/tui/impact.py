"""What deleting rows would do: the tree of foreign keys below them, each of which can be opened in the Lens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen

from fkexplorer.database.model import Trouble
from fkexplorer.reports.impact import ImpactLine, impact_lines, impact_text
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, fit, inert
from fkexplorer.schema.names import table_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.explain_said import NotLooked
from fkexplorer.tui.messages import ConnectionLost, words_of
from fkexplorer.tui.panel import Panel, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.worker import Worker

    from fkexplorer.diagnosis.impact_model import Impact
    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.model import Schema, Table
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.rowkeys import RowKeys

_KEYS = (("Enter", "its foreign key"), ("y", "copy"), ("r", "again"), ("Esc", "close"))


@dataclass
class Foreseen(Message):
    """What a delete would do, with the catalogue that it was found with; `whole` where no more will come."""

    number: int
    impact: Impact
    schema: Schema
    whole: bool


class ImpactScreen(ModalScreen[None]):
    """Follows the foreign keys below some rows, and shows what was found so far.

    Args:
        main: the screen below, which shows the foreign keys.
        table: the table of the rows.
        keys: what identifies them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,x", "leave", "close", id="impact.close", tooltip="Close it, and stop what still runs."),
        Binding("y", "copy", "copy", id="impact.copy", tooltip="Copy all that is said."),
        Binding("r", "again", "look again", id="impact.again", tooltip="Look once more."),
    ]
    DEFAULT_CSS = """
    ImpactScreen { align: center middle; }
    ImpactScreen > Vertical { width: 96%; height: 94%; border: round $primary; background: $surface; }
    ImpactScreen.-ascii > Vertical { border: ascii $primary; }
    """

    def __init__(self, main: RowKeys, table: Table, keys: Sequence[Key]) -> None:
        super().__init__()
        self._main = main
        self._table = table
        self._keys = tuple(keys)
        self.impact: Impact | None = None
        self.whole = False
        """Nothing more will come."""
        self._schema: Schema | None = None
        self._asked = 0
        self._worker: Worker[None] | None = None
        self._said = ""
        self._lines: list[ImpactLine] = []

    def compose(self) -> ComposeResult:
        """What was found above the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical():
            yield TextLines()
            yield Panel(id="impact-state")
            yield Panel(id="impact-keys")

    def on_mount(self) -> None:
        """Look."""
        self.action_again()

    def on_resize(self) -> None:
        """Make the lines for the width."""
        self._show()

    def _show(self) -> None:
        lines, ascii_only = self.query_one(TextLines), painted(self.app).ascii_only
        cells = max(20, lines.size.width - 2)
        rows = "this row" if len(self._keys) == 1 else f"these {exact(len(self._keys))} rows"
        title = f"what deleting {rows} of {table_label(self._table)} would do"
        self.query_one(Vertical).border_title = Content(fit(title, cells - 4, ascii=ascii_only, pad=False))
        if self.impact is not None and self._schema is not None:
            self._lines = impact_lines(self.impact, self._schema, cells=cells, ascii=ascii_only)
            lines.content = [(Span(" "), *each.line) for each in self._lines]
        lines.move_to(lines.cursor)
        lines.refresh()
        said = (Span(inert(self._said, ascii=ascii_only), "unknown" if self.whole else "dim"),)
        self.query_one("#impact-state", Panel).show(wrapped([said], cells)[:1])
        spans = []
        for key, label in _KEYS:
            spans += [Span(f" {key}", "key"), Span(f" {label} ", "dim")]
        self.query_one("#impact-keys", Panel).show([spans])

    # Looking

    def action_again(self) -> None:
        """Look, or once more."""
        self._asked += 1
        self.whole, self._said = False, "Following the foreign keys; Esc stops it."
        looking = self._look(self._asked)
        self._worker = self.app.run_worker(
            looking, group="impact", exclusive=True, exit_on_error=False, description="impact"
        )
        self._show()

    async def _look(self, asked: int) -> None:
        schema = self._main.world.schema
        message: Message
        try:
            assert schema is not None
            table = schema.tables.get(self._table.oid, self._table)
            found = await self._main.session.impact(
                schema, table, self._keys, lambda part: self.post_message(Foreseen(asked, part, schema, whole=False))
            )
        except Trouble as trouble:
            message = NotLooked(asked, trouble)
        except asyncio.CancelledError:
            self.post_message(NotLooked(asked, None))
            raise
        else:
            message = Foreseen(asked, found, schema, whole=True)
        self.post_message(message)

    def on_foreseen(self, event: Foreseen) -> None:
        """Show it."""
        if event.number == self._asked:
            self.impact, self._schema, self.whole = event.impact, event.schema, event.whole
            self._said = "" if event.whole else "So far; more is being followed. Esc stops it."
            self._show()

    def on_not_looked(self, event: NotLooked) -> None:
        """Say why not, or not to the end."""
        if event.number != self._asked:
            return
        self.whole = True
        self._said = words_of(event.trouble) if event.trouble else "Stopped. r looks again."
        if event.trouble and event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self._main.session.generation, event.trouble))
        self._show()

    def action_leave(self) -> None:
        """Close, and let the server stop."""
        if self._worker is not None:
            self._worker.cancel()
        self.dismiss()

    # What leads elsewhere

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter: the foreign key of the line, in the Lens."""
        hop = self._lines[event.index].hop if event.index < len(self._lines) else None
        edge = self._main.world.edge(hop.edge) if hop is not None else None
        if edge is not None:
            self.action_leave()
            self._main.focus_table(edge.child, edge=edge.oid)

    def action_copy(self) -> None:
        """Copy all that is said."""
        if self.impact is not None and self._schema is not None:
            self.app.copy_to_clipboard("\n".join(impact_text(self.impact, self._schema)))
            self._main.say("Sent to the terminal's clipboard.")
