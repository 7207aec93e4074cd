"""Work in threads beside the event loop, so that keys work meanwhile."""

from __future__ import annotations

import asyncio
import importlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAVY = (
    "fkexplorer.database.connection",
    "fkexplorer.known.bind",
    "fkexplorer.schema.graph",
    "fkexplorer.orphans.monitor",
    "fkexplorer.orphans.rows",
)
T = TypeVar("T")


def import_heavy() -> None:
    """Import what takes long: to be called in a thread, once the first frame is painted."""
    for name in _HEAVY:
        importlib.import_module(name)


async def beside(work: Callable[[], T]) -> T:
    """Run blocking work in a thread that nobody waits for at the end: quitting does not hang on it."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever awaits gets it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(outcome)
