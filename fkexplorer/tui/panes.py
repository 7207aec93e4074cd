"""The panes of the main screen: which of them is shown at which size, and what each says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.reactive import Reactive
from textual.screen import Screen

from fkexplorer.reports import tables
from fkexplorer.reports.changes import told
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.tui import bars
from fkexplorer.tui.availability import Moment, why_not
from fkexplorer.tui.filterbar import FilterBar
from fkexplorer.tui.keys import BY_ACTION
from fkexplorer.tui.lens import LensView
from fkexplorer.tui.messages import LookedAt
from fkexplorer.tui.panel import Detail, Panel
from fkexplorer.tui.rows import RowsView
from fkexplorer.tui.tables import TablesView
from fkexplorer.tui.theme import painted
from fkexplorer.tui.world import View, World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.app import ComposeResult
    from textual.widget import Widget

    from fkexplorer.schema.difference import Difference
    from fkexplorer.tui.fixes.choosing import ChoicePanel
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.world import RowsQuery

SIDE_BY_SIDE = 110
"""From this width on the tables stay beside the Lens."""
DOCKED = (130, 36)
"""From this size on rows stand below the Lens instead of in its place."""
SHORT = 14
"""Below this height the detail and the trail make room."""
LOW, ORDINARY = 20, 24
"""Below the first height the detail has two lines, below the second five, else six, so that totals have a place."""
SMALLEST = (40, 10)
LIST_WIDTH = 34
PANEL_WIDTH = 48
"""Of the docked fixes: the rows beside it keep half of what the list leaves of 130 cells."""
SEEN = 12
"""Seconds that a change of the catalogue is told: nobody waits for it, so that eyes may be elsewhere."""
REST = 0.12
"""Seconds after which a cursor is taken to rest."""


class Panes(Screen[None], inherit_bindings=False):
    """Tables, Lens, detail and rows of one database, without the keys that act on them."""

    AUTO_FOCUS = "#tables"
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    """As Textual has it, but without a repaint of the whole screen (10 KB) each time."""
    DEFAULT_CSS = f"""
    Panes {{ layout: vertical; }}
    #body {{ height: 1fr; }}
    #main {{ width: 1fr; }}
    #tables.-beside {{ width: {LIST_WIDTH}; }}
    #edge {{ width: 1; height: 1fr; }}
    #strip {{ height: 1fr; }}
    #panel {{ width: {PANEL_WIDTH}; height: 100%; }}
    #panel.-alone {{ width: 1fr; }}
    #small {{ display: none; height: 1fr; content-align: center middle; }}
    """

    def __init__(self, world: World, label: str) -> None:
        super().__init__()
        self.world = world
        self._label = label
        self.view = View.TABLES
        self.zoomed = False
        self._looked_at: int | None = None
        """The edge that was under the cursor when somebody did something last."""
        self._telling = False
        # Made here and kept: what arrives while the screen begins or ends finds them all the same.
        self.tables = TablesView(world, id="tables")
        self.lens = LensView(world, id="lens")
        self.rows = RowsView(id="rows")
        self.detail = Detail(id="detail")
        self._header, self._trail, self.key_line = Panel(id="header"), Panel(id="trail"), Panel(id="keys")
        self._edge, self._small = Panel(id="edge"), Panel(id="small")
        self._body, self._main, self.strip = Horizontal(id="body"), Vertical(id="main"), Horizontal(id="strip")
        self.panel: ChoicePanel | None = None
        """The docked fixes, in the strip with the rows."""

    def compose(self) -> ComposeResult:
        """All panes; `arrange_panes` shows those that there is room for."""
        yield self._header
        yield self._trail
        with self._body:
            yield self.tables
            yield self._edge
            with self._main:
                yield self.lens
                yield self.detail
                with self.strip:
                    yield self.rows
        yield self._small
        yield FilterBar()
        yield self.key_line

    def on_mount(self) -> None:
        """Show what is known: where we connect to."""
        self.arrange_panes()
        self.show_header()

    # Which panes there are

    def on_resize(self) -> None:
        """Another size may have room for other panes."""
        self.arrange_panes()
        self.call_after_refresh(self.show_all)

    @property
    def beside(self) -> bool:
        """Whether tables and Lens stand side by side."""
        return self.size.width >= SIDE_BY_SIDE and not self.zoomed

    @property
    def docked(self) -> bool:
        """Whether rows stand below the Lens."""
        return self.size.width >= DOCKED[0] and self.size.height >= DOCKED[1] and not self.zoomed

    def arrange_panes(self) -> None:
        """Show the panes that there is room for."""
        if self.detail not in self._main.children or self.strip not in self._main.children:
            return  # the app ends while this screen begins
        width, height = self.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        roomy = height >= SHORT
        home = self.view is View.TABLES
        fixes = self.docked and self.panel is not None
        panel = [] if self.panel is None else [(self.panel, fixes)]
        show: tuple[tuple[Widget, bool], ...] = (
            *panel,
            (self._header, not small),
            (self._trail, not small and roomy),
            (self._body, not small),
            (self.key_line, not small),
            (self._small, small),
            (self.tables, self.beside or home),
            (self._edge, self.beside),
            (self._main, self.beside or not home or roomy),
            (self.lens, self._lens_shown),
            (self.rows, self.view is View.ROWS),
            (self.strip, self.view is View.ROWS or fixes),
            (self.detail, roomy and not self.zoomed),
        )
        for widget, wanted in show:
            if widget.display != wanted:
                widget.display = wanted
        self.detail.styles.height = 3 if height < LOW else 6 if height < ORDINARY else 7
        # Docked rows belong to the edge that the detail above them describes; alone they come first.
        main = self._main
        above = main.children.index(self.detail) < main.children.index(self.strip)
        if self.docked and not above:
            main.move_child(self.detail, before=self.strip)
        elif above and not self.docked:
            main.move_child(self.detail, after=self.strip)
        if self.panel is not None:
            self.panel.set_class(self.view is not View.ROWS, "-alone")
            if self.focused is self.panel.lines and not fixes:
                self.set_focus(self.listed())
        self.tables.set_class(self.beside, "-beside")
        # With one pane the detail lies below the tables, side by side it lies below the Lens.
        self._body.styles.layout = "horizontal" if self.beside else "vertical"
        self._main.styles.height = "auto" if home and not self.beside else "1fr"
        if small:
            self._small.show(
                [[Span(f"{width}x{height} is too small: {SMALLEST[0]}x{SMALLEST[1]} is the least.", "unknown")]]
            )
        if self.beside:
            self._edge.show([[Span("|" if painted(self.app).ascii_only else "│", "off")]] * height)

    @property
    def _lens_shown(self) -> bool:
        if self.view is View.LENS:
            return True
        return (self.beside and self.view is View.TABLES) or (self.docked and self.view is View.ROWS)

    def panes(self) -> list[Widget]:
        """The panes that can be focused, in reading order."""
        fixes = [self.panel.lines] if self.panel is not None else []
        below: list[Widget] = [self.rows, *fixes]
        main = [pane for child in self._main.children for pane in (below if child is self.strip else [child])]
        return [pane for pane in (self.tables, *main) if pane.display and (pane.parent is None or pane.parent.display)]

    def switch(self, view: View, *, focus: bool = True) -> None:
        """Show another view and put the keys there."""
        self.view = view
        self.arrange_panes()
        if focus:
            self.set_focus({View.TABLES: self.tables, View.LENS: self.lens, View.ROWS: self.rows}[view])
        self.show_trail()
        self.show_detail()
        self.look()

    # What somebody looks at

    def look(self) -> None:
        """Somebody did something: what is under the cursor, and what was, is seen."""
        # In the table of tables the cursor is on no edge.
        here = self.moment().edge if self.view is not View.TABLES else None
        seen = self.world.live.unseen.intersection(edge for edge in (self._looked_at, here) if edge is not None)
        self._looked_at = here
        if seen:
            self.world.live.unseen -= seen
            self.repaint_edges(seen)
        self._tell_soon()

    def _tell_soon(self) -> None:
        """What is looked at will be counted first, once the cursor rests: a key that is held moves it quickly."""
        if not self._telling:
            self._telling = True
            self.set_timer(REST, self._tell)

    def _tell(self) -> None:
        self._telling = False
        moment = self.moment()
        here = self.world.edges_of(moment.table) if moment.table is not None else None
        first = [moment.edge] if moment.edge is not None else []
        around = [edge.oid for edge in (*here.own, *here.into)] if here else []
        self.post_message(LookedAt(tuple(dict.fromkeys((*first, *around)))))

    # What the bars and the detail say

    def show_all(self) -> None:
        """Bring every line around the lists up to date."""
        self.show_header()
        self.show_trail()
        self.show_detail()

    def show_header(self) -> None:
        """Where, what is known, how old it is."""
        theirs = painted(self.app)
        line = bars.header(
            self.world,
            self._label,
            now=theirs.now(),
            cells=self.size.width,
            stale=self.world.first_pass_done and self.tables.stale,
            ascii=theirs.ascii_only,
        )
        self._header.show([line])

    def show_trail(self) -> None:
        """The way here, the views, the keys."""
        ascii_only = painted(self.app).ascii_only
        cells = self.size.width
        self._trail.show([bars.trail(self.world, self.view, cells=cells, ascii=ascii_only)])
        self.show_keys()

    def show_keys(self) -> None:
        """The keys of this view, greyed where they do nothing."""
        keys = bars.keys_of(self.world, self.view, self.world.edge(self.moment().edge))
        line = bars.key_line(keys, self.reason, cells=self.size.width)
        self.key_line.show([line])

    def show_detail(self) -> None:
        """The lines about what is under the cursor."""
        theirs = painted(self.app)
        moment = self.moment()
        on_table = self.view is View.TABLES and not (self.beside and self.focused is self.detail)
        lines = bars.detail(
            self.world,
            moment.table,
            None if on_table else moment.edge,
            cycles=self.lens.cycles,
            now=theirs.now(),
            cells=max(20, self.detail.size.width),
            ascii=theirs.ascii_only,
        )
        self.detail.show(lines)

    # What the keys act on

    def moment(self) -> Moment:
        """What is under the cursors now."""
        query = self.rows.query_shown if self.view is View.ROWS else None
        table: int | None
        edge: int | None
        listed = self.listed()
        if self.view is View.ROWS and query is not None:
            table, edge = query.table, query.edge
        elif self.view is View.LENS or (self.beside and self.focused is self.lens):
            table, edge = self.lens.table, self.lens.current
        else:
            table = self.tables.current
            edge = self._worst_of(table)
        secrets = any(field.secret for field in self.rows.fields)
        return Moment(self.view, table, edge, query, secrets, bool(listed.filter_text))

    def _worst_of(self, table: int | None) -> int | None:
        schema = self.world.schema
        if schema is None or table is None:
            return None
        worst = tables.worst_edge(schema, self.world.edges_of(table).known, self.world.counts)
        return worst.oid if worst else None

    def listed(self) -> TablesView | LensView | RowsView:
        """The list that keys and the filter act on."""
        focused = self.focused
        if isinstance(focused, TablesView | LensView | RowsView):
            return focused
        lists: dict[View, TablesView | LensView | RowsView]
        lists = {View.TABLES: self.tables, View.LENS: self.lens, View.ROWS: self.rows}
        return lists[self.view]

    def reason(self, action: str) -> str | None:
        """Why an action does nothing now."""
        return why_not(action, self.world, self.moment())

    def may(self, action: str) -> bool:
        """Whether an action does something now; says why where it does not."""
        reason = self.reason(action)
        if reason is not None:
            self.say(f"{BY_ACTION[action].label}: {reason}" if action in BY_ACTION else reason)
        return reason is None

    def say(self, text: str, *, severity: str = "information", seconds: float = 4) -> None:
        """A line that goes away by itself; never markup, and inert: names and the server's words are in it."""
        text = inert(text, ascii=painted(self.app).ascii_only)
        self.app.notify(text, markup=False, timeout=seconds, severity=severity)  # type: ignore[arg-type]

    # Messages

    def take_schema(self, changes: Iterable[Difference] = ()) -> None:
        """A catalogue was read; what changed since the one before is told."""
        if changes:
            self.say(told(changes), seconds=SEEN)
        self.tables.take_schema()
        self.lens.take_schema()
        gone = self.view is View.LENS and self.lens.table is None
        if self.lens.table is None and (first := self.tables.current) is not None:
            self.lens.show_table(first)
        self._tell_soon()
        query = self.rows.query_shown
        if gone or (self.view is View.ROWS and query and not self._still_there(query)):
            self.switch(View.TABLES)
        self.show_all()

    def _still_there(self, query: RowsQuery) -> bool:
        known = self.world.table(query.table) is not None
        return known and (query.edge is None or self.world.edge(query.edge) is not None)

    def repaint_edges(self, edges: Iterable[int]) -> None:
        """Counts changed: repaint what shows these edges, and nothing else."""
        changed = set(edges)
        touched = {edge.child for oid in changed if (edge := self.world.edge(oid))}
        self.tables.repaint_tables(touched)
        self.lens.repaint_edges(changed)
        query = self.rows.query_shown
        if query and query.edge in changed and (count := self.world.counts.get(query.edge)):
            self.rows.take_count(count)
        self.show_header()
        self.show_keys()
        self.show_detail()

    def first_pass_ended(self) -> None:
        """Every edge has been looked at: the worst goes first, unless somebody works in the list."""
        if not self.tables.touched:
            self.tables.sort()
            if self.view is View.TABLES and not self.lens.touched and (first := self.tables.current) is not None:
                self.lens.show_table(first)
        self.show_all()

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """The cursor rests on another line."""
        if event.lines is self.tables and self.beside and self.view is View.TABLES:
            # The Lens beside follows once the cursor rests: repainting it costs 5 KB on a slow line.
            self.set_timer(REST, self._follow)
        self.show_detail()
        self.show_keys()
        self.look()

    def _follow(self) -> None:
        table = self.tables.current
        if table is not None and self.view is View.TABLES and table != self.lens.table:
            self.lens.show_table(table)
            self.show_detail()

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """Side by side the view follows the focus."""
        if self.focused is self.tables and self.beside and self.view is View.LENS:
            self.view = View.TABLES
            self.show_trail()
        elif self.focused is self.lens and self.view is View.TABLES:
            self.view = View.LENS
            self.show_trail()
        self.show_detail()
