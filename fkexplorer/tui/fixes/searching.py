"""The field of a parent's key: below it the parents that a few letters may mean, chosen by arrow keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.finding import written_key
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert, number
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.said import ParentsFound
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer
    from textual.worker import Worker

    from fkexplorer.fixes.finding import Found, Hit

    Finder = Callable[[str], Awaitable[Found]]

PAUSE = 0.25
"""Seconds without another letter after which it is looked for: a typist leaves less than that between two."""
_LINES = 8
"""Lines of hits at once: with the rest of the dialog they fit on 24."""


class ParentField(Vertical):
    """A field, and what is found for it. The first line of the list takes the text as it is typed.

    Args:
        find: gives the parents that a text may mean; raises Trouble.
    """

    # Here, since the dialog around it would scroll on these keys.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", "down", id="parents.down", tooltip="The next of what was found."),
        Binding("up,ctrl+p", "move(-1)", "up", id="parents.up", tooltip="The previous one."),
    ]
    DEFAULT_CSS = """
    ParentField { height: auto; margin: 0 0 1 0; }
    ParentField Input, ParentField Input:focus { margin: 0; }
    ParentField Static { color: $text-muted; }
    """

    def __init__(self, find: Finder) -> None:
        super().__init__()
        self._find = find
        self._timer: Timer | None = None
        self._reading: Worker[None] | None = None
        self._hits: tuple[Hit, ...] = ()
        self._list = TextLines()
        self._list.can_focus = False

    def compose(self) -> ComposeResult:
        """The field, what is said of the search, the list."""
        yield Input(select_on_focus=False)
        yield Static("")
        yield self._list

    def on_mount(self) -> None:
        """Nothing is found yet."""
        self._show("A few letters find it; arrow keys choose.")

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    @property
    def chosen(self) -> str | None:
        """The key of the parent under the cursor, as it is typed; None on the first line."""
        at = self._list.cursor - 1
        return written_key(self._hits[at]) if 0 <= at < len(self._hits) else None

    def action_move(self, by: int) -> None:
        """To the next or the previous one."""
        self._list.move_to(self._list.cursor + by)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for it, once nobody types on; what was found for another text is gone."""
        event.stop()
        self._give_up()
        self._hits = ()
        if not self.text.strip():
            self._show("A few letters find it; arrow keys choose.")
            return
        self._show("…" if not painted(self.app).ascii_only else "...")
        self._timer = self.set_timer(PAUSE, self._look)

    def on_unmount(self) -> None:
        """Nobody waits for it any more."""
        self._give_up()

    def _give_up(self) -> None:
        """End what is looked for, on the server as well."""
        if self._timer is not None:
            self._timer.stop()
        if self._reading is not None:
            self._reading.cancel()

    def _look(self) -> None:
        # The app's worker, since the app tells of errors that nobody foresaw.
        self._reading = self.app.run_worker(
            self._read(self.text), group="parents", exit_on_error=False, description="parents"
        )

    async def _read(self, text: str) -> None:
        try:
            found = await self._find(text)
        except Trouble as trouble:
            self.post_message(ParentsFound(text, None, words_of(trouble)))
        else:
            self.post_message(ParentsFound(text, found))

    def on_parents_found(self, event: ParentsFound) -> None:
        """Show them, unless something else is typed by now."""
        event.stop()
        if event.text != self.text:
            return
        if event.found is None:
            self._show(event.words)
            return
        found = event.found
        self._hits = found.hits
        count = number(len(found.hits), "parent")
        said = f"The first {count}" if found.more else count if found.hits else "No parent found"
        where = f" by {', '.join(('key', *found.searched))}" if not found.note else f"; {found.note}"
        self._show(f"{said}{where}")

    def _show(self, said: str) -> None:
        ascii_only = painted(self.app).ascii_only
        self.query_one(Static).update(Content(inert(said, ascii=ascii_only)))
        lines = [
            (
                Span(f" {inert(written_key(hit), ascii=ascii_only)}", "key"),
                Span(f"  {inert('  '.join(filter(None, hit.label)), ascii=ascii_only)}"),
            )
            for hit in self._hits
        ]
        self._list.content = [(Span(" as it is typed", "dim"),), *lines] if lines else []
        self._list.styles.height = min(len(self._list.content), _LINES)
        self._list.cursor = self._list.top = 0
        self._list.refresh()
