"""The doctor: what is wrong with a foreign key, or with all of them; from each finding to what mends it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical

from fkexplorer.planning import PlanOptions
from fkexplorer.reports.doctor import doctor_text, examined_words, found_words, missed_words, sql_lines
from fkexplorer.reports.live import clock
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import duration, inert
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label
from fkexplorer.tui.boxes import LookingBox
from fkexplorer.tui.dialogs import HelpScreen
from fkexplorer.tui.doctor_lines import DetailLines, FindingLines
from fkexplorer.tui.doctor_look import Examined, Examining, Question
from fkexplorer.tui.filterbar import FilterBar
from fkexplorer.tui.fixes.deeds import Fix
from fkexplorer.tui.fixes.leading import lead_on
from fkexplorer.tui.panel import Panel, keys_line
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.explain_keys import ExplainKeys
    from fkexplorer.tui.lines import LineList

_EVERY = 0.1
"""Seconds between two words on how far it is: ten a second are enough for eyes."""
_WIDE = 100
"""Cells that all keys fit in."""
_MANY = 4
"""Keys from which on there is no room for those that other lists have, in 80 columns."""
_LIST = 0.4
"""The part of the box that the list takes at most."""


class DoctorScreen(LookingBox):
    """Examines, and lists the findings by severity above the one under the cursor.

    Args:
        main: the screen below, which shows the foreign keys and their fixes.
        edge: what is examined; None for all.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q", "leave", "close", id="doctor.close", tooltip="Clear the filter; close it.", key_display="Esc"
        ),
        Binding("question_mark,f1", "help", "help", id="doctor.help", tooltip="These keys.", key_display="?"),
        Binding(
            "tab,shift+tab",
            "pane",
            "pane",
            id="doctor.pane",
            tooltip="Between the list and the finding, which scrolls.",
            key_display="Tab",
        ),
        Binding(
            "space",
            "more",
            "more",
            id="doctor.more",
            tooltip="The rest of the finding, and its beginning again.",
            key_display="Space",
        ),
        Binding("o", "go", "go there", id="doctor.go", tooltip="Its foreign key, or its table, in the Lens."),
        Binding("a", "fixes", "fixes", id="doctor.fixes", tooltip="All fixes of its foreign key."),
        Binding("P", "plan", "plan all", id="doctor.plan", tooltip="One plan of all that mends what was found."),
        Binding("Y", "copy_sql", "copy SQL", id="doctor.sql", tooltip="Copy the SQL of the finding under the cursor."),
        Binding("y", "copy", "copy", id="doctor.copy", tooltip="Copy all that was found."),
        Binding("r", "again", "look again", id="doctor.again", tooltip="Look once more."),
        Binding(
            "slash",
            "filter",
            "filter",
            id="doctor.filter",
            tooltip="Show only lines that hold a text.",
            key_display="/",
        ),
    ]
    DEFAULT_CSS = """
    #findings { height: 8; }
    #finding { height: 1fr; }
    """

    def __init__(self, main: ExplainKeys, edge: Relationship | None) -> None:
        super().__init__(main.session)
        self._main = main
        self._world = main.world
        self._edge = edge
        self.known: tuple[Examination, Schema] | None = None
        """What was found last, with the catalogue that it was found with."""
        self.list = FindingLines()
        self.detail = DetailLines()
        self._mending: frozenset[int] | None = None
        """The tables whose rows a fix that was shown would change."""

    def compose(self) -> ComposeResult:
        """The list, the finding, how far it is, the keys."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical():
            yield self.list
            yield self.detail
            yield FilterBar()
            yield Panel(id="box-state")
            yield Panel(id="box-keys")

    def on_mount(self) -> None:
        """Look."""
        self.set_focus(self.list)
        self.action_again()

    def on_screen_resume(self) -> None:
        """After a fix it looks again; what that may have changed is counted, whatever the monitor knows by now."""
        if self._world.mended and self._mending is not None:
            anew, self._mending = self._mending, None
            self._look(anew)

    # What it shows

    @property
    def _finding(self) -> Finding | None:
        return self.list.told.finding if self.list.told else None

    def _show(self) -> None:
        self.list.build()
        most = max(2, round(_LIST * (self.query_one(Vertical).size.height - 2)))
        self.list.styles.height = max(1, min(len(self.list.content), most)) if self.known else 1
        self._show_finding()
        self._paint(self._heading(), [tuple(each) for each in self.list.content], self._keys())
        if self.known and not self._said:
            self.query_one("#box-state", Panel).show([(Span(f" {self._looked(self.known[0])}", "dim"),)])

    def _heading(self) -> str:
        schema = self.known[1] if self.known else self._world.schema
        of = (
            f" of {'the guess ' if self._guess else ''}{edge_label(schema, self._edge)}"
            if self._edge and schema
            else ""
        )
        return f"doctor{of}: {found_words(self.known[0])}" if self.known else f"doctor{of}"

    @property
    def _guess(self) -> bool:
        return self._edge is not None and self._edge.kind is EdgeKind.INFERRED

    def _looked(self, found: Examination) -> str:
        """When it was looked at what."""
        theirs = painted(self.app)
        missed = f"; {words} not" if (words := missed_words(found)) else ""
        at = f"{clock(found.at, theirs.now())} ({duration(found.seconds)})"
        guess = " A guess: no SQL until + accepts it." if self._guess else ""
        return inert(f"Looked at {examined_words(found)} at {at}{missed}.{guess}", ascii=theirs.ascii_only)

    def _keys(self) -> list[tuple[str, str]]:
        """Those of the finding first; on a narrow screen without what other lists have as well."""
        finding, keys = self._finding, []
        if finding is not None:
            fix = finding.treatment.action is not None and finding.edge is not None
            keys = [("Enter", "preview"), ("a", "fixes"), ("o", "Lens")] if fix else [("Enter", "Lens")]
            keys += [("Y", "SQL")] if finding.treatment.statements else []
            keys += [("Space", "more")] if self.detail.line_count() > self.detail.body_height else []
        keys += [("P", "plan all")] if self._plannable else []
        often = [("/", "filter"), ("r", "again"), ("Esc", "close")]
        return [*keys, ("?", "help"), *(often if self._cells >= _WIDE or len(keys) < _MANY else [])]

    @property
    def _plannable(self) -> bool:
        """Whether anything that was found has SQL that mends it."""
        return self.known is not None and any(each.treatment.statements for each in self.known[0].findings)

    def _show_keys(self) -> None:
        self.query_one("#box-keys", Panel).show([keys_line(self._keys())])

    def _show_finding(self) -> None:
        self.detail.take(self.list.told, self.known[1] if self.known else None)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Another finding."""
        if event.lines is self.list:
            self._show_finding()
            self._show_keys()

    # Looking

    def action_again(self) -> None:
        """Look, or once more."""
        self._look(frozenset())

    def _look(self, anew: frozenset[int]) -> None:
        self._asked += 1
        self._ask(self._examine(self._asked, anew), "Looking; Esc stops it.", group="doctor")

    async def _examine(self, asked: int, anew: frozenset[int]) -> Examined:
        before = 0.0

        def told(words: str) -> None:
            nonlocal before
            if (now := time.monotonic()) - before >= _EVERY:
                before = now
                self.post_message(Examining(asked, words))

        # All of them are being counted already: by the monitor, which is gentler than a second one beside it.
        while self._edge is None and not self._world.first_pass_done and self._world.lost is None:
            told(f"waiting for the counts: {self._progress()}")
            await asyncio.sleep(_EVERY)
        schema = self._world.schema
        assert schema is not None
        counts: list[tuple[Schema, Mapping[int, Count]]] = [(schema, dict(self._world.counts))]
        if self.known is not None:
            found, with_schema = self.known
            counts.append((with_schema, found.counts))
        found, with_schema = await self._session.examine(Question(self._edge, counts, anew), told)
        return Examined(asked, found, with_schema)

    def _progress(self) -> str:
        edges = self._world.schema.edges if self._world.schema else {}
        return f"{len(self._world.counts):,} of {len(edges):,}"

    def on_examining(self, event: Examining) -> None:
        """Say how far it is."""
        if self._answers(event.number, said=f"{event.words[0].upper()}{event.words[1:]}; Esc stops it.", more=True):
            self._show()

    def on_examined(self, event: Examined) -> None:
        """Show it."""
        if self._answers(event.number):
            self.known = event.found, event.schema
            self.list.take(event.found)
            self._show()

    # Keys

    def action_leave(self) -> None:
        """The filter, then the screen; what still looks is stopped."""
        if self.list.filter_text:
            self.list.set_filter("")
            self._show()
            return
        if self._worker is not None:
            self._worker.cancel()
        self.dismiss(None)

    def action_pane(self) -> None:
        """To the finding, or back to the list."""
        self.set_focus(self.list if self.focused is self.detail else self.detail)

    def action_more(self) -> None:
        """The next screen of the finding; behind its end the first."""
        self.detail.turn()

    def action_filter(self) -> None:
        """Type a text that lines must hold."""
        self.query_one(FilterBar).begin(self.list)

    def on_filter_bar_left(self) -> None:
        """The text is typed, or given up."""
        self.set_focus(self.list)
        self._show()

    def action_help(self) -> None:
        """The keys of this screen, before those of the others."""
        own = [each for each in self.BINDINGS if isinstance(each, Binding)]
        self.app.push_screen(HelpScreen({}, own, "What the doctor found; Enter previews what mends it"))

    def action_copy_sql(self) -> None:
        """Copy the statements of the finding."""
        lines = sql_lines(self._finding) if self._finding else []
        if not lines:
            self._main.say("There is no SQL to copy.")
            return
        self.app.copy_to_clipboard("\n".join(lines) + "\n")
        self._main.say("Sent to the terminal's clipboard.")

    def action_copy(self) -> None:
        """Copy all that was found."""
        if self.known is not None:
            self.app.copy_to_clipboard("\n".join(doctor_text(*self.known)) + "\n")
            self._main.say("Sent to the terminal's clipboard.")

    # What leads elsewhere

    def on_line_list_chosen(self, _event: LineList.Chosen) -> None:
        """Enter: the preview of what mends it; without such a fix to where it is."""
        finding, place = self._finding, self._place()
        if finding is None:
            return
        treatment = finding.treatment
        if place is None or treatment.action is None:
            self.action_go()
            return
        schema, edge = place
        options = PlanOptions(edge_label(schema, edge), treatment.action, **dict(treatment.options))  # type: ignore[arg-type]
        self._mending = _below(schema, edge)
        fix = Fix(self._session, schema, edge, options)
        # It is told all that it is to be told.
        lead_on(self.app, fix, world=self._world, title=fix.title, asks=False)

    def _place(self) -> tuple[Schema, Relationship] | None:
        """The edge of the finding, in the newest catalogue that has it."""
        finding = self._finding
        if finding is None or finding.edge is None or self.known is None:
            return None
        schemas = [self.known[1], *([self._world.schema] if self._world.schema else [])]
        for schema in sorted(schemas, key=lambda each: each.loaded_at, reverse=True):
            if (edge := schema.edges.get(finding.edge)) is not None:
                return schema, edge
        return None

    def action_fixes(self) -> None:
        """All that can be done about its foreign key."""
        place = self._place()
        if place is None:
            self._main.say("fixes: it is about no single foreign key")
            return
        if place[1].kind is EdgeKind.INFERRED:
            self._main.say("fixes: it is a guess: + accepts it first")
            return
        self._mending = _below(*place)
        self._main.show_fixes(place[1], None, ())

    def action_plan(self) -> None:
        """The plan of all that mends what was found."""
        from fkexplorer.tui.fixes.many import ManyScreen  # noqa: PLC0415 - few ask for it

        if self.known is None or not self._plannable:
            self._main.say("There is nothing to plan.")
            return
        found, schema = self.known
        self._mending = frozenset(schema.tables)
        self.app.push_screen(ManyScreen(self._session, self._world, found))

    def action_go(self) -> None:
        """Its foreign key in the Lens, or its table."""
        finding = self._finding
        edge = self._world.edge(finding.edge) if finding else None
        table = edge.child if edge is not None else finding.table if finding else None
        if table is None or self._world.table(table) is None:
            self._main.say("It is about no table that is there.")
            return
        if self._worker is not None:
            self._worker.cancel()
        self.dismiss(None)
        self._main.focus_table(table, edge=edge.oid if edge else None)


def _below(schema: Schema, edge: Relationship) -> frozenset[int]:
    """The tables whose rows a fix of this edge may change: those of the edge, and all that refers to its child."""
    found, further = {edge.child, edge.parent}, [edge.child]
    while further:
        at = further.pop()
        for each in schema.edges.values():
            if each.parent == at and each.child not in found:
                found.add(each.child)
                further.append(each.child)
    return frozenset(found)
