"""A TCP proxy before a PostgreSQL server: it adds latency, counts round trips, falls silent, or hangs up at a word."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Forwards to the server of a conninfo, from a port of its own on 127.0.0.1, while its block lasts.

    Args:
        conninfo: libpq's, of the server: by socket folder or by address.
        delay: seconds that each direction is late by; a round trip takes twice as long. Bandwidth stays.
    """

    def __init__(self, conninfo: str, *, delay: float = 0.0) -> None:
        self.delay = delay
        self.round_trips = 0
        """How often a client spoke after the server had, over all connections; the first word counts too."""
        self.conninfo = ""
        """libpq's, through the proxy."""
        self.port = 0
        self.clients = 0
        """How many connections were ever made."""
        self.refusing = False
        """Whether new connections are dropped at once."""
        self._cut_at = b""
        self._cut_before = False
        self._target = conninfo
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.conninfo = make_conninfo(self._target, host="127.0.0.1", hostaddr="", port=self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
        tasks, writers = list(self._tasks), list(self._writers)
        for task in tasks:
            task.cancel()
        self.hang_up()
        await asyncio.gather(*tasks, *(writer.wait_closed() for writer in writers), return_exceptions=True)

    def silence(self) -> None:
        """Forward nothing more, in neither direction; connections stay, and new ones are accepted but never heard."""
        self._flowing.clear()

    def speak(self) -> None:
        """Forward again, what was held back first."""
        self._flowing.set()

    def hang_up(self) -> None:
        """Drop all connections without a word, as a firewall that resets them does."""
        for writer in self._writers:
            writer.transport.abort()

    def lead_to(self, conninfo: str) -> str:
        """Take new connections to another server, as a failover does; the conninfo of the one before."""
        before, self._target = self._target, conninfo
        return before

    def cut(self, words: bytes, *, before: bool) -> None:
        """Hang up once when a client says these words: before the server hears them, or when it has answered them."""
        self._cut_at, self._cut_before = words, before

    async def _connect(self) -> Streams:
        given = conninfo_to_dict(self._target)
        host, port = str(given.get("host") or given.get("hostaddr")), str(given.get("port", 5432))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients += 1
        self._writers.add(writer)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(server_writer)
        asked, last = True, False

        def question(piece: bytes) -> bool:
            nonlocal asked, last
            self.round_trips += asked
            asked = False
            if self._cut_at and self._cut_at in piece:
                self._cut_at, last = b"", True
                return self._cut_before
            return False

        def answer(_: bytes) -> bool:
            nonlocal asked
            asked = True
            return last

        for source, target, ends in ((reader, server_writer, question), (server_reader, writer, answer)):
            task = asyncio.create_task(self._forward(source, target, ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: Callable[[bytes], bool]
    ) -> None:
        """Copy in order, each piece when its time has come; hang up in place of one that ends the connection."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                await self._flowing.wait()
                if not piece:
                    writer.close()
                    return
                if ends(piece):
                    self.hang_up()
                    return
                writer.write(piece)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            with contextlib.suppress(OSError):
                while piece := await reader.read(1 << 16):
                    pieces.put_nowait((loop.time() + self.delay, piece))
            pieces.put_nowait((loop.time() + self.delay, b""))
            with contextlib.suppress(OSError):
                await delivering
        finally:
            delivering.cancel()
            writer.close()
            await asyncio.gather(delivering, writer.wait_closed(), return_exceptions=True)
            self._writers.discard(writer)
