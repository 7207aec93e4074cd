"""Relationships of which a table or a column is not there: said by name, with what there is that comes near."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.cannot_objects import NO_TABLES, not_a_table
from fkexplorer.diagnosis.named_there import Told, look, table_told
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.schema.names import find_column, find_tables, qualified, quote, similar_tables, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fkexplorer.diagnosis.named_there import Relation, Seen
    from fkexplorer.doctor.exam import Exam
    from fkexplorer.known.model import WrittenRelation
    from fkexplorer.schema.model import Table

_SHOWN = 3
_NOT_THERE = "no row of pg_class with that name"


def pair_label(relation: WrittenRelation) -> str:
    """`table(col, …):table(col, …)`, as it was written."""
    sides = ((relation.child, relation.columns), (relation.parent, relation.parent_columns))
    return ":".join(f"{table}({', '.join(columns)})" for table, columns in sides)


async def unknown_names(exam: Exam, relation: WrittenRelation) -> list[Finding]:
    """Why a relationship can't be bound to the catalogue.

    Returns:
        `table_missing`, `order_of_creation`, `not_a_table`, `column_missing` or `arity`; nothing where its tables are
        there and are none that the doctor knows, as a partition, which is noted as not looked at.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    told = Told(None, table_told(None, relation.child), table_told(None, relation.parent), None, None, defined=True)
    seen = await look(exam.database, told)
    child, parent = (_table(exam, name, relation.home) for name in (relation.child, relation.parent))
    if child is not None and parent is not None:
        return _columns(exam, relation, child, parent)
    found = []
    for written, table in ((relation.child, child), (relation.parent, parent)):
        if table is None:
            found.append(await _absent(exam, relation, seen, written))
    missing = [each for each in found if each is not None]
    # Of two that are missing one finding is enough: both have to be made.
    codes = {each.code for each in missing}
    return missing[:1] if codes <= {"table_missing", "order_of_creation"} else missing


def _table(exam: Exam, written: str, home: str) -> Table | None:
    found = find_tables(exam.schema, written)
    found = [each for each in found if each.schema == home] or found
    return found[0] if len(found) == 1 else None


async def _absent(exam: Exam, relation: WrittenRelation, seen: Seen, written: str) -> Finding | None:
    """A name that is no table of the schema."""
    label = pair_label(relation)
    if several := find_tables(exam.schema, written):
        listed = ", ".join(table_label(each) for each in several[:_SHOWN])
        exam.miss(label, f"{written} is the name of {len(several)} tables: say which, {listed}")
        return None
    name = table_told(None, written)
    there = seen.tables(name) if name else []
    there = [each for each in there if name is None or name.schema in {None, each.schema}]
    if odd := next((each for each in there if each.kind in NO_TABLES), None):
        return await _no_table(exam, relation, odd, seen.at, of_child=written == relation.child)
    if there:
        exam.miss(label, f"{written} is a partition, or a table of an extension: name the table that it is a part of")
        return None
    return _missing(exam, relation, written, seen.at)


async def _no_table(exam: Exam, relation: WrittenRelation, odd: Relation, at: datetime, *, of_child: bool) -> Finding:
    """A view, a materialized view, a sequence or a foreign table."""
    label = qualified(odd.schema, odd.name)
    part = await not_a_table(exam, odd, at)
    told = " ".join(each.text for each in part.findings)
    if of_child:
        told = f"{label} is {NO_TABLES[odd.kind]}, and only a table has a foreign key."
    return _finding(
        exam,
        relation,
        "not_a_table",
        told,
        f"pg_class.relkind = '{odd.kind}'",
        "Its rows are those of other tables, or elsewhere, and no unique key of its own keeps them (42809).",
        at,
        Treatment(tuple(f"-- {each.text}" for each in part.suggestions)),
    )


def _missing(exam: Exam, relation: WrittenRelation, written: str, at: datetime) -> Finding:
    """A table that is not there at all."""
    near = similar_tables(exam.schema, written, _SHOWN)
    hint = f" Near: {', '.join(near)}." if near else ""
    columns, key = ", ".join(relation.columns), ", ".join(relation.parent_columns)
    add = f"-- ALTER TABLE {relation.child} ADD FOREIGN KEY ({columns}) REFERENCES {relation.parent} ({key}) NOT VALID"
    if written == relation.child:
        return _finding(
            exam,
            relation,
            "table_missing",
            f"There is no table {written}: its CREATE failed, or has not run here.{hint}",
            _NOT_THERE,
            "A CREATE TABLE is refused as a whole where one of its constraints is, and then leaves nothing behind.",
            at,
            Treatment((f"-- Run the CREATE TABLE of {written} without this constraint, and then:", add)),
        )
    return _finding(
        exam,
        relation,
        "order_of_creation",
        f"There is no table {written}: it has to be there before another one refers to it.{hint}",
        _NOT_THERE,
        "A foreign key to a table that comes later is refused (42P01): the order of creation is parent, child.",
        at,
        Treatment((f"-- Create {written} first, and then:", add)),
    )


def _columns(exam: Exam, relation: WrittenRelation, child: Table, parent: Table) -> list[Finding]:
    """Both tables are there: a column is not, or one side has more of them than the other."""
    at, found = exam.schema.loaded_at, []
    for table, names in ((child, relation.columns), (parent, relation.parent_columns)):
        own = [quote(each.name) for each in table.columns]
        for name in names:
            if find_column(table, name) is not None:
                continue
            near = difflib.get_close_matches(name, own, _SHOWN)
            hint = f" Near: {', '.join(near)}." if near else ""
            text = f"{table_label(table)} has no column {name}.{hint}"
            why = "A foreign key is made of columns that are there (42703)."
            seen = "no row of pg_attribute with that name"
            found.append(_finding(exam, relation, "column_missing", text, seen, why, at, Treatment()))
    if not found and len(relation.columns) != len(relation.parent_columns):
        text = (
            f"{table_label(child)} is named with {_number(relation.columns)} and {table_label(parent)} with"
            f" {_number(relation.parent_columns)}.{_keys(parent)}"
        )
        why = "A foreign key has as many columns on either side (42830)."
        found.append(_finding(exam, relation, "arity", text, "the pair as it is written", why, at, Treatment()))
    return found


def _number(columns: Sequence[str]) -> str:
    return f"{len(columns)} column{'' if len(columns) == 1 else 's'}"


def _keys(parent: Table) -> str:
    """The unique keys of a table, in a sentence."""
    listed = [f"({', '.join(quote(parent.column(each).name) for each in key.columns)})" for key in parent.keys[:_SHOWN]]
    return f" Its keys are {', '.join(listed)}." if listed else ""


def _finding(  # noqa: PLR0917 - what a finding is made of
    exam: Exam, relation: WrittenRelation, code: str, text: str, seen: str, why: str, at: datetime, mend: Treatment
) -> Finding:
    child = _table(exam, relation.child, relation.home)
    origin = f" ({relation.origin})" if relation.origin else ""
    return Finding(
        code,
        Severity.ERROR,
        pair_label(relation),
        None,
        child.oid if child else None,
        text + origin,
        seen,
        why,
        at,
        mend,
    )
