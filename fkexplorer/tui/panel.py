"""A few fixed lines (header, trail, detail, key line) that repaint only the lines that changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from fkexplorer.reports.style import Line, Span, joined
from fkexplorer.reports.values import width
from fkexplorer.tui.quiet import QuietWidget
from fkexplorer.tui.theme import painted, strip_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from textual import events
    from textual.strip import Strip

_WORDS = re.compile(r"\s*\S+|\s+$")
_INDENT = 3


def wrapped(lines: Iterable[Line], cells: int) -> list[Line]:
    """The lines broken between words so that each fits `cells`; what continues a line is indented."""
    done: list[Line] = []
    for line in lines:
        row: list[Span] = [Span(" ")]
        taken = 1
        for span in line:
            for word in _bits(span.text, max(1, cells - _INDENT)):
                size = width(word)
                if taken + size > cells and taken > _INDENT:
                    done.append(tuple(row))
                    row, taken, word = [Span(" " * _INDENT)], _INDENT, word.lstrip()  # noqa: PLW2901
                    size = width(word)
                row.append(Span(word, span.style))
                taken += size
        done.append(joined(row))
    return done


def _bits(text: str, cells: int) -> Iterator[str]:
    """The words of a text, each with the blanks before it; one that no line could hold is cut."""
    for word in _WORDS.findall(text):
        # A wide character takes two cells.
        step = cells if word.isascii() else max(1, cells // 2)
        yield from (word[at : at + step] for at in range(0, len(word), step))


def keys_line(keys: Iterable[tuple[str, str]]) -> Line:
    """Keys and what they do, for the last line of a dialog."""
    return tuple(span for key, label in keys for span in (Span(f" {key}", "key"), Span(f" {label} ", "dim")))


class Panel(Widget):
    """Lines of spans without a cursor; `show` gives it new ones."""

    DEFAULT_CSS = "Panel { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[tuple[Span, ...]] = []

    def show(self, lines: Sequence[Sequence[Span]]) -> None:
        """Show these lines; those that are as before stay as they are on screen."""
        new = [tuple(line) for line in lines]
        old, self.lines = self.lines, new
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else ()
            after = new[y] if y < len(new) else ()
            if before != after:
                self.refresh(Region(0, y, self.size.width, 1))
        if old != new and self.is_attached:
            self._repaint_between()

    def _repaint_between(self) -> None:
        """Repaint the dialogs between its screen and the top one: each keeps a picture of what is below it."""
        stack = self.app.screen_stack
        if self.screen in stack[:-2]:
            for screen in stack[stack.index(self.screen) + 1 : -1]:
                screen.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of the screen, as Textual asks for it."""
        line = self.lines[y] if y < len(self.lines) else (Span(""),)
        return strip_of(line, self.size.width, painted(self.app).palette)


class Detail(Panel, QuietWidget, can_focus=True):
    """The lines about the edge or table under the cursor; a pane that can be focused, so that Enter opens its rows."""

    DEFAULT_CSS = "Detail { height: 6; }"

    @dataclass
    class Chosen(Message):
        """Enter, or a click, on the detail."""

        detail: Detail

    def render_line(self, y: int) -> Strip:
        """The rule above the lines shows whether keys go here."""
        if y > 0:
            return super().render_line(y - 1)
        theirs = painted(self.app)
        glyph = (
            "="
            if theirs.ascii_only and self.has_focus
            else "-"
            if theirs.ascii_only
            else "━"
            if self.has_focus
            else "─"
        )
        return strip_of(
            [Span(glyph * self.size.width, "key" if self.has_focus else "off")], self.size.width, theirs.palette
        )

    def show(self, lines: Sequence[Sequence[Span]]) -> None:
        """Show these lines below the rule."""
        new = [tuple(line) for line in lines]
        old, self.lines = self.lines, new
        for y in range(max(len(old), len(new))):
            if old[y : y + 1] != new[y : y + 1]:
                self.refresh(Region(0, y + 1, self.size.width, 1))

    def repaint_focus(self) -> None:
        """The rule changes."""
        self.refresh(Region(0, 0, self.size.width, 1))

    def key_enter(self) -> None:
        """Open the rows of what is described."""
        self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """The same by mouse, on the second click."""
        if event.chain >= 2:
            self.post_message(self.Chosen(self))
