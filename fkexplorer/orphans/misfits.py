"""Counts on a pair of columns that no operator compares: the rows that do not cast, and apart from them the orphans.

Such an edge has no number of orphans, since PostgreSQL knows of none; and yet there is something to tell.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Lane, backend_of
from fkexplorer.orphans.casting import misfit, one_array
from fkexplorer.orphans.outcome import failed, incomparable, refused
from fkexplorer.orphans.watchdog import InTheWay, stepping_aside
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.database.limits import Limits
    from fkexplorer.orphans.course import Course
    from fkexplorer.orphans.model import Count
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.schema.model import Relationship, Schema


def misfit_statement(schema: Schema, edge: Relationship, server_version: int) -> str | None:
    """One row: `uncastable`, `orphans_if_cast`, `snapshot`, `as_of`; None where this server can't tell what casts.

    Args:
        schema: what the edge is of.
        edge: one of which a pair has no operator.
        server_version: `server_version_num`.
    """
    found = misfit(schema, edge, server_version)
    if found is None:
        return None
    child = schema.child_of(edge)
    snapshot = "pg_current_snapshot" if server_version >= 130000 else "txid_current_snapshot"
    return (
        f"SELECT pg_catalog.count(*) FILTER (WHERE {found.uncastable}) AS uncastable,"  # noqa: S608 - quoted there
        f" pg_catalog.count(*) FILTER (WHERE {found.orphan}) AS orphans_if_cast,"
        f" CAST(pg_catalog.{snapshot}() AS pg_catalog.text) AS snapshot,"
        " CAST(EXTRACT(epoch FROM pg_catalog.statement_timestamp()) AS pg_catalog.float8) AS as_of"
        f" FROM {'' if child.kind is TableKind.PARTITIONED else 'ONLY '}{table_label(child)} AS c"
    )


def counted_misfits(edge: Relationship, row: Mapping[str, Any], seconds: float) -> Count:
    """The count that a row of that statement stands for."""
    uncastable, orphans = row["uncastable"], row["orphans_if_cast"]
    count = incomparable(edge)
    cast = "1 row does not cast" if uncastable == 1 else f"{uncastable:,} rows do not cast"
    without = "1 would be an orphan" if orphans == 1 else f"{orphans:,} would be orphans"
    told = f"{cast}, {without}" if uncastable or orphans else "every row casts, and would have a parent"
    return replace(
        count,
        as_of=datetime.fromtimestamp(row["as_of"], UTC),
        seconds=seconds,
        snapshot=row["snapshot"],
        uncastable=uncastable,
        orphans_if_cast=orphans,
        error=f"{count.error}: {told}",
    )


def uncounted_misfits(edge: Relationship, reason: str, seconds: float = 0.0) -> Count:
    """The count of such an edge of which not even that is known, with the reason in a few words."""
    count = incomparable(edge)
    return replace(count, seconds=seconds, error=f"{count.error}, and what casts is not known: {reason}")


def why_unknown(edge: Relationship) -> str:
    """Why no statement tells what casts, in a few words; of an edge for which there is no `misfit_statement`."""
    if any(one_array(pair.child, pair.parent) for pair in edge.pairs):
        return "an array is not one key"
    return "PostgreSQL 16 is the first that tells without an error"


async def count_misfits(
    database: Database, schema: Schema, edge: Relationship, *, limits: Limits, trust_catalogue: bool, course: Course
) -> Count:
    """Count what does not cast, and what would be orphans, of an edge whose columns can't be compared.

    Args:
        database: where to count.
        schema: what the edge is of.
        edge: the edge.
        limits: what the statement may take.
        trust_catalogue: whether what the catalogue says of privileges decides that the server would refuse.
        course: told when the count rests for somebody who waits for its lock.

    Returns:
        A count of status `incomparable`, with these two numbers or the reason why they are not known.

    Raises:
        Trouble: the connection is lost.
    """
    statement = misfit_statement(schema, edge, database.facts.version_number)
    if statement is None:
        return uncounted_misfits(edge, why_unknown(edge))
    if trust_catalogue and (refusal := refused(schema, edge, database.facts.user)):
        return uncounted_misfits(edge, refusal.error or "")
    started = time.perf_counter()

    async def count(watch: Watch) -> Count:
        async with database.read(limits, lane=Lane.COUNTS) as connection:
            watch.pid = backend_of(connection)
            # The driver takes a percent sign for a placeholder.
            found = await connection.exec_driver_sql(statement.replace("%", "%%"))
            return counted_misfits(edge, dict(found.mappings().one()), time.perf_counter() - started)

    try:
        return await stepping_aside(database, count, course)
    except DBAPIError as error:
        timed_out = 1000 * (time.perf_counter() - started) >= limits.statement_timeout_ms
        _, reason = await failed(database, schema, edge, error, timed_out=timed_out)
    except InTheWay as who:
        reason = f"stepped aside again and again, at last for {who}"
    return uncounted_misfits(edge, reason, time.perf_counter() - started)
