"""Reads what guessing wants of a database beyond its schema: how types compare, what is joined, values of types."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.connection import Lane
from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.database.postgresql.pairs import read_comparisons, types_of
from fkexplorer.inference.joins import Body, joins_of
from fkexplorer.inference.model import CatalogueEvidence
from fkexplorer.inference.polymorphic import polymorphic_pairs
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import columns_label, literal, qualified, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Schema, Table, TypeName

    Answer = Mapping[str, Any] | psycopg.Error

_TEXT_BYTES = 1_000_000
"""Of all views, and of all functions: what 2,000 views have that are as long as most are."""
_TEXTS = 2_000
_LIMITS = Limits(statement_timeout_ms=1000, lock_timeout_ms=100)
"""pg_get_viewdef waits for whoever changes a table of the view."""
_TYPE_COLUMNS = 200
"""Columns that may tell what another one refers to: 3 ms each where they have as many rows as are looked at."""
_KINDS = 50
"""A column with more different values than that tells no tables."""
_ROWS = 20_000
"""Rows that such values are looked for in, from the table's beginning, besides those that ANALYZE saw most often."""

_USER = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
# What an extension brings joins nothing of the user's.
_OWN = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = {of}::regclass AND d.objid = {oid} AND d.deptype = 'e')"
_VIEWS = f"""
SELECT c.oid, n.nspname AS owner, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND {_USER} AND {_OWN.format(of="'pg_class'", oid="c.oid")}
"""  # noqa: S608 - constants
_FUNCTIONS = f"""
SELECT p.oid, n.nspname AS owner, p.proname AS name, p.prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname IN ('sql', 'plpgsql') AND {_USER} AND {_OWN.format(of="'pg_proc'", oid="p.oid")}
"""  # noqa: S608 - constants
_TEXT_OF_VIEW = "pg_get_viewdef(oid)"
_TEXT_OF_FUNCTION = "prosrc"
_TEXT_OF_FUNCTION_14 = "coalesce(pg_get_function_sqlbody(oid), prosrc)"
"""A body in SQL's own words (BEGIN ATOMIC, from 14 on) is kept as a tree."""


async def read_evidence(database: Database, schema: Schema) -> CatalogueEvidence:
    """What the catalogue has, and the values of columns that tell to which table another column refers.

    Two round trips. What could not be read is among the `problems`.

    Raises:
        Trouble: the server refused the question for operators, or the connection is lost.
    """
    compared = await read_comparisons(database, _pairs_of_types(schema))
    problems: list[str] = []
    kinds = list(_type_columns(schema))
    if len(kinds) > _TYPE_COLUMNS:
        problems.append(f"The values of {len(kinds) - _TYPE_COLUMNS:,} columns that tell types were not looked at.")
        del kinds[_TYPE_COLUMNS:]
    of_function = _TEXT_OF_FUNCTION_14 if database.facts.version_number >= 140000 else _TEXT_OF_FUNCTION
    statements = [_bodies(_VIEWS, _TEXT_OF_VIEW), _bodies(_FUNCTIONS, of_function), _content_types(schema)]
    statements += [_values(table, column) for table, column in kinds]
    answers: list[Answer] = []
    await pipelined(database, statements, _LIMITS, lambda _, answer: answers.append(answer), lane=Lane.SCREEN)

    def told(answer: Answer, what: str) -> Mapping[str, Any]:
        if not isinstance(answer, psycopg.Error):
            return answer
        problems.append(f"{what} could not be read: {translate(answer).reason}.")
        return {}

    views, functions, content_types, *values = answers
    bodies: list[Body] = []
    for answer, what in ((views, "views"), (functions, "functions")):
        found = told(answer, f"The text of {what}")
        bodies += [Body(owner, qualified(owner, name), text) for owner, name, text in found.get("bodies", ())]
        if left_out := found.get("left_out"):
            counted = what.removesuffix("s") if left_out == 1 else what
            problems.append(f"The text of {left_out:,} {counted} was not read for joins: all together it is too much.")
    by_column = {
        (table.oid, column.number): tuple(sorted(found))
        for (table, column), answer in zip(kinds, values, strict=True)
        if 0 < len(found := told(answer, f"The values of {columns_label(table, [column])}").get("values", ())) <= _KINDS
    }
    return CatalogueEvidence(
        operators={types: comparison[0] if comparison else None for types, comparison in compared.items()},
        # A screen must not stand still meanwhile.
        joins=await asyncio.to_thread(joins_of, schema, bodies),
        kinds=by_column,
        content_types=told(content_types, "django_content_type").get("names") or {},
        problems=tuple(problems),
    )


def _pairs_of_types(schema: Schema) -> Iterator[tuple[TypeName, TypeName]]:
    """Each type of a column with each type of a column of a key."""
    children: dict[TypeName, Column] = {}
    parents: dict[TypeName, Column] = {}
    for table in schema.tables.values():
        in_key = {number for key in table.keys for number in key.columns}
        in_key |= {part.number for index in table.indexes if index.unique for part in index.columns}
        for column in table.columns:
            children.setdefault(column.base_type or column.type, column)
            if column.number in in_key:
                parents.setdefault(column.base_type or column.type, column)
    for child in children.values():
        for parent in parents.values():
            yield types_of(child, parent)


def _type_columns(schema: Schema) -> Iterator[tuple[Table, Column]]:
    """The columns that tell to which table another one refers, of tables whose rows may be read."""
    for table in schema.tables.values():
        if table.kind is not TableKind.FOREIGN:
            for _, kind, _ in polymorphic_pairs(table):
                yield table, kind


def _bodies(listed: str, text: str) -> str:
    """One row: `bodies`, arrays of schema, name and text, as many as are not too much; `left_out`, how many are."""
    return f"""
WITH listed AS MATERIALIZED ({listed}),
texts AS (SELECT oid, owner, name, {text} AS text FROM (SELECT * FROM listed ORDER BY oid LIMIT {_TEXTS}) l),
sized AS (SELECT *, sum(octet_length(text)) OVER (ORDER BY oid) AS bytes FROM texts WHERE text IS NOT NULL),
kept AS (SELECT * FROM sized WHERE bytes <= {_TEXT_BYTES})
SELECT coalesce((SELECT json_agg(json_build_array(owner, name, text) ORDER BY oid) FROM kept), '[]') AS bodies,
 (SELECT count(*) FROM listed) - (SELECT count(*) FROM texts WHERE text IS NULL) - (SELECT count(*) FROM kept)
  AS left_out"""  # noqa: S608 - constants


def _values(table: Table, column: Column) -> str:
    """One row: `values`, one more at most than tell tables."""
    own = quote(column.name)
    only = "" if table.kind is TableKind.PARTITIONED else "ONLY "
    inherited = "true" if table.kind is TableKind.PARTITIONED else "false"
    return f"""
SELECT ARRAY(SELECT v FROM (
 SELECT unnest(most_common_vals::text::text[]) FROM pg_stats WHERE schemaname = {literal(table.schema)}
  AND tablename = {literal(table.name)} AND attname = {literal(column.name)} AND inherited = {inherited}
 UNION ALL SELECT {own}::text FROM (SELECT {own} FROM {only}{table_label(table)} LIMIT {_ROWS}) c) q (v)
 WHERE v IS NOT NULL GROUP BY v LIMIT {_KINDS + 1}) AS values"""  # noqa: S608 - names and values are quoted


def _content_types(schema: Schema) -> str:
    """One row: `names`, of each id of Django's table what it stands for."""
    for table in schema.tables.values():
        if table.name == "django_content_type" and {"id", "app_label", "model"} <= {
            each.name for each in table.columns
        }:
            return (
                "SELECT json_object_agg(id, app_label || '.' || model) AS names FROM"  # noqa: S608 - a quoted name
                f" (SELECT id, app_label, model FROM {table_label(table)} LIMIT 5000) c"
            )
    return "SELECT NULL AS names"
