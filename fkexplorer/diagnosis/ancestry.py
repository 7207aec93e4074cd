"""From the table that an error names up to the one that was deleted from: a blocked delete may have begun far above.

PostgreSQL names the table whose row is still referred to. By ON DELETE CASCADE that row may go because of a row of
another table, of which the error says nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Evidence
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.statements import target_of
from fkexplorer.schema.model import Action, EdgeKind
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.diagnosis.reading.model import ParsedError
    from fkexplorer.schema.model import Relationship, Schema

_LONGEST = 8
_SHOWN = 3
_LOOKED_AT = "the rules of foreign keys"


def ways_down(schema: Schema, table: int, *, update: bool = False) -> dict[int, tuple[Relationship, ...]]:
    """For each table from which a delete cascades to this one: the shortest chain of edges, the topmost first.

    Args:
        schema: the schema.
        table: OID of the table in which the delete ends.
        update: whether it is an update of keys that cascades, and not a delete.
    """
    above: dict[int, list[Relationship]] = defaultdict(list)
    for edge in schema.edges.values():
        action = edge.on_update if update else edge.on_delete
        if edge.kind is EdgeKind.DECLARED and edge.enforced and action is Action.CASCADE:
            above[edge.child].append(edge)
    found: dict[int, tuple[Relationship, ...]] = {table: ()}
    waiting = deque([table])
    while waiting:
        at = waiting.popleft()
        if len(found[at]) < _LONGEST:
            for edge in above[at]:
                if edge.parent not in found:
                    found[edge.parent] = (edge, *found[at])
                    waiting.append(edge.parent)
    del found[table]
    return found


def chain_text(schema: Schema, chain: tuple[Relationship, ...]) -> str:
    """`orgs -> workspaces -> members`, the tables from the topmost to the one in which it ends."""
    tables = [schema.parent_of(chain[0]), *(schema.child_of(edge) for edge in chain)]
    return " -> ".join(map(table_label, tables))


def deleted_from(schema: Schema, error: ParsedError, parent: int | None, at: datetime) -> list[Evidence]:
    """Where a blocked delete may have begun; nothing where it can only have been in the table that is named.

    Args:
        schema: the catalogue.
        error: the error.
        parent: OID of the table whose row is still referred to.
        at: the server's clock.
    """
    if error.kind is not ErrorKind.STILL_REFERENCED or parent is None:
        return []
    target = target_of(error.statement.sql) if error.statement else None
    update = target is not None and target.verb == "update"
    ways = ways_down(schema, parent, update=update)
    here, verb = table_label(schema.tables[parent]), "UPDATE" if update else "DELETE"
    if target is None:
        if not ways:
            return []
        chains = [chain_text(schema, chain) for chain in sorted(ways.values(), key=len)]
        more = f" and {len(chains) - _SHOWN} more" if len(chains) > _SHOWN else ""
        text = f"The delete may have begun above {here}, by ON DELETE CASCADE: {'; '.join(chains[:_SHOWN])}{more}."
        return [Evidence("deleted_from", text, at, _LOOKED_AT, weight=30)]
    tables = [table for table in schema.tables.values() if table.name == target.table]
    tables = [table for table in tables if table.schema == target.schema] or tables
    if not tables or any(table.oid == parent for table in tables):
        return []
    chains = [chain_text(schema, ways[table.oid]) for table in tables if table.oid in ways]
    if chains:
        text = f"The statement was {verb} on {target.table}; ON {verb} CASCADE led from there: {'; '.join(chains)}."
    else:
        text = f"The statement was {verb} on {target.table}, from which no cascade leads to {here}: a trigger may."
    return [Evidence("deleted_from", text, at, _LOOKED_AT, weight=50)]
