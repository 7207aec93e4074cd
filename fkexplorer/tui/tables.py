"""The home screen's list: all tables, in an order that is fixed when it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.reports import tables as report
from fkexplorer.reports.values import inert
from fkexplorer.schema.names import table_label
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.reports.style import Span
    from fkexplorer.tui.world import World


class TablesView(LineList):
    """One line a table. Counts repaint in place; only `sort` moves a table."""

    def __init__(self, world: World, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._world = world
        self._order: tuple[int, ...] = ()
        self._places: dict[int, int] = {}
        self._shown: list[int] = []
        self.filter_text = ""

    @property
    def current(self) -> int | None:
        """OID of the table under the cursor."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    def take_schema(self) -> None:
        """A catalogue was read: its tables in the first order; later those that are new behind the others."""
        schema = self._world.schema
        if schema is None or not self._order:
            self.sort()
            return
        here, place, known = self.current, self.cursor, set(self._order)
        sorted_anew = report.order_of_tables(schema, self._world.edges, self._world.counts)
        kept = [oid for oid in self._order if oid in schema.tables]
        self._order = (*kept, *(oid for oid in sorted_anew if oid not in known))
        self._show(here, top=self.top)
        if here not in schema.tables:
            self.move_to(place)

    def sort(self) -> None:
        """Put the worst first; the cursor stays on its table."""
        schema = self._world.schema
        if schema is None:
            return
        here = self.current
        # A list that nobody has touched shows its beginning: the worst.
        stay = here if self.touched else None
        self._order = report.order_of_tables(schema, self._world.edges, self._world.counts)
        self._show(stay)

    @property
    def stale(self) -> bool:
        """Whether `sort` would move a table."""
        schema = self._world.schema
        return schema is not None and self._order != report.order_of_tables(
            schema, self._world.edges, self._world.counts
        )

    @property
    def order(self) -> tuple[int, ...]:
        """The tables in the order shown, before any filter."""
        return self._order

    def set_filter(self, text: str) -> None:
        """Show only the tables whose `schema.table` holds this text."""
        here = self.current
        self.filter_text = text
        self._show(here)

    def _show(self, here: int | None, *, top: int = 0) -> None:
        schema = self._world.schema
        assert schema is not None
        wanted = self.filter_text.casefold()
        self._shown = [oid for oid in self._order if wanted in table_label(schema.tables[oid]).casefold()]
        self._places = {oid: place for place, oid in enumerate(self._shown)}
        self.cursor = self._places.get(here, 0) if here is not None else 0
        self.top = top
        self._bring_in_sight(self.cursor)
        self.refresh()

    def go_to(self, table: int) -> None:
        """Put the cursor on a table; a filter that hides it is dropped."""
        if table not in self._places and self.filter_text:
            self.set_filter("")
        if table in self._places:
            self.move_to(self._places[table], said=False)

    def repaint_tables(self, tables: Iterable[int]) -> None:
        """Repaint the lines of these tables."""
        for table in tables:
            if (place := self._places.get(table)) is not None:
                self.repaint_line(place)

    def line_count(self) -> int:
        """One line a table."""
        return len(self._shown)

    def heading_count(self) -> int:
        """The titles of the columns."""
        return 1

    def headings(self, width: int) -> Sequence[Sequence[Span]]:
        """The titles of the columns."""
        return (report.headings(width),)

    def line(self, index: int, width: int) -> Sequence[Span]:
        """One table."""
        schema = self._world.schema
        assert schema is not None
        oid = self._shown[index]
        return report.table_line(
            schema,
            schema.tables[oid],
            self._world.edges[oid],
            self._world.counts,
            self._world.live,
            width=width,
            ascii=painted(self.app).ascii_only,
        )

    def empty_text(self) -> str:
        """Why there is no table."""
        if self._world.schema is None:
            where = inert(self._world.label, ascii=painted(self.app).ascii_only)
            doing = "reading the catalogue" if self._world.facts else f"connecting to {where}"
            return f"{doing} ...  Esc gives up"
        if self.filter_text:
            return "No table holds this text. Esc clears the filter."
        return "This database has no table of its own."
