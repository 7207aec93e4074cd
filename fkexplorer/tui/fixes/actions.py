"""The keys of the main screen that lead to fixes: arm writing, marks, the panel, the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fkexplorer.reports.values import inert
from fkexplorer.tui.arming import MINUTES
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panel import keys_line
from fkexplorer.tui.panes import REST, Panes
from fkexplorer.tui.rows import Marks
from fkexplorer.tui.theme import painted
from fkexplorer.tui.world import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.screen import Screen

    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import RowsQuery, World


def arm(screen: Screen[Any], world: World, done: Callable[[], None]) -> None:
    """Arm writing by having its place typed, or disarm it.

    Args:
        screen: on which it was asked for.
        world: what is armed, and where it is connected.
        done: called when something changed.
    """
    from fkexplorer.tui.fixes.typed import TypeScreen  # noqa: PLC0415 - the first frame does without

    arming, facts = world.arming, world.facts

    def say(text: str, severity: Literal["information", "error"] = "information") -> None:
        text = inert(text, ascii=painted(screen.app).ascii_only)
        screen.app.notify(text, markup=False, severity=severity, timeout=4 if severity == "information" else 12)

    if arming.armed(facts):
        arming.disarm()
        done()
        say("Writing is off.")
        return
    refusal = arming.refusal(None if world.lost else facts)
    if refusal is not None or facts is None:
        say(f"Writing can't be armed: {words_of(refusal) if refusal else 'nothing is connected'}", "error")
        return

    def answered(typed: str | None) -> None:
        if typed is not None and facts is world.facts and arming.arm(facts, typed):
            say(f"Writing is armed for {MINUTES} minutes. Each fix is still previewed and confirmed.")
        done()

    lines = [
        f"Arms writing for {MINUTES} minutes, on this database alone.",
        "Nothing is changed by that: each fix is previewed, and confirmed by typing.",
    ]
    screen.app.push_screen(TypeScreen("arm writing", lines, facts.place), answered)


class FixKeys(Panes):
    """The panes, with what writing needs."""

    session: Session
    _aiming = False
    """The panel is told soon what it is about."""

    def action_arm(self) -> None:
        """Arm writing, or disarm it."""
        arm(self, self.world, self.show_header)

    async def action_fixes(self) -> None:
        """All that can be done about the edge under the cursor, or about what is marked of its orphans."""
        from fkexplorer.tui.fixes.choosing import ChoicePanel, ChoiceScreen  # noqa: PLC0415 - as below

        schema, edge = self.world.known, self.world.edge(self.moment().edge)
        if not self.may("fixes") or schema is None or edge is None:
            return
        if not self.docked:
            self.app.push_screen(ChoiceScreen(self.session, self.world, schema, edge, self._marks))
            return
        if self.panel is None:
            self.panel = ChoicePanel(self.session, self.world, id="panel")
            await self.strip.mount(self.panel)
        self.panel.aim(schema, edge, self._marks)
        self.arrange_panes()
        self.set_focus(self.panel.lines)

    @property
    def _marks(self) -> Marks:
        return self.rows.marks if self.view is View.ROWS else Marks()

    def on_choice_panel_closed(self) -> None:
        """The panel goes, and the keys to the list."""
        self.close_panel()

    def close_panel(self) -> bool:
        """Take the docked panel away; whether there was one."""
        panel, self.panel = self.panel, None
        if panel is None:
            return False
        panel.remove()
        self.switch(self.view)
        return True

    def show_detail(self) -> None:
        """As of the panes; the docked panel follows once the cursor rests, since it asks the server."""
        super().show_detail()
        if self.panel is not None and not self._aiming:
            self._aiming = True
            self.set_timer(REST, self._aim)

    def _aim(self) -> None:
        self._aiming = False
        if self.panel is not None and self.docked:
            self.panel.aim(self.world.known, self.world.edge(self.moment().edge), self._marks)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """The keys are others where the panel has the focus."""
        self.show_keys()

    def show_keys(self) -> None:
        """As of the panes; letters are choices where the panel has the focus."""
        if self.panel is None or self.focused is not self.panel.lines:
            super().show_keys()
            return
        keys = (("Enter", "preview"), ("Tab", "next pane"), ("Esc", "close"), ("a letter", "is a choice"))
        self.key_line.show([keys_line(keys)])

    def on_screen_resume(self) -> None:
        """After a fix the rows are read again: those that are shown may be gone."""
        query = self.rows.query_shown
        if self.world.mended and self.view is View.ROWS and query is not None and not self.reason("fixes"):
            self.ask_again(query)
        self.world.mended = False

    def ask_again(self, query: RowsQuery) -> None:
        """Hook: show the rows of a query as they are now."""

    def action_mark(self) -> None:
        """Mark the row under the cursor, or no longer."""
        if self.may("mark"):
            if reason := self.rows.mark():
                self.say(f"mark: {reason}")
            self.show_detail()

    def action_journal(self) -> None:
        """What was done from here."""
        from fkexplorer.tui.fixes.journal import JournalScreen  # noqa: PLC0415 - as above

        if self.may("journal"):
            self.app.push_screen(JournalScreen(self.session, self.world))
