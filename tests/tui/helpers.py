"""The app as a person has it: opened on a real database, keys in, the text of the screen out."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from textual._compositor import LayoutUpdate
from textual.events import Key
from textual.keys import _character_to_key
from textual.widget import Widget
from textual.widgets._toast import Toast

from fkexplorer.database.source import Source
from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.messages import Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from rich.segment import Segment
    from textual.message import Message
    from textual.pilot import Pilot

    from fkexplorer.orphans.events import Event
    from fkexplorer.schema.model import Relationship, Table
    from fkexplorer.tui.arming import Arming
    from fkexplorer.tui.world import View

PATIENCE = 20.0
"""Seconds until a wait is given up; a machine that is busy takes long for what takes it 0.1 s when idle."""
POLL = 0.01


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody before the app."""

    app: ExplorerApp
    pilot: Pilot[int]
    heard: list[Event] = field(default_factory=list)
    """What the monitor told, oldest first, whether the app has got it or not."""

    async def press(self, *keys: str) -> None:
        """Press keys, by Textual's names; each is dealt with before the next.

        The pilot's own sleeps 40 ms a key and longer where others use the processor; this waits for the messages alone.
        """
        for key in keys:
            name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
            event = Key(name, key if len(key) == 1 else " " if key == "space" else None)
            event.set_sender(self.app)
            self.app.post_message(event)
            await self.settle()

    async def type(self, text: str) -> None:
        """Type a text into a field."""
        await self.press(*text)

    async def settle(self) -> None:
        """Wait until every message has been dealt with, and those that came of it, and the screen is laid out."""
        deadline = time.monotonic() + PATIENCE
        while await self.pilot._wait_for_screen():
            assert time.monotonic() < deadline, f"never still, the screen says:\n{self.text}"
            widgets = list(self.app.screen.walk_children(Widget, with_self=True))
            busy = any(pump.message_queue_size or pump._next_callbacks for pump in (self.app, *widgets))
            if self.app._exit:  # what is laid out no more never settles
                return
            if not busy and not any(widget._layout_required or widget._repaint_required for widget in widgets):
                return
            await asyncio.sleep(0)

    def segments(self) -> list[list[Segment]]:
        """The screen's lines as they go to the terminal, dialogs and notifications on top."""
        compositor = self.app.screen._compositor
        update = compositor.render_update(full=True, screen_stack=self.app._background_screens)
        assert isinstance(update, LayoutUpdate)
        return [[segment for strip in line for segment in strip] for line in update.strips]

    def lines(self) -> list[str]:
        """The text of the screen's lines, without trailing spaces."""
        return ["".join(segment.text for segment in line).rstrip() for line in self.segments()]

    @property
    def text(self) -> str:
        """The text of the screen."""
        return "\n".join(self.lines())

    async def until(self, holds: Callable[[], object], *, seconds: float = PATIENCE) -> None:
        """Wait until something holds; AssertionError with the screen if it never does."""
        deadline = time.monotonic() + seconds
        while not holds():
            if self.app._exception is not None:
                raise self.app._exception
            assert time.monotonic() < deadline, f"waited in vain, the screen says:\n{self.text}"
            await asyncio.sleep(POLL)

    async def sees(self, pattern: str, *, seconds: float = PATIENCE) -> re.Match[str]:
        """Wait until the screen shows this regular expression (`^` and `$` are a line's)."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            found[:] = re.finditer(pattern, self.text, re.MULTILINE)
            return bool(found)

        await self.until(look, seconds=seconds)
        return found[0]

    async def misses(self, pattern: str, *, seconds: float = PATIENCE) -> None:
        """Wait until the screen no longer shows it."""
        await self.until(lambda: not re.search(pattern, self.text, re.MULTILINE), seconds=seconds)

    async def told(self, pattern: str) -> None:
        """Wait for a notification that says this; it is on screen, broken into lines somewhere."""

        def look() -> bool:
            return any(re.search(pattern, toast._notification.message) for toast in self.app.screen.query(Toast))

        await self.until(look)

    async def counted(self) -> None:
        """Wait until every edge has been looked at."""
        await self.until(lambda: self.app.world.first_pass_done)
        await self.pilot.pause()

    async def read(self) -> None:
        """Wait until the rows that were asked for are there, or the reason why not."""
        await self.until(lambda: not self.app.main.rows.waiting)
        await self.pilot.pause()

    async def ended(self, *, seconds: float = PATIENCE) -> None:
        """Wait until the app wants to end."""
        await self.until(lambda: self.app._exit, seconds=seconds)

    def in_view(self, view: View) -> bool:
        """Whether this view is shown."""
        return self.app.main.view is view

    def focused_on(self, pane: str) -> bool:
        """Whether the keys go to this pane."""
        focused = self.app.main.focused
        return focused is not None and focused.id == pane

    # What the tests name by its name

    def table(self, name: str) -> Table:
        """The table of that name, `schema.name` or the name alone."""
        schema = self.app.world.schema
        assert schema is not None
        [found] = [each for each in schema.tables.values() if name in (each.name, f"{each.schema}.{each.name}")]
        return found

    def edge(self, name: str) -> Relationship:
        """The edge of that constraint's name."""
        schema = self.app.world.schema
        assert schema is not None
        [found] = [each for each in schema.edges.values() if each.name == name]
        return found

    async def go_to(self, table: str) -> None:
        """Put the home list's cursor on a table."""
        await self.press("1")
        lines = self.app.main.tables
        lines.move_to(lines.order.index(self.table(table).oid))
        await self.pilot.pause()
        assert lines.current == self.table(table).oid

    async def open_lens(self, table: str, edge: str | None = None) -> None:
        """Open the Lens of a table, and there put the cursor on an edge."""
        await self.go_to(table)
        await self.press("enter")
        assert self.app.main.lens.table == self.table(table).oid
        if edge is not None:
            await self.to_edge(edge)

    async def to_edge(self, edge: str) -> None:
        """Put the Lens's cursor on an edge, by keys."""
        wanted = self.edge(edge).oid
        lens = self.app.main.lens
        for side in ("h", "l"):
            await self.press(side, "g")
            for _ in range(lens.line_count()):
                if lens.current == wanted:
                    return
                before = lens.cursor
                await self.press("j")
                if lens.cursor == before:
                    break
        assert lens.current == wanted


class Gate:
    """Holds back what the session says, so that a test decides when it arrives."""

    def __init__(self, *kinds: type[Message]) -> None:
        self._kinds = kinds or (Told,)
        self._shut = True
        self._post: Callable[[Message], object] | None = None
        self.held: list[Message] = []

    def attach(self, app: ExplorerApp) -> None:
        """Stand between the session and the app."""
        self._post, app.session._post = app.post_message, self._take

    def _take(self, message: Message) -> None:
        if self._shut and isinstance(message, self._kinds):
            self.held.append(message)
        else:
            self._give(message)

    def _give(self, message: Message) -> None:
        assert self._post is not None
        self._post(message)

    def events(self) -> list[Event]:
        """What the monitor told and the app has not got yet."""
        return [message.event for message in self.held if isinstance(message, Told)]

    def pass_one(self) -> Message:
        """Let the oldest through."""
        message = self.held.pop(0)
        self._give(message)
        return message

    def open(self) -> None:
        """Let everything through from now on."""
        self._shut = False
        while self.held:
            self.pass_one()


@asynccontextmanager
async def opened(
    conninfo: str,
    *,
    size: tuple[int, int] = (80, 24),
    wait: bool = True,
    ascii_only: bool = False,
    max_bytes: int = 1 << 30,
    now: Callable[[], datetime] | None = None,
    gate: Gate | None = None,
    arming: Arming | None = None,
) -> AsyncIterator[Person]:
    """The app on a database, notifications shown; with `wait` once all its edges have been looked at."""
    app = ExplorerApp(Source(conninfo, "argument"), ascii_only=ascii_only, max_bytes=max_bytes, now=now, arming=arming)
    if gate is not None:
        gate.attach(app)
    heard: list[Event] = []
    post = app.session._post

    def listen(message: Message) -> None:
        if isinstance(message, Told):
            heard.append(message.event)
        post(message)

    app.session._post = listen
    async with app.run_test(size=size, notifications=True) as pilot:
        person = Person(app, pilot, heard)
        # The first frame is painted without the panes.
        await person.until(lambda: app._exit or _mounted(app))
        if wait:
            await person.counted()
        yield person


def _mounted(app: ExplorerApp) -> bool:
    return hasattr(app, "main") and app.main.is_mounted


async def run(conninfo: str, text: str) -> None:
    """Run these statements, committed, as whoever the conninfo names."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(text.encode())


@asynccontextmanager
async def holding(conninfo: str, lock: str) -> AsyncIterator[None]:
    """Hold a lock in another session: `LOCK TABLE c`."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(f"BEGIN; {lock}".encode())
        yield
        await connection.execute("ROLLBACK")


async def sessions(conninfo: str) -> list[str]:
    """The statements of fkexplorer's sessions in this database."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT state || ': ' || query FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name = 'fkexplorer'"
        )
        return [row[0] for row in await found.fetchall()]


async def gone(conninfo: str, *, seconds: float = PATIENCE) -> None:
    """Wait until no session of fkexplorer is left in this database."""
    async with asyncio.timeout(seconds):
        while await sessions(conninfo):  # noqa: ASYNC110 - nothing tells of another session's end
            await asyncio.sleep(POLL)
