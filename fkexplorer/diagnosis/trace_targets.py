"""Where a key can live: the columns that the graph ties to it, and those elsewhere that could hold the same value.

Only the catalogue is looked at. A column that cannot be searched, or is not to be, is told with the reason.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from fkexplorer.fixes import sql
from fkexplorer.orphans.predicate import holds
from fkexplorer.schema.model import Operator, TableKind, TypeName
from fkexplorer.schema.names import columns_label, rows_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Collation, Column, Condition, Index, Relationship, Schema, Table

    Place = tuple[int, tuple[int, ...], Condition | None]
    """OID of a table, the numbers of its columns, and which of its rows are meant; None for all."""

PARENT, CHILD, ASKED = "parent key", "refers to it", "asked about"
"""Roles of what is tied to the key; `ASKED` is the column itself where no edge has it."""
UNIQUE, FOREIGN, PART = "unique", "foreign key", "part of a key"
"""The ends of the other roles: `same type, unique`, `other type, foreign key`."""

_INTEGERS = {"int2": 15, "int4": 31, "int8": 63}
"""Types of integers by the bits of their greatest value."""
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_UUID = re.compile(r"(\{)?[0-9a-f]{4}(-?[0-9a-f]{4}){7}(?(1)\})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A column, or the columns of a key, to be searched for a value."""

    table: Table
    columns: tuple[Column, ...]
    role: str
    tied: bool
    """The graph ties it to the key: another column may hold the same value by chance."""
    condition: str = ""
    """SQL over the table as `c`: which rows hold the key."""
    indexed: bool = False
    """An index leads to those rows."""
    why_not: str = ""
    """Why it is not searched, where the catalogue or the value says so."""
    only: Condition | None = None
    """Which rows are meant: those of other kinds hold keys of other tables."""

    @property
    def label(self) -> str:
        """`schema.table.column`, or `schema.table(a, b)`; ` [column=value]` behind it for some rows."""
        columns = columns_label(self.table, self.columns)
        return f"{columns} {rows_label(self.only)}" if self.only else columns


def targets(
    schema: Schema,
    graph: Graph,
    table: Table,
    columns: Sequence[Column],
    *,
    value: Key,
    also: Relationship | None = None,
) -> list[Target]:
    """All columns that may hold this key: those that are tied to it first.

    Args:
        schema: the catalogue.
        graph: its graph.
        table: the table of the column that is asked about.
        columns: the column; several for a key of several.
        value: of each of them, as text.
        also: an edge that is not in the graph, as a guessed one.
    """
    start = (table.oid, tuple(column.number for column in columns), None)
    # A text elsewhere is what PostgreSQL would print, and not what was typed.
    value = tuple(as_read(text or "", column)[0] or text for text, column in zip(value, columns, strict=True))
    tied = _tied(graph, start, also)
    found = [_target(schema, value, place, role, tied=True) for place, role in tied.items()]
    known = {(place[0], frozenset(place[1])) for place in tied}
    for place, kind in _elsewhere(schema, len(columns)):
        key = (place[0], frozenset(place[1]))
        if key in known:
            continue
        there = schema.tables[place[0]]
        reads = [_reads(one, there.column(number)) for one, number in zip(columns, place[1], strict=True)]
        if all(reads):
            known.add(key)
            same = set(reads) == {"same"}
            if same or _printed_so(value, [there.column(number) for number in place[1]]):
                role = f"{'same' if same else 'other'} type, {kind}"
                found.append(_target(schema, value, place, role, tied=False))
    return found


def _printed_so(value: Key, columns: Sequence[Column]) -> bool:
    """Whether columns of another type may hold the value, printed so: a text `017` is no number, a secret no key."""
    if any(is_secret(column.name) for column in columns):
        return False
    printed = (as_read(text or "", column)[0] for text, column in zip(value, columns, strict=True))
    return all(text and one in (text, text.lower()) for text, one in zip(value, printed, strict=True))


def as_read(text: str, to: Column) -> tuple[str, str]:
    """The value as a column of that type reads it; else, behind an empty one, why it can hold none such.

    What is neither an integer nor a uuid is left to the server.
    """
    of = (to.base_type or to.type).name
    if "\0" in text or text != text.encode(errors="ignore").decode():
        return "", "not a text that a database can hold"
    if of in _INTEGERS:
        return _integer(text, _INTEGERS[of], to.type_text)
    if of != "uuid":
        return text, ""
    bare = text.strip("{}").replace("-", "").lower()
    printed = f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
    return (printed, "") if _UUID.fullmatch(text) else ("", "not a uuid")


def _integer(text: str, bits: int, type_text: str) -> tuple[str, str]:
    if not re.fullmatch(r"\s*[+-]?[0-9]+\s*", text):
        return "", "not an integer"
    # A number of thousands of digits is more than Python reads.
    if len(text) > 100 or not -(1 << bits) <= int(text) < 1 << bits:
        return "", f"out of the range of {type_text}"
    return str(int(text)), ""


def equality(column: Column, index: Index | None = None) -> Operator:
    """The equality that a column's own index has, else that of its type's schema.

    An operator is made in the schema of its type; enums, arrays, ranges and composite types share PostgreSQL's own.
    """
    of = column.base_type or column.type
    for part in index.columns if index else ():
        if part.number == column.number and part.equal is not None:
            return part.equal
    own = of.schema == "pg_catalog" or column.category in "AECR"
    return Operator("pg_catalog" if own else of.schema, "=", None, None)


def _tied(graph: Graph, start: Place, also: Relationship | None) -> dict[Place, str]:
    """What edges lead to from these columns, in both directions and on from there, each with its role."""
    found = {start: ASKED}
    queue = deque([start])
    while queue:
        table, columns, only = place = queue.popleft()
        up = [*graph.parents(table), *([also] if also and also.child == table else [])]
        # Rows of one kind refer to nothing by an edge of another.
        up = [edge for edge in up if only is None or edge.only in (None, only)]
        down = [*graph.children(table), *([also] if also and also.parent == table else [])]
        parents = [other for edge in up if (other := _across(edge, columns, up=True))]
        children = [other for edge in down if (other := _across(edge, columns, up=False))]
        found[place] = PARENT if children else CHILD if parents else ASKED
        for other in (*parents, *children):
            if other not in found:
                found[other] = ASKED
                queue.append(other)
    # Where all rows are tied, those of a kind are among them.
    return {place: role for place, role in found.items() if place[2] is None or (*place[:2], None) not in found}


def _across(edge: Relationship, columns: tuple[int, ...], *, up: bool) -> Place | None:
    """The columns at the other end of an edge, where it has all of these."""
    pairs = edge.pairs[:-1] if edge.period else edge.pairs
    ends = {(pair.child if up else pair.parent).number: (pair.parent if up else pair.child).number for pair in pairs}
    if not ends.keys() >= set(columns):
        return None
    numbers = tuple(ends[number] for number in columns)
    return (edge.parent, numbers, None) if up else (edge.child, numbers, edge.only)


def _elsewhere(schema: Schema, size: int) -> Iterator[tuple[Place, str]]:
    """All unique keys of so many columns, the columns of foreign keys, and for one column the parts of larger keys."""
    keys: list[Place] = [
        (table.oid, tuple(part.number for part in index.columns), None)
        for table in schema.tables.values()
        for index in table.indexes
        if index.unique and index.valid and not index.has_expressions
    ]
    yield from ((key, UNIQUE) for key in keys if len(key[1]) == size)
    for edge in schema.edges.values():
        numbers = tuple(pair.child.number for pair in edge.pairs)
        if size == 1:
            yield from (((edge.child, (number,), None), FOREIGN) for number in numbers)
        elif size == len(numbers):
            yield (edge.child, numbers, None), FOREIGN
    if size == 1:
        yield from (((table, (number,), None), PART) for table, numbers, _ in keys for number in numbers)


def _reads(asked: Column, there: Column) -> str:
    """Whether the value of one column could be in another: `same` kind of type, an `other` one, or not at all."""
    one, two = _kind(asked), _kind(there)
    if one == two:
        return "same"
    return "other" if "text" in (one, two) and {one, two} <= {"text", "integer", "uuid"} else ""


def _kind(column: Column) -> str | TypeName:
    of = column.base_type or column.type
    if of.name in _TEXTS and (of.schema == "pg_catalog" or of.name == "citext"):
        return "text"
    if of.schema == "pg_catalog" and (of.name in _INTEGERS or of.name == "numeric"):
        return "integer"
    return "uuid" if of == TypeName("pg_catalog", "uuid") else of


def meant(only: Condition | None) -> list[str]:
    """SQL over a child as `c`: which of its rows an edge is about; nothing where it is about all."""
    return [] if only is None else [sql.written(holds(literal_column(f"c.{sql.name(only.column.name)}"), only))]


def condition(table: Table, columns: Sequence[Column], value: Key, only: Condition | None = None) -> str:
    """SQL over the table as `c`: which of its rows hold these values, each read as its column reads it.

    With `only`, of those that it means.
    """
    index = leading(table, columns)
    comparisons = meant(only)
    for text, column in zip(value, columns, strict=True):
        read, _ = as_read(text or "", column)
        collation = _collation(index, column)
        written = f"c.{sql.name(column.name)}"
        if collation is not None:
            written += f" COLLATE {sql.name(collation.schema, collation.name)}"
        comparisons.append(
            sql.compared(written, equality(column, index), sql.value(read, column.base_type or column.type))
        )
    return " AND ".join(comparisons)


def leading(table: Table, columns: Sequence[Column], only: Condition | None = None) -> Index | None:
    """An index that leads to the rows with a value of these columns; None where there is none.

    For the rows that `only` means, its column may stand before them.
    """
    return next(
        (index for index in table.indexes if _leads(index, columns) or _leads_behind(index, columns, only)), None
    )


def _target(schema: Schema, value: Key, place: Place, role: str, *, tied: bool) -> Target:
    table = schema.tables[place[0]]
    columns = tuple(table.column(number) for number in place[1])
    unread = next(
        (why for text, column in zip(value, columns, strict=True) if (why := as_read(text or "", column)[1])), ""
    )
    return Target(
        table,
        columns,
        role,
        tied,
        condition(table, columns, value, place[2]),
        indexed=leading(table, columns, place[2]) is not None,
        why_not=_closed(table, [*columns, *([place[2].column] if place[2] else [])], tied=tied) or unread,
        only=place[2],
    )


def _closed(table: Table, columns: Sequence[Column], *, tied: bool) -> str:
    """Why these columns are not searched whatever the value is."""
    if table.kind is TableKind.FOREIGN:
        return "foreign table"
    if not table.privileges.usage:
        return "no USAGE of its schema"
    if not all(column.may_select for column in columns):
        return "no SELECT"
    if table.row_security_active:
        return "row security"
    # A value that somebody types must not go into the server's log as a guess of a secret.
    if not tied and any(is_secret(column.name) for column in columns):
        return "named like a secret"
    return ""


def _leads_behind(index: Index, columns: Sequence[Column], only: Condition | None) -> bool:
    """Whether an index begins with the condition's column, and goes on as one that leads to the rows does."""
    # An enum is compared by its text, in whose order it has no index.
    if only is None or only.column.category not in "SN" or index.columns[0].number != only.column.number:
        return False
    return len(index.columns) > 1 and _leads(replace(index, columns=index.columns[1:]), columns)


def _leads(index: Index, columns: Sequence[Column]) -> bool:
    """Whether an index leads to the rows with a value of these columns."""
    numbers = {column.number: column for column in columns}
    first = numbers.get(index.columns[0].number)
    if first is None or not index.valid or index.method not in ("btree", "hash"):
        return False
    if index.partial and index.not_null_predicate not in numbers:
        return False
    own, other = first.collation, index.columns[0].collation
    return own == other or bool(own and other and own.deterministic and other.deterministic)


def _collation(index: Index | None, column: Column) -> Collation | None:
    """The collation to be written for an index to be used: equal is the same by every deterministic one."""
    if index is None or index.columns[0].number != column.number:
        return None
    collation = index.columns[0].collation
    return collation if collation != column.collation else None
