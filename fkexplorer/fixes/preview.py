"""What a fix would do, found out by reading alone: exact numbers, a sample, locks and who holds them, what lasts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.fixes import constraints, goals, parents, sql, sync_look
from fkexplorer.fixes.beside import read_beside
from fkexplorer.fixes.closure import defaults, follow
from fkexplorer.fixes.collisions import incoming
from fkexplorer.fixes.examined import examined
from fkexplorer.fixes.guard import Names, user_triggers
from fkexplorer.fixes.holders import holders
from fkexplorer.fixes.locks import data_locks, held, looks
from fkexplorer.fixes.model import BATCH_ROWS, Blocker, Consequences, DataStep, DdlStep, Effect, Preview, Trigger, Verb
from fkexplorer.fixes.notes import event_triggers, lasting, privilege, stays_invalid
from fkexplorer.fixes.plans import OF_TABLE, make_plan
from fkexplorer.fixes.rows import Orphans
from fkexplorer.fixes.samples import changed_rows, new_rows
from fkexplorer.fixes.verdicts import DEFAULT
from fkexplorer.orphans.paging import key_index
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.actions import FixAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Plan, Request, Step
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Column, Index, Schema

SECONDS = 120
"""What a read of a preview may take at most: it follows all that a delete would touch, and somebody waits for it."""
ROW_SECONDS = 60e-6
"""What it takes to lock, back up and change a row that is found: 300,000 took 22 s on two shared cores."""
_VERBS = (Verb.DELETE, Verb.UPDATE, Verb.INSERT)

_RULES = """
SELECT r.ev_class::int8, r.rulename::text, r.ev_type::text FROM pg_catalog.pg_rewrite r
WHERE r.ev_class IN ({tables}) AND r.ev_type IN ('2', '3', '4') AND r.ev_enabled IN ('O', 'A') ORDER BY 1, 2
"""
_EVENTS = {"2": Verb.UPDATE, "3": Verb.INSERT, "4": Verb.DELETE}


async def preview(database: Database, schema: Schema, request: Request) -> Preview:
    """The plan of a fix, and what it would do at this moment. Nothing is written, and no lock is held.

    Args:
        database: where to read.
        schema: the schema that the request's edge is of.
        request: what is asked for.

    Raises:
        Trouble: as `make_plan`; the goal can't be reached (`impossible`), the server refused a read (`denied`,
            `row_security`, `timed_out`, …), or the connection is lost.
    """
    try:
        if request.action is FixAction.SYNC_TRIGGER:
            return await _synced(database, schema, request)
        index = await _row_key(database, schema, request) if request.rows else None
        clock, path = await _session(database)
        limits = _limits(request, path)

        async def ask(statement: str) -> list[tuple[Any, ...]]:
            return (await database.glance(statement, limits=limits))[0]

        beside = await read_beside(database, ask, schema, request)
        plan = make_plan(schema, database.facts, request, index, beside)
        looking = _Looking(database, schema, plan, index, limits, clock)
        if not plan.steps:
            return looking.seen(confirm="", seconds=0.0)
        step = plan.steps[0]
        if request.action in OF_TABLE:
            return await looking.table(beside)
        if not isinstance(step, DataStep):
            return await looking.constraint()
        return await (looking.insert(step) if step.change.verb is Verb.INSERT else looking.change(step))
    except (psycopg.Error, SQLAlchemyError) as error:
        raise trouble_of(error) from None


async def _synced(database: Database, schema: Schema, request: Request) -> Preview:
    """Of a trigger that keeps a pair in step: what there is to say is found out with its plan."""
    looked = await sync_look.look(database, schema, request)
    clock, _ = await _session(database)
    looking = _Looking(database, schema, looked.plan, None, Limits(), clock)
    steps = [step for step in looked.plan.steps if isinstance(step, DdlStep)]
    name = next((step.sync.trigger for step in steps if step.sync), "")
    seen = looking.seen(confirm=name, seconds=0.0)
    return replace(
        seen,
        notes=looked.notes,
        lasting=(*seen.lasting, *await event_triggers(looking.ask, steps)),
        holders=await holders(looking.ask, schema, [lock for step in steps for lock in step.locks]),
    )


async def _row_key(database: Database, schema: Schema, request: Request) -> Index | None:
    async with database.read() as connection:
        return await key_index(connection, schema.child_of(request.edge), database.facts.version_number)


async def _session(database: Database) -> tuple[datetime, str]:
    """The server's clock (UTC), and the search_path that the role has outside of our reads."""
    [[(clock, path)]] = await database.glance(
        "SELECT extract(epoch FROM clock_timestamp())::float8, reset_val FROM pg_settings WHERE name = 'search_path'"
    )
    return datetime.fromtimestamp(clock, UTC), path


def _limits(request: Request, path: str) -> Limits:
    """What a read may take; a person's own expressions are read with the role's search_path, as they will run."""
    planner = {"search_path": path.replace("'", "''")} if any(request.columns.values()) else {}
    return Limits(statement_timeout_ms=SECONDS * 1000, planner=planner)


@dataclass(frozen=True, slots=True)
class _Looking:
    """One preview on its way."""

    database: Database
    schema: Schema
    plan: Plan
    index: Index | None
    limits: Limits
    as_of: datetime

    async def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads."""
        return (await self.database.glance(statement, limits=self.limits))[0]

    async def change(self, step: DataStep) -> Preview:
        """Of a DELETE or an UPDATE."""
        change, edge = step.change, self.plan.request.edge
        table = self.schema.tables[change.table]
        sets_default = any(value == DEFAULT for _, value in change.sets)
        known = await defaults(self.ask, [table.oid]) if sets_default else {}
        await goals.check(self.ask, self.schema, self.plan.request, change, known)
        closure = await follow(self.ask, self.schema, change)
        started = time.perf_counter()
        found = closure.read(await self.ask(closure.counts))
        seconds = time.perf_counter() - started
        touched = frozenset(each.table for each in found.effects if each.deleted or each.updated)
        locks = data_locks(self.schema, change, [edge.parent], closure.reach, touched)
        step = replace(step, locks=locks, batches=not found.returns)
        before, after = await changed_rows(self.database, table, edge, change, known)
        return await self.data(step, found, before=before, after=after, seconds=seconds)

    async def insert(self, step: DataStep) -> Preview:
        """Of an INSERT."""
        request = self.plan.request
        orphans = Orphans(self.schema, request, self.index, self.database.facts.version_number)
        backfills = request.action is FixAction.BACKFILL
        new = parents.sourced(orphans, request) if backfills else parents.stubs(orphans, request)
        parent = self.schema.parent_of(request.edge)
        come = await incoming(self.ask, parent, new)
        started = time.perf_counter()
        [(kept, lost, *each)] = await self.ask(come.counts)
        seconds = time.perf_counter() - started
        given = {column.number for column in new.columns}
        blockers = []
        for edge in self.schema.edges.values():
            # A row that refers to its own table may refer to one that comes with it.
            if edge.child != parent.oid or not edge.enforced or edge.self_referencing or edge.triggers.child_off:
                continue
            if {pair.child.number for pair in edge.pairs} <= given:
                predicate = EdgePredicate(self.schema, edge)
                where = sql.condition(predicate, predicate.is_orphan)
                [(count,)] = await self.ask(f"SELECT count(*) FROM ({come.kept}) AS c WHERE {where}")
                blockers += [Blocker(edge.oid, count)] if count else []
        found = Consequences((Effect(parent.oid, inserted=kept),), tuple(blockers))
        key = frozenset(pair.parent.number for pair in request.edge.pairs)
        after = await new_rows(self.ask, new, come, key)
        if not parents.refer_to_each_other(self.schema, parent, given):
            step = replace(step, source=parents.source_of(orphans, come))
        seen = await self.data(step, found, after=after, seconds=seconds, given=new.columns)
        names = tuple(name for name, count in zip(come.names, each, strict=True) if count)
        return replace(seen, lost=lost, lost_to=names)

    async def data(
        self,
        step: DataStep,
        found: Consequences,
        *,
        seconds: float,
        before: Page | None = None,
        after: Page | None = None,
        given: tuple[Column, ...] = (),
    ) -> Preview:
        """A step that changes rows, with what was found out about it."""
        effects = found.effects
        rows = sum(each.deleted + each.updated + each.inserted for each in effects)
        triggers = await self.triggers(effects)
        touched = [each.table for each in effects if each.deleted or each.updated]
        if self.plan.request.strict:
            edge = self.plan.request.edge
            await goals.check_lockable(self.ask, self.schema.parent_of(edge), self.database.facts.version_number)
            step = held(self.schema, edge, step)
        step = replace(step, looks=looks(self.schema, step.change, touched, step.locks))
        plan = replace(self.plan, steps=(step, *self.plan.steps[1:]))
        seen = replace(self, plan=plan).seen(
            confirm=str(sum(each.deleted + each.updated + each.inserted for each in effects if not each.edges)),
            # The rows are found twice: to lock them, and to change them; new ones once more for each batch.
            seconds=(2 + (rows // BATCH_ROWS if step.source else 0)) * seconds + rows * ROW_SECONDS,
            triggers=triggers,
            given=given,
        )
        return replace(
            seen,
            effects=effects,
            blockers=found.blockers,
            doubtful=found.doubtful,
            left_behind=found.left_behind,
            before=before,
            after=after,
            lasting=(*seen.lasting, *await event_triggers(self.ask, plan.steps)),
            holders=await holders(self.ask, self.schema, (*step.locks, *step.looks)),
        )

    async def constraint(self) -> Preview:
        """Of a change of the schema."""
        request, edge = self.plan.request, self.plan.request.edge
        child = self.schema.child_of(edge)
        name = constraints.name_of(self.schema, request)
        if request.action is FixAction.ADD_CONSTRAINT:
            await goals.check_name(self.ask, child, name, known=constraints.same_columns(self.schema, edge) is not None)
        steps: tuple[Step, ...] = self.plan.steps
        orphans, seconds, notes = 0, 0.0, []
        scans = [at for at, step in enumerate(steps) if constraints.looks_through(step)]
        if scans:
            predicate = EdgePredicate(self.schema, edge)
            where = sql.condition(predicate, predicate.is_orphan)
            started = time.perf_counter()
            [(orphans,)] = await self.ask(f"SELECT count(*) FROM {sql.source(child, 'c')} WHERE {where}")
            seconds = time.perf_counter() - started
        if orphans and scans == [1] and request.action is not FixAction.REVALIDATE:
            steps = steps[:1]
            notes.append(stays_invalid(replace(edge, name=name), child, orphans))
            orphans = 0
        plan = replace(self.plan, steps=steps)
        seen = replace(self, plan=plan).seen(confirm=name, seconds=seconds)
        locks = [lock for step in steps for lock in step.locks]
        return replace(
            seen,
            blockers=(Blocker(edge.oid, orphans),) if orphans else (),
            lasting=(*seen.lasting, *await event_triggers(self.ask, steps), *notes),
            holders=await holders(self.ask, self.schema, locks),
        )

    async def table(self, beside: Beside) -> Preview:
        """Of what a constraint rests on: an index, a key, a type, triggers."""
        found = await examined(self.ask, self.schema, self.database.facts.version_number, self.plan, beside)
        seen = self.seen(confirm=found.confirm, seconds=found.seconds)
        return replace(
            seen,
            notes=found.notes,
            lasting=(*seen.lasting, *found.lasting, *await event_triggers(self.ask, self.plan.steps)),
            holders=await holders(self.ask, self.schema, [lock for step in self.plan.steps for lock in step.locks]),
        )

    async def triggers(self, effects: Iterable[Effect]) -> tuple[Trigger, ...]:
        """The users' triggers and rules that these changes fire."""
        names = await Names.of(self.ask, {each.table for each in effects})
        verbs: dict[int, set[Verb]] = {}
        for each in effects:
            done = zip(_VERBS, (each.deleted, each.updated + each.more_updates, each.inserted), strict=True)
            verbs.setdefault(names.root(each.table), set()).update(verb for verb, count in done if count)
        fired = {table: some for table, some in verbs.items() if some}
        return (*await user_triggers(self.ask, fired), *await self.rules(fired))

    async def rules(self, fired: Mapping[int, set[Verb]]) -> tuple[Trigger, ...]:
        """Rules that rewrite these changes into something else: as little foreseen as what a trigger does."""
        if not fired:
            return ()
        rows = await self.ask(_RULES.format(tables=", ".join(map(str, sorted(fired)))))
        return tuple(Trigger(table, name, "a rule") for table, name, event in rows if _EVENTS[event] in fired[table])

    def seen(
        self, *, confirm: str, seconds: float, triggers: tuple[Trigger, ...] = (), given: tuple[Column, ...] = ()
    ) -> Preview:
        """A preview without numbers."""
        return Preview(
            plan=self.plan,
            effects=(),
            blockers=(),
            left_behind=(),
            before=None,
            after=None,
            holders=(),
            triggers=triggers,
            seconds=seconds,
            privilege=privilege(self.schema, self.database.facts, self.plan),
            lasting=tuple(lasting(self.schema, self.plan, triggers, given)),
            lost=0,
            confirm=confirm,
            as_of=self.as_of,
        )
