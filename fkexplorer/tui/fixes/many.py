"""Many fixes at once on the screen: the plan of all, one confirmation, each done by itself, and what came of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.message import Message

from fkexplorer.database.model import Trouble
from fkexplorer.doctor.mending import plan_all
from fkexplorer.fixes.model import Advance, Ending, Outcome
from fkexplorer.fixes.programme import MENDS
from fkexplorer.fixes.programme_run import run_programme
from fkexplorer.fixes.programme_script import programme_script
from fkexplorer.fixing import open_journal
from fkexplorer.known.bind import read_known
from fkexplorer.reports.programme import programme_lines, result_lines
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, inert
from fkexplorer.tui.fixes.deed import DeedScreen, Phase
from fkexplorer.tui.fixes.deeds import Deed, new_file
from fkexplorer.tui.fixes.said import Failed
from fkexplorer.tui.messages import CountWanted
from fkexplorer.tui.panel import Panel, keys_line
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.binding import BindingType

    from fkexplorer.doctor.model import Examination
    from fkexplorer.fixes.journal import Journal
    from fkexplorer.fixes.model import Trigger
    from fkexplorer.fixes.programme import Programme
    from fkexplorer.fixes.programme_run import Result
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Schema
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World


@dataclass
class CameTo(Message):
    """The run came so far."""

    advance: Advance


@dataclass
class AllEnded(Message):
    """All of it was tried."""

    outcome: Outcome


class Many(Deed):
    """What mends the findings of an examination."""

    def __init__(self, session: Session, schema: Schema, found: Examination) -> None:
        super().__init__(session, schema, "mend all that was found")
        self._session = session
        self._found = found
        self._clean = 0
        """Which of `MENDS`."""
        self._programme: Programme | None = None
        self.results: list[Result] = []
        """What came of each so far."""

    @property
    def programme(self) -> Programme:
        """What was planned."""
        assert self._programme is not None
        return self._programme

    async def _fresh(self) -> Schema:
        known = await read_known(self._session.connected(), self._session.settings)
        return known.schema

    async def look(self) -> None:
        """Plan all of it over the catalogue as it is now."""
        self.results = []
        self.schema = await self._fresh()
        there = tuple(edge for edge in self._found.edges if edge.oid in self.schema.edges)
        self._programme = await plan_all(
            self._session.connected(),
            self.schema,
            replace(self._found, edges=there),
            clean=MENDS[self._clean],
            max_bytes=self._session.max_bytes,
        )

    def turn(self) -> None:
        """Mend rows in the next way; before it is looked at again."""
        self._clean = (self._clean + 1) % len(MENDS)

    def lines(self, *, cells: int, ascii: bool) -> list[Line]:  # noqa: ARG002 - it has no sample
        """Each fix, in its order."""
        return programme_lines(self.programme, ascii=ascii)

    @property
    def sql(self) -> Sequence[str]:
        """Those of all steps."""
        steps = (step for item in self.programme.items for step in item.plan.steps)
        return [statement for step in steps for statement in step.statements]

    @property
    def confirm(self) -> str:
        """How many rows and fixes."""
        return self.programme.confirm

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """Those that any of its changes of rows fires."""
        seen = [item.seen for item in self.programme.items if item.seen]
        return tuple(dict.fromkeys(trigger for each in seen for trigger in each.triggers))

    def hindrance(self) -> str:
        """Nothing to do."""
        return "" if self.programme.items else "there is nothing to do"

    async def do(self, journal: Journal, told: Callable[[Advance], None], stop: asyncio.Event) -> Outcome:
        """One after the other; the outcome is of all."""
        items = self.programme.items

        def progress(at: int, advance: Advance | None) -> None:
            at_hand = advance or Advance(1, len(items[at].plan.steps), items[at].title, 0, 0)
            told(replace(at_hand, title=f"{at_hand.title} (fix {at + 1} of {len(items)})"))

        results = await run_programme(
            self._session.connected(),
            self.programme,
            self._fresh,
            journal,
            consent=frozenset(self.triggers if self.agreed else ()),
            on_progress=progress,
            on_result=self.results.append,
            stop=stop,
        )
        ending = Ending.DONE if all(result.well for result in results) else Ending.REMAINING
        effects = tuple(effect for result in results if result.outcome for effect in result.outcome.effects)
        return Outcome("", ending, "", effects, None, None)

    async def save(self) -> Path:
        """One script of all, for psql."""
        return new_file("fkexplorer-plan", ".sql", await programme_script(self._session.connected(), self.programme))


class ManyScreen(DeedScreen):
    """The plan of all that was found, from its preview to its end.

    Args:
        session: the connection.
        world: what is known.
        found: an examination; what is ignored in it is not mended.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "clean", "way to mend", id="many.clean", tooltip="Mend rows in another way, and plan again.")
    ]
    deed: Many

    def __init__(self, session: Session, world: World, found: Examination) -> None:
        assert world.known is not None
        super().__init__(session, world, Many(session, world.known, found))

    def action_clean(self) -> None:
        """Quarantine, delete, set-null: whatever is to be done to rows that are in the way."""
        if self.phase is Phase.SEEN:
            self.deed.turn()
            self._look()

    def action_dry(self) -> None:
        """There is none of all at once."""
        self._told("There is no dry run of many fixes: the panel of a foreign key has one of its own.")

    async def _do(self) -> None:
        def told(advance: Advance) -> None:
            self.post_message(CameTo(advance))

        try:
            outcome = await self.deed.do(open_journal(), told, self._stop)
        except Trouble as trouble:
            self.post_message(Failed(trouble))
        else:
            self.post_message(AllEnded(outcome))

    def on_came_to(self, event: CameTo) -> None:
        """What is done, and what is at hand."""
        if self.phase is Phase.RUNNING:
            at, ascii_only = event.advance, painted(self.app).ascii_only
            rows = f", {exact(at.done)} of {exact(at.rows)} rows" if at.rows else ""
            waits = f", {at.waits}" if at.waits else ""
            self._said = result_lines(self.deed.programme, self.deed.results, ascii=ascii_only)
            self._said.append((Span(inert(f"at hand: {at.title}{rows}{waits}", ascii=ascii_only), "key"),))
            self._show()

    def on_all_ended(self, event: AllEnded) -> None:
        """What came of each; the screen behind counts again."""
        self.phase, self.outcome = Phase.ENDED, event.outcome
        self._world.mended = True
        self._said = result_lines(self.deed.programme, self.deed.results, ascii=painted(self.app).ascii_only)
        self._show()
        edges = dict.fromkeys(item.request.edge.oid for item in self.deed.programme.items)
        if counted := tuple(oid for oid in edges if self._world.edge(oid) is not None):
            self.app.post_message(CountWanted(counted))

    def _show(self) -> None:
        super()._show()
        if self.phase is Phase.SEEN:
            keys = [("Enter", "go on"), ("c", "mend how"), ("Y", "SQL"), ("S", "script"), ("W", "arm")]
            keys += [("t", "agree")] if self.deed.triggers and not self.deed.agreed else []
            self.query_one("#deed-keys", Panel).show([keys_line([*keys, ("Esc", "close")])])

    @property
    def _again(self) -> bool:
        return self.outcome is not None and self.outcome.ending is not Ending.DONE
