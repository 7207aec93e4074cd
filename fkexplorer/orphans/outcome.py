"""What the answer to a count means for its edge: a number, or an honest word and one line of reason in its place.

Each statement that counts comes here with what the server said, alone or in a pipeline: one word has one meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import SmallInteger, cast, func, select
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.orphans.model import Bound, Count, Status, Way
from fkexplorer.orphans.predicate import child_columns
from fkexplorer.schema.model import Match
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import psycopg
    from sqlalchemy import ColumnElement

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


def counted(edge: Relationship, row: Mapping[str, Any], seconds: float, way: Way = Way.PLAIN) -> Count:
    """The count that a row of `count_statement` or `totals_statement` stands for."""
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


def without_number(edge: Relationship, status: Status, reason: str, seconds: float = 0.0) -> Count:
    """A count that brought none."""
    return Count(edge=edge.oid, status=status, as_of=datetime.now(UTC), seconds=seconds, error=reason)


def at_least(edge: Relationship, found: tuple[int, datetime, str], reason: str, seconds: float) -> Count:
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


def incomparable(edge: Relationship) -> Count:
    """The count of an edge that the predicate refuses, since a pair of its columns has no operator."""
    without = next(pair for pair in edge.pairs if pair.equals is None)
    reason = f"no operator compares {without.parent.type_text} with {without.child.type_text}"
    return without_number(edge, Status.INCOMPARABLE, reason)


def refused(schema: Schema, edge: Relationship, user: str) -> Count | None:
    """The count that the server would refuse, as the catalogue told when it was read, or None."""
    refusal = _refusal(schema, edge, _catalogued(schema, edge), user)
    return without_number(edge, *refusal) if refusal else None


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
    return [(child, each) for each in child_columns(edge)] + [(parent, pair.parent) for pair in edge.pairs]


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


async def failed(
    database: Database, schema: Schema, edge: Relationship, error: DBAPIError | psycopg.Error, *, timed_out: bool
) -> tuple[Status, str]:
    """The word and the one line of reason for a statement that the server did not answer.

    Args:
        database: where it ran; the server may be asked what is missing.
        schema: the schema that the edge is of.
        edge: the edge.
        error: what the server said.
        timed_out: whether the statement had all the time that it was given.

    Raises:
        Trouble: the connection is lost.
    """
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
