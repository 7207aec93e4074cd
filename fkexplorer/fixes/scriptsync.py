"""A trigger that keeps a pair in step as a piece of a psql script: made once, and only as previewed, with its proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import psql, sql, sync
from fkexplorer.fixes.proof import FAILED, PROVEN, SETTING, UNPROVEN
from fkexplorer.fixes.sync_run import turn_of

if TYPE_CHECKING:
    from fkexplorer.fixes.model import DdlStep
    from fkexplorer.fixes.sync_model import Sync


def sync_lines(step: DdlStep, made: Sync) -> list[str]:
    """All between BEGIN and COMMIT; where the trigger is there, `fk_none` is on and nothing was done.

    Args:
        step: the step.
        made: what it makes.
    """
    table = f"{sql.literal(made.source)}::pg_catalog.regclass"
    others = f"({sync.others_of(table, made.trigger)}) <> {sql.literal(made.others)}"
    changed = f"the triggers of {psql.percent(made.source)} are not as they were"
    return [
        f"SELECT pg_catalog.pg_advisory_xact_lock({turn_of(made)}) AS fk_turn \\gset",
        ":fk_settings \\gset",
        ":fk_images \\gset",
        f"SELECT {sync.fires(table, made)} AS fk_none \\gset",
        *(_free(table, made) if made.makes else []),
        *psql.guard(f"NOT :'fk_none'::bool AND {others}", changed),
        ":fk_restore \\gset",
        "\\if :fk_none",
        "\\else",
        *([f"DO {sync.dollars(f'BEGIN EXECUTE {sql.literal(made.check)}; END', 'check')};"] if made.makes else []),
        *(f"{statement};" for statement in step.statements),
        # Its lock is held by now: who makes another one has committed before, or waits.
        *psql.guard(others, changed),
        *_proof(made),
        "\\endif",
    ]


def _free(table: str, made: Sync) -> list[str]:
    """Ends it where trigger or function would take the place of another one."""
    words = f"there is another trigger {psql.percent(made.trigger)}, or a function {psql.percent(made.function)}"
    return psql.guard(f"NOT :'fk_none'::bool AND {sync.taken(table, made)}", words)


def _proof(made: Sync) -> list[str]:
    if not made.proof:
        return [psql.echo(f"fkexplorer: not proven: {made.unproven}")]
    said = f"pg_catalog.current_setting({sql.literal(SETTING)})"
    told = (
        f"CASE WHEN {said} = {sql.literal(PROVEN)} THEN {sql.literal(f'proven: {made.shown}')}"
        f" ELSE 'not proven: ' || substr({said}, {len(UNPROVEN) + 1}) END"
    )
    return [
        f"{made.proof};",
        *psql.guard(
            f"strpos({said}, {sql.literal(FAILED)}) = 1", "the proof: %s", f"substr({said}, {len(FAILED) + 1})"
        ),
        f"SELECT {told} AS fk_proof \\gset",
        psql.echo("fkexplorer:", "fk_proof"),
    ]
