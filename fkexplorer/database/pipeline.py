"""Many small statements on their way at once, each in a READ ONLY transaction of its own.

The form is the only one that is safe in a pipeline: between two Syncs the transaction is implicit, its settings are a
statement of it, and it ends at the Sync whether or not it failed. After an explicit BEGIN a Sync would not end it: one
error, and everything behind fails with 25P02.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.waiting import WAIT_R, WAIT_RW, Ready, wait_async

from fkexplorer.database.connection import Lane, not_read_only, set_limits
from fkexplorer.database.driver import CANCEL_SECONDS, cancel
from fkexplorer.database.errors import Kind, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg.abc import PQGen
    from psycopg.abc import Transformer as Loading
    from psycopg.pq.abc import PGconn, PGresult

    from fkexplorer.database.connection import Database
    from fkexplorer.database.driver import Driver
    from fkexplorer.database.limits import Limits


_PAUSE = 0.005
"""Seconds between two requests to stop: one takes about 4 ms where the server is near."""
_INTERVAL = 60.0
"""Seconds after which the wait for an answer looks up, to no purpose: what ends it is an answer, or a cancel."""


async def pipelined(
    database: Database,
    statements: Sequence[str],
    limits: Limits,
    answered: Callable[[int, Mapping[str, Any] | psycopg.Error], None],
    *,
    lane: Lane = Lane.COUNTS,
) -> None:
    """Run statements of one row each, all of them sent at once, on one connection.

    When it is cancelled the server is asked to stop the one that it is at, and the connection is closed: the rest of
    them dies with it.

    Args:
        database: where.
        statements: SQL without placeholders.
        limits: what each of them may take.
        answered: called with the position and the answer of each, in order, as it comes: its row by column name, or
            the error that the server refused it with. What it raises ends the rest.
        lane: what it is for.

    Raises:
        Trouble: the connection is lost (`lost`), could not be made, or a transaction was not READ ONLY.
    """
    async with database.raw(lane) as driver:
        load = Transformer(driver)

        def take(position: int, results: list[PGresult]) -> None:
            answer = _answer(results, load)
            if isinstance(answer, psycopg.Error) and translate(answer).kind is Kind.LOST:
                raise answer
            answered(position, answer)

        setting = set_limits(limits).encode()
        exchange = _exchange(driver.pgconn, setting, [each.encode() for each in statements], take)
        try:
            await wait_async(exchange, driver.fileno(), interval=_INTERVAL)
        except asyncio.CancelledError:
            await _stop(driver, exchange)
            raise


def _exchange(
    connection: PGconn, setting: bytes, statements: Sequence[bytes], take: Callable[[int, list[PGresult]], None]
) -> PQGen[None]:
    """Send everything and hand over each statement's results at its Sync."""
    connection.enter_pipeline_mode()
    for statement in statements:
        connection.send_query_params(setting, ())
        connection.send_query_params(statement, ())
        connection.pipeline_sync()
    position, wanted = 0, WAIT_RW
    results: list[PGresult] = []
    dropped = False
    while position < len(statements):
        ready = cast("Ready | int | None", (yield wanted))
        if ready is None:
            # Whoever waited was cancelled, and waits again for the end alone.
            dropped, ready = True, 0
        if ready & Ready.W and connection.flush() == 0:
            wanted = WAIT_R
        if not ready & Ready.R:
            continue
        connection.consume_input()
        while position < len(statements) and not connection.is_busy():
            # Nothing but the end of one statement's results, since the answer to a Sync is still to come.
            if (result := connection.get_result()) is None:
                continue
            if result.status != ExecStatus.PIPELINE_SYNC:
                results.append(result)
                continue
            if not dropped:
                take(position, results)
            position, results = position + 1, []
    connection.exit_pipeline_mode()


async def _stop(driver: Driver, exchange: PQGen[None]) -> None:
    """Ask the server to stop, again for each statement that it comes to, as long as a person waits for that.

    A connection that is closed at once would not do: the server notices when it has something to say, and may wait for
    a lock until then.
    """
    with contextlib.suppress(TimeoutError, psycopg.Error):
        async with asyncio.timeout(CANCEL_SECONDS):
            while True:
                await cancel(driver)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await wait_async(exchange, driver.fileno(), interval=_INTERVAL)
                        return


def _answer(results: list[PGresult], load: Loading) -> Mapping[str, Any] | psycopg.Error:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            return psycopg.errors.error_from_result(result, "utf-8")
    settings, found = results
    if settings.get_value(0, 0) != b"on":
        raise not_read_only()
    load.set_pgresult(found)
    [values] = load.load_rows(0, 1, tuple)
    names = (found.fname(column) or b"" for column in range(found.nfields))
    return dict(zip((name.decode() for name in names), values, strict=True))
