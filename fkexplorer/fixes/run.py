"""Runs a plan that was previewed: step by step, each guarded, backed up and in the journal, and verified at the end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.fixes.again import edge_again
from fkexplorer.fixes.alone import Alone
from fkexplorer.fixes.apply import Part, Task
from fkexplorer.fixes.batches import cut
from fkexplorer.fixes.guard import Names, Numbers, moved
from fkexplorer.fixes.journal import who
from fkexplorer.fixes.locks import spelled
from fkexplorer.fixes.model import Advance, DataStep, DdlStep, Effect, Ending, Outcome
from fkexplorer.fixes.parts import Done, Halt, Ledger, RunLimits, stop_if_asked, system_of
from fkexplorer.fixes.sql import source
from fkexplorer.fixes.sync_run import make
from fkexplorer.fixes.verify import Measure, may_validate, measure, verdict
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.backup import Backup
    from fkexplorer.fixes.guard import Tally
    from fkexplorer.fixes.journal import Journal
    from fkexplorer.fixes.model import Lock, Preview, Step, Trigger
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Relationship, Schema

SLOWER = 10
"""How many times its estimate a step may take before the server stops it, if that is more than the usual limit."""

_CONSTRAINT = """
SELECT k.conname::text, k.conrelid::bigint, k.confrelid::bigint, k.convalidated, k.confdeltype::text,
 k.confupdtype::text, k.condeferrable, k.condeferred FROM pg_catalog.pg_constraint k WHERE k.oid = {0}
"""
ACTIONS = {"no action": "a", "restrict": "r", "cascade": "c", "set null": "n", "set default": "d"}


@dataclass(frozen=True, slots=True)
class Signature:
    """Who asked for a fix, and who allowed it: for the journal."""

    ticket: str = ""
    approver: str = ""


UNSIGNED = Signature()


async def run(
    database: Database,
    schema: Schema,
    preview: Preview,
    journal: Journal,
    *,
    consent: frozenset[Trigger] = frozenset(),
    limits: RunLimits | None = None,
    signature: Signature = UNSIGNED,
    on_progress: Callable[[Advance], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> Outcome:
    """Do what was previewed, and nothing else. Whoever calls this has made sure that a person confirmed it.

    Args:
        database: where.
        schema: the schema that the preview was made with.
        preview: what was shown, and confirmed.
        journal: where it is written down.
        consent: triggers of the preview that may change whatever they like; without it, and without a dry run, a fix
            that fires one does not begin.
        limits: of its transactions.
        signature: for the journal.
        on_progress: told how far it has come.
        stop: set to stop it between two transactions.

    Returns:
        What came of it. The steps and batches before one that failed stay committed, and are named.

    Raises:
        asyncio.CancelledError: the task was cancelled: the transaction at hand is rolled back, unless it was
            committing, and the journal says which.
    """
    limits = limits or RunLimits()
    running = _Run(
        database, schema, preview, journal, limits=limits, consent=consent, on_progress=on_progress, stop=stop
    )
    return await running.all(signature)


class _Run:
    """The state of one run."""

    def __init__(
        self,
        database: Database,
        schema: Schema,
        preview: Preview,
        journal: Journal,
        *,
        limits: RunLimits,
        consent: frozenset[Trigger],
        on_progress: Callable[[Advance], None],
        stop: asyncio.Event | None,
    ) -> None:
        self._database = database
        self._schema = schema
        self._preview = preview
        self._plan = preview.plan
        self._edge: Relationship = preview.plan.request.edge
        self._journal = journal
        self._consent = consent
        self._on_progress = on_progress
        self._stop = stop
        self._ledger = Ledger(database, journal, journal.new_entry(), limits, self._waiting)
        self._advance = Advance(0, len(self._plan.steps), "", 0, 0)
        self._parts = 0
        self._done: Tally = {}
        self._expected: Tally = {}
        """What the parts had to do."""
        self._kept = 0
        """Rows that triggers kept from being changed."""
        self._proof = ""
        """Whether a trigger that was made is proven, in words."""
        self._finished: list[str] = []
        """The titles of the steps that are committed."""

    async def all(self, signature: Signature) -> Outcome:
        """Begin, do all steps, verify."""
        if refusal := self._refusal():
            return Outcome("", Ending.REFUSED, refusal, (), None, None)
        before = await self._measure(named=self._preview.nothing_to_do)
        if self._preview.nothing_to_do:
            # A fix may have no row to change, and orphans may be there all the same.
            ending, words = verdict(self._plan, before)
            said = "nothing to do" if ending is Ending.DONE else f"nothing to do, and yet {words}"
            gap = before.gap
            return Outcome("", ending, said, (), before.count, before.count, gap_before=gap, gap_after=gap)
        try:
            await self._begin(signature)
            for number, step in enumerate(self._plan.steps, 1):
                await self._step(number, step)
        except Halt as halt:
            return await self._end(before, halt)
        return await self._end(before, None)

    async def _measure(self, *, named: bool = False, after: bool = False) -> Measure:
        keys = self._plan.gap_keys if named else ""
        schema, edge = self._schema, self._edge
        if after and self._plan.request.action is FixAction.CHANGE_TYPE:
            # What could not be compared may be now.
            with suppress(Trouble):
                schema = await read_schema(self._database)
                edge = await edge_again(self._database, schema, edge_label(self._schema, edge)) or edge
        return await measure(self._database, schema, edge, self._plan.gap, keys)

    def _refusal(self) -> str:
        """What keeps it from beginning at all; empty for nothing."""
        preview = self._preview
        if preview.nothing_to_do:
            return ""
        if preview.blockers and not preview.doubtful:
            first = preview.blockers[0]
            label = edge_label(self._schema, self._schema.edges.get(first.edge, self._edge))
            return f"{first.rows} rows would keep the server from it, by {label}"
        if preview.cancelled:
            names = ", ".join(each.name for each in preview.triggers)
            return f"triggers cancel all {preview.found:,} rows, and nothing would change: {names}"
        strange = [each.name for each in preview.triggers if each not in self._consent]
        if strange and not preview.dry:
            names = ", ".join(strange)
            return f"nobody has agreed to what these triggers may change: {names}"
        return ""

    async def _begin(self, signature: Signature) -> None:
        facts, plan = self._database.facts, self._plan
        try:
            system = await system_of(self._database)
        except Trouble as trouble:
            raise Halt(Ending.REFUSED, f"{trouble.reason}: {trouble.hint}") from None
        await self._ledger.note(
            "begun",
            **who(),
            database=f"{facts.user}@{facts.host}/{facts.database}",
            system=system,
            action=plan.request.action.value,
            edge=edge_label(self._schema, self._edge),
            titles=[step.title for step in plan.steps],
            sql=[statement for step in plan.steps for statement in step.statements],
            undo=[_undo(step) for step in plan.steps],
            lasting=list(self._preview.lasting),
            gap=plan.gap,
            ticket=signature.ticket,
            approver=signature.approver,
        )

    async def _step(self, number: int, step: Step) -> None:
        rows = self._preview.found if isinstance(step, DataStep) else 0
        self._progress(replace(self._advance, step=number, title=step.title, done=0, rows=rows))
        stop_if_asked(self._stop)
        if isinstance(step, DataStep):
            await self._data(step)
        elif step.alone:
            alone = Alone(self._database, self._ledger, step, self._parts, self._stop, self._waiting)
            if not await alone.run():
                return  # Somebody else has done it.
            self._parts += 1
        else:
            first = not any(isinstance(each, DdlStep) for each in self._plan.steps[: number - 1])
            await self._ddl(step, first=first)
        self._finished.append(step.title)

    async def _data(self, step: DataStep) -> None:
        task = Task(self._schema, self._preview, step, self._consent, self._backed_up)
        size = self._ledger.limits.batch_rows
        for batch in await cut(self._database, self._schema, self._preview, step, size):
            stop_if_asked(self._stop)
            last = self._advance.done + batch.rows == self._preview.found
            part = Part(task, self._parts, batch, before=self._expected, last=last)
            await self._commit(part.work)
            self._progress(replace(self._advance, done=self._advance.done + batch.rows))

    async def _ddl(self, step: DdlStep, *, first: bool) -> None:
        async def work(tx: Transaction, _: Backup) -> Done:
            if step.standing is not None:
                await self._hold(tx, step.locks[0])
                if not await step.standing.wanted(tx, step.title):
                    return Done({}, Names([]))
            elif self._edge.kind is EdgeKind.DECLARED and first:
                await self._hold_constraint(tx, step)
            if step.sync is not None:
                made, self._proof = await make(tx, step, step.sync)
                await self._ledger.note("made", part=self._parts, **made)
                return Done({}, Names([]))
            for statement in step.statements:
                await tx.run(statement)
            return Done({}, Names([]))

        await self._commit(work)

    async def _hold_constraint(self, tx: Transaction, step: DdlStep) -> None:
        """Lock the child as the step will, and make sure that the constraint is the one that was previewed."""
        edge = self._edge
        lock = next((lock for lock in step.locks if lock.table == edge.child), None)
        if lock is not None:
            await self._hold(tx, lock)
        found = await tx.rows(_CONSTRAINT.format(edge.oid))
        same = (
            edge.name,
            edge.child,
            edge.parent,
            edge.validated,
            ACTIONS[edge.on_delete],
            ACTIONS[edge.on_update],
            edge.deferrable,
            edge.deferred,
        )
        if found != [same]:
            raise moved(
                f"the constraint {edge.name} is another now" if found else f"the constraint {edge.name} is gone"
            )

    async def _hold(self, tx: Transaction, lock: Lock) -> None:
        only = source(self._schema.tables[lock.table], "").removesuffix(" AS ")
        await tx.run(f"LOCK TABLE {only} IN {spelled(lock.mode)} MODE")

    async def _commit(self, work: Callable[[Transaction, Backup], Any]) -> None:
        usual = self._ledger.limits.transaction
        longest = max(usual.statement_timeout_ms, round(self._preview.seconds * 1000 * SLOWER))
        done = await self._ledger.part(self._parts, work, replace(usual, statement_timeout_ms=longest))
        self._parts += 1
        self._kept += done.kept
        for total, added in ((self._done, done.tally), (self._expected, done.expected)):
            for oid, numbers in added.items():
                total[oid] = total.get(oid, Numbers()) + numbers

    async def _backed_up(self, part: int, backup: Backup) -> None:
        sections = backup.manifest.sections
        rows = [{"table": f"{each.schema}.{each.table}", "verb": each.verb, "rows": each.rows} for each in sections]
        await self._ledger.note("backed_up", part=part, folder=str(backup.folder), rows=rows)

    def _waiting(self, what: str) -> None:
        self._progress(replace(self._advance, waits=what))

    def _progress(self, advance: Advance) -> None:
        self._advance = advance
        self._on_progress(advance)

    async def _end(self, before: Measure, halt: Halt | None) -> Outcome:
        """Count again, and say how it ended."""
        after = await self._measure(named=True, after=True)
        ending, words = (halt.ending, halt.words) if halt else verdict(self._plan, after)
        if halt:
            words = "; ".join(part for part in (words, self._committed(halt)) if part)
        if self._kept:
            words = f"{words}; triggers kept {self._kept:,} of {self._preview.found:,} rows from it"
        proof = [self._proof] if self._proof and self._finished else []
        words = "; ".join([words, *proof, *self._ledger.remarks])
        try:
            await self._ledger.note(
                "verified",
                before=before.orphans,
                after=after.orphans,
                gap_before=before.gap,
                gap_after=after.gap,
            )
            await self._ledger.note("ended", ending=ending.value, words=words)
        except Halt as unwritten:
            words = f"{words}; {unwritten.words}"
        backup = self._journal.backup_folder(self._ledger.entry)
        return Outcome(
            entry=self._ledger.entry,
            ending=ending,
            words=words,
            effects=tuple(
                Effect(oid, each.deleted, each.updated, each.inserted) for oid, each in sorted(self._done.items())
            ),
            before=before.count,
            after=after.count,
            gap_before=before.gap,
            gap_after=after.gap,
            may_validate=await may_validate(self._database, self._edge, after),
            backup=str(backup) if self._done and backup.exists() else "",
        )

    def _committed(self, halt: Halt) -> str:
        """What stays of a run that did not come to its end."""
        parts = []
        if self._finished:
            parts.append(f"done before: {', '.join(self._finished)}")
        if self._advance.done:
            parts.append(f"{self._advance.done:,} of {self._advance.rows:,} rows of this step are done")
        if halt.ending is Ending.UNKNOWN or halt.left or parts:
            return "; ".join(parts)
        return "nothing was changed"


def _undo(step: Step) -> str:
    return step.undo if isinstance(step, DdlStep) else "by its backup"
