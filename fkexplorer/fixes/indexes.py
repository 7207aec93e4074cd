"""The fixes that build an index, CONCURRENTLY: one by which a delete of a parent finds its children, and a unique key.

A partitioned table takes no CONCURRENTLY (tried on 12 to 18): each partition gets its own, and the index of the whole
table then takes those up, without reading a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, SHARE, SHARE_UPDATE_EXCLUSIVE, locks
from fkexplorer.fixes.model import DdlStep, Lock
from fkexplorer.fixes.rows import impossible, incomplete, named, unused
from fkexplorer.fixes.standing import ABSENT, ANOTHER, BUSY, INVALID, VALID, Standing, index_query, regclass
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Request
    from fkexplorer.schema.model import Column, Index, Schema, Table

_CONCURRENTLY = "reads and writes go on; it waits for all transactions that run when it begins"
KEY = "key"
"""How an index stands that a UNIQUE or PRIMARY KEY constraint has."""


def create_index(schema: Schema, request: Request, beside: Beside) -> tuple[DdlStep, ...]:
    """Build an index on the child's columns of the edge; no step where there is a valid one.

    Raises:
        Trouble: the table can have none, or the name is taken.
    """
    edge = request.edge
    if edge.index:
        return ()
    columns = tuple(pair.child for pair in edge.pairs)
    return _steps(schema, request, schema.child_of(edge), columns, beside, unique=False)


def add_unique(schema: Schema, request: Request, beside: Beside) -> tuple[DdlStep, ...]:
    """Give the parent's columns of the edge a unique key that a constraint can refer to; no step where they have one.

    Of a partitioned table it is an index alone: a constraint would want one on each partition first.

    Raises:
        Trouble: the table can have none, or the name is taken.
    """
    edge = request.edge
    table = schema.parent_of(edge)
    columns = tuple(pair.parent for pair in edge.pairs)
    if unique_key(table, columns) is not None:
        return ()
    if len(set(columns)) < len(columns):
        raise impossible(f"{named(columns)}: a column is there twice", "name each column once")
    only_period(table, columns)
    steps = _steps(schema, request, table, columns, beside, unique=True)
    if table.kind is TableKind.PARTITIONED:
        return steps
    name = index_name(schema, request, table, columns, unique=True)
    constraint = DdlStep(
        f"add the unique key {quote(name)} to {table_label(table)}",
        (f"ALTER TABLE {sql.table_name(table)} ADD CONSTRAINT {sql.name(name)} UNIQUE USING INDEX {sql.name(name)}",),
        locks([(table.oid, ACCESS_EXCLUSIVE)]),
        f"ALTER TABLE {table_label(table)} DROP CONSTRAINT {quote(name)} takes it back, and its index with it",
        standing=Standing(_key_query(table, name, columns), (VALID,), (KEY,)),
    )
    return (*steps, constraint)


def unique_key(table: Table, columns: Iterable[Column]) -> Index | None:
    """The unique index of just these columns that a foreign key can refer to; None if there is none."""
    wanted = {column.number for column in columns}
    for index in table.indexes:
        own = {column.number for column in index.columns}
        # A unique index of another method is one WITHOUT OVERLAPS, which only a key with PERIOD refers to.
        whole = own == wanted and len(index.columns) == len(wanted) and index.method == "btree"
        if whole and index.unique and index.valid and index.immediate and not (index.partial or index.has_expressions):
            return index
    return None


def only_period(table: Table, columns: Iterable[Column]) -> None:
    """Make sure that no key WITHOUT OVERLAPS is of just these columns: the server then takes no other one.

    Raises:
        Trouble: there is one (`impossible`).
    """
    wanted = {column.number for column in columns}
    for index in table.indexes:
        if index.unique and index.method != "btree" and {column.number for column in index.columns} == wanted:
            raise impossible(
                f"the key {quote(index.name)} of {table_label(table)} is WITHOUT OVERLAPS",
                "only a foreign key with PERIOD refers to it, which is to be written by hand",
            )


def index_name(schema: Schema, request: Request, table: Table, columns: Iterable[Column], *, unique: bool) -> str:
    """The name that the index gets: `table_column_idx`, or `table_column_key`, as PostgreSQL would call it.

    One that is not valid and has that name and definition is a failed try's, and does not take the name.
    """
    if request.name:
        return request.name
    own = tuple(columns)
    tail = "_key" if unique else "_idx"
    front = f"{table.name}_{'_'.join(column.name for column in own)}".encode()[: 63 - len(tail)].decode(errors="ignore")
    numbers = tuple(column.number for column in own)
    taken = {other.name for other in schema.tables.values() if other.schema == table.schema}
    for other in schema.tables.values():
        if other.schema == table.schema:
            taken |= {
                index.name
                for index in other.indexes
                if index.valid
                or other.oid != table.oid
                or table.kind is TableKind.PARTITIONED  # One ON ONLY the whole table is no failed try's.
                or index.unique is not unique
                or tuple(column.number for column in index.columns) != numbers
            }
    return unused(f"{front}{tail}", taken)


def _steps(
    schema: Schema, request: Request, table: Table, columns: tuple[Column, ...], beside: Beside, *, unique: bool
) -> tuple[DdlStep, ...]:
    if table.kind is TableKind.FOREIGN:
        raise impossible(f"{table_label(table)} is a foreign table", "an index is of the server that has the rows")
    name = index_name(schema, request, table, columns, unique=unique)
    if len(name.encode()) > 63:
        raise incomplete(f"the name {quote(name)} is longer than 63 bytes", "give a shorter one")
    if table.kind is not TableKind.PARTITIONED:
        return (_concurrently(table, sql.table_name(table), table.schema, name, columns, unique=unique),)
    steps = [
        _concurrently(
            table,
            sql.name(leaf.schema, leaf.name),
            leaf.schema,
            _leaf_name(request.name, leaf.name, columns, at, unique=unique),
            columns,
            unique=unique,
        )
        for at, leaf in enumerate(beside.leaves, 1)
    ]
    whole = DdlStep(
        f"make one index {quote(name)} of {table_label(table)} of those of its partitions",
        (_create(sql.table_name(table), name, columns, unique=unique),),
        (Lock(table.oid, SHARE, "reads go on; all writes to the table wait, for a moment: no row is read"),),
        f"DROP INDEX {quote(table.schema)}.{quote(name)} takes it back, and those of the partitions with it",
        standing=Standing(index_query(sql.table_name(table), name, columns, unique=unique), (ABSENT,), (VALID,)),
    )
    return (*steps, whole)


def _leaf_name(given: str, leaf: str, columns: Iterable[Column], at: int, *, unique: bool) -> str:
    """A name for the index of a partition: the same whenever it is asked for, so that a failed try's is known again.

    With a name that is given for the whole table's it is that with a number.
    """
    if given:
        tail = f"_{at}"
        return given.encode()[: 63 - len(tail)].decode(errors="ignore") + tail
    tail = "_key" if unique else "_idx"
    name = f"{leaf}_{'_'.join(column.name for column in columns)}{tail}"
    if len(name.encode()) <= 63:
        return name
    tail = f"_{at}{tail}"
    return name.encode()[: 63 - len(tail)].decode(errors="ignore") + tail


def _concurrently(
    table: Table, of: str, schema: str, name: str, columns: tuple[Column, ...], *, unique: bool
) -> DdlStep:
    """The step of one index.

    Args:
        table: whose index it is, or whose partition's.
        of: the quoted name of the table or partition.
        schema: the schema of it, and so of the index.
        name: of the index.
        columns: its columns.
        unique: whether it is a unique one.
    """
    what = "unique index" if unique else "index"
    label = of.replace('"', "")
    own = f"{quote(schema)}.{quote(name)}"
    return DdlStep(
        f"build the {what} {quote(name)} on {label} ({named(columns)})",
        (_create(of, name, columns, unique=unique, concurrently=True),),
        (Lock(table.oid, SHARE_UPDATE_EXCLUSIVE, _CONCURRENTLY),),
        f"DROP INDEX CONCURRENTLY {own} takes it back",
        standing=Standing(
            index_query(of, name, columns, unique=unique, exact=table.kind is TableKind.PARTITIONED),
            (ABSENT, INVALID, BUSY),
            (VALID,),
        ),
        alone=True,
        clean=f"DROP INDEX CONCURRENTLY IF EXISTS {sql.name(schema, name)}",
    )


def _create(of: str, name: str, columns: Iterable[Column], *, unique: bool, concurrently: bool = False) -> str:
    kind = "UNIQUE INDEX" if unique else "INDEX"
    way = " CONCURRENTLY" if concurrently else ""
    return f"CREATE {kind}{way} {sql.name(name)} ON {of} ({sql.columns(columns)})"


def _key_query(table: Table, name: str, columns: tuple[Column, ...]) -> str:
    """How the key stands: as a constraint (`pg_constraint`), or its index as `index_query` says."""
    index = index_query(sql.table_name(table), name, columns, unique=True)
    listed = ", ".join(sql.literal(column.name) for column in columns)
    constraint = (
        "SELECT 1 FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class i ON i.oid = k.conindid"
        " JOIN pg_catalog.pg_am m ON m.oid = i.relam AND m.amname = 'btree'"
        f" WHERE k.conrelid = {regclass(table)} AND k.contype IN ('p', 'u')"
        f" AND NOT k.condeferrable AND pg_catalog.cardinality(k.conkey) = {len(columns)}"
        " AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.conrelid"
        f" AND a.attnum = ANY (k.conkey) AND a.attname IN ({listed})) = {len(columns)}"
    )
    own = (
        f"SELECT 1 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid"
        f" WHERE x.indrelid = {regclass(table)} AND i.relname = {sql.literal(name)}"
    )
    return (
        f"SELECT CASE WHEN EXISTS ({constraint}) THEN {sql.literal(KEY)}"
        f" WHEN NOT EXISTS ({own}) THEN {sql.literal(ANOTHER)} ELSE ({index}) END"
    )
