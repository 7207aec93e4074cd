"""What the catalogue and the server's counters say of indexes and of how often rows go, beyond the schema itself.

One message for the catalogue; one more, of small looks by an index alone, for keys and defaults where there are such.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.doctor.exam import Exam

_LIMITS = Limits(statement_timeout_ms=10_000)

_ENDS = """
(SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
 UNION SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0)
""".strip()

# Whole and in order; none that is partial or of an expression can stand for another. A foreign key relies on one
# (conindid), PRIMARY KEY and UNIQUE are kept by theirs.
_INDEXES = f"""
SELECT i.indexrelid::bigint, i.indrelid::bigint, format('%I.%I', n.nspname, c.relname), c.relkind = 'I', a.amname::text,
 i.indkey::int2[], i.indnkeyatts::int, i.indclass::oid[]::bigint[], i.indcollation::oid[]::bigint[],
 i.indoption::int2[], i.indisunique, i.indisprimary OR i.indisreplident OR i.indisclustered,
 EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')),
 EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = 'f'),
 pg_stat_get_numscans(i.indexrelid), greatest(c.relpages, 0)::int8 * current_setting('block_size')::int8
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 JOIN pg_am a ON a.oid = c.relam
WHERE i.indrelid IN {_ENDS} AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
 AND i.indexprs IS NULL
ORDER BY i.indexrelid
"""

# The partitions of a parent have clones of the constraint, and so are in it too.
_COUNTERS = """
SELECT c.oid::bigint, pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_deleted(c.oid)
FROM pg_class c WHERE c.relkind = 'r' AND c.oid IN (SELECT confrelid FROM pg_constraint WHERE contype = 'f')
"""
_SINCE = """
SELECT extract(epoch FROM stats_reset)::float8, extract(epoch FROM clock_timestamp())::float8, pg_is_in_recovery()
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class PlainIndex:
    """A valid index without a predicate or an expression."""

    oid: int
    table: int
    label: str
    """`schema.name`."""
    partitioned: bool
    method: str
    columns: tuple[int, ...]
    """All of them, included ones behind the keys."""
    keys: int
    classes: tuple[int, ...]
    collations: tuple[int, ...]
    options: tuple[int, ...]
    unique: bool
    marked: bool
    """It is the primary key, the replica identity, or what the table is clustered by."""
    constraint: bool
    """A PRIMARY KEY, UNIQUE or EXCLUDE constraint is kept by it."""
    referenced: bool
    """A foreign key relies on it."""
    scans: int
    """How often it was read since the counters began."""
    bytes: int

    def begins(self, other: PlainIndex) -> bool:
        """Whether the other one has the same keys in the same order, and perhaps more behind them."""
        own = slice(self.keys)
        return (
            self.table == other.table
            and self.method == other.method
            and self.keys <= other.keys
            and all(
                ours[own] == theirs[own]
                for ours, theirs in (
                    (self.columns, other.columns),
                    (self.classes, other.classes),
                    (self.collations, other.collations),
                    (self.options, other.options),
                )
            )
            and set(self.columns) <= set(other.columns)
        )


@dataclass(frozen=True, slots=True)
class Counters:
    """What was read."""

    indexes: tuple[PlainIndex, ...] = ()
    inserted: Mapping[int, int] = field(default_factory=dict)
    """Rows that came to a parent since the counters began, partitions in their root."""
    deleted: Mapping[int, int] = field(default_factory=dict)
    since: datetime | None = None
    """When the counters began; None where that is not known, as on a standby, which has none."""
    now: datetime | None = None


async def read_counters(exam: Exam) -> Counters:
    """Read it; what the server refuses is noted as not looked at.

    Raises:
        Trouble: the connection is lost.
    """
    try:
        indexes, counters, reset = await exam.database.glance(_INDEXES, _COUNTERS, _SINCE, limits=_LIMITS)
    except psycopg.Error as error:
        exam.miss("the indexes of the tables, and how often rows go", translate(error).reason)
        return Counters()
    inserted: dict[int, int] = defaultdict(int)
    deleted: dict[int, int] = defaultdict(int)
    for oid, came, went in counters:
        root = exam.schema.partition_roots.get(oid, oid)
        inserted[root] += came
        deleted[root] += went
    [(since, now, standby)] = reset or [(None, None, True)]
    return Counters(
        tuple(_plain(row) for row in indexes),
        inserted,
        deleted,
        datetime.fromtimestamp(since, UTC) if since is not None and not standby else None,
        datetime.fromtimestamp(now, UTC) if now is not None else None,
    )


def _plain(row: tuple[Any, ...]) -> PlainIndex:
    values: list[Any] = [tuple(each) if isinstance(each, list) else each for each in row]
    return PlainIndex(*values)
