"""What the catalogue says of things that can undo a constraint from beside it: triggers, rules, collations, settings.

All in one message. None of the statements waits for a lock, and each gives only what is suspicious.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.doctor.exam import Exam

_LIMITS = Limits(statement_timeout_ms=10_000)

# Where a foreign key changes or deletes rows of its child: those tables, and their partitions with the clones of it.
# Before 15 the clone of a row trigger on a partition is called internal.
_ACTING = """
(SELECT conrelid FROM pg_constraint
  WHERE contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')))
""".strip()

# tgtype: 1 is FOR EACH ROW, 2 BEFORE, 8 DELETE, 16 UPDATE. A function that came with an extension, or with PostgreSQL,
# is known not to cancel what it is fired by.
_TRIGGERS = f"""
SELECT t.tgrelid::bigint, t.tgname::text, t.tgtype::int, t.tgattr::int2[], p.oid::bigint,
 format('%I.%I', n.nspname, p.proname), l.lanname::text
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
 JOIN pg_language l ON l.oid = p.prolang
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 3 = 3 AND t.tgtype & 24 <> 0
 AND t.tgrelid IN {_ACTING} AND n.nspname <> 'pg_catalog'
 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY t.tgrelid, t.tgname
"""

_SOURCES = f"""
SELECT p.oid::bigint, p.prosrc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'plpgsql' AND p.oid IN (
 SELECT t.tgfoid FROM pg_trigger t
 WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 3 = 3 AND t.tgtype & 24 <> 0
  AND t.tgrelid IN {_ACTING})
"""

# An INSTEAD rule with a condition leaves alone the rows that it holds for; one without makes the statement fail.
_RULES = f"""
SELECT r.ev_class::bigint, r.rulename::text, r.ev_type::text, r.ev_qual::text <> '<>'
FROM pg_rewrite r
WHERE r.is_instead AND r.ev_type IN ('2', '4') AND r.ev_enabled IN ('O', 'A') AND r.ev_class IN {_ACTING}
ORDER BY r.ev_class, r.rulename
"""

# Only the collations of indexes are asked for: a server with ICU has 800 of them. The database's own has a version from
# 15 on. A hash index knows no order, and equal text has equal bytes where the collation is deterministic. Each foreign
# key looks into its parent's index, and into those of its child that begin with a column of the key.
_COLLATIONS = """
WITH used (oid) AS (SELECT DISTINCT unnest(indcollation::oid[]) FROM pg_index WHERE indrelid >= 16384),
stale AS MATERIALIZED (
 SELECT l.oid, format('%I.%I', n.nspname, l.collname) AS name, l.collversion AS made,
  pg_collation_actual_version(l.oid) AS now, false AS of_database
 FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
 WHERE l.oid IN (SELECT oid FROM used) AND l.collprovider <> 'd' AND l.collversion IS NOT NULL
 $database),
served (con, index) AS (
 SELECT k.oid, k.conindid FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0
 UNION
 SELECT k.oid, i.indexrelid FROM pg_constraint k JOIN pg_index i ON i.indrelid = k.conrelid
 WHERE k.contype = 'f' AND k.conparentid = 0 AND i.indkey[0] = ANY (k.conkey) AND i.indisvalid)
SELECT s.name, s.made, s.now, s.of_database, e.con::bigint, format('%I.%I', n.nspname, c.relname), c.relkind = 'I',
 i.indrelid::bigint
FROM stale s JOIN pg_index i ON s.oid = ANY (i.indcollation::oid[]) JOIN served e ON e.index = i.indexrelid
 JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
WHERE s.now IS NOT NULL AND s.made <> s.now AND a.amname <> 'hash'
ORDER BY 1, 6, 5
"""
_OF_DATABASE = """
 UNION ALL SELECT 100, quote_ident(datname), datcollversion, pg_database_collation_actual_version(oid), true
 FROM pg_database WHERE datname = current_database() AND datcollversion IS NOT NULL
"""

# With replica, and with nothing else, the triggers of foreign keys do not fire. What the server's own file says holds
# for everybody.
_ROLES = """
SELECT r.rolname::text, d.datname::text
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE (s.setdatabase = 0 OR d.datname = current_database()) AND 'session_replication_role=replica' = ANY (s.setconfig)
UNION ALL SELECT NULL, NULL FROM pg_settings
WHERE name = 'session_replication_role' AND setting = 'replica' AND source IN ('configuration file', 'command line')
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class RowTrigger:
    """An enabled BEFORE trigger for each row, of a user's own function."""

    table: int
    """OID; of a partition its own."""
    name: str
    on_delete: bool
    on_update: bool
    columns: tuple[int, ...]
    """Of `UPDATE OF columns`; empty for all."""
    function: str
    source: str | None
    """The function's body; None where it is not PL/pgSQL."""
    language: str


@dataclass(frozen=True, slots=True)
class InsteadRule:
    """An enabled rule that puts something else, or nothing, in place of a DELETE or an UPDATE."""

    table: int
    name: str
    on_delete: bool
    """Else it is of UPDATE."""
    conditional: bool
    """It has a condition, and the statement goes on for all other rows."""


@dataclass(frozen=True, slots=True)
class StaleIndex:
    """An index in the order of a collation whose version has changed since."""

    collation: str
    made: str
    """The version that the collation, or the database, had."""
    now: str
    of_database: bool
    """It is the database's own collation, and `collation` the database's name."""
    edge: int
    """OID of a foreign key that looks into it."""
    index: str
    """`schema.name`."""
    partitioned: bool
    table: int


@dataclass(frozen=True, slots=True)
class Server:
    """What was read."""

    triggers: tuple[RowTrigger, ...] = ()
    rules: tuple[InsteadRule, ...] = ()
    stale: tuple[StaleIndex, ...] = ()
    replicas: tuple[tuple[str | None, str | None], ...] = ()
    """Roles and databases whose sessions begin with `session_replication_role = replica`; None for all of them."""


async def read_server(exam: Exam) -> Server:
    """Read it; what the server refuses is noted as not looked at.

    Raises:
        Trouble: the connection is lost.
    """
    version = exam.database.facts.version_number
    collations = Template(_COLLATIONS).substitute(database=_OF_DATABASE if version >= 150000 else "")
    statements: Sequence[str] = (_TRIGGERS, _SOURCES, _RULES, collations, _ROLES)
    try:
        triggers, sources, rules, stale, roles = await exam.database.glance(*statements, limits=_LIMITS)
    except psycopg.Error as error:
        exam.miss("triggers, rules, collations and settings of roles", translate(error).reason)
        return Server()
    bodies = dict(sources)
    return Server(
        tuple(
            RowTrigger(
                table, name, bool(kind & 8), bool(kind & 16), tuple(columns), function, bodies.get(oid), language
            )
            for table, name, kind, columns, oid, function, language in triggers
        ),
        tuple(InsteadRule(table, name, event == "4", conditional) for table, name, event, conditional in rules),
        tuple(StaleIndex(*row) for row in stale),
        tuple((role, database) for role, database in roles),
    )
