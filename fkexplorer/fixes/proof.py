"""The proof of a trigger that makes twins: a made-up row, its twin looked for, and both taken back.

It is one DO statement, so that a run and a psql script have the very same one. Its blocks are savepoints that it rolls
back itself; what it found is in a setting then, which ends with the transaction.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.sync import dollars
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.fixes.sync import Template
    from fkexplorer.schema.model import Column, Relationship, Schema

SETTING = "fkexplorer.proof"
"""Has `proven`, or `unproven: …`, or `failed: …` after it."""
PROVEN, UNPROVEN, FAILED = "proven", "unproven: ", "failed: "

_INTEGERS = {"int2": (20_000, 32_767), "int4": (1_900_000_000, 2_147_483_647), "int8": (1 << 62, (1 << 63) - 1)}
"""Where a fresh number is looked for by its type: no sequence has come that far."""
_TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
_TAKEN_BACK = "FKX01"


def fresh(schema: Schema, edge: Relationship, uniques: Iterable[Sequence[int]]) -> dict[Column, str] | str:
    """Values by which a copy of a row of the parent collides with none: SQL over the row `s`; else why there are none.

    Args:
        schema: the schema that the edge is of.
        edge: the pair; its key is fresh too.
        uniques: for each unique index of the parent the numbers of the columns that it is made of.
    """
    source = schema.parent_of(edge)
    referring = {
        pair.child.number
        for other in schema.edges.values()
        if other.kind is EdgeKind.DECLARED and other.child == source.oid
        for pair in other.pairs
    }
    found: dict[Column, str] = {}
    for numbers in ([pair.parent.number for pair in edge.pairs], *uniques):
        if any(column.number in numbers for column in found):
            continue
        columns = [column for column in source.columns if column.number in numbers and not column.generated]
        # A column that names a row of another table has to name one.
        for column in sorted(columns, key=lambda each: each.number in referring):
            if value := _fresh(column):
                found[column] = value
                break
        else:
            listed = ", ".join(quote(column.name) for column in columns)
            return f"no fresh value of ({listed}) can be made up for a row of {table_label(source)}"
    return found


def _fresh(column: Column) -> str:
    """A value that no row has, most likely; empty for a type that is not known here."""
    kind = (column.base_type or column.type).name
    if kind == "uuid":
        value = sql.literal(str(uuid.uuid4()))
    elif kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        value = str(low + secrets.randbelow(high - low))
    elif kind == "numeric":
        value = str(10**8 + secrets.randbelow(9 * 10**8))
    elif kind in _TEXTS:
        # In front, so that what has to look like an address still does; a cast to a length cuts at the end.
        value = f"pg_catalog.concat({sql.literal(f'fk{secrets.token_hex(5)}.')}, s.{sql.name(column.name)})"
    else:
        return ""
    return f"CAST({value} AS {column.type_text})"


def proof(
    schema: Schema, edge: Relationship, changed: dict[Column, str], function: str, made: Template | None = None
) -> str:
    """The statement that tries a trigger of the edge's parent.

    Args:
        schema: the schema that the edge is of.
        edge: the pair.
        changed: the columns of the made-up row that are no copies.
        function: the name of the trigger's function, without a schema.
        made: the function, where it is made by the fix; else what its failure does is not tried.
    """
    source, target = schema.parent_of(edge), schema.child_of(edge)
    columns = [column for column in source.columns if not column.generated]
    values = [changed.get(column, f"s.{sql.name(column.name)}") for column in columns]
    overriding = " OVERRIDING SYSTEM VALUE" if any(column.identity == "a" for column in columns) else ""
    insert = [
        f"INSERT INTO {sql.table_name(source)} AS t ({sql.columns(columns)}){overriding}",
        f"  SELECT {', '.join(values)}",
        f"  FROM {sql.source(source, 's')} LIMIT 1 RETURNING t.* INTO p;",
    ]
    twin = f"EXISTS (SELECT FROM {sql.source(target, 'c')} WHERE {_named_by(schema, edge)})"
    label = table_label(target)
    # A trigger that fails refuses the row; what else does is no fault of it.
    by_whom = (
        f"CASE WHEN pg_catalog.strpos(context, {sql.literal(function)}) OPERATOR(pg_catalog.>) 0"
        f" THEN {sql.literal(FAILED)} ELSE {sql.literal(UNPROVEN)} END"
    )
    lines = [
        "",
        f"DECLARE p {sql.table_name(source)}%ROWTYPE; said text; context text;",
        "BEGIN",
        *_block(
            [
                *insert,
                "IF NOT FOUND THEN",
                f"  said := {sql.literal(f'{UNPROVEN}{table_label(source)} has no row to copy')};",
                f"ELSIF {twin} THEN",
                "  SET CONSTRAINTS ALL IMMEDIATE;",
                f"  said := {sql.literal(PROVEN)};",
                "ELSE",
                f"  said := {sql.literal(f'{FAILED}a made-up row got no row in {label}')};",
                "END IF;",
            ],
            f"pg_catalog.concat({by_whom}, SQLERRM)",
        ),
    ]
    if made is not None:
        lines += _why(made, insert) + _failing(made, insert, twin, label)
    lines += [f"PERFORM pg_catalog.set_config({sql.literal(SETTING)}, said, true);", "END", ""]
    return f"DO {dollars(chr(10).join(lines), 'proof')}"


def _named_by(schema: Schema, edge: Relationship) -> str:
    """Which rows of `c` are the twin of the row `p`."""
    return sql.written(sql.same_key(EdgePredicate(schema, edge)))


def _why(made: Template, insert: Sequence[str]) -> list[str]:
    """Where there was no twin for a reason that only a warning tells: once more, to hear it."""
    if made.strict:
        return []
    heard = [f"{replace(made, strict=True).create(again=True)};", *insert]
    return [
        f"IF pg_catalog.strpos(said, {sql.literal(FAILED)}) OPERATOR(pg_catalog.=) 1 THEN",
        *_block(heard, "pg_catalog.concat(said, ': ', SQLERRM)"),
        "END IF;",
    ]


def _failing(made: Template, insert: Sequence[str], twin: str, label: str) -> list[str]:
    """With a body that fails: whether the row comes all the same, or is refused where that was chosen."""
    there = sql.literal(f"{UNPROVEN}{label} had a row of the made-up key already")
    came = sql.literal(f"{FAILED}with a function that fails the row was not refused") if made.strict else "said"
    refused = f"pg_catalog.concat({sql.literal(f'{FAILED}with a function that fails the row was refused: ')}, SQLERRM)"
    tried = [
        f"{made.create(failing=True, again=True)};",
        *insert,
        f"said := CASE WHEN {twin} THEN {there} ELSE {came} END;",
    ]
    return [
        f"IF said OPERATOR(pg_catalog.=) {sql.literal(PROVEN)} THEN",
        *_block(tried, "said" if made.strict else refused),
        "END IF;",
    ]


def _block(does: Iterable[str], refused: str) -> list[str]:
    """Statements that are taken back whatever becomes of them.

    Args:
        does: the statements, which say in `said` what they found.
        refused: what is to be said where the server refuses one: SQL.
    """
    return [
        "BEGIN",
        "  PERFORM pg_catalog.set_config('client_min_messages', 'error', true);",
        *(f"  {line}" for line in does),
        f"  RAISE EXCEPTION SQLSTATE '{_TAKEN_BACK}';",
        "EXCEPTION",
        f"  WHEN SQLSTATE '{_TAKEN_BACK}' THEN NULL;",
        "  WHEN OTHERS THEN",
        "    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;",
        f"    said := {refused};",
        "END;",
    ]
