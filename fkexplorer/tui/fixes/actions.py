"""The keys of the main screen that lead to fixes: arm writing, the panel, the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fkexplorer.reports.values import inert
from fkexplorer.tui.arming import MINUTES
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.panes import Panes
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import Screen

    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World


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

    def action_arm(self) -> None:
        """Arm writing, or disarm it."""
        arm(self, self.world, self.show_header)

    def action_fixes(self) -> None:
        """All that can be done about the edge under the cursor."""
        from fkexplorer.tui.fixes.choosing import ChoiceScreen  # noqa: PLC0415 - the first frame does without

        schema, edge = self.world.schema, self.world.edge(self.moment().edge)
        if self.may("fixes") and schema is not None and edge is not None:
            self.app.push_screen(ChoiceScreen(self.session, self.world, schema, edge))

    def action_journal(self) -> None:
        """What was done from here."""
        from fkexplorer.tui.fixes.journal import JournalScreen  # noqa: PLC0415 - as above

        if self.may("journal"):
            self.app.push_screen(JournalScreen(self.session, self.world))
