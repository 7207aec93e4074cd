"""What deleting rows would do: the tree of foreign keys below them, each of which can be opened in the Lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.message import Message

from fkexplorer.reports.impact import ImpactLine, impact_lines, impact_text
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact
from fkexplorer.schema.names import table_label
from fkexplorer.tui.boxes import LookingBox
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType

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


class ImpactScreen(LookingBox):
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

    def __init__(self, main: RowKeys, table: Table, keys: Sequence[Key]) -> None:
        super().__init__(main.session)
        self.looking = True  # from when it is mounted
        self._main = main
        self._table = table
        self._keys = tuple(keys)
        self.impact: Impact | None = None
        self._schema: Schema | None = None
        self._lines: list[ImpactLine] = []

    def on_mount(self) -> None:
        """Look."""
        self.action_again()

    def _show(self) -> None:
        rows = "this row" if len(self._keys) == 1 else f"these {exact(len(self._keys))} rows"
        if self.impact is not None and self._schema is not None:
            self._lines = impact_lines(self.impact, self._schema, cells=self._cells, ascii=painted(self.app).ascii_only)
        lines = [(Span(" "), *each.line) for each in self._lines]
        self._paint(f"what deleting {rows} of {table_label(self._table)} would do", lines, _KEYS)

    # Looking

    def action_again(self) -> None:
        """Look, or once more."""
        self._asked += 1
        self._ask(self._impact(self._asked), "Following the foreign keys; Esc stops it.", group="impact")

    async def _impact(self, asked: int) -> Foreseen:
        schema = self._main.world.known
        assert schema is not None
        table = schema.tables.get(self._table.oid, self._table)
        found = await self._session.impact(
            schema, table, self._keys, lambda part: self.post_message(Foreseen(asked, part, schema, whole=False))
        )
        return Foreseen(asked, found, schema, whole=True)

    def on_foreseen(self, event: Foreseen) -> None:
        """Show it."""
        said = "" if event.whole else "So far; more is being followed. Esc stops it."
        if self._answers(event.number, said=said, more=not event.whole):
            self.impact, self._schema = event.impact, event.schema
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
