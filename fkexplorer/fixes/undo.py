"""Takes back an entry of the journal from its backup: previewed, guarded and written down like what it takes back."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.again import edge_again
from fkexplorer.fixes.ahead import Ahead
from fkexplorer.fixes.entries import Conflict, Touched, UndoPreview
from fkexplorer.fixes.guard import Names, Numbers, moved, user_triggers
from fkexplorer.fixes.journal import who
from fkexplorer.fixes.model import Advance, Effect, Ending, Outcome
from fkexplorer.fixes.parts import Done, Halt, Ledger, RunLimits, resolve, stop_if_asked, system_of
from fkexplorer.fixes.restore import Restoration
from fkexplorer.fixes.run import UNSIGNED, Signature
from fkexplorer.fixes.sql import literal
from fkexplorer.fixes.unmake import examine, unmake
from fkexplorer.fixes.verify import may_validate, measure
from fkexplorer.fixes.writer import looking

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.backup import Backup
    from fkexplorer.fixes.guard import Tally
    from fkexplorer.fixes.journal import Journal
    from fkexplorer.fixes.model import Trigger, Verb
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Schema


async def undo_preview(
    database: Database, schema: Schema, journal: Journal, entry: str, *, limits: RunLimits | None = None
) -> UndoPreview:
    """What taking back an entry would do, by reading alone.

    Args:
        database: where the entry was made.
        schema: the schema as it is now.
        journal: the entry's.
        entry: its id.
        limits: of reading.

    Raises:
        Trouble: there is no such entry (`no_entry`), it was made elsewhere (`elsewhere`), there is nothing in it to
            take back (`nothing`), its backup is gone (`no_backup`), or the server refused.
    """
    with suppress(OSError):
        await resolve(database, journal)
    found = journal.entry(entry)
    if found is None:
        raise Trouble(f"the journal has no entry {entry}", "fkexplorer journal lists them", code="no_entry")
    parts = journal.parts_to_undo(entry)
    if not parts:
        hint = "; ".join(found.undo) or "it changed no rows"
        raise Trouble(f"there is nothing to take back of {entry} ({found.state.value})", hint, code="nothing")
    if journal.system_of(entry) != await system_of(database):
        raise Trouble(
            f"{entry} was made on {found.database}", "connect to that server to take it back", code="elsewhere"
        )
    seen, ahead = _Seen(), Ahead()
    try:
        async with looking(database, (limits or RunLimits()).transaction) as tx:
            for part in parts:
                if (made := journal.made(entry, part)) is not None:
                    unmaking = await examine(tx, made)
                    seen.conflicts += unmaking.conflicts
                    seen.statements, seen.trigger = list(unmaking.statements), unmaking.trigger
                    continue
                restoration = Restoration(schema, database.facts, journal.backup_folder(entry, part))
                findings = await restoration.examine(tx, ahead)
                seen.conflicts += findings.conflicts
                try:
                    ways = restoration.bypass(findings).ways(schema)
                except Trouble as trouble:
                    seen.conflicts.append(Conflict(trouble.reason, trouble.hint, 0))
                    ways = ()
                seen.ways |= dict.fromkeys(ways)
                for oid, numbers in restoration.tally.items():
                    seen.tally[oid] = seen.tally.get(oid, Numbers()) + numbers
                for oid, verbs in restoration.verbs.items():
                    seen.verbs[oid] |= set(verbs)
                seen.statements = restoration.statement.splitlines()
                ahead.add(restoration)
            names = await Names.of(tx.rows, seen.tally)
            triggers = await user_triggers(tx.rows, {names.root(oid): verbs for oid, verbs in seen.verbs.items()})
    except psycopg.Error as error:
        raise trouble_of(error) from error
    touched = tuple(
        Touched(names.label(oid), numbers.deleted, numbers.updated, numbers.inserted)
        for oid, numbers in seen.tally.items()
    )
    lasting = list(found.lasting)
    if any("NOT VALID" in way for way in seen.ways):
        lasting.append("a constraint that was valid comes back NOT VALID")
    return UndoPreview(
        entry=found,
        parts=tuple(parts),
        touched=touched,
        conflicts=tuple(seen.conflicts),
        statements=tuple(seen.statements),
        ways=tuple(seen.ways),
        triggers=triggers,
        lasting=tuple(lasting),
        confirm=seen.trigger or str(sum(each.deleted + each.updated + each.inserted for each in touched)),
        as_of=datetime.now(UTC),
    )


class _Seen:
    """What the parts of an entry have shown so far."""

    def __init__(self) -> None:
        self.tally: Tally = {}
        self.verbs: dict[int, set[Verb]] = defaultdict(set)
        self.conflicts: list[Conflict] = []
        self.ways: dict[str, None] = {}
        self.statements: list[str] = []
        self.trigger = ""
        """The name of one that goes."""


async def undo(
    database: Database,
    schema: Schema,
    preview: UndoPreview,
    journal: Journal,
    *,
    consent: frozenset[Trigger] = frozenset(),
    limits: RunLimits | None = None,
    signature: Signature = UNSIGNED,
    on_progress: Callable[[Advance], None] = lambda _: None,
    stop: asyncio.Event | None = None,
) -> Outcome:
    """Take back what was previewed. Whoever calls this has made sure that a person confirmed it.

    Args:
        database: where.
        schema: the schema that the preview was made with.
        preview: what was shown, and confirmed.
        journal: where it is written down; the entry's.
        consent: triggers of the preview that may change whatever they like.
        limits: of its transactions.
        signature: for the journal.
        on_progress: told how far it has come.
        stop: set to stop it between two transactions.

    Returns:
        What came of it; the transactions before one that failed stay taken back.
    """
    undoing = _Undo(database, schema, preview, journal, limits or RunLimits())
    return await undoing.all(consent, signature, on_progress, stop)


class _Undo:
    """The state of one undo."""

    def __init__(
        self, database: Database, schema: Schema, preview: UndoPreview, journal: Journal, limits: RunLimits
    ) -> None:
        self._database = database
        self._schema = schema
        self._preview = preview
        self._journal = journal
        self._limits = limits
        self._entry = journal.new_entry()
        self._done: Tally = {}

    async def all(
        self,
        consent: frozenset[Trigger],
        signature: Signature,
        on_progress: Callable[[Advance], None],
        stop: asyncio.Event | None,
    ) -> Outcome:
        """Begin, take back each part, count again."""
        preview = self._preview
        if preview.conflicts:
            first = preview.conflicts[0]
            return Outcome("", Ending.REFUSED, f"{first.place}: {first.words}", (), None, None)
        if strange := [each.name for each in preview.triggers if each not in consent]:
            words = f"nobody has agreed to what these triggers may change: {', '.join(strange)}"
            return Outcome("", Ending.REFUSED, words, (), None, None)
        edge, gap = (
            await edge_again(self._database, self._schema, preview.entry.edge),
            self._journal.gap_of(preview.entry.id),
        )
        before = await measure(self._database, self._schema, edge, gap)
        advance = Advance(1, 1, f"undo {preview.entry.id}", 0, preview.rows)

        def waiting(what: str) -> None:
            on_progress(replace(advance, waits=what))

        ledger = Ledger(self._database, self._journal, self._entry, self._limits, waiting)
        ending, words = Ending.DONE, "taken back"
        try:
            await self._begin(ledger, signature)
            for number, part in enumerate(preview.parts):
                stop_if_asked(stop)
                done = await ledger.part(number, self._work(part, consent))
                for oid, numbers in done.tally.items():
                    self._done[oid] = self._done.get(oid, Numbers()) + numbers
                rows = sum(each.deleted + each.updated + each.inserted for each in self._done.values())
                advance = replace(advance, done=rows)
                on_progress(advance)
        except Halt as halt:
            stays = f"{advance.done:,} of {advance.rows:,} rows are taken back"
            unchanged = stays if advance.done else "nothing was changed"
            ending = halt.ending
            words = halt.words if ending is Ending.UNKNOWN else f"{halt.words}; {unchanged}"
        after = await measure(self._database, self._schema, edge, gap)
        words = "; ".join([words, *ledger.remarks])
        try:
            await ledger.note(
                "verified", before=before.orphans, after=after.orphans, gap_before=before.gap, gap_after=after.gap
            )
            await ledger.note("ended", ending=ending.value, words=words)
        except Halt as unwritten:
            words = f"{words}; {unwritten.words}"
        return Outcome(
            entry=self._entry,
            ending=ending,
            words=words,
            effects=tuple(
                Effect(oid, each.deleted, each.updated, each.inserted) for oid, each in sorted(self._done.items())
            ),
            before=before.count,
            after=after.count,
            gap_before=before.gap,
            gap_after=after.gap,
            may_validate=edge is not None and await may_validate(self._database, edge, after),
        )

    async def _begin(self, ledger: Ledger, signature: Signature) -> None:
        facts, entry = self._database.facts, self._preview.entry
        try:
            system = await system_of(self._database)
        except Trouble as trouble:
            raise Halt(Ending.REFUSED, f"{trouble.reason}: {trouble.hint}") from None
        await ledger.note(
            "begun",
            **who(),
            database=f"{facts.user}@{facts.host}/{facts.database}",
            system=system,
            action="undo",
            edge=entry.edge,
            sql=list(self._preview.statements),
            undo=["it is not taken back itself: run the fix again"],
            lasting=list(self._preview.lasting),
            undoes=entry.id,
            ticket=signature.ticket,
            approver=signature.approver,
        )

    def _work(self, part: int, consent: frozenset[Trigger]) -> Callable[[Transaction, Backup], Awaitable[Done]]:
        folder = self._journal.backup_folder(self._preview.entry.id, part)

        async def work(tx: Transaction, _: Backup) -> Done:
            # Another fkexplorer may be taking it back at this moment, or have done it.
            await tx.rows(f"SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext({literal(str(folder))}))")
            if part not in self._journal.parts_to_undo(self._preview.entry.id):
                raise moved("it is taken back already")
            if (made := self._journal.made(self._preview.entry.id, part)) is not None:
                return await unmake(tx, made, part)
            restoration = Restoration(self._schema, self._database.facts, folder)
            tally = await restoration.apply(tx, consent=consent)
            return Done(tally, await Names.of(tx.rows, tally), undone=part)

        return work
