"""From a request to a plan: the steps of a fix, as SQL that is shown, saved and run as one and the same text.

Nothing is asked of the server here: what a plan would do is the preview's to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import constraints, enabling, indexes, parents, retype, rows, sql
from fkexplorer.fixes.beside import NOTHING
from fkexplorer.fixes.misfits import count_query, incomparable
from fkexplorer.fixes.model import Plan
from fkexplorer.fixes.standing import regclass, types_query
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.actions import FixAction

if TYPE_CHECKING:
    from fkexplorer.database.model import ServerFacts
    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Request, Step
    from fkexplorer.schema.model import Index, Relationship, Schema

OF_CONSTRAINT = frozenset(
    {
        FixAction.ADD_CONSTRAINT,
        FixAction.VALIDATE,
        FixAction.REVALIDATE,
        FixAction.CHANGE_ON_DELETE,
        FixAction.ENFORCE,
    }
)
"""The fixes that change the constraint itself."""
OF_TABLE = frozenset({FixAction.CREATE_INDEX, FixAction.ADD_UNIQUE, FixAction.CHANGE_TYPE, FixAction.ENABLE_TRIGGERS})
"""Those that change what the constraint rests on: an index, a key, a type, triggers. Their steps have a standing."""


def make_plan(
    schema: Schema, facts: ServerFacts, request: Request, index: Index | None = None, beside: Beside = NOTHING
) -> Plan:
    """The plan of a fix; one without steps where its goal stands already.

    Args:
        schema: the schema that the edge is of.
        facts: the server; what a statement may say depends on its version.
        request: what is asked for.
        index: the index by which marked rows are told (`orphans.paging.key_index`); None for their place.
        beside: what `read_beside` tells of the request.

    Raises:
        Trouble: the request lacks something (`incomplete`), cannot be met (`impossible`), holds a wrong expression
            (`expression`), the edge's columns have no operator (`incomparable`), or marked rows are of another key
            (`changed`). Reason and hint name the columns.
    """
    if request.action in OF_TABLE:
        return Plan(request, _table_steps(schema, request, beside), (_stands(schema, request),))
    if request.action in OF_CONSTRAINT:
        steps = _constraint_steps(schema, facts.version_number, request)
        return Plan(
            request, steps, (*orphans_query(schema, facts.version_number, request.edge), _state(schema, request))
        )
    orphans = rows.Orphans(schema, request, index, facts.version_number)
    step: Step
    gap, keys = "", ""
    match request.action:
        case FixAction.DELETE:
            step = rows.delete(orphans)
        case FixAction.SET_NULL:
            step = rows.set_null(orphans)
        case FixAction.SET_DEFAULT:
            step = rows.set_default(orphans)
        case FixAction.REPOINT:
            step = rows.repoint(orphans, request)
        case FixAction.QUARANTINE:
            step = rows.quarantine(orphans, request)
        case FixAction.INSERT_PARENTS:
            step = parents.insert(orphans, request)
        case FixAction.SYNC_TRIGGER:
            raise AssertionError("what it makes depends on what is there: its preview plans it, see sync_look")
        case _:
            step = parents.backfill(orphans, request)
            gap, keys = parents.gap(orphans, request), parents.gap_keys(orphans, request)
    return Plan(
        request,
        (step,),
        (*orphans_query(schema, facts.version_number, request.edge), *([gap] if gap else [])),
        gap,
        keys,
    )


def _table_steps(schema: Schema, request: Request, beside: Beside) -> tuple[Step, ...]:
    match request.action:
        case FixAction.CREATE_INDEX:
            return indexes.create_index(schema, request, beside)
        case FixAction.CHANGE_TYPE:
            return retype.change_type(schema, request, beside)
        case FixAction.ENABLE_TRIGGERS:
            return enabling.enable(schema, request, beside)
        case _:
            return indexes.add_unique(schema, request, beside)


def _constraint_steps(schema: Schema, server_version: int, request: Request) -> tuple[Step, ...]:
    match request.action:
        case FixAction.ADD_CONSTRAINT:
            return constraints.add(schema, request, server_version)
        case FixAction.VALIDATE:
            return constraints.validate(schema, request.edge)
        case FixAction.REVALIDATE:
            return constraints.revalidate(schema, request.edge, server_version)
        case FixAction.ENFORCE:
            return constraints.enforce(schema, request.edge)
        case _:
            return constraints.change_on_delete(schema, request, server_version)


def orphans_query(schema: Schema, server_version: int, edge: Relationship) -> tuple[str, ...]:
    """Asks how many orphans the edge has, or rows that do not cast; nothing where they can't be told."""
    if incomparable(edge):
        asked = count_query(schema, edge, server_version)
        return (asked,) if asked else ()
    predicate = EdgePredicate(schema, edge)
    where = sql.condition(predicate, predicate.is_orphan)
    return (f"SELECT count(*) AS orphans FROM {sql.source(predicate.child_table, 'c')} WHERE {where}",)


def _state(schema: Schema, request: Request) -> str:
    """What the catalogue says of the constraint."""
    name = constraints.name_of(schema, request)
    child = schema.child_of(request.edge)
    return (
        "SELECT conname, convalidated, pg_catalog.pg_get_constraintdef(oid) AS definition FROM pg_catalog.pg_constraint"
        f" WHERE conrelid = {sql.literal(sql.table_name(child))}::pg_catalog.regclass AND conname = {sql.literal(name)}"
    )


def _stands(schema: Schema, request: Request) -> str:
    """What the catalogue says of an index, a type or triggers."""
    edge = request.edge
    if request.action is FixAction.ENABLE_TRIGGERS:
        return enabling.off_query(schema, edge)
    if request.action is FixAction.CHANGE_TYPE:
        table = retype.retyped_table(schema, request)
        columns = tuple(each.column for each in retype.retypes(edge, request.side))
        return types_query(table, columns or tuple(pair.child for pair in edge.pairs))
    table = schema.parent_of(edge) if request.action is FixAction.ADD_UNIQUE else schema.child_of(edge)
    return (
        "SELECT indexrelid::pg_catalog.regclass AS index, indisvalid, pg_catalog.pg_get_indexdef(indexrelid) AS"
        f" definition FROM pg_catalog.pg_index WHERE indrelid = {regclass(table)}"
    )
