"""From the command line into the app, and out of it with an exit code."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fkexplorer.tui.app import ExplorerApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from fkexplorer.database.source import Source
    from fkexplorer.tui.arming import Arming


def run_app(
    source: Source,
    *,
    ascii: bool = False,
    mouse: bool = True,
    bell: bool = True,
    max_bytes: int = 1 << 30,
    prepare: Callable[[], Source] | None = None,
    typed: list[str] | None = None,
    arming: Arming | None = None,
    explain: Path | None = None,
) -> int:
    """Run the app until it is closed; the exit code of the process.

    Args:
        source: the database; only its label is used until `prepare` has given the real one.
        ascii: write nothing beyond ASCII.
        mouse: take the mouse from the terminal.
        bell: ring when orphans appear.
        max_bytes: a foreign key whose tables are larger is not counted until asked for.
        prepare: makes the database first, as a demo's server; it runs in a thread, the app on screen meanwhile.
        typed: takes the passwords that are typed, for the caller to mask in what it writes of a fault.
        arming: where writing is permitted; nowhere without it.
        explain: a file whose errors are explained as soon as the database is there.

    Raises:
        Trouble: nothing could be shown, and why.
    """
    app = ExplorerApp(
        source, ascii_only=ascii, max_bytes=max_bytes, prepare=prepare, arming=arming, bell=bell, explain=explain
    )
    app.typed = typed if typed is not None else []
    with _signals_to(app):
        code = app.run(mouse=mouse)
    if app.fault is not None:
        raise app.fault
    if app.trouble is not None:
        raise app.trouble
    return code if code is not None else (app.return_code or 0)


@contextmanager
def _signals_to(app: ExplorerApp) -> Iterator[None]:
    """Hand SIGTERM and SIGHUP to the app, which ends when it can.

    Nothing is raised, as the command line does elsewhere: in a start full of imports an exception may be swallowed,
    and a broken-off event loop may never end, since Textual's tasks swallow their cancellation while a screen mounts.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def end(number: int, _frame: FrameType | None) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            app.note_signal(number)
        else:
            loop.call_soon_threadsafe(app.end_by_signal, number)

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
