"""Who holds, or waits for, what on the tables of a fix at this moment: whom it would have to wait for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.database.lines import one_line
from fkexplorer.fixes.locks import ACCESS_SHARE, CONFLICTS
from fkexplorer.fixes.model import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.fixes.model import Lock
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Schema

# Without pg_monitor the state of other users' sessions is NULL, and their statement a word that says so.
_LOCKS = """
SELECT l.relation::int8, l.mode, l.granted, l.pid, a.usename::text, a.application_name,
 extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8,
 CASE WHEN a.state IS NOT NULL THEN a.query END
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation IN ({tables}) AND l.pid <> pg_catalog.pg_backend_pid()
 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY a.xact_start NULLS LAST, l.pid, l.relation
"""

_LITERAL = re.compile(
    r"""[eE]'(?:[^'\\]|''|\\.)*(?:'|$)|'(?:[^']|'')*(?:'|$)|(?<![\w$])\$([^\W\d]\w*)?\$.*?(?:\$(?(1)\1)\$|$)|(?<![\w."$])\d[\w.]*""",
    re.DOTALL,
)


async def holders(ask: Ask, schema: Schema, wanted: Iterable[Lock]) -> tuple[Holder, ...]:
    """The sessions whose locks on these tables conflict with those wanted, the one that began first at the top.

    One that has written to a table, or waits to, holds rows of it that nobody can tell from outside: it is among them
    where rows are to be changed.

    Args:
        ask: runs a statement.
        schema: the schema that the tables are of.
        wanted: the locks that a fix would take.
    """
    modes: dict[int, list[str]] = {}
    for lock in wanted:
        for relation in (lock.table, *schema.tables[lock.table].partitions):
            modes.setdefault(relation, []).append(lock.mode)
    if not modes:
        return ()
    rows = await ask(_LOCKS.format(tables=", ".join(map(str, sorted(modes)))))
    return tuple(
        Holder(
            pid=pid,
            user=user,
            application=one_line(application) if application else None,
            table=schema.partition_roots.get(relation, relation),
            mode=mode,
            granted=granted,
            seconds=seconds,
            statement=masked(statement) if statement else None,
        )
        for relation, mode, granted, pid, user, application, seconds, statement in rows
        if any(_in_the_way(mode, each) for each in modes[relation])
    )


def _in_the_way(theirs: str, ours: str) -> bool:
    """Whether one has to wait for the other: for the table, or perhaps for a row."""
    return theirs in CONFLICTS[ours] or ACCESS_SHARE not in {theirs, ours}


def masked(statement: str) -> str:
    """The statement on one line, with `…` for each value in it."""
    return one_line(_LITERAL.sub(lambda found: "'…'" if not found[0][0].isdigit() else "…", statement))
