"""The fix that switches a foreign key's own triggers on again, of both ends and of every partition.

Whoever is no superuser may not, not even as the owner (42501 `is a system trigger`, by name and as ALL, on 12 to 18);
making the constraint anew makes new ones, which fire, and wants the owner alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import SHARE_ROW_EXCLUSIVE, locks
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.rows import impossible
from fkexplorer.fixes.standing import Standing, regclass
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import qualified, quote

if TYPE_CHECKING:
    from fkexplorer.fixes.beside import Beside
    from fkexplorer.fixes.model import Request, Step
    from fkexplorer.schema.model import Relationship, Schema

FIRE = "all of them fire"
"""How the triggers stand when the step is done."""

# The constraints of partitions hang on the one of the whole table. 1644 to 1655 are the functions of foreign keys
# (RI_FKey_…); O and A fire in an ordinary session.
OFF = """\
WITH RECURSIVE k AS (
 SELECT r.oid FROM pg_catalog.pg_constraint r
 WHERE r.contype = 'f' AND r.conparentid = 0 AND r.conrelid = {child} AND r.conname = {name}
 UNION ALL SELECT c.oid FROM k JOIN pg_catalog.pg_constraint c ON c.conparentid = k.oid),
o AS (
 SELECT n.nspname, c.relname, t.tgname FROM k JOIN pg_catalog.pg_trigger t ON t.tgconstraint = k.oid
 JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgisinternal AND t.tgfoid BETWEEN 1644 AND 1655 AND t.tgenabled NOT IN ('O', 'A'))
"""


def off_query(schema: Schema, edge: Relationship) -> str:
    """A query of the triggers of an edge that do not fire: schema, table, name."""
    listed = f"{_off(schema, edge)}SELECT o.nspname::pg_catalog.text, o.relname::pg_catalog.text"
    return f"{listed}, o.tgname::pg_catalog.text FROM o ORDER BY 1, 2, 3"


def enable(schema: Schema, request: Request, beside: Beside) -> tuple[Step, ...]:
    """Let the triggers that are off fire again as they were made, in ordinary sessions; no step where all do.

    Raises:
        Trouble: the constraint is not there, or triggers of it are missing and none is off.
    """
    edge = request.edge
    if edge.kind is not EdgeKind.DECLARED:
        raise impossible("these columns have no constraint", "add one first")
    if not beside.off:
        if edge.triggers.missing:
            raise impossible(
                f"triggers of {quote(edge.name)} are missing, and not off", "revalidate makes the constraint anew"
            )
        return ()
    # Which end a name hangs on is not looked up: a trigger's table is one of the two, or a partition of it.
    modes = [(table, SHARE_ROW_EXCLUSIVE) for table in dict.fromkeys((edge.child, edge.parent))]
    query = (
        f"{_off(schema, edge)}SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM k) THEN 'gone' ELSE coalesce("
        "pg_catalog.string_agg(pg_catalog.format('%I.%I.%I', o.nspname, o.relname, o.tgname), ', '"
        f" ORDER BY o.nspname, o.relname, o.tgname), {sql.literal(FIRE)}) END FROM o"
    )
    some = "a trigger" if len(beside.off) == 1 else f"{len(beside.off)} triggers"
    step = DdlStep(
        f"switch {some} of the constraint {quote(edge.name)} on",
        tuple(
            f"ALTER TABLE ONLY {sql.name(schema_, table)} ENABLE TRIGGER {sql.name(name)}"
            for schema_, table, name in beside.off
        ),
        locks(modes),
        "ALTER TABLE … DISABLE TRIGGER … of each takes it back",
        standing=Standing(query, (_word(beside),), (FIRE,)),
    )
    return (step,)


def _word(beside: Beside) -> str:
    """How they stand now, as `off_query` gave them: in the order, and quoted, as the step's own query does."""
    return ", ".join(qualified(*each) for each in beside.off)


def _off(schema: Schema, edge: Relationship) -> str:
    return OFF.format(child=regclass(schema.child_of(edge)), name=sql.literal(edge.name))
