"""Pairs of columns that an error may mean where its foreign key is not in the catalogue: guesses with their reasons.

They come from what the text tells of both sides, from the statement that would have made the constraint, and from the
constraint's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.constraint_names import in_words, readings
from fkexplorer.diagnosis.model import Candidate
from fkexplorer.schema.names import qualified, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.diagnosis.named_there import Name, Told
    from fkexplorer.schema.model import Schema, Table

_MOST = 5
_ID = re.compile(r"(.+?)(?:_?(?i:id|uuid|key|ref|code|did)|Id|ID)$")


def named_tables(schema: Schema, name: Name | None) -> list[Table]:
    """The tables that a text may mean: those of the schema that it tells, where there is one of them in that."""
    if name is None:
        return []
    form = name.among({table.name for table in schema.tables.values()})
    found = [table for table in schema.tables.values() if table.name == form]
    return [table for table in found if table.schema == name.schema] or found


def guesses(schema: Schema, told: Told) -> list[Candidate]:
    """The pairs that the names may mean, none of which is an edge by that: those with most of it there.

    Of several parents that a child may have, one in the child's own schema is meant.
    """
    found = [*_of_sides(schema, told), *_of_name(schema, told)]
    if not found and told.constraint and not named_tables(schema, told.child):
        worded = in_words(told.constraint.name)
        found = [_of_words(schema, told, *worded)] if worded else []
    unique = list({candidate.label: candidate for candidate in reversed(found)}.values())[::-1]
    most = max(map(_there, unique), default=0)
    best = [each for each in unique if _there(each) == most]
    near = {each.child for each in best if _one_schema(schema, each)}
    return [each for each in best if each.child not in near or _one_schema(schema, each)][:_MOST]


def _there(candidate: Candidate) -> int:
    """How much of it is in the catalogue: two tables, with their columns."""
    tables = (candidate.child is not None) + (candidate.parent is not None)
    return tables + bool(candidate.child_columns) + bool(candidate.parent_columns)


def _one_schema(schema: Schema, candidate: Candidate) -> bool:
    if candidate.child is None or candidate.parent is None:
        return False
    return schema.tables[candidate.child].schema == schema.tables[candidate.parent].schema


def _of_sides(schema: Schema, told: Told) -> list[Candidate]:
    """What the text, or the statement in it, tells of both sides."""
    if told.child is None or told.parent is None or not told.child_columns:
        return []
    why = ["the statement defines it" if told.defined else "the text names both sides"]
    columns, of_parent = told.child_columns, told.parent_columns
    parents: list[Table | str] = [*named_tables(schema, told.parent)] or [told.parent.name]
    children = named_tables(schema, told.child)
    if not children:
        return [_candidate(told.child.name, columns, _only(parents, told.parent.name), of_parent, why)]
    return [_candidate(child, columns, parent, of_parent, why) for child in children for parent in parents]


def _only(parents: Sequence[Table | str], name: str) -> Table | str:
    """The only one, or the name alone: where the child is not there, nothing tells which of several is meant."""
    return parents[0] if len(parents) == 1 else name


def _of_name(schema: Schema, told: Told) -> list[Candidate]:
    """What the constraint's name tells, by the tables that there are."""
    if told.constraint is None:
        return []
    tables = list(schema.tables.values())
    children = named_tables(schema, told.child) if told.child else tables
    found: list[Candidate] = []
    for reading in readings(told.constraint.name, children, tables, told.child_columns or ()):
        columns = reading.columns or told.child_columns
        if not columns:
            continue
        parents: list[Table] = [reading.parent] if reading.parent else named_tables(schema, told.parent)
        reasons = [f"its name: {reading.why}"]
        if not parents and told.parent is None:
            parents = meant_by(tables, columns, reading.child)
            reasons += [f"{columns[0]} looks like the key of {parent.name}" for parent in parents[:1]]
        of_parent = reading.parent_columns or told.parent_columns
        sides: list[Table | str | None] = [*parents] or [told.parent.name if told.parent else None]
        found += [_candidate(reading.child, columns, parent, of_parent, reasons) for parent in sides]
    return found


def _of_words(schema: Schema, told: Told, child: str, column: str) -> Candidate:
    """What the name tells by its words alone: its table is not there."""
    columns = told.child_columns or (column,)
    reasons = ["its name: child and column"]
    child = told.child.name if told.child else child
    if told.parent is not None:
        parents: list[Table | str] = [*named_tables(schema, told.parent)] or [told.parent.name]
        return _candidate(child, columns, _only(parents, told.parent.name), told.parent_columns, reasons)
    meant = meant_by(schema.tables.values(), columns, None)
    if len(meant) > 1:
        listed = ", ".join(map(table_label, meant[:_MOST]))
        return _candidate(child, columns, None, None, [*reasons, f"{columns[0]} may be the key of {listed}"])
    if meant:
        reasons.append(f"{columns[0]} looks like the key of {meant[0].name}")
        return _candidate(child, columns, meant[0], told.parent_columns, reasons)
    match = _ID.fullmatch(columns[0])
    if match is None:
        return _candidate(child, columns, None, None, reasons)
    reasons.append(f"{columns[0]} looks like the key of {match[1]}s, which is not here either")
    return _candidate(child, columns, f"{match[1]}s", told.parent_columns or ("id",), reasons)


def meant_by(tables: Iterable[Table], columns: Sequence[str], child: Table | None) -> list[Table]:
    """The tables whose key a column is called after: `user_id` after users, `primary_workspace_id` after workspaces.

    Those in the child's schema alone, where there are any.
    """
    match = _ID.fullmatch(columns[0]) if len(columns) == 1 else None
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+", match[1]) if match else []
    by_name: dict[str, list[Table]] = {}
    for table in tables:
        by_name.setdefault(_plain(table.name), []).append(table)
    for start in range(len(words)):
        stem = "".join(words[start:]).casefold()
        forms = [stem, f"{stem}s", f"{stem}es", *([f"{stem[:-1]}ies"] if stem.endswith("y") else [])]
        found = [table for form in forms for table in by_name.get(form, ()) if len(_key(table)) == 1]
        if found:
            return [table for table in found if child is not None and table.schema == child.schema] or found
    return []


def _key_for(parent: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """The parent's columns that those may refer to: a key of as many, its primary key or one of their names."""
    keys = [tuple(parent.column(number).name for number in key.columns) for key in parent.keys]
    of_names = [key for key in keys if set(key) == set(columns)]
    if len(_key(parent)) == len(columns) and not of_names:
        return _key(parent)
    return tuple(columns) if of_names else ()


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _key(table: Table) -> tuple[str, ...]:
    """The columns of its primary key."""
    key = table.primary_key
    return tuple(table.column(number).name for number in key.columns) if key else ()


def _candidate(
    child: Table | str,
    columns: Sequence[str],
    parent: Table | str | None,
    parent_columns: Sequence[str] | None,
    reasons: Sequence[str],
) -> Candidate:
    of_parent = tuple(parent_columns or ())
    if not of_parent and parent is not None and not isinstance(parent, str):
        of_parent = _key_for(parent, columns)
    # Where the child is not there, the parent's name may be that of several tables.
    missing = child if isinstance(child, str) else parent
    absent = [f"there is no table {missing}"] if isinstance(missing, str) else []
    one, other = _numbers(child, columns), _numbers(parent, of_parent)
    for table, names, numbers in ((child, columns, one), (parent, of_parent, other)):
        if table is not None and not isinstance(table, str) and not numbers:
            absent.append(
                f"{table_label(table)} has no such key" if not names else f"{table.name} lacks {', '.join(names)}"
            )
    return Candidate(
        None,
        f"{_side(child, columns)}:{_side(parent, of_parent) if parent is not None else '?'}",
        (*reasons, *absent),
        None if isinstance(child, str) else child.oid,
        None if isinstance(parent, str) or parent is None else parent.oid,
        one,
        other if len(other) == len(one) else (),
    )


def _numbers(table: Table | str | None, columns: Sequence[str]) -> tuple[int, ...]:
    """The numbers of its columns; none where one of them is not there."""
    if table is None or isinstance(table, str):
        return ()
    numbers = {column.name: column.number for column in table.columns}
    folded = {name.casefold(): number for name, number in numbers.items()}
    found = [numbers.get(each, folded.get(each.casefold())) for each in columns]
    return tuple(each for each in found if each is not None) if None not in found else ()


def _side(table: Table | str, columns: Sequence[str]) -> str:
    name = qualified(table) if isinstance(table, str) else table_label(table)
    return f"{name}({', '.join(map(quote, columns))})" if columns else name
