"""The keys of what was found: from an error to its rows, its fixes, its trace and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding

from fkexplorer.diagnosis.model import Candidate, Sighting, Suggestion
from fkexplorer.reports.explain import explain_text
from fkexplorer.reports.values import number
from fkexplorer.tui.dialogs import HelpScreen, TextLines
from fkexplorer.tui.explain_places import key_of, places_of
from fkexplorer.tui.explain_view import FindingView

if TYPE_CHECKING:
    from textual.binding import BindingType

    from fkexplorer.schema.model import Relationship
    from fkexplorer.tui.lines import LineList


class FindingScreen(FindingView):
    """The findings with their keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "close", id="finding.close", tooltip="Close it.", key_display="Esc"),
        Binding("question_mark,f1", "help", "help", id="finding.help", tooltip="These keys.", key_display="?"),
        Binding(
            "tab",
            "opened(1)",
            "next",
            id="finding.opened",
            tooltip="The next line that Enter opens.",
            key_display="Tab",
        ),
        Binding(
            "shift+tab",
            "opened(-1)",
            "back",
            id="finding.opened-before",
            tooltip="The one before.",
            key_display="Shift+Tab",
        ),
        Binding("a", "fixes", "fixes", id="finding.fixes", tooltip="The fix under the cursor, or all that there are."),
        Binding("t", "trace", "trace", id="finding.trace", tooltip="Where the key lives."),
        Binding("o", "rows", "rows", id="finding.rows", tooltip="The rows that hold the key, or the orphans."),
        Binding("y", "copy", "copy", id="finding.copy", tooltip="Copy the statement under the cursor, or all of it."),
        Binding("Y", "copy_queries", "copy queries", id="finding.queries", tooltip="Copy the queries that verify it."),
        Binding("w", "report", "report", id="finding.report", tooltip="Write the incident report."),
        Binding("r", "again", "look again", id="finding.again", tooltip="Ask the database once more."),
        Binding("e", "explain", "explain", id="finding.explain", tooltip="Explain another text."),
        Binding(
            "right_parenthesis", "step(1)", "next", id="finding.next", tooltip="The next finding.", key_display=")"
        ),
        Binding(
            "left_parenthesis", "step(-1)", "back", id="finding.previous", tooltip="The one before.", key_display="("
        ),
    ]

    def action_opened(self, by: int) -> None:
        """The next thing that Enter opens, or the one before, around the end."""
        lines = self.query_one(TextLines)
        begins = [
            at
            for at, each in enumerate(self._lines)
            if each.about is not None and (at == 0 or self._lines[at - 1].about is not each.about)
        ]
        if self.listing or not begins:
            return
        further = [at for at in begins if (at > lines.cursor if by > 0 else at < lines.cursor)]
        lines.move_to((further or begins)[0 if by > 0 else -1])

    # Moving

    def action_leave(self) -> None:
        """Back to the foreign keys that it may mean, to the list, then to what is below."""
        if not self.listing and self.explained.chosen.pop(self.explained.at, None) is not None:
            self.action_again()
        elif self.listing or len(self.explained.reading.found) == 1:
            self.dismiss(None)
        else:
            self._asked += 1
            self.looking, self._said, self.listing = False, "", True
            self.query_one(TextLines).cursor = self.explained.at
            self._show()

    def action_step(self, by: int) -> None:
        """The next finding, or the one before."""
        if not self.listing:
            self._open((self.explained.at + by) % len(self.explained.reading.found))

    def _open(self, at: int) -> None:
        self.explained.at = at
        self._asked += 1
        self.listing, self.looking, self._said = False, False, ""
        self.query_one(TextLines).cursor = 0
        self.begin()
        self._show()

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter: the finding, the fix, the rows, which of several foreign keys is meant; else to the Lens."""
        about = self._about()
        if self.listing:
            self._open(event.index)
        elif isinstance(about, Candidate):
            self._choose(about)
        elif isinstance(about, Sighting):
            self.action_rows()
        elif isinstance(about, Suggestion):
            self._enter(about)
        else:
            self.dismiss(None)

    def _choose(self, candidate: Candidate) -> None:
        if candidate.edge is None:
            self._fix_pair(candidate)
        else:
            self.explained.chosen[self.explained.at] = candidate.edge
            self.action_again()

    def _enter(self, suggestion: Suggestion) -> None:
        if suggestion.action is None:
            self._tell("That is for the code: y copies it." if suggestion.sql else "That is for the code.")
        elif (edge := self._edge_of(suggestion)) is None:
            self.action_fixes()
        else:
            self._main.fix_as_suggested(edge, suggestion)

    # What leads elsewhere

    def _tell(self, text: str) -> None:
        self._main.say(text)

    def _edge_of(self, suggestion: Suggestion) -> Relationship | None:
        return self._edge if suggestion.edge is None else self._world.edge(suggestion.edge)

    def action_fixes(self) -> None:
        """The panel of the foreign key, or of the one that the suggestion under the cursor is for."""
        if self.listing:
            return
        about, placed = self._about(), self._diagnosis.placed
        suggested = [each for each in self._diagnosis.suggestions if each.action is not None]
        if isinstance(about, Suggestion) and about.action is not None:
            suggested = [about, *(each for each in suggested if each is not about)]
            edge, rows = self._edge_of(about), about
        else:
            edge, rows = self._edge, None
        if edge is not None:
            wishes = [each for each in suggested if self._edge_of(each) is edge]
            self._main.show_fixes(edge, rows, wishes)
        elif placed is not None and len(placed.candidates) == 1 and placed.candidates[0].edge is None:
            self._fix_pair(placed.candidates[0])
        else:
            self._tell("Which foreign key it means is not certain: Enter on one of those that it may mean.")

    def _fix_pair(self, candidate: Candidate) -> None:
        if candidate.child is None or candidate.parent is None:
            self._tell("One of its tables is not there.")
        else:
            self._main.fix_pair(candidate.label, self._diagnosis.suggestions)

    def action_trace(self) -> None:
        """Where its key lives."""
        if self.listing:
            return
        found = key_of(self._diagnosis, self._edge, self._world.schema)
        if found is None:
            self._tell("Of which column the key is, or the key, is not known.")
        else:
            self._main.show_trace(*found)

    def action_rows(self) -> None:
        """The rows of the place under the cursor, else of the first that refers to the key, else the orphans."""
        if self.listing:
            return
        about, trace, edge = self._about(), self._diagnosis.trace, self._edge
        place = about if isinstance(about, Sighting) else next(iter(places_of(trace)), None)
        if place is not None and trace is not None:
            self._main.show_holding(place, trace.value)
        elif edge is not None:
            self.dismiss(None)
            self._main.focus_table(edge.child, edge=edge.oid)
            self._main.action_orphans()
        else:
            self._tell("Which foreign key it means is not certain.")

    def action_copy(self) -> None:
        """Copy the statement of the advice under the cursor, else all that is said."""
        about = self._about()
        if self.listing:
            return
        if isinstance(about, Suggestion) and about.sql:
            text = about.sql
        else:
            place = self._world.facts.place if self._world.facts else ""
            text = "\n".join(explain_text(self._diagnosis, self._schema, place=place))
        self.app.copy_to_clipboard(text)
        self._tell("Sent to the terminal's clipboard.")

    def action_copy_queries(self) -> None:
        """Copy the queries that show the state."""
        queries = self._diagnosis.verification
        if self.listing or not queries:
            self._tell("There is no query to copy.")
            return
        self.app.copy_to_clipboard("\n\n".join(f"-- gave: {result}\n{query}" for query, result in queries) + "\n")
        self._tell(f"{number(len(queries), 'query', 'queries')} sent to the terminal's clipboard.")

    def action_report(self) -> None:
        """Write the report."""
        self._main.action_report()

    def action_help(self) -> None:
        """The keys of this screen, before those of the others."""
        own = [each for each in self.BINDINGS if isinstance(each, Binding)]
        self.app.push_screen(HelpScreen({}, own, "What was found; Enter opens what the cursor is on"))

    def action_explain(self) -> None:
        """Another text."""
        self._main.action_explain()
