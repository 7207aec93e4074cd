"""The two sides of a foreign key that could not be made, as far as a text and the catalogue tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Evidence
from fkexplorer.diagnosis.named_there import Told
from fkexplorer.schema.names import columns_label, find_column, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.named_there import Name
    from fkexplorer.schema.model import Column, Table


_SHOWN = 5
"""Tables that are named in one sentence."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides; None, or no columns, where they are not known or not there."""

    child: Table | None
    columns: tuple[Column, ...]
    parent: Table | None
    parent_columns: tuple[Column, ...]

    @property
    def whole(self) -> bool:
        """Whether each column of the child has one of the parent's."""
        return bool(self.child and self.parent and self.columns) and len(self.columns) == len(self.parent_columns)

    @property
    def child_label(self) -> str:
        """The child with its columns, as far as they are known."""
        return _label(self.child, self.columns)

    @property
    def parent_label(self) -> str:
        """The same of the parent."""
        return _label(self.parent, self.parent_columns)


def _label(table: Table | None, columns: Sequence[Column]) -> str:
    if table is None:
        return "a table that is not here"
    return columns_label(table, columns) if columns else table_label(table)


def sides_of(case: Case) -> Sides:
    """The sides of the edge, or of the only candidate, or those that the names of the text lead to."""
    schema, edge = case.schema, case.edge
    if edge is not None:
        return Sides(
            schema.child_of(edge),
            tuple(pair.child for pair in edge.pairs),
            schema.parent_of(edge),
            tuple(pair.parent for pair in edge.pairs),
        )
    told = Told.of(case.error)
    child, parent = table_named(case, told.child), table_named(case, told.parent)
    columns, parent_columns = columns_named(child, told.child_columns), columns_named(parent, told.parent_columns)
    if len(case.placed.candidates) == 1:
        [guess] = case.placed.candidates
        guessed = schema.tables.get(guess.child or 0), schema.tables.get(guess.parent or 0)
        child, parent = child or guessed[0], parent or guessed[1]
        if child is not None and child is guessed[0]:
            columns = columns or tuple(child.column(number) for number in guess.child_columns)
        if parent is not None and parent is guessed[1]:
            parent_columns = parent_columns or tuple(parent.column(number) for number in guess.parent_columns)
    if parent is not None and not parent_columns and told.parent_columns is None and parent.primary_key:
        # REFERENCES without columns means the primary key.
        key = tuple(parent.column(number) for number in parent.primary_key.columns)
        parent_columns = key if told.defined or len(key) == len(columns) else ()
    return Sides(child, columns, parent, parent_columns)


def tables_named(case: Case, name: Name | None) -> list[Table]:
    """The tables that a name of the text may mean: of its schema where it tells one that has such a table."""
    if name is None:
        return []
    every = list(case.schema.tables.values())
    form = name.among({each.name for each in every})
    found = [each for each in every if each.name == form]
    return [each for each in found if each.schema == name.schema] or found


def table_named(case: Case, name: Name | None) -> Table | None:
    """The one table that a name of the text means; None where there is none or several."""
    found = tables_named(case, name)
    return found[0] if len(found) == 1 else None


def columns_named(table: Table | None, names: Sequence[str] | None) -> tuple[Column, ...]:
    """These columns of a table; none where one of them is not there."""
    if table is None or not names:
        return ()
    found = [
        next((each for each in table.columns if each.name == name), None) or find_column(table, name) for name in names
    ]
    return tuple(column for column in found if column is not None) if all(found) else ()


def ambiguous(case: Case, name: Name | None) -> Evidence | None:
    """That a name of the text means several tables; None where it does not."""
    found = tables_named(case, name)
    if len(found) < 2:
        return None
    listed = ", ".join(table_label(each) for each in found[:_SHOWN])
    text = f"The text may mean one of {len(found)} tables: {listed}."
    return of_catalogue(case, "table_ambiguous", text, result=f"{len(found)} tables", weight=80)


def of_catalogue(
    ground: Ground, code: str, text: str, *, result: str = "", weight: int = 90, query: str = ""
) -> Evidence:
    """What the catalogue says, as of its reading."""
    return Evidence(code, text, ground.schema.loaded_at, "the catalogue", query, result, weight=weight)
