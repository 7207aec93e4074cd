"""Plans and previews made by hand, for the tests of running them: the numbers are found as a preview finds them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.fixes import sql
from fkexplorer.fixes.closure import follow
from fkexplorer.fixes.guard import Names, user_triggers
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Change, Consequences, DataStep, Effect, Plan, Preview, Request, Verb
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.fixes.writer import WriteLimits
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.entries import UndoPreview
    from fkexplorer.fixes.model import Outcome, Step
    from fkexplorer.schema.model import Relationship, Schema

QUICK = RunLimits(WriteLimits(lock_timeout_ms=200), retries=1, pause_seconds=0.02, ask_seconds=5.0)
"""Limits with which a test that waits for a lock is over soon."""


def edge_named(schema: Schema, label: str) -> Relationship:
    """The edge with this label, its schema left out where it is public."""
    for edge in schema.edges.values():
        if edge_label(schema, edge).removeprefix("public.") == label:
            return edge
    raise KeyError(label)


def orphans_of(schema: Schema, edge: Relationship) -> str:
    """The condition that tells the orphans."""
    predicate = EdgePredicate(schema, edge)
    return sql.condition(predicate, predicate.is_orphan)


def delete(schema: Schema, edge: Relationship, where: str = "") -> Change:
    """The DELETE of an edge's orphans, or of other rows of its child."""
    head = f"DELETE FROM {sql.source(schema.child_of(edge), 'c')}"
    return Change(Verb.DELETE, edge.child, head, where or orphans_of(schema, edge))


def set_to(schema: Schema, edge: Relationship, value: str, where: str = "") -> Change:
    """The UPDATE of the orphans' columns to one value: SQL, as NULL, DEFAULT or a literal."""
    columns = [pair.child for pair in edge.pairs]
    sets = ", ".join(f"{sql.name(column.name)} = {value}" for column in columns)
    return Change(
        Verb.UPDATE,
        edge.child,
        f"UPDATE {sql.source(schema.child_of(edge), 'c')} SET {sets}",
        where or orphans_of(schema, edge),
        sets=tuple(
            (column.number, "CAST(NULL AS int)" if value == "NULL" else value)  # of the tests' columns
            for column in columns
        ),
    )


async def preview_of(
    database: Database,
    schema: Schema,
    edge: Relationship,
    change: Change,
    *,
    action: FixAction = FixAction.DELETE,
    effects: Sequence[Effect] | None = None,
    after: tuple[Step, ...] = (),
    first: tuple[str, ...] = (),
) -> Preview:
    """What a change would do, and the plan of it with more steps after it."""

    async def ask(statement: str) -> list[tuple[Any, ...]]:
        return (await database.glance(statement))[0]

    if effects is None:
        closure = await follow(ask, schema, change)
        consequences = closure.read(await ask(closure.counts))
    else:
        consequences = Consequences(tuple(effects))
    effects = consequences.effects
    names = await Names.of(ask, [each.table for each in effects])
    verbs = {
        names.root(each.table): [
            verb
            for verb, rows in ((Verb.DELETE, each.deleted), (Verb.UPDATE, each.updated), (Verb.INSERT, each.inserted))
            if rows
        ]
        for each in effects
    }
    step = DataStep(change.verb.value, change, (), first, batches=not consequences.returns)
    return Preview(
        plan=Plan(Request(edge, action), (step, *after), ()),
        effects=tuple(effects),
        blockers=consequences.blockers,
        left_behind=consequences.left_behind,
        before=None,
        after=None,
        holders=(),
        triggers=await user_triggers(ask, verbs),
        seconds=0.1,
        privilege="",
        lasting=(),
        lost=0,
        confirm="",
        as_of=datetime.now(UTC),
        doubtful=consequences.doubtful,
    )


async def do(
    conninfo: str,
    folder: Path,
    edge: str,
    change: Callable[[Schema, Relationship], Change],
    *,
    between: Callable[[], Awaitable[None]] | None = None,
    role: str | None = None,
    limits: RunLimits = QUICK,
    consent: bool = False,
    **how: Any,  # noqa: ANN401 - as `preview_of` takes it
) -> Outcome:
    """Preview a change about an edge, let something happen, run it."""
    async with opened(conninfo, role) as (database, schema):
        about = edge_named(schema, edge)
        preview = await preview_of(database, schema, about, change(schema, about), **how)
        if between is not None:
            await between()
        agreed = frozenset(preview.triggers) if consent else frozenset()
        return await run(database, schema, preview, Journal(folder), limits=limits, consent=agreed)


async def take_back(
    conninfo: str, folder: Path, entry: str, *, role: str | None = None, consent: bool = False
) -> tuple[UndoPreview, Outcome]:
    """Preview the undo of an entry, and run it."""
    async with opened(conninfo, role) as (database, schema):
        preview = await undo_preview(database, schema, Journal(folder), entry)
        agreed = frozenset(preview.triggers) if consent else frozenset()
        return preview, await undo(database, schema, preview, Journal(folder), limits=QUICK, consent=agreed)


def hashes(conninfo: str) -> dict[str, str]:
    """A hash of all rows of every table, whatever their order, as the server prints them."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
            " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = {}
        for (name,) in tables:
            rows = connection.execute(f'SELECT "a row"::text FROM ONLY {name} "a row" ORDER BY 1'.encode()).fetchall()
            if rows:
                found[name] = hashlib.sha256("\n".join(row for (row,) in rows).encode()).hexdigest()
        return found


def events(folder: Path, entry: str = "") -> list[str]:
    """The events in a journal, of one entry or of all, by their names."""
    return [each["event"] for each in Journal(folder).events() if entry in ("", each["entry"])]
