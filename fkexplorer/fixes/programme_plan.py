"""Plans many fixes as one programme: what each does is looked at now, or planned over the schema as it will be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import Kind, trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.fixes import goals, sql
from fkexplorer.fixes.asif import as_if
from fkexplorer.fixes.beside import read_beside
from fkexplorer.fixes.constraints import name_of, same_columns
from fkexplorer.fixes.examined import BUILD_BYTES, REWRITE_BYTES, examined
from fkexplorer.fixes.misfits import count_query, incomparable
from fkexplorer.fixes.model import DataStep, Request, Verb
from fkexplorer.fixes.notes import event_triggers, privilege
from fkexplorer.fixes.plans import make_plan
from fkexplorer.fixes.preview import SECONDS, preview
from fkexplorer.fixes.programme import STAGES, Item, Programme, left_behind, parents_first
from fkexplorer.fixes.retype import PARENT, retyped_table, retypes
from fkexplorer.fixes.rows import impossible, unused
from fkexplorer.orphans.casting import castable
from fkexplorer.orphans.cost import candidates
from fkexplorer.orphans.model import Way
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Preview
    from fkexplorer.fixes.programme import Wish
    from fkexplorer.fixes.retype import Retype
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema, Table

_BRIEF = 0.05
"""Seconds that a change of the catalogue alone takes."""


async def make_programme(
    database: Database,
    schema: Schema,
    wishes: Sequence[Wish],
    *,
    clean: FixAction,
    counts: Mapping[int, Count],
    max_bytes: int,
    told: Callable[[str], None] = lambda _: None,
) -> Programme:
    """Plan many fixes. Nothing is written, and no lock is held.

    Args:
        database: where to read.
        schema: the schema that the edges are of.
        wishes: what is to become of which edge.
        clean: how rows that are in the way are mended, one of `MENDS`.
        counts: of the orphans of these edges; one of which they are not known is left out.
        max_bytes: no table larger than this is read whole, but where a count was.
        told: called with what is being done, in a few words.

    Returns:
        The programme. An edge of which something can't be done is left out whole.

    Raises:
        Trouble: the connection is lost.
    """
    [[(as_of,)]] = await database.glance("SELECT pg_catalog.clock_timestamp()")
    making = _Making(database, schema, clean, counts, max_bytes)
    wanted = parents_first(schema, wishes)
    left_out: dict[int, str] = {}
    while True:
        told(f"planning the fixes of {len(wanted)} foreign key{'' if len(wanted) == 1 else 's'}")
        items, out = await making.all(wanted)
        left_out |= out
        wanted = [wish for wish in wanted if wish.edge not in out]
        if not out:
            named = tuple((edge_label(schema, schema.edges[oid]), reason) for oid, reason in left_out.items())
            return Programme(tuple(items), named, clean, schema, as_of, tuple(left_behind(schema, wanted, items)))


@dataclass(slots=True)
class _Making:
    """One programme on its way."""

    database: Database
    schema: Schema
    clean: FixAction
    counts: Mapping[int, Count]
    max_bytes: int
    previewed: dict[tuple[int, str, tuple[str, ...]], Preview] = field(default_factory=dict)
    """What was looked at already, where an edge had to be left out since."""

    async def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads."""
        return (await self.database.glance(statement, limits=Limits(statement_timeout_ms=SECONDS * 1000)))[0]

    async def all(self, wishes: Sequence[Wish]) -> tuple[list[Item], dict[int, str]]:
        """The items of these edges, and the edges of which something can't be done, each with the reason.

        Where there are such, all has to be planned once more without them: others may have counted on them.
        """
        items: list[Item] = []
        out: dict[int, str] = {}
        for wish in wishes:
            try:
                found = await self._mended(wish, items)
            except (Trouble, psycopg.Error) as error:
                out[wish.edge] = _reason(error)
            else:
                items += [found] if found else []
        schema = self.schema
        for stage in STAGES:
            for wish, action in ((each, action) for each in wishes for action in each.actions if action in stage):
                if wish.edge in out:
                    continue
                try:
                    schema = await self._planned(schema, wish, action, items)
                except (Trouble, psycopg.Error) as error:
                    out[wish.edge] = _reason(error)
        return items, out

    async def _mended(self, wish: Wish, items: Sequence[Item]) -> Item | None:
        """The fix of the rows that are in the way; None where there is none."""
        schema, edge = self.schema, self.schema.edges[wish.edge]
        if set(wish.actions) == {FixAction.CREATE_INDEX} or not self._in_the_way(edge, wish):
            return None
        child = schema.child_of(edge)
        before: dict[int, str] = {}
        for at, item in enumerate(items):
            step = item.plan.steps[0]
            if isinstance(step, DataStep) and step.change.table == child.oid and step.change.verb is Verb.DELETE:
                before[at] = step.change.where
        name = self._side_table(child, items) if self.clean is FixAction.QUARANTINE else ""
        key = (edge.oid, name, tuple(before.values()))
        if key not in self.previewed:
            request = Request(edge, self.clean, name=name, without=key[2])
            self.previewed[key] = await preview(self.database, schema, request)
        seen = self.previewed[key]
        if seen.nothing_to_do:
            return None
        if seen.blockers and not seen.doubtful:
            first = seen.blockers[0]
            rows = f"{first.rows:,} row{'' if first.rows == 1 else 's'}"
            by = edge_label(schema, schema.edges.get(first.edge, edge))
            raise impossible(f"{rows} would keep the server from it, by {by}", "mend those first")
        return Item(
            seen.plan.request,
            schema,
            seen.plan,
            seen.seconds,
            frozenset(before),
            seen,
            privilege(schema, replace(self.database.facts, superuser=False), seen.plan),
            lasting=seen.lasting,
            notes=seen.notes,
        )

    def _in_the_way(self, edge: Relationship, wish: Wish) -> bool:
        """Whether there may be rows to mend; Trouble where nobody knows."""
        count = self.counts.get(edge.oid)
        if not incomparable(edge):
            if count is None or not count.known:
                why = count.error if count is not None and count.error else "they were not counted"
                raise Trouble(f"its orphans are not known: {why}", "count them first", code="unknown")
            return bool(count.orphans)
        if wish.side == PARENT:
            return False
        self._may_read(self.schema.child_of(edge))
        return bool(count_query(self.schema, edge, self.database.facts.version_number))

    def _may_read(self, table: Table) -> None:
        if table.likely_bytes > self.max_bytes:
            raise Trouble(
                f"{table_label(table)} is larger than the limit, and was not read", "raise --max-bytes", code="skipped"
            )

    def _side_table(self, child: Table, items: Sequence[Item]) -> str:
        """A name that no table of the schema has, nor gets by an item."""
        given = {
            item.request.name
            for item in items
            if item.request.action is FixAction.QUARANTINE
            and self.schema.child_of(item.request.edge).schema == child.schema
        }
        taken = {table.name for table in self.schema.tables.values() if table.schema == child.schema}
        return unused(f"{child.name}_quarantine", taken | given)

    async def _planned(self, schema: Schema, wish: Wish, action: FixAction, items: list[Item]) -> Schema:
        """Add a fix of the catalogue to the items, unless its goal stands; the schema after it."""
        edge = schema.edges[wish.edge]
        side = wish.side if action is FixAction.CHANGE_TYPE else ""
        request = Request(edge, action, side=side)
        beside = await read_beside(self.database, self.ask, schema, request)
        plan = make_plan(schema, self.database.facts, request, beside=beside)
        if not plan.steps:
            return schema
        notes = await self._looked(schema, request, items, beside)
        items.append(
            Item(
                request,
                schema,
                plan,
                self._seconds(schema, request),
                _needs(request, items),
                None,
                privilege(schema, replace(self.database.facts, superuser=False), plan),
                self._lacks(schema, request),
                tuple(await event_triggers(self.ask, plan.steps)),
                notes,
            )
        )
        return await as_if(self.database, schema, request)

    async def _looked(self, schema: Schema, request: Request, items: Sequence[Item], beside: Beside) -> tuple[str, ...]:
        """What there is to know of it; Trouble where something would keep the server from it, as far as it is there."""
        edge, action = request.edge, request.action
        if action is FixAction.ADD_CONSTRAINT:
            known = same_columns(schema, edge) is not None
            await goals.check_name(self.ask, schema.child_of(edge), name_of(schema, request), known=known)
        if action is FixAction.CHANGE_TYPE:
            table = retyped_table(schema, request)
            columns = [each.column for each in retypes(edge, request.side)]
            numbers = {column.number for column in columns}
            for item in items:
                if item.request.action is action and _changed(item) & {(table.oid, number) for number in numbers}:
                    raise impossible(
                        f"{columns_label(table, columns)} gets another type for {item.label}",
                        "decide which of the two it is to refer to",
                    )
            if beside.hanging.refuses:
                raise impossible(
                    f"{columns_label(table, columns)} can't change its type while it is used by"
                    f" {'; '.join(beside.hanging.refuses)}",
                    "drop those before, and make them anew after",
                )
            if mended := next((each for each in items if each.seen and each.request.edge.oid == edge.oid), None):
                await self._cast_then(mended, table, retypes(edge, request.side))
                return beside.hanging.notes
            self._may_read(table)
        if action is FixAction.ADD_UNIQUE:
            self._may_read(schema.parent_of(edge))
        if action in {FixAction.CHANGE_TYPE, FixAction.ADD_UNIQUE, FixAction.CREATE_INDEX}:
            plan = make_plan(schema, self.database.facts, request, beside=beside)
            found = await examined(self.ask, schema, self.database.facts.version_number, plan, beside)
            return found.notes
        return ()

    async def _cast_then(self, mended: Item, table: Table, changes: Sequence[Retype]) -> None:
        """Make sure that what does not cast is mended before: a key that is NULL in part is in nobody's way, but here.

        Raises:
            Trouble: some rows would stay that do not cast (`impossible`).
        """
        step = mended.plan.steps[0]
        assert isinstance(step, DataStep)  # noqa: S101 - a change of rows is one
        valid = [
            (f"c.{sql.name(each.column.name)}", castable(each.column, each.to, self.database.facts.version_number, "c"))
            for each in changes
        ]
        wrong = " OR ".join(f"{own} IS NOT NULL AND NOT ({reads})" for own, reads in valid if reads)
        [(rows,)] = await self.ask(
            f"SELECT pg_catalog.count(*) FROM {sql.source(table, 'c')}"
            f" WHERE ({wrong or 'false'}) AND ({step.change.where}) IS NOT TRUE"
        )
        if rows:
            columns = columns_label(table, [each.column for each in changes])
            have = "row has a value that does not cast" if rows == 1 else "rows have values that do not cast"
            raise impossible(f"{rows:,} {have} in {columns} beside a part that is NULL", "mend those by hand first")

    def _seconds(self, schema: Schema, request: Request) -> float:
        edge = request.edge
        match request.action:
            case FixAction.CHANGE_TYPE:
                return _BRIEF + retyped_table(schema, request).likely_bytes / REWRITE_BYTES
            case FixAction.ADD_UNIQUE:
                return _BRIEF + schema.parent_of(edge).likely_bytes / BUILD_BYTES
            case FixAction.CREATE_INDEX:
                return _BRIEF + schema.child_of(edge).likely_bytes / BUILD_BYTES
            case FixAction.ENABLE_TRIGGERS:
                return _BRIEF
            case _:
                count = self.counts.get(edge.oid)
                plain = next(each.ms for each in candidates(schema, edge) if each.way is Way.PLAIN) / 1000
                return _BRIEF + max(plain, count.seconds if count is not None else 0.0)

    def _lacks(self, schema: Schema, request: Request) -> str:
        """What this role may not do; whoever runs a script may well be another one."""
        facts, edge = self.database.facts, request.edge
        if facts.superuser:
            return ""
        role = quote(facts.user)
        if request.action is FixAction.ENABLE_TRIGGERS:
            return f"{role} is no superuser, who alone may switch triggers of a constraint on"
        of_parent = request.action is FixAction.ADD_UNIQUE
        table = retyped_table(schema, request) if request.action is FixAction.CHANGE_TYPE else schema.child_of(edge)
        table = schema.parent_of(edge) if of_parent else table
        if not table.privileges.owner:
            return f"{role} is not the owner of {table_label(table)}: GRANT {quote(table.owner)} TO {role}"
        parent = schema.parent_of(edge)
        refers = parent.privileges.owner or parent.privileges.references
        if request.action is FixAction.ADD_CONSTRAINT and not refers:
            return f"no REFERENCES on {table_label(parent)}: GRANT REFERENCES ON {table_label(parent)} TO {role}"
        return ""


def _reason(error: Trouble | psycopg.Error) -> str:
    """Why something can't be done; a lost connection is raised."""
    trouble = error if isinstance(error, Trouble) else trouble_of(error)
    if trouble.code == Kind.LOST.value:
        raise trouble from error
    return f"{trouble.reason}: {trouble.hint}"


def _changed(item: Item) -> set[tuple[int, int]]:
    """The columns, by table and number, that an item gives another type or a unique key."""
    request = item.request
    if request.action is FixAction.CHANGE_TYPE:
        table = retyped_table(item.schema, request).oid
        return {(table, each.column.number) for each in retypes(request.edge, request.side)}
    if request.action is FixAction.ADD_UNIQUE:
        return {(request.edge.parent, pair.parent.number) for pair in request.edge.pairs}
    return set()


def _needs(request: Request, items: Sequence[Item]) -> frozenset[int]:
    """The items of the same edge, and those that give its columns their type or key."""
    edge = request.edge
    own = {(edge.child, pair.child.number) for pair in edge.pairs}
    own |= {(edge.parent, pair.parent.number) for pair in edge.pairs}
    return frozenset(at for at, item in enumerate(items) if item.request.edge.oid == edge.oid or _changed(item) & own)
