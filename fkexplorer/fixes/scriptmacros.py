"""What the data steps of a script have in common: SQL that psql keeps in variables, and the check of the numbers."""

from __future__ import annotations

from fkexplorer.fixes import psql, sql
from fkexplorer.fixes.writer import IMAGES


def root(oid: str) -> str:
    """The table at the top of a partition; of any other table itself."""
    return f"coalesce(pg_catalog.pg_partition_root({oid}), {oid})::pg_catalog.oid"


def array(name: str, kind: str) -> str:
    """The elements of an array that a variable holds."""
    return f"pg_catalog.unnest(:'fk_{name}'::pg_catalog.{kind}[])"


_SETTINGS = [*IMAGES.items(), ("row_security", "off")]

MACROS = [
    psql.ABORT,
    "",
    *psql.comment(
        "Settings under which rows are printed and compared alike wherever this runs, and no policy hides any; and the",
        "role's own, under which the change is made.",
    ),
    psql.macro(
        "fk_images",
        "SELECT count(pg_catalog.set_config(s.name, s.value, true)) AS fk_set FROM (VALUES "
        + ", ".join(f"({sql.literal(name)}, {sql.literal(value)})" for name, value in _SETTINGS)
        + ") AS s (name, value)",
    ),
    psql.macro(
        "fk_settings",
        "SELECT pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name)) AS fk_own FROM (VALUES "
        + ", ".join(f"({sql.literal(name)})" for name, _ in _SETTINGS)
        + ") AS s (name)",
    ),
    psql.macro(
        "fk_restore",
        "SELECT count(pg_catalog.set_config(s.key, s.value, true)) AS fk_set"
        " FROM pg_catalog.json_each_text(:'fk_own') AS s",
    ),
    *psql.comment("The locked rows of the change's own, all rows that are touched, and how many those are by table."),
    psql.macro(
        "fk_target",
        f"ROWS FROM ({array('leaf', 'oid')}, {array('place', 'tid')}) WITH ORDINALITY AS at (leaf, place, n)",
    ),
    psql.macro(
        "fk_all",
        f"ROWS FROM ({array('all_leaf', 'oid')}, {array('all_place', 'tid')}, {array('all_gone', 'bool')})"
        " AS at (leaf, place, gone)",
    ),
    psql.macro(
        "fk_numbers",
        f"(SELECT {root('at.leaf')} AS root, count(*) FILTER (WHERE at.gone) AS d,"
        " count(*) FILTER (WHERE NOT at.gone) AS u FROM :fk_all GROUP BY 1)",
    ),
    *psql.comment(
        "What the transaction has done so far, by table; up to PostgreSQL 14 also what the one before it did.",
    ),
    psql.macro(
        "fk_counters",
        f"(SELECT {root('s.relid')} AS root, sum(s.n_tup_del)::int8 AS d, sum(s.n_tup_upd)::int8 AS u,"
        " sum(s.n_tup_ins)::int8 AS i FROM pg_catalog.pg_stat_xact_user_tables s"
        " WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 GROUP BY 1)",
    ),
]
"""What the steps of a script have in common, before the first of them: SQL in variables."""

WRONG = """\
actual AS (
 SELECT b.root, sum(b.d) AS d, sum(b.u) AS u, sum(b.i) AS i FROM (SELECT root, d, u, i FROM :fk_counters x
  UNION ALL SELECT root, -d, -u, -i
  FROM json_to_recordset(:'fk_before') AS x (root oid, d int8, u int8, i int8)) b
 GROUP BY 1 HAVING sum(b.d) <> 0 OR sum(b.u) <> 0 OR sum(b.i) <> 0),
numbers AS (
 SELECT root, e.root IS NULL AS other, coalesce(a.d, 0) AS ad, coalesce(a.u, 0) AS au, coalesce(a.i, 0) AS ai,
  coalesce(e.d, 0) AS ed, coalesce(e.u, 0) AS eu, coalesce(e.i, 0) AS ei, coalesce(e.more, 0) AS more
 FROM expected e FULL JOIN actual a USING (root)),
wrong AS (
 SELECT format('%s: %s deleted, %s updated, %s inserted, in place of %s, %s and %s',
  root::regclass, ad, au, ai, ed, eu, ei) AS words
 FROM numbers WHERE NOT (ai >= ei AND ad - (ai - ei) = ed AND au + (ai - ei) BETWEEN eu AND eu + more)"""
"""Which tables were touched otherwise than is `expected`, as common table expressions, the last one not closed.

A row that an UPDATE moves to another partition counts as deleted there and inserted here.
"""
