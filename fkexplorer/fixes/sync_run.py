"""Makes a trigger that keeps a pair in step, within its guarded transaction: only as previewed, only if it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql, sync
from fkexplorer.fixes.guard import moved
from fkexplorer.fixes.proof import FAILED, PROVEN, SETTING, UNPROVEN

if TYPE_CHECKING:
    from fkexplorer.fixes.model import DdlStep
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.fixes.sync_model import Sync
    from fkexplorer.fixes.writer import Transaction

_MADE = """
SELECT pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text, p.oid::pg_catalog.regprocedure::text,
 pg_catalog.pg_get_functiondef(p.oid)
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = pg_catalog.to_regclass({source}) AND t.tgname = {trigger} AND NOT t.tgisinternal
"""


async def make(tx: Transaction, step: DdlStep, made: Sync) -> tuple[dict[str, Any], str]:
    """Run the statements of a step, and its proof.

    Args:
        tx: the step's transaction; nothing was done in it.
        step: the step.
        made: what it makes.

    Returns:
        What the journal keeps of it, by which an undo knows it again; and in words whether it is proven.

    Raises:
        Trouble: something of it is there by now, or other triggers than were previewed (`moved`); or the trigger does
            not do what it is for (`failed`).
        psycopg.Error: the server refused.
    """
    table = f"pg_catalog.to_regclass({sql.literal(made.source)})"
    # Two that make the same come one after the other: who is second sees what the first one made.
    await tx.rows(f"SELECT pg_catalog.pg_advisory_xact_lock({turn_of(made)})")
    if made.makes:
        [(there,)] = await tx.rows(f"SELECT {sync.taken(table, made)}")
        if there:
            raise moved(f"there is a trigger {made.trigger} now, or a function {made.function}")
        await tx.change(made.check)
    for statement in step.statements:
        await tx.run(statement)
    # Its lock is held by now: who makes another one has committed before, or waits.
    [(others,)] = await tx.rows(sync.others_of(table, made.trigger))
    if others != made.others:
        raise moved(f"the triggers of {made.source} are others now")
    return await known(tx, made), await _proven(tx, made)


def turn_of(made: Sync) -> str:
    """The number of the lock by which two that make the same wait for each other, as SQL."""
    return f"pg_catalog.hashtext({sql.literal(f'fkexplorer {made.source} {made.trigger}')})"


async def known(tx: Transaction, made: Sync) -> dict[str, Any]:
    """What an undo has to find again."""
    async with tx.images():
        found = await state(tx.rows, made.source, made.trigger)
    return {
        "source": made.source,
        "trigger": made.trigger,
        "function": made.function,
        "back": made.back,
        "definitions": found,
    }


async def state(ask: Ask, source: str, trigger: str) -> list[str] | None:
    """The definitions of a trigger and its function, and whether it is on; None where it is gone.

    Args:
        ask: runs a statement with an empty search_path.
        source: the trigger's table, as SQL.
        trigger: its name.
    """
    rows = await ask(_MADE.format(source=sql.literal(source), trigger=sql.literal(trigger)))
    return [str(each) for each in rows[0]] if rows else None


async def _proven(tx: Transaction, made: Sync) -> str:
    if not made.proof:
        return f"not proven: {made.unproven}"
    # As the role has row security: a policy that keeps the row out is what somebody else would meet, too.
    await tx.change(made.proof)
    [(said,)] = await tx.rows(f"SELECT pg_catalog.current_setting({sql.literal(SETTING)})")
    return told(made, said)


def told(made: Sync, said: str) -> str:
    """What a proof found, in words.

    Raises:
        Trouble: the trigger does not do what it is for (`failed`).
    """
    if said.startswith(FAILED):
        reason = said.removeprefix(FAILED)
        raise Trouble(f"the proof: {reason}", "nothing of it stays: change the expressions", code="failed")
    if said != PROVEN:
        return f"not proven: {said.removeprefix(UNPROVEN)}"
    return f"proven: {made.shown}"
