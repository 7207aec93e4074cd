"""An edge that nobody declared, from two lists of columns: compared as a foreign key between them would."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.schema.model import (
    Action,
    ColumnPair,
    EdgeKind,
    Match,
    Operator,
    Relationship,
    Triggers,
    TypeName,
)
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Schema, Table

# ATAddForeignKeyConstraint (tablecmds.c), with the default operator class of the parent's type (GetDefaultOpClass) in
# place of the one of its unique index: the family's equality of the two types as they are, else the one of the
# operator class's own type, where the child's is cast to it implicitly. A polymorphic one compares like with like.
_OPERATOR = """
WITH sides AS (
 SELECT p.oid AS parent, p.typtype AS kind, p.typcategory AS category, c.oid AS child FROM pg_type p, pg_type c
 WHERE p.oid = {parent}::regtype AND c.oid = {child}::regtype),
class AS (
 SELECT oc.opcfamily AS family, oc.opcintype AS type, s.child, it.typtype = 'p' AS polymorphic, s.parent
 FROM sides s, pg_opclass oc JOIN pg_type it ON it.oid = oc.opcintype
 WHERE oc.opcmethod = 403 AND oc.opcdefault AND (oc.opcintype = s.parent
  OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = s.parent AND k.casttarget = oc.opcintype
   AND k.castmethod = 'b' AND k.castcontext = 'i')
  OR it.typname = CASE WHEN s.category = 'A' THEN 'anyarray' WHEN s.kind = 'e' THEN 'anyenum'
   WHEN s.kind = 'r' THEN 'anyrange' WHEN s.kind = 'm' THEN 'anymultirange' WHEN s.kind = 'c' THEN 'record' END)
 ORDER BY oc.opcintype <> s.parent, NOT it.typispreferred, oc.oid LIMIT 1),
found AS (
 SELECT ao.amopopr, ao.amoprighttype <> k.child AS rank FROM class k JOIN pg_amop ao ON ao.amopfamily = k.family
 WHERE ao.amopstrategy = 3 AND ao.amoplefttype = k.type AND (ao.amoprighttype = k.child
  OR (ao.amoprighttype = k.type AND CASE WHEN k.polymorphic THEN k.child = k.parent ELSE
   EXISTS (SELECT FROM pg_cast t WHERE t.castsource = k.child AND t.casttarget = k.type AND t.castcontext = 'i') END))
 ORDER BY 2 LIMIT 1)
SELECT n.nspname, o.oprname, CASE WHEN lt.typtype <> 'p' THEN ln.nspname END, lt.typname,
 CASE WHEN rt.typtype <> 'p' THEN rn.nspname END, rt.typname
FROM found f JOIN pg_operator o ON o.oid = f.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
 JOIN pg_type lt ON lt.oid = o.oprleft JOIN pg_namespace ln ON ln.oid = lt.typnamespace
 JOIN pg_type rt ON rt.oid = o.oprright JOIN pg_namespace rn ON rn.oid = rt.typnamespace
"""


async def read_pair(
    database: Database, schema: Schema, child: tuple[Table, Sequence[Column]], parent: tuple[Table, Sequence[Column]]
) -> Relationship:
    """The edge between these columns: the declared one where there is one, else one of kind `configured`.

    The OID of the latter is below 0, and the same for the same columns.

    Raises:
        Trouble: the two sides have not as many columns, or a pair of them cannot be compared (`incomparable`); the
            server refused, or the connection is lost.
    """
    if len(child[1]) != len(parent[1]):
        raise Trouble(
            f"{table_label(child[0])} is named with {len(child[1])} columns and {table_label(parent[0])} with"
            f" {len(parent[1])}",
            "a pair has as many on either side: table(a, b):other(x, y)",
            code="bad_pair",
        )
    columns = list(zip(child[1], parent[1], strict=True))
    wanted = {(one.number, other.number) for one, other in columns}
    for edge in schema.edges.values():
        own = {(pair.child.number, pair.parent.number) for pair in edge.pairs}
        if (edge.child, edge.parent) == (child[0].oid, parent[0].oid) and own == wanted:
            return edge
    statements = [_OPERATOR.format(parent=_literal(other), child=_literal(one)) for one, other in columns]
    try:
        answers = await database.glance(*statements)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    for (one, other), rows in zip(columns, answers, strict=True):
        if not rows:
            raise Trouble(
                f"{table_label(child[0])}.{one.name} is {one.type_text} and {table_label(parent[0])}.{other.name} is"
                f" {other.type_text}: no foreign key compares them",
                "one of the two has to change its type first",
                code="incomparable",
            )
    return Relationship(
        oid=-1 - zlib.crc32(repr((child[0].oid, parent[0].oid, sorted(wanted))).encode()),
        name="",
        kind=EdgeKind.CONFIGURED,
        child=child[0].oid,
        parent=parent[0].oid,
        pairs=tuple(
            ColumnPair(one, other, _operator(rows[0])) for (one, other), rows in zip(columns, answers, strict=True)
        ),
        match=Match.SIMPLE,
        on_delete=Action.NO_ACTION,
        on_update=Action.NO_ACTION,
        set_columns=(),
        deferrable=False,
        deferred=False,
        validated=False,
        enforced=False,
        period=False,
        triggers=Triggers(),
        index=None,
    )


def _literal(column: Column) -> str:
    """The column's type, under its domain, as `regtype` reads it; a name may hold quotes of both kinds."""
    of = column.base_type or column.type
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (of.schema, of.name))
    return "'" + quoted.replace("'", "''") + "'"


def _operator(row: tuple[Any, ...]) -> Operator:
    schema, name, left_schema, left, right_schema, right = row
    return Operator(
        schema,
        name,
        TypeName(left_schema, left) if left_schema is not None else None,
        TypeName(right_schema, right) if right_schema is not None else None,
    )
