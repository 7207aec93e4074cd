"""What slows deletes and writes down: keys without an index, the same constraint twice, indexes that do no more."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.treating import listed, quiet, treated
from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE, locks
from fkexplorer.orphans.cost import scan_ms
from fkexplorer.orphans.turns import size_text
from fkexplorer.orphans.ways.keys import rows_of
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import Action, Match
from fkexplorer.schema.names import edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.doctor.reading_hurts import Counters, PlainIndex
    from fkexplorer.schema.model import Relationship, Table

SCAN_MS = 1.0
"""A child that is read from its beginning to its end in less, some 2 MiB, needs no index for its deletes."""
_PREFIX_BYTES = 8 << 20
"""An index that another one begins with is smaller and quicker than it; to be told it has to be of some size."""
_MANY = 3
"""Keys of one child without an index up to which each is told by itself."""
_READ_WHOLE = "It is read once for each row that goes, however few rows that finds, and for longer from disk."
_BUILT = "It is built beside: reads and writes go on. It waits for transactions that are open."
_SEEN_INDEX = "no valid row of pg_index whose leading columns are pg_constraint.conkey, with its operator"
_DOES = {
    Action.CASCADE: "delete the rows below it",
    Action.SET_NULL: "set keys to NULL",
    Action.SET_DEFAULT: "set keys to their default",
}


async def unindexed(exam: Exam, edges: Sequence[Relationship], counters: Counters) -> list[Finding]:
    """`no_index`: edges whose child has to be read whole for each row of the parent that goes; small ones are silent.

    Args:
        exam: the examination.
        edges: declared edges.
        counters: what was read.

    Raises:
        Trouble: the connection is lost.
    """
    slow = [(scan_ms(exam.schema.child_of(edge)), edge) for edge in edges if edge.index is None and not quiet(edge)]
    slow.sort(key=lambda each: -each[0] * max(1, counters.deleted.get(each[1].parent, 0)))
    by_child: dict[int, list[Relationship]] = defaultdict(list)
    for ms, edge in slow:
        if ms >= SCAN_MS:
            by_child[edge.child].append(edge)
    found = []
    for own in by_child.values():
        if len(own) <= _MANY or not exam.whole:
            found += [await _without_index(exam, edge, counters) for edge in own]
        else:
            found.append(await _without_indexes(exam, own))
    return found


async def _without_indexes(exam: Exam, edges: Sequence[Relationship]) -> Finding:
    """Of a child with many such keys, as the facts of a star schema."""
    child = exam.schema.child_of(edges[0])
    label = table_label(child)
    keys = listed([", ".join(quote(pair.child.name) for pair in edge.pairs) for edge in edges])
    text = (
        f"{len(edges)} foreign keys of {label} ({_size(child)}) have no index: {keys}. A delete of one row of any of"
        f" their parents reads all of it, {_takes(child)}."
    )
    mends = [await treated(exam, edge, FixAction.CREATE_INDEX, _BUILT) for edge in edges]
    first = "-- Each index costs writes and room: leave out those whose parents never go."
    statements = tuple(statement for mend in mends for statement in mend.statements)
    mend = Treatment((first, *statements), mends[0].locks, _BUILT)
    return Finding("no_index", Severity.NOTICE, label, None, child.oid, text, _SEEN_INDEX, _READ_WHOLE, exam.at, mend)


async def _without_index(exam: Exam, edge: Relationship, counters: Counters) -> Finding:
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    label = edge_label(exam.schema, edge)
    names = listed([quote(pair.child.name) for pair in edge.pairs])
    text = f"{label} has no index on {names} of {table_label(child)} ({_size(child)})"
    kept, cast = _of_no_use(child, edge)
    text = f"{text}: {kept}" if kept else text
    does = _DOES.get(edge.on_delete, "see that no row refers to it")
    text += (
        f". To {does}, a delete of one row of {table_label(parent)} ({_size(parent)}) reads all of it, {_takes(child)}."
    )
    went = counters.deleted.get(parent.oid, 0)
    if went or _a_day(counters):
        many = "no row was" if not went else "1 row was" if went == 1 else f"{went:,} rows were"
        text += f" {_since(counters)} {many} deleted there."
    if cast:
        comment = f"-- {cast} One of the two types has to change, or every delete reads the table, with any index."
        return _notice(exam, edge, "no_index", text, _SEEN_INDEX, _READ_WHOLE, Treatment((comment,)))
    mend = await treated(exam, edge, FixAction.CREATE_INDEX, _BUILT)
    return _notice(exam, edge, "no_index", text, _SEEN_INDEX, _READ_WHOLE, mend)


def _of_no_use(child: Table, edge: Relationship) -> tuple[str, str]:
    """Why an index on these columns does not serve; and what keeps any from it, a comparison as another type."""
    for pair in edge.pairs:
        # PostgreSQL compares integers of any size by their own index; as numeric or float8 none of them helps.
        if pair.child_cast is not None and pair.child.category == "N":
            own, other = pair.child, pair.parent
            return (
                f"it is compared as {pair.child_cast.name}, which an index of {own.type_text} does not serve",
                f"{quote(own.name)} is {own.type_text}, {quote(other.name)} is {other.type_text}.",
            )
    wanted = {pair.child.number for pair in edge.pairs}
    for index in child.indexes:
        if {column.number for column in index.columns[: len(wanted)]} == wanted:
            if not index.valid:
                return f"{quote(index.name)} is invalid, left by a CREATE INDEX CONCURRENTLY that failed", ""
            if index.partial:
                return f"{quote(index.name)} has some of its rows only", ""
            return f"{quote(index.name)} is in another order, or of another operator class", ""
    return "", ""


def _since(counters: Counters) -> str:
    return f"Since {counters.since:%Y-%m-%d}" if counters.since else "As far as the server has counted"


def _a_day(counters: Counters) -> bool:
    """Whether the counters are a day old at least: of younger ones 0 says little."""
    return bool(counters.since and counters.now and counters.now - counters.since >= timedelta(days=1))


def _takes(child: Table) -> str:
    ms = scan_ms(child)
    return f"about {ms:,.0f} ms" if ms < 10_000 else f"about {ms / 1000:,.0f} s"


def _size(table: Table) -> str:
    """`1.2 GiB, about 14,000,000 rows`, as far as known."""
    rows = rows_of(table)
    many = "1 row" if round(rows) == 1 else f"about {rows:,.0f} rows"
    return f"{size_text(table.likely_bytes)}, {many}" if rows else size_text(table.likely_bytes)


def twice(exam: Exam, edges: Sequence[Relationship]) -> Iterator[Finding]:
    """`duplicate_constraint`: the same columns bound to the same columns by more than one constraint."""
    same: dict[tuple[int, int, bool, frozenset[tuple[int, int]]], list[Relationship]] = defaultdict(list)
    for edge in edges:
        columns = frozenset((pair.child.number, pair.parent.number) for pair in edge.pairs)
        same[edge.child, edge.parent, edge.period, columns].append(edge)
    for group in same.values():
        if len(group) > 1:
            kept, *others = sorted(group, key=_leniency)
            yield from (_again(exam, kept, other) for other in others)


def _leniency(edge: Relationship) -> tuple[bool, bool, bool, bool, bool, bool, int]:
    """What is enforced, valid, stricter and older comes first; the triggers of the older one fire first."""
    return (
        not edge.enforced,
        not edge.validated,
        not edge.triggers.all_fire,
        edge.match is not Match.FULL,
        edge.deferred,
        edge.deferrable,
        edge.oid,
    )


def _again(exam: Exam, kept: Relationship, other: Relationship) -> Finding:
    child = exam.schema.child_of(other)
    parent = table_label(exam.schema.parent_of(other))
    columns = listed([quote(pair.child.name) for pair in other.pairs])
    text = f"{edge_label(exam.schema, other)} says again what {quote(kept.name)} says: {columns} refers to {parent}"
    differ = (kept.on_delete, kept.on_update) != (other.on_delete, other.on_update)
    comments: tuple[str, ...] = ()
    if differ:
        delete = kept.on_delete is not other.on_delete
        event = "DELETE" if delete else "UPDATE"
        rules = [
            f"{quote(each.name)} is ON {event} {(each.on_delete if delete else each.on_update).value.upper()}"
            for each in (kept, other)
        ]
        text += f", but {rules[0]} and {rules[1]}"
        comments = ("-- Decide which rule is meant; the other constraint goes:",)
    why = "Each write of the child looks for its parent twice, and each delete of a parent for its children."
    if differ:
        why += " Both rules are carried out, the older constraint's first."
    drop = f"ALTER TABLE {sql.table_name(child)} DROP CONSTRAINT {sql.name(other.name)}"
    treatment = Treatment(
        (*comments, drop),
        locks([(other.child, ACCESS_EXCLUSIVE), (other.parent, ACCESS_EXCLUSIVE)]),
        f"It reads no row, and is over at once. {quote(kept.name)} goes on.",
    )
    seen = "two rows of pg_constraint with the same conrelid, conkey, confrelid and confkey"
    return _notice(exam, other, "duplicate_constraint", f"{text}.", seen, why, treatment)


def repeated(exam: Exam, edges: Sequence[Relationship], counters: Counters) -> Iterator[Finding]:
    """`duplicate_index`: indexes on the columns of an edge, on either end, that do no more than another one.

    One that keeps a constraint, that a foreign key relies on, or that tells rows apart for replication, is kept.
    """
    by_table: dict[int, list[PlainIndex]] = defaultdict(list)
    for index in counters.indexes:
        by_table[index.table].append(index)
    told: set[int] = set()
    for edge in edges:
        ends = (
            (edge.child, [pair.child.number for pair in edge.pairs]),
            (edge.parent, [p.parent.number for p in edge.pairs]),
        )
        for table, columns in ends:
            for index in by_table[table]:
                if index.oid in told or index.columns[0] not in columns or _needed(index):
                    continue
                others = [other for other in by_table[table] if other.oid != index.oid and other.oid not in told]
                better = [each for each in others if _better(each, index) and _as_unique(exam, each, index)]
                if better:
                    told.add(index.oid)
                    yield _redundant(exam, edge, index, min(better, key=lambda other: other.keys), counters)


def _needed(index: PlainIndex) -> bool:
    return index.marked or index.constraint or index.referenced


def _better(other: PlainIndex, index: PlainIndex) -> bool:
    """Whether all that an index does, another one does."""
    if not index.begins(other):
        return False
    same = other.keys == index.keys
    if index.unique and not (same and other.unique):
        return False
    if not same:
        return index.bytes >= _PREFIX_BYTES
    # Of two that are alike one stays: what is needed, or unique, or has more columns, or is read more, or is older.
    rank = [(_needed(each), each.unique, len(each.columns), each.scans, -each.oid) for each in (other, index)]
    return rank[0] > rank[1]


def _as_unique(exam: Exam, other: PlainIndex, index: PlainIndex) -> bool:
    """Whether the other one keeps as unique, and as soon, what this one does; of one that is not unique always."""
    known = {each.oid: each for each in exam.schema.tables[index.table].indexes}
    if not index.unique or index.oid not in known or other.oid not in known:
        return not index.unique
    ours, theirs = known[index.oid], known[other.oid]
    return ours.nulls_not_distinct == theirs.nulls_not_distinct and (theirs.immediate or not ours.immediate)


def _redundant(exam: Exam, edge: Relationship, index: PlainIndex, other: PlainIndex, counters: Counters) -> Finding:
    table = exam.schema.tables[index.table]
    names = {column.number: quote(column.name) for column in table.columns}
    own, theirs = ([names[number] for number in each.columns[: each.keys]] for each in (index, other))
    same = own == theirs
    how = f"is the same as {other.label}" if same else f"is how {other.label} ({', '.join(theirs)}) begins"
    text = f"{index.label} on {table_label(table)} ({', '.join(own)}), {size_text(index.bytes)}, {how}."
    text += f" {_since(counters)} it {_read(index.scans)}, and the other {_read(other.scans)}."
    drop = f"DROP INDEX {'' if index.partitioned else 'CONCURRENTLY '}{index.label}"
    mode = ACCESS_EXCLUSIVE if index.partitioned else SHARE_UPDATE_EXCLUSIVE
    return Finding(
        "duplicate_index",
        Severity.NOTICE,
        index.label,
        edge.oid,
        table.oid,
        text,
        "two rows of pg_index with the same leading indkey, indclass, indcollation and indoption",
        "Every write keeps both up to date, and VACUUM cleans both.",
        exam.at,
        Treatment(
            (drop,),
            locks([(table.oid, mode)]),
            f"Lookups go on by {other.label}. No constraint, foreign key or replica identity is kept by this one.",
        ),
    )


def _read(number: int) -> str:
    return {0: "was never read", 1: "was read once"}.get(number, f"was read {number:,} times")


def _notice(exam: Exam, edge: Relationship, code: str, text: str, seen: str, why: str, mend: Treatment) -> Finding:  # noqa: PLR0917 - what a finding is made of
    label = edge_label(exam.schema, edge)
    return Finding(code, Severity.NOTICE, label, edge.oid, edge.child, text, seen, why, exam.at, mend)
