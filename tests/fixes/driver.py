"""Runs a fix in processes of their own that stop at a certain point, to be killed there.

Standard input says, a line for each process, `point`, the journal's folder and the conninfo, between tabs. When a
process has come to its point it prints `point` and its id. A point is `before` or `after` and the event of the journal,
or `copying`: in the midst of the backup.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.run import run
from fkexplorer.fixes.writer import Transaction
from tests.fixes.byhand import delete, edge_named, preview_of
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def stop_here(point: str) -> None:
    """Say so, and wait to be killed."""
    sys.stdout.write(f"{point}\t{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(60)


class Stopping(Journal):
    """Stops before or after an event."""

    def __init__(self, folder: Path, point: str) -> None:
        super().__init__(folder)
        self._point = point

    def append(self, entry: str, event: str, **fields: Any) -> None:  # noqa: ANN401, D102 - as the journal's
        if self._point == f"before {event}":
            stop_here(self._point)
        super().append(entry, event, **fields)
        if self._point == f"after {event}":
            stop_here(self._point)


async def fix(point: str, folder: Path, conninfo: str) -> None:
    """Delete the orphans of `c`, two in each batch."""
    copy_out = Transaction.copy_out

    async def copying(self: Transaction, query: str) -> AsyncIterator[bytes]:
        async for piece in copy_out(self, query):
            yield piece
            stop_here("copying")

    if point == "copying":
        Transaction.copy_out = copying  # type: ignore[method-assign]
    async with opened(conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        await run(database, schema, preview, Stopping(folder, point), limits=RunLimits(batch_rows=2))


def main() -> None:
    """Fork a process for each line."""
    for line in sys.stdin:
        point, folder, conninfo = line.rstrip("\n").split("\t")
        if os.fork() == 0:
            asyncio.run(fix(point, Path(folder), conninfo))
            os._exit(0)


if __name__ == "__main__":
    main()
