"""The Lens on screen: the picture that `reports` draws, with a cursor on its left or its right side."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.strip import Strip

from fkexplorer.reports.badges import cycle_lengths
from fkexplorer.reports.lens import build_lens
from fkexplorer.reports.values import width as cells_of
from fkexplorer.schema.names import table_label
from fkexplorer.tui.keys import bindings
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.theme import painted, strip_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.binding import BindingType

    from fkexplorer.reports.lens import Lens, LensRow
    from fkexplorer.reports.style import Span
    from fkexplorer.tui.world import World


class LensView(LineList):
    """Parents, the table in focus, children. Rows keep their places while counts repaint."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")

    def __init__(self, world: World, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._world = world
        self._lens: Lens | None = None
        self.cycles: dict[int, int] = {}
        """For each edge on a cycle the length of the shortest."""
        self._fold = True
        self._cells = 20
        """Width of the picture; a hidden widget has none, and at another one its rows would be others."""
        self.children_side = False
        self.filter_text = ""
        self._shown: list[int] = []

    # What is shown

    @property
    def table(self) -> int | None:
        """OID of the table in the middle."""
        return self._lens.table if self._lens else None

    @property
    def current(self) -> int | None:
        """OID of the edge under the cursor."""
        row = self._row(self.cursor)
        if row is None:
            return None
        here, there = (row.child_edge, row.parent_edge) if self.children_side else (row.parent_edge, row.child_edge)
        return here if here is not None else there

    def take_schema(self) -> None:
        """A catalogue was read: know its cycles; the table in focus may be gone."""
        graph = self._world.graph
        self.cycles = cycle_lengths(graph.cycles()) if graph else {}
        if self.table is not None:
            edge, side, table = self.current, self.children_side, self.table
            if self._world.table(table) is not None:
                self._build(table)
                self._return_to(self._world.heirs.get(edge) if edge is not None else None, children=side)
            else:
                self._lens = None
                self._shown = []
            self.refresh()

    def show_table(self, table: int, *, edge: int | None = None) -> None:
        """Put a table in the middle, worst edges first, the cursor on `edge` or on the first row."""
        self.filter_text = ""
        self._fold = True
        self._lens = None
        self._build(table)
        self.cursor = self.top = 0
        place = self._place_of(edge) if edge is not None else None
        if place is None and edge is not None:
            self._fold = False
            self._build(table)
            place = self._place_of(edge)
        if place is not None:
            self.cursor, self.children_side = place
        else:
            self.children_side = not self._has_parents()
            self.cursor = self._nearest(0, forward=True) if self._shown else 0
        self._bring_in_sight(self.cursor)
        self.refresh()

    def sort(self) -> None:
        """Put the worst first again; the cursor stays on its edge."""
        if self._lens is None:
            return
        edge, side, table = self.current, self.children_side, self._lens.table
        self._lens = None
        self._build(table)
        self._return_to(edge, children=side)
        self.refresh()

    def toggle_fold(self) -> None:
        """Show or fold the clean children of a hub."""
        if self._lens is None:
            return
        edge, side, table = self.current, self.children_side, self._lens.table
        self._fold = not self._fold
        self._lens = None
        self._build(table)
        self._return_to(edge, children=side)
        self.refresh()

    @property
    def folded(self) -> bool:
        """Whether Enter on the cursor's row unfolds."""
        row = self._row(self.cursor)
        return row is not None and row.folded > 0 and row.child_edge is None

    def set_filter(self, text: str) -> None:
        """Show only the rows with a table or a column that holds this text; the cursor goes to the side that has it."""
        self.filter_text = text
        self._choose_rows()
        if not any(self.selectable(place) for place in range(len(self._shown))):
            self.children_side = not self.children_side
        self.cursor = self._nearest(0, forward=True) if self._shown else 0
        self.top = 0
        self.refresh()

    def repaint_edges(self, edges: Iterable[int]) -> None:
        """Counts changed: repaint the rows of these edges where they stand."""
        if self._lens is None or self._world.schema is None:
            return
        here = self._world.edges_of(self._lens.table)
        mine = {edge.oid for edge in (*here.own, *here.into)}
        if mine.isdisjoint(edges):
            return
        before, heads, edge = self._lens, self._lens.title, self.current
        self._build(before.table)
        if len(before.rows) != len(self._lens.rows):
            if self.current != edge:
                self._return_to(edge, children=self.children_side)
            self.refresh()
            return
        if heads != self._lens.title:
            self.repaint_headings()
        for place, at in enumerate(self._shown):
            if before.rows[at] != self._lens.rows[at]:
                self.repaint_line(place)

    def _build(self, table: int) -> None:
        schema = self._world.schema
        assert schema is not None
        if self.size.width:
            self._cells = max(20, self.size.width - 1)
        self._lens = build_lens(
            schema,
            table,
            self._world.counts,
            width=self._cells,
            ascii=painted(self.app).ascii_only,
            live=self._world.live,
            fold_clean=self._fold,
            cycles=self.cycles,
            order=self._lens.order if self._lens else None,
            fold_hint="z to show",
        )
        self._choose_rows()

    def _choose_rows(self) -> None:
        rows = self._lens.rows if self._lens else ()
        self._shown = [
            at
            for at, row in enumerate(rows)
            if not self.filter_text or self._matches(row.parent_edge) or self._matches(row.child_edge)
        ]

    def _matches(self, edge: int | None) -> bool:
        """Whether the filter lets this edge through: by the other table's name or a referencing column's."""
        known, schema = self._world.edge(edge), self._world.schema
        if known is None or schema is None:
            return False
        if not self.filter_text:
            return True
        other = schema.tables[known.parent if known.child == self.table else known.child]
        names = (table_label(other), *(pair.child.name for pair in known.pairs))
        return any(self.filter_text.casefold() in name.casefold() for name in names)

    def _row(self, place: int) -> LensRow | None:
        return self._lens.rows[self._shown[place]] if self._lens and place < len(self._shown) else None

    def _has_parents(self) -> bool:
        return self._lens is not None and any(row.parent_edge is not None for row in self._lens.rows)

    def _place_of(self, edge: int) -> tuple[int, bool] | None:
        """Line and side of an edge; as the child first, since that is where its orphans are."""
        assert self._lens is not None
        for children in (False, True):
            at = self._lens.row_of(edge, child=children)
            if at is not None and at in self._shown:
                return self._shown.index(at), children
        return None

    def _return_to(self, edge: int | None, *, children: bool) -> None:
        at = self._lens.row_of(edge, child=children) if self._lens and edge is not None else None
        if at in self._shown:
            self.cursor = self._shown.index(at)
        else:
            # Folded away: the row that stands for it; or filtered out.
            folds = [place for place in range(len(self._shown)) if (row := self._row(place)) and row.folded]
            self.cursor = folds[0] if folds and children else self._nearest(0, forward=True)
        self._bring_in_sight(self.cursor)

    # Painting and moving

    def on_resize(self) -> None:
        """Draw for the new width."""
        if self._lens is not None and self._world.schema is not None:
            edge, side = self.current, self.children_side
            self._build(self._lens.table)
            self._return_to(edge, children=side)
            self.refresh()

    def line_count(self) -> int:
        """Rows of the picture."""
        return len(self._shown)

    def heading_count(self) -> int:
        """The title."""
        return len(self._lens.title) if self._lens else 0

    def headings(self, width: int) -> Sequence[Sequence[Span]]:  # noqa: ARG002 - the picture has its own width
        """The title."""
        return self._lens.title if self._lens else ()

    def selectable(self, index: int) -> bool:
        """Rows that stand for an edge on the cursor's side, or for folded ones."""
        row = self._row(index)
        if row is None:
            return False
        if self.children_side:
            return self._matches(row.child_edge) or row.folded > 0
        return self._matches(row.parent_edge)

    def painted_line(self, index: int, width: int) -> Strip:
        """A row, the cursor over its left or its right part."""
        row = self._row(index)
        if row is None:
            return strip_of((), width, painted(self.app).palette)
        colours = painted(self.app).palette
        if index != self.cursor:
            return strip_of(row.spans, width, colours)
        over = colours["cursor" if self.has_focus else "cursor-away"]
        right = (
            self.children_side
            if row.parent_edge is not None and row.child_edge is not None
            else row.parent_edge is None
        )
        parts = []
        for spans, lit in ((row.left, not right), (row.box, False), (row.right, right)):
            taken = sum(cells_of(span.text) for span in spans)
            parts.append(strip_of(spans, taken, colours, over=over if lit else None))
        return Strip.join(parts).crop_extend(0, width, colours[""])

    def empty_text(self) -> str:
        """Why there is no row."""
        return "No row holds this text. Esc clears the filter." if self.filter_text else ""

    def clicked(self, index: int, x: int) -> None:
        """A click chooses the side too."""
        row = self._row(index)
        if row is not None:
            left = sum(cells_of(span.text) for span in row.left)
            middle = left + sum(cells_of(span.text) for span in row.box) // 2
            self._to_side(children=x >= middle and (row.child_edge is not None or row.folded > 0), index=index)

    def action_left(self) -> None:
        """To the parents."""
        self._to_side(children=False, index=self.cursor)

    def action_right(self) -> None:
        """To the children."""
        self._to_side(children=True, index=self.cursor)

    def _to_side(self, *, children: bool, index: int) -> None:
        if children == self.children_side or not self._shown:
            return
        before = self.children_side
        self.touched = True
        self.children_side = children
        if not any(self.selectable(place) for place in range(len(self._shown))):
            self.children_side = before
            return
        old = self.cursor
        self.move_to(index, said=False)
        self.repaint_line(old)
        self.repaint_line(self.cursor)
        self.post_message(self.Moved(self, self.cursor))
