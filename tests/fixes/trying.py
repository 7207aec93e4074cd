"""Does a step of a plan on the real server, sees what it touched and locked, and takes it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.fixes.locks import MODES
from fkexplorer.fixes.model import DataStep

if TYPE_CHECKING:
    from fkexplorer.fixes.model import Preview, Step
    from fkexplorer.schema.model import Schema

# Of a partition's locks and rows its root's; tables that the transaction made itself are nobody else's to wait for.
_LOCKS = """
SELECT DISTINCT coalesce(pg_partition_root(l.relation), l.relation)::int8, l.mode FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
 AND c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
"""
_COUNTS = """
SELECT coalesce(pg_partition_root(relid), relid)::int8, sum(n_tup_del)::int, sum(n_tup_upd)::int, sum(n_tup_ins)::int
FROM pg_stat_xact_user_tables GROUP BY 1
"""


@dataclass
class Tried:
    """What the server did: by table the rows deleted, updated, inserted, and the strongest lock; or what it said."""

    counts: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    locks: dict[int, str] = field(default_factory=dict)
    refused: str = ""


def trying(conninfo: str, step: Step, *, known: set[int], settings: str = "") -> Tried:
    """Do one step and take it back.

    Args:
        conninfo: of a superuser.
        step: the step.
        known: the tables to report of.
        settings: statements to run before it.
    """
    statements = [*step.first, step.change.sql] if isinstance(step, DataStep) else list(step.statements)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"{settings}; BEGIN".encode())
        try:
            for statement in (*statements, "SET CONSTRAINTS ALL IMMEDIATE"):
                connection.execute(statement.encode())
            # The locks first: to look at the statistics takes none on tables, but the two joins could.
            locks: dict[int, str] = {}
            for table, mode in connection.execute(_LOCKS):
                if table in known:
                    locks[table] = max(mode, locks.get(table, mode), key=MODES.index)
            counts = {
                table: (deleted, updated, inserted)
                for table, deleted, updated, inserted in connection.execute(_COUNTS)
                if table in known and deleted + updated + inserted
            }
            return Tried(counts, locks)
        except psycopg.Error as error:
            return Tried(refused=str(error))
        finally:
            connection.execute("ROLLBACK")


def announced(schema: Schema, preview: Preview) -> dict[int, tuple[int, int, int]]:
    """The numbers of a preview by table, of partitions their root."""
    found: dict[int, tuple[int, int, int]] = {}
    for each in preview.effects:
        before = found.get(each.table, (0, 0, 0))
        found[each.table] = (
            before[0] + each.deleted,
            before[1] + each.updated,
            before[2] + each.inserted,
        )
    assert found.keys() <= schema.tables.keys()
    return {table: numbers for table, numbers in found.items() if any(numbers)}


def locks_of(step: Step, *, of_run: bool = False) -> dict[int, str]:
    """The locks that a step announces: of its statements, or of a whole run."""
    looks = step.looks if of_run and isinstance(step, DataStep) else ()
    return {lock.table: lock.mode for lock in (*step.locks, *looks)}
