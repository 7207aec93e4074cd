"""The screen of one fix: its preview, the confirmation, its run, and what came of it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import Ending
from fkexplorer.fixing import open_journal
from fkexplorer.reports.fixes import outcome_lines
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, inert
from fkexplorer.tui.boxes import Box
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.fixes.actions import arm
from fkexplorer.tui.fixes.deeds import validation
from fkexplorer.tui.fixes.said import Advanced, Failed, Finished, Saved, Seen
from fkexplorer.tui.fixes.typed import TypeScreen
from fkexplorer.tui.messages import CountWanted, words_of
from fkexplorer.tui.panel import Panel, keys_line, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.worker import Worker

    from fkexplorer.fixes.model import Advance, Outcome
    from fkexplorer.reports.style import Line
    from fkexplorer.tui.fixes.deeds import Deed
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World


class Phase(StrEnum):
    """How far it is."""

    LOOKING = "looking"
    SEEN = "seen"
    FAILED = "failed"
    RUNNING = "running"
    ENDED = "ended"


_KEYS: dict[Phase, tuple[tuple[str, str], ...]] = {
    Phase.LOOKING: (("Esc", "give up"),),
    Phase.SEEN: (
        ("Enter", "go on"),
        ("Y", "copy SQL"),
        ("S", "save script"),
        ("d", "dry run"),
        ("W", "arm"),
        ("Esc", "close"),
    ),
    Phase.FAILED: (("Enter", "look again"), ("Esc", "close")),
    Phase.RUNNING: ((".", "stop after this batch"),),
    Phase.ENDED: (("Enter", "close"),),
}


class DeedScreen(Box[None]):
    """One fix, or one undo, from its preview to its end.

    Nothing but reading happens before somebody has armed writing and typed what confirms it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "close", id="deed.close", tooltip="Close it."),
        Binding("W", "arm", "arm writing", id="deed.arm", tooltip="Arm writing for ten minutes, or disarm it."),
        Binding("Y", "copy", "copy SQL", id="deed.copy", tooltip="Copy the SQL."),
        Binding("S", "save", "save script", id="deed.save", tooltip="Save it as a script for psql."),
        Binding("d", "dry", "dry run", id="deed.dry", tooltip="Do it and take it back, to count what triggers do."),
        Binding("L", "strict", "lock", id="deed.lock", tooltip="Lock the parent against writes too, or no more."),
        Binding("t", "agree", "agree", id="deed.agree", tooltip="Agree to whatever its triggers may change."),
        Binding("v", "validate", "validate", id="deed.validate", tooltip="Validate the constraint, once it is clean."),
        Binding("full_stop", "stop", "stop", id="deed.stop", tooltip="Stop it after the batch at hand."),
    ]
    DEFAULT_CSS = """
    #deed-state { height: 2; }
    """

    def __init__(self, session: Session, world: World, deed: Deed) -> None:
        super().__init__()
        self._session = session
        self._world = world
        self.deed = deed
        self.phase = Phase.LOOKING
        self._said: list[Line] = [(Span("Counting what it would touch; nothing is written.", "dim"),)]
        self.outcome: Outcome | None = None
        self._stop = asyncio.Event()
        self._reading: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """What is known, above the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = Content(inert(self.deed.title, ascii=painted(self.app).ascii_only))
            yield TextLines()
            yield Panel(id="deed-state")
            yield Panel(id="deed-keys")

    def on_mount(self) -> None:
        """Look."""
        self.set_interval(1.0, self._show_state)
        self._look()

    def on_resize(self) -> None:
        """Wrap for the width."""
        self._show()

    def on_unmount(self) -> None:
        """A preview that nobody sees is not worth reading."""
        if self._reading is not None:
            self._reading.cancel()

    # What it shows

    @property
    def _cells(self) -> int:
        return max(20, int(self.size.width * 0.96) - 5)

    def _show(self) -> None:
        lines = self.query_one(TextLines)
        said = self._said
        if self.phase is Phase.SEEN:
            said = self.deed.lines(cells=self._cells, ascii=painted(self.app).ascii_only)
        lines.content = wrapped(said, self._cells)
        lines.move_to(lines.cursor)
        lines.refresh()
        self._show_state()
        keys = _KEYS[self.phase]
        if self.phase is Phase.SEEN and self.deed.triggers and not self.deed.agreed:
            keys = (*keys[:-1], ("t", "agree to triggers"), keys[-1])
        if self.outcome is not None and self.phase is Phase.ENDED:
            keys = (("Enter", "look again"), ("Esc", "close")) if self._again else keys
            keys = (*keys, ("v", "validate")) if self.outcome.may_validate else keys
        self.query_one("#deed-keys", Panel).show([keys_line(keys)])

    def _show_state(self) -> None:
        text, style = self._state()
        line = (Span(inert(text, ascii=painted(self.app).ascii_only), style),)
        self.query_one("#deed-state", Panel).show(wrapped([line], self._cells)[:2])

    def _state(self) -> tuple[str, str]:
        """Where it stands, on the line above the keys."""
        if self.phase is not Phase.SEEN:
            return "", ""
        if reason := self._why_not():
            return reason, "unknown"
        return f"{self._world.arming.words()}: Enter asks you to type {self.deed.confirm}", "write"

    def _why_not(self) -> str:
        """Why Enter does not lead to the confirmation now; empty where it does."""
        if reason := self.deed.hindrance():
            return reason
        if self.deed.triggers and not self.deed.agreed:
            return "its triggers may change more: t agrees to that, d tries it out"
        refusal = self._world.arming.refusal(None if self._world.lost else self._world.facts)
        if refusal is not None:
            return f"can't be done: {words_of(refusal)}"
        return "" if self._armed else "writing is not armed: W arms it"

    @property
    def _armed(self) -> bool:
        return not self._world.lost and self._world.arming.armed(self._world.facts)

    def _say(self, text: str, style: str = "") -> None:
        self._said = [(Span(inert(text, ascii=painted(self.app).ascii_only), style),)]
        self._show()

    def _told(self, text: str) -> None:
        self.app.notify(inert(text, ascii=painted(self.app).ascii_only), markup=False, timeout=6)

    # Looking

    def _read(self, work: Callable[[], Awaitable[object]], *, stands: bool = False) -> None:
        async def reading() -> None:
            try:
                await work()
            except Trouble as trouble:
                self.post_message(Failed(trouble, stands))
            else:
                self.post_message(Seen())

        # The app's worker, since the app tells of errors that nobody foresaw.
        self._reading = self.app.run_worker(reading(), group="look", exit_on_error=False, description="look")

    def _look(self) -> None:
        self.phase, self.outcome, self.deed.agreed = Phase.LOOKING, None, False
        self._say("Counting what it would touch; nothing is written.", "dim")
        self._read(self.deed.look)

    def on_seen(self) -> None:
        """Show it."""
        self.phase = Phase.SEEN
        self._show()

    def on_failed(self, event: Failed) -> None:
        """Say why."""
        if event.stands:
            self.phase = Phase.SEEN
            self._show()
            self._told(words_of(event.trouble))
        else:
            self.phase = Phase.FAILED
            self._say(words_of(event.trouble), "severe")

    def action_arm(self) -> None:
        """Arm writing, or disarm it; what is running goes on."""
        arm(self, self._world, self._show)

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        if self.phase is Phase.SEEN:
            self.app.copy_to_clipboard("".join(f"{each};\n" for each in self.deed.sql))
            self._told("The SQL was sent to the terminal's clipboard.")

    def action_save(self) -> None:
        """A script with the same guards, for psql."""
        if self.phase is not Phase.SEEN:
            return

        async def saving() -> None:
            try:
                path = await self.deed.save()
            except Trouble as trouble:
                self.post_message(Saved(words_of(trouble)))
            else:
                self.post_message(Saved(f"Saved: {path}. It is run by psql -X -f FILE."))

        self.app.run_worker(saving(), group="look", exit_on_error=False, description="save")

    def on_saved(self, event: Saved) -> None:
        """Say so: whatever goes on by now goes on."""
        self._told(event.words)

    def action_agree(self) -> None:
        """To what the triggers may change."""
        if self.phase is Phase.SEEN and self.deed.triggers:
            self.deed.agreed = True
            self._show()

    def action_strict(self) -> None:
        """With the parent locked, or without: other locks, and others who hold them."""
        if self.phase is Phase.SEEN and self.deed.toggle_strict():
            self._look()

    def action_dry(self) -> None:
        """The dry run, which takes locks and is taken back: writing has to be armed for it too."""
        if self.phase is not Phase.SEEN:
            return
        if not self._armed:
            self._told("A dry run writes, and takes it back: W arms writing first.")
            return
        lines = [
            "The fix is done and taken back, to count what triggers add and cancel.",
            "It holds the locks of the fix for its time, sequences stay moved,",
            "and what a trigger does outside of the database is done.",
        ]
        self.app.push_screen(TypeScreen("dry run", lines, "dry run"), self._try_out)

    def _try_out(self, typed: str | None) -> None:
        if typed is None or self.phase is not Phase.SEEN or not self._armed:
            return
        self.phase = Phase.LOOKING
        self._say("Doing it and taking it back.", "dim")
        self._read(self.deed.dry, stands=True)

    # Doing

    def on_line_list_chosen(self) -> None:
        """Enter: on to the next."""
        if self.phase is Phase.FAILED or (self.phase is Phase.ENDED and self._again):
            self._look()
        elif self.phase is Phase.ENDED:
            self.dismiss()
        elif self.phase is Phase.SEEN:
            if reason := self._why_not():
                self._told(reason)
                return
            facts = self._world.facts
            place = facts.place if facts else ""
            lines = [self.deed.title, f"on {place}", "It is written to the database once you have typed it."]
            self.app.push_screen(TypeScreen("confirm", lines, self.deed.confirm), self._confirmed)

    def _confirmed(self, typed: str | None) -> None:
        if typed is None or self.phase is not Phase.SEEN:
            return
        if typed != self.deed.confirm or (reason := self._why_not()):
            self._told(f"Nothing was done: {reason}")
            self._show()
            return
        self.phase = Phase.RUNNING
        self._stop.clear()
        self._say("Running: backup first, then the change.")
        self.app.run_worker(self._do(), group="fix", exit_on_error=False, description="fix")

    async def _do(self) -> None:
        def told(advance: Advance) -> None:
            self.post_message(Advanced(advance))

        journal = open_journal()
        try:
            outcome = await self.deed.do(journal, told, self._stop)
        except Trouble as trouble:
            self.post_message(Failed(trouble))
        else:
            entry = journal.entry(outcome.entry)
            self.post_message(Finished(outcome, entry.touched if entry else ()))

    def on_advanced(self, event: Advanced) -> None:
        """Say how far it is."""
        if self.phase is Phase.RUNNING:
            at = event.advance
            rows = f", {exact(at.done)} of {exact(at.rows)} rows" if at.rows else ""
            waits = f", {at.waits}" if at.waits else ""
            self._say(f"Step {at.step} of {at.steps}: {at.title}{rows}{waits}")

    def on_finished(self, event: Finished) -> None:
        """Say how it ended; the screen behind counts again."""
        self.phase, self.outcome = Phase.ENDED, event.outcome
        self._world.mended = True
        schema = self._world.known or self.deed.schema
        self._said = outcome_lines(schema, event.outcome, event.touched, ascii=painted(self.app).ascii_only)
        self._show()
        if (edge := self.deed.edge) is not None and self._world.edge(edge.oid) is not None:
            self.app.post_message(CountWanted((edge.oid,)))

    @property
    def _again(self) -> bool:
        """Whether what is left is worth another look."""
        ending = self.outcome.ending if self.outcome else None
        # What remains of the others is no part of a fix of marked rows.
        remaining = ending is Ending.REMAINING and not self.deed.partial
        return remaining or ending in (Ending.MOVED, Ending.REFUSED, Ending.STOPPED)

    def action_stop(self) -> None:
        """Between two batches or steps."""
        if self.phase is Phase.RUNNING:
            self._stop.set()
            self._told("It stops after the batch at hand.")

    def action_validate(self) -> None:
        """The next step, where there is one."""
        schema = self._world.known
        if self.outcome is not None and self.outcome.may_validate and schema is not None:
            deed = validation(self.deed, self._session, schema)
            if deed is not None:
                self.app.switch_screen(DeedScreen(self._session, self._world, deed))

    def action_leave(self) -> None:
        """Close it, unless it runs."""
        if self.phase is Phase.RUNNING:
            self._told("It is running: . stops it after the batch at hand.")
        else:
            self.dismiss()
