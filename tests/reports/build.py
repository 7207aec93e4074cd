"""Schemas made by hand for the pure functions of reports: what a catalogue would say, without a server."""

# ruff: noqa: ANN401 - the fields of a model, passed on to replace()

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fkexplorer.orphans.model import Count, Status
from fkexplorer.schema.model import (
    Action,
    Column,
    ColumnPair,
    EdgeKind,
    Index,
    IndexColumn,
    Key,
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

NOW = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)
INT4 = TypeName("pg_catalog", "int4")
EQUALS = Operator("pg_catalog", "=", INT4, INT4)
EVERYTHING = Privileges(usage=True, select=True, insert=True, update=True, delete=True, references=True, owner=True)


def column(number: int, name: str, *, not_null: bool = False) -> Column:
    """A column of type integer."""
    return Column(
        number=number,
        name=name,
        type=INT4,
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


class Builder:
    """Tables and edges by name; a name is `schema.table` or `table` in public, `!` behind a column is NOT NULL."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.edges: dict[str, Relationship] = {}
        self.oid = 1000

    def table(
        self, name: str, *columns: str, key: tuple[str, ...] = ("id",), rows: float | None = 1000, **others: Any
    ) -> Table:
        """A table with a primary key `id` (or `key`) and these columns."""
        schema, _, plain = name.rpartition(".")
        names = [*(word for word in key if word not in columns), *columns]
        made = tuple(
            column(number, word.removesuffix("!"), not_null=word.endswith("!") or word in key)
            for number, word in enumerate(names, 1)
        )
        numbers = tuple(names.index(word) + 1 for word in key)
        self.oid += 1
        table = Table(
            oid=self.oid,
            schema=schema or "public",
            name=plain,
            kind=TableKind.ORDINARY,
            columns=made,
            keys=(Key(self.oid + 500_000, f"{plain}_pkey", numbers, primary=True, deferrable=False, index=0),),
            indexes=(self.unique_index(f"{plain}_pkey", numbers),),
            persistence="p",
            estimated_rows=rows,
            estimated_bytes=8192,
            partitions=(),
            inherits=(),
            row_security=False,
            row_security_forced=False,
            row_security_active=False,
            owner="me",
            privileges=EVERYTHING,
        )
        table = replace(table, **others)
        self.tables[name] = table
        return table

    @staticmethod
    def unique_index(name: str, numbers: tuple[int, ...]) -> Index:
        """A plain unique index."""
        return Index(
            oid=1,
            name=name,
            method="btree",
            columns=tuple(IndexColumn(number, None, None, None, None) for number in numbers),
            unique=True,
            primary=False,
            valid=True,
            immediate=True,
            nulls_not_distinct=False,
            partial=False,
            not_null_predicate=None,
        )

    def edge(self, child: str, columns: str, parent: str, keys: str = "id", **others: Any) -> Relationship:
        """A foreign key `child(columns) REFERENCES parent(keys)`, valid, enforced and indexed unless said otherwise."""
        below, above = self.tables[child], self.tables[parent]
        pairs = tuple(
            ColumnPair(
                next(column for column in below.columns if column.name == own),
                next(column for column in above.columns if column.name == key),
                EQUALS,
            )
            for own, key in zip(columns.split(","), keys.split(","), strict=True)
        )
        self.oid += 1
        edge = Relationship(
            oid=self.oid,
            name=f"{below.name}_{columns.replace(',', '_')}_fkey",
            kind=EdgeKind.DECLARED,
            child=below.oid,
            parent=above.oid,
            pairs=pairs,
            match=Match.SIMPLE,
            on_delete=Action.NO_ACTION,
            on_update=Action.NO_ACTION,
            set_columns=(),
            deferrable=False,
            deferred=False,
            validated=True,
            enforced=True,
            period=False,
            triggers=Triggers(),
            index=f"public.{below.name}_idx",
        )
        edge = replace(edge, **others)
        self.edges[f"{child}.{columns}"] = edge
        return edge

    def schema(self) -> Schema:
        """The finished model."""
        return Schema(
            {table.oid: table for table in self.tables.values()},
            {edge.oid: edge for edge in self.edges.values()},
            NOW,
        )


def counted(edge: Relationship, orphans: int | None = 0, **others: Any) -> Count:
    """A count: clean for 0, orphans for more, `status` for None."""
    status = Status.ORPHANS if orphans else Status.CLEAN
    return replace(Count(edge.oid, status, NOW, 0.01, orphans), **others)


def gitlab(children: int = 16) -> tuple[Builder, dict[int, Count]]:
    """A merge request with six keys of its own and children of every sort, most of them clean."""
    made = Builder()
    for name in ("projects", "users", "ci_pipelines"):
        made.table(name)
    made.table(
        "merge_requests",
        "org_id",
        "source_project_id!",
        "target_project_id!",
        "merge_user_id",
        "author_id",
        "updated_by_id",
        "head_pipeline_id",
        "parent_id",
        rows=2_104_551,
    )
    counts: dict[int, Count] = {}

    def add(orphans: int | None, child: str, columns: str, parent: str, keys: str = "id", **others: Any) -> None:
        edge = made.edge(child, columns, parent, keys, **others)
        if orphans is not None:
            counts[edge.oid] = counted(edge, orphans)

    source: dict[str, Any] = {"validated": False}
    add(16_004, "merge_requests", "source_project_id", "projects", **source)
    add(None, "merge_requests", "target_project_id", "projects")
    add(10, "merge_requests", "merge_user_id", "users", **source)
    add(0, "merge_requests", "author_id", "users")
    add(0, "merge_requests", "updated_by_id", "users")
    add(0, "merge_requests", "head_pipeline_id", "ci_pipelines")
    add(0, "merge_requests", "parent_id", "merge_requests")
    made.table("release_links_daily_summaries", "merge_request_id", rows=9_000_000)
    add(180_000, "release_links_daily_summaries", "merge_request_id", "merge_requests", **source)
    made.table("issue_export_jobs_emails", "merge_request_id")
    add(2, "issue_export_jobs_emails", "merge_request_id", "merge_requests")
    made.table("webhook_access_levels", "webhook_mr_id")
    add(0, "webhook_access_levels", "webhook_mr_id", "merge_requests", **source)
    made.table("audit.mr_log", "org_id", "mr_id")
    add(None, "audit.mr_log", "org_id,mr_id", "merge_requests", "org_id,id", index=None)
    for number in range(children):
        made.table(f"clean_{number:03}", "merge_request_id", rows=10)
        add(0, f"clean_{number:03}", "merge_request_id", "merge_requests")
    return made, counts
