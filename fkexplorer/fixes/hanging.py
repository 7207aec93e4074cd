"""What hangs on columns whose type is to change: what would make the server refuse it, and what it builds anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_comparisons, types_of
from fkexplorer.fixes import sql
from fkexplorer.fixes.rows import named
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.retype import Retype
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

# A change of type goes down to partitions and to tables that inherit the column, and so does what hangs on it.
_TABLES = """
WITH RECURSIVE t (oid) AS (SELECT {table}::pg_catalog.oid
 UNION SELECT i.inhrelid FROM t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
a AS (SELECT x.attrelid, x.attnum FROM t JOIN pg_catalog.pg_attribute x ON x.attrelid = t.oid
 WHERE x.attname IN ({names}))
"""
# ATExecAlterColumnType and RememberAllDependentForRebuilding (tablecmds.c) refuse each of these; a column's own
# default is none of them. Up to 14 a generated column hangs on another by itself, later by its expression.
_REFUSES = """
SELECT DISTINCT CASE WHEN r.oid IS NULL THEN i.type ELSE 'view' END::pg_catalog.text,
 CASE WHEN r.oid IS NULL THEN i.identity ELSE pg_catalog.format('%I.%I', n.nspname, c.relname) END
FROM a JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
 LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
 LEFT JOIN pg_catalog.pg_class c ON c.oid = r.ev_class LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
  'pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_publication_rel'::pg_catalog.regclass,
  'pg_catalog.pg_proc'::pg_catalog.regclass)
 OR (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef o
  WHERE o.oid = d.objid AND o.adrelid = a.attrelid AND o.adnum = a.attnum))
 OR (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.attrelid AND d.objsubid <> 0)
ORDER BY 1, 2
"""
_INHERITED = """
SELECT x.attname::text, 'inherited' FROM pg_catalog.pg_attribute x
WHERE x.attrelid = {table} AND x.attname IN ({names}) AND x.attinhcount > 0
UNION ALL SELECT x.attname::text, 'part of the partition key' FROM pg_catalog.pg_attribute x
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = x.attrelid
WHERE x.attrelid = {table} AND x.attname IN ({names}) AND x.attnum = ANY (p.partattrs::int2[])
UNION ALL SELECT x.attname::text, 'of a type that its table is made of' FROM pg_catalog.pg_attribute x
JOIN pg_catalog.pg_class c ON c.oid = x.attrelid
WHERE x.attrelid = {table} AND x.attname IN ({names}) AND c.reloftype <> 0
"""
# find_composite_type_dependencies (tablecmds.c): a column elsewhere whose type is the row type of the table.
_ROWS = """
SELECT DISTINCT pg_catalog.format('%I.%I.%I', n.nspname, c.relname, u.attname)
FROM (SELECT DISTINCT a.attrelid FROM a) o JOIN pg_catalog.pg_type r ON r.typrelid = o.attrelid
 JOIN pg_catalog.pg_attribute u ON u.atttypid IN (r.oid, r.typarray) AND NOT u.attisdropped
 JOIN pg_catalog.pg_class c ON c.oid = u.attrelid AND c.relkind IN ('r', 'm', 'p')
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1
"""
_ANEW = """
SELECT DISTINCT pg_catalog.format('%I', c.relname), x.indexprs IS NOT NULL OR x.indpred IS NOT NULL
FROM a JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
 JOIN pg_catalog.pg_index x ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.indexrelid = d.objid
 JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
UNION SELECT DISTINCT pg_catalog.format('%I', c.relname), false
FROM a JOIN pg_catalog.pg_index x ON x.indrelid = a.attrelid AND a.attnum = ANY (x.indkey::int2[])
 JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
UNION SELECT DISTINCT pg_catalog.format('%I', k.conname), true
FROM a JOIN pg_catalog.pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)
"""
_DEFAULTS = """
SELECT d.adnum::int, pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute x ON x.attrelid = d.adrelid AND x.attnum = d.adnum
WHERE d.adrelid = {table} AND x.attname IN ({names}) AND x.attgenerated = ''
"""
_SEQUENCE = "SELECT pg_catalog.pg_get_serial_sequence({table}, {column})"


@dataclass(frozen=True, slots=True)
class Hanging:
    """What was found."""

    refuses: tuple[str, ...] = ()
    """What would make the server refuse the change, in a few words each."""
    notes: tuple[str, ...] = ()
    """What is built anew with it, a sentence each."""
    checked: tuple[Relationship, ...] = ()
    """Foreign keys whose rows the server looks through again: it refuses the change where one has orphans."""
    bound: frozenset[int] = frozenset()
    """OIDs of the tables at the other ends of foreign keys that are looked at again."""
    defaults: Mapping[int, str] = field(default_factory=dict)
    """The defaults of the columns as SQL, by number."""
    sequences: tuple[tuple[str, str], ...] = ()
    """Sequences of the columns that are to give out the new type too, as SQL, each with that type."""


UNHUNG = Hanging()
"""Where nothing was looked for."""


async def read_hanging(
    database: Database, ask: Ask, schema: Schema, table: Table, changes: Sequence[Retype]
) -> Hanging:
    """Look what hangs on columns.

    Args:
        database: where.
        ask: runs a statement there.
        schema: the schema that the table is of.
        table: whose columns they are.
        changes: the columns, with the new types.

    Raises:
        Trouble: the connection is lost.
        psycopg.Error: the server refused.
    """
    names = ", ".join(sql.literal(each.column.name) for each in changes)
    given = {"table": table.oid, "names": names}
    head = _TABLES.format(**given)
    refuses = [f"the column {quote(name)} is {why}" for name, why in await ask(_INHERITED.format(**given))]
    refuses += [f"the {kind} {name}" for kind, name in await ask(head + _REFUSES)]
    refuses += [f"the column {name}, which has rows of it" for (name,) in await ask(head + _ROWS)]
    anew = await ask(head + _ANEW)
    hanging, bound, edges = await _foreign_keys(database, schema, table, changes)
    # TryReuseForeignKey (tablecmds.c): where no row is written, none is looked at.
    rewrites = any(each.rewrites for each in changes)
    checked = tuple(edge for edge in edges if rewrites and edge.validated and edge.enforced)
    notes = []
    if anew:
        notes.append(f"built anew with it: {', '.join(sorted({name for name, _ in anew}))}")
    if strange := sorted({name for name, expression in anew if expression}):
        notes.append(f"the server refuses it where an expression does not fit the new type: {', '.join(strange)}")
    defaults: dict[int, str] = dict(await ask(_DEFAULTS.format(**given)))
    sequences = []
    for each in changes:
        if each.widens and each.column.has_default:
            asked = _SEQUENCE.format(table=sql.literal(sql.table_name(table)), column=sql.literal(each.column.name))
            [(sequence,)] = await ask(asked)
            sequences += [(sequence, each.to.type_text)] if sequence else []
    return Hanging((*refuses, *hanging), tuple(notes), checked, bound, defaults, tuple(sequences))


async def _foreign_keys(
    database: Database, schema: Schema, table: Table, changes: Sequence[Retype]
) -> tuple[list[str], frozenset[int], list[Relationship]]:
    """The foreign keys of the columns that could not be compared any more; the tables at their other ends; all."""
    new = {each.column.number: each.to for each in changes}
    found: list[tuple[Relationship, int, Column, Column]] = []
    for edge in schema.edges.values():
        if edge.kind is not EdgeKind.DECLARED:
            continue
        for pair in edge.pairs:
            child = new.get(pair.child.number) if edge.child == table.oid else None
            parent = new.get(pair.parent.number) if edge.parent == table.oid else None
            if child or parent:
                other = edge.parent if edge.child == table.oid else edge.child
                found.append((edge, other, child or pair.child, parent or pair.parent))
    compared = await read_comparisons(database, [types_of(child, parent) for _, _, child, parent in found])
    lost = [edge for edge, _, child, parent in found if compared[types_of(child, parent)] is None]
    words = [
        f"the foreign key {edge_label(schema, edge)}, whose other end, {named(_other(edge, table))} of"
        f" {table_label(_far(schema, edge, table))}, keeps its type"
        for edge in dict.fromkeys(lost)
    ]
    return words, frozenset(other for _, other, _, _ in found), list(dict.fromkeys(edge for edge, *_ in found))


def _far(schema: Schema, edge: Relationship, table: Table) -> Table:
    return schema.parent_of(edge) if edge.child == table.oid else schema.child_of(edge)


def _other(edge: Relationship, table: Table) -> list[Column]:
    return [pair.parent if edge.child == table.oid else pair.child for pair in edge.pairs]
