"""Folds repeats of one problem into one finding: how often, since when, and with which keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.drafts import Around, with_statement
from fkexplorer.diagnosis.reading.model import KEYS, Found, ParsedError

if TYPE_CHECKING:
    from datetime import datetime


class Fold:
    """The findings so far, in the order of their first error. Memory is bounded by the number of problems."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], _Counted] = {}

    def add(self, error: ParsedError, around: Around, *, of_server: bool) -> None:
        """One more error.

        Args:
            error: what was read.
            around: where its statement may be.
            of_server: whether the server's own log has it; the programs' prints of it in the same stream are not
                counted again then.
        """
        key = error.same
        if key not in self._found:
            self._found[key] = _Counted(error, around)
        self._found[key].add(error, around, of_server=of_server)

    def copy(self) -> Fold:
        """One that can be added to without changing this one."""
        made = Fold()
        made._found = {key: each.copy() for key, each in self._found.items()}
        return made

    def found(self) -> tuple[Found, ...]:
        """All findings."""
        return tuple(each.found() for each in sorted(self._found.values(), key=lambda each: each.line))


class _Counted:
    def __init__(self, error: ParsedError, around: Around) -> None:
        self.error = error
        self.around = around
        self.line = error.line
        self.counts = [0, 0]
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.keys: tuple[dict[tuple[str | None, ...], int], ...] = ({}, {})
        self.more = False

    def copy(self) -> _Counted:
        made = _Counted(self.error, self.around)
        made.line, made.counts, made.first, made.last = self.line, list(self.counts), self.first, self.last
        made.keys, made.more = tuple(dict(each) for each in self.keys), self.more
        return made

    def add(self, error: ParsedError, around: Around, *, of_server: bool) -> None:
        self.line = min(self.line, error.line)
        self.counts[of_server] += 1
        if _says(error, around) >= _says(self.error, self.around):
            self.error, self.around = error, around
        when = error.when
        if when is not None and (self.first is None or (when.tzinfo is None) == (self.first.tzinfo is None)):
            self.first = when if self.first is None else min(self.first, when)
            self.last = when if self.last is None else max(self.last, when)
        if error.values is not None:
            keys = self.keys[of_server]
            if error.values in keys or len(keys) < KEYS:
                keys[error.values] = keys.get(error.values, 0) + 1
            else:
                self.more = True

    def found(self) -> Found:
        keys = dict(self.keys[0])
        for key, count in self.keys[1].items():
            if key in keys or len(keys) < KEYS:
                keys[key] = max(count, keys.get(key, 0))
        return Found(
            with_statement(self.error, self.around),
            max(self.counts),
            self.first,
            self.last,
            keys,
            self.more or len({*self.keys[0], *self.keys[1]}) > KEYS,
        )


def _says(error: ParsedError, around: Around) -> int:
    """How much a print says: the fields that it has, and whether it has the statement."""
    fields = (error.sqlstate, error.child_schema, error.values, error.parent_table)
    return sum(each is not None for each in fields) + 2 * around.has_statement
