"""Edges that nobody declared, each from two lists of columns: compared as a foreign key between them would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.schema.keys import supporting_index
from fkexplorer.schema.model import ColumnPair, EdgeKind, Operator, PairOrder, TypeName
from fkexplorer.schema.names import columns_label, literal, table_label
from fkexplorer.schema.undeclared import undeclared_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Condition, Relationship, Schema, Table

    Side = tuple[Table, Sequence[Column]]
    """A table and columns of it, in the order of the pair."""
    Pair = tuple[Side, Side, Condition | None]
    """The child, the parent, and which rows of the child are meant; None for all."""
    Types = tuple[TypeName, TypeName]
    """The child's and the parent's, under their domains."""
    Comparison = tuple[Operator, tuple[PairOrder, ...]]
    """What the two are compared with, and the orders that go with it."""

# ATAddForeignKeyConstraint (tablecmds.c), with the default operator class of the parent's type (GetDefaultOpClass) in
# place of the one of its unique index: the family's equality of the two types as they are, else the one of the
# operator class's own type, where the child's is cast to it implicitly. A polymorphic one compares like with like.
# Types are found by their names: `regtype` refuses those of a schema without USAGE, and all others with them.
_OPERATORS = """
WITH types AS (SELECT t.oid, t.typtype, t.typcategory, n.nspname, t.typname
 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace),
asked AS (SELECT a.n, p.oid AS parent, p.typtype AS kind, p.typcategory AS category, c.oid AS child
 FROM (VALUES {asked}) a(n, child_schema, child, parent_schema, parent)
 JOIN types c ON (c.nspname, c.typname) = (a.child_schema, a.child)
 JOIN types p ON (p.nspname, p.typname) = (a.parent_schema, a.parent)),
found AS (SELECT a.n, f.amopopr FROM asked a, LATERAL (
 SELECT oc.opcfamily AS family, oc.opcintype AS type, it.typtype = 'p' AS polymorphic
 FROM pg_opclass oc JOIN pg_type it ON it.oid = oc.opcintype
 WHERE oc.opcmethod = 403 AND oc.opcdefault AND (oc.opcintype = a.parent
  OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = a.parent AND k.casttarget = oc.opcintype
   AND k.castmethod = 'b' AND k.castcontext = 'i')
  OR it.typname = CASE WHEN a.category = 'A' THEN 'anyarray' WHEN a.kind = 'e' THEN 'anyenum'
   WHEN a.kind = 'r' THEN 'anyrange' WHEN a.kind = 'm' THEN 'anymultirange' WHEN a.kind = 'c' THEN 'record' END)
 ORDER BY oc.opcintype <> a.parent, NOT it.typispreferred, oc.oid LIMIT 1) k, LATERAL (
 SELECT ao.amopopr, ao.amoprighttype <> a.child AS rank FROM pg_amop ao
 WHERE ao.amopfamily = k.family AND ao.amopstrategy = 3 AND ao.amoplefttype = k.type AND (ao.amoprighttype = a.child
  OR (ao.amoprighttype = k.type AND CASE WHEN k.polymorphic THEN a.child = a.parent ELSE
   EXISTS (SELECT FROM pg_cast t WHERE t.castsource = a.child AND t.casttarget = k.type AND t.castcontext = 'i') END))
 ORDER BY 2 LIMIT 1) f)
SELECT f.n, n.nspname, o.oprname, CASE WHEN lt.typtype <> 'p' THEN ln.nspname END, lt.typname,
 CASE WHEN rt.typtype <> 'p' THEN rn.nspname END, rt.typname,
 ARRAY(SELECT ARRAY[e.amopfamily::text, sn.nspname, s.oprname, gn.nspname, g.oprname]
  FROM pg_amop e JOIN pg_amop less USING (amopfamily) JOIN pg_amop more USING (amopfamily)
  JOIN pg_operator s ON s.oid = less.amopopr JOIN pg_namespace sn ON sn.oid = s.oprnamespace
  JOIN pg_operator g ON g.oid = more.amopopr JOIN pg_namespace gn ON gn.oid = g.oprnamespace
  WHERE e.amopopr = f.amopopr AND e.amopmethod = 403 AND e.amopstrategy = 3
   AND less.amopstrategy = 1 AND less.amoplefttype = e.amoprighttype AND less.amoprighttype = e.amoplefttype
   AND more.amopstrategy = 5 AND more.amoplefttype = e.amoprighttype AND more.amoprighttype = e.amoplefttype)
FROM found f JOIN pg_operator o ON o.oid = f.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
 JOIN pg_type lt ON lt.oid = o.oprleft JOIN pg_namespace ln ON ln.oid = lt.typnamespace
 JOIN pg_type rt ON rt.oid = o.oprright JOIN pg_namespace rn ON rn.oid = rt.typnamespace
"""


async def read_pair(
    database: Database,
    schema: Schema,
    child: Side,
    parent: Side,
    *,
    only: Condition | None = None,
    incomparable: bool = False,
) -> Relationship:
    """The edge between these columns: the one that the schema has, else one of kind `configured`.

    The OID of the latter is below 0, and the same for the same columns.

    Args:
        database: where to ask.
        schema: what the columns are of.
        child: the referencing side.
        parent: the referenced side.
        only: which rows of the child it is about.
        incomparable: whether columns that can't be compared make an edge too, whose `equals` is None.

    Raises:
        Trouble: the two sides have not as many columns (`bad_pair`), or a pair of them cannot be compared
            (`incomparable`); the server refused, or the connection is lost.
    """
    [edge] = await read_pairs(database, schema, [(child, parent, only)])
    for pair in edge.pairs:
        if pair.equals is None and not incomparable:
            raise Trouble(
                f"{table_label(child[0])}.{pair.child.name} is {pair.child.type_text} and {table_label(parent[0])}."
                f"{pair.parent.name} is {pair.parent.type_text}: no foreign key compares them",
                "one of the two has to change its type first",
                code="incomparable",
            )
    return edge


def named_twice(child: Side, parent: Side) -> str:
    """Why a pair says nothing: it compares columns with themselves alone, or a parent's with two; empty where it says.

    In a self-reference of several columns one may well be its own: the tenant of the row above is that of the row.
    """
    if len({column.number for column in parent[1]}) < len(parent[1]):
        return f"{columns_label(*parent)} names a column twice"
    if child[0].oid == parent[0].oid and [one.number for one in child[1]] == [other.number for other in parent[1]]:
        return f"{columns_label(*child)} is compared with itself, and every row has what it has"
    return ""


async def read_pairs(database: Database, schema: Schema, pairs: Sequence[Pair]) -> list[Relationship]:
    """The same of many, in one round trip; `equals` is None where nothing compares two columns.

    Raises:
        Trouble: two sides have not as many columns, or name one twice, or a column its own (`bad_pair`); the server
            refused, or the connection is lost.
    """
    for child, parent, _ in pairs:
        if len(child[1]) != len(parent[1]):
            raise Trouble(
                f"{table_label(child[0])} is named with {len(child[1])} columns and {table_label(parent[0])} with"
                f" {len(parent[1])}",
                "a pair has as many on either side: table(a, b):other(x, y)",
                code="bad_pair",
            )
    known = {
        (edge.child, edge.parent, frozenset((pair.child.number, pair.parent.number) for pair in edge.pairs), edge.only):
        edge
        for edge in reversed(list(schema.edges.values()))  # the first of several
    }  # fmt: skip
    edges = [known.get((one[0].oid, other[0].oid, frozenset(_numbers(one, other)), only)) for one, other, only in pairs]
    unknown = [pair for pair, edge in zip(pairs, edges, strict=True) if edge is None]
    for child, parent, _ in unknown:
        # PostgreSQL takes such a constraint: one that is declared is an edge like any other.
        if wrong := named_twice(child, parent):
            raise Trouble(wrong, "name two columns that are not one and the same", code="bad_pair")
    compared = await read_comparisons(
        database, (types_of(*each) for one, other, _ in unknown for each in zip(one[1], other[1], strict=True))
    )
    return [
        edge or undeclared(child, parent, compared, only=only)
        for (child, parent, only), edge in zip(pairs, edges, strict=True)
    ]


async def read_comparisons(database: Database, types: Iterable[Types]) -> dict[Types, Comparison | None]:
    """What a foreign key would compare values of these types with, all asked in one round trip; None for nothing.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    asked = list(dict.fromkeys(types))
    if not asked:
        return {}
    values = ", ".join(f"({at}, {_written(child)}, {_written(parent)})" for at, (child, parent) in enumerate(asked))
    try:
        [rows] = await database.glance(_OPERATORS.format(asked=values))
    except psycopg.Error as error:
        raise trouble_of(error) from error
    found = {row[0]: _comparison(row[1:]) for row in rows}
    return {each: found.get(at) for at, each in enumerate(asked)}


def undeclared(
    child: Side,
    parent: Side,
    compared: Mapping[Types, Comparison | None],
    *,
    kind: EdgeKind = EdgeKind.CONFIGURED,
    only: Condition | None = None,
) -> Relationship:
    """The edge between these columns, once it is known what their types are compared with.

    Args:
        child: the referencing side.
        parent: the referenced side, with as many columns.
        compared: by `types_of` each pair of columns.
        kind: where it comes from.
        only: which rows of the child it is about.
    """
    pairs = []
    for one, other in zip(child[1], parent[1], strict=True):
        equals, orders = compared.get(types_of(one, other)) or (None, ())
        pairs.append(ColumnPair(one, other, equals, orders))
    return undeclared_edge(
        child[0].oid, parent[0].oid, pairs, kind=kind, only=only, index=supporting_index(child[0], pairs, only)
    )


def types_of(child: Column, parent: Column) -> Types:
    """The types of two columns, under their domains."""
    return child.base_type or child.type, parent.base_type or parent.type


def _numbers(child: Side, parent: Side) -> set[tuple[int, int]]:
    return {(one.number, other.number) for one, other in zip(child[1], parent[1], strict=True)}


def _written(of: TypeName) -> str:
    return f"{literal(of.schema)}, {literal(of.name)}"


def _comparison(row: tuple[Any, ...]) -> Comparison:
    schema, name, left_schema, left, right_schema, right, orders = row
    sides = (
        TypeName(left_schema, left) if left_schema is not None else None,
        TypeName(right_schema, right) if right_schema is not None else None,
    )
    return Operator(schema, name, *sides), tuple(
        PairOrder(int(family), Operator(*less, *reversed(sides)), Operator(*greater, *reversed(sides)))
        for family, *names in orders
        for less, greater in [(names[:2], names[2:])]
    )
