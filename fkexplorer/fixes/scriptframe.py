"""What surrounds the steps of a psql script: how it begins, a step's transaction, what is said before and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import psql
from fkexplorer.fixes.run import SLOWER
from fkexplorer.fixes.scriptmacros import MACROS
from fkexplorer.fixes.writer import WriteLimits
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.fixes.model import Blocker, Effect, Preview
    from fkexplorer.schema.model import Schema

BEGIN = [
    "\\set ON_ERROR_STOP on",
    "\\set AUTOCOMMIT on",
    "\\set QUIET on",
    "\\set SHOW_CONTEXT never",
    "\\encoding UTF8",
    "\\pset pager off",
    "\\unset fk_folder",
    "\\set fk_done 0",
    *MACROS,
]
"""What goes before the first step."""
HOW = (
    "Run it with: psql -X -f FILE (of PostgreSQL 12 or later). It ends with 0 when all is done, or nothing was to do.",
    "It ends with another code where something is not as it was counted, or the server refuses: the step at hand is",
    "then rolled back, and those before it stay.",
)
BACKUP = (
    "The rows that change or go are written into a new private folder where it runs, fkexplorer-backup-…, before the",
    "change: a CSV file for each table, with all columns that are not generated, to be read by \\copy … (FORMAT csv,",
    "HEADER). It holds what is in the table: keep it as safe as that.",
)
NOT = (
    "What it does not do: a step is one transaction of all its rows, without batches; a lock that is not had in time",
    "ends it, and is not tried for again; and the free space for the backup is not looked at before. Where the backup",
    "can't be written, the step ends, and nothing of it is committed.",
)
LAST = ["", "\\if :fk_done", psql.echo("fkexplorer: done; what is left now:"), "\\else"]
LAST += [psql.echo("fkexplorer: nothing to do"), "\\endif"]
"""What follows the last step, before the verification."""


def announced(name: str, title: str, stays: str) -> list[str]:
    """Says what comes, and what there is should it stop there."""
    return [
        *psql.comment(f"{name[0].upper()}{name[1:]}: {title}"),
        psql.echo(f"fkexplorer: {name}, {title}; should it stop here, {stays}"),
        f"\\set fk_stays {psql.quoted(f'; {stays}: look at how things are now, and make the plan again')}",
    ]


def step_lines(name: str, seconds: float, body: Sequence[str], *, first: Sequence[str] = ()) -> list[str]:
    """A step in its transaction; `fk_none` is on at its end where nothing was to do.

    Args:
        name: of the step, as `step 1 of 3`.
        seconds: that it is likely to take.
        body: all between BEGIN and COMMIT.
        first: what goes before the limits are set.
    """
    limits = WriteLimits()
    longest = max(limits.statement_timeout_ms, round(seconds * 1000 * SLOWER))
    return [
        "BEGIN ISOLATION LEVEL READ COMMITTED;",
        *first,
        f"SET LOCAL lock_timeout = '{limits.lock_timeout_ms}ms';",
        f"SET LOCAL statement_timeout = '{longest}ms';",
        f"SET LOCAL idle_in_transaction_session_timeout = '{limits.idle_timeout_ms}ms';",
        *body,
        "\\if :fk_none",
        "  ROLLBACK;",
        f"  {psql.echo(f'fkexplorer: {name}: nothing to do')}",
        "\\else",
        "  COMMIT;",
        "  \\set fk_done 1",
        f"  {psql.echo(f'fkexplorer: {name} is committed')}",
        "\\endif",
    ]


def alone_step(name: str, body: Sequence[str]) -> list[str]:
    """A step that can't be in a transaction."""
    return [
        *psql.comment(
            "It can't be in a transaction, and has no time limit: it waits for those that are older than it."
        ),
        *body,
        "\\if :fk_none",
        f"  {psql.echo(f'fkexplorer: {name}: nothing to do')}",
        "\\else",
        "  \\set fk_done 1",
        f"  {psql.echo(f'fkexplorer: {name} is done')}",
        "\\endif",
    ]


def counted(schema: Schema, preview: Preview) -> list[str]:
    """What a preview counted, a line each."""
    return [
        *(_effect(schema, effect) for effect in preview.effects),
        *(_blocked(schema, each, "left without a parent") for each in preview.left_behind),
        *(_blocked(schema, each, "that the server may refuse") for each in preview.doubtful),
        *(
            f"The trigger {each.name} on {_label(schema, each.table)} fires ({each.function}), and may change more."
            for each in preview.triggers
        ),
    ]


def _effect(schema: Schema, effect: Effect) -> str:
    numbers = ((effect.deleted, "deleted"), (effect.updated, "updated"), (effect.inserted, "inserted"))
    said = ", ".join(f"{number} {verb}" for number, verb in numbers if number) or "none"
    by = ", ".join(edge_label(schema, schema.edges[oid]) for oid in effect.edges)
    return f"  {_label(schema, effect.table)}: {said}" + (f", by {by}" if by else "")


def _blocked(schema: Schema, blocker: Blocker, what: str) -> str:
    edge = schema.edges[blocker.edge]
    return f"  {_label(schema, edge.child)}: {blocker.rows} {what}, by {edge_label(schema, edge)}"


def _label(schema: Schema, table: int) -> str:
    return table_label(schema.tables[table])
