"""The tables and edges that a command's arguments name: whoever names none, or several, is told what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.config.lines import nearest
from fkexplorer.database.model import Trouble
from fkexplorer.reports.values import number
from fkexplorer.schema.model import Condition
from fkexplorer.schema.names import (
    edge_label,
    find_column,
    find_edges,
    find_tables,
    quote,
    similar_edges,
    similar_tables,
    split_condition,
    split_pair,
    table_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

_SAID = 10
"""Problems that are said one by one."""


def one_table(schema: Schema, text: str) -> Table:
    """The table of that name.

    Raises:
        Trouble: there is none (`no_table`), or several (`ambiguous`).
    """
    found = find_tables(schema, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise Trouble(
            f"{text} is the name of {len(found)} tables",
            f"say which: {', '.join(table_label(table) for table in found[:5])}",
            code="ambiguous",
        )
    near = similar_tables(schema, text)
    hint = f"did you mean {' or '.join(near)}?" if near else "`fkexplorer check` lists foreign keys with their tables"
    raise Trouble(f"there is no table {text}", hint, code="no_table")


def one_edge(schema: Schema, text: str) -> Relationship:
    """The foreign key of that name.

    Raises:
        Trouble: there is none (`no_edge`), or several (`ambiguous`).
    """
    found = find_edges(schema, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise Trouble(
            f"{text} is the name of {len(found)} foreign keys",
            f"say which: {', '.join(edge_label(schema, edge) for edge in found[:5])}",
            code="ambiguous",
        )
    near = similar_edges(schema, text)
    hint = f"did you mean {' or '.join(near)}?" if near else "a foreign key is schema.table.constraint or table(column)"
    raise Trouble(f"there is no foreign key {text}", hint, code="no_edge")


async def known_schema(database: Database, settings: Settings, console: Console) -> Schema:
    """The catalogue with the relationships that are configured; those that are not there are told.

    Raises:
        Trouble: the server refused a statement, or the connection is lost.
    """
    from fkexplorer.known.bind import read_known  # noqa: PLC0415 - the names alone do without

    console.progress("reading the catalogue")
    known = await read_known(database, settings)
    say_all(console, known.problems)
    return known.schema


def say_all(console: Console, problems: Sequence[str]) -> None:
    """Say what is wrong, a line each; of very many that there are more."""
    for problem in problems[:_SAID]:
        console.say(problem)
    if len(problems) > _SAID:
        console.say(f"and {number(len(problems) - _SAID, 'more problem')} like these")


async def edge_or_pair(database: Database, schema: Schema, text: str, *, incomparable: bool = False) -> Relationship:
    """The foreign key of that name, or the edge that a pair `table(col, …):table(col, …)` makes.

    Behind a pair may stand ` [column=value]`, as `edge_label` writes it: it is for those rows of the child only.

    Args:
        database: whom to ask how the columns of a pair are compared.
        schema: where the names are looked for.
        text: the name, or the pair.
        incomparable: whether a pair that can't be compared is an edge too: its types can be changed.

    Raises:
        Trouble: a name is none or several, or the pair cannot be compared.
    """
    named, condition = split_condition(text)
    pair = split_pair(named)
    if pair is None:
        return one_edge(schema, text)
    from fkexplorer.database.postgresql.pairs import read_pair  # noqa: PLC0415 - few need it

    child, parent = ((table := one_table(schema, name), _columns(table, columns)) for name, columns in pair)
    only = Condition(one_column(child[0], condition[0]), condition[1]) if condition else None
    return await read_pair(database, schema, child, parent, only=only, incomparable=incomparable)


def one_column(table: Table, text: str) -> Column:
    """The column of that name.

    Raises:
        Trouble: there is none (`no_column`).
    """
    found = find_column(table, text)
    if found is None:
        raise Trouble(
            f"{table_label(table)} has no column {text}",
            nearest(text, [quote(column.name) for column in table.columns]),
            code="no_column",
        )
    return found


def _columns(table: Table, names: list[str]) -> list[Column]:
    return [one_column(table, name) for name in names]
