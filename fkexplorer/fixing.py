"""The commands about fixes: `journal` prints what was done, `undo` takes an entry back in a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.crash import state_folder
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import resolve
from fkexplorer.fixes.run import Signature
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.reports.journal import journal_json, journal_text, undo_text
from fkexplorer.reports.values import number

if TYPE_CHECKING:
    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.entries import UndoPreview
    from fkexplorer.fixes.model import Advance

DONE, COULD_NOT = 0, 2


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """What `undo` was asked."""

    entry: str
    ticket: str = ""
    approver: str = ""
    allow_writes: bool = False


def open_journal() -> Journal:
    """The journal of this machine's user."""
    return Journal(state_folder(os.environ))


def print_journal(console: Console, format: str) -> int:  # noqa: A002 - the option's name
    """Print all entries, the newest first; the exit code."""
    entries = open_journal().entries()
    if format == "json":
        console.data(journal_json(entries) + "\n")
    else:
        console.lines(journal_text(entries, ascii=console.ascii))
        if not entries:
            console.say("no fix was made from here")
    return DONE


async def resolve_journal(database: Database) -> int:
    """Ask the server what came of transactions whose end the journal does not know; the exit code.

    Raises:
        Trouble: the connection is lost.
    """
    await resolve(database, open_journal())
    return DONE


def needs_person() -> None:
    """Make sure that a person can be asked.

    Raises:
        Trouble: input or output is no terminal (`no_terminal`).
    """
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise Trouble(
            "undo needs a terminal and there is none",
            "nothing is written to a database unless a person confirms it; `fkexplorer journal` says what was done",
            code="no_terminal",
        )


async def take_back(
    database: Database,
    console: Console,
    settings: Settings,
    request: UndoRequest,
) -> int:
    """Show what taking back an entry would do, have writing armed and the rows confirmed, do it; the exit code.

    Raises:
        Trouble: writing is not permitted there, the entry cannot be taken back, or what was typed is something else.
    """
    refusal = settings.refusal(database.facts, allow_writes=request.allow_writes)
    if refusal is not None:
        raise refusal
    journal, entry = open_journal(), request.entry
    await resolve(database, journal)
    console.progress("reading the catalogue")
    schema = await read_schema(database)
    preview = await undo_preview(database, schema, journal, entry)
    console.lines(undo_text(preview, ascii=console.ascii))
    if preview.conflicts:
        raise Trouble(
            f"{entry} cannot be taken back: {number(len(preview.conflicts), 'conflict')}",
            f"rows have changed since; the backup is in {preview.entry.backup}"
            if preview.entry.backup
            else "see above; what is in the way is left as it is",
            code="conflicts",
        )
    await _confirm(console, preview, database.facts.place)

    def told(advance: Advance) -> None:
        console.progress(advance.waits or f"{advance.done} of {number(advance.rows, 'row')}")

    outcome = await undo(
        database,
        schema,
        preview,
        journal,
        consent=frozenset(preview.triggers),
        signature=Signature(request.ticket, request.approver),
        on_progress=told,
    )
    console.say(f"{entry}: {outcome.words} (journal entry {outcome.entry})" if outcome.entry else outcome.words)
    return DONE if outcome.ending is Ending.DONE else COULD_NOT


async def _confirm(console: Console, preview: UndoPreview, place: str) -> None:
    """Have typed what arms writing, what agrees to the triggers, and how many rows it is about.

    Raises:
        Trouble: something else was typed (`not_confirmed`).
    """
    asked = [(f"to arm writing, type {place}", place)]
    if preview.triggers:
        asked.append(("to agree to whatever the triggers may change, type triggers", "triggers"))
    what = "number of rows" if preview.touched else "trigger's name"
    asked.append((f"to take it back, type the {what}, {preview.confirm}", preview.confirm))
    for question, answer in asked:
        console.say(question)
        if await _typed() != answer:
            raise Trouble("that was not it: nothing was changed", "run the command again", code="not_confirmed")


async def _typed() -> str:
    """A line that a person types now: what was typed or pasted before the question is dropped."""
    terminal = sys.stdin.fileno()
    termios.tcflush(terminal, termios.TCIFLUSH)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(terminal, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(terminal)
    # A terminal is ready once a line is whole.
    return os.read(terminal, 4096).decode(errors="replace").strip()
