"""The screen of what was found: the errors of a text, and of one of them all that the database says about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.model import Candidate, Diagnosis, Sighting, Suggestion
from fkexplorer.reports.diagnosis import edge_of, kind_words, seen_words, title
from fkexplorer.reports.explain import ExplainLine, explain_lines, explain_text
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, fit, inert, number
from fkexplorer.tui.dialogs import HelpScreen, TextLines
from fkexplorer.tui.explain_places import key_of, places_of
from fkexplorer.tui.explain_said import Diagnosed, NotLooked
from fkexplorer.tui.messages import ConnectionLost, words_of
from fkexplorer.tui.panel import Panel, wrapped
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.message import Message

    from fkexplorer.diagnosis.reading.model import Found
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.explain_keys import ExplainKeys
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.world import Explained

_KEYS_OF_LIST = (("Enter", "open"), ("e", "other text"), ("Esc", "close"))
_KEYS = (("a", "fixes"), ("t", "trace"), ("o", "rows"), ("y", "copy"), ("Y", "SQL"), ("w", "report"), ("?", "help"))


class FindingScreen(ModalScreen[None]):
    """The findings of a text as a list; and one of them, which the database is asked about as soon as it is shown.

    Args:
        main: the screen below: its Lens shows the foreign key that a finding is certain to mean.
        explained: the findings.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "close", id="finding.close", tooltip="Close it.", key_display="Esc"),
        Binding("question_mark,f1", "help", "help", id="finding.help", tooltip="These keys.", key_display="?"),
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
    DEFAULT_CSS = """
    FindingScreen { align: center bottom; }
    FindingScreen > Vertical { width: 96%; height: 94%; border: round $primary; background: $surface; }
    FindingScreen.-ascii > Vertical { border: ascii $primary; }
    FindingScreen.-roomy > Vertical { height: 66%; width: 100%; }
    """

    def __init__(self, main: ExplainKeys, explained: Explained) -> None:
        super().__init__()
        self._main = main
        self._session = main.session
        self._world = main.world
        self.explained = explained
        self.listing = len(explained.reading.found) > 1
        self.looking = False
        """The database is being asked."""
        self._asked = 0
        """How often it was: an answer to an earlier question is dropped."""
        self._said = ""
        self._lines: list[ExplainLine] = []
        """What is shown, where it is one finding."""

    def compose(self) -> ComposeResult:
        """What is known, how far it is, the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical():
            yield TextLines()
            yield Panel(id="finding-state")
            yield Panel(id="finding-keys")

    def on_mount(self) -> None:
        """Ask, where there is but one."""
        if not self.listing:
            self.begin()

    def on_resize(self) -> None:
        """Wrap for the width; where there is room the Lens stays in sight above."""
        self.set_class(self._main.docked, "-roomy")
        self._show()

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

    @property
    def _cells(self) -> int:
        return max(20, self.query_one(TextLines).size.width - 2)

    def _show(self) -> None:
        lines, ascii_only = self.query_one(TextLines), painted(self.app).ascii_only
        some = self.explained.reading.found
        if self.listing:
            heading = f"{number(len(some), 'error')} in {number(self.explained.reading.lines, 'line')}"
            lines.content = [self._listed(found) for found in some]
        else:
            which = f" {self.explained.at + 1} of {len(some)}: ( and ) step" if len(some) > 1 else ""
            heading = f"finding{which}"
            place = self._world.facts.place if self._world.facts else ""
            self._lines = []
            for each in explain_lines(self._diagnosis, self._schema, place=place, cells=self._cells, ascii=ascii_only):
                # Only lines of SQL are longer than that.
                self._lines += [ExplainLine(line, each.about) for line in wrapped([each.line], self._cells + 1)]
            lines.content = [each.line for each in self._lines]
        self.query_one(Vertical).border_title = Content(fit(heading, self._cells - 4, ascii=ascii_only, pad=False))
        lines.move_to(lines.cursor)
        lines.refresh()
        style = "unknown" if self._said and not self.looking else "dim"
        state = "Asking the database." if self.looking else self._said
        self.query_one("#finding-state", Panel).show([[Span(" " + inert(state, ascii=ascii_only), style)]])
        spans = []
        for key, label in _KEYS_OF_LIST if self.listing else _KEYS:
            spans += [Span(f" {key}", "key"), Span(f" {label} ", "dim")]
        self.query_one("#finding-keys", Panel).show([spans])

    def _listed(self, found: Found) -> tuple[Span, ...]:
        """A finding on one line: which foreign key, how often, what."""
        ascii_only = painted(self.app).ascii_only
        name = fit(title(Diagnosis(found, None), None), max(20, self._cells // 2), ascii=ascii_only)
        said = f"  {exact(found.occurrences):>6}x  {kind_words(found.error)}; {seen_words(found)}"
        return (Span(" " + name, "key"), Span(inert(said, ascii=ascii_only), "dim"))

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
        schema, graph = self._world.schema, self._world.graph
        self._asked += 1
        if schema is None or graph is None:
            self._said = "The catalogue is not read yet."
            self.set_timer(0.2, self.begin)
        else:
            self.looking, self._said = True, ""
            looking = self._look(schema, self._asked, self.explained.at)
            self.app.run_worker(looking, group="explain", exclusive=True, exit_on_error=False, description="explain")
        self._show()

    async def _look(self, schema: Schema, asked: int, at: int) -> None:
        found, chosen = self.explained.reading.found[at], self.explained.chosen.get(at)
        graph = self._world.graph
        assert graph is not None
        message: Message
        try:
            diagnosis = await self._session.diagnose(schema, graph, found, self._world.live, chosen=chosen)
        except Trouble as trouble:
            message = NotLooked(asked, trouble)
        except asyncio.CancelledError:
            self.post_message(NotLooked(asked, None))
            raise
        else:
            message = Diagnosed(asked, at, diagnosis, schema)
        self.post_message(message)

    def on_diagnosed(self, event: Diagnosed) -> None:
        """Show it, and its foreign key in the Lens below."""
        if event.number != self._asked:
            return
        self.looking = False
        self.explained.diagnoses[event.at] = event.diagnosis, event.schema
        self._show()
        if len(event.diagnosis.placed.candidates if event.diagnosis.placed else ()) > 1:
            candidates = (at for at, each in enumerate(self._lines) if isinstance(each.about, Candidate))
            self.query_one(TextLines).move_to(next(candidates, 0))
        self._land()

    def on_not_looked(self, event: NotLooked) -> None:
        """Say why not."""
        if event.number != self._asked:
            return
        self.looking = False
        self._said = words_of(event.trouble) if event.trouble else "Stopped. r asks again."
        if event.trouble and event.trouble.code == "lost":
            self.app.post_message(ConnectionLost(self._session.generation, event.trouble))
        self._show()

    def _land(self) -> None:
        """Put the cursor of the Lens on the foreign key."""
        edge, placed = self._edge, self._diagnosis.placed
        if edge is not None:
            self._main.focus_table(edge.child, edge=edge.oid)
        elif placed is not None and len(placed.candidates) == 1:
            child = placed.candidates[0].child
            if child is not None and self._world.table(child) is not None:
                self._main.focus_table(child)

    # Moving

    def action_leave(self) -> None:
        """Back to the list, then to what is below."""
        if self.listing or len(self.explained.reading.found) == 1:
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
