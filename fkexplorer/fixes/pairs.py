"""An edge that nobody declared: a pair of columns, with the operators that a constraint would compare them by."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.constraints import same_columns
from fkexplorer.fixes.rows import incomplete, named
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
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Schema, Table

# As ATAddForeignKeyConstraint finds it: in the operator family of the parent's unique index (here, of its default
# btree operator class, which such an index nearly always has) the equality of the parent's type with the child's; else,
# where the child's type is taken for the family's own without being asked (pg_cast, implicit), that of the family's.
_EQUALITY = """
WITH RECURSIVE up (side, oid) AS (
 SELECT CASE a.attrelid WHEN {parent} THEN 'p' ELSE 'c' END, a.atttypid FROM pg_attribute a
 WHERE (a.attrelid, a.attnum) IN (({parent}, {parent_column}), ({child}, {child_column}))
 UNION ALL SELECT u.side, t.typbasetype FROM up u JOIN pg_type t ON t.oid = u.oid WHERE t.typtype = 'd'),
base AS (
 SELECT u.side, u.oid, t.typtype, t.typname, n.nspname, t.typelem FROM up u JOIN pg_type t ON t.oid = u.oid
  JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'd'),
class AS (
 SELECT oc.opcfamily, oc.opcintype, p.oid AS parent, c.oid AS child
 FROM base p CROSS JOIN base c JOIN pg_opclass oc ON oc.opcdefault AND oc.opcmethod = 403
 WHERE p.side = 'p' AND c.side = 'c' AND (oc.opcintype = p.oid
  OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = p.oid AND k.casttarget = oc.opcintype AND k.castmethod = 'b'
   AND k.castcontext = 'i' AND NOT EXISTS (
    SELECT FROM pg_opclass own WHERE own.opcdefault AND own.opcmethod = 403 AND own.opcintype = p.oid))
  OR p.oid = c.oid AND oc.opcintype = CASE p.typtype WHEN 'e' THEN 'anyenum'::regtype WHEN 'r' THEN 'anyrange'::regtype
   WHEN 'm' THEN to_regtype('anymultirange') WHEN 'c' THEN 'record'::regtype
   ELSE CASE WHEN p.typelem <> 0 THEN 'anyarray'::regtype END END)),
found AS (
 SELECT ao.amopopr, ao.amoprighttype = k.child AS exact FROM class k JOIN pg_amop ao ON ao.amopfamily = k.opcfamily
  AND ao.amopstrategy = 3 AND ao.amopmethod = 403 AND ao.amoplefttype = k.opcintype
 WHERE ao.amoprighttype = k.child OR (ao.amoprighttype = k.opcintype AND (k.parent = k.child OR EXISTS (
  SELECT FROM pg_cast t WHERE t.castsource = k.child AND t.casttarget = k.opcintype AND t.castcontext = 'i'))))
SELECT n.nspname, o.oprname, CASE WHEN lt.typtype <> 'p' THEN ln.nspname END, lt.typname,
 CASE WHEN rt.typtype <> 'p' THEN rn.nspname END, rt.typname
FROM found f JOIN pg_operator o ON o.oid = f.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
 JOIN pg_type lt ON lt.oid = o.oprleft JOIN pg_namespace ln ON ln.oid = lt.typnamespace
 JOIN pg_type rt ON rt.oid = o.oprright JOIN pg_namespace rn ON rn.oid = rt.typnamespace
ORDER BY f.exact DESC LIMIT 1
"""


async def pair_edge(
    database: Database,
    schema: Schema,
    child: tuple[Table, Sequence[str]],
    parent: tuple[Table, Sequence[str]],
) -> Relationship:
    """The edge between these columns: the declared one, where there is one, else one of kind `configured`.

    Its OID is below 0, and the same for the same columns.

    Args:
        database: where to ask for the operators.
        schema: the schema that the tables are of.
        child: the referencing table, and the names of its columns.
        parent: the referenced table, and the names of its columns in the same order.

    Raises:
        Trouble: a column is not there, there are not as many on both sides (`incomplete`), or no operator compares two
            of them (`incomparable`).
    """
    if not child[1] or len(child[1]) != len(parent[1]):
        raise incomplete("a pair has as many columns on both sides", "write table(a, b):other(c, d)")
    sides = [
        (_column(child[0], one), _column(parent[0], other)) for one, other in zip(child[1], parent[1], strict=True)
    ]
    statements = [
        _EQUALITY.format(child=child[0].oid, parent=parent[0].oid, child_column=one.number, parent_column=other.number)
        for one, other in sides
    ]
    try:
        found = await database.glance(*statements)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    pairs = []
    for (one, other), rows in zip(sides, found, strict=True):
        if not rows:
            raise Trouble(
                f"{quote(one.name)} is {one.type_text}, {quote(other.name)} is {other.type_text}:"
                " no foreign key can compare them",
                "give them one type first",
                code="incomparable",
            )
        schema_name, operator_name, left_schema, left, right_schema, right = rows[0]
        equals = Operator(
            schema_name,
            operator_name,
            None if left_schema is None else TypeName(left_schema, left),
            None if right_schema is None else TypeName(right_schema, right),
        )
        pairs.append(ColumnPair(one, other, equals))
    numbers = [(pair.child.number, pair.parent.number) for pair in pairs]
    edge = Relationship(
        oid=-1 - zlib.crc32(repr((child[0].oid, parent[0].oid, numbers)).encode()),
        name=f"{', '.join(child[1])} -> {parent[0].name}({', '.join(parent[1])})",
        kind=EdgeKind.CONFIGURED,
        child=child[0].oid,
        parent=parent[0].oid,
        pairs=tuple(pairs),
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
    return same_columns(schema, edge) or edge


def _column(table: Table, name: str) -> Column:
    for column in table.columns:
        if column.name == name:
            return column
    raise incomplete(f"{table_label(table)} has no column {quote(name)}", f"it has {named(table.columns)}")
