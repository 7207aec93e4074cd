"""Who waits for whom on the tables of foreign keys: what can be seen of a race whose INSERT is refused in the end.

Asked only while somebody waits: `pg_blocking_pids` and `pg_locks` stop the server's lock manager for a moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fkexplorer.database.lines import one_line
from fkexplorer.orphans.events import Backend, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fkexplorer.schema.model import Schema

# `$started` is pg_locks.waitstart, from 14 on, or NULL; `$ours` are our own server processes. Who waits for a row waits
# for the transaction that has it, and holds a lock on the row's place meanwhile, which names the table.
WAITS = """
WITH locks AS MATERIALIZED (SELECT l.* FROM pg_locks l),
waiting AS MATERIALIZED (
 SELECT l.pid, l.locktype, l.mode, l.relation, $started AS started, pg_blocking_pids(l.pid) AS blockers
 FROM locks l WHERE NOT l.granted AND l.pid IS NOT NULL AND l.pid <> ALL ('{$ours}'::int[]) ORDER BY l.pid LIMIT 50)
SELECT w.locktype, w.mode, extract(epoch FROM coalesce(w.started, a.query_start, clock_timestamp()))::float8,
 coalesce(w.relation, (SELECT min(l.relation::int8)::oid FROM locks l
  WHERE l.pid = w.pid AND l.locktype = 'tuple' AND l.granted))::int8,
 (SELECT coalesce(json_agg(DISTINCT l.relation::int8), '[]') FROM locks l
  WHERE l.pid = w.pid AND l.relation IS NOT NULL AND l.database = a.datid),
 (SELECT json_agg(json_build_array(p.pid, s.usename, s.application_name, s.state, left(s.query, 1000)) ORDER BY p.n)
  FROM unnest(w.pid || w.blockers) WITH ORDINALITY p(pid, n) LEFT JOIN pg_stat_activity s ON s.pid = p.pid)
FROM waiting w JOIN pg_stat_activity a ON a.pid = w.pid
WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

_LITERAL = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|$))"
    r"|(?P<name>\"(?:[^\"]|\"\")*(?:\"|$))"
    r"|\b[EeBbXxUuNn]?&?'(?:[^'\\]|\\.|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)"
    r"|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=tag)|$)"
    r"|(?<![\w$])[-+]?(?:\d[\w.]*|\.\d[\w.]*)",
    re.DOTALL,
)


def masked(statement: str) -> str:
    """The statement on one line, without comments, and with `?` for each number and string in it."""

    def replaced(found: re.Match[str]) -> str:
        if found["comment"]:
            return " "
        return found[0] if found["name"] else "?"

    return one_line(_LITERAL.sub(replaced, statement))


def waits_of(rows: Iterable[tuple[Any, ...]], schema: Schema) -> tuple[Wait, ...]:
    """The waits of `WAITS` that concern tables of the schema's edges, the longest first."""
    return tuple(sorted(_waits(rows, schema), key=lambda wait: (wait.since, wait.waiter.pid)))


def _waits(rows: Iterable[tuple[Any, ...]], schema: Schema) -> Iterator[Wait]:
    ends = {oid for edge in schema.edges.values() for oid in (edge.child, edge.parent)}

    def root(relation: int) -> int:
        return schema.partition_roots.get(relation, relation)

    for kind, mode, since, wanted, relations, sessions in rows:
        tables = ends & {root(relation) for relation in relations}
        if not tables:
            continue
        waiter, *blockers = (_backend(*session) for session in sessions)
        yield Wait(
            waiter=waiter,
            blockers=tuple(blockers),
            since=datetime.fromtimestamp(since, UTC),
            mode=mode if kind == "relation" else "row",
            tables=frozenset(tables),
            wanted=root(wanted) if wanted is not None and root(wanted) in tables else None,
        )


def _backend(pid: int, user: str | None, application: str | None, state: str | None, query: str | None) -> Backend:
    # A role without pg_read_all_stats is told nothing of a session's state, and this in place of its statement.
    hidden = state is None
    return Backend(pid, user, application, None if hidden or not query else masked(query), state)
