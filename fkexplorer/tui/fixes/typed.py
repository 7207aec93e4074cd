"""What has to be typed by hand, to arm writing or to confirm a fix: a paste or a burst of keys does neither."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from fkexplorer.reports.values import inert
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

A_KEY = 0.02
"""Seconds that a key takes a person at least, on average over a text: the fastest typists take 0.06."""
A_LOOK = 0.4
"""Seconds that a question is on screen at least before somebody answers it: what came sooner was not meant for it."""


def when(event: events.Key) -> float:
    """The moment at which a key was pressed, by the monotonic clock."""
    return event.time


class Typed(Input):
    """A field that takes only what is typed by hand, a key at a time."""

    def __init__(self) -> None:
        super().__init__(select_on_focus=False)
        self._asked = float("inf")
        self._keys: list[float] = []

    def begin(self) -> None:
        """The question is on screen from now on."""
        self.value = ""
        self._keys = []
        self._asked = time.monotonic()

    async def _on_key(self, event: events.Key) -> None:
        self._keys.append(when(event))

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.notify("A paste does nothing here: type it.", markup=False, timeout=4)

    def action_paste(self) -> None:
        """Nothing is pasted from the app's own clipboard either."""
        self.notify("A paste does nothing here: type it.", markup=False, timeout=4)

    def by_hand(self) -> bool:
        """Whether the keys came as slowly as a person types them."""
        keys = self._keys
        if not keys or keys[0] < self._asked + A_LOOK or len(keys) <= len(self.value):
            return False
        # Where the terminal tells no paste from keys, the Enter after it is pressed by hand: it makes no text slow.
        text = keys[:-1] or keys
        return keys[-1] - keys[0] >= A_KEY * (len(keys) - 1) and text[-1] - text[0] >= A_KEY * (len(text) - 1)


class TypeScreen(ModalScreen["str | None"]):
    """Asks for one text to be typed; the text once it was, None where it was given up.

    Args:
        title: what it is about.
        lines: what is said above the field.
        answer: what has to be typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="type.cancel", tooltip="Give it up: nothing happens.")
    ]
    DEFAULT_CSS = """
    TypeScreen { align: center middle; }
    TypeScreen > Vertical { width: 66; max-width: 96%; height: auto; padding: 1 2; }
    TypeScreen > Vertical { border: round $error; background: $surface; }
    TypeScreen.-ascii > Vertical { border: ascii $error; }
    TypeScreen Input, TypeScreen Input:focus { border: none; height: 1; background: $panel; margin: 1 0; }
    """

    def __init__(self, title: str, lines: Sequence[str], answer: str) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._answer = answer

    def compose(self) -> ComposeResult:
        """What is asked, the field, what Enter and Esc do."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = Content(self._inert(self._title))
            yield Static(Content("\n".join(map(self._inert, (*self._lines, "", f"Type  {self._answer}")))))
            yield Typed()
            yield Static(Content("Enter goes on, Esc gives up. It has to be typed, not pasted."), id="said")

    def _inert(self, text: str) -> str:
        return inert(text, ascii=painted(self.app).ascii_only)

    def on_mount(self) -> None:
        """From now on somebody can read it."""
        self.query_one(Typed).begin()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Right, or once more."""
        field = self.query_one(Typed)
        if not field.by_hand():
            self._again("That came faster than anybody types. Type it again, by hand.")
        elif event.value != self._answer:
            self._again(f"That is not it: {event.value!r}.")
        else:
            self.dismiss(event.value)

    def _again(self, words: str) -> None:
        self.query_one("#said", Static).update(Content(self._inert(words)))
        self.query_one(Typed).begin()
