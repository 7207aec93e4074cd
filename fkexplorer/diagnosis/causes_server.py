"""What the server knows now that may explain an error: its part in replication, who waits, what it has counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.connection import Lane
from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.orphans.waits import WAITS, waits_of
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.orphans.events import Backend, Wait
    from fkexplorer.schema.model import Table

_LIMITS = Limits(statement_timeout_ms=1_000, lock_timeout_ms=200)
_LAG_SECONDS = 1.0
"""From this lag on what is missing on a standby is most likely on its way."""
_STATEMENT = 80
"""Characters of a statement that are shown."""
_WAITS = 3
"""Lock waits that are told."""

# Times are in seconds since 1970. Where all that was received is replayed, the age of the last transaction is no lag.
_STANDBY = """
SELECT pg_is_in_recovery() AS standby,
 CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM pg_last_xact_replay_timestamp())::float8 END AS replayed,
 CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() END AS caught_up,
 extract(epoch FROM clock_timestamp())::float8 AS at
""".strip()
_REPLICAS = """
SELECT count(*) AS replicas, extract(epoch FROM max(replay_lag))::float8 AS lag
FROM pg_catalog.pg_stat_replication
""".strip()
_SUBSCRIBED = "SELECT count(*) AS subscribed FROM pg_catalog.pg_subscription_rel WHERE srrelid IN ({tables})"
# With replica the triggers of foreign keys fire for nobody whose session has it, by his role or by the database.
_ROLES = """
SELECT current_setting('session_replication_role') AS own,
 (SELECT string_agg(concat_ws(' ', 'role ' || quote_ident(r.rolname), 'database ' || quote_ident(d.datname)), ', ')
  FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
   LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c (setting)
  WHERE (s.setdatabase = 0 OR d.datname = current_database())
   AND c.setting = 'session_replication_role=replica') AS by_setting
""".strip()
_DELETES = """
SELECT (SELECT sum(pg_stat_get_tuples_deleted(r.oid))::int8 FROM unnest('{{{tables}}}'::oid[]) AS r (oid)) AS deleted,
 (SELECT extract(epoch FROM stats_reset)::float8 FROM pg_catalog.pg_stat_database
  WHERE datname = current_database()) AS since,
 current_setting('track_counts')::boolean AS counts, current_setting('track_commit_timestamp')::boolean AS commits
""".strip()
# A role that may not see the state of others' sessions sees their locks.
_WAITING = """
SELECT CASE WHEN bool_or(a.state IS NULL) THEN (SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted)
  ELSE count(*) FILTER (WHERE a.wait_event_type = 'Lock') END AS waiting
FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = current_database()
""".strip()


@dataclass(frozen=True, slots=True)
class Server:
    """What the server said of itself; an error in place of what it did not."""

    at: datetime
    standby: Mapping[str, Any] | psycopg.Error
    replicas: Mapping[str, Any] | psycopg.Error
    subscribed: Mapping[str, Any] | psycopg.Error
    roles: Mapping[str, Any] | psycopg.Error
    deletes: Mapping[str, Any] | psycopg.Error
    waits: tuple[Wait, ...] | psycopg.Error
    """Those that concern the edge."""
    queries: tuple[str, ...]
    """The statements, in the order of the fields above; that of the waits last."""


async def ask_server(case: Case, child: Table, parent: Table) -> Server:
    """Ask all of it in one round trip, and for the waits in a second one where somebody waits.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    tables = ", ".join(map(str, (parent.oid, *parent.partitions)))
    statements = (
        _STANDBY,
        _REPLICAS,
        _SUBSCRIBED.format(tables=tables),
        _ROLES,
        _DELETES.format(tables=tables),
        _WAITING,
    )
    answers: list[Mapping[str, Any] | psycopg.Error] = []
    await pipelined(case.database, statements, _LIMITS, lambda _, answer: answers.append(answer), lane=Lane.SCREEN)
    standby, replicas, subscribed, roles, deletes, waiting = answers
    waits: tuple[Wait, ...] | psycopg.Error = ()
    if isinstance(waiting, psycopg.Error):
        waits = waiting
    elif waiting["waiting"]:
        waits = await _waits(case, child, parent)
    at = datetime.now(UTC) if isinstance(standby, psycopg.Error) else datetime.fromtimestamp(standby["at"], UTC)
    return Server(at, standby, replicas, subscribed, roles, deletes, waits, statements)


async def _waits(case: Case, child: Table, parent: Table) -> tuple[Wait, ...] | psycopg.Error:
    started = "l.waitstart" if case.database.facts.version_number >= 140000 else "NULL::timestamptz"
    ours = ",".join(map(str, case.database.backends))
    try:
        [rows] = await case.database.glance(Template(WAITS).substitute(started=started, ours=ours), limits=_LIMITS)
    except psycopg.Error as error:
        return error
    return tuple(wait for wait in waits_of(rows, case.schema) if wait.concerns(child.oid, parent.oid))


def replication(server: Server, parent: Table, *, missing: bool) -> Part:
    """Whether the rows of the parent may be there elsewhere, or come from there: `standby_lag`, `parent_subscribed`.

    Args:
        server: what the server said.
        parent: the parent's table.
        missing: whether the error is of a parent that is missing.
    """
    at, label = server.at, table_label(parent)
    found, ruled_out = _standby(server, missing=missing)
    subscribed = server.subscribed
    if not isinstance(subscribed, psycopg.Error) and subscribed["subscribed"]:
        text = (
            f"{label} is filled by a logical subscription: its rows come later than they were written at the publisher,"
            " and the worker that brings them fires no trigger of a foreign key."
        )
        query = f"{server.queries[2]};"
        found.append(Evidence("parent_subscribed", text, at, "pg_subscription_rel", query, "subscribed", weight=84))
    roles = server.roles
    if not isinstance(roles, psycopg.Error):
        off = [f"this session ({roles['own']})"] if roles["own"] != "origin" else []
        off += [roles["by_setting"]] if roles["by_setting"] else []
        query = f"{server.queries[3]};"
        if off:
            text = f"session_replication_role turns the triggers of foreign keys off for {', '.join(off)}."
            found.append(Evidence("replication_role", text, at, "pg_db_role_setting", query, ", ".join(off), weight=60))
        else:
            text = (
                "session_replication_role is origin here, and no setting of a role or the database makes it replica;"
                " what a session sets for itself is not seen from outside."
            )
            ruled_out.append(Evidence("replication_role", text, at, "pg_db_role_setting", query, "origin", weight=15))
    return Part(tuple(found), tuple(ruled_out))


def _standby(server: Server, *, missing: bool) -> tuple[list[Evidence], list[Evidence]]:
    """A standby's lag, weighed: what is missing there may be on its way; of a primary, that it is one."""
    said, at = server.standby, server.at
    query = f"{server.queries[0]};"
    if isinstance(said, psycopg.Error):
        text = f"Whether this is a standby is not known: {translate(said).reason}."
        return [Evidence("standby_lag", text, at, "the server", query, "not known", weight=45)], []
    if not said["standby"]:
        replicas = server.replicas
        number = None if isinstance(replicas, psycopg.Error) else replicas["replicas"]
        text = "This is the primary, no standby: what it says is not behind."
        if not number:
            return [], [Evidence("standby_lag", text, at, "the server", query, "primary", weight=35)]
        lag = None if isinstance(replicas, psycopg.Error) else replicas["lag"]
        behind = f", {lag:.1f} s behind" if lag else ""
        told = (
            f"{number} {'replicas are' if number > 1 else 'replica is'} fed from here{behind}: who reads there may see"
            " a row that is deleted here already, or miss one."
        )
        seen = Evidence(
            "replica_reads",
            told,
            at,
            "pg_stat_replication",
            f"{server.queries[1]};",
            f"{number} fed{behind}",
            weight=48,
        )
        return [seen], [Evidence("standby_lag", text, at, "the server", query, "primary", weight=35)]
    if said["replayed"] is None:
        text, result, weight = "This is a standby; how far it is behind its primary is not known", "lag not known", 80
    elif said["caught_up"]:
        text = "This is a standby that has replayed all that it received"
        result, weight = "lag 0 s", 55
    else:
        lag = max(0.0, at.timestamp() - said["replayed"])
        text = f"This is a standby, up to {lag:.1f} s behind its primary"
        result, weight = f"lag {lag:.1f} s", 92 if lag >= _LAG_SECONDS else 60
    what = "what is missing here may be there" if missing else "what is here may be gone there"
    text += f": {what}, so look on the primary. Nothing can be written here."
    return [Evidence("standby_lag", text, at, "the server", query, result, weight=weight)], []


def lock_waits(server: Server, child: Table, parent: Table) -> Part:
    """Who waits for whom on the two tables of the edge: `lock_wait`, found or ruled out."""
    at = server.at
    labels = " and ".join(dict.fromkeys((table_label(child), table_label(parent))))
    if isinstance(server.waits, psycopg.Error):
        text = f"Who waits for a lock on {labels} is not known: {translate(server.waits).reason}."
        return Part((Evidence("lock_wait", text, at, "pg_locks", "", "not known", weight=40),))
    if not server.waits:
        text = f"Nobody waits for a lock on {labels} at this moment."
        query = f"{server.queries[5]};"
        return Part(ruled_out=(Evidence("lock_wait", text, at, "pg_stat_activity", query, "0 waits", weight=20),))
    return Part(tuple(_wait(wait, at) for wait in server.waits[:_WAITS]))


def _wait(wait: Wait, at: datetime) -> Evidence:
    seconds = max(0.0, (at - wait.since).total_seconds())
    blockers = " and ".join(_session(each) for each in wait.blockers) or "nobody that is known"
    what = "a row" if wait.mode == "row" else wait.mode
    text = f"S{_session(wait.waiter)[1:]} waits since {wait.since:%H:%M:%S} UTC for {what} that {blockers} has."
    query = f"SELECT pg_catalog.pg_blocking_pids({wait.waiter.pid});"
    result = f"{wait.waiter.pid} waits for {', '.join(str(each.pid) for each in wait.blockers)}, {seconds:.0f} s"
    return Evidence("lock_wait", text, at, "pg_locks", query, result, weight=96)


def _session(backend: Backend) -> str:
    if backend.pid == 0:
        return "a prepared transaction"
    statement = backend.statement or ""
    statement = statement if len(statement) <= _STATEMENT else f"{statement[:_STATEMENT]}…"
    who = ", ".join(each for each in (backend.user, backend.application, statement) if each)
    return f"session {backend.pid}{f' ({who})' if who else ''}"
