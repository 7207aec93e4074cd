"""Edges that nobody declared, from lists of columns: compared as a foreign key between them would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.schema.model import ColumnPair, EdgeKind, Operator, TypeName
from fkexplorer.schema.names import table_label
from fkexplorer.schema.undeclared import undeclared_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Condition, Relationship, Schema, Table

# ATAddForeignKeyConstraint (tablecmds.c), with the default operator class of the parent's type (GetDefaultOpClass) in
# place of the one of its unique index: the family's equality of the two types as they are, else the one of the
# operator class's own type, where the child's is cast to it implicitly. A polymorphic one compares like with like.
# The operator class is looked for once for each parent's type. Types are found by name in the catalogue, since
# `regtype` refuses a name of a schema without USAGE.
_OPERATORS = """
WITH asked (at, parent_schema, parent_name, child_schema, child_name) AS (VALUES {asked}),
sides AS (
 SELECT a.at, p.oid AS parent, c.oid AS child FROM asked a
 JOIN pg_catalog.pg_namespace pn ON pn.nspname = a.parent_schema
 JOIN pg_catalog.pg_type p ON p.typnamespace = pn.oid AND p.typname = a.parent_name
 JOIN pg_catalog.pg_namespace cn ON cn.nspname = a.child_schema
 JOIN pg_catalog.pg_type c ON c.typnamespace = cn.oid AND c.typname = a.child_name),
class AS MATERIALIZED (
 SELECT s.parent, k.* FROM (SELECT DISTINCT parent FROM sides) s JOIN pg_catalog.pg_type p ON p.oid = s.parent
 CROSS JOIN LATERAL (
  SELECT oc.opcfamily AS family, oc.opcintype AS type, it.typtype = 'p' AS polymorphic
  FROM pg_catalog.pg_opclass oc JOIN pg_catalog.pg_type it ON it.oid = oc.opcintype
  WHERE oc.opcmethod = 403 AND oc.opcdefault AND (oc.opcintype = p.oid
   OR EXISTS (SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = p.oid AND k.casttarget = oc.opcintype
    AND k.castmethod = 'b' AND k.castcontext = 'i')
   OR it.typname = CASE WHEN p.typcategory = 'A' THEN 'anyarray' WHEN p.typtype = 'e' THEN 'anyenum'
    WHEN p.typtype = 'r' THEN 'anyrange' WHEN p.typtype = 'm' THEN 'anymultirange' WHEN p.typtype = 'c' THEN 'record'
    END)
  ORDER BY oc.opcintype <> p.oid, NOT it.typispreferred, oc.oid LIMIT 1) k)
SELECT s.at, n.nspname, o.oprname, CASE WHEN lt.typtype <> 'p' THEN ln.nspname END, lt.typname,
 CASE WHEN rt.typtype <> 'p' THEN rn.nspname END, rt.typname
FROM sides s JOIN class k ON k.parent = s.parent CROSS JOIN LATERAL (
 SELECT ao.amopopr FROM pg_catalog.pg_amop ao
 WHERE ao.amopfamily = k.family AND ao.amopstrategy = 3 AND ao.amoplefttype = k.type AND (ao.amoprighttype = s.child
  OR (ao.amoprighttype = k.type AND CASE WHEN k.polymorphic THEN s.child = s.parent ELSE
   EXISTS (SELECT FROM pg_catalog.pg_cast t
    WHERE t.castsource = s.child AND t.casttarget = k.type AND t.castcontext = 'i') END))
 ORDER BY ao.amoprighttype <> s.child LIMIT 1) f
 JOIN pg_catalog.pg_operator o ON o.oid = f.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 JOIN pg_catalog.pg_type lt ON lt.oid = o.oprleft JOIN pg_catalog.pg_namespace ln ON ln.oid = lt.typnamespace
 JOIN pg_catalog.pg_type rt ON rt.oid = o.oprright JOIN pg_catalog.pg_namespace rn ON rn.oid = rt.typnamespace
"""

Types = tuple[TypeName, TypeName]
"""The child's type and the parent's, under their domains."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Two lists of columns that an edge is to be made of, in the same order."""

    child: Table
    columns: tuple[Column, ...]
    parent: Table
    parent_columns: tuple[Column, ...]
    only: Condition | None = None


async def read_operators(database: Database, types: Iterable[Types]) -> dict[Types, Operator | None]:
    """What a foreign key would compare each pair of types with, parent on the left; None where nothing does.

    One round trip for all.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    wanted = list(dict.fromkeys(types))
    found: dict[Types, Operator | None] = dict.fromkeys(wanted)
    if not wanted:
        return found
    asked = ", ".join(
        f"({at}, {_literal(parent.schema)}, {_literal(parent.name)}, {_literal(child.schema)}, {_literal(child.name)})"
        for at, (child, parent) in enumerate(wanted)
    )
    try:
        [rows] = await database.glance(_OPERATORS.format(asked=asked))
    except psycopg.Error as error:
        raise trouble_of(error) from error
    for at, schema, name, left_schema, left, right_schema, right in rows:
        found[wanted[at]] = Operator(
            schema,
            name,
            TypeName(left_schema, left) if left_schema is not None else None,
            TypeName(right_schema, right) if right_schema is not None else None,
        )
    return found


async def read_pairs(
    database: Database, schema: Schema, asked: Sequence[Asked], *, kind: EdgeKind = EdgeKind.CONFIGURED
) -> list[Relationship]:
    """The edge between the columns of each: the declared one where there is one, else one of this kind.

    The OID of the latter is below 0, and the same for the same columns. Its `pairs[n].equals` is None where no foreign
    key compares the two. One round trip for all.

    Raises:
        Trouble: two sides have not as many columns (`bad_pair`); the server refused, or the connection is lost.
    """
    edges = [_declared(schema, each) for each in asked]
    others = [each for each, edge in zip(asked, edges, strict=True) if edge is None]
    operators = await read_operators(
        database, (types_of(*pair) for each in others for pair in zip(each.columns, each.parent_columns, strict=True))
    )
    return [edge or _made(each, operators, kind) for each, edge in zip(asked, edges, strict=True)]


async def read_pair(
    database: Database,
    schema: Schema,
    child: tuple[Table, Sequence[Column]],
    parent: tuple[Table, Sequence[Column]],
    *,
    incomparable: bool = False,
    only: Condition | None = None,
) -> Relationship:
    """The edge between these columns, as `read_pairs` has it.

    Args:
        database: where to ask.
        schema: what the columns are of.
        child: the referencing table, and its columns.
        parent: the referenced table, and its columns in the same order.
        incomparable: whether an edge is wanted of columns that can't be compared too.
        only: the rows of the child that it is about, where it is not about all.

    Raises:
        Trouble: as `read_pairs`; a pair of columns cannot be compared (`incomparable`).
    """
    asked = Asked(child[0], tuple(child[1]), parent[0], tuple(parent[1]), only)
    [edge] = await read_pairs(database, schema, [asked])
    for pair in edge.pairs:
        if pair.equals is None and not incomparable:
            there = f"{table_label(parent[0])}.{pair.parent.name}"
            raise Trouble(
                f"{table_label(child[0])}.{pair.child.name} is {pair.child.type_text} and"
                f" {there} is {pair.parent.type_text}: no foreign key compares them",
                "one of the two has to change its type first",
                code="incomparable",
            )
    return edge


def types_of(child: Column, parent: Column) -> Types:
    """What `read_operators` is asked of two columns."""
    return child.base_type or child.type, parent.base_type or parent.type


def _declared(schema: Schema, asked: Asked) -> Relationship | None:
    """The edge that a schema has between these columns."""
    if len(asked.columns) != len(asked.parent_columns):
        raise Trouble(
            f"{table_label(asked.child)} is named with {len(asked.columns)} columns and {table_label(asked.parent)}"
            f" with {len(asked.parent_columns)}",
            "a pair has as many on either side: table(a, b):other(x, y)",
            code="bad_pair",
        )
    wanted = {(one.number, other.number) for one, other in zip(asked.columns, asked.parent_columns, strict=True)}
    for edge in schema.edges.values():
        own = {(pair.child.number, pair.parent.number) for pair in edge.pairs}
        if (edge.child, edge.parent, edge.only) == (asked.child.oid, asked.parent.oid, asked.only) and own == wanted:
            return edge
    return None


def _made(asked: Asked, operators: Mapping[Types, Operator | None], kind: EdgeKind) -> Relationship:
    pairs = [
        ColumnPair(one, other, operators[types_of(one, other)])
        for one, other in zip(asked.columns, asked.parent_columns, strict=True)
    ]
    return undeclared_edge(asked.child.oid, asked.parent.oid, pairs, kind=kind, only=asked.only)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
