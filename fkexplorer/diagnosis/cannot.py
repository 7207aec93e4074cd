"""Why a foreign key can't be made: each error of a definition explained by its own cause, as the catalogue is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.cannot_keys import keys, serves
from fkexplorer.diagnosis.cannot_objects import column, dependent, no_table, persistence, relation
from fkexplorer.diagnosis.cannot_sides import Sides, of_catalogue, sides_of, tables_named
from fkexplorer.diagnosis.cannot_starts import exists_already, permission
from fkexplorer.diagnosis.cannot_types import types
from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.named_there import Told
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.diagnosis.case import Case

_KEYS = frozenset({Topic.NO_PRIMARY_KEY, Topic.DEFERRABLE_UNIQUE})
_DEPENDENT = frozenset({Topic.TRUNCATE_REFERENCED, Topic.DROP_DEPENDENT})


async def cannot(case: Case) -> Part:
    """Explain an error of a statement that was to make, change or drop tables and their constraints.

    Returns:
        `live` is False where what stood against it has been mended since, None where that can't be told. Nothing for
        an error of rows (23503), or of another kind.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    error, topic = case.error, case.error.topic
    sides = sides_of(case)
    if error.kind is ErrorKind.CANNOT_IMPLEMENT:
        part = _with_exclusions(case, sides, await types(case, sides))
    elif error.kind is ErrorKind.NO_UNIQUE or topic in _KEYS:
        part = await keys(case, sides)
    elif topic is Topic.RELATION_MISSING:
        part = await relation(case)
    elif topic is Topic.COLUMN_MISSING:
        part = column(case, sides)
    elif topic is Topic.PARENT_NOT_TABLE:
        part = await no_table(case)
    elif topic is Topic.PERSISTENCE:
        part = persistence(case, sides)
    elif topic is Topic.ARITY:
        part = _arity(case, sides)
    elif topic in _DEPENDENT:
        part = dependent(case)
    elif topic is Topic.ALREADY_EXISTS:
        part = await exists_already(case)
    elif topic is Topic.PERMISSION:
        part = await permission(case)
    else:
        return Part()
    return Part(_heaviest(part.findings), _heaviest(part.ruled_out), part.suggestions, live=part.live, side=part.side)


def _heaviest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(sorted(evidence, key=lambda each: -each.weight))


def _with_exclusions(case: Case, sides: Sides, part: Part) -> Part:
    """With what else could refuse such a constraint, and does not; and with what would, after the types agree."""
    child, parent = sides.child, sides.parent
    findings, ruled_out = list(part.findings), list(part.ruled_out)
    text = "42804 says nothing of two starts at once: those give 42710, 42P07, or 23505 on a catalogue."
    ruled_out.append(of_catalogue(case, "two_starts", text, result="42804", weight=20))
    if child is None or parent is None:
        return _child_absent(case, part, findings, ruled_out)
    text = f"The order of creation is not the cause: {table_label(child)} and {table_label(parent)} are both here."
    ruled_out.append(of_catalogue(case, "order_of_creation", text, result="2 of 2 there", weight=40))
    numbers = {each.number for each in sides.parent_columns}
    serving = [each for each in parent.indexes if serves(each) and {own.number for own in each.columns} == numbers]
    if serving and numbers:
        text = f"{sides.parent_label} has a unique key: {quote(serving[0].name)}."
        ruled_out.append(of_catalogue(case, "no_unique_key", text, result=serving[0].name, weight=40))
    elif numbers:
        text = f"{sides.parent_label} has no unique key either: 42830 would come next."
        findings.append(of_catalogue(case, "no_unique_key", text, result="none", weight=84))
    user = quote(case.database.facts.user)
    if child.privileges.owner and (parent.privileges.references or parent.privileges.owner):
        text = f"{user} may make it: it owns {table_label(child)} and has REFERENCES on {table_label(parent)}."
        ruled_out.append(of_catalogue(case, "privilege_missing", text, result="nothing missing", weight=20))
    else:
        if not child.privileges.owner:
            text = f"{user} is not the owner of {table_label(child)} ({quote(child.owner)} is): ALTER TABLE needs that."
        else:
            text = f"{user} has no REFERENCES on {table_label(parent)}: the constraint needs that."
        findings.append(of_catalogue(case, "privilege_missing", text, result=user, weight=60))
    return Part(tuple(findings), tuple(ruled_out), part.suggestions, live=part.live, side=part.side)


def _child_absent(case: Case, part: Part, findings: list[Evidence], ruled_out: list[Evidence]) -> Part:
    """The child is not here: where the parent is, its CREATE failed with the constraint, and has not come since."""
    told = Told.of(case.error)
    others = tables_named(case, told.parent)
    known = told.child is not None and not tables_named(case, told.child)
    guessed = [each for each in case.placed.candidates if each.child is None and each.parent is not None]
    if (known and others) or guessed:
        text = "A CREATE TABLE is refused as a whole where one of its constraints is: the table is not there at all."
        findings.append(of_catalogue(case, "create_failed", text, result="0 tables", weight=82))
        return Part(tuple(findings), tuple(ruled_out), part.suggestions, live=True)
    return Part(tuple(findings), tuple(ruled_out), part.suggestions, live=part.live)


def _arity(case: Case, sides: Sides) -> Part:
    """A definition that names more columns on one side than on the other (42830)."""
    told = Told.of(case.error)
    one, other = told.child_columns or (), told.parent_columns or ()
    if not one:
        text = "The definition names more columns on one side than on the other; the statement is not in the text."
        return Part((of_catalogue(case, "arity", text, weight=90),))
    named = f"({', '.join(quote(each) for each in one)})"
    key = f"({', '.join(quote(each) for each in other)})"
    if not other:
        # Without a list it is the primary key, whose columns are as many as it has.
        if sides.parent is None or sides.parent.primary_key is None:
            return Part()
        parent = sides.parent
        columns = [parent.column(number) for number in sides.parent.primary_key.columns]
        key = f"the primary key ({', '.join(quote(each.name) for each in columns)}) of {table_label(parent)}"
        if len(columns) == len(one):
            text = f"The primary key of {table_label(parent)} has as many columns as {named} now."
            return Part((of_catalogue(case, "arity_agrees", text, weight=100),), live=False)
    text = f"The definition names {named} and {key}: a foreign key has as many columns on either side."
    return Part((of_catalogue(case, "arity", text, weight=100),), live=True)
