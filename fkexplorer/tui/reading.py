"""The app's part that fetches rows when a pane asks for them, and the query behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from fkexplorer.database.model import Trouble
from fkexplorer.tui import messages as said
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.toasts import ToastingApp

if TYPE_CHECKING:
    from fkexplorer.tui.main import MainScreen
    from fkexplorer.tui.session import Session
    from fkexplorer.tui.world import RowsQuery, World


class RowReader(ToastingApp, inherit_bindings=False):
    """Answers what the panes ask about rows."""

    world: World
    session: Session
    main: MainScreen

    def on_rows_wanted(self, event: said.RowsWanted) -> None:
        """Fetch a page."""
        self._fetch(event.query, event.after)

    @work(exclusive=True, group="rows", exit_on_error=False, description="rows")
    async def _fetch(self, query: RowsQuery, after: tuple[str | None, ...] | None) -> None:
        if self.world.schema is not None:
            await self.session.page(self.world.schema, query, after)

    def on_page_loaded(self, event: said.PageLoaded) -> None:
        """Show it."""
        self.main.add_page(event.query, event.page)

    def on_page_failed(self, event: said.PageFailed) -> None:
        """Say why not."""
        self.main.rows.fail(event.query, words_of(event.trouble))
        if event.trouble.code == "lost":
            self.post_message(said.ConnectionLost(self.session.generation, event.trouble))

    def on_row_wanted(self, event: said.RowWanted) -> None:
        """Show one row in full."""
        self._whole_row(event.query, event.title, event.key)

    @work(exclusive=True, group="row", exit_on_error=False, description="row")
    async def _whole_row(self, query: RowsQuery, title: str, key: tuple[str | None, ...]) -> None:
        if self.world.schema is None:
            return
        try:
            page = await self.session.whole_row(self.world.schema, query, key)
        except Trouble as trouble:
            self.main.say(words_of(trouble), severity="error")
            return
        if page.rows:
            from fkexplorer.tui.dialogs import RowScreen  # noqa: PLC0415 - the first frame does without

            self.push_screen(RowScreen(title, page))
        else:
            self.main.say("The row is gone.")

    def on_sql_wanted(self, event: said.SqlWanted) -> None:
        """Copy the query that lists the orphans."""
        schema = self.world.schema
        if schema is not None and event.edge in schema.edges:
            self.copy_to_clipboard(self.session.sql_of(schema, event.edge))
            self.main.say("The query was sent to the terminal's clipboard.")
