"""The box with all guesses: also those that are not drawn, and columns that nothing was found for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from fkexplorer.reports.guesses import guess_items
from fkexplorer.tui.boxes import Box
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.guesses.deciding import Decision, Wish
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.inference.model import Guess, Inference
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Schema
    from fkexplorer.tui.lines import LineList


class GuessesScreen(Box["Wish | Guess | None"]):
    """A list of guesses; gives what somebody wishes of one, or the drawn one that somebody wants to see.

    Args:
        schema: with what is configured by now.
        inference: what was guessed.
        at: when, by the server's clock.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,I", "dismiss(None)", "close", id="guesses.close", tooltip="Close the list."),
        Binding("plus", "accept", "accept", id="guesses.accept", tooltip="Accept the guess under the cursor."),
        Binding("minus", "reject", "reject", id="guesses.reject", tooltip="Reject the guess under the cursor."),
    ]

    def __init__(self, schema: Schema, inference: Inference, at: datetime) -> None:
        super().__init__()
        self._schema = schema
        self._inference = inference
        self._at = at
        self._guesses: list[Guess | None] = []
        """Of each line the guess that it is about."""

    def compose(self) -> ComposeResult:
        """The list above its keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = Content(f"guesses  as of {self._at:%H:%M:%S}")
            yield TextLines()
            keys = Panel()
            yield keys
        keys.show([keys_line((("Enter", "go to it"), ("+", "accept"), ("-", "reject"), ("Esc", "close")))])

    def on_resize(self) -> None:
        """Wrap for the width."""
        lines = self.query_one(TextLines)
        cells = max(20, lines.size.width - 2)
        content: list[Line] = []
        self._guesses = []
        for item in guess_items(self._schema, self._inference, ascii=painted(self.app).ascii_only):
            broken = wrapped([item.line], cells)
            content += broken
            self._guesses += [item.guess] * len(broken)
        first = next((at for at, guess in enumerate(self._guesses) if guess is not None), 0)
        begun, lines.content = bool(lines.content), content
        lines.move_to(lines.cursor if begun else first)
        lines.refresh()

    @property
    def _guess(self) -> Guess | None:
        at = self.query_one(TextLines).cursor
        return self._guesses[at] if at < len(self._guesses) else None

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """To the one under the cursor, where it is drawn."""
        event.stop()
        if (guess := self._guess) is None:
            return
        if guess.shown:
            self.dismiss(guess)
        else:
            self.notify("It is not drawn: + accepts it.", markup=False, timeout=4)

    def action_accept(self) -> None:
        """Accept it."""
        self._wish(Decision.ACCEPT)

    def action_reject(self) -> None:
        """Reject it."""
        self._wish(Decision.REJECT)

    def _wish(self, decision: Decision) -> None:
        if (guess := self._guess) is None:
            self.notify("No guess is under the cursor.", markup=False, timeout=4)
        else:
            self.dismiss(Wish(decision, guess.edge))
