"""Reads any text, a whole log or a pasted line, and finds the foreign-key errors in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.drafts import Around, Draft, error_of
from fkexplorer.diagnosis.reading.fold import Fold
from fkexplorer.diagnosis.reading.gather import Gatherer
from fkexplorer.diagnosis.reading.lines import Lines
from fkexplorer.diagnosis.reading.model import Reading, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK = 1 << 18
"""Bytes of a text that are read and fed at a time."""


class Reader:
    """Reads a text as it comes, in a memory that does not grow with its length.

    Args:
        today: which year a time without one is of; now, if not given.
    """

    def __init__(self, today: datetime | None = None) -> None:
        self._fold = Fold()
        self._others = 0
        self._gatherer = Gatherer(self._take, today or datetime.now(UTC))
        self._lines = Lines(self._gatherer.take)

    def feed(self, chunk: bytes) -> None:
        """More of the text: UTF-8 with whatever else is in it, or UTF-16."""
        self._lines.feed(chunk)

    def close(self) -> Reading:
        """All that the text said; it is at its end."""
        self._lines.close()
        self._gatherer.flush()
        return self._reading(self._fold, self._others)

    @property
    def reading(self) -> Reading:
        """What the text said so far; an error whose lines are still coming is among it."""
        self._lines.drain()
        fold, others = self._fold.copy(), self._others
        others += _fold_in(self._gatherer.pending(), fold)
        return self._reading(fold, others)

    def _take(self, draft: Draft) -> None:
        self._others += _fold_in((draft,), self._fold)

    def _reading(self, fold: Fold, others: int) -> Reading:
        return Reading(fold.found(), self._lines.count, self._lines.bytes, others)


def _fold_in(drafts: Iterable[Draft], fold: Fold) -> int:
    """Adds the errors to the findings; how many have nothing to do with a foreign key."""
    others = 0
    for draft in drafts:
        error = error_of(draft)
        if error is None:
            continue
        if error.topic is Topic.NOT_FK:
            others += 1
        else:
            said = replace(draft.said, sql=draft.sql) if draft.sql else draft.said
            around = Around(said, "\n".join(draft.lines), draft.before)
            fold.add(error, around, of_server=draft.server)
    return others


def read_text(text: str, today: datetime | None = None) -> Reading:
    """What a text says that is there as a whole."""
    reader = Reader(today)
    reader.feed(text.encode("utf-8", "replace"))
    return reader.close()
