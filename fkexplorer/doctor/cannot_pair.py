"""What stands between two lists of columns and a constraint: the same looks that explain an error of a definition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.diagnosis.cannot_change import Change
from fkexplorer.diagnosis.cannot_keys import no_key
from fkexplorer.diagnosis.cannot_objects import outlived
from fkexplorer.diagnosis.cannot_sides import Sides
from fkexplorer.diagnosis.cannot_types import conflict
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.planned import planned, strongest
from fkexplorer.fixes.indexes import unique_key
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, locks
from fkexplorer.fixes.model import Request
from fkexplorer.orphans.casting import one_array
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from fkexplorer.diagnosis.cannot_starts import Rights
    from fkexplorer.diagnosis.model import Evidence
    from fkexplorer.doctor.exam import Exam
    from fkexplorer.fixes.model import Lock
    from fkexplorer.schema.model import Column, Relationship, Table

_VIRTUAL = 180000
"""The first that knows virtual generated columns."""
FIRST_CLEAN = "-- First clean "
"""How the comment begins that tells of rows which are in the way of a change of types."""
_UNKNOWN = frozenset({"uncastable_unknown", "repeats_unknown"})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that is in the way of a constraint, and what mends it."""

    code: str
    text: str
    seen: str
    why: str
    at: datetime
    statements: tuple[str, ...] = ()
    locks: tuple[Lock, ...] = ()
    forecast: str = ""
    action: FixAction | None = None
    options: tuple[tuple[str, str], ...] = ()
    mends: bool = True
    """Whether the constraint could be made after it."""

    def then(self, statements: Iterable[str], locks: Iterable[Lock], forecast: str) -> Obstacle:
        """With what follows, once it is mended."""
        return replace(
            self,
            statements=(*self.statements, *statements),
            locks=strongest((*self.locks, *locks)),
            forecast=f"{self.forecast} {forecast}".lstrip(),
        )

    def finding(self, label: str, edge: Relationship) -> Finding:
        """As a finding on that edge."""
        treatment = Treatment(self.statements, self.locks, self.forecast, self.action, self.options)
        return Finding(
            self.code, Severity.ERROR, label, edge.oid, edge.child, self.text, self.seen, self.why, self.at, treatment
        )


async def in_the_way(exam: Exam, edge: Relationship, rights: Rights) -> list[Obstacle]:
    """All that is in the way of a constraint for a pair, but its orphans, in the order in which it is to be mended.

    Args:
        exam: the examination.
        edge: the pair.
        rights: what the role may do with its two tables.

    Raises:
        Trouble: the connection is lost.
    """
    found = [*_standing(exam, edge), *await _virtual(exam, edge)]
    if any(not each.mends for each in found):
        return found
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    sides = Sides(child, tuple(pair.child for pair in edge.pairs), parent, tuple(pair.parent for pair in edge.pairs))
    found += _privileges(exam, rights, child, parent)
    if unique_key(parent, sides.parent_columns) is None:
        found.append(await _key(exam, edge, parent, sides))
    if any(pair.equals is None for pair in edge.pairs):
        found.append(_swapped(exam, edge, sides) or await _types(exam, edge, sides))
    return found


def _standing(exam: Exam, edge: Relationship) -> Iterator[Obstacle]:
    """What the two tables are, whatever is in them."""
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    at = exam.schema.loaded_at
    for table in dict.fromkeys(each.oid for each in (child, parent) if each.kind is TableKind.FOREIGN):
        label = table_label(exam.schema.tables[table])
        yield Obstacle(
            "foreign_table",
            f"{label} is a foreign table, and a foreign key has ordinary tables on both sides.",
            "pg_class.relkind = 'f'",
            "Its rows are on another server, which this one can't keep from changing.",
            at,
            (f"-- Keep a copy of the keys of {label} in a table here, and refer to that",),
            mends=False,
        )
    for pair in edge.pairs:
        if one_array(pair.child, pair.parent):
            own, other = columns_label(child, [pair.child]), columns_label(parent, [pair.parent])
            yield Obstacle(
                "array_of_keys",
                f"{own} is {pair.child.type_text}, {other} is {pair.parent.type_text}: an array is not one key.",
                "pg_type.typcategory = 'A' of one of the two",
                "A foreign key compares a value with a value, and looks at no element of an array (42804).",
                at,
                ("-- Keep the keys in a table of their own, one in each row, and refer from there",),
                mends=False,
            )
    if part := outlived(exam, child, parent):
        statements = tuple(_without_end(each.sql) for each in part.suggestions)
        yield Obstacle(
            "persistence",
            part.findings[0].text,
            f"pg_class.relpersistence is '{child.persistence}' and '{parent.persistence}'",
            "After a crash, or at the end of a session, the parent would be empty and the child would not (42P16).",
            at,
            statements,
            locks([(parent.oid, ACCESS_EXCLUSIVE)]) if statements else (),
            f"{table_label(parent)} ({size_text(parent.likely_bytes)}) is written anew." if statements else "",
            mends=bool(statements),
        )


async def _virtual(exam: Exam, edge: Relationship) -> list[Obstacle]:
    """A column whose values are stored nowhere."""
    computed = [pair.child for pair in edge.pairs if pair.child.generated]
    if not computed or exam.database.facts.version_number < _VIRTUAL:
        return []
    numbers = ", ".join(str(each.number) for each in computed)
    own = f"attrelid = {edge.child} AND attnum IN ({numbers})"
    query = f"SELECT attnum FROM pg_catalog.pg_attribute WHERE {own} AND attgenerated = 'v'"
    try:
        [rows] = await exam.database.glance(query)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    found = {number for (number,) in rows}
    return [
        Obstacle(
            "virtual_column",
            f"{label} is a virtual generated column, and no foreign key can be made of one.",
            "pg_attribute.attgenerated = 'v'",
            "Its values are nowhere stored, so that no index and no trigger has them (0A000).",
            exam.at,
            (f"-- Make {label} anew as GENERATED ALWAYS AS (…) STORED",),
            mends=False,
        )
        for column in computed
        if column.number in found
        for label in [columns_label(exam.schema.child_of(edge), [column])]
    ]


def _privileges(exam: Exam, rights: Rights, child: Table, parent: Table) -> list[Obstacle]:
    """What this role lacks; of a role that owns neither table, and came to read all of it, nothing is said."""
    if exam.whole and not (child.privileges.owner or parent.privileges.owner):
        return []
    missing = rights.lacking({each.oid: each for each in (child, parent)}.values(), child, parent)
    if not missing:
        return []
    return [
        Obstacle(
            "privilege_missing",
            " ".join(text for text, _ in missing),
            "has_schema_privilege, has_any_column_privilege, pg_has_role: false",
            "A foreign key wants the child's owner, REFERENCES on the parent's columns, and USAGE on both schemas; its"
            " check then reads the parent as the parent's owner (42501).",
            rights.at,
            tuple(dict.fromkeys(_without_end(grant) for _, grant in missing)),
            (),
            "It is for the owner, or a superuser, to grant it.",
        )
    ]


async def _key(exam: Exam, edge: Relationship, parent: Table, sides: Sides) -> Obstacle:
    """No unique key covers the parent's columns, or none that a foreign key may refer to."""
    part = await no_key(exam, parent, sides.parent_columns, ms=exam.ms)
    told = sorted(part.findings, key=lambda each: -each.weight)
    _note(exam, sides.parent_label, told)
    repeated = next((each for each in told if each.code == "repeated_keys"), None)
    first = (f"-- First decide which rows keep their key: {repeated.text}",) if repeated else ()
    fix = await planned(exam, Request(edge, FixAction.ADD_UNIQUE))
    return Obstacle(
        part.findings[0].code,
        " ".join(each.text for each in told),
        "no row of pg_index for just these columns that is unique, valid, immediate, whole and without an expression",
        "A foreign key refers to one row, and only a unique key keeps it one (42830).",
        max(each.at for each in told),
        (*first, *fix.statements),
        fix.locks,
        "The index is built while reads and writes go on.",
        FixAction.ADD_UNIQUE,
    )


def _swapped(exam: Exam, edge: Relationship, sides: Sides) -> Obstacle | None:
    """The columns are named in another order than that in which their types agree; None where that is not so."""
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    left = list(sides.parent_columns)
    ordered = []
    for own in sides.columns:
        alike = [each for each in left if (each.base_type or each.type) == (own.base_type or own.type)]
        if not alike:
            return None
        # Of several of its type the one that is called the same.
        best = next((each for each in alike if each.name == own.name), alike[0])
        ordered.append(best)
        left.remove(best)
    pair = f"{table_label(child)}({_names(sides.columns)}):{table_label(parent)}({_names(ordered)})"
    return Obstacle(
        "columns_swapped",
        f"The columns of {edge_label(exam.schema, edge)} are in an order in which their types differ; in this one they"
        f" agree: {pair}.",
        f"pg_attribute: {', '.join(f'{p.child.type_text} and {p.parent.type_text}' for p in edge.pairs)}",
        "Columns are compared in the order in which they are named (42804).",
        exam.schema.loaded_at,
        (f"-- Name it as {pair}",),
        mends=False,
    )


async def _types(exam: Exam, edge: Relationship, sides: Sides) -> Obstacle:
    """Types that no operator compares: which side is to change, what does not cast, what would be an orphan then."""
    part = await conflict(exam, sides, ms=exam.ms)
    off = [pair for pair in edge.pairs if pair.equals is None]
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    changes = [Change.of(exam, (child, pair.child), (parent, pair.parent)) for pair in off]
    findings = sorted(part.findings, key=lambda each: -each.weight) if part else []
    _note(exam, edge_label(exam.schema, edge), findings)
    of_child = all(each.of_child for each in changes)
    fix = await planned(exam, Request(edge, FixAction.CHANGE_TYPE, side="child" if of_child else "parent"))
    statements: list[str] = []
    rows = sum(each.number or 0 for each in findings if each.code in {"uncastable", "orphans_after_cast"})
    if rows:
        statements += await _clean(exam, edge, rows, changes)
    told = [each.text for each in findings if each.code != "views_in_the_way"]
    if fix.refuses:
        listed = "; ".join(fix.refuses)
        told.append(f"The type can't be changed while it is used by {listed}.")
        statements.append(f"-- Drop these first, and make them anew after: {listed}")
    tables = list({each.table.oid: each.table for each in changes}.values())
    anew = " and ".join(f"{table_label(each)} ({size_text(each.likely_bytes)})" for each in tables)
    clean = f"{rows:,} row{'' if rows == 1 else 's'} to clean first. " if rows else ""
    return Obstacle(
        "types_differ",
        " ".join(told),
        "pg_amop has no = for "
        + ", ".join(f"({pair.parent.type_text}, {pair.child.type_text})" for pair in off)
        + " in the operator family of the parent's key",
        "The server refuses such a constraint (42804), and a join of the two needs a cast, which no index serves.",
        max((each.at for each in findings), default=exam.at),
        (*statements, *fix.statements),
        fix.locks,
        f"{clean}The change of the type writes {anew} anew, and nobody reads or writes it meanwhile.",
        FixAction.CHANGE_TYPE,
        () if of_child else (("side", "parent"),),
    )


async def _clean(exam: Exam, edge: Relationship, rows: int, changes: Sequence[Change]) -> list[str]:
    """Comments: the rows that are in the way of a change of types, for somebody to decide about."""
    these = f"{rows:,} row{'' if rows == 1 else 's'} of {' and '.join(each.label for each in changes)}"
    actions = [FixAction.DELETE, FixAction.QUARANTINE]
    if not any(each.column.not_null for each in changes):
        actions.insert(1, FixAction.SET_NULL)
    if not all(each.of_child for each in changes):
        return [f"{FIRST_CLEAN}{these}"]
    listed = ", ".join(actions[:-1]) + f" or {actions[-1]}"
    found = [f"{FIRST_CLEAN}{these}: {listed} of the panel and of plan, which back them up, as"]
    for action in actions[:-1]:
        fix = await planned(exam, Request(edge, action))
        # Where this server can't tell which rows they are, the fix says so.
        flat = [each.removeprefix("-- ").replace("\n", " ") for each in fix.statements]
        found += [f"-- {each}" for each in flat]
    return found


def _note(exam: Exam, what: str, findings: Sequence[Evidence]) -> None:
    """Note what could not be looked at."""
    for each in findings:
        if each.code in _UNKNOWN or each.result in {"over the limit", "timed out", "denied", "locked", "failed"}:
            exam.miss(what, each.text)


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(quote(column.name) for column in columns)


def _without_end(statement: str) -> str:
    return statement.strip().removesuffix(";")
