"""The Textual app: it owns the session and the world, starts the workers and carries their messages to the screen."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work

from fkexplorer.database.model import Trouble
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.keys import bindings
from fkexplorer.tui.messages import words_of
from fkexplorer.tui.opening import Opening
from fkexplorer.tui.reading import RowReader
from fkexplorer.tui.session import Session
from fkexplorer.tui.theme import DARK, chosen
from fkexplorer.tui.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from textual import events
    from textual.binding import BindingType
    from textual.screen import Screen
    from textual.worker import Worker

    from fkexplorer.database.source import Source
    from fkexplorer.schema.difference import Difference
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui import messages as said

FLUSH = 0.1
"""Seconds that arriving counts are gathered before they are painted: ten repaints a second are enough for eyes, and
on a slow line hundreds of single ones would queue up before the answer to a key."""
TICK = 5.0
"""Seconds between looks at the ages in the header and the detail; only a changed line is sent."""
_LOOKS = ("rows", "row", "explain", "trace", "impact", "doctor", "guess")
"""The groups of workers that Ctrl+C stops."""
PULSE = 1.0
"""Seconds between looks at the detail while it tells of a lock wait: for how long is what people watch then."""


class ExplorerApp(RowReader, inherit_bindings=False):
    """One database on one screen."""

    TITLE = "fkexplorer"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    ENABLE_COMMAND_PALETTE = False  # Textual's own is no ASCII; ours is a list like the others
    # A see-through dialog recolours the whole screen behind it, 10 KB on the wire; this one leaves it as it is.
    CSS = """
    ModalScreen { background: transparent; }
    App.-ascii-only Toast { border-left: ascii $primary; }
    App.-ascii-only Toast.-error { border-left: ascii $error; }
    """

    def __init__(
        self,
        source: Source,
        *,
        ascii_only: bool = False,
        max_bytes: int = 1 << 30,
        now: Callable[[], datetime] | None = None,
        prepare: Callable[[], Source] | None = None,
        arming: Arming | None = None,
        bell: bool = True,
        explain: Path | None = None,
    ) -> None:
        super().__init__()
        self.world = World(label=source.label(), arming=arming or Arming(), bell=bell)
        self.ascii_only = ascii_only
        self.set_class(ascii_only, "-ascii-only")
        settings = self.world.arming.settings
        self.session = Session(source, self.post_message, max_bytes=max_bytes, prepare=prepare, settings=settings)
        self.fault: BaseException | None = None
        """An error that nobody foresaw; the command line writes it to a private file."""
        self.trouble: Trouble | None = None
        """Why the app ended without having shown anything."""
        self.typed: list[str] = []
        """Passwords that were typed."""
        self._asked = False
        """The connection under way uses a password that somebody typed."""
        self._explain = explain
        """A file whose errors are explained at once."""
        self._now = now
        self._dirty: set[int] = set()
        self._flushing = False
        self._opened = False
        """The main screen is mounted."""
        self._code: int | None = None
        """The exit code, once somebody wanted to leave."""
        self._interrupted_at = float("-inf")
        self.register_theme(DARK)
        # Textual takes NO_COLOR out of the environment, so the console does not know of it.
        self.theme, self.palette = chosen(self.console, no_color=self.no_color or self.console.no_color)

    def now(self) -> datetime:
        """The clock that ages are told by: the server's, since counts carry its times, in this computer's time zone."""
        return self._now() if self._now else datetime.now(UTC).astimezone() + self.world.ahead

    def get_default_screen(self) -> Screen[Any]:
        """What is painted first."""
        return Opening(self.session.source.label())

    def on_mount(self) -> None:
        """The first frame is painted; then the rest is imported, and the database looked for."""
        self.call_after_refresh(self._open)
        self.set_interval(TICK, self._tick)
        self.set_interval(PULSE, self._pulse)

    async def _open(self) -> None:
        from fkexplorer.reports.live import Live  # noqa: PLC0415 - as below
        from fkexplorer.tui.main import MainScreen  # noqa: PLC0415 - half of all that is imported

        self.world.live = Live()
        self.main = MainScreen(self.world, self.session.source.label(), self.session)
        await self.push_screen(self.main)
        self._opened = True
        if self._code is not None:
            self.exit(self._code)
            return
        if self._explain is not None:
            self.main.explain(path=self._explain)
        self._connect()

    def note_signal(self, number: int) -> None:
        """A signal came before the event loop runs, or after: the app ends as soon as it is there."""
        self._code = 128 + number

    def end_by_signal(self, number: int) -> None:
        """A signal ends the app as `q` does; to be called in the event loop."""
        # A closed terminal sends SIGCONT too, and Textual's handler of that fails once the loop has ended.
        signal.signal(signal.SIGCONT, lambda *_: None)
        self._leave(128 + number)

    def _leave(self, code: int) -> None:
        """End; not before the main screen is mounted: cut short, it would find its widgets missing."""
        self._code = code
        if self._opened:
            self.exit(code)

    def _tick(self) -> None:
        if self.world.schema is not None and self.screen is self.main:
            self.main.show_header()
            self.main.show_detail()

    def _pulse(self) -> None:
        if self.world.schema is not None and self.screen is self.main and self.world.live.waits:
            self.main.show_detail()
        if self._opened and self.main.is_mounted:
            self.main.show_header()

    # Connecting

    @work(exclusive=True, group="connect", exit_on_error=False, description="connect")
    async def _connect(self, password: str | None = None) -> None:
        await self.session.connect(password)

    def on_connected(self, event: said.Connected) -> None:
        """Say where we are."""
        self.world.facts, self.world.lost = event.facts, None
        self.world.environment = self.world.arming.environment_of(event.facts)
        self.world.ahead = event.facts.connected_at - datetime.now(UTC)
        self._asked = False
        self.world.arming.disarm()
        self.main.show_header()
        self.main.tables.repaint_line(0)  # an empty list says what is waited for

    def on_connect_failed(self, event: said.ConnectFailed) -> None:
        """Ask for a password, or end with the reason; a reconnect that failed leaves what is on screen."""
        trouble = event.trouble
        if trouble.needs_password or (self._asked and trouble.code == "wrong_password"):
            from fkexplorer.tui.dialogs import PasswordScreen  # noqa: PLC0415 - the first frame does without

            reason = trouble.reason if self._asked else None
            self.push_screen(PasswordScreen(self.session.source.label(), reason), self._take_password)
        else:
            self._not_connected(trouble)

    def _take_password(self, password: str | None) -> None:
        if password is None:
            self._not_connected(
                Trouble("no password was given", "put it into ~/.pgpass or PGPASSWORD", code="no_password")
            )
        else:
            self._asked = True
            self.typed.append(password)
            self._connect(password)

    def _not_connected(self, trouble: Trouble) -> None:
        if self.world.schema is None:
            self._give_up(trouble)
        else:
            self._lost(trouble, words_of(trouble))

    def _lost(self, trouble: Trouble, words: str) -> None:
        """What is known stays, with its age."""
        self.world.lost = trouble.reason
        self.world.live.quiet()
        off = " Writing is off." if self.world.arming.disarm() else ""
        self.main.repaint_edges(self.world.schema.edges if self.world.schema else ())
        self.main.say(f"{words}{off}", severity="error")

    def _give_up(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.exit(2)

    # Schema and counts

    def on_schema_loaded(self, event: said.SchemaLoaded) -> None:
        """Show the graph, then count."""
        self.world.live.quiet()
        self.world.take(event.schema, event.graph, event.problems)
        self.world.first_pass_done = False
        self.main.take_schema()
        self._count()

    @work(exclusive=True, group="counts", exit_on_error=False, description="count")
    async def _count(self) -> None:
        if self.world.schema is not None:
            await self.session.count(self.world.schema, self.world.live.history)

    def on_told(self, event: said.Told) -> None:
        """The monitor saw something."""
        from fkexplorer.orphans.events import SchemaChanged, Settled  # noqa: PLC0415 - the first frame does without
        from fkexplorer.tui.observe import observe  # noqa: PLC0415 - as above

        if event.generation != self.session.generation:
            return
        match event.event:
            case Settled():
                self._settled()
            case SchemaChanged(schema, differences):
                self._schema_changed(schema, differences)
            case seen:
                change = observe(self.world, seen)
                if change.ring and self.world.bell:
                    self.bell()
                self._changed(change.edges)
                if change.detail:
                    self.main.show_detail()

    def _changed(self, edges: Iterable[int]) -> None:
        self._dirty.update(edges)
        if self._dirty and not self._flushing:
            self._flushing = True
            self.set_timer(FLUSH, self._paint_counts)

    def _paint_counts(self) -> None:
        self._flushing = False
        edges, self._dirty = self._dirty, set()
        self.main.repaint_edges(edges)
        if self.main.moment().edge in edges:
            self._want_partitions()

    def _settled(self) -> None:
        if not self.world.first_pass_done:
            self._paint_counts()
            self.world.first_pass_done = True
            self.main.first_pass_ended()

    def _schema_changed(self, schema: Schema, differences: Sequence[Difference]) -> None:
        from fkexplorer.schema.graph import known_graph  # noqa: PLC0415 - the first frame does without

        self.world.take(schema, known_graph(schema))
        self.main.take_schema(differences)

    def on_connection_lost(self, event: said.ConnectionLost) -> None:
        """Say so."""
        if event.generation == self.session.generation:
            self._connection_lost(event.trouble)

    def _connection_lost(self, trouble: Trouble) -> None:
        if self.world.lost is None:
            self._lost(trouble, f"{trouble.reason}. R reconnects.")

    def on_reconnected(self, event: said.Reconnected) -> None:
        """Writing is armed for the connection that somebody looked at, and for no other."""
        if event.generation != self.session.generation:
            return
        if not event.same:
            # What is known is of the other one; counted on by its OIDs it would be of tables that may not be these.
            self.workers.cancel_group(self, "counts")
            reason = "another server answers now, or as another user"
            self._connection_lost(Trouble(reason, "R reconnects", code="other_server"))
        elif self.world.arming.disarm():
            self.main.show_header()
            self.main.say("Writing is off: the connection broke and was made again. W arms it.", severity="error")

    def on_count_wanted(self, event: said.CountWanted) -> None:
        """Count again; everything also means: the catalogue, and the connection if it is lost."""
        if event.edges is not None:
            self.world.live.asked.update(event.edges)
            self.session.recount(event.edges)
        elif self.world.lost or self.session.database is None:
            self._connect()
        else:
            self._reload()

    @work(exclusive=True, group="connect", exit_on_error=False, description="reload")
    async def _reload(self) -> None:
        await self.session.reload()

    def on_reload_failed(self, event: said.ReloadFailed) -> None:
        """The catalogue as it was read before stays; its edges are counted all the same."""
        self.main.say(f"The catalogue could not be read again: {words_of(event.trouble)}", severity="error")
        self.session.recount(None)

    def on_totals_wanted(self, event: said.TotalsWanted) -> None:
        """Count an edge in full."""
        if self.session.count_in_full(event.edge):
            self.world.in_full.add(event.edge)

    def on_looked_at(self, event: said.LookedAt) -> None:
        """What somebody looks at comes first."""
        self.session.look_at(event.edges)
        self._want_partitions()

    def _want_partitions(self) -> None:
        """Read in which partitions the orphans of the edge under the cursor lie, where its count is newer."""
        from fkexplorer.reports.live import partitions_fit  # noqa: PLC0415 - the first frame does without

        schema, edge = self.world.schema, self.world.edge(self.main.moment().edge)
        count = self.world.counts.get(edge.oid) if edge else None
        if schema is None or edge is None or count is None or self.world.lost or not schema.child_of(edge).partitions:
            return
        known = self.world.live.partitions.get(edge.oid)
        # One read for each count: what changes while they are read is counted again.
        if count.orphans and not partitions_fit(known, count) and (known is None or known.as_of < count.as_of):
            self._partitions(schema, edge)

    @work(exclusive=True, group="partitions", exit_on_error=False, description="partitions")
    async def _partitions(self, schema: Schema, edge: Relationship) -> None:
        await self.session.partitions(schema, edge)

    def on_partitions_loaded(self, event: said.PartitionsLoaded) -> None:
        """Say it below the list."""
        if event.generation == self.session.generation and self.world.edge(event.edge) is not None:
            self.world.live.partitions[event.edge] = event.page
            self.main.show_detail()

    def on_stop_wanted(self, event: said.StopWanted) -> None:
        """Stop one count."""
        self.session.stop(event.edge)

    # Keys that always work

    def action_interrupt(self) -> None:
        """Ctrl+C: stop what reads; again within two seconds: quit."""
        now = time.monotonic()
        if now - self._interrupted_at < 2:
            self._leave(130)
            return
        self._interrupted_at = now
        stopped = self.session.stop_all()
        looks = [worker for worker in self.workers if worker.group in _LOOKS and worker.is_running]
        for worker in looks:
            worker.cancel()
        if any(worker.group in ("rows", "row") for worker in looks):
            self.main.rows.stopped()
        self.notify(("Stopped. " if stopped or looks else "") + "Ctrl+C again quits.", markup=False, timeout=4)

    def action_redraw(self) -> None:
        """Draw everything again."""
        self.refresh(repaint=True, layout=True)

    def on_paste(self, event: events.Paste) -> None:
        """A paste runs no key: it is an error to be explained."""
        event.stop()
        if self._opened:
            self.main.explain(event.text)

    # Ends

    async def action_quit(self) -> None:
        """Quit."""
        self._leave(0)

    async def on_unmount(self) -> None:
        """Leave nothing on the server; the session closes within a second."""
        self.workers.cancel_all()
        await self.session.close()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """An error in a worker that nobody foresaw ends the app like any other."""
        error = event.worker.error
        if event.state.name == "ERROR" and isinstance(error, Exception):
            self._handle_exception(error)

    def _handle_exception(self, error: Exception) -> None:
        """Textual's own prints a traceback with the locals of every frame, the password among them."""
        self._return_code = 3
        if self._exception is None:
            self._exception = self.fault = error
            self._exception_event.set()
        self._close_messages_no_wait()
