"""A widget that gains and loses the focus without being painted anew."""

from __future__ import annotations

from textual import events
from textual.widget import Widget


class QuietWidget(Widget):
    """Textual repaints both widgets whole when the focus moves, 10 KB at 140x40; these say what really changes."""

    def repaint_focus(self) -> None:
        """Hook: repaint what shows where the keys go."""

    def on_focus(self, event: events.Focus) -> None:
        """In place of Textual's own handler, which would refresh everything."""
        event.prevent_default()
        self.has_focus = True
        self.repaint_focus()
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        """The same for the loss."""
        event.prevent_default()
        self.has_focus = False
        self.repaint_focus()
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))
