"""What the rules of foreign keys do to each other: contradictions, rules that can only fail, far cascades, cycles."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.diagnosis.rules import named, stopping
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.treating import alter_constraint, listed, quiet, treated
from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, locks
from fkexplorer.orphans.ways.keys import rows_of
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.model import Action, EdgeKind, Match
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.schema.graph_model import Reach
    from fkexplorer.schema.model import Column, Relationship, Table

_FAR_TABLES, _FAR_DEPTH, _FAR_ROWS = 10, 5, 10_000
"""A cascade is far that takes rows of so many tables along, or is as deep, or takes so many rows for one on average."""


async def disagreeing(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """`rules_disagree`, one for each parent: a delete of its rows is taken on by one constraint and stopped by another.

    Told where two ways lead from it to one table, of which one deletes its rows and the other refuses; and where a key
    that may be NULL stops, by a NO ACTION that nobody wrote, what another one's CASCADE takes on. A key that is NOT
    NULL, or RESTRICT, may well mean to stop.

    Raises:
        Trouble: the connection is lost.
    """
    examined = {edge.oid for edge in edges}
    found = []
    for table in _tops(exam, edges):
        # Of thousands of tables this takes a second: whoever else waits for the event loop goes first.
        await asyncio.sleep(0)
        own = [each for each in exam.graph.children(table.oid) if each.kind is EdgeKind.DECLARED and each.enforced]
        on = [each for each in own if each.on_delete is Action.CASCADE]
        if not on:
            continue
        if (ways := _two_ways(exam, table)) is not None and examined & {ways[0].edge, ways[1].edge}:
            found.append(await _diverging(exam, table, *ways))
            continue
        stop = [each for each in own if each.on_delete is Action.NO_ACTION and _optional(each)]
        if stop and examined & {each.oid for each in (*on, *stop)}:
            stop += [each for each in own if stopping(each) and each not in stop]
            found.append(await _disagreement(exam, table, on, stop))
    return found


def _tops(exam: Exam, edges: Sequence[Relationship]) -> list[Table]:
    """The tables from which a delete can come to one of these edges, in the schema's order."""
    found = {edge.parent for edge in edges}
    waiting = list(found)
    while waiting:
        above = {each.parent for each in exam.graph.parents(waiting.pop()) if each.on_delete is Action.CASCADE}
        waiting += above - found
        found |= above
    return [table for oid, table in exam.schema.tables.items() if oid in found]


def _two_ways(exam: Exam, table: Table) -> tuple[Reach, Reach] | None:
    """Two ways from a table that part at it and meet at another: one that deletes there, and one that refuses.

    Tried on servers from 12 to 18: what a delete does to other tables is done level by level, and at one level in the
    order of the constraints' OIDs, RESTRICT and NO ACTION alike. Where rows go at a higher level than they are asked
    for, nothing stops.
    """
    reached = exam.graph.delete_closure(table.oid)
    stopping_at: dict[int, list[Reach]] = defaultdict(list)
    for each in reached:
        if each.action in {Action.NO_ACTION, Action.RESTRICT}:
            stopping_at[each.table].append(each)
    for goes in reached:
        if goes.action is not Action.CASCADE or goes.table == table.oid:
            continue
        for stops in stopping_at[goes.table]:
            if stops.path[0] != goes.path[0] and len(stops.path) <= len(goes.path):
                return goes, stops
    return None


async def _diverging(exam: Exam, table: Table, goes: Reach, stops: Reach) -> Finding:
    schema = exam.schema
    edge = schema.edges[stops.edge]
    below, label = table_label(schema.tables[goes.table]), table_label(table)
    text = (
        f"ON DELETE disagrees on two ways from {label} to {below}: by {_way(exam, goes)} its rows go with a delete, by"
        f" {_way(exam, stops)} they stop it ({edge.on_delete.value.upper()})."
    )
    why = (
        "They are asked for before they would go: such a row is never deleted with all that is below it."
        if len(stops.path) < len(goes.path)
        else "A row that the second way alone leads to refuses the delete; of one that both lead to, it depends on"
        " which of the constraints was made first."
    )
    return await _decided(exam, table, text, why, edge, "cascade")


def _way(exam: Exam, reach: Reach) -> str:
    """The constraints of a way, from the top down."""
    return listed([quote(exam.schema.edges[oid].name) for oid in reach.path])


async def _disagreement(exam: Exam, table: Table, on: Sequence[Relationship], stop: Sequence[Relationship]) -> Finding:
    text = f"ON DELETE disagrees about {table_label(table)}: {named(on, 'goes on')}; {named(stop, 'stops')}."
    child = table_label(exam.schema.child_of(stop[0]))
    why = (
        f"What a delete takes along depends on whether a row of {child} refers to it yet; {_columns(stop[0])} may be"
        " NULL, so that it need not stop there."
    )
    found = await _decided(exam, table, text, why, stop[0], "set-null")
    others = [edge for edge in stop[1:] if _optional(edge) and edge.on_delete is stop[0].on_delete]
    if not others:
        return found
    more = f"-- and so for each of the others that should not: {listed([quote(edge.name) for edge in others])}"
    mend = replace(found.treatment, statements=(*found.treatment.statements, more))
    return replace(found, treatment=mend)


async def _decided(  # noqa: PLR0917 - what a finding is made of
    exam: Exam, table: Table, text: str, why: str, edge: Relationship, rule: str
) -> Finding:
    first = (f"-- Decide what a delete of {table_label(table)} means; if {quote(edge.name)} should not stop it:",)
    forecast = "The constraint is made anew, and the rows of its child are looked through once."
    mend = await treated(exam, edge, FixAction.CHANGE_ON_DELETE, forecast, rule=rule, first=first)
    return _notice(exam, "rules_disagree", table_label(table), edge, text, "pg_constraint.confdeltype", why, mend)


def _optional(edge: Relationship) -> bool:
    """Whether a row need not have a parent."""
    return any(not pair.child.not_null for pair in edge.pairs)


def _columns(edge: Relationship) -> str:
    return listed([quote(pair.child.name) for pair in edge.pairs if not pair.child.not_null])


async def failing(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """`set_null_not_null` and `default_without_parent`: rules that can do nothing but fail, whenever they are needed.

    A default is looked up where it is a constant; what the server refuses is noted as not looked at.

    Raises:
        Trouble: the connection is lost.
    """
    found = []
    defaults = []
    for edge in edges:
        if quiet(edge) or edge.on_delete not in {Action.SET_NULL, Action.SET_DEFAULT}:
            continue
        columns = [p.child for p in edge.pairs if not edge.set_columns or p.child.number in edge.set_columns]
        to_null = edge.on_delete is Action.SET_NULL
        bare = [each for each in columns if each.not_null and (to_null or not each.has_default)]
        if bare:
            found.append(await _never_null(exam, edge, bare))
        elif not to_null and all(each.has_default for each in columns) and len(columns) == len(edge.pairs):
            defaults.append(edge)
    return found + await _without_parent(exam, defaults)


async def _never_null(exam: Exam, edge: Relationship, bare: Sequence[Column]) -> Finding:
    label, child = edge_label(exam.schema, edge), exam.schema.child_of(edge)
    names = listed([quote(column.name) for column in bare])
    are = "is" if len(bare) == 1 else "are"
    rule = edge.on_delete.value.upper()
    nothing = "" if edge.on_delete is Action.SET_NULL else f" without a default{'' if len(bare) == 1 else 's'}"
    text = f"{label} is ON DELETE {rule}, but {names} of {table_label(child)} {are} NOT NULL{nothing}."
    why = "Every delete of a parent that has children fails with 23502, as if the rule were RESTRICT, but less clear."
    loose = ", ".join(f"ALTER COLUMN {sql.name(column.name)} DROP NOT NULL" for column in bare)
    first = (
        f"-- Either rows may be without a parent: ALTER TABLE {sql.table_name(child)} {loose}",
        "-- or they may not, and the rule says so (or is CASCADE):",
    )
    forecast = "With RESTRICT nothing changes but what the error says."
    mend = await treated(exam, edge, FixAction.CHANGE_ON_DELETE, forecast, rule="restrict", first=first)
    seen = f"pg_constraint.confdeltype = '{'n' if edge.on_delete is Action.SET_NULL else 'd'}', pg_attribute.attnotnull"
    return _notice(exam, "set_null_not_null", label, edge, text, seen, why, mend)


# An expression that is a constant alone, as pg_get_expr writes it: 'BRS'::bpchar, 5, '-1'::integer, true.
_CONSTANT = r"^(''([^'']|'''')*''|-?[0-9]+([.][0-9]+)?|true|false)(::[a-z0-9_ .\"()]+)?$"


async def _without_parent(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """Those whose defaults, all of them constants, name a parent that is not there: two looks, by keys alone."""
    if not edges:
        return []
    answers: list[Mapping[str, Any] | psycopg.Error] = []
    limits = Limits(statement_timeout_ms=exam.ms, lock_timeout_ms=200)
    # pg_get_expr waits for whoever alters the table: each of them by itself, and not for long.
    texts = [_default_texts(edge) for edge in edges]
    await pipelined(exam.database, texts, limits, lambda _, answer: answers.append(answer))
    asked: list[tuple[Relationship, list[str]]] = []
    for edge, answer in zip(edges, answers, strict=True):
        if isinstance(answer, psycopg.Error):
            exam.miss(f"the default of the key of {edge_label(exam.schema, edge)}", translate(answer).reason)
        elif answer["texts"] is not None and None not in answer["texts"]:
            asked.append((edge, answer["texts"]))
    if not asked:
        return []
    answers.clear()
    looks = [_lookup(exam, edge, values) for edge, values in asked]
    await pipelined(exam.database, looks, limits, lambda _, answer: answers.append(answer))
    found = []
    for (edge, values), answer in zip(asked, answers, strict=True):
        if isinstance(answer, psycopg.Error):
            exam.miss(f"the parent that {edge_label(exam.schema, edge)} sets by default", translate(answer).reason)
        elif not answer["there"]:
            found.append(await _default_gone(exam, edge, values))
    return found


def _default_texts(edge: Relationship) -> str:
    numbers = ", ".join(str(pair.child.number) for pair in edge.pairs)
    return (
        "SELECT pg_catalog.array_agg(CASE WHEN x.text OPERATOR(pg_catalog.~) '"
        f"{_CONSTANT}' THEN x.text END ORDER BY pg_catalog.array_position(ARRAY[{numbers}], x.number)) AS texts"
        " FROM (SELECT d.adnum::int AS number, pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS text"
        f" FROM pg_catalog.pg_attrdef d WHERE d.adrelid = {edge.child} AND d.adnum IN ({numbers})) x"
    )


def _lookup(exam: Exam, edge: Relationship, values: Sequence[str]) -> str:
    """Whether the parent has this key: by its unique index."""
    where = " AND ".join(
        sql.compared(f"p.{sql.name(pair.parent.name)}", pair.equals, value)
        for pair, value in zip(edge.pairs, values, strict=True)
        if pair.equals is not None
    )
    return f"SELECT EXISTS (SELECT FROM {sql.source(exam.schema.parent_of(edge), 'p')} WHERE {where}) AS there"


async def _default_gone(exam: Exam, edge: Relationship, values: Sequence[str]) -> Finding:
    label, parent = edge_label(exam.schema, edge), exam.schema.parent_of(edge)
    columns = columns_label(parent, [pair.parent for pair in edge.pairs])
    text = f"{label} is ON DELETE SET DEFAULT, and no row of {columns} is {', '.join(values)}, as the default says."
    why = "Every delete of a parent that has children fails with 23503: the rows would name a parent that is not there."
    first = (f"-- Insert that row into {table_label(parent)}; or, if no such parent is meant:",)
    rule = "set-null" if all(not pair.child.not_null for pair in edge.pairs) else "restrict"
    forecast = "The constraint is made anew, and the rows of its child are looked through once."
    mend = await treated(exam, edge, FixAction.CHANGE_ON_DELETE, forecast, rule=rule, first=first)
    return _notice(exam, "default_without_parent", label, edge, text, "pg_attrdef.adbin, pg_constraint", why, mend)


def far(exam: Exam, edges: Sequence[Relationship]) -> Iterator[Finding]:
    """`cascade_far`: tables whose deletes take along rows of many tables, many levels deep, or very many rows.

    Told at the table from which it begins; those that it passes have a part of it, and are not told again.
    """
    examined = {edge.oid for edge in edges}
    reaches: list[tuple[Table, list[Reach]]] = []
    for table in _tops(exam, edges):
        goes = [each for each in exam.graph.delete_closure(table.oid) if each.action is Action.CASCADE]
        reaches.append((table, goes))
    told: set[int] = set()
    for table, goes in sorted(reaches, key=lambda each: -len(each[1])):
        below = {each.table for each in goes}
        if table.oid in told or not examined & {each.edge for each in goes}:
            continue
        rows = sum(rows_of(exam.schema.tables[each]) for each in below - {table.oid}) / max(1.0, rows_of(table))
        depth = max((len(each.path) for each in goes), default=0)
        if len(below) >= _FAR_TABLES or depth >= _FAR_DEPTH or (rows_of(table) >= 1 and rows >= _FAR_ROWS):
            told |= below
            yield _far(exam, table, goes, rows)


def _far(exam: Exam, table: Table, goes: Sequence[Reach], rows: float) -> Finding:
    schema, label = exam.schema, table_label(table)
    below = sorted({each.table for each in goes} - {table.oid}, key=lambda each: -rows_of(schema.tables[each]))
    names = listed([table_label(schema.tables[each]) for each in below])
    depth = max(len(each.path) for each in goes)
    levels = f", {depth} levels deep" if depth > 1 else ""
    many = f"; on average that is about {rows:,.0f} rows" if rows >= 1 else ""
    tables = "1 table" if len(below) == 1 else f"{len(below)} tables"
    text = f"A row of {label} that is deleted takes rows of {tables} with it{levels}: {names}{many}."
    return Finding(
        "cascade_far",
        Severity.NOTICE,
        label,
        None,
        table.oid,
        text,
        f"pg_constraint.confdeltype = 'c' on {len(goes)} constraints in a row and beside each other",
        "All of it is one statement of one transaction: nobody sees how much it is before, and its locks last.",
        schema.loaded_at,
        Treatment(
            (
                f"-- fkexplorer impact {label} KEY tells what one row would take along.",
                "-- Delete from the lowest table up, in batches; or let one of the constraints stop it: RESTRICT.",
            ),
        ),
    )


def circling(exam: Exam, edges: Sequence[Relationship]) -> Iterator[Finding]:
    """`cycle_not_loadable`: tables that refer to each other by keys that neither may be NULL nor wait for COMMIT."""
    hard = {
        edge.oid: edge
        for edge in exam.schema.edges.values()
        if not (quiet(edge) or edge.deferrable or edge.self_referencing or _leaves_out(edge))
    }
    examined = {edge.oid for edge in edges}
    # The graph of those edges alone has the cycles that nothing opens.
    graph = Graph(replace(exam.schema, edges=hard))
    for component in graph.components():
        inside = {table: exam.schema.tables[table] for table in component}
        cycle = next((each for each in graph.cycles(limit=50) if each[0].child in inside), None)
        if cycle is not None and examined & {edge.oid for edge in cycle}:
            yield _circle(exam, cycle)


def _leaves_out(edge: Relationship) -> bool:
    """Whether a row may come without a parent, and be given one later."""
    optional = [not pair.child.not_null for pair in edge.pairs]
    return all(optional) if edge.match is Match.FULL else any(optional)


def _circle(exam: Exam, cycle: Sequence[Relationship]) -> Finding:
    schema = exam.schema
    names = [table_label(schema.child_of(edge)) for edge in cycle]
    edge = min(cycle, key=lambda each: rows_of(schema.child_of(each)))
    text = (
        f"{listed(names)} refer to each other in a circle, and every key is NOT NULL and checked at once"
        f" ({listed([quote(each.name) for each in cycle])})."
    )
    return _notice(
        exam,
        "cycle_not_loadable",
        min(names),
        edge,
        text,
        "pg_attribute.attnotnull = true, pg_constraint.condeferrable = false on each of them",
        "No first row can be inserted by a statement of its own, and a dump of the data alone can't be loaded.",
        Treatment(
            (alter_constraint(schema, edge, "DEFERRABLE INITIALLY IMMEDIATE"),),
            locks([(edge.child, ACCESS_EXCLUSIVE)]),
            f"It reads no row. Whoever loads says SET CONSTRAINTS {quote(edge.name)} DEFERRED; nothing else changes.",
        ),
    )


def _notice(  # noqa: PLR0917 - what a finding is made of
    exam: Exam, code: str, subject: str, edge: Relationship, text: str, seen: str, why: str, mend: Treatment
) -> Finding:
    at = exam.schema.loaded_at
    return Finding(code, Severity.NOTICE, subject, edge.oid, edge.child, text, seen, why, at, mend)
