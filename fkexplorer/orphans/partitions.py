"""In which partitions of an edge's child its orphans lie."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import cast, func, literal_column

from fkexplorer.orphans.missing import ROWS
from fkexplorer.orphans.model import Field, Page
from fkexplorer.orphans.paging import How, predicate_of, reading, shown_value
from fkexplorer.orphans.predicate import NamedType

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Relationship, Schema

PARTITION = Field("partition", column=None, key=False, foreign=False, secret=False)
"""The computed field of `orphans_by_partition`: the table that a row is stored in, as `schema.name`."""


async def orphans_by_partition(
    database: Database, schema: Schema, edge: Relationship, *, limit: int = 200, as_role: bool = False
) -> Page:
    """The partitions that have orphans, those with most first: a page of `partition` and `rows`, the only one.

    Of a table that is not partitioned it is the table itself.

    Args:
        database: where to read.
        schema: the schema that the edge is of.
        edge: the edge.
        limit: partitions at most; `Page.more` says whether there are others.
        as_role: whether row security may hide rows on either side.

    Raises:
        Trouble: the server refused it (privilege, row security, time-out, …), or the connection is lost.
    """
    started = time.perf_counter()
    predicate = predicate_of(schema, edge)
    place: ColumnElement[Any] = literal_column("c.tableoid")
    name = cast(cast(place, NamedType("pg_catalog", "regclass")), NamedType("pg_catalog", "text"))
    rows = func.count()
    statement = (
        predicate.from_child(name, cast(rows, NamedType("pg_catalog", "text")))
        .where(predicate.is_orphan)
        .group_by(place)
        .order_by(rows.desc(), literal_column("1"))
        .limit(limit + 1)
    )
    async with reading(database, How(as_role=as_role)) as (connection, as_of):
        found = (await connection.execute(statement)).all()
    return Page(
        fields=(PARTITION, ROWS),
        rows=tuple(tuple(shown_value(text, None) for text in row) for row in found[:limit]),
        more=len(found) > limit,
        after=None,
        as_of=as_of,
        seconds=time.perf_counter() - started,
        as_role=as_role,
        order="by the number of rows",
    )
