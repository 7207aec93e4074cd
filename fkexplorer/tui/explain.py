"""The box that an error is pasted into. What is pasted is text and nothing else: no key of it does anything."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical

from fkexplorer.diagnosis.reading.reader import CHUNK, Reader
from fkexplorer.explaining import no_error
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, inert, number
from fkexplorer.tui.boxes import Box
from fkexplorer.tui.explain_said import TextRead, TextUnread
from fkexplorer.tui.fixes import typed
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted
from fkexplorer.tui.threads import beside
from fkexplorer.tui.world import Explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.diagnosis.reading.model import Reading
    from fkexplorer.tui.world import World

_WIDEST = 4_000
"""Characters of a line that are looked at for painting it: a log's line may have millions."""


def read_chunks(chunks: Iterable[bytes], stop: threading.Event) -> Reading | None:
    """What a text says; None where nobody wants to know any more.

    Raises:
        OSError: a file cannot be read.
    """
    reader = Reader()
    for chunk in chunks:
        if stop.is_set():
            return None
        reader.feed(chunk)
    return reader.close()


def _of_text(text: str) -> Iterator[bytes]:
    # Errors: half of a surrogate pair is what a terminal makes of broken UTF-8.
    for at in range(0, len(text), CHUNK):
        yield text[at : at + CHUNK].encode("utf-8", "replace")


def _of_file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


class PastedText(LineList, inherit_bindings=False):
    """The text, of which only the lines on screen are painted; the end is where it grows."""

    DEFAULT_CSS = "PastedText { height: 1fr; }"
    can_focus = False

    def __init__(self) -> None:
        super().__init__()
        self._lines = [""]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines)

    def put(self, text: str) -> None:
        """More at its end; whatever a terminal makes of line ends, they are line ends."""
        first, *others = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._lines[-1] += first
        self._lines += others
        self._show()

    def erase(self) -> None:
        """Take back the last character."""
        if self._lines[-1]:
            self._lines[-1] = self._lines[-1][:-1]
        elif len(self._lines) > 1:
            self._lines.pop()
        self._show()

    def clear(self) -> None:
        """Take back all."""
        self._lines = [""]
        self._show()

    def _show(self) -> None:
        self.move_to(len(self._lines) - 1)
        self.refresh()

    def line_count(self) -> int:
        """Its lines."""
        return len(self._lines)

    def line(self, index: int, width: int) -> Sequence[Span]:
        """One of them, as far as it fits."""
        text = inert(self._lines[index][: min(_WIDEST, width)], ascii=painted(self.app).ascii_only)
        return (Span(" " + text),)


class ExplainScreen(Box[Explained | None]):
    """Takes a text, reads it beside the app, and gives its findings; Esc gives nothing.

    Enter reads. Where a terminal pastes as if somebody typed, the keys come faster than anybody types, and an Enter
    among those is a line end.

    Args:
        world: what was explained before: with nothing pasted Enter leads back to it.
        text: what was pasted already.
        path: a file to be read at once in place of a text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "close", id="explain.close", tooltip="Close it."),
        Binding("enter", "read", "explain", id="explain.read", tooltip="Read the text and explain its errors."),
        Binding("ctrl+u", "clear", "clear", id="explain.clear", tooltip="Begin again."),
        Binding("up,pageup", "scroll(-1)", "up", id="explain.up", tooltip="Scroll up."),
        Binding("down,pagedown", "scroll(1)", "down", id="explain.down", tooltip="Scroll down."),
    ]
    DEFAULT_CSS = """
    #explain-state { height: 2; }
    """

    def __init__(self, world: World, text: str = "", *, path: Path | None = None) -> None:
        super().__init__()
        self._world = world
        self._path = path
        self.pasted = PastedText()
        self._begun = text
        self._before = float("-inf")
        """When the last key was pressed."""
        self._stop: threading.Event | None = None
        """Of the read under way."""
        self._said = ""

    def compose(self) -> ComposeResult:
        """The text, what is known of it, the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = "explain an error"
            yield self.pasted
            yield Panel(id="explain-state")
            yield Panel(id="explain-keys")

    def on_mount(self) -> None:
        """Take what was pasted, or read the file."""
        if self._begun:
            self.pasted.put(self._begun)
        if self._path is not None:
            path = self._path
            self._read(lambda: _of_file(path), f"Reading {path}.")
        self._show()

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    def on_unmount(self) -> None:
        """What nobody waits for is not read to its end."""
        if self._stop is not None:
            self._stop.set()

    def _show(self) -> None:
        keys = (("Enter", "explain"), ("Ctrl+U", "clear"), ("Esc", "close"))
        self.query_one("#explain-keys", Panel).show([keys_line(keys)])
        text, style = self._state()
        line = (Span(inert(text, ascii=painted(self.app).ascii_only), style),)
        self.query_one("#explain-state", Panel).show(wrapped([line], max(20, int(self.size.width * 0.96) - 3))[:2])

    def _state(self) -> tuple[str, str]:
        if self._said:
            return self._said, "unknown"
        lines = self.pasted.line_count()
        if lines > 1 or self.pasted.text:
            return f"{number(lines, 'line')}. Enter reads {'it' if lines == 1 else 'them'}.", "dim"
        again = " With nothing pasted Enter shows the last finding again." if self._world.explained else ""
        return f"Paste an error, a traceback or a whole log.{again}", "dim"

    # What is put in

    def on_paste(self, event: events.Paste) -> None:
        """More text."""
        event.stop()
        self._put(event.text)

    def on_key(self, event: events.Key) -> None:
        """A character is text; what comes faster than anybody types is text as well."""
        now = typed.when(event)
        quick, self._before = now - self._before < typed.A_KEY, now
        if event.key == "ctrl+j" or (quick and event.key in ("enter", "tab")):
            self._put("\t" if event.key == "tab" else "\n")
        elif event.is_printable and event.character:
            self._put(event.character)
        elif event.key == "backspace":
            self.pasted.erase()
            self._put("")
        elif not (quick and event.key == "escape"):
            return
        event.stop()
        event.prevent_default()

    def _put(self, text: str) -> None:
        if self._stop is None:
            self._said = ""
            if text:
                self.pasted.put(text)
            self._show()

    def action_clear(self) -> None:
        """Begin again."""
        self.pasted.clear()
        self._put("")

    def action_scroll(self, by: int) -> None:
        """A screen up or down."""
        self.pasted.move_to(self.pasted.cursor + by * max(1, self.pasted.body_height - 1))

    # Reading

    def action_leave(self) -> None:
        """Nothing."""
        self.dismiss(None)

    def action_read(self) -> None:
        """Read it, unless it is being read."""
        if self._stop is not None:
            return
        text = self.pasted.text
        if text.strip():
            self._read(lambda: _of_text(text), f"Reading {exact(len(text))} characters.")
        elif self._world.explained is not None:
            self.dismiss(self._world.explained)

    def _read(self, chunks: Callable[[], Iterator[bytes]], said: str) -> None:
        self._stop, self._said = threading.Event(), said
        self._show()
        reading = self._reading(chunks, self._stop)
        self.app.run_worker(reading, group="look", exit_on_error=False, description="read a text")

    async def _reading(self, chunks: Callable[[], Iterator[bytes]], stop: threading.Event) -> None:
        try:
            reading = await beside(lambda: read_chunks(chunks(), stop))
        except OSError as error:
            self.post_message(TextUnread(f"{self._path} cannot be read: {error.strerror}."))
        else:
            if reading is not None:
                self.post_message(TextRead(reading))

    def on_text_read(self, event: TextRead) -> None:
        """Its findings; where it has none it says so, and the text stays."""
        self._stop = None
        if event.reading.found:
            self.dismiss(Explained(event.reading))
            return
        words = no_error(event.reading)
        self._said = f"{words[0].upper()}{words[1:]}."
        self._show()

    def on_text_unread(self, event: TextUnread) -> None:
        """Say why."""
        self._stop, self._said = None, event.words
        self._show()
