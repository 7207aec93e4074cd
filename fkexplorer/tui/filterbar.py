"""The line in which a filter is typed; the list follows each letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.message import Message
from textual.widgets import Input

from fkexplorer.tui.lines import LineList

if TYPE_CHECKING:
    from textual.binding import BindingType

    from fkexplorer.tui.doctor_lines import FindingLines
    from fkexplorer.tui.lens import LensView
    from fkexplorer.tui.rows import RowsView
    from fkexplorer.tui.tables import TablesView

    Filterable = TablesView | LensView | RowsView | FindingLines


class FilterBar(Input):
    """Hidden until `begin`. Enter keeps the filter, Esc clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "clear", id="filter.clear", tooltip="Clear the filter.")
    ]
    DEFAULT_CSS = """
    FilterBar, FilterBar:focus { border: none; height: 1; padding: 0 1; display: none; background: $panel; }
    """

    @dataclass
    class Left(Message):
        """The keys go back to the list."""

        listed: Filterable

    def __init__(self) -> None:
        super().__init__(placeholder="text; Enter keeps it, Esc clears it", select_on_focus=False)
        self._listed: Filterable | None = None

    def begin(self, listed: Filterable) -> None:
        """Type a filter for this list."""
        self._listed = listed
        self.value = listed.filter_text
        self.display = True
        self.focus()

    def watch_value(self, value: str) -> None:
        """The list follows each letter."""
        if self._listed is not None and value != self._listed.filter_text:
            self._listed.set_filter(value)
            self._listed.post_message(LineList.Moved(self._listed, self._listed.cursor))

    def action_give_up(self) -> None:
        """Esc."""
        self.value = ""
        self._leave()

    def on_input_submitted(self) -> None:
        """Enter."""
        self._leave()

    def on_blur(self) -> None:
        """A click elsewhere keeps the filter too."""
        if self.display:
            self._leave()

    def _leave(self) -> None:
        listed, self._listed = self._listed, None
        self.display = False
        if listed is not None:
            self.post_message(self.Left(listed))
