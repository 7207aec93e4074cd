"""The keys of the main screen that explain an error, trace a value and write the report."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.named import edge_or_pair
from fkexplorer.schema.names import columns_label, edge_label
from fkexplorer.tui.explain_said import PairKnown
from fkexplorer.tui.messages import RowWanted, words_of
from fkexplorer.tui.rowkeys import RowKeys
from fkexplorer.tui.theme import painted
from fkexplorer.tui.world import RowsKind, RowsQuery, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fkexplorer.diagnosis.model import Key, Sighting, Suggestion
    from fkexplorer.schema.model import Column, Relationship, Table
    from fkexplorer.tui.world import Explained


class ExplainKeys(RowKeys):
    """The panes, with what leads to a cause."""

    def action_explain(self) -> None:
        """Take an error to be explained."""
        self.explain()

    def explain(self, text: str = "", *, path: Path | None = None) -> None:
        """Open the box with a text that was pasted, or read a file."""
        from fkexplorer.tui.explain import ExplainScreen  # noqa: PLC0415 - the first frame does without

        self.app.push_screen(ExplainScreen(self.world, text, path=path), self._explained)

    def _explained(self, explained: Explained | None) -> None:
        from fkexplorer.tui.explain_finding import FindingScreen  # noqa: PLC0415 - as above

        if explained is None:
            return
        self.world.explained = explained
        if isinstance(self.app.screen, FindingScreen):
            self.app.screen.take(explained)
        else:
            self.app.push_screen(FindingScreen(self, explained))

    def _alone(self) -> None:
        """Take away what lies over the panes."""
        while self.app.screen is not self and self in self.app.screen_stack:
            self.app.pop_screen()

    # Rows

    def show_holding(self, sighting: Sighting, value: Key) -> None:
        """The rows of a place that hold a key."""
        self._alone()
        self.ask_again(self._holding(sighting, value))

    def show_row(self, sighting: Sighting, value: Key, key: Key) -> None:
        """One of those rows in full, over what is shown.

        Args:
            sighting: the place.
            value: the key that it holds.
            key: what identifies the row.
        """
        self.post_message(RowWanted(self._holding(sighting, value), sighting.label, key))

    def _holding(self, sighting: Sighting, value: Key) -> RowsQuery:
        own = self.world.edges_of(sighting.table).known
        edge = next(
            (
                each
                for each in own
                if each.only == sighting.only and tuple(pair.child.number for pair in each.pairs) == sighting.columns
            ),
            None,
        )
        return RowsQuery(
            RowsKind.HOLDING,
            sighting.table,
            edge.oid if edge else None,
            columns=sighting.columns,
            value=value,
            as_role=self.world.limited_by_row_security(sighting.table),
        )

    # Fixes

    def show_fixes(self, edge: Relationship, about: Suggestion | None, wishes: Sequence[Suggestion]) -> None:
        """The panel of an edge.

        Args:
            edge: a declared edge, or a pair of columns.
            about: the suggestion that it is opened for: of its rows alone.
            wishes: what a diagnosis suggests of this edge.
        """
        from fkexplorer.tui.fixes.choosing import ChoiceScreen  # noqa: PLC0415 - the first frame does without
        from fkexplorer.tui.fixes.leading import marks_of  # noqa: PLC0415 - as above

        if self.world.known is not None:
            marks = marks_of(about) if about is not None else None
            self.app.push_screen(ChoiceScreen(self.session, self.world, self.world.known, edge, marks, wishes))

    def fix_pair(self, label: str, wishes: Sequence[Suggestion]) -> None:
        """The panel of a pair of columns, once the server has said how they are compared, if they can be."""
        asking = self._pair(label, wishes)
        self.app.run_worker(asking, group="explain", exclusive=True, exit_on_error=False, description="pair")

    async def _pair(self, label: str, wishes: Sequence[Suggestion]) -> None:
        schema = self.world.known
        assert schema is not None
        try:
            edge = await edge_or_pair(self.session.connected(), schema, label, incomparable=True)
        except Trouble as trouble:
            self.say(words_of(trouble), severity="error")
        else:
            self.post_message(PairKnown(edge, wishes))

    def on_pair_known(self, event: PairKnown) -> None:
        """Show what can be done about it."""
        self.show_fixes(event.edge, None, event.wishes)

    def fix_as_suggested(self, edge: Relationship, wish: Suggestion) -> None:
        """The preview of what a diagnosis suggests; the panel, where it leaves open which rule."""
        from fkexplorer.planning import PlanOptions  # noqa: PLC0415 - as above
        from fkexplorer.schema.actions import FixAction  # noqa: PLC0415 - as above
        from fkexplorer.tui.fixes.deeds import Fix  # noqa: PLC0415 - as above
        from fkexplorer.tui.fixes.leading import lead_on, marks_of  # noqa: PLC0415 - as above

        schema = self.world.known
        if schema is None or wish.action is None:
            return
        if wish.action is FixAction.CHANGE_ON_DELETE and not wish.rule:
            self.show_fixes(edge, None, [wish])
            return
        options = PlanOptions(edge_label(schema, edge), wish.action, rule=wish.rule or None)
        fix = Fix(self.session, schema, edge, options, marks_of(wish))
        lead_on(self.app, fix, world=self.world, title=f"{wish.action}  {options.edge}", wish=wish)

    # Traces

    def action_trace(self) -> None:
        """Where the value under the cursor lives; without one, ask which."""
        if not self.may("trace"):
            return
        query, value, at = self.rows.query_shown, self.rows.current_value, self.rows.current
        schema, field = self.world.schema, self.rows.current_field
        if self.view is not View.ROWS or query is None or value is None or at is None or schema is None:
            self._ask_trace()
        elif field is None or field.column is None:
            self.say("trace: that is no value of a column")
        elif value.masked:
            self.say("trace: the value is masked: M shows it")
        elif value.text is None:
            self.say("trace: NULL refers to nothing")
        elif value.cut:
            self.say("trace: the value is too long to be brought whole")
        else:
            self._trace_field(query, at, field.column, value.text)

    def _trace_field(self, query: RowsQuery, at: int, column: Column, text: str) -> None:
        """The value of a column; of one that is part of a key of several the whole key."""
        schema, edge = self.world.schema, self.world.edge(query.edge)
        assert schema is not None
        table = schema.tables[query.table]
        if edge is not None and edge.child == query.table:
            columns = [pair.child for pair in edge.pairs]
            values = {
                field.column.number: value
                for field, value in zip(self.rows.fields, self.rows.rows[at], strict=True)
                if field.column is not None and not value.cut and value.text is not None
            }
            if column in columns and all(each.number in values for each in columns):
                self.show_trace(table, columns, [values[each.number].text for each in columns])
                return
        self.show_trace(table, [column], (text,))

    def _ask_trace(self, values: Mapping[str, str] | None = None) -> None:
        from fkexplorer.tui.fixes.asking import Field, FieldsScreen  # noqa: PLC0415 - as above

        fields = [
            Field("columns", "which key: schema.table.column, or schema.table(a, b)"),
            Field("value", "its value; of several columns a line of CSV"),
        ]
        begun = values or {"columns": self._key_here()}
        self.app.push_screen(FieldsScreen("trace a value", fields, values=begun), self._asked)

    def _key_here(self) -> str:
        """The key of the parent under the cursor, or of the table."""
        schema, moment = self.world.schema, self.moment()
        edge = self.world.edge(moment.edge) if self.view is not View.TABLES else None
        if schema is None or (edge is None and moment.table is None):
            return ""
        if edge is not None:
            return columns_label(schema.parent_of(edge), [pair.parent for pair in edge.pairs])
        assert moment.table is not None
        table = schema.tables[moment.table]
        key = table.primary_key
        return columns_label(table, [table.column(each) for each in key.columns]) if key else ""

    def _asked(self, values: Mapping[str, str] | None) -> None:
        from fkexplorer.tracing import asked  # noqa: PLC0415 - as above

        schema = self.world.schema
        if values is None or schema is None:
            return
        try:
            table, columns = asked(schema, values["columns"].strip())
        except Trouble as trouble:
            self.say(words_of(trouble), severity="error")
            self._ask_trace(values)
            return
        text = values["value"]
        self.show_trace(table, columns, (text,) if len(columns) == 1 else next(csv.reader([text]), []))

    def show_trace(self, table: Table, columns: Sequence[Column], value: Sequence[str | None]) -> None:
        """Where a key lives."""
        from fkexplorer.tui.trace import TraceScreen  # noqa: PLC0415 - as above

        self.app.push_screen(TraceScreen(self, table, columns, value))

    # The report

    def action_report(self) -> None:
        """Write the incident report of the finding that was shown last."""
        if not self.may("report") or self.world.explained is None or self.world.facts is None:
            return
        from fkexplorer.fixes.journal import who  # noqa: PLC0415 - as above
        from fkexplorer.fixing import open_journal  # noqa: PLC0415 - as above
        from fkexplorer.reports.incident import incident_markdown  # noqa: PLC0415 - as above
        from fkexplorer.tui.fixes.deeds import new_file  # noqa: PLC0415 - as above

        known = self.world.explained.known
        assert known is not None  # `report` has a reason where it is not
        diagnosis, schema = known
        try:
            lines = incident_markdown(
                [diagnosis],
                schema,
                self.world.facts,
                now=painted(self.app).now(),
                prepared_by=who()["person"],
                entries=open_journal().entries(),
            )
            path = new_file("fkexplorer-report", ".md", "\n".join(lines) + "\n")
        except Trouble as trouble:
            self.say(words_of(trouble), severity="error")
        else:
            self.say(f"Written: {path}", seconds=12)
