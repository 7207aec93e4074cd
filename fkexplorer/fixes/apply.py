"""The work of one part of a data step: lock, back up, change, and prove that nothing else was touched.

First all rows are locked that will change or go, from the parents to what follows from them: with a parent's row locked
no new child can come to name it. Then they are written to the backup, and only then the change is made, of just these.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.bonds import countable, has_parent
from fkexplorer.fixes.closure import follow
from fkexplorer.fixes.guard import Names, Numbers, compare, counters, difference, moved, user_triggers
from fkexplorer.fixes.images import row_source
from fkexplorer.fixes.keeping import Held, Keeper
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.parts import Done
from fkexplorer.fixes.shapes import AT, Stored, among, numbered, shapes, typed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from fkexplorer.fixes.backup import Backup
    from fkexplorer.fixes.batches import Batch
    from fkexplorer.fixes.closure import Closure
    from fkexplorer.fixes.guard import Tally
    from fkexplorer.fixes.model import Change, DataStep, Preview, Trigger
    from fkexplorer.fixes.shapes import Place, Shape
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Column, Relationship, Schema

_ROUNDS = 5
"""How often the rows that follow are looked for again while others change them."""


@dataclass(frozen=True, slots=True)
class Task:
    """A data step, and what was announced of it."""

    schema: Schema
    preview: Preview
    step: DataStep
    consent: frozenset[Trigger]
    """Triggers whose effects somebody has agreed to without knowing them."""
    backed_up: Callable[[int, Backup], Awaitable[None]]
    """Told when the backup of a part is on the disk."""

    @property
    def change(self) -> Change:
        """The step's change."""
        return self.step.change

    @property
    def edge(self) -> Relationship:
        """The edge that it is about."""
        return self.preview.plan.request.edge

    @property
    def agreed(self) -> frozenset[Trigger]:
        """Triggers that may do what they do: what a dry run has counted, or somebody has agreed to."""
        return self.consent | (frozenset(self.preview.triggers) if self.preview.dry else frozenset())


@dataclass(slots=True)
class _Hold:
    """The rows that a part has locked."""

    target: list[Place]
    sections: list[Held] = field(default_factory=list)
    expected: Tally = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)
    """The keys that the rows name, each once, as COPY prints them."""
    side: int = 0
    """OID of the side table that the rows go to; 0 for none."""


class Part:
    """One part of a data step.

    Args:
        task: the step.
        number: of the part.
        batch: which rows of the change's own it has to find; triggers may keep some of them from being changed.
        before: what the parts before it had to do.
        last: whether what was announced must be complete with it.
    """

    def __init__(self, task: Task, number: int, batch: Batch, *, before: Tally, last: bool) -> None:
        self._task = task
        self._number = number
        self._rows = batch.rows
        self._batch = batch
        self._before = before
        self._last = last
        self._shapes: dict[int, Shape] = {}

    async def work(self, tx: Transaction, backup: Backup) -> Done:
        """Everything but the COMMIT.

        Raises:
            Trouble: something is not as it was announced (`moved`), or there is no room for the backup (`no_space`).
            psycopg.Error: the server refused.
            OSError: the backup could not be written.
        """
        task, change = self._task, self._task.change
        if task.step.hold:
            await tx.run(task.step.hold)
        if self._number == 0:
            for statement in task.step.first:
                await tx.run(statement)
        self._shapes = await shapes(tx.rows, [change.table])
        if change.table not in self._shapes:
            raise moved("the table is gone")
        hold = await self._lock(tx)
        effects = (*task.preview.foreseen, *task.preview.effects)
        names = await Names.of(tx.rows, {*hold.expected, *(each.table for each in effects), hold.side})
        self._check_announced(names, hold)
        await self._check_triggers(tx, names, hold)
        keeper = Keeper(task.schema, tx, backup, hold.sections)
        old = await keeper.before()
        if old:
            await task.backed_up(self._number, backup)
        await self._check_wanted(tx, hold)
        start = await counters(tx.rows)
        touched, returned = await tx.change(self._statement(hold))
        tally = difference(await counters(tx.rows), start)
        self._check(touched, tally, names, hold)
        await self._check_parents(tx, hold)
        inserts = change.verb is Verb.INSERT
        await keeper.after(returned, change.table if inserts else hold.side, self._doubted(tally, names, hold))
        if not old:
            await task.backed_up(self._number, backup)
        kept = self._rows - touched
        return Done(tally, await Names.of(tx.rows, tally), expected=hold.expected, kept=kept)

    async def _lock(self, tx: Transaction) -> _Hold:
        """Lock the change's own rows, and all that follow; know then exactly what will happen."""
        task, change = self._task, self._task.change
        side = 0
        if change.into:
            [(side,)] = await tx.rows(f"SELECT {sql.literal(change.into)}::pg_catalog.regclass::pg_catalog.oid::bigint")
        if change.verb is Verb.INSERT:
            return _Hold([], expected={change.table: Numbers(inserted=self._rows)}, side=side)
        shape = self._shapes[change.table]
        where = f"({change.where})" + ("" if self._batch.places is None else f" AND {among(self._batch.places)}")
        async with tx.images():
            target: list[Place] = [
                (leaf, place)
                for leaf, place in await tx.rows(
                    f"SELECT c.tableoid::bigint, c.ctid::text FROM {shape.source} WHERE {where}"
                    f" LIMIT {self._rows + 1} FOR UPDATE OF c"
                )
            ]
            if len(target) != self._rows:
                more = "more than " if len(target) > self._rows else ""
                raise moved(
                    f"{more}{min(len(target), self._rows)} rows of {shape.label} are there, in place of {self._rows}"
                )
            closure = await follow(tx.rows, task.schema, change, among(target))
            following = await self._follow(tx, closure) if closure.reach.arms else {}
            consequences = closure.read(await tx.rows(closure.counts))
        if consequences.blockers and not (consequences.doubtful or task.preview.dry):
            edge = task.schema.edges[consequences.blockers[0].edge]
            raise moved(f"{consequences.blockers[0].rows} rows refuse it, by {edge.name}")
        names = await Names.of(tx.rows, (each.table for each in consequences.effects))
        hold = _Hold(target, expected=names.tally(consequences.effects), side=side)
        hold.sections = self._sections(target, following)
        if change.table == task.edge.child:
            async with tx.images():
                columns = ", ".join(f"c.{sql.name(pair.child.name)}" for pair in task.edge.pairs)
                keys = [piece async for piece in tx.copy_out(f"SELECT DISTINCT {columns} FROM {shape.at(target)}")]
                hold.keys = b"".join(keys).split(b"\n")[:-1]
        return hold

    async def _follow(self, tx: Transaction, closure: Closure) -> dict[Place, bool]:
        """Lock all rows that are touched by foreign keys, and tell of each whether it goes."""
        following: dict[Place, bool] = {}
        for _ in range(_ROUNDS):
            found = {(leaf, place): gone for leaf, place, gone in await tx.rows(closure.places)}
            if found == following:
                return following
            following = found
            await self._lock_following(tx, following)
        raise moved("others keep changing the rows that would follow")

    async def _lock_following(self, tx: Transaction, following: Iterable[Place]) -> None:
        """Lock these rows; one that somebody changed meanwhile is found at its new place in the next round."""
        by_table = self._by_table(following)
        self._shapes |= await shapes(tx.rows, by_table.keys() - self._shapes.keys())
        for table, places in by_table.items():
            await tx.run(f"SELECT FROM {self._shapes[table].at(places)} FOR UPDATE OF c")

    def _by_table(self, places: Iterable[Place]) -> dict[int, list[Place]]:
        found: dict[int, list[Place]] = defaultdict(list)
        roots = self._task.schema.partition_roots
        for leaf, place in places:
            found[roots.get(leaf, leaf)].append((leaf, place))
        return found

    def _sections(self, target: list[Place], following: dict[Place, bool]) -> list[Held]:
        """Which rows to back up, and for what: the target's first, in their order."""
        change = self._task.change
        own = set(target)
        gone = [place for place in target if following.get(place, False)]
        if gone and change.verb is not Verb.DELETE:
            raise moved("rows that are to be updated would go, by a foreign key to their own table")
        sections = [Held(self._shapes[change.table], change.verb, target)]
        for verb, wanted in ((Verb.DELETE, True), (Verb.UPDATE, False)):
            others = self._by_table(place for place, goes in following.items() if goes is wanted and place not in own)
            sections += [Held(self._shapes[table], verb, places) for table, places in others.items()]
        return sections

    async def _check_triggers(self, tx: Transaction, names: Names, hold: _Hold) -> None:
        """Make sure that no trigger fires that nobody was told of, or whose effects nobody agreed to."""
        verbs: dict[int, set[Verb]] = defaultdict(set)
        for oid, numbers in hold.expected.items():
            root = names.root(oid)
            for verb, some in zip(
                (Verb.DELETE, Verb.UPDATE, Verb.INSERT),
                (numbers.deleted, numbers.updated + numbers.more, numbers.inserted),
                strict=True,
            ):
                if some:
                    verbs[root].add(verb)
        if hold.side:
            verbs[hold.side].add(Verb.INSERT)
        known = {(names.root(each.table), each.name) for each in self._task.agreed}
        for trigger in await user_triggers(tx.rows, verbs):
            if (trigger.table, trigger.name) not in known:
                raise moved(f"the trigger {trigger.name} on {names.label(trigger.table)} fires, and may change more")

    async def _check_wanted(self, tx: Transaction, hold: _Hold) -> None:
        """Make sure that the rows, now that nobody else can change them, still meet the change's condition."""
        change = self._task.change
        if change.verb is Verb.INSERT:
            return
        shape = self._shapes[change.table]
        async with tx.images():
            [(found,)] = await tx.rows(f"SELECT count(*) FROM {shape.held(hold.target)} WHERE {change.where}")
        if found != self._rows:
            raise moved(f"{found} rows of {shape.label} are wanted still, in place of {self._rows}")

    def _statement(self, hold: _Hold) -> str:
        """The change, of the rows that are locked: these are what its condition has found, and still finds."""
        change = self._task.change
        if change.verb is Verb.INSERT:
            source, keys = self._task.step.source, self._batch.keys
            if source is not None and keys is not None:
                named = sql.any_of(keys, source.types, source.equals)
                change = replace(change, where=f"{change.where} AND {named}")
            return f"{change.sql} RETURNING tableoid::bigint, ctid::text"
        joined = "USING" if change.verb is Verb.DELETE else "FROM"
        parts = [change.head, joined, numbered(hold.target), "WHERE", AT, change.tail]
        if change.verb is Verb.UPDATE:
            parts.append("RETURNING at.n, c.tableoid::bigint, c.ctid::text")
        elif change.into:
            parts.append("RETURNING tableoid::bigint, ctid::text")
        return " ".join(part for part in parts if part)

    def _check_announced(self, names: Names, hold: _Hold) -> None:
        """Compare the rows that all parts together had to touch with those that were foreseen."""
        if not self._last:
            return
        total = dict(self._before)
        for oid, numbers in hold.expected.items():
            total[oid] = total.get(oid, Numbers()) + numbers
        compare(total, names.tally(self._task.preview.foreseen), names, others=False)

    def _check(self, touched: int, tally: Tally, names: Names, hold: _Hold) -> None:
        """Compare what was touched with what this part had to touch, or with what a dry run has seen it do.

        Somebody may have agreed to whatever triggers do; but they make no more rows of those that are locked.
        """
        preview = self._task.preview
        free = bool(self._task.consent) and not preview.dry
        wanted = preview.rows if preview.dry else self._rows
        if touched > wanted or (touched < wanted and not free):
            raise moved(f"{touched} rows changed, in place of {wanted}")
        if not free:
            expected = names.tally(preview.effects) if preview.dry else dict(hold.expected)
            if hold.side:
                expected[hold.side] = Numbers(inserted=touched)
            compare(tally, expected, names, others=False)

    def _doubted(self, tally: Tally, names: Names, hold: _Hold) -> set[int]:
        """The tables of whose rows triggers may have made something else than they had to.

        Of partitions only where the numbers say so: to look for their rows asks for a privilege on each of them.
        """
        if not self._task.agreed:
            return set()
        as_expected = {
            oid for oid, numbers in hold.expected.items() if tally.get(names.root(oid), Numbers()).announced(numbers)
        }
        return {
            held.shape.oid
            for held in hold.sections
            if not (held.shape.partitioned and names.root(held.shape.oid) in as_expected)
        }

    async def _check_parents(self, tx: Transaction, hold: _Hold) -> None:
        """Make sure that none of the changed rows has got a parent meanwhile.

        READ COMMITTED lets it through: the change looks for parents in its own snapshot, which is older than a parent
        that came while it waited.
        """
        edge, change = self._task.edge, self._task.change
        if change.verb is Verb.INSERT or change.table != edge.child or not countable(self._task.schema, edge):
            return
        columns = [_stored(pair.child) for pair in edge.pairs]
        async with tx.images():
            rows = b"(SELECT " + typed(columns).encode() + b" FROM " + row_source(hold.keys, len(columns)) + b") AS c"
            condition = has_parent(self._task.schema, edge).encode()
            [(found,)] = await tx.rows(b"SELECT count(*) FROM " + rows + b" WHERE " + condition)
        if found:
            raise moved(f"{found} of the missing parents are there now")


def _stored(column: Column) -> Stored:
    known = column.collation
    return Stored(column.name, column.type, sql.name(known.schema, known.name) if known else "")
