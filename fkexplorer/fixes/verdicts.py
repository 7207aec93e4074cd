"""What the server would say to a change and its consequences: the parts of the closure's statement that count refusals.

Each part is a SELECT of five columns: what it counts (`refused`, `doubtful`, `left`), the edge, 0 (1 where there are
more rows than it may look at), the rows for certain, and the rows of which it is doubtful. They stand over the CTEs
`fact` and `gone` of the closure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from fkexplorer.fixes import sql
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.model import Action, Match, TableKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fkexplorer.fixes.model import Change
    from fkexplorer.fixes.reach import Check, Left, Node, Reach
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

    Defaults = Mapping[tuple[int, int], str]
    """The expression of a column's default, by the table's OID and the column's number."""

DEFAULT = "DEFAULT"
"""What an UPDATE may set a column to, that is no expression."""


def verdicts(
    schema: Schema, change: Change, where: str, reach: Reach, defaults: Defaults, *, most: int | None = None
) -> Iterator[str]:
    """The parts, for all that a change reaches.

    Args:
        schema: the schema that the change is of.
        change: the change.
        where: the condition that tells its rows, over `c`.
        reach: what it can reach.
        defaults: the defaults of the tables in which it, or a SET DEFAULT, sets some.
        most: rows that are looked at for one edge that refuses, or leaves orphans; None for all.
    """
    yield from (_checked(schema, reach, check, most) for check in reach.checks)
    yield from (_left(schema, left, most) for left in reach.left)
    for node in reach.changing_nodes:
        yield from _not_null(schema, reach, node, defaults)
        yield from _without_default(schema, node, defaults)
        yield from _overlapped(reach, node)
    yield from _own_keys(schema, change, where, reach, defaults)
    yield from _mixed_keys(schema, reach)
    yield from _twice(schema, reach)


def below(schema: Schema, edge: Relationship) -> str:
    """Joins of the edge's parent's rows at the places of `f`, as `p`, and the child's rows that name them, as `c`."""
    predicate = EdgePredicate(schema, edge)
    parent, child = predicate.parent_table, predicate.child_table
    return (
        f"JOIN {sql.source(parent, 'p')} ON {_is('p', parent)}"
        f" JOIN {sql.source(child, 'c')} ON {sql.written(sql.same_key(predicate))}"
    )


def inside(relations: frozenset[int] | None) -> str:
    """Only rows of `p` in these relations."""
    return "" if relations is None else f" AND p.tableoid IN ({numbers(relations)})"


def numbers(some: Iterable[int]) -> str:
    """Numbers between commas, for IN; NULL for none."""
    return ", ".join(str(number) for number in sorted(some)) or "NULL"


def new_values(table: Table, change: Change, defaults: Defaults) -> dict[str, str]:
    """What an UPDATE sets, by the column's name, each as an expression of the column's type."""
    found = {}
    for number, expression in change.sets:
        column = table.column(number)
        if expression == DEFAULT:
            found[column.name] = _typed(column, defaults.get((table.oid, number)))
        else:
            found[column.name] = expression
    return found


def _typed(column: Column, expression: str | None) -> str:
    return f"CAST({expression or 'NULL'} AS {sql.type_name(column.type)})"


def _checked(schema: Schema, reach: Reach, check: Check, most: int | None) -> str:
    """Rows that name what is touched, when the check's turn comes."""
    certain, same_round = "g.place IS NULL", "false"
    if not check.late:
        certain, same_round = "(g.place IS NULL OR g.level > n.level + 1)", "g.level = n.level + 1"
    if check.edge.period:
        # Other rows of the parent may cover what this one does no more.
        certain, same_round = "false", f"{certain} OR {same_round}"
    elif changing := reach.changing(check.edge):
        moved = (
            f"EXISTS (SELECT 1 FROM fact x WHERE x.via IN ({numbers(changing)})"
            " AND x.rel = n.rel AND x.place = n.place)"
        )
        certain, same_round = f"{certain} AND NOT {moved}", f"{same_round} OR {certain} AND {moved}"
    touched = "(SELECT rel, place, level, false AS goes FROM gone)"
    if not check.on_delete:
        # A row that goes is changed before that, or not at all.
        touched = (
            "(SELECT t.rel, t.place, t.level, COALESCE(g.level <= t.level, false) AS goes FROM"
            " (SELECT f.rel, f.place, min(f.level) AS level FROM fact f"
            f" WHERE f.via IN ({numbers(check.sources)}) GROUP BY 1, 2) t LEFT JOIN gone g USING (rel, place))"
        )
        certain, same_round = f"{certain} AND NOT n.goes", f"{same_round} OR {certain} AND n.goes"
    rows = f"SELECT {certain} AS certain, {same_round} AS doubtful FROM " + _and_gone(
        f"f.level, f.goes, c.tableoid AS rel, c.ctid AS place FROM {touched} f"
        f" {below(schema, check.edge)} WHERE true{inside(check.where)}"
    )
    return (
        f"SELECT 'refused', {check.edge.oid}, {_cut(most)}, count(*) FILTER (WHERE q.certain),"
        f" count(*) FILTER (WHERE q.doubtful) FROM ({limited(rows, check.edge, most)}) q"
    )


def _and_gone(rows: str) -> str:
    """Rows with a `rel` and a `place`, as `n`, each with its row of `gone`, as `g`, where it has one.

    A FULL JOIN, since there is no nested loop for that: the server takes `gone` for a few rows, whatever it holds, and
    would read all of it for each row: 20 s and no end for 100,000 rows, where it takes 0.2 s by a hash. Only a
    condition that may hold for NULLs leaves it one.
    """
    return (
        f"(SELECT true AS here, {rows}) n FULL JOIN gone g ON g.rel = n.rel AND g.place = n.place"
        " WHERE COALESCE(n.here, false)"
    )


def limited(statement: str, edge: Relationship, most: int | None) -> str:
    """The statement for one row more than is wanted, which tells that there are more; the whole one for None.

    Without an index it is planned as if all its rows were wanted. For a few of them the server would read the child
    once for each row of the parent: 20 s and no end for 100,000 rows and 10 MiB, where a hash join takes 0.1 s.
    """
    if most is None:
        return statement
    if edge.index is None:
        statement = f"WITH wanted AS MATERIALIZED ({statement}) SELECT * FROM wanted"
    return f"{statement} LIMIT {most + 1}"


def _cut(most: int | None) -> str:
    """Whether the LIMIT cut anything off: 0 or 1."""
    return "0::oid" if most is None else f"(count(*) > {most})::int::oid"


def _left(schema: Schema, left: Left, most: int | None) -> str:
    """Rows that stay, with a key that is no more."""
    outside = "" if left.but is None else f" AND p.tableoid NOT IN ({numbers(left.but)})"
    rows = "SELECT n.rel, n.place FROM " + _and_gone(
        f"c.tableoid AS rel, c.ctid AS place FROM fact f {below(schema, left.edge)}"
        f" WHERE f.via IN ({numbers(left.sources)}){outside}"
    )
    rows += " AND g.place IS NULL"
    return (
        f"SELECT 'left', {left.edge.oid}, {_cut(most)}, count(DISTINCT ROW(q.rel, q.place)), 0::int8"
        f" FROM ({limited(rows, left.edge, most)}) q"
    )


def _not_null(schema: Schema, reach: Reach, node: Node, defaults: Defaults) -> Iterator[str]:
    """Rows in which a column would become NULL that may not."""
    if node.edge is None:
        return
    if node.action is Action.CASCADE:
        if node.number in reach.nulled and any(column.not_null for column in _changed(schema, node)):
            yield _counted(node, node.edge, unsure=True)
    elif any(
        column.not_null and (node.action is Action.SET_NULL or (node.table, column.number) not in defaults)
        for column in _changed(schema, node)
    ):
        yield _counted(node, node.edge)


def _without_default(schema: Schema, node: Node, defaults: Defaults) -> Iterator[str]:
    """Rows whose new key, made of defaults, has no parent, or one that goes."""
    edge = node.edge
    given = {
        column.name: _typed(column, defaults.get((node.table, column.number))) for column in _changed(schema, node)
    }
    if edge is None or node.action is not Action.SET_DEFAULT:
        return
    predicate = EdgePredicate(schema, edge)
    stays = "NOT EXISTS (SELECT 1 FROM gone g WHERE g.rel = p.tableoid AND g.place = p.ctid)"
    found = predicate.has_parent_where(literal_column(stays))
    orphaned = sql.condition(predicate, predicate.not_null_condition & ~found)
    names = [pair.child.name for pair in edge.pairs]
    key = ", ".join(f"{given.get(name, f't.{sql.name(name)}')} AS {sql.name(name)}" for name in names)
    table = predicate.child_table
    joins = f"JOIN {sql.source(table, 't')} ON {_is('t', table)} CROSS JOIN LATERAL (SELECT {key}) c"
    # With the child's trigger off only the parent's looks, and only for rows that name what goes after all.
    yield _counted(node, edge, joins, orphaned, unsure=not edge.triggers.all_fire)


def _counted(node: Node, edge: Relationship, joins: str = "", where: str = "true", *, unsure: bool = False) -> str:
    """Rows of a node that the server refuses; where they also go, it may not come to that."""
    certain, doubtful = ("false", "true") if unsure else ("g.place IS NULL", "g.place IS NOT NULL")
    return (
        f"SELECT 'refused', {edge.oid}, 0::oid, count(*) FILTER (WHERE {certain}),"
        f" count(*) FILTER (WHERE {doubtful}) FROM fact f LEFT JOIN gone g USING (rel, place) {joins}"
        f" WHERE f.via = {node.number} AND {where}"
    )


def _overlapped(reach: Reach, node: Node) -> Iterator[str]:
    """Rows that two edges change by the same columns, or that another edge looks at afterwards."""
    if node.edge is not None and reach.rechecked(node):
        yield f"SELECT 'doubtful', {node.edge.oid}, 0::oid, 0::int8, count(*) FROM fact f WHERE f.via = {node.number}"
    for other in reach.nodes:
        if other.edge is not None and other is not node and node.number in reach.changing(other.edge):
            yield (
                f"SELECT 'doubtful', {other.edge.oid}, 0::oid, 0::int8, count(*) FROM fact f"
                f" JOIN fact x USING (rel, place) WHERE f.via = {other.number} AND x.via = {node.number}"
            )


def _own_keys(schema: Schema, change: Change, where: str, reach: Reach, defaults: Defaults) -> Iterator[str]:
    """Rows of an UPDATE whose own new key has no parent."""
    table = schema.tables[change.table]
    sets = new_values(table, change, defaults)
    for edge in schema.edges.values():
        names = [pair.child.name for pair in edge.pairs]
        touched = edge.match is Match.FULL or sets.keys() & set(names)
        if not edge.enforced or not reach.related(edge.child, table.oid) or not sets or not touched:
            continue
        predicate = EdgePredicate(schema, edge)
        old = ", ".join(f"c.{sql.name(name)}" for name in names)
        new = [sets.get(name, f"c.{sql.name(name)}") for name in names]
        rows = (
            f"SELECT {', '.join(f'{value} AS {sql.name(name)}' for value, name in zip(new, names, strict=True))},"
            f" {sql.differs(old, ', '.join(new))} AS new_key FROM {sql.source(table, 'c')} WHERE {where}"
        )
        unsure = not edge.triggers.all_fire or reach.moves_keys_of(edge)
        certain, doubtful = ("0::int8", "count(*)") if unsure else ("count(*)", "0::int8")
        orphaned = sql.condition(predicate, predicate.is_orphan)
        yield (
            f"SELECT 'refused', {edge.oid}, 0::oid, {certain}, {doubtful} FROM ({rows}) c"
            f" WHERE (c.new_key OR {_mixed(predicate)}) AND {orphaned}"
        )


def _mixed_keys(schema: Schema, reach: Reach) -> Iterator[str]:
    """Rows with a key that MATCH FULL forbids for its NULLs: every update checks it again, whatever it changes."""
    for edge in schema.edges.values():
        nodes = [
            node for node in reach.changing_nodes if node.edge is not None and reach.related(node.table, edge.child)
        ]
        if edge.match is not Match.FULL or len(edge.pairs) == 1 or not edge.enforced or not nodes:
            continue
        predicate = EdgePredicate(schema, edge)
        certain, doubtful = "g.place IS NULL", "g.place IS NOT NULL"
        if not edge.triggers.all_fire or reach.changing(edge) or any(node.edge == edge for node in nodes):
            certain, doubtful = "false", "true"
        yield (
            f"SELECT 'refused', {edge.oid}, 0::oid, count(*) FILTER (WHERE {certain}),"
            f" count(*) FILTER (WHERE {doubtful}) FROM fact f LEFT JOIN gone g USING (rel, place)"
            f" JOIN {sql.source(predicate.child_table, 'c')} ON {_is('c', predicate.child_table)}"
            f" WHERE f.via IN ({numbers(node.number for node in nodes)}) AND {_mixed(predicate)}"
        )


def _mixed(predicate: EdgePredicate) -> str:
    """Rows of `c` whose key is NULL in part, where MATCH FULL forbids that."""
    if predicate.edge.match is not Match.FULL:
        return "false"
    keys = sql.columns((pair.child for pair in predicate.edge.pairs), "c")
    return f"num_nulls({keys}) BETWEEN 1 AND {len(predicate.edge.pairs) - 1}"


def _twice(schema: Schema, reach: Reach) -> Iterator[str]:
    """Orphans that are updated twice: the second time all their keys are checked, also those that did not change.

    `RI_FKey_fk_upd_check_required`: the row that the second update finds was made by the same transaction.
    """
    for edge in schema.edges.values():
        nodes = [node.number for node in reach.changing_nodes if reach.related(node.table, edge.child)]
        if len(nodes) < 2 or not edge.enforced:
            continue
        predicate = EdgePredicate(schema, edge)
        table = predicate.child_table
        yield (
            f"SELECT 'doubtful', {edge.oid}, 0::oid, 0::int8, count(*) FROM (SELECT x.rel, x.place FROM fact x"
            f" WHERE x.via IN ({numbers(nodes)}) GROUP BY 1, 2 HAVING count(*) > 1) f"
            f" JOIN {sql.source(table, 'c')} ON {_is('c', table)} WHERE {sql.condition(predicate, predicate.is_orphan)}"
        )


def _changed(schema: Schema, node: Node) -> list[Column]:
    return [column for column in schema.tables[node.table].columns if column.name in (node.columns or ())]


def _is(alias: str, table: Table) -> str:
    """Whether a row of a table lies at the place of `f`; a table without partitions has one relation alone."""
    relation = f"{alias}.tableoid" if table.kind is TableKind.PARTITIONED else f"{table.oid}"
    return f"f.rel = {relation} AND {alias}.ctid = f.place"
