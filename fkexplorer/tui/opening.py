"""The first frame: where we connect to. It needs a fifth of what the main screen imports, so it is there at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.screen import Screen

from fkexplorer.reports.style import Span
from fkexplorer.reports.values import fit
from fkexplorer.tui.panel import Panel
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Opening(Screen[None]):
    """Looks as the main screen does before it knows anything; it stays beneath that one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "app.quit", "quit", id="opening.quit", tooltip="Quit.", show=False)
    ]
    DEFAULT_CSS = "Opening Panel { height: 1fr; }"

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def compose(self) -> ComposeResult:
        """A few lines."""
        yield Panel()

    def on_resize(self) -> None:
        """For this width."""
        ascii_only = painted(self.app).ascii_only
        cells = self.size.width
        head = fit(f" {self._label}  connecting", cells - 4, ascii=ascii_only)
        where = fit(f" connecting to {self._label} ...  Esc gives up", cells, ascii=ascii_only)
        self.query_one(Panel).show([(Span(head, "title"), Span(" RO ", "readonly")), (), (), (Span(where, "dim"),)])
