"""Which locks the steps of a fix take, and whom they keep waiting: as `pg_locks` shows them, the strongest of a table.

Tried on servers from 12 to 18. A partitioned table stands for its partitions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.fixes.bonds import affordable, countable
from fkexplorer.fixes.model import Lock, Verb
from fkexplorer.fixes.sql import source
from fkexplorer.fixes.verdicts import DEFAULT
from fkexplorer.schema.model import Action, EdgeKind, TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.fixes.model import Change, DataStep
    from fkexplorer.fixes.reach import Reach
    from fkexplorer.schema.model import Column, Relationship, Schema

ACCESS_SHARE = "AccessShareLock"
ROW_SHARE = "RowShareLock"
ROW_EXCLUSIVE = "RowExclusiveLock"
SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
SHARE = "ShareLock"
SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
EXCLUSIVE = "ExclusiveLock"
ACCESS_EXCLUSIVE = "AccessExclusiveLock"

MODES = (
    ACCESS_SHARE,
    ROW_SHARE,
    ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    EXCLUSIVE,
    ACCESS_EXCLUSIVE,
)
"""From the weakest on, as PostgreSQL numbers them (`lockdefs.h`)."""

_ALL = frozenset(MODES)
CONFLICTS: Mapping[str, frozenset[str]] = {
    ACCESS_SHARE: frozenset({ACCESS_EXCLUSIVE}),
    ROW_SHARE: frozenset({EXCLUSIVE, ACCESS_EXCLUSIVE}),
    ROW_EXCLUSIVE: frozenset({SHARE, SHARE_ROW_EXCLUSIVE, EXCLUSIVE, ACCESS_EXCLUSIVE}),
    SHARE_UPDATE_EXCLUSIVE: _ALL - {ACCESS_SHARE, ROW_SHARE, ROW_EXCLUSIVE},
    SHARE: _ALL - {ACCESS_SHARE, ROW_SHARE, SHARE},
    SHARE_ROW_EXCLUSIVE: _ALL - {ACCESS_SHARE, ROW_SHARE},
    EXCLUSIVE: _ALL - {ACCESS_SHARE},
    ACCESS_EXCLUSIVE: _ALL,
}
"""For each mode those that another session can't have meanwhile (the manual's table of conflicting lock modes)."""

_BLOCKS = {
    ACCESS_SHARE: "keeps nobody waiting but ALTER and DROP TABLE",
    ROW_SHARE: "keeps nobody waiting but ALTER and DROP TABLE, and deletes of the rows that are named",
    ROW_EXCLUSIVE: "reads go on, and writes of other rows; CREATE INDEX and ALTER TABLE wait",
    SHARE_UPDATE_EXCLUSIVE: "reads and writes go on; VACUUM, CREATE INDEX and ALTER TABLE wait",
    SHARE: "reads go on; all writes to the table wait",
    SHARE_ROW_EXCLUSIVE: "reads go on; all writes to the table wait",
    ACCESS_EXCLUSIVE: "all others wait, reads too",
}


def locks(modes: Iterable[tuple[int, str]], *, while_scanned: bool = False) -> tuple[Lock, ...]:
    """The strongest mode of each table, in the order in which the tables come first.

    Args:
        modes: a table's OID, and a mode.
        while_scanned: whether they are held for as long as the child's rows are looked through.
    """
    strongest: dict[int, str] = {}
    for table, mode in modes:
        strongest[table] = max(mode, strongest.get(table, mode), key=MODES.index)
    long = " for the whole scan" if while_scanned else ""
    return tuple(Lock(table, mode, _BLOCKS[mode] + long) for table, mode in strongest.items())


def data_locks(
    schema: Schema,
    change: Change,
    reads: Iterable[int],
    reach: Reach | None,
    touched: frozenset[int] | None = None,
    *,
    given: frozenset[int] = frozenset(),
) -> tuple[Lock, ...]:
    """The locks of one statement that changes rows, its foreign keys' triggers included.

    Args:
        schema: the schema that it is of.
        change: the statement.
        reads: OIDs of the tables that it only reads.
        reach: what it reaches by foreign keys; None for an INSERT.
        touched: OIDs of the tables of which rows change or go; None where that is not known yet, and all may.
        given: of an INSERT the numbers of the columns that it gives a value to.
    """
    modes = [(change.table, ROW_EXCLUSIVE), *((table, ACCESS_SHARE) for table in reads)]
    sets = dict(change.sets)
    for edge in schema.edges.values():
        off = edge.triggers.child_off and schema.child_of(edge).kind is not TableKind.PARTITIONED
        if edge.child != change.table or not edge.enforced or off:
            continue
        # The server looks for the new key's parent, and keeps it from going (FOR KEY SHARE), unless a part is NULL.
        new = [pair.child for pair in edge.pairs if pair.child.number in sets]
        whole = all(pair.child.number in given for pair in edge.pairs)
        if whole or (new and not any(_is_null(column, sets[column.number]) for column in new)):
            modes.append((edge.parent, ROW_SHARE))
    if reach is None:
        return locks(modes)
    for arm in reach.arms:
        if touched is None or touched & _with_partitions(schema, arm.edge):
            modes.append((arm.edge.child, ROW_EXCLUSIVE))
            node = reach.nodes[arm.node]
            if node.columns is not None and node.action is not Action.SET_NULL:
                modes.append((arm.edge.parent, ROW_SHARE))
    modes += [
        (check.edge.child, ROW_SHARE)
        for check in reach.checks
        if touched is None or touched & _with_partitions(schema, check.edge)
    ]
    return locks(modes)


def looks(schema: Schema, change: Change, touched: Iterable[int], known: Iterable[Lock]) -> tuple[Lock, ...]:
    """What a run of the statement locks besides, as it notes down for an undo how the rows stood to others.

    Args:
        schema: the schema that it is of.
        change: the statement.
        touched: OIDs of the tables of which rows change or go.
        known: the statement's own locks.
    """
    declared = [edge for edge in schema.edges.values() if edge.kind is EdgeKind.DECLARED]
    if change.verb is Verb.INSERT:
        referring = [edge for edge in declared if edge.parent == change.table]
        edges = [edge for edge in referring if affordable(schema, edge) and not edge.period]
    else:
        backed = {*touched, change.table}
        edges = [edge for edge in declared if edge.child in backed]
    own = {lock.table for lock in known}
    others = [end for edge in edges if countable(schema, edge) for end in (edge.child, edge.parent)]
    return locks((table, ACCESS_SHARE) for table in others if table not in own)


def held(schema: Schema, edge: Relationship, step: DataStep) -> DataStep:
    """The step with a lock on the edge's parent, partitions included, that keeps others from writing it.

    Two runs may hold SHARE at once. Where the step writes the parent itself, they would wait for each other then.
    """
    parent = schema.parent_of(edge)
    written = {lock.table for lock in step.locks if MODES.index(lock.mode) >= MODES.index(ROW_EXCLUSIVE)}
    mode = SHARE if written.isdisjoint((parent.oid, *parent.partitions)) else SHARE_ROW_EXCLUSIVE
    name = source(parent, "").removesuffix(" AS ")
    modes = [(lock.table, lock.mode) for lock in step.locks]
    return replace(step, locks=locks([*modes, (edge.parent, mode)]), hold=f"LOCK TABLE {name} IN {spelled(mode)} MODE")


def spelled(mode: str) -> str:
    """A lock mode as LOCK TABLE spells it: `ShareRowExclusiveLock` is SHARE ROW EXCLUSIVE."""
    letters = "".join(f" {letter}" if letter.isupper() else letter for letter in mode.removesuffix("Lock"))
    return letters.strip().upper()


def _is_null(column: Column, value: str) -> bool:
    return value.startswith("CAST(NULL ") or (value == DEFAULT and not column.has_default)


def _with_partitions(schema: Schema, edge: Relationship) -> frozenset[int]:
    return frozenset({edge.parent, *schema.parent_of(edge).partitions})
