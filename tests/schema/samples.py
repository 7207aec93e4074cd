"""Small schemas made by hand, for tests that need no server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

from fkexplorer.schema.model import (
    Action,
    Column,
    ColumnPair,
    EdgeKind,
    Match,
    Operator,
    Privileges,
    Relationship,
    Schema,
    Table,
    TableKind,
    Triggers,
    TypeName,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For Hypothesis: a machine that others use too is no reason to fail."""

INTEGER = TypeName("pg_catalog", "int4")
EQUAL = Operator("pg_catalog", "=", INTEGER, INTEGER)
ALL = Privileges(usage=True, select=True, insert=True, update=True, delete=True, references=True, owner=True)


def column(number: int, name: str, *, not_null: bool = False) -> Column:
    """An integer column."""
    return Column(
        number=number,
        name=name,
        type=INTEGER,
        type_text="integer",
        category="N",
        not_null=not_null,
        has_default=False,
        identity="",
        generated=False,
        collation=None,
        may_select=True,
        may_update=True,
    )


def table(oid: int, name: str, schema: str = "public", columns: tuple[Column, ...] = ()) -> Table:
    """An ordinary table without keys."""
    return Table(
        oid=oid,
        schema=schema,
        name=name,
        kind=TableKind.ORDINARY,
        columns=columns or (column(1, "id", not_null=True),),
        keys=(),
        indexes=(),
        persistence="p",
        estimated_rows=None,
        estimated_bytes=0,
        partitions=(),
        inherits=(),
        row_security=False,
        row_security_forced=False,
        row_security_active=False,
        owner="me",
        privileges=ALL,
    )


def edge(
    oid: int,
    child: int,
    parent: int,
    *,
    name: str | None = None,
    columns: tuple[Column, ...] = (),
    on_delete: Action = Action.NO_ACTION,
    deferrable: bool = False,
    enforced: bool = True,
    match: Match = Match.SIMPLE,
) -> Relationship:
    """A foreign key; of one nullable column unless `columns` says more."""
    return Relationship(
        oid=oid,
        name=name or f"fk{oid}",
        kind=EdgeKind.DECLARED,
        child=child,
        parent=parent,
        pairs=tuple(
            ColumnPair(each, column(1, "id", not_null=True), EQUAL) for each in columns or (column(2, "parent_id"),)
        ),
        match=match,
        on_delete=on_delete,
        on_update=Action.NO_ACTION,
        set_columns=(),
        deferrable=deferrable,
        deferred=False,
        validated=True,
        enforced=enforced,
        period=False,
        triggers=Triggers(),
        index=None,
    )


def schema(tables: Iterable[Table], edges: Iterable[Relationship] = ()) -> Schema:
    """The schema of these tables and edges, in this order."""
    return Schema(
        tables={each.oid: each for each in tables},
        edges={each.oid: each for each in edges},
        loaded_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
