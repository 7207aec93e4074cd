"""The keys of the main screen that lead to fixes: arm writing, the panel, the journal."""

from __future__ import annotations

from fkexplorer.tui.arming import MINUTES
from fkexplorer.tui.panes import Panes


class FixKeys(Panes):
    """The panes, with what writing needs."""

    def action_arm(self) -> None:
        """Arm writing, or disarm it."""
        from fkexplorer.tui.fixes.typed import TypeScreen  # noqa: PLC0415 - the first frame does without

        world = self.world
        arming, facts = world.arming, world.facts
        if arming.armed(facts):
            arming.disarm()
            self.show_header()
            self.say("Writing is off.")
            return
        refusal = arming.refusal(None if world.lost else facts)
        if refusal is not None or facts is None:
            words = f"{refusal.reason}; {refusal.hint}" if refusal else "nothing is connected"
            self.say(f"Writing can't be armed: {words}", severity="error", seconds=12)
            return

        def answered(typed: str | None) -> None:
            if typed is not None and facts is world.facts and arming.arm(facts, typed):
                self.say(f"Writing is armed for {MINUTES} minutes. Each fix is still previewed and confirmed.")
            self.show_header()

        lines = [
            f"Arms writing for {MINUTES} minutes, on this database alone.",
            "Nothing is changed by that: each fix is previewed, and confirmed by typing.",
        ]
        self.app.push_screen(TypeScreen("arm writing", lines, facts.place), answered)
