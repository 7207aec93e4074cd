"""Keys of an error as conditions: the rows of either side that hold them, compared as the constraint compares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.database.lines import one_line
from fkexplorer.diagnosis.asking import Look
from fkexplorer.diagnosis.trace_targets import equality as own_equality
from fkexplorer.diagnosis.trace_targets import leading, meant
from fkexplorer.fixes import sql
from fkexplorer.orphans.predicate import Incomparable
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.names import condition_text, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.model import Column, ColumnPair, Operator, Relationship, Schema, Table

MOST = 10_000
"""Rows of one key that are told: that there are more is all that a person needs to know."""
_COUNTED = MOST + 1
_DATES = frozenset(TypeName("pg_catalog", each) for each in ("date", "timestamp", "timestamptz"))
_ISO = re.compile(r"\d{4,}-\d\d-\d\d.*|-?infinity")
_MASKED = "(secret)"
_WIDTH = 60
"""Characters of a value in a sentence."""


def parent_look(schema: Schema, edge: Relationship, key: Key) -> Look:
    """How many rows of the parent a child with this key has; of a PERIOD, 1 where they cover it and else 0.

    Args:
        schema: the schema that the edge is of.
        edge: the edge.
        key: the child's values, in the order of the edge's pairs, none of them NULL.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    table = schema.parent_of(edge)
    given = [_read(pair.child, text) for pair, text in zip(edge.pairs, key, strict=True)]
    rows = f"FROM {sql.source(table, 'p')}\n WHERE {_same(edge, _of_parent(edge), given)}"
    if edge.period:
        ranges = f"pg_catalog.range_agg(p.{sql.name(edge.pairs[-1].parent.name)})"
        rows = f"FROM (SELECT 1 {rows}\n HAVING {given[-1]} OPERATOR(pg_catalog.<@) {ranges}) AS covered"
    columns = [pair.parent for pair in edge.pairs]
    own, other = sides(edge, of_parent=False)
    secret = secrets(own, key, other)
    return Look(f"SELECT pg_catalog.count(*) {rows}", table, tuple(columns), secret)


def child_look(schema: Schema, edge: Relationship, key: Key) -> Look:
    """How many rows of the child hold this key, `MOST` and one at most; the key is the child's own."""
    table, (own, other) = schema.child_of(edge), sides(edge, of_parent=False)
    by = [equality(table, pair.child, pair) for pair in edge.pairs]
    same = [holds("c", column, text, each) for column, text, each in zip(own, key, by, strict=True)]
    query = _counted(sql.source(table, "c"), [*meant(edge.only), *same], _COUNTED)
    return Look(query, table, _led_by(table, edge), secrets(own, key, other))


def children_look(schema: Schema, edge: Relationship, key: Key) -> Look:
    """How many rows of the child refer to the parent with this key, `MOST` and one at most.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    table = schema.child_of(edge)
    given = [_read(pair.parent, text) for pair, text in zip(edge.pairs, key, strict=True)]
    own, other = sides(edge, of_parent=True)
    secret = secrets(own, key, other)
    query = _counted(sql.source(table, "c"), [*meant(edge.only), _same(edge, given, _of_child(edge))], _COUNTED)
    return Look(query, table, _led_by(table, edge), secret)


def keys_look(schema: Schema, edge: Relationship, keys: Sequence[Key], *, of_parent: bool) -> Look:
    """How many of these keys miss their parent, or, where they are parents' own, are referred to; not for a PERIOD.

    Args:
        schema: the schema that the edge is of.
        edge: the edge.
        keys: none with a NULL in it.
        of_parent: whether they are the parent's.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    own, looked = sides(edge, of_parent=of_parent)
    table = schema.child_of(edge) if of_parent else schema.parent_of(edge)
    given = [f"m.{sql.name(f'k{at}')}" for at in range(len(own))]
    same = _same(edge, given, _of_child(edge)) if of_parent else _same(edge, _of_parent(edge), given)
    same = " AND ".join([*(meant(edge.only) if of_parent else ()), same])
    found = f"EXISTS (SELECT 1 FROM {sql.source(table, 'c' if of_parent else 'p')} WHERE {same})"
    listed = sql.values(keys, [column.base_type or column.type for column in own])
    query = f"SELECT pg_catalog.count(*) FROM {listed}\n WHERE {found if of_parent else f'NOT {found}'}"
    led_by = _led_by(table, edge) if of_parent else tuple(looked)
    return Look(query, table, led_by, tuple(text for key in keys for text in secrets(own, key, looked)))


def rows_look(
    table: Table, columns: Sequence[Column], values: Key, by: Sequence[Operator], most: int | None = None
) -> Look:
    """How many rows of a table have these values.

    Args:
        table: the table.
        columns: its columns.
        values: one for each of them, as text; None for NULL.
        by: the operator for each of them.
        most: where to stop counting; None for all.
    """
    conditions = [holds("c", column, text, each) for column, text, each in zip(columns, values, by, strict=True)]
    query = _counted(sql.source(table, "c"), conditions, most)
    return Look(query, table, tuple(columns), secrets(columns, values))


def equality(table: Table, column: Column, pair: ColumnPair | None = None) -> Operator:
    """By which operator a column is compared with a value of its own type.

    That is the edge's own where it compares like with like, else an index's, else that of its type's schema.
    """
    if pair and pair.equals and pair.equals.name == "=" and pair.equals.left == pair.equals.right:
        return pair.equals
    index = next((index for index in table.indexes if column.number in {part.number for part in index.columns}), None)
    return own_equality(column, index)


def holds(alias: str, column: Column, text: str | None, by: Operator) -> str:
    """A condition: the column has that value, read by its type (under a domain, the base type)."""
    own = f"{alias}.{sql.name(column.name)}"
    if text is None:
        return f"{own} IS NULL"
    return sql.compared(_cast(own, column, by.left), by, _cast(_read(column, text), column, by.left))


def holds_any(alias: str, column: Column, texts: Sequence[str], by: Operator) -> str:
    """A condition: the column has one of these values; an index serves it."""
    own = _cast(f"{alias}.{sql.name(column.name)}", column, by.left)
    listed = ", ".join(_cast(_read(column, text), column, by.left) for text in texts)
    return f"{own} OPERATOR({sql.name(by.schema)}.{by.name}) ANY (ARRAY[{listed}])"


def of_another_style(columns: Sequence[Column], values: Key) -> bool:
    """Whether a date is among the values that was printed under another DateStyle than ISO: 01/02/2024 is two days."""
    pairs = zip(columns, values, strict=True)
    dates = [text for column, text in pairs if text is not None and (column.base_type or column.type) in _DATES]
    return not all(_ISO.fullmatch(text) for text in dates)


def count_text(number: int) -> str:
    """`0 rows`, `1 row`, `more than 10,000 rows`."""
    if number > MOST:
        return f"more than {MOST:,} rows"
    return f"{number:,} row{'' if number == 1 else 's'}"


def secrets(columns: Sequence[Column], values: Sequence[str | None], also: Sequence[Column] = ()) -> tuple[str, ...]:
    """The literals of those values whose columns, or the others that hold the same values, are named like secrets."""
    marks = _secret(columns, also)
    return tuple(sql.literal(text) for text, secret in zip(values, marks, strict=True) if text is not None and secret)


def key_text(columns: Sequence[Column], values: Key, also: Sequence[Column] = ()) -> str:
    """`id = 7`, or `(a, b) = (1, NULL)`: on one line, cut, and without secrets.

    Args:
        columns: by whose names it is told.
        values: one for each of them.
        also: those of an edge's other side: a value is a secret by either name.
    """
    shown = [
        _MASKED if secret and text is not None else value_text(column, text)
        for column, text, secret in zip(columns, values, _secret(columns, also), strict=True)
    ]
    names = [quote(column.name) for column in columns]
    if len(names) == 1:
        return f"{names[0]} = {shown[0]}"
    return f"({', '.join(names)}) = ({', '.join(shown)})"


def sides(edge: Relationship, *, of_parent: bool) -> tuple[list[Column], list[Column]]:
    """The columns of one side of an edge, and those of the other."""
    child, parent = [pair.child for pair in edge.pairs], [pair.parent for pair in edge.pairs]
    return (parent, child) if of_parent else (child, parent)


def edge_text(edge: Relationship, key: Key, *, of_parent: bool) -> str:
    """A key by the names of one side; see `key_text`."""
    own, other = sides(edge, of_parent=of_parent)
    return key_text(own, key, other)


def value_text(column: Column, text: str | None) -> str:
    """A value in a sentence: in quotes where its end could be mistaken, or spaces around it be overlooked."""
    if text is None:
        return "NULL"
    if is_secret(column.name):
        return _MASKED
    line = one_line(f"'{text}'")
    line = line if not text or text != text.strip() or "," in text else line[1:-1]
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}…"


def child_text(schema: Schema, edge: Relationship) -> str:
    """The child, and of an edge that is about some of its rows which: `public.notes with on_type = 'Post'`."""
    table = table_label(schema.child_of(edge))
    return f"{table} with {condition_text(edge.only)}" if edge.only else table


def _led_by(table: Table, edge: Relationship) -> tuple[Column, ...]:
    """The columns of which an index of the child has to begin with one, to lead to the rows of a key."""
    own = tuple(pair.child for pair in edge.pairs)
    # By itself the condition's column leads to all rows of a kind; in an index with the key behind it, to those.
    if edge.only is None or leading(table, own) or not leading(table, own, edge.only):
        return own
    return (*own, edge.only.column)


def _counted(source: str, conditions: Sequence[str], most: int | None) -> str:
    rows = f"FROM {source}\n WHERE {' AND '.join(conditions)}"
    if most is not None:
        rows = f"FROM (SELECT 1 {rows} LIMIT {most}) AS found"
    return f"SELECT pg_catalog.count(*) {rows}"


def _secret(columns: Sequence[Column], also: Sequence[Column]) -> list[bool]:
    """Whether each is named like a secret, or the one that is beside it."""
    others = also or columns
    return [is_secret(one.name) or is_secret(other.name) for one, other in zip(columns, others, strict=True)]


def _same(edge: Relationship, parents: Sequence[str], children: Sequence[str]) -> str:
    """That the values of a parent are those of a child, compared as the constraint does."""
    conditions = []
    for pair, parent, child in zip(edge.pairs, parents, children, strict=True):
        if pair.equals is None:
            raise Incomparable
        compared = _cast(child, pair.child, pair.child_cast)
        if pair.collate:
            compared += f" COLLATE {sql.name(pair.collate.schema, pair.collate.name)}"
        conditions.append(sql.compared(_cast(parent, pair.parent, pair.parent_cast), pair.equals, compared))
    return " AND ".join(conditions)


def _of_parent(edge: Relationship) -> list[str]:
    return [f"p.{sql.name(pair.parent.name)}" for pair in edge.pairs]


def _of_child(edge: Relationship) -> list[str]:
    return [f"c.{sql.name(pair.child.name)}" for pair in edge.pairs]


def _read(column: Column, text: str | None) -> str:
    return sql.value(text, column.base_type or column.type)


def _cast(value: str, column: Column, to: TypeName | None) -> str:
    """The value as the operator takes it; as it is where it is of that type already, or under its domain."""
    return value if to is None or to == (column.base_type or column.type) else f"CAST({value} AS {sql.type_name(to)})"
