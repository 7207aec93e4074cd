"""SQL as text, whole: names quoted, operators with their schema, values as literals that no setting reads otherwise.

A fix is shown, copied, saved and run as one and the same text, so that nothing is bound to it later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, literal_column, select
from sqlalchemy.dialects import postgresql

from fkexplorer.orphans.predicate import EdgePredicate, Incomparable, operator
from fkexplorer.schema import names
from fkexplorer.schema.model import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.sql import ClauseElement

    from fkexplorer.schema.model import Column, Operator, Table, TypeName

# A paramstyle without percent signs: else those in names would come out doubled.
_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


def name(*parts: str) -> str:
    """`"schema"."table"`, always quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def table_name(table: Table) -> str:
    """`"schema"."table"`."""
    return name(table.schema, table.name)


def source(table: Table, alias: str) -> str:
    """The table under an alias, as FROM, DELETE FROM and UPDATE take it: ONLY, unless it is partitioned."""
    only = "" if table.kind is TableKind.PARTITIONED else "ONLY "
    return f"{only}{table_name(table)} AS {alias}"


def columns(some: Iterable[Column], alias: str = "") -> str:
    """`alias."a", alias."b"`."""
    return ", ".join(f"{alias}.{name(column.name)}" if alias else name(column.name) for column in some)


def literal(text: str | None) -> str:
    """A string literal, or NULL."""
    return "NULL" if text is None else names.literal(text)


def type_name(of: TypeName) -> str:
    """`"schema"."typname"`: without a length, so that a cast to it never cuts a value."""
    return name(of.schema, of.name)


def value(text: str | None, of: TypeName) -> str:
    """A value from its text, read by the type's input function."""
    return f"CAST({literal(text)} AS {type_name(of)})"


def compared(left: str, by: Operator, right: str) -> str:
    """`left OPERATOR(schema.name) right`."""
    return f"{left} OPERATOR({name(by.schema)}.{by.name}) {right}"


def differs(old: str, new: str) -> str:
    """Whether one of the values, listed between commas, changes: byte for byte, as PostgreSQL looks at referenced keys.

    The types have to be the same.
    """
    return f"ROW({old})::record OPERATOR(pg_catalog.*<>) ROW({new})::record"


def same_key(predicate: EdgePredicate) -> ColumnElement[bool]:
    """Which row of `c` names which row of `p`; for a PERIOD, whose ranges overlap. Rows that are not meant name none.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    comparisons = []
    for pair, parent, child in zip(predicate.edge.pairs, predicate.parent_keys, predicate.child_keys, strict=True):
        if pair.equals is None:
            raise Incomparable
        comparisons.append(operator(parent, pair.equals, child))
    return and_(*predicate.meant, *comparisons)


def written(element: ClauseElement) -> str:
    """An expression or a statement as text."""
    return str(element.compile(dialect=_DIALECT))


def condition(predicate: EdgePredicate, wanted: ColumnElement[bool], *, of_parent: bool = False) -> str:
    """A condition as text: what follows WHERE in a statement whose FROM is the predicate's child, or its parent."""
    # By itself it would be compiled as if its sub-selects had to name `c` (or `p`) themselves.
    statement: Select[Any] = select(literal_column("1")).select_from(predicate.parent if of_parent else predicate.child)
    return written(statement.where(wanted)).removeprefix(f"{written(statement)} \nWHERE ")


def any_of(rows: Sequence[Sequence[str | None]], of: Sequence[TypeName], equals: Sequence[str]) -> str:
    """Whether a row is one of these, by their keys.

    Args:
        rows: the keys' values as text.
        of: the type of each part of a key.
        equals: for each part a comparison, in which `m."k0"`, `m."k1"`, … are the key's.
    """
    return f"EXISTS (SELECT 1 FROM {values(rows, of)} WHERE {' AND '.join(equals)})"


def values(rows: Sequence[Sequence[str | None]], of: Sequence[TypeName]) -> str:
    """`(VALUES …) AS m ("k0", "k1", …)`."""
    listed = ", ".join(f"({', '.join(value(text, each) for text, each in zip(row, of, strict=True))})" for row in rows)
    return f"(VALUES {listed}) AS m ({', '.join(name(f'k{at}') for at in range(len(of)))})"
