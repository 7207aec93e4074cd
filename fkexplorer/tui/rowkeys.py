"""The keys of the main screen that show rows: orphans, missing keys, parents without a child, one row in full."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.reports import sentence
from fkexplorer.reports.diagnosis import masked
from fkexplorer.reports.trace import value_text
from fkexplorer.schema.names import columns_label, rows_label, table_label
from fkexplorer.tui.fixes.actions import FixKeys
from fkexplorer.tui.messages import RowsWanted, RowWanted, TotalsWanted
from fkexplorer.tui.world import RowsKind, RowsQuery, View

if TYPE_CHECKING:
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Relationship
    from fkexplorer.tui.rows import RowsView


class RowKeys(FixKeys):
    """The panes, with the rows that they show."""

    _numbers = 0
    """How often rows were asked for."""
    _revealed = False

    def action_orphans(self) -> None:
        """Orphan rows of the edge under the cursor."""
        edge = self._edge_for("orphans")
        if edge is not None:
            self.ask_rows(RowsKind.ORPHANS, table=edge.child, edge=edge.oid)

    def action_table_orphans(self) -> None:
        """Rows of the table that break any of its foreign keys."""
        moment = self.moment()
        if self.may("table_orphans") and moment.table is not None:
            self.ask_rows(RowsKind.TABLE, table=moment.table, edge=None)

    def action_group(self) -> None:
        """Missing keys, or back to the rows."""
        edge = self._edge_for("group")
        if edge is not None:
            query = self.rows.query_shown
            grouped = self.view is View.ROWS and query is not None and query.kind is RowsKind.KEYS
            self.ask_rows(RowsKind.ORPHANS if grouped else RowsKind.KEYS, table=edge.child, edge=edge.oid)

    def action_childless(self) -> None:
        """Parents that no child refers to."""
        edge = self._edge_for("childless")
        if edge is not None:
            self.ask_rows(RowsKind.CHILDLESS, table=edge.parent, edge=edge.oid)

    def action_unmask(self) -> None:
        """Show or hide secret values: they are fetched anew."""
        query = self.rows.query_shown
        if self.may("unmask") and query is not None:
            self._revealed = not self._revealed
            self.ask_again(query)

    def action_impact(self) -> None:
        """What deleting the row under the cursor, or the marked rows, would do."""
        query, at, schema = self.rows.query_shown, self.rows.current, self.world.schema
        if not self.may("impact") or query is None or schema is None:
            return
        if at is None or at >= len(self.rows.keys):
            self.say("impact: there is no row")
            return
        from fkexplorer.tui.impact import ImpactScreen  # noqa: PLC0415 - the first frame does without

        keys = self.rows.marks.rows or (self.rows.keys[at],)
        self.app.push_screen(ImpactScreen(self, schema.tables[query.table], keys))

    def focus_table(self, table: int, *, edge: int | None = None) -> None:
        """Hook: put a table into the Lens, the cursor on an edge."""

    def _edge_for(self, action: str) -> Relationship | None:
        return self.world.edge(self.moment().edge) if self.may(action) else None

    def ask_rows(self, kind: RowsKind, *, table: int, edge: int | None) -> None:
        """Show rows of an edge, or of a table; the first page is asked for."""
        self._ask(RowsQuery(kind, table, edge))

    def ask_again(self, query: RowsQuery) -> None:
        """Show the rows of a query as they are now."""
        self._ask(query)

    def _ask(self, query: RowsQuery) -> None:
        self._numbers += 1
        known = self.world.edge(query.edge)
        sides = (known.child, known.parent) if known else (query.table,)
        limited = self.world.limited_by_row_security(*sides)
        query = replace(query, as_role=limited, reveal=self._revealed, number=self._numbers)
        count = self.world.counts.get(known.oid) if known else None
        self.rows.begin(query, self._title_of(query, known))
        if count is not None:
            self.rows.take_count(count)
        self.switch(View.ROWS)
        self.post_message(RowsWanted(query, None))
        if known and count is not None and count.known and count.rows is None:
            self.post_message(TotalsWanted(known.oid))

    def _title_of(self, query: RowsQuery, edge: Relationship | None) -> str:
        schema = self.world.schema
        assert schema is not None
        table = schema.tables[query.table]
        if query.kind is RowsKind.HOLDING:
            columns = [table.column(number) for number in query.columns]
            value = masked([column.name for column in columns], query.value)
            some = f" {rows_label(edge.only)}" if edge and edge.only else ""
            return f"{columns_label(table, columns)}{some} = {value_text(value)}"
        if edge is None:
            return f"orphans of {table_label(table)}"
        compared = all(pair.equals is not None for pair in edge.pairs)
        words = {
            RowsKind.KEYS: "missing keys" if compared else "keys not cast or missing",
            RowsKind.CHILDLESS: "childless",
            RowsKind.ORPHANS: "orphans" if compared else "not cast or orphans",
        }
        word = words[query.kind]
        return f"{word}  {sentence.pairing(schema, edge)}"

    def add_page(self, query: RowsQuery, page: Page) -> None:
        """Rows arrived."""
        self.rows.add_page(query, page)
        self.show_keys()

    def on_rows_view_wanted(self, event: RowsView.Wanted) -> None:
        """The cursor came near the end of the rows that are there."""
        self.post_message(RowsWanted(event.query, event.after))

    def enter_row(self) -> None:
        """The row under the cursor in full."""
        query, at = self.rows.query_shown, self.rows.current
        if query is None or at is None:
            return
        if query.kind is RowsKind.KEYS:
            self.say("v shows the rows behind these keys.")
        elif at < len(self.rows.keys):
            self.post_message(RowWanted(query, self.rows.title, self.rows.keys[at]))
