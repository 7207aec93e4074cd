"""psycopg's connection as reads need it: one that gives up in time, and that takes any byte for text."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    from psycopg.abc import Buffer

# Where nobody set logging up, Python prints warnings of libraries on the terminal, into the screen.
for _name in ("psycopg", "sqlalchemy"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

CANCEL_SECONDS = 0.4
"""How long a request to cancel may take: about 4 ms where the server is well, and a second is all that quitting has."""


class Driver(psycopg.AsyncConnection[tuple[Any, ...]]):
    """psycopg's connection, with a request to cancel that gives up in time for a person to quit."""

    async def cancel_safe(self, *, timeout: float = CANCEL_SECONDS) -> None:  # noqa: ASYNC109 - psycopg's signature
        """Ask the server to stop what runs here, for `timeout` seconds at most and never longer than a person waits."""
        await super().cancel_safe(timeout=min(timeout, CANCEL_SECONDS))


class _AnyText(Loader):
    """Text of a SQL_ASCII database, where the server lets any byte in: what is no UTF-8 shows as an escape."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "backslashreplace")


class _BytesCursor(psycopg.AsyncCursor[tuple[Any, ...]]):
    """Sends statements as UTF-8 to a SQL_ASCII database, for which psycopg would take ASCII alone."""

    async def execute(self, query: Any, *args: Any, **options: Any) -> Self:  # noqa: ANN401 - as psycopg's overloads
        return await super().execute(query.encode() if isinstance(query, str) else query, *args, **options)


def is_active(driver: Driver) -> bool:
    """Whether a statement runs on it."""
    return not driver.closed and driver.info.transaction_status is TransactionStatus.ACTIVE


def is_alive(driver: Driver) -> bool:
    """Whether the server has not hung up on an idle connection, as far as this machine knows: no round trip."""
    if driver.closed:
        return False
    arrived = select.poll()
    arrived.register(driver.fileno(), select.POLLIN)
    try:
        # The server's farewell is read first, then the end of the stream; what else comes unasked is harmless.
        for _ in range(3):
            if not arrived.poll(0):
                return True
            driver.pgconn.consume_input()
    except psycopg.Error:
        pass
    return False


async def cancel(driver: Driver) -> None:
    """Ask the server to stop what runs here; if that can't be asked, so be it."""
    with contextlib.suppress(psycopg.Error, OSError):
        await driver.cancel_safe()


def hang_up(driver: Driver) -> None:
    """End the stream in both directions: whoever waits for the server sees it end at once."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(driver.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def take_any_byte(driver: Driver) -> None:
    """Make it read and write a SQL_ASCII database: text is UTF-8 where it can be."""
    driver.cursor_factory = _BytesCursor
    for name in ("text", "varchar", "bpchar", "name", '"char"', 0):
        driver.adapters.register_loader(name, _AnyText)
