"""What stands against a change of what a constraint rests on, and what it takes, found out by reading alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.indexes import index_name
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.retype import retyped_table, retypes
from fkexplorer.fixes.rows import named
from fkexplorer.fixes.standing import ANOTHER, BUSY, INVALID
from fkexplorer.orphans.casting import castable, one_array
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Plan, Request
    from fkexplorer.fixes.retype import Retype
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Column, Schema, Table

EXAMPLES = 3
"""Values that a reason names."""
BUILD_BYTES = 100e6
"""Bytes of a table from which an index is built in a second: of 141 MB it took 0.5 s on integers, 1.0 s on texts."""
REWRITE_BYTES = 60e6
"""Bytes of a table that are written anew in a second: 141 MB with two indexes took 1.6 s."""
_BRIEF = 0.05
"""Seconds that a change of the catalogue alone takes."""
_LITERAL = re.compile(r"'(?P<text>(?:[^']|'')*)'::[a-z ]+")
"""A default that is a value, as `pg_get_expr` writes it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found."""

    confirm: str
    """What has to be typed."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What people have to know beside, a sentence each."""
    lasting: tuple[str, ...] = ()
    """What an undo does not bring back."""


async def examined(ask: Ask, schema: Schema, version: int, plan: Plan, beside: Beside) -> Examined:
    """Look whether a plan whose steps have a standing can be done.

    Args:
        ask: runs a statement.
        schema: the schema that the plan is of.
        version: the server's `server_version_num`.
        plan: with at least one step.
        beside: what was read for it.

    Raises:
        Trouble: values, or what hangs on a column, are in the way (`blocked`), or a name is taken (`incomplete`).
        psycopg.Error: the server refused.
    """
    match plan.request.action:
        case FixAction.CHANGE_TYPE:
            return await _type(ask, schema, version, plan.request, beside)
        case FixAction.ENABLE_TRIGGERS:
            return await _triggers(ask, schema, plan.request)
        case _:
            return await _index(ask, schema, plan)


async def _index(ask: Ask, schema: Schema, plan: Plan) -> Examined:
    request = plan.request
    unique = request.action is FixAction.ADD_UNIQUE
    table = schema.parent_of(request.edge) if unique else schema.child_of(request.edge)
    columns = tuple(pair.parent if unique else pair.child for pair in request.edge.pairs)
    notes = []
    for step in plan.steps:
        if isinstance(step, DdlStep):
            notes += await _stands(ask, step)
    if unique:
        await _no_duplicates(ask, table, columns)
        if nullable := [column for column in columns if not column.not_null]:
            notes.append(
                f"rows where {named(nullable)} is NULL are not kept apart by it, and nothing can refer to them"
            )
    name = index_name(schema, request, table, columns, unique=unique)
    return Examined(name, _BRIEF + table.likely_bytes / BUILD_BYTES, tuple(notes))


async def _triggers(ask: Ask, schema: Schema, request: Request) -> Examined:
    """Rows that came while they were off are not looked at when they fire again."""
    edge = request.edge
    notes = []
    if edge.triggers.missing:
        notes.append("triggers that are missing are not made by it: revalidate makes the constraint anew")
    if all(pair.equals for pair in edge.pairs):
        predicate = EdgePredicate(schema, edge)
        where = sql.condition(predicate, predicate.is_orphan)
        [(orphans,)] = await ask(f"SELECT count(*) FROM {sql.source(schema.child_of(edge), 'c')} WHERE {where}")
        if orphans:
            stay = "orphan is there and stays: mend it" if orphans == 1 else "orphans are there and stay: mend them"
            notes.append(f"{orphans:,} {stay}, then revalidate, which looks through all rows")
        else:
            notes.append("no orphan is there now; revalidate lets the server look through all rows itself")
    return Examined(edge.name, _BRIEF, tuple(notes))


async def _type(ask: Ask, schema: Schema, version: int, request: Request, beside: Beside) -> Examined:
    """Nothing may hang on the columns that refuses, and each value has to be one of the new type."""
    table, changes = retyped_table(schema, request), retypes(request.edge, request.side)
    if beside.hanging.refuses:
        raise Trouble(
            f"{columns_label(table, [each.column for each in changes])} can't change its type while it is used by "
            + "; ".join(beside.hanging.refuses),
            "drop those before, and make them anew after",
            code="blocked",
        )
    await _no_orphans(ask, schema, beside)
    notes, lasting = list(beside.hanging.notes), []
    for each in changes:
        await _default_casts(ask, version, each, beside.hanging.defaults.get(each.column.number, ""))
        valid = castable(each.column, each.to, version, "c")
        if valid is None:
            notes.append(
                f"whether every value of {quote(each.column.name)} casts can't be told before PostgreSQL 16:"
                " the server ends it at the first one that does not"
            )
            continue
        await _values_cast(ask, table, each, valid)
        lasting += await _spelled_anew(ask, table, each)
    rewrites = any(each.rewrites for each in changes)
    if rewrites:
        room = f"{table.likely_bytes / 1e6:,.0f} MB" if table.likely_bytes >= 1e6 else "less than 1 MB"
        notes.append(f"the table is written anew, for which there has to be room: {room}")
    else:
        notes.append("no row is written anew: the values stay as they are")
    seconds = _BRIEF + (table.likely_bytes / REWRITE_BYTES if rewrites else 0)
    return Examined(", ".join(each.column.name for each in changes), seconds, tuple(notes), tuple(lasting))


async def _no_orphans(ask: Ask, schema: Schema, beside: Beside) -> None:
    """Make sure that the constraints which the server looks at again hold.

    Raises:
        Trouble: one has orphans (`blocked`).
    """
    for edge in beside.hanging.checked:
        predicate = EdgePredicate(schema, edge)
        where = sql.condition(predicate, predicate.is_orphan)
        [(orphans,)] = await ask(f"SELECT count(*) FROM {sql.source(schema.child_of(edge), 'c')} WHERE {where}")
        if orphans:
            many = "1 orphan" if orphans == 1 else f"{orphans:,} orphans"
            raise Trouble(
                f"{edge_label(schema, edge)} has {many}: the server looks through its rows again, and refuses it",
                "mend them first, and change the type then",
                code="blocked",
            )


async def _values_cast(ask: Ask, table: Table, change: Retype, valid: str) -> None:
    """Make sure that the new type reads every value. Rows of partitions and inheritors change with the table's.

    Raises:
        Trouble: some it does not (`blocked`).
    """
    own = f"c.{sql.name(change.column.name)}"
    shown = "'…'" if is_secret(change.column.name) else f"pg_catalog.left({own}::pg_catalog.text, 60)"
    found = await ask(
        f"SELECT {shown}, pg_catalog.count(*), pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.int8,"
        f" pg_catalog.count(*) OVER () FROM {sql.table_name(table)} AS c WHERE {own} IS NOT NULL AND NOT ({valid})"
        f" GROUP BY {own} ORDER BY 2 DESC, 1 LIMIT {EXAMPLES}"
    )
    if found:
        _, _, rows, values = found[0]
        listed = ", ".join(value for value, *_ in found) + (", …" if values > len(found) else "")
        one = f"{rows:,} {'row' if rows == 1 else 'rows'} of {columns_label(table, [change.column])}"
        raise Trouble(
            f"{one} {'has a value that does' if rows == 1 else 'have values that do'} not cast to"
            f" {change.to.type_text}: {listed}",
            "an array is not one key: take its elements to a table of their own"
            if one_array(change.column, change.to)
            else "mend them first: delete, set-null and quarantine take them (scope uncastable)",
            code="blocked",
        )


async def _spelled_anew(ask: Ask, table: Table, change: Retype) -> list[str]:
    """How many values are written in another way by the new type, as a uuid in capitals: that does not come back."""
    if not change.by_text:
        return []
    own = f"CAST(c.{sql.name(change.column.name)} AS pg_catalog.text)"
    # With its precision: a numeric(5,2) rounds.
    new = f"CAST(CAST({own} AS {change.to.type_text}) AS pg_catalog.text)"
    shown = "'…'" if is_secret(change.column.name) else f"pg_catalog.left(pg_catalog.min({own}), 60)"
    [(rows, example)] = await ask(
        f"SELECT pg_catalog.count(*), {shown} FROM {sql.table_name(table)} AS c"
        f' WHERE {own} COLLATE pg_catalog."C" OPERATOR(pg_catalog.<>) {new} COLLATE pg_catalog."C"'
    )
    if not rows:
        return []
    values = "value is" if rows == 1 else "values are"
    spelled = f"spelled otherwise than {change.to.type_text} writes them"
    return [f"the spelling of {quote(change.column.name)}: {rows:,} {values} {spelled}, as {example}"]


async def _default_casts(ask: Ask, version: int, change: Retype, default: str) -> None:
    """A default that is a value is one of the new type: the server would find out at the next insert alone.

    Raises:
        Trouble: it is not (`blocked`).
    """
    value = _LITERAL.fullmatch(default)
    if value is None or not change.by_text:
        return
    named_so = f"CAST({sql.literal(value['text'].replace(chr(39) * 2, chr(39)))} AS pg_catalog.text)"
    valid = castable(change.column, change.to, version, "c")
    if valid is None:
        return
    [(good,)] = await ask(f"SELECT {valid} FROM (SELECT {named_so} AS {sql.name(change.column.name)}) AS c")
    if not good:
        raise Trouble(
            f"the default of {quote(change.column.name)} does not cast to {change.to.type_text}: {default}",
            f"ALTER TABLE … ALTER COLUMN {quote(change.column.name)} DROP DEFAULT, or give it another",
            code="blocked",
        )


async def _stands(ask: Ask, step: DdlStep) -> list[str]:
    """What an earlier try has left, or that another session is at it.

    Raises:
        Trouble: the name is that of something else.
    """
    if step.standing is None or not step.alone:
        return []
    [(word,)] = await ask(step.standing.query)
    if word == ANOTHER:
        raise Trouble(f"{step.title}: there is something else of that name", "give it another name", code="incomplete")
    if word == INVALID:
        return [f"an invalid index, which an earlier try left, is taken away before: {step.clean}"]
    return (
        [f"{step.title}: another session seems to be at it; then this waits, and does nothing"] if word == BUSY else []
    )


async def _no_duplicates(ask: Ask, table: Table, columns: tuple[Column, ...]) -> None:
    """Make sure that no key is there twice.

    Raises:
        Trouble: one is (`blocked`).
    """
    own = [f"c.{sql.name(column.name)}" for column in columns]
    present = " AND ".join(f"{each} IS NOT NULL" for each in own)
    shown = "'…'" if any(is_secret(column.name) for column in columns) else _printed(own)
    [(keys, rows, examples)] = await ask(
        f"WITH d AS (SELECT {shown} AS shown, pg_catalog.count(*) AS rows FROM {sql.source(table, 'c')}"
        f" WHERE {present} GROUP BY {', '.join(own)} HAVING pg_catalog.count(*) > 1)"
        " SELECT pg_catalog.count(*), pg_catalog.sum(d.rows)::pg_catalog.int8, ARRAY(SELECT x.shown FROM d AS x"
        f" ORDER BY x.rows DESC, x.shown LIMIT {EXAMPLES}) FROM d"
    )
    if keys:
        many = f"{keys:,} {'key is' if keys == 1 else 'keys are'} there more than once, in {rows:,} rows"
        more = ", …" if keys > len(examples) else ""
        raise Trouble(
            f"{many} of {table_label(table)} ({named(columns)}): {', '.join(examples)}{more}",
            "make them differ, or delete the rows that are too many, first",
            code="blocked",
        )


def _printed(own: list[str]) -> str:
    """A key as people read it; cut, since a value may be long."""
    texts = ", ".join(f"{each}::pg_catalog.text" for each in own)
    return f"pg_catalog.left(pg_catalog.concat_ws(', ', {texts}), 60)"
