"""Boxes over the screen: a frame around lines with their keys below, and such a one that asks the database."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, ScreenResultType

from fkexplorer.database.model import Trouble
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import fit, inert
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.explain_said import NotLooked
from fkexplorer.tui.messages import ConnectionLost, words_of
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from textual.app import ComposeResult
    from textual.message import Message
    from textual.worker import Worker

    from fkexplorer.reports.style import Line
    from fkexplorer.tui.session import Session


class Box(ModalScreen[ScreenResultType]):
    """A frame that leaves a rim of what is below in sight."""

    DEFAULT_CSS = """
    Box { align: center middle; }
    Box > Vertical { width: 96%; height: 94%; border: round $primary; background: $surface; }
    Box.-ascii > Vertical { border: ascii $primary; }
    """


class LookingBox(Box[None]):
    """Lines that a look at the database brings, above a line about the look and one of keys.

    An answer to a former question is dropped; whatever a look ends with is posted as a message.

    Args:
        session: whom to ask.
    """

    stopped: ClassVar[str] = "Stopped. r looks again."
    """What is said of a look that somebody stopped."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.looking = False
        """The database is being asked."""
        self._asked = 0
        """How often it was."""
        self._said = ""
        self._worker: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """What was found, how far it is, the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical():
            yield TextLines()
            yield Panel(id="box-state")
            yield Panel(id="box-keys")

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    @abstractmethod
    def _show(self) -> None:
        """Paint what is known."""

    @property
    def _cells(self) -> int:
        return max(20, self.query_one(TextLines).size.width - 2)

    def _paint(self, heading: str, rows: Sequence[Line], keys: Sequence[tuple[str, str]]) -> None:
        """Paint it: under this heading these lines, with these keys."""
        lines, ascii_only = self.query_one(TextLines), painted(self.app).ascii_only
        lines.content = rows
        self.query_one(Vertical).border_title = Content(fit(heading, self._cells - 4, ascii=ascii_only, pad=False))
        lines.move_to(lines.cursor)
        lines.refresh()
        said = (Span(inert(self._said, ascii=ascii_only), "dim" if self.looking else "unknown"),)
        self.query_one("#box-state", Panel).show(wrapped([said], self._cells)[:1])
        self.query_one("#box-keys", Panel).show([keys_line(keys)])

    def _ask(self, answer: Awaitable[Message], said: str, *, group: str) -> None:
        """Wait for an answer beside the screen, and say so meanwhile; what of that group still runs is given up."""
        self.looking, self._said = True, said
        self._worker = self.app.run_worker(
            self._answered(self._asked, answer), group=group, exclusive=True, exit_on_error=False, description=group
        )
        self._show()

    async def _answered(self, asked: int, answer: Awaitable[Message]) -> None:
        try:
            self.post_message(await answer)
        except Trouble as trouble:
            self.post_message(NotLooked(asked, trouble))
        except asyncio.CancelledError:
            self.post_message(NotLooked(asked, None))
            raise

    def _answers(self, number: int, *, said: str = "", more: bool = False) -> bool:
        """Whether a message answers the last question; then it is noted, with what is to be said of it."""
        if number != self._asked:
            return False
        self.looking, self._said = more, said
        return True

    def on_not_looked(self, event: NotLooked) -> None:
        """Say why not, or not to the end."""
        if not self._answers(event.number, said=words_of(event.trouble) if event.trouble else self.stopped):
            return
        if event.trouble and event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self._session.generation, event.trouble))
        self._show()
