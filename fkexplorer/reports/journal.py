"""The journal of fixes, and what an undo would do, as text for people and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fkexplorer.fixes.entries import State
from fkexplorer.reports.values import exact, inert, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.fixes.entries import Entry, Touched, UndoPreview

STATE_WORDS = {
    State.NOTHING: "nothing was changed",
    State.PART: "committed in part",
    State.ALL: "committed",
    State.UNKNOWN: "nobody knows yet whether it was committed: name its database, to ask it",
    State.UNDONE: "taken back",
}


def journal_text(entries: Sequence[Entry], *, ascii: bool = False) -> list[str]:
    """A few lines for each entry: what, on what, where, when, by whom, what came of it, and how it is taken back."""
    lines: list[str] = []
    for entry in entries:
        what = f"undo of {entry.undoes}" if entry.undoes else entry.action
        signed = ((entry.ticket, "ticket"), (entry.approver, "approved by"))
        rest = [
            f"{entry.database}, {entry.at:%Y-%m-%d %H:%M:%S} UTC, by {entry.person} on {entry.machine}",
            *(f"{word} {name}" for name, word in signed if name),
            _state(entry),
            *touched_lines(entry.touched),
            *(f"SQL: {' '.join(statement.split())}" for statement in entry.sql),
            *([f"backup: {entry.backup}"] if entry.backup else []),
            *(f"to take it back: {how}" for how in dict.fromkeys(entry.undo)),
            *(f"not brought back: {each}" for each in entry.lasting),
        ]
        lines += [*([""] if lines else []), f"{entry.id}  {what}  {entry.edge}", *(f"  {each}" for each in rest)]
    return [inert(line, ascii=ascii) for line in lines]


def _state(entry: Entry) -> str:
    if not entry.words:
        return STATE_WORDS[entry.state]
    # What was true at its end is not true any more.
    return STATE_WORDS[entry.state] + (", having ended: " if entry.state is State.UNDONE else ": ") + entry.words


def journal_json(entries: Iterable[Entry]) -> str:
    """One document, ASCII only: all that the journal knows of each entry."""
    return json.dumps(
        {
            "entries": [
                {
                    "id": entry.id,
                    "at": moment(entry.at),
                    "action": entry.action,
                    "edge": entry.edge,
                    "database": entry.database,
                    "person": entry.person,
                    "machine": entry.machine,
                    "ticket": entry.ticket or None,
                    "approver": entry.approver or None,
                    "state": entry.state.value,
                    "words": entry.words,
                    "touched": [
                        {
                            "table": each.table,
                            "deleted": each.deleted,
                            "updated": each.updated,
                            "inserted": each.inserted,
                        }
                        for each in entry.touched
                    ],
                    "sql": list(entry.sql),
                    "backup": entry.backup or None,
                    "undo": list(entry.undo),
                    "lasting": list(entry.lasting),
                    "undoes": entry.undoes or None,
                }
                for entry in entries
            ]
        },
        indent=1,
    )


def undo_text(preview: UndoPreview, *, ascii: bool = False) -> list[str]:
    """What taking back an entry would do, and what keeps it from being done."""
    entry = preview.entry
    lines = [
        f"undo of {entry.id}: {entry.action} {entry.edge}, {entry.at:%Y-%m-%d %H:%M:%S} UTC, by {entry.person}",
        *(f"  {line}" for line in touched_lines(preview.touched)),
        *(f"  SQL: {' '.join(statement.split())}" for statement in preview.statements),
        *(f"  {way}" for way in preview.ways),
        *(f"  the trigger {each.name} fires ({each.function}), and may change more" for each in preview.triggers),
        *(f"  not brought back: {each}" for each in preview.lasting),
        *(f"  conflict: {each.place}: {each.words}" for each in preview.conflicts),
    ]
    return [inert(line, ascii=ascii) for line in lines]


def touched_lines(touched: Iterable[Touched]) -> list[str]:
    """`public.orders: 12 deleted`, a line for each table."""
    lines = []
    for each in touched:
        numbers = ((each.deleted, "deleted"), (each.updated, "updated"), (each.inserted, "inserted"))
        lines.append(f"{each.table}: " + ", ".join(f"{exact(number)} {verb}" for number, verb in numbers if number))
    return lines
