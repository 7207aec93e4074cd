"""The journal on the screen: what was done from this machine, and its undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.parts import resolve
from fkexplorer.fixing import open_journal
from fkexplorer.reports.journal import STATE_WORDS, journal_text
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import fit, inert
from fkexplorer.tui.boxes import Box
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.deed import DeedScreen
from fkexplorer.tui.fixes.deeds import Undo
from fkexplorer.tui.fixes.said import Entries
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.fixes.entries import Entry
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World


class EntryLines(LineList):
    """One line for each entry."""

    DEFAULT_CSS = "EntryLines { height: 2fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[Entry] = ()
        self.said = "Reading the journal."

    def line_count(self) -> int:
        """As many as there are entries."""
        return len(self.entries)

    def empty_text(self) -> str:
        """Nothing was done, or it is being read."""
        return self.said

    def line(self, index: int, width: int) -> Sequence[Span]:
        """When, what, on what, and what came of it."""
        entry = self.entries[index]
        what = f"undo of {entry.undoes}" if entry.undoes else entry.action
        state = STATE_WORDS[entry.state].partition(":")[0]
        text = f" {entry.at:%Y-%m-%d %H:%M}  {what}  {entry.edge}  {state}"
        return (Span(fit(text, width, ascii=painted(self.app).ascii_only)),)


class JournalScreen(Box[None]):
    """The entries, the newest first, and below them all of the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,J", "dismiss", "close", id="journal.close", tooltip="Close the journal."),
        Binding("u", "undo", "undo", id="journal.undo", tooltip="Show what taking this entry back would do."),
        Binding("Y", "copy", "copy SQL", id="journal.copy", tooltip="Copy the SQL of this entry."),
    ]
    DEFAULT_CSS = """
    JournalScreen TextLines { height: 3fr; }
    """

    def __init__(self, session: Session, world: World) -> None:
        super().__init__()
        self._session = session
        self._world = world
        self.list = EntryLines()
        self._whole = TextLines()

    def compose(self) -> ComposeResult:
        """The list above the entry."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = "journal"
            yield self.list
            yield self._whole
            yield Panel(id="journal-keys")

    def on_mount(self) -> None:
        """Read it."""
        keys = (("u", "undo"), ("Y", "copy SQL"), ("Tab", "entry"), ("Esc", "close"))
        self.query_one("#journal-keys", Panel).show([keys_line(keys)])
        self.set_focus(self.list)

    def on_screen_resume(self) -> None:
        """Read it again after an undo."""
        self.app.run_worker(self._read(), group="look", exit_on_error=False, description="journal")

    async def _read(self) -> None:
        journal, words = open_journal(), ""
        try:
            # What came of a COMMIT that nobody heard of can be asked of the server alone.
            if self._session.database is not None and journal.pending():
                await resolve(self._session.database, journal)
        except Trouble as trouble:
            words = words_of(trouble)
        except OSError as error:
            words = f"the journal can't be written: {error.strerror}"
        self.post_message(Entries(journal.entries(), words))

    def on_entries(self, event: Entries) -> None:
        """Show them."""
        self.list.entries = event.entries
        self.list.said = "No fix was made from here."
        self.list.move_to(self.list.cursor)
        self.list.refresh()
        if event.words:
            self.app.notify(inert(event.words, ascii=painted(self.app).ascii_only), markup=False, timeout=8)
        self._show()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Another entry."""
        if event.lines is self.list:
            self._show()

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    @property
    def _entry(self) -> Entry | None:
        return self.list.entries[self.list.cursor] if self.list.entries else None

    def _show(self) -> None:
        entry = self._entry
        text = journal_text([entry], ascii=painted(self.app).ascii_only) if entry else []
        self._whole.content = wrapped([(Span(line),) for line in text], max(20, int(self.size.width * 0.96) - 5))
        self._whole.move_to(0)
        self._whole.refresh()

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        if (entry := self._entry) is not None:
            self.app.copy_to_clipboard("".join(f"{each};\n" for each in entry.sql))
            self.app.notify("The SQL was sent to the terminal's clipboard.", markup=False, timeout=4)

    def action_undo(self) -> None:
        """Its preview, which is guarded like a fix."""
        schema = self._world.known
        if (entry := self._entry) is not None and schema is not None:
            deed = Undo(self._session, schema, open_journal(), entry.id)
            self.app.push_screen(DeedScreen(self._session, self._world, deed))
