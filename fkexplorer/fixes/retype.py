"""The fix that gives a column the type of the other side, so that the two can be compared, or are the same.

It is one statement, which rewrites the table under a lock unless the values stay as they are on the disk (tried on 12
to 18: varchar and text to text, or to a varchar that is no shorter).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE
from fkexplorer.fixes.model import DdlStep, Lock
from fkexplorer.fixes.rows import impossible, incomplete, named
from fkexplorer.fixes.standing import Standing, types_query
from fkexplorer.schema.model import TableKind, TypeName
from fkexplorer.schema.names import condition_text, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Request, Step
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

CHILD, PARENT = "child", "parent"
SIDES = (CHILD, PARENT)
"""Which side changes."""
_LENGTH = re.compile(r"\((\d+)\)$")
_WIDTHS = {"int2": 2, "int4": 4, "int8": 8}
_DEFAULT = TypeName("pg_catalog", "default")
_BESIDE = " beside "
"""Between the types of the side that changes and those of the other one."""


@dataclass(frozen=True, slots=True)
class Retype:
    """A column that gets another type."""

    column: Column
    to: Column
    """The column of the other side, whose type it gets."""

    @property
    def rewrites(self) -> bool:
        """Whether the values are written anew: all but strings without an end, and those whose end moves out."""
        old, new = (column.type for column in (self.column, self.to))
        texts = {TypeName("pg_catalog", "text"), TypeName("pg_catalog", "varchar")}
        if not {old, new} <= texts:
            return True
        limit, had = _length(self.to), _length(self.column)
        return limit is not None and (had is None or had > limit)

    @property
    def widens(self) -> bool:
        """Whether it is a larger integer, which needs no expression, and leaves the default as it is."""
        old, new = (_WIDTHS.get(column.type.name) for column in (self.column, self.to))
        return old is not None and new is not None and old < new

    @property
    def by_text(self) -> bool:
        """Whether the values go by their text: no cast of the types' own rounds or cuts them then."""
        return not self.widens and not (self.column.category == "S" and self.to.category == "S")

    def clauses(self, default: str | None) -> list[str]:
        """The pieces of ALTER TABLE.

        Args:
            default: the column's default as SQL; None where it has none.
        """
        alter = f"ALTER COLUMN {sql.name(self.column.name)}"
        own = sql.name(self.column.name)
        pieces = [f"{alter} TYPE {self.to.type_text}"]
        if of := _collation(self.to):
            pieces[0] += f" COLLATE {of}"
        if self.by_text:
            pieces[0] += f" USING CAST(CAST({own} AS pg_catalog.text) AS {sql.type_name(self.to.type)})"
            if default is not None:
                new = f"CAST(CAST(({default}) AS pg_catalog.text) AS {sql.type_name(self.to.type)})"
                pieces = [f"{alter} DROP DEFAULT", *pieces, f"{alter} SET DEFAULT {new}"]
        return pieces


def retyped_table(schema: Schema, request: Request) -> Table:
    """The table whose columns change.

    Raises:
        Trouble: there is no such side (`incomplete`).
    """
    if request.side not in {"", *SIDES}:
        raise incomplete(f"there is no side {request.side!r}", f"it is {' or '.join(SIDES)}")
    return schema.parent_of(request.edge) if request.side == PARENT else schema.child_of(request.edge)


def retypes(edge: Relationship, side: str) -> tuple[Retype, ...]:
    """The columns that change: those that can't be compared; where all can, those whose types are two all the same."""
    off = [pair for pair in edge.pairs if pair.equals is None]
    off = off or [pair for pair in edge.pairs if pair.child.type != pair.parent.type]
    sides = [(pair.parent, pair.child) if side == PARENT else (pair.child, pair.parent) for pair in off]
    return tuple(Retype(column, to) for column, to in sides)


OWN_COLUMN = "give each table that is referred to a column of its own first"
"""The way out where a pair is for some rows of its child only."""


def of_other_rows(edge: Relationship, side: str) -> str:
    """Why the child's columns can't change, of an edge that is for some of its rows only; empty where they can."""
    if edge.only is None or side == PARENT:
        return ""
    return f"a type is of every row, and this pair is for those with {condition_text(edge.only)} only"


def change_type(schema: Schema, request: Request, beside: Beside) -> tuple[Step, ...]:
    """Give the columns of one side the types of the other; no step where they have them.

    Raises:
        Trouble: the side is none (`incomplete`), or its columns can't change (`impossible`).
    """
    table, changes = retyped_table(schema, request), retypes(request.edge, request.side)
    if not changes:
        return ()
    if table.kind is TableKind.FOREIGN:
        raise impossible(f"{table_label(table)} is a foreign table", "change the type where the rows are")
    if reason := of_other_rows(request.edge, request.side):
        raise impossible(reason, OWN_COLUMN)
    if generated := [each.column for each in changes if each.column.generated]:
        raise impossible(f"{named(generated)} is generated", "change the columns that it is made of")
    if counted := [each for each in changes if each.column.identity and not each.widens]:
        raise impossible(
            f"{named(each.column for each in counted)} is an identity, which is an integer", "change the other side"
        )
    clauses = [clause for each in changes for clause in each.clauses(beside.hanging.defaults.get(each.column.number))]
    columns, others = tuple(each.column for each in changes), tuple(each.to for each in changes)
    old, new = (", ".join(column.type_text for column in some) for some in (columns, others))
    other = schema.child_of(request.edge) if request.side == PARENT else schema.parent_of(request.edge)
    # Both sides: it is no use to give one the type that the other had.
    standing = f"SELECT ({types_query(table, columns)}) || {sql.literal(_BESIDE)} || ({types_query(other, others)})"
    statements = [f"ALTER TABLE {sql.table_name(table)} {', '.join(clauses)}"]
    statements += [f"ALTER SEQUENCE {name} AS {kind}" for name, kind in beside.hanging.sequences]
    step = DdlStep(
        f"change {named(columns)} of {table_label(table)} to {new}",
        tuple(statements),
        _locks(table, beside.hanging.bound, rewrites=any(each.rewrites for each in changes)),
        _undo(changes, beside.hanging.defaults),
        standing=Standing(standing, (f"{old}{_BESIDE}{new}",), (f"{new}{_BESIDE}{new}",)),
    )
    return (step,)


def _locks(table: Table, bound: Iterable[int], *, rewrites: bool) -> tuple[Lock, ...]:
    """The table's own, and those of the tables at the other end of its foreign keys, which are made anew with it."""
    long = " while the table is written anew" if rewrites else " for a moment: no row is written"
    own = Lock(table.oid, ACCESS_EXCLUSIVE, f"all others wait, reads too,{long}")
    others = sorted(oid for oid in bound if oid != table.oid)
    return (
        own,
        *(Lock(oid, ACCESS_EXCLUSIVE, f"as its foreign key is looked at again: {own.blocks}") for oid in others),
    )


def _undo(changes: tuple[Retype, ...], defaults: Mapping[int, str]) -> str:
    pieces = []
    for each in changes:
        own, old, default = quote(each.column.name), each.column.type_text, defaults.get(each.column.number)
        if of := _collation(each.column):
            old += f" COLLATE {of}"
        using = f" USING {own}::{each.column.type_text}" if each.by_text else ""
        anew = each.by_text and default is not None
        pieces += [f"ALTER COLUMN {own} DROP DEFAULT"] if anew else []
        pieces.append(f"ALTER COLUMN {own} TYPE {old}{using}")
        pieces += [f"ALTER COLUMN {own} SET DEFAULT {default}"] if anew else []
    return f"ALTER TABLE … {', '.join(pieces)} takes it back, with the values as the new type writes them"


def _collation(column: Column) -> str:
    """The column's collation as SQL; empty for that of the database."""
    known = column.collation
    return sql.name(known.schema, known.name) if known and TypeName(known.schema, known.name) != _DEFAULT else ""


def _length(column: Column) -> int | None:
    found = _LENGTH.search(column.type_text)
    return int(found[1]) if found else None
