"""Pairs that no operator compares: which values of the child the parent's type reads, and which have a parent.

Those that it does not read are told apart from orphans: they are something else to mend.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.schema.model import Operator, TableKind, TypeName
from fkexplorer.schema.names import literal

if TYPE_CHECKING:
    from fkexplorer.schema.model import Column, ColumnPair, Relationship, Schema, Table

_INPUT_IS_VALID = 160000
"""pg_input_is_valid came with PostgreSQL 16."""
_UUID = r"^({[0-9a-f]{4}(-?[0-9a-f]{4}){7}}|[0-9a-f]{4}(-?[0-9a-f]{4}){7})$"
"""What `string_to_uuid` (uuid.c) reads: 16 bytes, a hyphen after every second one if need be, braces around all."""
_INTEGER = r"^\s*[-+]?[0-9]+\s*$"
"""What `pg_strtoint32` and its kin (numutils.c) read before PostgreSQL 16."""
_RANGES = {"int2": (-(2**15), 2**15 - 1), "int4": (-(2**31), 2**31 - 1), "int8": (-(2**63), 2**63 - 1)}
_LENGTH = re.compile(r"\((\d+)\)$")


def castable(column: Column, to: Column, version: int, alias: str) -> str | None:
    """A condition: the column's value, as text, is one of the other column's type. It fails on no value.

    Args:
        column: whose value it is, of the row `alias`; NULL gives NULL.
        to: the column of the other type.
        version: the server's `server_version_num`.
        alias: of the row.

    Returns:
        None where no such condition can be written: PostgreSQL 16 is the first that tells of any type.
    """
    text = _text(column, alias)
    of = to.base_type or to.type
    if to.category == "S" and to.base_type is None:
        length = _LENGTH.search(to.type_text)
        return f"(pg_catalog.char_length({text}) OPERATOR(pg_catalog.<=) {length[1]})" if length else "true"
    if version >= _INPUT_IS_VALID:
        return f"pg_catalog.pg_input_is_valid({text}, {literal(to.type_text)})"
    if to.base_type is not None or of.schema != "pg_catalog":
        return None  # a domain has a CHECK of its own
    # A collation may be one that patterns are refused under.
    plain = f'{text} COLLATE pg_catalog."C"'
    if of == TypeName("pg_catalog", "uuid"):
        return f"({plain} OPERATOR(pg_catalog.~*) {literal(_UUID)})"
    if of.name in _RANGES:
        least, greatest = _RANGES[of.name]
        return (
            f"CASE WHEN {plain} OPERATOR(pg_catalog.~) {literal(_INTEGER)}"
            f" THEN CAST({text} AS pg_catalog.numeric) BETWEEN {least} AND {greatest} ELSE false END"
        )
    return None


def one_array(column: Column, other: Column) -> bool:
    """Whether one of the two is an array, or a domain over one, and the other is none (`pg_type.typcategory`).

    Texts may hold what an array is written as: they can be read as one.
    """
    return (column.category == "A") is not (other.category == "A") and column.category != "S"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Conditions over a row `c` of the child of an edge whose columns can't be compared; none of them fails."""

    uncastable: str
    """A part of its key is no value of the parent's type."""
    orphan: str
    """Its key, read as the parent's types, is in no row of the parent."""
    either: str
    """One of the two."""


def misfit(schema: Schema, edge: Relationship, version: int) -> Misfit | None:
    """The conditions of an edge of which `equals` of a pair is None.

    Returns:
        None where this server can't tell what casts, see `castable`, or one column is an array: it holds keys and is
        none, so that its rows are neither orphans nor such as do not cast.
    """
    parent = schema.parent_of(edge)
    present, valid, compared = [], [], []
    if edge.only is not None:
        present.append(f"{_text(edge.only.column, 'c')} OPERATOR(pg_catalog.=) {literal(edge.only.value)}")
    for pair in edge.pairs:
        present.append(f"c.{_name(pair.child.name)} IS NOT NULL")
        if pair.equals is not None:
            compared.append(_compared(pair))
            continue
        reads = None if one_array(pair.child, pair.parent) else castable(pair.child, pair.parent, version, "c")
        if reads is None:
            return None
        valid.append(reads)
        by = _equality(parent, pair.parent)
        value = f"CAST({_text(pair.child, 'c')} AS {_type(pair.parent.type)})"
        own = f"p.{_name(pair.parent.name)}"
        compared.append(f"{own} OPERATOR({_name(by.schema)}.{by.name}) {value}")
    of_parent = f"{'' if parent.kind is TableKind.PARTITIONED else 'ONLY '}{_name(parent.schema)}.{_name(parent.name)}"
    whole, reads = " AND ".join(present), " AND ".join(valid)
    # CASE keeps the cast away from values that would make it fail.
    found = f"EXISTS (SELECT 1 FROM {of_parent} AS p WHERE {' AND '.join(compared)})"  # noqa: S608 - all quoted
    case = f"{whole} AND CASE WHEN {reads} THEN NOT {found} ELSE"
    return Misfit(f"{whole} AND NOT ({reads})", f"{case} false END", f"{case} true END")


def _compared(pair: ColumnPair) -> str:
    """A pair that can be compared, as the edge compares it."""
    by = pair.equals
    assert by is not None  # noqa: S101 - asked for of those alone
    own, other = f"p.{_name(pair.parent.name)}", f"c.{_name(pair.child.name)}"
    own = f"CAST({own} AS {_type(pair.parent_cast)})" if pair.parent_cast else own
    other = f"CAST({other} AS {_type(pair.child_cast)})" if pair.child_cast else other
    if pair.collate:
        other += f" COLLATE {_name(pair.collate.schema)}.{_name(pair.collate.name)}"
    return f"{own} OPERATOR({_name(by.schema)}.{by.name}) {other}"


def _equality(table: Table, column: Column) -> Operator:
    """By which operator the column's values are equal: an index's, best the one of its key, else its type's own."""
    for index in sorted(table.indexes, key=lambda index: not index.unique):
        for part in index.columns:
            if part.number == column.number and part.equal is not None:
                return part.equal
    of = column.base_type or column.type
    return Operator(of.schema, "=", of, of)


def _text(column: Column, alias: str) -> str:
    return f"CAST({alias}.{_name(column.name)} AS pg_catalog.text)"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _type(of: TypeName) -> str:
    return f"{_name(of.schema)}.{_name(of.name)}"
