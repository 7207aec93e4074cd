"""The fixes that make the parents that are missing: stubs of what the orphans name, or rows of another table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, and_, literal_column

from fkexplorer.fixes import sql
from fkexplorer.fixes.expressions import check_expression
from fkexplorer.fixes.locks import data_locks
from fkexplorer.fixes.model import NAMED, Change, DataStep, Scope, Source, Verb
from fkexplorer.fixes.rows import Orphans, incomplete, insertable, named, whole
from fkexplorer.orphans.predicate import cast_to
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.fixes.collisions import Incoming
    from fkexplorer.fixes.model import Request
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows that are to come into the parent."""

    columns: tuple[Column, ...]
    """Those that are given a value."""
    select: str
    """A SELECT of these columns under their names."""
    where: str
    """Which of its rows are wanted: a condition over it as `p`."""
    reads: tuple[int, ...]
    """OIDs of the tables that it reads."""

    @property
    def rows(self) -> str:
        """The wanted rows, as a SELECT."""
        return f"SELECT {sql.columns(self.columns, 'p')} FROM ({self.select}) AS p WHERE {self.where}"


def insert(orphans: Orphans, request: Request) -> DataStep:
    """Insert a parent for each key that the orphans name, or for one given key.

    Raises:
        Trouble: a column needs a value and has none (`incomplete`), an expression is none (`expression`), or it is not
            possible at all.
    """
    new = stubs(orphans, request)
    what = f"the parent {', '.join(map(str, request.key))}" if request.key else f"the parents that {orphans.what} name"
    return _step(orphans.schema, request.edge, new, f"insert {what} into {_parent_label(orphans)}")


def backfill(orphans: Orphans, request: Request) -> DataStep:
    """Insert parents from the rows of another table.

    Raises:
        Trouble: as for `insert`; also where there is no source, or nothing in it is the key.
    """
    schema = orphans.schema
    new = sourced(orphans, request)
    label = table_label(_source(schema, request))
    what = {
        Scope.ORPHANS: f"those that {orphans.what} name",
        Scope.KEY: f"the one of {', '.join(map(str, request.key))}",
        Scope.GAP: "all that it does not have",
    }[request.scope]
    return _step(schema, request.edge, new, f"insert into {_parent_label(orphans)}, from {label}, {what}")


def _step(schema: Schema, edge: Relationship, new: NewRows, title: str) -> DataStep:
    parent = schema.parent_of(edge)
    # A value for GENERATED ALWAYS AS IDENTITY has to be said to be meant.
    overriding = " OVERRIDING SYSTEM VALUE" if any(column.identity == "a" for column in new.columns) else ""
    change = Change(
        Verb.INSERT,
        parent.oid,
        f"INSERT INTO {sql.table_name(parent)} ({sql.columns(new.columns)}){overriding}"
        f" SELECT {sql.columns(new.columns, 'p')} FROM ({new.select}) AS p",
        new.where,
        "ON CONFLICT DO NOTHING",
    )
    given = frozenset(column.number for column in new.columns)
    return DataStep(title, change, data_locks(schema, change, new.reads, None, given=given))


def stubs(orphans: Orphans, request: Request) -> NewRows:
    """The parents that the orphans name, or the one of a given key, with what else they need."""
    edge, predicate = orphans.edge, orphans.predicate
    parent = predicate.parent_table
    key = insertable(edge)
    if request.key:
        values = [
            sql.value(text, pair.parent.type) for pair, text in zip(edge.pairs, whole(edge, request.key), strict=True)
        ]
        keys = f"SELECT {_as(zip(values, key, strict=True))}"
        reads: tuple[int, ...] = ()
    else:
        # With MATCH FULL a key may be missing for a NULL in it: no parent can have that.
        present = sql.condition(
            predicate, and_(*(predicate.child.c[pair.child.name].is_not(None) for pair in edge.pairs))
        )
        values = [
            sql.written(value)
            if pair.child.type == pair.parent.type
            else f"CAST({sql.written(value)} AS {sql.type_name(pair.parent.type)})"
            for pair in edge.pairs
            for value in [predicate.child.c[pair.child.name]]
        ]
        keys = (
            f"SELECT DISTINCT {_as(zip(values, key, strict=True))} FROM {sql.source(orphans.table, 'c')}"
            f" WHERE {orphans.where} AND {present}"
        )
        reads = (edge.child,)
    given = _given(parent, request.columns, key)
    complete(parent, {*key, *given})
    columns = (*key, *given)
    values = [f"s.{sql.name(column.name)}" for column in key] + list(given.values())
    select = f"SELECT {_as(zip(values, columns, strict=True))} FROM ({keys}) AS s"
    return NewRows(columns, select, _no_twin(orphans), reads)


def sourced(orphans: Orphans, request: Request) -> NewRows:
    """The rows of the source that a backfill brings into the parent."""
    edge, predicate = orphans.edge, orphans.predicate
    parent = predicate.parent_table
    source = _source(orphans.schema, request)
    if request.scope is Scope.KEY and not request.key:
        raise incomplete("say which key to bring into the parent", "give the key")
    values = source_values(orphans.schema, edge, source, request.columns)
    key = insertable(edge)
    if without := [column for column in key if column not in values]:
        raise incomplete(
            f"nothing in {table_label(source)} is {named(without)} of {table_label(parent)}",
            "say which column or expression it comes from, as s.id",
        )
    complete(parent, values)
    wanted = [_no_twin(orphans)]
    if request.scope is Scope.ORPHANS:
        named_by = predicate.from_child(literal_column("1")).where(sql.same_key(predicate))
        if orphans.marked:
            named_by = named_by.where(literal_column(orphans.marked, Boolean()))
        wanted.append(sql.condition(predicate, named_by.correlate(predicate.parent).exists(), of_parent=True))
    if request.scope is Scope.KEY:
        for pair, text in zip(edge.pairs, whole(edge, request.key), strict=True):
            wanted.append(_equal(orphans, pair.parent, sql.value(text, pair.parent.type)))
    select = f"SELECT {_as((value, column) for column, value in values.items())} FROM {sql.source(source, 's')}"
    reads = (source.oid, edge.child) if request.scope is Scope.ORPHANS else (source.oid,)
    return NewRows(tuple(values), select, " AND ".join(wanted), reads)


def source_of(orphans: Orphans, come: Incoming) -> Source:
    """The keys of the rows that come in, by which an INSERT of them is cut into batches."""
    key = insertable(orphans.edge)
    texts = ", ".join(f"pg_catalog.concat(q.{sql.name(column.name)})" for column in key)
    return Source(
        f"SELECT {texts}, count(*) FROM ({come.kept}) AS q GROUP BY {sql.columns(key, 'q')}"
        f" ORDER BY min(q.{sql.name(come.at)})",
        tuple(column.type for column in key),
        tuple(_equal(orphans, column, f'm."k{at}"') for at, column in enumerate(key)),
    )


def refer_to_each_other(schema: Schema, parent: Table, given: Iterable[int]) -> bool:
    """Whether new rows of a table may name each other, by a foreign key of the table to itself.

    Args:
        schema: the schema that it is of.
        parent: the table.
        given: the numbers of the columns that they are given a value for.
    """
    known = set(given)
    # A row whose key is NULL in part names none.
    return any(
        edge.enforced
        and all(
            column.number in known or column.has_default or column.identity or column.generated
            for column in (pair.child for pair in edge.pairs)
        )
        for edge in schema.edges.values()
        if edge.child == edge.parent == parent.oid
    )


def gap(orphans: Orphans, request: Request) -> str:
    """A query of one number: how many rows of the source have no twin in the parent."""
    return f"SELECT count(*) {_lacking(orphans, request)}"


def gap_keys(orphans: Orphans, request: Request) -> str:
    """A query of the first `NAMED` keys of those rows, as text; empty where a part of the key is a secret."""
    key = insertable(orphans.edge)
    if any(is_secret(column.name) for column in key):
        return ""
    texts = ", ".join(f"p.{sql.name(column.name)}" for column in key)
    return f"SELECT pg_catalog.concat_ws(', ', {texts}) {_lacking(orphans, request)} ORDER BY {texts} LIMIT {NAMED + 1}"


def _lacking(orphans: Orphans, request: Request) -> str:
    source = _source(orphans.schema, request)
    values = source_values(orphans.schema, orphans.edge, source, request.columns)
    key = [(values[column], column) for column in insertable(orphans.edge)]
    return f"FROM (SELECT {_as(key)} FROM {sql.source(source, 's')}) AS p WHERE {_no_twin(orphans)}"


def source_values(schema: Schema, edge: Relationship, source: Table, given: Mapping[str, str]) -> dict[Column, str]:
    """Where a backfill takes the value of each column of the parent from: SQL over the source's row `s`.

    What is given comes first; then, for the key, what a foreign key of the parent says; then columns of the source of
    the same name and type. Columns that have none of these, and none is needed, are left out.

    Raises:
        Trouble: a column of that name is not there, or what is given is no expression.
    """
    parent = schema.parent_of(edge)
    values = _given(parent, given, ())
    referred = _referred(schema, edge, source)
    same = {column.name: column for column in source.columns if column.may_select}
    for column in parent.columns:
        if column in values or column.generated or given.get(column.name) == "":
            continue
        twin = referred.get(column.number) or same.get(column.name)
        if twin is not None and (twin.base_type or twin.type) == (column.base_type or column.type):
            values[column] = f"s.{sql.name(twin.name)}"
    # In the table's order, whatever was given first.
    return {column: values[column] for column in parent.columns if column in values}


def needed(parent: Table, given: Iterable[Column]) -> list[Column]:
    """The columns that an INSERT has to give a value to, and that have none."""
    known = set(given)
    return [
        column
        for column in parent.columns
        if column.not_null and not (column.has_default or column.identity or column.generated or column in known)
    ]


def complete(parent: Table, given: Iterable[Column]) -> None:
    """Make sure that a new row has a value wherever it needs one.

    Raises:
        Trouble: a column has none (`incomplete`).
    """
    if lacking := needed(parent, given):
        raise incomplete(
            f"{table_label(parent)} needs a value for {named(lacking)}",
            "give each an SQL expression: the column is NOT NULL, and has no default",
        )


def _given(parent: Table, written: Mapping[str, str], but: Iterable[Column]) -> dict[Column, str]:
    """The expressions that were written, by column; an empty one leaves the column to its default."""
    known = {column.name: column for column in parent.columns}
    fixed = {column.name for column in but}
    values = {}
    for name, text in written.items():
        if name not in known:
            raise incomplete(f"{table_label(parent)} has no column {quote(name)}", f"it has {named(parent.columns)}")
        if known[name].generated or name in fixed:
            raise incomplete(f"{quote(name)} gets its value by itself", "leave it out")
        if text != "":
            values[known[name]] = f"({check_expression(name, text)})"
    return values


def _referred(schema: Schema, edge: Relationship, source: Table) -> dict[int, Column]:
    """The columns of the source that the parent's key refers to by a foreign key, by the key's column numbers."""
    wanted = {pair.parent.number for pair in edge.pairs}
    for other in schema.edges.values():
        if other.kind is EdgeKind.DECLARED and other.child == edge.parent and other.parent == source.oid:
            found = {pair.child.number: pair.parent for pair in other.pairs}
            if found.keys() == wanted:
                return found
    return {}


def _source(schema: Schema, request: Request) -> Table:
    table = schema.tables.get(request.source) if request.source is not None else None
    if table is None:
        raise incomplete("say which table the parents come from", "name the table that has the rows")
    if table.oid == request.edge.parent:
        raise incomplete("a table is no source of its own rows", "name another table")
    return table


def _no_twin(orphans: Orphans) -> str:
    """Which rows of `p` have a key, and no row of the parent has it."""
    parent = orphans.predicate.parent_table
    present = [f"p.{sql.name(column.name)} IS NOT NULL" for column in insertable(orphans.edge)]
    same = [_equal(orphans, column, f"t.{sql.name(column.name)}") for column in insertable(orphans.edge)]
    twin = f"SELECT 1 FROM {sql.source(parent, 't')} WHERE {' AND '.join(same)}"
    return f"{' AND '.join(present)} AND NOT EXISTS ({twin})"


def _equal(orphans: Orphans, column: Column, value: str) -> str:
    """Whether a key's column of `p` is this value: by the edge's equality, for two values of the parent's type."""
    pair = next(pair for pair in orphans.edge.pairs if pair.parent == column)
    assert pair.equals is not None  # noqa: S101 - the predicate compares them
    sides = [
        sql.written(cast_to(literal_column(side), pair.parent_cast)) for side in (f"p.{sql.name(column.name)}", value)
    ]
    return sql.compared(sides[0], pair.equals, sides[1])


def _as(values: Iterable[tuple[str, Column]]) -> str:
    return ", ".join(f"{value} AS {sql.name(column.name)}" for value, column in values)


def _parent_label(orphans: Orphans) -> str:
    return table_label(orphans.predicate.parent_table)
