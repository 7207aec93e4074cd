"""Rows that a constraint does not bind by its nature: those of tables that inherit, and keys that are partly NULL."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import and_, not_

from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.treating import listed, treated
from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE
from fkexplorer.fixes.locks import locks as locked
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable
from fkexplorer.orphans.ways.keys import rows_of
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind, EdgeState, Match, TableKind
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.fixes.model import Lock
    from fkexplorer.schema.model import ColumnPair, Relationship, Schema, Table

_TREATED = 3
"""Tables whose statements are written out."""


async def inherited(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """Tables that INHERIT from an end of an edge: a foreign key is not inherited, on either end.

    Returns:
        `inheritance_unbound`, one for each child that others inherit from without a constraint of their own, and
        `inheritance_unreferenced`, one for each parent whose heirs' rows nobody can refer to.

    Raises:
        Trouble: the connection is lost.
    """
    heirs = _heirs(exam.schema)
    children: dict[int, list[Relationship]] = defaultdict(list)
    parents: dict[int, list[Relationship]] = defaultdict(list)
    for edge in edges:
        if edge.child in heirs and any(not _bound(exam.schema, edge, heir) for heir in heirs[edge.child]):
            children[edge.child].append(edge)
        if edge.parent in heirs:
            parents[edge.parent].append(edge)
    found = [await _unbound(exam, exam.schema.tables[table], own, heirs[table]) for table, own in children.items()]
    found += [_unreferenced(exam, exam.schema.tables[table], own, heirs[table]) for table, own in parents.items()]
    return found


def _heirs(schema: Schema) -> dict[int, list[Table]]:
    """By OID the tables that inherit from a table, at any depth, in the schema's order."""
    found: dict[int, list[Table]] = defaultdict(list)
    for table in schema.tables.values():
        above = list(table.inherits)
        seen = set(above)
        while above:
            at = above.pop()
            found[at].append(table)
            more = [each for each in (schema.tables[at].inherits if at in schema.tables else ()) if each not in seen]
            seen.update(more)
            above += more
    return found


def _bound(schema: Schema, edge: Relationship, heir: Table) -> bool:
    """Whether an heir of the child has the same foreign key, by the names of its columns."""
    wanted = {(pair.child.name, pair.parent.number) for pair in edge.pairs}
    return any(
        other.child == heir.oid
        and other.parent == edge.parent
        and other.kind is EdgeKind.DECLARED
        and {(pair.child.name, pair.parent.number) for pair in other.pairs} == wanted
        for other in schema.edges.values()
    )


async def _unbound(exam: Exam, child: Table, edges: Sequence[Relationship], heirs: Sequence[Table]) -> Finding:
    schema = exam.schema
    bare = [heir for heir in heirs if any(not _bound(schema, edge, heir) for edge in edges)]
    keys = "foreign key" if len(edges) == 1 else f"{len(edges)} foreign keys"
    rows = sum(rows_of(heir) for heir in bare)
    some = f", about {rows:,.0f} rows," if rows >= 1 else ""
    do, their = ("does", "its") if len(edges) == 1 else ("do", "their")
    names = listed([quote(edge.name) for edge in edges])
    many = "1 table inherits" if len(bare) == 1 else f"{len(bare)} tables inherit"
    text = (
        f"{many} from {table_label(child)}, whose {keys} ({names}) {do} not bind {'its' if len(bare) == 1 else 'their'}"
        f" rows{some} as {their} own: {listed([table_label(heir) for heir in bare])}."
    )
    statements: list[str] = []
    locks: list[Lock] = []
    for heir, edge in [(heir, edge) for heir in bare for edge in edges if not _bound(schema, edge, heir)][:_TREATED]:
        if (pair := _of_heir(edge, heir)) is not None:
            added = await treated(exam, pair, FixAction.ADD_CONSTRAINT, "")
            statements += added.statements
            locks += added.locks
    if len(bare) * len(edges) > _TREATED:
        statements.append("-- and so for each of the others")
    return Finding(
        "inheritance_unbound",
        Severity.WARNING,
        table_label(child),
        edges[0].oid if len(edges) == 1 else None,
        child.oid,
        text,
        "pg_inherits, and no row of pg_constraint for the tables that inherit",
        f"Who reads {table_label(child)} reads their rows too, and any of them may name a parent that is not there.",
        schema.loaded_at,
        Treatment(tuple(statements), tuple(locks), "Count their orphans first: with any of them VALIDATE would fail."),
    )


def _of_heir(edge: Relationship, heir: Table) -> Relationship | None:
    """The same pair of columns on a table that inherits; None where it can't have a foreign key."""
    own = {column.name: column for column in heir.columns}
    if heir.kind is TableKind.FOREIGN or any(pair.child.name not in own for pair in edge.pairs):
        return None
    pairs = tuple(replace(pair, child=own[pair.child.name]) for pair in edge.pairs)
    return replace(edge, oid=-1, name="", kind=EdgeKind.CONFIGURED, child=heir.oid, pairs=pairs, set_columns=())


def _unreferenced(exam: Exam, parent: Table, edges: Sequence[Relationship], heirs: Sequence[Table]) -> Finding:
    many = "1 table inherits" if len(heirs) == 1 else f"{len(heirs)} tables inherit"
    names = listed([edge_label(exam.schema, edge) for edge in edges])
    text = (
        f"{many} from {table_label(parent)} ({listed([table_label(heir) for heir in heirs])}), and {names}"
        f" {'looks' if len(edges) == 1 else 'look'} for no parent there."
    )
    return Finding(
        "inheritance_unreferenced",
        Severity.WARNING,
        table_label(parent),
        edges[0].oid if len(edges) == 1 else None,
        parent.oid,
        text,
        "pg_inherits, on the referenced side",
        "A row that SELECT shows in the parent is refused as a parent: a foreign key looks at ONLY that table.",
        exam.schema.loaded_at,
        Treatment(
            ("-- Partitions in place of inheritance are referenced as one table: CREATE TABLE ... PARTITION BY ...",),
        ),
    )


async def partly_null(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """`partly_null`: rows that MATCH SIMPLE lets pass without a look, since a part of their key is NULL.

    Silent where no such row is there, where each column of the key has a foreign key of its own besides, and of a child
    over the cost limit.

    Raises:
        Trouble: the connection is lost.
    """
    some = [edge for edge in edges if edge.state is not EdgeState.NOT_ENFORCED and _uncovered(exam.schema, edge)]
    known = {edge.oid: count.unchecked for edge in some if (count := exam.counts.get(edge.oid)) is not None}
    asked = {edge.oid: statement for edge in some if known.get(edge.oid) is None and (statement := _asking(exam, edge))}

    def answered(position: int, answer: Mapping[str, Any] | psycopg.Error) -> None:
        oid = list(asked)[position]
        if isinstance(answer, psycopg.Error):
            exam.miss(_what(exam, exam.schema.edges[oid]), translate(answer).reason)
        else:
            known[oid] = answer["unchecked"]

    if asked:
        await pipelined(exam.database, list(asked.values()), Limits(statement_timeout_ms=exam.ms), answered)
    return [await _partly(exam, edge, number) for edge in some if (number := known.get(edge.oid))]


def _what(exam: Exam, edge: Relationship) -> str:
    return f"rows of {edge_label(exam.schema, edge)} whose key is partly NULL"


def _asking(exam: Exam, edge: Relationship) -> str:
    """A count of such rows; empty where the child is over the cost limit: its edge is told to be skipped anyway."""
    child = exam.schema.child_of(edge)
    if child.likely_bytes > exam.max_bytes:
        return ""
    try:
        predicate = EdgePredicate(exam.schema, edge)
    except Incomparable:
        return ""
    where = sql.condition(predicate, and_(not_(predicate.not_null_condition), not_(predicate.all_null)))
    return f"SELECT count(*) AS unchecked FROM {sql.source(child, 'c')} WHERE {where}"


def _uncovered(schema: Schema, edge: Relationship) -> list[ColumnPair]:
    """The columns of a key that nothing checks while another one of it is NULL."""
    if len(edge.pairs) == 1 or edge.match is Match.FULL:
        return []
    alone = {
        other.pairs[0].child.number
        for other in schema.edges.values()
        if other.child == edge.child and len(other.pairs) == 1 and other.kind is EdgeKind.DECLARED and other.enforced
    }
    return [
        pair
        for pair in edge.pairs
        if pair.child.number not in alone and any(not other.child.not_null for other in edge.pairs if other is not pair)
    ]


async def _partly(exam: Exam, edge: Relationship, number: int) -> Finding:
    schema, label = exam.schema, edge_label(exam.schema, edge)
    child = schema.child_of(edge)
    bare = _uncovered(schema, edge)
    optional = [quote(pair.child.name) for pair in edge.pairs if not pair.child.not_null]
    rows, whose = ("1 row", "its") if number == 1 else (f"{number:,} rows", "their")
    text = (
        f"{label} does not check {rows} of {table_label(child)}, since a part of {whose} key is NULL"
        f" ({listed(optional)})."
    )
    return Finding(
        "partly_null",
        Severity.WARNING,
        label,
        edge.oid,
        edge.child,
        text,
        "pg_constraint.confmatchtype = 's' (MATCH SIMPLE), and rows with some of its columns NULL",
        f"Such a row may have any {listed([pair.child.name for pair in bare])}: as soon as one column is NULL, the"
        " others are not looked at.",
        exam.at,
        await _filled(exam, edge, bare),
    )


async def _filled(exam: Exam, edge: Relationship, bare: Sequence[ColumnPair]) -> Treatment:
    """A foreign key of its own for each column that has one in the parent; else a CHECK of all or none."""
    schema = exam.schema
    child = schema.child_of(edge)
    statements: list[str] = []
    locks: list[Lock] = []
    alike = 0
    for pair in bare:
        for above in schema.edges.values():
            same = above.child == edge.parent and len(above.pairs) == 1 and above.kind is EdgeKind.DECLARED
            if same and above.pairs[0].child.number == pair.parent.number and pair.child.type == pair.parent.type:
                alone = replace(
                    above,
                    oid=-1,
                    name="",
                    kind=EdgeKind.CONFIGURED,
                    child=edge.child,
                    pairs=(replace(above.pairs[0], child=pair.child),),
                    set_columns=(),
                )
                added = await treated(exam, alone, FixAction.ADD_CONSTRAINT, "")
                where = columns_label(schema.parent_of(above), [above.pairs[0].parent])
                statements += [f"-- {quote(pair.child.name)} is a key of {where}: check it there", *added.statements]
                locks += added.locks
                alike += 1
                break
    if alike == len(bare):
        return Treatment(
            tuple(statements), tuple(locks), "Count its orphans first: with any of them VALIDATE would fail."
        )
    names = ", ".join(sql.name(pair.child.name) for pair in edge.pairs)
    if any(pair.child.not_null for pair in edge.pairs):
        comment = "-- Decide what a row without the whole key means; where it must not be:"
        columns = [pair.child for pair in edge.pairs if not pair.child.not_null]
        checked = " AND ".join(f"{sql.name(column.name)} IS NOT NULL" for column in columns)
    else:
        comment = "-- Where a key has to be whole or not there at all:"
        checked = f"pg_catalog.num_nulls({names}) IN (0, {len(edge.pairs)})"
    return Treatment(
        (comment, f"ALTER TABLE {sql.table_name(child)} ADD CHECK ({checked}) NOT VALID"),
        locked([(child.oid, ACCESS_EXCLUSIVE)]),
        "It holds for new rows at once; those that are there stay as they are.",
    )
