"""Counts one edge: exactly, in a READ ONLY transaction, and with an honest word where there is no number.

A small edge is one statement and one round trip. A larger one is counted in the way that should be the cheapest, going
by the catalogue, if the server's plan is the one that makes it so; else in the next one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import SmallInteger, cast, func, select
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Lane, backend_of
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.orphans.attempts import attempts
from fkexplorer.orphans.course import Course
from fkexplorer.orphans.long import LONG_MS, count_long
from fkexplorer.orphans.model import Bound, Count, Status
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable
from fkexplorer.orphans.slices import CutShort, Pace
from fkexplorer.orphans.watchdog import InTheWay, stepping_aside
from fkexplorer.schema.keys import is_one_to_one
from fkexplorer.schema.model import Match
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.attempts import Attempt
    from fkexplorer.orphans.model import Progress, Way
    from fkexplorer.orphans.watchdog import Watch
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


async def count_edge(
    database: Database,
    schema: Schema,
    edge: Relationship,
    *,
    full: bool = False,
    deep: bool = False,
    timeout_seconds: float = 30.0,
    snapshot_seconds: float = 300.0,
    eager: bool = False,
    trust_catalogue: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Count:
    """Count the orphans of an edge.

    A count that takes longer than a second rests every other moment while others are at work on the server, and steps
    aside for whoever waits for its lock, to begin again a little later.

    Args:
        database: where to count.
        schema: the schema that the edge is of.
        edge: the edge.
        full: whether to count rows, NULLs, missing keys and childless parents too, of the same snapshot. Without it
            they are None where they would cost another scan; childless parents are counted for 1:1 edges always.
        deep: whether no index is trusted: what a corrupt one hides is then counted too.
        timeout_seconds: the server stops a statement after this time; all of them together may work no longer.
        snapshot_seconds: for how long a count of many statements may hold its snapshot, its rests included.
        eager: whether it never rests.
        trust_catalogue: whether the privileges and row security that the schema was loaded with decide beforehand
            that the server would refuse, so that its log stays quiet. If not, the server is asked.
        on_progress: called four times a second at most, from the first second on.

    Returns:
        The count; a status in place of a number when the statement fails or may not be asked. One that came to a limit
        after it had found some orphans has them as a lower bound.

    Raises:
        Trouble: the connection is lost (code `lost`) or could not be made again.
    """
    version = database.facts.version_number
    childless = not full and is_one_to_one(schema.child_of(edge), edge)
    try:
        predicate = EdgePredicate(schema, edge)
        tries = attempts(schema, predicate, version, full=full, deep=deep)
        takes_long = not full and tries[0].ms > LONG_MS
        if takes_long and childless:
            tries = attempts(schema, predicate, version, full=False, deep=deep, alone=True)
    except Incomparable:
        return _without_number(edge, Status.INCOMPARABLE, _incomparable(edge))
    if trust_catalogue and (refusal := _refusal(schema, edge, _catalogued(schema, edge), database.facts.user)):
        return _without_number(edge, *refusal)
    limits = Limits(statement_timeout_ms=max(1, round(timeout_seconds * 1000)), planner=tries[0].settings)
    course = Course(edge.oid, on_progress)
    pace = Pace(timeout_seconds, snapshot_seconds, eager)

    async def count(watch: Watch) -> Count:
        nonlocal pace
        async with database.read(limits, snapshot=takes_long, lane=Lane.COUNTS) as connection:
            watch.pid = backend_of(connection)
            pace = Pace(timeout_seconds, snapshot_seconds, eager)
            started = pace.statement_began
            if takes_long:
                row, attempt = await count_long(
                    connection,
                    tries,
                    predicate,
                    childless=childless,
                    server_version=version,
                    course=course,
                    pace=pace,
                    watch=watch,
                )
            else:
                row, attempt = await _at_once(connection, tries)
            return _counted(edge, row, time.perf_counter() - started, attempt.counting.way)

    try:
        return await stepping_aside(database, count, course)
    except DBAPIError as error:
        seconds = time.perf_counter() - pace.statement_began
        status, reason = await _failed(database, schema, edge, error, timed_out=seconds >= timeout_seconds)
    except CutShort as limit:
        seconds = pace.worked + pace.rested
        status, reason = Status.TIMED_OUT, str(limit)
    except InTheWay as who:
        seconds = pace.worked + pace.rested
        status, reason = Status.TIMED_OUT, f"stepped aside again and again, at last for {who}"
    if status is Status.TIMED_OUT and course.most is not None:
        return _at_least(edge, course.most, reason, seconds)
    return _without_number(edge, status, reason, seconds)


async def _at_once(connection: AsyncConnection, tries: Sequence[Attempt]) -> tuple[Mapping[str, Any], Attempt]:
    """The row of the first attempt that brings one, and that attempt."""
    before = tries[0]
    for attempt in tries:
        if attempt is not before:
            await attempt.replace(before, connection)
            before = attempt
        if (row := await attempt.run(connection)) is not None:
            return row, attempt
    raise AssertionError("the predicate as it stands always gives a number")


def _counted(edge: Relationship, row: Mapping[str, Any], seconds: float, way: Way) -> Count:
    orphans: int = row["orphans"]
    total = row if "rows" in row else {}
    never_partly = len(edge.pairs) == 1 or edge.match is Match.FULL
    return Count(
        edge=edge.oid,
        status=Status.ORPHANS if orphans else Status.CLEAN,
        as_of=datetime.fromtimestamp(row["as_of"], UTC),
        seconds=seconds,
        orphans=orphans,
        snapshot=row["snapshot"],
        rows=total.get("rows"),
        nulls=total.get("nulls"),
        unchecked=0 if never_partly else total.get("unchecked"),
        missing_keys=total.get("missing_keys") if orphans else 0,
        childless=row["childless"],
        way=way,
    )


def _without_number(edge: Relationship, status: Status, reason: str, seconds: float = 0.0) -> Count:
    return Count(edge=edge.oid, status=status, as_of=datetime.now(UTC), seconds=seconds, error=reason)


def _at_least(edge: Relationship, found: tuple[int, datetime, str], reason: str, seconds: float) -> Count:
    """What a count had found that came to a limit."""
    orphans, as_of, snapshot = found
    return Count(
        edge=edge.oid,
        status=Status.ORPHANS,
        as_of=as_of,
        seconds=seconds,
        orphans=orphans,
        bound=Bound.LOWER,
        snapshot=snapshot,
        error=reason,
    )


def _incomparable(edge: Relationship) -> str:
    without = next(pair for pair in edge.pairs if pair.equals is None)
    return f"no operator compares {without.parent.type_text} with {without.child.type_text}"


@dataclass(frozen=True, slots=True)
class _Access:
    """What the role may read of an edge's two tables."""

    schemas: dict[str, bool]
    """USAGE on each schema that the statement names."""
    columns: dict[tuple[int, int], bool]
    """SELECT on each column of the key, by table and column number."""
    hidden: dict[int, bool]
    """Whether policies hide rows of the table from the role."""


def _columns(schema: Schema, edge: Relationship) -> list[tuple[Table, Column]]:
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    return [(child, pair.child) for pair in edge.pairs] + [(parent, pair.parent) for pair in edge.pairs]


def _catalogued(schema: Schema, edge: Relationship) -> _Access:
    tables = (schema.child_of(edge), schema.parent_of(edge))
    return _Access(
        schemas={table.schema: table.privileges.usage for table in tables},
        columns={(table.oid, column.number): column.may_select for table, column in _columns(schema, edge)},
        hidden={table.oid: table.row_security_active for table in tables},
    )


async def _asked(database: Database, schema: Schema, edge: Relationship) -> _Access:
    """The same from the server, which knows what was granted since the catalogue was read."""
    tables = {table.oid: table for table in (schema.child_of(edge), schema.parent_of(edge))}
    names = {table.schema for table in tables.values()} | set(_other_schemas(edge))
    columns = dict.fromkeys((table.oid, column.number) for table, column in _columns(schema, edge))
    functions = func.pg_catalog
    asked: list[ColumnElement[bool]] = [
        *(functions.has_schema_privilege(name, "USAGE") for name in names),
        *(
            functions.has_column_privilege(cast(oid, OID), cast(number, SmallInteger), "SELECT")
            for oid, number in columns
        ),
        *(functions.row_security_active(cast(oid, OID)) for oid in tables),
    ]
    async with database.read(Limits()) as connection:
        answers = iter((await connection.execute(select(*(each.label(f"a{n}") for n, each in enumerate(asked))))).one())
    return _Access(
        schemas={name: next(answers) for name in names},
        columns={column: next(answers) for column in columns},
        hidden={oid: next(answers) for oid in tables},
    )


def _other_schemas(edge: Relationship) -> Iterator[str]:
    """Schemas of the operators, types and collations that the statement names: each needs USAGE."""
    for pair in edge.pairs:
        for named in (pair.equals, pair.child_cast, pair.parent_cast, pair.collate):
            if named is not None and named.schema != "pg_catalog":
                yield named.schema


def _refusal(schema: Schema, edge: Relationship, access: _Access, user: str) -> tuple[Status, str] | None:
    """The status and the one line of reason with which the server would refuse a count, or None."""
    role = quote(user)
    for name, usable in access.schemas.items():
        if not usable:
            return Status.DENIED, f"no USAGE on schema {quote(name)}: GRANT USAGE ON SCHEMA {quote(name)} TO {role}"
    for table, column in _columns(schema, edge):
        if not access.columns[table.oid, column.number]:
            label = table_label(table)
            return Status.DENIED, f"no SELECT on {label}: GRANT SELECT ON {label} TO {role}"
    for table in (schema.child_of(edge), schema.parent_of(edge)):
        if access.hidden[table.oid]:
            reason = f"row security hides rows of {table_label(table)} from {role}: count as a role with BYPASSRLS"
            return Status.UNRELIABLE, reason
    return None


async def _failed(
    database: Database, schema: Schema, edge: Relationship, error: DBAPIError, *, timed_out: bool
) -> tuple[Status, str]:
    """The word and the one line of reason for a statement that the server did not answer."""
    failure = translate(error)
    match failure.kind:
        case Kind.DENIED | Kind.ROW_SECURITY:
            try:
                refusal = _refusal(schema, edge, await _asked(database, schema, edge), database.facts.user)
            except DBAPIError:
                # A table or a schema was dropped meanwhile, so that there is nothing to ask about.
                refusal = None
            hidden = failure.kind is Kind.ROW_SECURITY
            return refusal or (Status.UNRELIABLE if hidden else Status.DENIED, failure.reason)
        case Kind.TIMED_OUT if timed_out:
            return Status.TIMED_OUT, "the server stopped the count at its time limit"
        case Kind.LOCK:
            return Status.TIMED_OUT, "the count waited too long for a lock that somebody else holds"
        case Kind.INCOMPARABLE:
            return Status.INCOMPARABLE, failure.reason
        case _:
            return Status.FAILED, failure.reason
