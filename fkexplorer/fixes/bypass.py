"""Putting orphans back under a constraint that refuses them: one that was broken before a fix is broken after its undo.

A superuser switches off the very triggers of these constraints, in the same transaction, so that every other constraint
is still checked (`session_replication_role` would switch off all of them, and the triggers of users too). The owner
drops the constraint and adds it again, NOT VALID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.schema.model import EdgeKind, TableKind
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Relationship, Schema

# All triggers of a constraint and of what stands for it on partitions, but those that are off already.
_TRIGGERS = """
WITH RECURSIVE family (oid) AS (
 SELECT {0}::pg_catalog.oid
 UNION ALL SELECT k.oid FROM family f JOIN pg_catalog.pg_constraint k ON k.conparentid = f.oid)
SELECT t.tgrelid::pg_catalog.regclass::text, t.tgname::text, t.tgenabled = 'A'
FROM family f JOIN pg_catalog.pg_trigger t ON t.tgconstraint = f.oid WHERE t.tgenabled IN ('O', 'A')
"""

_DEFINITION = """
SELECT pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint')
FROM pg_catalog.pg_constraint k WHERE k.oid = {0}
"""


@dataclass(frozen=True, slots=True)
class Bypass:
    """How orphans get under some constraints."""

    edges: tuple[Relationship, ...]
    by_triggers: bool

    def ways(self, schema: Schema) -> tuple[str, ...]:
        """A sentence for each constraint."""
        return tuple(
            f"{edge_label(schema, edge)}: its triggers are off while the rows come back"
            if self.by_triggers
            else f"{edge_label(schema, edge)}: dropped, and added again NOT VALID"
            for edge in self.edges
        )


def bypass_for(schema: Schema, edges: Iterable[Relationship], facts: ServerFacts) -> Bypass:
    """How this role gets orphans under these constraints, of which some may not stand in the way at all.

    Raises:
        Trouble: it may not (`not_owner`), or the server cannot (`partitioned`).
    """
    checked = tuple(edge for edge in edges if edge.kind is EdgeKind.DECLARED and edge.enforced)
    if facts.superuser:
        return Bypass(checked, by_triggers=True)
    for edge in checked:
        child = schema.child_of(edge)
        if not child.privileges.owner:
            raise Trouble(
                f"{edge_label(schema, edge)} refuses the rows that were orphans before",
                f"undo it as {child.owner}, who owns the table, or as a superuser",
                code="not_owner",
            )
        if child.kind is TableKind.PARTITIONED and facts.version_number < 180000:
            raise Trouble(
                f"{edge_label(schema, edge)} refuses the rows that were orphans before",
                "before PostgreSQL 18 a constraint of a partitioned table cannot be NOT VALID: undo it as a superuser",
                code="partitioned",
            )
    return Bypass(checked, by_triggers=False)


async def lift(tx: Transaction, schema: Schema, bypass: Bypass) -> list[str]:
    """Take the constraints out of the way; to be run with an empty search_path.

    Returns:
        The statements that bring them back, in the same transaction.
    """
    back: list[str] = []
    for edge in bypass.edges:
        if bypass.by_triggers:
            for table, trigger, always in await tx.rows(_TRIGGERS.format(edge.oid)):
                await tx.run(f"ALTER TABLE ONLY {table} DISABLE TRIGGER {sql.name(trigger)}")
                on = "ENABLE ALWAYS" if always else "ENABLE"
                back.append(f"ALTER TABLE ONLY {table} {on} TRIGGER {sql.name(trigger)}")
            continue
        child = schema.child_of(edge)
        table, name = sql.table_name(child), sql.name(edge.name)
        for definition, comment in await tx.rows(_DEFINITION.format(edge.oid)):
            await tx.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            unchecked = definition if definition.endswith("NOT VALID") else f"{definition} NOT VALID"
            back.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {unchecked}")
            if comment is not None:
                back.append(f"COMMENT ON CONSTRAINT {name} ON {table} IS {sql.literal(comment)}")
    return back
