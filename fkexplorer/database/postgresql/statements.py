"""The catalogue statements: what is asked of PostgreSQL 12 to 18, as plain SQL in one place.

None of them waits for a lock: `pg_get_expr`, `pg_relation_size` and its kin, `pg_get_indexdef` and
`pg_relation_is_updatable` do (a running ALTER TABLE would hold up the load), so sizes come from `relpages` and a
partial index's predicate from its stored tree. They run with an empty search_path, where only pg_catalog is found
unqualified, and hold no `%`, which psycopg would take for a placeholder.
"""

from __future__ import annotations

from string import Template

from fkexplorer.schema.model import SMALL

# A user's namespace: temporary tables are another session's or this one's own, and never looked at.
_USER = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'"
# Partitions are folded into their root, but one that has a foreign key of its own (not inherited: conparentid = 0),
# on either end, stands in the graph as a table.
_KEPT = """
(NOT c.relispartition OR c.oid IN (
  SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
  UNION SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0))
"""

# Seconds: psycopg reads a timestamptz in ISO style alone, and a role may have another DateStyle.
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"

# A partitioned table holds nothing itself (its sum comes from the partitions). Before 14 a table that was never
# analysed says 0 rows, as an empty one does.
_KNOWN_14 = "c.reltuples >= 0"
_KNOWN_12 = "(c.reltuples > 0 OR c.relpages > 0)"
_ROWS = "CASE WHEN c.relkind <> 'p' AND $known THEN c.reltuples::float8 END"

# relpages of a partitioned table that was analysed is -1.
_BYTES = "greatest(c.relpages, 0)::int8 * current_setting('block_size')::int8"

# Rows that the server has counted since its statistics began: all there is to go by before the first ANALYZE, and
# nearer than reltuples after a load. 0 where it has counted none (on a standby, after a crash).
_SIZES = "$rows, $bytes, pg_stat_get_live_tuples(c.oid), greatest(c.relpages, 0), greatest(c.relallvisible, 0)"

_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relpersistence::text,
 $sizes,
 (SELECT array_agg(i.inhparent ORDER BY i.inhseqno) FROM pg_inherits i
  WHERE i.inhrelid = c.oid AND NOT c.relispartition),
 c.relrowsecurity, c.relforcerowsecurity, row_security_active(c.oid), pg_get_userbyid(c.relowner)::text,
 has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'),
 has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'), has_table_privilege(c.oid, 'REFERENCES'),
 pg_has_role(c.relowner, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND $user AND $kept
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""

# Every partition with the relation right above it; a partition has exactly one.
_PARTITIONS = """
SELECT c.oid, i.inhparent, $sizes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'f') AND c.relispartition AND $user
ORDER BY 1
"""

# A column without privileges of its own (attacl) has its table's: 36,000 function calls less on 18,000 columns.
_COLUMNS = """
SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity::text,
 a.attgenerated::text, a.attcollation,
 CASE WHEN a.attacl IS NOT NULL THEN has_column_privilege(a.attrelid, a.attnum, 'SELECT') END,
 CASE WHEN a.attacl IS NOT NULL THEN has_column_privilege(a.attrelid, a.attnum, 'UPDATE') END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND $user AND $kept
ORDER BY a.attrelid, a.attnum
"""

# The few types in use, once for each modifier (as the 40 of varchar(40)), and those under their domains. A statement
# that walks over all columns takes 10 ms where there are 18,000: this is the second and last.
_TYPES = """
WITH RECURSIVE used (oid, modifier) AS (
 SELECT DISTINCT a.atttypid, a.atttypmod
 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped AND $user
 UNION SELECT t.typbasetype, NULL FROM used u JOIN pg_type t ON t.oid = u.oid WHERE t.typtype = 'd')
SELECT t.oid, u.modifier, format_type(t.oid, u.modifier), n.nspname, t.typname, t.typcategory::text,
 CASE WHEN t.typtype = 'd' THEN t.typbasetype END
FROM used u JOIN pg_type t ON t.oid = u.oid JOIN pg_namespace n ON n.oid = t.typnamespace
"""

# All of them, some 800 with ICU: to look for those in use takes longer.
_COLLATIONS = """
SELECT l.oid, n.nspname, l.collname, l.collisdeterministic
FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
"""

_COMMENTS = """
SELECT d.objoid, d.objsubid, d.description
FROM pg_description d JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classoid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'f') AND $user
"""

_EDGE_COMMENTS = """
SELECT d.objoid, d.description FROM pg_description d JOIN pg_constraint k ON k.oid = d.objoid
WHERE d.classoid = 'pg_constraint'::regclass AND k.contype = 'f' AND k.conparentid = 0
"""

_KEYS = """
SELECT k.oid, k.conname, k.conrelid, k.conkey, k.contype = 'p', k.condeferrable, k.conindid
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('p', 'u') AND $user AND $kept
ORDER BY k.contype <> 'p', k.conname COLLATE "C"
"""

_EDGES = """
SELECT k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey, k.confmatchtype::text, k.confdeltype::text,
 k.confupdtype::text, $confdelsetcols, k.condeferrable, k.condeferred, k.convalidated, $conenforced, $conperiod,
 k.conpfeqop, k.conffeqop
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND $user
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", k.conname COLLATE "C"
"""

# The triggers of foreign keys that do not fire in an ordinary session, each with the root of its constraint: one
# switched off on a single partition hangs on that partition's clone. 1644 and 1645 are RI_FKey_check_ins and _upd,
# on the child; 1646 to 1655 are RI_FKey_*_del and _upd, on the parent. Only what is there and off counts: NOT ENFORCED
# has no triggers, and 12 to 14 have none on a partitioned table itself.
_TRIGGERS_OFF = """
WITH RECURSIVE up AS (
 SELECT t.tgconstraint AS con, t.tgrelid AS relation, t.tgfoid IN (1644, 1645) AS on_child
 FROM pg_trigger t
 WHERE t.tgisinternal AND t.tgconstraint <> 0 AND t.tgfoid BETWEEN 1644 AND 1655 AND t.tgenabled NOT IN ('O', 'A')
 UNION ALL
 SELECT k.conparentid, u.relation, u.on_child FROM up u JOIN pg_constraint k ON k.oid = u.con WHERE k.conparentid <> 0)
SELECT u.con, u.on_child, n.nspname, c.relname
FROM up u JOIN pg_constraint k ON k.oid = u.con JOIN pg_class c ON c.oid = u.relation
 JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.conparentid = 0
"""

# Partitions of a referenced table that the constraint does not watch: what DETACH PARTITION (before 17.1, 16.5, 15.9,
# 14.14, 13.17) and self-references of partitioned tables left behind. No clone there means no triggers there.
_UNPROTECTED = """
WITH RECURSIVE bare AS (
 SELECT k.oid AS con, i.inhrelid AS relation
 FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid AND p.relkind = 'p'
  JOIN pg_inherits i ON i.inhparent = k.confrelid LEFT JOIN pg_constraint above ON above.oid = k.conparentid
 WHERE k.contype = 'f' AND (k.conparentid = 0 OR above.conrelid = k.conrelid) AND $conenforced
  AND NOT EXISTS (SELECT FROM pg_constraint x
   WHERE x.conparentid = k.oid AND x.conrelid = k.conrelid AND x.confrelid = i.inhrelid)),
up AS (
 SELECT con, relation FROM bare
 UNION ALL
 SELECT k.conparentid, u.relation FROM up u JOIN pg_constraint k ON k.oid = u.con WHERE k.conparentid <> 0)
SELECT u.con, n.nspname, c.relname
FROM up u JOIN pg_constraint k ON k.oid = u.con JOIN pg_class c ON c.oid = u.relation
 JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.conparentid = 0
"""

# The operators that edges compare with, those that order the indexes (strategies 1 <, 3 =, 5 > of a btree), and those
# that compare a child's value with a parent's.
_OPERATORS = """
SELECT o.oid, n.nspname, o.oprname, CASE WHEN lt.typtype <> 'p' THEN ln.nspname END, lt.typname,
 CASE WHEN rt.typtype <> 'p' THEN rn.nspname END, rt.typname
FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
 JOIN pg_type lt ON lt.oid = o.oprleft JOIN pg_namespace ln ON ln.oid = lt.typnamespace
 JOIN pg_type rt ON rt.oid = o.oprright JOIN pg_namespace rn ON rn.oid = rt.typnamespace
WHERE o.oid IN (SELECT unnest(conpfeqop) FROM pg_constraint WHERE contype = 'f'
 UNION SELECT ao.amopopr FROM pg_opclass oc JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily
  WHERE oc.oid IN (SELECT unnest(indclass::oid[]) FROM pg_index) AND oc.opcmethod = 403
   AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy IN (1, 3, 5)
 UNION SELECT ao.amopopr FROM pg_amop e JOIN pg_amop ao USING (amopfamily)
  WHERE e.amopopr IN (SELECT unnest(conpfeqop) FROM pg_constraint WHERE contype = 'f') AND e.amopmethod = 403
   AND ao.amoplefttype = e.amoprighttype AND ao.amoprighttype = e.amoplefttype AND ao.amopstrategy IN (1, 5))
"""

# The btree operator families of which an edge's equality is the equality, each with its < and > between the child's
# type, on the left, and the parent's: in no other order are equal keys those that the edge calls equal.
_ORDERS = """
SELECT e.amopopr, e.amopfamily, less.amopopr, greater.amopopr
FROM pg_amop e JOIN pg_amop less USING (amopfamily) JOIN pg_amop greater USING (amopfamily)
WHERE e.amopopr IN (SELECT unnest(conpfeqop) FROM pg_constraint WHERE contype = 'f')
 AND e.amopmethod = 403 AND e.amopstrategy = 3 AND less.amopstrategy = 1 AND greater.amopstrategy = 5
 AND less.amoplefttype = e.amoprighttype AND less.amoprighttype = e.amoplefttype
 AND greater.amoplefttype = e.amoprighttype AND greater.amoprighttype = e.amoplefttype
"""

_ORDERINGS = """
SELECT oc.oid, oc.opcfamily, ao.amopstrategy, ao.amopopr
FROM pg_opclass oc JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily
WHERE oc.opcmethod = 403 AND oc.oid IN (SELECT unnest(indclass::oid[]) FROM pg_index)
 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy IN (1, 3, 5)
"""

# Which operator classes can find a child's rows by the operator that PostgreSQL itself uses for that (conffeqop).
# A BRIN index has the operator too, and finds only the page ranges to be read.
_FAMILIES = """
SELECT DISTINCT oc.oid, ao.amopopr
FROM pg_opclass oc JOIN pg_am am ON am.oid = oc.opcmethod JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily
WHERE am.amname <> 'brin' AND oc.oid IN (SELECT unnest(indclass::oid[]) FROM pg_index)
 AND ao.amopopr IN (SELECT unnest(conffeqop) FROM pg_constraint WHERE contype = 'f')
"""

# A predicate that is `column IS NOT NULL` and nothing else is read from its stored tree: pg_get_expr waits for locks.
_INDEXES = """
SELECT i.indexrelid, i.indrelid, ic.relname, am.amname, i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[],
 i.indnkeyatts, i.indisunique, i.indisprimary, i.indisvalid AND i.indisready AND i.indislive, i.indimmediate,
 $indnullsnotdistinct, i.indpred IS NOT NULL,
 substring(i.indpred::text
  FROM '^[{]NULLTEST :arg [{]VAR :varno 1 :varattno ([0-9]+) [^{}]*[}] :nulltesttype 1 [^{}]*[}]$$')::int2
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
 JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND $user AND $kept
ORDER BY NOT i.indisprimary, ic.relname COLLATE "C"
"""

# What ANALYZE saw of the columns of edges, where the role may know it; of a partitioned table with all its partitions.
# Only of edges whose child is large: where it is small, no way of counting is worth choosing. The view is looked into
# column by column (10 us each): read as a whole it asks for the privileges on every column of the database, and to join
# it by names took 2 s on 18,000 columns. The least and the greatest value are asked of integers that are referred to:
# they say how dense the keys are.
_STATISTICS = """
SELECT e.relation, e.number, s.n_distinct, s.null_frac,
 CASE WHEN e.bounded THEN substring(s.bounds FROM '^[{](-?[0-9]+),')::int8 END,
 CASE WHEN e.bounded THEN substring(s.bounds FROM ',(-?[0-9]+)[}]$$')::int8 END
FROM (
 SELECT k.relation, k.number, bool_or(k.parent) AND a.atttypid IN (20, 21, 23) AS bounded, n.nspname, c.relname,
  a.attname, c.relkind
 FROM (
  SELECT f.conrelid, unnest(f.conkey), false FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid WHERE $large
  UNION
  SELECT f.confrelid, unnest(f.confkey), true FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid WHERE $large
 ) AS k (relation, number, parent)
  JOIN pg_class c ON c.oid = k.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = k.relation AND a.attnum = k.number
 GROUP BY k.relation, k.number, a.atttypid, n.nspname, c.relname, a.attname, c.relkind
) e CROSS JOIN LATERAL (
 SELECT n_distinct::float8, null_frac::float8, CASE WHEN e.bounded THEN histogram_bounds::text END AS bounds
 FROM pg_stats
 WHERE schemaname = e.nspname AND tablename = e.relname AND attname = e.attname AND inherited = (e.relkind = 'p')
 OFFSET 0
) s
"""
_LARGE = f"f.contype = 'f' AND f.conparentid = 0 AND (c.reltuples > {SMALL} OR c.relkind = 'p')"


_TEMPLATES = {
    "clock": _CLOCK,
    "tables": _TABLES,
    "partitions": _PARTITIONS,
    "columns": _COLUMNS,
    "types": _TYPES,
    "collations": _COLLATIONS,
    "comments": _COMMENTS,
    "keys": _KEYS,
    "edges": _EDGES,
    "edge_comments": _EDGE_COMMENTS,
    "triggers_off": _TRIGGERS_OFF,
    "unprotected": _UNPROTECTED,
    "operators": _OPERATORS,
    "orders": _ORDERS,
    "orderings": _ORDERINGS,
    "families": _FAMILIES,
    "indexes": _INDEXES,
    "statistics": _STATISTICS,
}


def statements(version: int) -> dict[str, str]:
    """The catalogue statements by name, in the order in which they are sent.

    Args:
        version: the server's `server_version_num`, 120000 or more.
    """
    v14, v15, v18 = version >= 140000, version >= 150000, version >= 180000
    rows = Template(_ROWS).substitute(known=_KNOWN_14 if v14 else _KNOWN_12)
    values = {
        "user": _USER,
        "kept": _KEPT,
        "large": _LARGE,
        "sizes": Template(_SIZES).substitute(rows=rows, bytes=_BYTES),
        "confdelsetcols": "k.confdelsetcols" if v15 else "NULL::int2[]",
        "conenforced": "k.conenforced" if v18 else "true",
        "conperiod": "k.conperiod" if v18 else "false",
        "indnullsnotdistinct": "i.indnullsnotdistinct" if v15 else "false",
    }
    return {name: Template(text).substitute(values) for name, text in _TEMPLATES.items()}
