"""A list that paints itself line by line: the one widget under every table, Lens, page of rows and text.

Textual's own DataTable measures every cell when idle (10,000 rows froze it for 3 s), and a ScrollView repaints its
scrollbar as a widget of its own. Here a cursor move repaints two lines, about 0.5 KB on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from fkexplorer.reports.style import Span
from fkexplorer.tui.keys import bindings
from fkexplorer.tui.quiet import QuietWidget
from fkexplorer.tui.theme import painted, strip_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.binding import BindingType


class LineList(QuietWidget, can_focus=True):
    """Lines with a cursor; what they say is a subclass's `line()`.

    The headings stay where they are while the lines below them scroll. `cursor` is the index of the line that keys
    act on, always one that `selectable` admits, or 0 in an empty list.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    DEFAULT_CSS = "LineList { height: 1fr; width: 1fr; }"

    @dataclass
    class Moved(Message):
        """The cursor came to rest on another line."""

        lines: LineList
        index: int

        @property
        def control(self) -> LineList:
            """The list."""
            return self.lines

    @dataclass
    class Chosen(Message):
        """Enter, or a second click, on the cursor's line."""

        lines: LineList
        index: int

        @property
        def control(self) -> LineList:
            """The list."""
            return self.lines

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self.top = 0
        self.touched = False
        """Somebody pressed a key in this list: from then on its order is left alone."""

    # What a subclass says

    def line_count(self) -> int:
        """How many lines there are, without the headings."""
        return 0

    def line(self, index: int, width: int) -> Sequence[Span]:  # noqa: ARG002 - a subclass needs it
        """The spans of a line; they are cut or filled to `width` cells."""
        return ()

    def headings(self, width: int) -> Sequence[Sequence[Span]]:  # noqa: ARG002
        """The lines that stay on top."""
        return ()

    def heading_count(self) -> int:
        """How many lines `headings` gives, at any width."""
        return 0

    def selectable(self, index: int) -> bool:  # noqa: ARG002
        """Whether the cursor may stand on this line."""
        return True

    def empty_text(self) -> str:
        """What is said in place of no lines."""
        return ""

    def near_end(self) -> None:
        """Hook: the cursor stands within a screen of the last line."""

    # Painting

    @property
    def body_height(self) -> int:
        """Lines that fit below the headings, at least 1."""
        return max(1, self.size.height - self.heading_count())

    @property
    def text_width(self) -> int:
        """Cells for a line: one less than the widget where a scroll mark is shown."""
        return max(1, self.size.width - (1 if self.line_count() > self.body_height else 0))

    def render_line(self, y: int) -> Strip:
        """One line of the screen, as Textual asks for it."""
        colours = painted(self.app).palette
        width = self.text_width
        heads = self.heading_count()
        if y < heads:
            return strip_of(self.headings(width)[y], self.size.width, colours)
        index = self.top + y - heads
        count = self.line_count()
        if index >= count:
            said = Span(" " + self.empty_text(), "dim") if count == 0 and index == 0 else Span("")
            return strip_of([said], self.size.width, colours)
        strip = self.painted_line(index, width)
        if width < self.size.width:
            strip = Strip.join([strip, strip_of([self._scroll_mark(y - heads, count)], 1, colours)])
        return strip

    def painted_line(self, index: int, width: int) -> Strip:
        """A line with the cursor on it where it is."""
        colours = painted(self.app).palette
        over: Style | None = None
        if index == self.cursor:
            over = colours["cursor" if self.has_focus else "cursor-away"]
        return strip_of(self.line(index, width), width, colours, over=over)

    def _scroll_mark(self, y: int, count: int) -> Span:
        height = self.body_height
        size = max(1, height * height // count)
        begin = round(self.top * (height - size) / max(1, count - height))
        here = begin <= y < begin + size
        if painted(self.app).ascii_only:
            return Span("#" if here else "|", "dim" if here else "off")
        return Span("█" if here else "│", "off")

    def repaint_line(self, index: int) -> None:
        """Repaint one line if it is on screen."""
        y = index - self.top
        if 0 <= y < self.body_height:
            self.refresh(Region(0, y + self.heading_count(), self.size.width, 1))

    def repaint_headings(self) -> None:
        """Repaint what stays on top."""
        if heads := self.heading_count():
            self.refresh(Region(0, 0, self.size.width, heads))

    # Moving

    def move_to(self, index: int, *, said: bool = True) -> None:
        """Put the cursor on a line, or on the nearest one that it may stand on, and scroll as little as needed."""
        count = self.line_count()
        if count == 0:
            self.cursor = self.top = 0
            return
        index = self._nearest(max(0, min(index, count - 1)), forward=index >= self.cursor)
        before, self.cursor = self.cursor, index
        if not self._bring_in_sight(index):
            self.repaint_line(before)
            self.repaint_line(index)
        if said and before != index:
            self.post_message(self.Moved(self, index))
        if index >= count - self.body_height:
            self.near_end()

    def _nearest(self, index: int, *, forward: bool) -> int:
        count = self.line_count()
        ways = (range(index, count), range(index, -1, -1)) if forward else (range(index, -1, -1), range(index, count))
        for way in ways:
            for place in way:
                if self.selectable(place):
                    return place
        return index

    def _bring_in_sight(self, index: int) -> bool:
        height = self.body_height
        top = self.top
        if index < top:
            top = index
        elif index >= top + height:
            top = index - height + 1
        # Lines that no cursor can stand on (a title above the first row) would never be seen again.
        while top > 0 and index - top < height - 1 and not self.selectable(top - 1) and top - 1 < index:
            top -= 1
        top = max(0, min(top, self.line_count() - height))
        if top == self.top:
            return False
        self.top = top
        self.refresh()
        return True

    def on_resize(self) -> None:
        """Keep the cursor's line in sight."""
        self._bring_in_sight(self.cursor)

    def repaint_focus(self) -> None:
        """The cursor's line shows where the keys go."""
        self.repaint_line(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a second one on the same line chooses it."""
        index = self.top + event.y - self.heading_count()
        if event.y < self.heading_count() or not 0 <= index < self.line_count() or not self.selectable(index):
            return
        self.touched = True
        again = index == self.cursor and event.chain >= 2
        self.clicked(index, event.x)
        self.move_to(index)
        if again:
            self.action_choose()

    def clicked(self, index: int, x: int) -> None:
        """Hook: where in the line a click fell."""

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll three lines, the cursor with them."""
        event.stop()
        self._step(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        event.stop()
        self._step(-3)

    def _step(self, lines: int) -> None:
        self.touched = True
        self.move_to(self.cursor + lines)

    def action_down(self) -> None:
        """Next line."""
        self._step(1)

    def action_up(self) -> None:
        """Previous line."""
        self._step(-1)

    def action_page_down(self) -> None:
        """A screen further."""
        self._step(max(1, self.body_height - 1))

    def action_page_up(self) -> None:
        """A screen back."""
        self._step(-max(1, self.body_height - 1))

    def action_top(self) -> None:
        """First line."""
        self._step(-self.line_count())

    def action_bottom(self) -> None:
        """Last line."""
        self._step(self.line_count())

    def action_choose(self) -> None:
        """Enter."""
        self.touched = True
        if self.line_count():
            self.post_message(self.Chosen(self, self.cursor))
