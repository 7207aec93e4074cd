"""What changed in a catalogue while people looked at it, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.reports.values import number
from fkexplorer.schema.difference import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.difference import Difference

SHOWN = 2
"""Changes that are named; a migration makes dozens."""

_ORDER = (
    Change.TABLE_DROPPED,
    Change.TABLE_RENAMED,
    Change.EDGE_DROPPED,
    Change.EDGE_ALTERED,
    Change.EDGE_ADDED,
    Change.EDGE_RENAMED,
    Change.TABLE_ADDED,
    Change.TABLE_ALTERED,
)
"""What takes a table or an edge away, or says another thing of it, before what adds to them."""


def told(differences: Iterable[Difference]) -> str:
    """All changes as `The schema changed: table public.users renamed to public.people; and 3 more changes.`."""
    ordered = sorted(differences, key=lambda difference: _ORDER.index(difference.change))
    words = [_words(difference) for difference in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        words.append(f"and {number(len(ordered) - SHOWN, 'more change')}")
    return f"The schema changed: {'; '.join(words)}."


def _words(difference: Difference) -> str:
    what, _, happened = difference.change.value.rpartition(" ")
    if difference.change in (Change.TABLE_RENAMED, Change.EDGE_RENAMED):
        return f"{what} {difference.before} renamed to {difference.name}"
    if difference.before and difference.after:
        return f"{what} {difference.name}: {_state(difference.before)}, now {_state(difference.after)}"
    return f"{what} {difference.name} {happened}"


def _state(state: str) -> str:
    return state.replace("_", " ")
