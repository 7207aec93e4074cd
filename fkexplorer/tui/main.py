"""The main screen: what the keys do to the panes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fkexplorer.schema.names import edge_label, table_label
from fkexplorer.tui.filterbar import FilterBar
from fkexplorer.tui.guesses.keys import GuessKeys
from fkexplorer.tui.keys import KEYS, bindings
from fkexplorer.tui.lens import LensView
from fkexplorer.tui.messages import CountWanted, SqlWanted, StopWanted
from fkexplorer.tui.rows import RowsView
from fkexplorer.tui.tables import TablesView
from fkexplorer.tui.world import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.binding import BindingType

    from fkexplorer.schema.difference import Difference
    from fkexplorer.tui.find import Place
    from fkexplorer.tui.keys import Key
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.panel import Detail
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import World

_JUMPS = {"t": "tables", "l": "lens", "d": "detail", "r": "rows", "a": "fixes"}


class MainScreen(GuessKeys):
    """The panes with their keys. What needs the database is asked for by a message to the app."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("main")

    def __init__(self, world: World, label: str, session: Session) -> None:
        super().__init__(world, label)
        self.session = session
        self._jumping = False
        self._missed: tuple[str, ...] = ()
        """What has been told of `World.unbound`."""
        self._left_at: dict[int, int | None] = {}
        """For each table that was in the Lens the edge under its cursor: the way back leads there."""

    def take_schema(self, changes: Iterable[Difference] = ()) -> None:
        """A catalogue was read; what is configured and not there is told once."""
        super().take_schema(changes)
        if self.world.unbound != self._missed:
            self._missed = self.world.unbound
            if self._missed:
                more = len(self._missed) - 1
                words = f"{self._missed[0]}{f' (and {more} more like this)' if more else ''}"
                self.say(words, severity="warning", seconds=10)

    # Views

    def action_tables(self) -> None:
        """To the table of tables."""
        self.switch(View.TABLES)

    def action_lens(self) -> None:
        """To the Lens of the table under the cursor."""
        if not self.may("lens"):
            return
        if self.view is View.TABLES and (table := self.tables.current) is not None:
            self.focus_table(table)
        else:
            self.switch(View.LENS)

    def focus_table(self, table: int, *, edge: int | None = None) -> None:
        """Put a table into the Lens, on the trail and under the list's cursor."""
        self.world.trail.go(table)
        self._show_lens(table, edge)

    def _show_lens(self, table: int, edge: int | None) -> None:
        if self.lens.table is not None:
            self._left_at[self.lens.table] = self.lens.current
        self.lens.show_table(table, edge=edge)
        self.tables.go_to(table)
        self.switch(View.LENS)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """Enter: focus the table, or show the row in full."""
        if isinstance(event.lines, TablesView):
            self.action_lens()
        elif isinstance(event.lines, LensView):
            self._enter_lens()
        elif isinstance(event.lines, RowsView):
            self.enter_row()

    def _enter_lens(self) -> None:
        if self.lens.folded:
            self.lens.toggle_fold()
            return
        edge = self.world.edge(self.lens.current)
        if edge is None:
            return
        if edge.self_referencing:
            self.say("It refers to its own table.")
            return
        here = self.lens.table
        self.focus_table(edge.parent if here == edge.child else edge.child, edge=edge.oid)

    def on_detail_chosen(self, _event: Detail.Chosen) -> None:
        """Enter on the detail: the rows of the edge that it describes."""
        self.action_orphans()

    def action_back(self) -> None:
        """Back along the trail."""
        self._step(-1)

    def action_forward(self) -> None:
        """Forward along the trail."""
        self._step(1)

    def _step(self, by: int) -> None:
        if self.view is View.ROWS and by < 0:
            self.switch(View.LENS if self.world.trail.here is not None else View.TABLES)
            return
        if by < 0 and self.world.trail.at <= 0:
            self.switch(View.TABLES)
            return
        if not self.may("back" if by < 0 else "forward"):
            return
        table = self.world.trail.step(by)
        if table is not None:
            self._show_lens(table, self._left_at.get(table))

    def close_layer(self) -> None:
        """Esc: the filter, marks, zoom, docked fixes, rows, then the Lens; before there is anything, the app."""
        if self.world.schema is None:
            self.app.exit(0)
            return
        if (listed := self.listed()).filter_text:
            listed.set_filter("")
            self.show_all()
        elif self.view is View.ROWS and self.rows.marks:
            self.rows.unmark()
            self.show_all()
        elif self.zoomed:
            self.action_zoom()
        elif self.close_panel():
            pass
        elif self.view is View.ROWS:
            self.switch(View.LENS if self.world.trail.here is not None else View.TABLES)
        elif self.view is View.LENS:
            self.switch(View.TABLES)

    def action_close_or_quit(self) -> None:
        """`q`: like Esc, and at home the end."""
        if self.view is View.TABLES and not self.zoomed and not self.tables.filter_text:
            self.app.exit(0)
        else:
            self.action_close()

    def action_zoom(self) -> None:
        """The pane alone, and back."""
        self.zoomed = not self.zoomed
        self.arrange_panes()
        self.show_all()

    def action_pane(self, by: str | int) -> None:
        """Next or previous pane."""
        panes, focused = self.panes(), self.focused
        at = panes.index(focused) if focused in panes else 0
        if panes:
            self.set_focus(panes[(at + int(by)) % len(panes)])

    def action_jump(self) -> None:
        """The next letter names a pane."""
        self._jumping = True
        shown = {pane.id for pane in self.panes()}
        self.say("jump to: " + "  ".join(f"{key} {name}" for key, name in _JUMPS.items() if name in shown))

    def on_key(self, event: events.Key) -> None:
        """A key is a look at what is under the cursor; the letter after a jump names a pane."""
        self.look()
        if not self._jumping or event.key == "semicolon":
            return
        self._jumping = False
        if not event.is_printable:
            return
        # A letter that names no pane is spent as well: whoever mistyped it did not mean what it does elsewhere.
        event.stop()
        event.prevent_default()
        for pane in self.panes():
            if pane.id == _JUMPS.get(event.key):
                self.set_focus(pane)

    # Counts

    def action_recount(self) -> None:
        """Count the edge again; on a table, its edges."""
        moment = self.moment()
        if not self.may("recount"):
            return
        if self.view is View.TABLES and moment.table is not None and self.focused is self.tables:
            own = self.world.edges_of(moment.table).own
            self.post_message(CountWanted(tuple(edge.oid for edge in own)))
        elif moment.edge is not None:
            self.post_message(CountWanted((moment.edge,)))

    def action_recount_all(self) -> None:
        """Count everything again, or reconnect."""
        self.post_message(CountWanted(None))

    def action_stop_count(self) -> None:
        """Stop counting the edge."""
        moment = self.moment()
        if self.may("stop_count") and moment.edge is not None:
            self.post_message(StopWanted(moment.edge))

    # Finding

    def action_filter(self) -> None:
        """Type a text that lines must hold."""
        if self.may("filter"):
            self.query_one(FilterBar).begin(self.listed())

    def on_filter_bar_left(self, event: FilterBar.Left) -> None:
        """The text is typed, or given up."""
        self.set_focus(event.listed)
        self.show_all()

    def action_match(self, by: str | int) -> None:
        """Next or previous line that holds the filter's text, around the end."""
        if not self.may("match"):
            return
        listed = self.listed()
        count = listed.line_count()
        if count:
            listed.move_to((listed.cursor + int(by)) % count)

    def action_find(self) -> None:
        """Find by letters."""
        from fkexplorer.tui.find import FindScreen, places  # noqa: PLC0415 - the first frame does without

        if self.may("find"):
            self.app.push_screen(FindScreen(places(self.world, self.tables.order)), self._go_to)

    def _go_to(self, place: Place | None) -> None:
        if place is not None:
            self.focus_table(place.table, edge=place.edge)

    def action_problem(self, by: str | int) -> None:
        """Next or previous edge with a problem, in the order of the list."""
        if not self.may("problem"):
            return
        problems = self.world.problems(self.tables.order)
        if not problems:
            self.say("No problem found." if self.world.first_pass_done else "No problem found so far.")
            return
        here = self.moment().edge if self.view is not View.TABLES else None
        step = int(by)
        at = problems.index(here) + step if here in problems else (0 if step > 0 else -1)
        edge = self.world.edge(problems[at % len(problems)])
        if edge is not None:
            self.focus_table(edge.child, edge=edge.oid)

    def action_newest(self) -> None:
        """To the edge on which orphans appeared last, those that nobody has looked at first."""
        edge = self.world.edge(self.world.live.newest()) if self.may("newest") else None
        if edge is not None:
            self.focus_table(edge.child, edge=edge.oid)

    # The rest

    def action_sort(self) -> None:
        """Worst first."""
        if self.may("sort"):
            listed = self.listed()
            if isinstance(listed, TablesView | LensView):
                listed.sort()
            self.show_header()

    def action_fold(self) -> None:
        """Fold or unfold clean children."""
        if self.may("fold"):
            self.lens.toggle_fold()

    def action_copy_name(self) -> None:
        """Copy what the cursor is on."""
        schema, moment = self.world.schema, self.moment()
        value = self.rows.current_value
        if self.view is View.ROWS and value is not None:
            if value.text is None or value.cut:
                self.say("Enter shows it in full; y copies it there." if value.cut else "There is no value to copy.")
                return
            text = value.text
        elif schema is None or moment.table is None:
            return
        elif self.view is View.LENS and (edge := self.world.edge(moment.edge)) is not None:
            text = edge_label(schema, edge)
        else:
            text = table_label(schema.tables[moment.table])
        self.app.copy_to_clipboard(text)
        self.say("Sent to the terminal's clipboard.")

    def action_copy_sql(self) -> None:
        """Copy the query."""
        moment = self.moment()
        if self.may("copy_sql") and moment.edge is not None:
            self.post_message(SqlWanted(moment.edge))

    def action_toggle_bell(self) -> None:
        """Ring when orphans appear, or not."""
        self.world.bell = not self.world.bell
        self.say(f"The bell is {'on' if self.world.bell else 'off'}.")

    def action_help(self) -> None:
        """Keys and badges."""
        from fkexplorer.tui.dialogs import HelpScreen  # noqa: PLC0415 - as above

        self.app.push_screen(HelpScreen(self._reasons()))

    def _reasons(self) -> dict[str, str]:
        return {key.action: reason for key in KEYS if (reason := self.reason(key.action)) is not None}

    def action_palette(self) -> None:
        """The same actions, found by a few letters."""
        from fkexplorer.tui.find import PaletteScreen  # noqa: PLC0415 - as above

        self.app.push_screen(PaletteScreen(self._reasons()), self._do)

    async def _do(self, key: Key | None) -> None:
        if key is not None:
            await self.run_action(f"{'app' if key.group == 'app' else 'screen'}.{key.action}")
