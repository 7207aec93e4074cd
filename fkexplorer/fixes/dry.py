"""The dry run: a fix is done and taken back, so that its numbers count also what triggers add and cancel.

It is another choice than the preview, since it is not for free: for its time it holds the locks of the fix; sequences
that it moved stay where they are; the rows that it wrote and took back have to be vacuumed; and what a trigger does
outside of the transaction (a message, a call to another server) is done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.guard import Names, Numbers, counters, difference
from fkexplorer.fixes.model import DataStep, Effect, Verb
from fkexplorer.fixes.writer import WriteLimits, writing

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Preview
    from fkexplorer.schema.model import Schema


async def dry_run(database: Database, schema: Schema, preview: Preview, limits: WriteLimits | None = None) -> Preview:
    """The same preview, with the numbers of a run that was rolled back.

    Args:
        database: where; it must permit writing.
        schema: the schema that the preview was made with.
        preview: of a change of rows.
        limits: what the run may take.

    Raises:
        Trouble: the preview is of a change of the schema (`impossible`), writing is not possible (`standby`,
            `read_only`, …), the server refused the change, or the connection is lost. Nothing is changed.
    """
    step = preview.plan.steps[0] if preview.plan.steps else None
    if not isinstance(step, DataStep):
        raise Trouble("a change of the schema has no dry run", "its preview is all there is to know", code="impossible")
    try:
        async with writing(database, limits or WriteLimits()) as transaction:
            for statement in step.statements[:-1]:
                await transaction.run(statement)
            before = await counters(transaction.rows)
            touched, _ = await transaction.change(step.change.sql)
            tally = difference(await counters(transaction.rows), before)
            names = await Names.of(transaction.rows, {*tally, *schema.tables})
    except psycopg.Error as error:
        raise trouble_of(error) from None
    found = _effects(schema, preview, tally, names, verb=step.change.verb, touched=touched)
    return replace(
        preview,
        effects=found,
        read_effects=preview.foreseen,
        blockers=(),
        doubtful=(),
        confirm=str(touched),
        dry=True,
    )


def _effects(
    schema: Schema, preview: Preview, tally: dict[int, Numbers], names: Names, *, verb: Verb, touched: int
) -> tuple[Effect, ...]:
    """What the server counted, by table; the target's own rows apart from those that followed."""
    own = next(each for each in preview.effects if not each.edges and not each.by_triggers)
    edges: dict[int, tuple[int, ...]] = {}
    for each in preview.effects:
        root = names.root(each.table)
        edges[root] = tuple(dict.fromkeys((*edges.get(root, ()), *each.edges)))
    target = names.root(own.table)
    itself = {
        Verb.DELETE: Numbers(deleted=touched),
        Verb.UPDATE: Numbers(updated=touched),
        Verb.INSERT: Numbers(inserted=touched),
    }[verb]
    effects = [replace(own, deleted=itself.deleted, updated=itself.updated, inserted=itself.inserted)]
    for table, numbers in tally.items():
        rest = numbers - itself if table == target else numbers
        # A side table was there for the time of the run alone.
        if rest != Numbers() and table in schema.tables:
            by = edges.get(table, ())
            effects.append(Effect(table, rest.deleted, rest.updated, rest.inserted, edges=by, by_triggers=not by))
    return tuple(effects)
