"""What a preview says in words: by which privilege a fix may be done, and what an undo of it does not bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.model import DataStep, DdlStep, Verb
from fkexplorer.fixes.rows import named
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.fixes.model import Change, Plan, Step, Trigger
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

VERBS = {Verb.DELETE: "DELETE", Verb.UPDATE: "UPDATE", Verb.INSERT: "INSERT"}

# A role may switch them off (`event_triggers`, of PostgreSQL 17), and those that only a replica fires are not ours.
_EVENT_TRIGGERS = """
SELECT e.evtname::text, e.evtevent::text, n.nspname::text, f.proname::text, e.evttags
FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc f ON f.oid = e.evtfoid
JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
WHERE e.evtenabled = ANY (CASE pg_catalog.current_setting('session_replication_role')
  WHEN 'replica' THEN '{{A,R}}' ELSE '{{A,O}}' END::"char"[])
 AND e.evtevent::text IN ({events}) AND (e.evttags IS NULL OR e.evttags && ARRAY[{tags}])
 AND pg_catalog.current_setting('event_triggers', true) IS DISTINCT FROM 'off'
ORDER BY e.evtname
"""


def privilege(schema: Schema, facts: ServerFacts, plan: Plan) -> str:
    """By which privilege the plan may be done, in a few words; empty for a plan without steps."""
    if not plan.steps:
        return ""
    if facts.superuser or plan.request.action is FixAction.ENABLE_TRIGGERS:
        return "superuser"
    step = plan.steps[0]
    if isinstance(step, DdlStep) and step.sync is not None and step.sync.makes:
        source, target = schema.parent_of(plan.request.edge), schema.child_of(plan.request.edge)
        made = f"CREATE on the schema {quote(target.schema)}, INSERT on {table_label(target)}"
        return f"TRIGGER on {table_label(source)}, {made}"
    table = schema.tables[step.change.table if isinstance(step, DataStep) else step.locks[0].table]
    verb = VERBS[step.change.verb] if isinstance(step, DataStep) else "ownership"
    said = f"owner of {table_label(table)}" if table.privileges.owner else f"{verb} on {table_label(table)}"
    parent = schema.parent_of(plan.request.edge)
    if not (isinstance(step, DataStep) and step.hold) or parent.privileges.owner:
        return said
    # What LOCK TABLE asks for (`LockTableAclCheck`); since 17 MAINTAIN will do as well.
    return f"{said}, and UPDATE, DELETE or TRUNCATE on {table_label(parent)}"


def lasting(schema: Schema, plan: Plan, triggers: Iterable[Trigger], given: Iterable[Column] = ()) -> list[str]:
    """What an undo does not bring back, and what else stays, a sentence each.

    Args:
        schema: the schema that the plan is of.
        plan: the plan.
        triggers: those of users that it fires.
        given: of an INSERT the columns that it gives a value to.
    """
    found = [
        f"what {quote(each.name)} on {table_label(schema.tables[each.table])} does elsewhere"
        for each in triggers
        if each.table in schema.tables
    ]
    for step in plan.steps:
        if isinstance(step, DdlStep):
            # What keeps a pair in step can be undone like rows.
            found += [f"{step.title}: {step.undo}"] if step.sync is None else []
        else:
            found += _of_change(schema, step.change, given)
            if step.change.into:
                found.append(f"the side table {step.change.into} stays where it is")
    edge = plan.request.edge
    if plan.steps and isinstance(plan.steps[0], DdlStep) and not edge.triggers.all_fire and "DROP" in _text(plan):
        found.append(f"its triggers, which are off at {', '.join(edge.triggers.places)}, fire again")
    return found


async def event_triggers(ask: Ask, steps: Iterable[Step]) -> list[str]:
    """Which event triggers the DDL of these steps fires, a sentence each (`pg_event_trigger`).

    Args:
        ask: reads, as the role that will do it.
        steps: of a plan.
    """
    statements = [text for step in steps for text in (step.statements if isinstance(step, DdlStep) else step.first)]
    tags = {_tag(statement) for statement in statements}
    if not tags:
        return []
    # What ALTER TABLE drops is told to `sql_drop` under the tag of the whole statement.
    dropping = {_tag(statement) for statement in statements if " DROP CONSTRAINT " in statement}
    listed = {
        "events": "'ddl_command_start', 'ddl_command_end'"
        + (", 'sql_drop'" if dropping else "")
        + (", 'table_rewrite'" if any(" ALTER COLUMN " in statement for statement in statements) else ""),
        "tags": ", ".join(map(sql.literal, sorted(tags))),
    }
    return [
        f"what the event trigger {quote(name)} ({schema}.{function}) does at {event} of {', '.join(sorted(fired))}"
        for name, event, schema, function, only in await ask(_EVENT_TRIGGERS.format(**listed))
        if (fired := (dropping if event == "sql_drop" else tags) & (set(only) if only else tags))
    ]


def _tag(statement: str) -> str:
    """The command tag of a statement of a plan, as `evttags` has it."""
    first, second, *_ = statement.replace(" UNIQUE ", " ", 1).split(None, 2)
    return first if first in {"COMMENT", "REVOKE"} else f"{first} {second}"


def _of_change(schema: Schema, change: Change, given: Iterable[Column]) -> list[str]:
    if change.verb is not Verb.INSERT:
        return []
    table = schema.tables[change.table]
    known = set(given)
    own = [column for column in table.columns if takes_number(column) and column not in known]
    found = [f"the numbers that {named(own)} took from a sequence"] if own else []
    if past := [column for column in known if takes_number(column)]:
        found.append(
            f"the sequence of {named(past)} does not learn of the new values: it may give out one of them later"
        )
    return found


def takes_number(column: Column) -> bool:
    """Whether its default is likely to come from a sequence: an identity, or a number that may not be NULL."""
    default = column.has_default and not column.generated and column.not_null and column.category == "N"
    return bool(column.identity) or default


def _text(plan: Plan) -> str:
    return " ".join(statement for step in plan.steps if isinstance(step, DdlStep) for statement in step.statements)


def stays_invalid(edge: Relationship, child: Table, orphans: int) -> str:
    """That a constraint is left NOT VALID, and why."""
    return (
        f"the constraint {quote(edge.name)} on {table_label(child)} stays NOT VALID:"
        f" {orphans:,} {'row has' if orphans == 1 else 'rows have'} no parent; mend them, then validate"
    )
