"""What is shown of the errors of a text, and the question to the database about the one that is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Candidate, Diagnosis, Sighting, Suggestion
from fkexplorer.reports.diagnosis import edge_of
from fkexplorer.reports.explain import ExplainLine, explain_lines
from fkexplorer.reports.values import number
from fkexplorer.tui.boxes import LookingBox
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.explain_places import listed
from fkexplorer.tui.explain_said import Diagnosed
from fkexplorer.tui.panel import wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from fkexplorer.diagnosis.reading.model import Found
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.explain_keys import ExplainKeys
    from fkexplorer.tui.world import Explained

_KEYS_OF_LIST = (("Enter", "open"), ("e", "other text"), ("Esc", "close"))
_KEYS = (
    ("Tab", "next"), ("a", "fixes"), ("t", "trace"), ("o", "rows"), ("y", "copy"), ("w", "report"), ("?", "help"),
)  # fmt: skip


class FindingView(LookingBox):
    """The findings of a text as a list; and one of them, which the database is asked about as soon as it is shown.

    Args:
        main: the screen below: its Lens shows the foreign key that a finding is certain to mean.
        explained: the findings.
    """

    DEFAULT_CSS = """
    FindingView { align: center bottom; }
    FindingView.-roomy > Vertical { height: 66%; width: 100%; }
    """

    stopped = "Stopped. r asks again."

    def __init__(self, main: ExplainKeys, explained: Explained) -> None:
        super().__init__(main.session)
        self._main = main
        self._world = main.world
        self.explained = explained
        self.listing = len(explained.reading.found) > 1
        self._lines: list[ExplainLine] = []
        """What is shown, where it is one finding."""

    def on_mount(self) -> None:
        """Ask, where there is but one."""
        if not self.listing:
            self.begin()

    def on_resize(self) -> None:
        """Wrap for the width; where there is room the Lens stays in sight above."""
        self.set_class(self._main.docked, "-roomy")
        super().on_resize()

    def on_screen_resume(self) -> None:
        """After a fix the database is asked again."""
        if self._world.mended and self.explained.known is not None:
            self.action_again()

    def take(self, explained: Explained) -> None:
        """Another text was explained."""
        self.explained = explained
        self._asked += 1
        self.looking, self._said = False, ""
        self.listing = len(explained.reading.found) > 1
        self.query_one(TextLines).cursor = 0
        if not self.listing:
            self.begin()
        self._show()

    # What it shows

    @property
    def _found(self) -> Found:
        return self.explained.reading.found[self.explained.at]

    @property
    def _diagnosis(self) -> Diagnosis:
        """What is known of the finding that is shown; what the text says, as long as that is all."""
        known = self.explained.known
        return known[0] if known else Diagnosis(self._found, None)

    @property
    def _schema(self) -> Schema | None:
        """The catalogue that it was looked at with."""
        known = self.explained.known
        return known[1] if known else None

    @property
    def _edge(self) -> Relationship | None:
        """The edge that it is certain to mean, as it is now."""
        edge = edge_of(self._diagnosis, self._schema)
        return self._world.edge(edge.oid) if edge else None

    def _show(self) -> None:
        ascii_only = painted(self.app).ascii_only
        some = self.explained.reading.found
        if self.listing:
            heading = f"{number(len(some), 'error')} in {number(self.explained.reading.lines, 'line')}"
            lines = [listed(found, self._cells, ascii=ascii_only) for found in some]
            self._paint(heading, lines, _KEYS_OF_LIST)
            return
        which = f" {self.explained.at + 1} of {len(some)}: ( and ) step" if len(some) > 1 else ""
        place = self._world.facts.place if self._world.facts else ""
        self._lines = []
        for each in explain_lines(self._diagnosis, self._schema, place=place, cells=self._cells, ascii=ascii_only):
            # Only lines of SQL are longer than that.
            self._lines += [ExplainLine(line, each.about) for line in wrapped([each.line], self._cells + 1)]
        self._paint(f"finding{which}", [each.line for each in self._lines], _KEYS)

    def _about(self) -> Candidate | Suggestion | Sighting | None:
        cursor = self.query_one(TextLines).cursor
        return self._lines[cursor].about if not self.listing and cursor < len(self._lines) else None

    # Asking the database

    def begin(self) -> None:
        """Ask the database about the finding that is shown, unless it was asked; later, where there is none yet."""
        if self.explained.known is None:
            self.action_again()
        else:
            self._land()

    def action_again(self) -> None:
        """Ask once more."""
        if self.listing:
            return
        schema, graph = self._world.known, self._world.graph
        self._asked += 1
        if schema is None or graph is None:
            self._said = "The catalogue is not read yet."
            self.set_timer(0.2, self.begin)
            self._show()
        else:
            self._ask(
                self._diagnosed(schema, graph, self._asked, self.explained.at), "Asking the database.", group="explain"
            )

    async def _diagnosed(self, schema: Schema, graph: Graph, asked: int, at: int) -> Diagnosed:
        found, chosen = self.explained.reading.found[at], self.explained.chosen.get(at)
        diagnosis = await self._session.diagnose(schema, graph, found, self._world.live, chosen=chosen)
        return Diagnosed(asked, at, diagnosis, schema)

    def on_diagnosed(self, event: Diagnosed) -> None:
        """Show it, and its foreign key in the Lens below."""
        if not self._answers(event.number):
            return
        self.explained.diagnoses[event.at] = event.diagnosis, event.schema
        self._show()
        if len(event.diagnosis.placed.candidates if event.diagnosis.placed else ()) > 1:
            candidates = (at for at, each in enumerate(self._lines) if isinstance(each.about, Candidate))
            self.query_one(TextLines).move_to(next(candidates, 0))
        self._land()

    def _land(self) -> None:
        """Put the cursor of the Lens on the foreign key."""
        edge, placed = self._edge, self._diagnosis.placed
        if edge is not None:
            self._main.focus_table(edge.child, edge=edge.oid)
        elif placed is not None and len(placed.candidates) == 1:
            child = placed.candidates[0].child
            if child is not None and self._world.table(child) is not None:
                self._main.focus_table(child)
