"""Which of the names that an error tells are not here, and what that means: a CREATE that failed, another database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.constraint_names import in_words
from fkexplorer.diagnosis.model import Evidence
from fkexplorer.diagnosis.named_there import table_told
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.schema.names import qualified, similar_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.model import Candidate
    from fkexplorer.diagnosis.named_there import Name, Seen, Told
    from fkexplorer.diagnosis.reading.model import ParsedError
    from fkexplorer.schema.model import Schema

_CONSTRAINTS = {
    "c": "a CHECK",
    "n": "a NOT NULL",
    "p": "the primary key",
    "t": "a constraint trigger",
    "u": "a unique key",
    "x": "an EXCLUDE",
}
_OF_DEFINITIONS = frozenset(
    {
        Topic.RELATION_MISSING,
        Topic.COLUMN_MISSING,
        Topic.ARITY,
        Topic.NO_PRIMARY_KEY,
        Topic.DEFERRABLE_UNIQUE,
        Topic.PARENT_NOT_TABLE,
        Topic.PERSISTENCE,
    }
)
"""Errors of a statement that was to make a table or a constraint."""


def absences(
    schema: Schema, told: Told, seen: Seen, error: ParsedError, candidates: Sequence[Candidate], *, place: str
) -> list[Evidence]:
    """What is not here of the names that an error tells, and what is here against its words.

    Args:
        schema: the catalogue.
        told: the names.
        seen: which of them the server has now.
        error: the error.
        candidates: the edges and guesses that they led to.
        place: `user@host/database`.
    """
    absences_of = _Absences(schema, told, seen, error, candidates)
    if any(candidate.edge for candidate in candidates):
        return absences_of.made_since()
    return absences_of.all(place)


class _Absences:
    """The absences of one error."""

    def __init__(
        self, schema: Schema, told: Told, seen: Seen, error: ParsedError, candidates: Sequence[Candidate]
    ) -> None:
        self._schema = schema
        self._told = told
        self._seen = seen
        self._candidates = candidates
        self._exists = error.topic is Topic.ALREADY_EXISTS
        self._parent_missing = error.topic is Topic.RELATION_MISSING
        self._of_definition = (
            error.kind in (ErrorKind.CANNOT_IMPLEMENT, ErrorKind.NO_UNIQUE) or error.topic in _OF_DEFINITIONS
        )

    def made_since(self) -> list[Evidence]:
        """That a constraint is here now, where the error says that it could not be made."""
        name = self._told.constraint
        if name is None or not self._of_definition:
            return []
        text = f"There is a constraint {qualified(name.name)} now: it was made after the error, or is another one."
        return [self._evidence("constraint_exists", text, 70)]

    def all(self, place: str) -> list[Evidence]:
        """What is not here."""
        found = []
        constraint = self._told.constraint
        # An index of a system catalogue is no constraint before PostgreSQL 14, and is there all the same.
        if constraint is not None and not (self._exists and constraint.name.startswith("pg_")):
            found.append(self._constraint(constraint))
        child, parent = self._child(), self._told.parent
        if child is not None and not self._there(child):
            found.append(self._table(child, made=self._of_definition))
        if parent is not None and not self._there(parent):
            found.append(self._table(parent, made=False))
        if (constraint or child or parent) and not self._parent_missing and not self._any_there():
            found.append(self._elsewhere(child, place))
        return found

    def _child(self) -> Name | None:
        """The child that the text names, or the one that the constraint's name tells where it leads to no table."""
        told = self._told
        if told.child or told.constraint is None or any(each.child for each in self._candidates):
            return told.child
        worded = in_words(told.constraint.name)
        return table_told(None, worded[0]) if worded else None

    def _there(self, name: Name) -> bool:
        return (
            bool(self._seen.tables(name))
            or name.among({each.name for each in self._schema.tables.values()}) is not None
        )

    def _any_there(self) -> bool:
        if any(each.child or each.parent for each in self._candidates):
            return True
        return any(self._there(name) for name in (self._told.child, self._told.parent) if name)

    def _counted(self) -> str:
        """How much of what the error names is here: a hint whether it is the right database."""
        names = [name for name in (self._told.child, self._told.parent) if name]
        told = len(names) + (self._told.constraint is not None)
        there = sum(map(self._there, names)) + bool(self._seen.constraints)
        return f"{there} of {told} names in the error are here"

    def _constraint(self, name: Name) -> Evidence:
        if any(own.root not in self._schema.edges for own in self._seen.constraints):
            return self._evidence("catalogue_outdated", f"{name.text} was made after the catalogue was read.", 70)
        if self._seen.others:
            own = self._seen.others[0]
            text = f"{qualified(own.name)} is no foreign key, but {_CONSTRAINTS[own.kind]} of"
            return self._evidence("no_foreign_key", f"{text} {qualified(own.schema, own.relation)}.", 70)
        if self._of_definition:
            text = f"There is no constraint {qualified(name.name)}: the statement that was to make it failed."
        elif self._seen.constraints:
            others = sorted({qualified(own.schema, own.relation) for own in self._seen.constraints})
            text = (
                f"The constraint {qualified(name.name)} is on {', '.join(others[:3])}, of which the text says nothing."
            )
        else:
            text = f"There is no constraint {qualified(name.name)} here: it was dropped or renamed, or was never made."
        return self._evidence("constraint_absent", text, 70, result=self._counted())

    def _table(self, name: Name, *, made: bool) -> Evidence:
        if made:
            text = f"{qualified(name.name)} does not exist: its CREATE failed."
        else:
            near = ", ".join(similar_tables(self._schema, name.name))
            text = f"There is no table {qualified(name.name)}{f'; near: {near}' if near else ''}."
        return self._evidence("table_absent", text, 75)

    def _elsewhere(self, child: Name | None, place: str) -> Evidence:
        told = self._told
        names = dict.fromkeys(each.text for each in (told.constraint, child, told.parent) if each)
        text = f"Nothing that the error names is in {place}: {', '.join(names)}."
        text += (
            " Is it the right database?"
            if not self._of_definition
            else " Either all of its statements failed, or it is another one."
        )
        return self._evidence("other_database", text, 90, result=self._counted())

    def _evidence(self, code: str, text: str, weight: int, *, result: str = "") -> Evidence:
        return Evidence(code, text, self._seen.at, "the catalogue", result=result, weight=weight)
