"""What a server says of changes since it was last looked at: its snapshot, who may still hold back counts, counters.

PostgreSQL tells its statistics late: a session flushes what it has counted when it idles, within some 10 s from
PostgreSQL 15 on, before that perhaps never. So equal counters prove nothing by themselves; they do together with a look
at all sessions, taken first, which says since when one of them might hold something back.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from fkexplorer.database.limits import Limits
from fkexplorer.database.postgresql.fingerprint import FINGERPRINT
from fkexplorer.orphans.waits import WAITS, waits_of
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.events import Wait
    from fkexplorer.schema.model import Schema

_LIMITS = Limits(statement_timeout_ms=5_000)

# A session that idles has counted up to its last statement: nothing is held back from before `state_change`, and from
# 15 on nothing at all after 11 s (PGSTAT_IDLE_INTERVAL and PGSTAT_MIN_INTERVAL in pgstat.c). One that idles in its
# transaction has committed nothing since then either. One that runs a statement may have committed before it in the
# same message, or within it (CALL, DO; the transaction is a new one then): only a single statement is known to have
# held back nothing from before it began and before its transaction did. Of all others nothing is known: a function
# called by its OID, a session whose state the role may not see or that tells none, a statement that is cut off.
_HELD_BACK = """
 CASE
  WHEN a.state = 'idle' THEN $idle
  WHEN a.state IN ('idle in transaction', 'idle in transaction (aborted)') THEN a.state_change
  WHEN a.state = 'active' AND a.query !~ ';\\s*\\S' AND a.xact_start IS NOT NULL
   AND octet_length(a.query) < pg_size_bytes(current_setting('track_activity_query_size')) - 1
   THEN greatest(a.xact_start, a.query_start)
  ELSE 'infinity'
 END"""
_IDLE_15 = (
    "CASE WHEN a.state_change > clock_timestamp() - interval '11 seconds' THEN a.state_change ELSE '-infinity' END"
)

# Server processes and those of other databases write no rows here; nor does one that only sends the log. After a crash
# the server keeps its start time, but not that of the background writer's statistics.
_LOOK = """
SELECT $snapshot()::text, extract(epoch FROM statement_timestamp())::float8,
 concat_ws('/', pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time(), s.stats_reset), pg_is_in_recovery(),
 current_setting('track_counts')::boolean, a.held_back, a.waiting
FROM pg_stat_database s CROSS JOIN (
 SELECT coalesce(extract(epoch FROM max($held_back))::float8, '-infinity') AS held_back,
  CASE WHEN bool_or(a.state IS NULL) THEN (SELECT count(*) FROM pg_locks WHERE NOT granted)
   ELSE count(*) FILTER (WHERE a.wait_event_type = 'Lock') END AS waiting
 FROM pg_stat_activity a
 WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND a.backend_type IS DISTINCT FROM 'autovacuum worker' AND NOT coalesce(a.query ~* '^\\s*START_REPLICATION', false)
  AND a.pid <> ALL ('{$ours}'::int[])
) a
WHERE s.datname = current_database()
"""

# Clones of a constraint name the partitions too, but one that was detached and attached again by hand may have none.
_COUNTERS = """
WITH RECURSIVE every(oid) AS (
 SELECT conrelid FROM pg_constraint WHERE contype = 'f' UNION SELECT confrelid FROM pg_constraint WHERE contype = 'f'
 UNION SELECT unnest('{$others}'::oid[])
 UNION SELECT i.inhrelid FROM pg_inherits i JOIN every ON i.inhparent = every.oid),
counted AS (
 SELECT c.oid, c.relfilenode, pg_stat_get_tuples_deleted(c.oid) AS deleted,
  pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS written
 FROM every JOIN pg_class c USING (oid))
SELECT coalesce(string_agg(oid::text, ' '), ''), coalesce(string_agg(written::text, ' '), ''),
 coalesce(string_agg(deleted::text, ' '), ''), coalesce(string_agg(relfilenode::text, ' '), '')
FROM counted
"""


@dataclass(frozen=True, slots=True)
class Look:
    """The server at one moment."""

    snapshot: str
    """`pg_current_snapshot()`."""
    at: float
    """Its clock in seconds since 1970, before everything else here was read."""
    cluster: str
    """When the server started, or crashed, and its statistics were reset: counters are comparable while it is equal."""
    standby: bool
    counts: bool
    """`track_counts`: whether sessions count what they write, as far as this one knows."""
    held_back: float
    """Counters hold everything that was committed before this time, unless it is later than `at`. `-inf`: everything;
    `inf`: nothing is known."""
    waiting: int
    """Sessions that wait for a lock, ours not among them; where the role may not know, all on the server."""

    @property
    def whole(self) -> bool:
        """Whether an equal snapshot later means that nothing was committed meanwhile.

        On a standby the text leaves out which transactions are in progress between its two bounds: there it does only
        if there are none.
        """
        least, greatest, _ = self.snapshot.split(":", 2)
        return not self.standby or least == greatest


class Counters(NamedTuple):
    """One relation's own: no sum over its partitions.

    A tuple: thousands are made at each look, and a dataclass takes three times as long.
    """

    written: int
    """Rows inserted, updated and deleted since its statistics began, those that were rolled back included."""
    deleted: int
    file: int
    """`relfilenode`: TRUNCATE, which counts nothing, makes a new one."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is read beside a look, after it; None where it was not asked for."""

    counters: Mapping[int, Counters] | None = None
    """By OID, of all relations at an end of an edge and everything that inherits from them."""
    fingerprint: str | None = None
    waits: tuple[Wait, ...] | None = None


class Watcher:
    """Looks at one database; each look is one message there and back.

    Args:
        database: which.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        version = database.facts.version_number
        self._texts = {
            "snapshot": "pg_current_snapshot" if version >= 130000 else "txid_current_snapshot",
            "held_back": Template(_HELD_BACK).substitute(idle=_IDLE_15 if version >= 150000 else "a.state_change"),
            "started": "l.waitstart" if version >= 140000 else "NULL::timestamptz",
        }
        self._rows: dict[str, tuple[str, ...]] = {}
        self._known: dict[int, Counters] = {}
        """The counters that were read last, by relation: as text, and as numbers."""

    def _text(self, template: str, schema: Schema | None = None) -> str:
        others = _undeclared(schema) if schema else ()
        ours = ",".join(map(str, self._database.backends))
        return Template(template).substitute(self._texts, ours=ours, others=",".join(map(str, others)))

    def _counters(self, *columns: str) -> dict[int, Counters]:
        """The counters of a row of `_COUNTERS`: the same objects as before for all that did not change."""
        rows = {row[0]: row for row in zip(*(column.split() for column in columns), strict=True)}
        before, self._rows = self._rows, rows
        known = {}
        if rows.keys() == before.keys():
            known = self._known.copy()
            changed = [row for name, row in rows.items() if row != before[name]]
        else:
            changed = list(rows.values())
        for oid, written, deleted, file in changed:
            known[int(oid)] = Counters(int(written), int(deleted), int(file))
        self._known = known
        return known

    async def look(self) -> Look:
        """Look at the snapshot and the sessions.

        Raises:
            Trouble: the connection is lost (`lost`) or could not be made.
            psycopg.Error: the server refused it.
        """
        [look] = await self._database.glance(self._text(_LOOK), limits=_LIMITS)
        return Look(*look[0])

    async def first_look(self, schema: Schema) -> tuple[Look, Details]:
        """A look, with counters and fingerprint in the same message: there is nothing yet that it could prove.

        Raises:
            Trouble: the connection is lost (`lost`) or could not be made.
            psycopg.Error: the server refused it.
        """
        look, counters, fingerprint = await self._database.glance(
            self._text(_LOOK), self._text(_COUNTERS, schema), FINGERPRINT, limits=_LIMITS
        )
        return Look(*look[0]), Details(self._counters(*counters[0]), fingerprint[0][0])

    async def details(self, schema: Schema, *, counters: bool, fingerprint: bool, waits: bool) -> Details:
        """Read what is asked for in one transaction, which begins after every look that came before.

        Raises:
            Trouble: the connection is lost (`lost`) or could not be made.
            psycopg.Error: the server refused it.
        """
        asked = {
            "counters": counters and self._text(_COUNTERS, schema),
            "fingerprint": fingerprint and FINGERPRINT,
            "waits": waits and self._text(WAITS),
        }
        statements = {name: text for name, text in asked.items() if text}
        if not statements:
            return Details()
        rows = await self._database.glance(*statements.values(), limits=_LIMITS)
        answers = dict(zip(statements, rows, strict=True))
        return Details(
            counters=self._counters(*answers["counters"][0]) if counters else None,
            fingerprint=answers["fingerprint"][0][0] if fingerprint else None,
            waits=waits_of(answers["waits"], schema) if waits else None,
        )


def _undeclared(schema: Schema) -> set[int]:
    """Tables of edges that no constraint names."""
    return {
        oid for edge in schema.edges.values() if edge.kind is not EdgeKind.DECLARED for oid in (edge.child, edge.parent)
    }
