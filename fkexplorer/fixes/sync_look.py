"""The preview of a trigger that keeps a pair in step: what is there already, if it would work, how it is proven."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.limits import Limits
from fkexplorer.fixes import sql, sync, twins
from fkexplorer.fixes.guard import user_triggers
from fkexplorer.fixes.model import Plan, Verb
from fkexplorer.fixes.notes import takes_number
from fkexplorer.fixes.proof import fresh, proof
from fkexplorer.fixes.rows import incomplete, named
from fkexplorer.fixes.sync_model import Sync
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, qualified, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import DdlStep, Request
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.fixes.sync import Template
    from fkexplorer.schema.model import Schema, Table

_COUNTED_BYTES = 1 << 30
"""Of larger tables it is not counted how many rows have no twin now: the trigger is not about those."""

# What roles may call a new function of this schema besides its owner; PUBLIC (0) is taken the right anyway.
_STATE = """
SELECT ({others}), {taken},
 has_table_privilege({source}::oid, 'SELECT') AND has_table_privilege({source}::oid, 'INSERT'),
 has_table_privilege({target}::oid, 'SELECT'), pg_has_role(s.relowner, 'USAGE'), current_user::text,
 ARRAY(SELECT DISTINCT quote_ident(pg_get_userbyid(x.grantee)) FROM pg_default_acl d, aclexplode(d.defaclacl) x
  WHERE d.defaclobjtype = 'f' AND d.defaclrole = current_user::regrole AND d.defaclnamespace IN (0, t.relnamespace)
   AND x.grantee NOT IN (0, d.defaclrole) ORDER BY 1)
FROM pg_class s, pg_class t WHERE s.oid = {source} AND t.oid = {target}
"""
# The columns of a key, and those that its expressions and its predicate use (`pg_depend`).
_UNIQUES = """
SELECT ARRAY(SELECT a.attnum::int FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0
 AND (a.attnum = ANY (i.indkey) OR 0 = ANY (i.indkey) AND EXISTS (SELECT 1 FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)))
FROM pg_index i WHERE i.indrelid = {source} AND i.indisunique AND i.indislive ORDER BY NOT i.indisprimary, i.indexrelid
"""
_VIRTUAL = "SELECT attname::text FROM pg_attribute WHERE attrelid = {source} AND attgenerated = 'v'"
_RULES = """
SELECT r.ev_class::int8, r.rulename::text FROM pg_rewrite r
WHERE r.ev_class IN ({tables}) AND r.ev_type = '3' AND r.ev_enabled IN ('O', 'A') ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found out: the plan, and what there is to know of it."""

    plan: Plan
    notes: tuple[str, ...]


async def look(database: Database, schema: Schema, request: Request) -> Looked:
    """The plan of a trigger: none where one is there that fires; to enable one that is off; else to make one.

    Args:
        database: where to read.
        schema: the schema that the request's pair is of.
        request: what is asked for.

    Raises:
        Trouble: as `template`; also where its name is taken (`incomplete`).
        psycopg.Error: the server refused a read, or finds the function wrong.
    """

    async def ask(statement: str) -> list[tuple[Any, ...]]:
        return (await database.glance(statement))[0]

    edge = request.edge
    sync.check_pair(schema, edge)
    source, target = schema.parent_of(edge), schema.child_of(edge)
    [[(triggers,)], [(functions,)]] = await database.glance(*twins.statements(source, target))
    keeper = next(iter(twins.keepers(triggers, functions, target)), None)
    if keeper is not None and keeper.fires:
        label = f"{table_label(source)} and {table_label(target)}"
        note = f"{label} are kept in step already, by the trigger {quote(keeper.trigger)}"
        if keeper.conditional:
            note += ", but only for rows that meet its condition (WHEN): change that trigger where others need one too"
        return Looked(Plan(request, (), ()), (note, *await _lacking(database, schema, request)))
    looking = _Looking(database, ask, schema, request)
    return await (looking.existing(keeper) if keeper else looking.new(sync.template(schema, request)))


@dataclass(frozen=True, slots=True)
class _State:
    """How things stand; in the order of `_STATE`."""

    others: str
    taken: bool
    writes_source: bool
    reads_target: bool
    owner: bool
    role: str
    grantees: list[str]


@dataclass(frozen=True, slots=True)
class _Looking:
    """One look on its way."""

    database: Database
    ask: Ask
    schema: Schema
    request: Request

    async def new(self, made: Template) -> Looked:
        """A trigger that is made."""
        sketch = Sync(sql.table_name(made.source), made.name, made.function, made.body(), "", made.check, "")
        state = await self.state(sketch)
        if state.taken:
            raise incomplete(
                f"there is a function {qualified(made.target.schema, made.name)}(), or a trigger of that name",
                "look whether somebody needs it still: nothing is overwritten; or give another name",
            )
        await self.seen(made)
        checked = await self.checked(made)
        tried, unproven = await self.tried(state, made.name, made)
        source, target = table_label(made.source), table_label(made.target)
        came = "was refused" if made.strict else "came all the same"
        shown = f"a made-up row of {source} got its row in {target}, and with a function that fails it {came}"
        done = replace(sketch, others=state.others, proof=tried, unproven=unproven, shown=shown)
        step = sync.create(made, done, state.grantees)
        superuser = ", a superuser" if self.database.facts.superuser else ""
        becomes = "is refused" if made.strict else "comes all the same, with a warning in the server's log"
        notes = [
            f"the function runs as its owner {quote(state.role)}{superuser}, whoever inserts; its search_path is fixed",
            f"a row of {source} that can't get its row in {target} {becomes}",
            *checked,
        ]
        if not state.owner:
            notes.append(f"only the owner of {source} may drop the trigger by itself: undo drops it with its function")
        taking = [column for column in made.target.columns if takes_number(column) and column not in made.values]
        if tried and taking:
            notes.append(f"the proof takes numbers from the sequence of {named(taking)}, which stay taken")
        return await self.looked(step, notes)

    async def existing(self, keeper: twins.Keeper) -> Looked:
        """A trigger that is there, and is off."""
        source = self.schema.parent_of(self.request.edge)
        sketch = Sync(sql.table_name(source), keeper.trigger, "", "", "", "", "")
        state = await self.state(sketch)
        tried, unproven = await self.tried(state, keeper.function)
        shown = f"a made-up row of {table_label(source)} got its row"
        back = sync.back_of(source, keeper)
        done = replace(sketch, others=state.others, proof=tried, back=back, unproven=unproven, shown=shown)
        notes = [
            f"the trigger {quote(keeper.trigger)} is there, and is off: none is made beside it",
            "what becomes of a row when its function fails is not tried: it is not ours to change",
        ]
        return await self.looked(sync.enable(source, keeper, done), notes)

    async def state(self, sketch: Sync) -> _State:
        """How things stand for a trigger of that name."""
        edge = self.request.edge
        table = f"{edge.parent}::oid"
        statement = _STATE.format(
            others=sync.others_of(table, sketch.trigger),
            taken=sync.taken(table, sketch),
            source=edge.parent,
            target=edge.child,
        )
        [row] = await self.ask(statement)
        return _State(*row)

    async def seen(self, made: Template) -> None:
        """Make sure that no value is of a VIRTUAL column, which is computed when read: a trigger finds NULL there.

        Raises:
            Trouble: one is (`incomplete`).
        """
        for (name,) in await self.ask(_VIRTUAL.format(source=made.source.oid)):
            for column, value in made.values.items():
                if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", value):
                    raise incomplete(
                        f"{quote(name)} of {table_label(made.source)} is computed when it is read: the trigger would"
                        f" see NULL there",
                        f"give {quote(column.name)} an expression of the columns that it is computed from",
                    )

    async def checked(self, made: Template) -> list[str]:
        """Have the server look at its statement: a wrong name or type is refused now; what could not be checked."""
        limits = Limits(planner={"search_path": sync.PATH}, row_security=True)
        try:
            await self.database.glance(made.check, limits=limits)
        except psycopg.Error as error:
            failure = translate(error)
            if failure.kind is not Kind.DENIED:
                raise
            return [f"whether its statement is right could not be checked: {failure.reason}"]
        return []

    async def tried(self, state: _State, function: str, made: Template | None = None) -> tuple[str, str]:
        """The statement of the proof, or why there is none."""
        edge = self.request.edge
        source, target = self.schema.parent_of(edge), self.schema.child_of(edge)
        if not state.writes_source:
            return "", f"it takes SELECT and INSERT on {table_label(source)}"
        if not state.reads_target:
            return "", f"it takes SELECT on {table_label(target)}"
        if others := await self.others(source, target):
            return "", f"a made-up row would fire {', '.join(others)} too, and what that does elsewhere may stay"
        numbers = [columns for (columns,) in await self.ask(_UNIQUES.format(source=source.oid))]
        changed = fresh(self.schema, edge, numbers)
        if isinstance(changed, str):
            return "", changed
        return proof(self.schema, edge, changed, function, made), ""

    async def others(self, source: Table, target: Table) -> list[str]:
        """The triggers and rules that an insert into one of the tables fires."""
        tables = (source.oid, target.oid)
        fired = await user_triggers(self.ask, dict.fromkeys(tables, (Verb.INSERT,)))
        found = [(each.table, each.name) for each in fired]
        found += await self.ask(_RULES.format(tables=", ".join(map(str, tables))))
        return [f"{quote(name)} on {table_label(self.schema.tables[table])}" for table, name in found]

    async def looked(self, step: DdlStep, notes: Sequence[str]) -> Looked:
        """The plan of this step."""
        request, schema = self.request, self.schema
        assert step.sync is not None  # noqa: S101 - made with one
        source, target = schema.parent_of(request.edge), schema.child_of(request.edge)
        if step.sync.proof:
            twice = ", and once more with a function that fails" if step.sync.makes else ""
            how = (
                f"it is proven before COMMIT: a copy of a row of {table_label(source)} under a new key is put in, its"
                f" row in {table_label(target)} looked for, and all of it taken back{twice}"
            )
        else:
            how = f"it is not proven: {step.sync.unproven}"
        deferred = [
            f"what {edge_label(schema, edge)} refuses at COMMIT refuses the new row as well"
            for edge in schema.edges.values()
            if edge.child == target.oid and edge.kind is EdgeKind.DECLARED and edge.deferred
        ]
        gap = gap_of(schema, request)
        state = (
            "SELECT t.tgname, t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid) AS definition"
            f" FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {sql.literal(step.sync.source)}::pg_catalog.regclass"
            f" AND t.tgname = {sql.literal(step.sync.trigger)}"
        )
        plan = Plan(request, (step,), (state, *([gap] if gap else [])), gap)
        return Looked(plan, (*notes, *deferred, how, step.undo, *await _lacking(self.database, schema, request)))


def gap_of(schema: Schema, request: Request) -> str:
    """A query of one number: how many rows of the pair's parent have no twin; empty where that would cost much."""
    source, target = schema.parent_of(request.edge), schema.child_of(request.edge)
    if source.likely_bytes + target.likely_bytes > _COUNTED_BYTES:
        return ""
    predicate = EdgePredicate(schema, request.edge)
    where = sql.condition(predicate, predicate.is_childless, of_parent=True)
    return f"SELECT count(*) AS gap FROM {sql.source(source, 'p')} WHERE {where}"


async def _lacking(database: Database, schema: Schema, request: Request) -> list[str]:
    """How many rows have no twin now, in a sentence; nothing where that is not known."""
    query = gap_of(schema, request)
    if not query:
        return []
    try:
        [[(missing,)]] = await database.glance(query)
    except psycopg.Error:
        return []
    if not missing:
        return []
    source, target = table_label(schema.parent_of(request.edge)), table_label(schema.child_of(request.edge))
    rows = f"{missing:,} {'row' if missing == 1 else 'rows'} of {source} {'has' if missing == 1 else 'have'}"
    return [f"{rows} no row in {target} now, and the trigger is for new ones: backfill brings those that lack"]
