"""What a column can refer to: keys that PostgreSQL lets a foreign key name, of tables that are worth naming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.inference.vocabulary import AFTERWARDS, LEFT_OVER, NO_KEY_TYPES
from fkexplorer.inference.words import same, words
from fkexplorer.schema.model import TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.model import Column, Table, TypeName


@dataclass(frozen=True, slots=True)
class Target:
    """A key of a table."""

    table: Table
    columns: tuple[Column, ...]
    """In the key's order."""
    primary: bool

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its columns."""
        return tuple(column.number for column in self.columns)


def under_domain(column: Column) -> TypeName:
    """The column's type, that under a domain where it is of one."""
    return column.base_type or column.type


def may_hold_keys(column: Column) -> bool:
    """Whether a column's type is one that keys have: whole numbers, text, uuid and more."""
    return column.category not in "ABDGIRTVXZ" and under_domain(column).name not in NO_KEY_TYPES


def targets_of(table: Table) -> list[Target]:
    """All keys of a table that a foreign key can name, the primary key first, then by columns.

    Unique, valid, of columns alone, for all rows, and checked at once (`transformFkeyCheckAttrs`).
    """
    if table.kind is TableKind.FOREIGN or table.persistence == "t":
        return []
    found: dict[frozenset[int], Target] = {}
    deferrable = {key.index for key in table.keys if key.deferrable}
    sides = [(key.columns, key.primary) for key in table.keys if not key.deferrable]
    sides += [
        (tuple(column.number for column in index.columns), index.primary)
        for index in table.indexes
        if index.unique
        and index.valid
        and index.immediate
        and not (index.partial or index.has_expressions or (index.oid and index.oid in deferrable))
    ]
    for numbers, primary in sorted(sides, key=lambda side: (not side[1], len(side[0]), side[0])):
        columns = tuple(table.column(number) for number in numbers)
        if columns and all(map(may_hold_keys, columns) if len(columns) == 1 else map(_may_be_part, columns)):
            found.setdefault(frozenset(numbers), Target(table, columns, primary))
    return list(found.values())


def _may_be_part(column: Column) -> bool:
    return column.category not in "AGX" and under_domain(column).name not in NO_KEY_TYPES


def sole_key(table: Table) -> int | None:
    """The number of the only column of a table's primary key; None where there is none, or several columns."""
    key = table.primary_key
    if key is not None:
        return key.columns[0] if len(key.columns) == 1 else None
    index = next((index for index in table.indexes if index.primary), None)
    return index.columns[0].number if index and len(index.columns) == 1 else None


class Kinds:
    """Which tables are copies of others, or follow them."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._names = {same(words(table.name)) for table in tables}

    def left_over(self, table: Table) -> bool:
        """Whether it is a copy of another, as `users_bak`, `tmp_users`, `users_20240131`: it has no part in guesses."""
        parts = words(table.name)
        if len(parts) < 2:
            return False
        digits = "".join(part for part in parts[-3:] if part.isdigit())
        if len(digits) >= 6 and parts[-1].isdigit():
            return True
        if parts[-1].isdigit():
            parts = parts[:-1]
        return (parts[-1] in LEFT_OVER and same(parts[:-1]) in self._names) or (
            parts[0] in LEFT_OVER and same(parts[1:]) in self._names
        )

    def follows(self, table: Table) -> bool:
        """Whether it keeps what happened to another, as `users_history`.

        It refers to others, and none to it, unless by its whole name.
        """
        parts = words(table.name)
        return len(parts) > 1 and parts[-1] in AFTERWARDS and same(parts[:-1]) in self._names
