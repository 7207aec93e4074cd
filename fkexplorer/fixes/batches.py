"""Cuts a step of many rows into batches, each a transaction of its own; or tells why all of them change in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.limits import Limits
from fkexplorer.database.lines import one_line
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import BATCH_ROWS, DataStep, Ending, Verb
from fkexplorer.fixes.parts import Halt
from fkexplorer.fixes.sql import source
from fkexplorer.fixes.writer import IMAGES
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Preview, Source
    from fkexplorer.fixes.shapes import Place
    from fkexplorer.schema.model import Schema

SECONDS = 120
"""What reading the keys of all new rows may take at most: the preview has read as much, within the same time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Which of a step's rows a part is about; without places and keys it finds them all by itself."""

    rows: int
    places: Sequence[Place] | None = None
    """Of rows that change: where they were when they were counted."""
    keys: Sequence[tuple[str, ...]] | None = None
    """Of rows that come: their keys, as text."""


def whole(schema: Schema, preview: Preview, step: DataStep) -> str:
    """Why all rows of a step change in one transaction, however many they are; empty where they go in batches."""
    table = table_label(schema.tables[step.change.table])
    if preview.dry:
        return "the numbers of a dry run are of all rows together"
    if not step.batches:
        return f"rows of {table} itself follow by foreign keys, and a batch would take them from the next"
    if step.change.verb is Verb.INSERT and step.source is None:
        return f"the new rows of {table} may refer to each other"
    return ""


def in_batches(schema: Schema, preview: Preview, size: int = BATCH_ROWS) -> str:
    """How a plan of more rows than fit into a batch goes about it, in a sentence; empty for all others."""
    step = preview.plan.steps[0] if preview.plan.steps else None
    rows = sum(each.deleted + each.updated + each.inserted for each in preview.effects)
    if not isinstance(step, DataStep) or rows <= size:
        return ""
    if reason := whole(schema, preview, step):
        return f"all {rows:,} rows change in one transaction: {reason}"
    if preview.found <= size:
        return ""
    return (
        f"{preview.found:,} rows go in batches of {size:,}, each with what follows from it in a transaction of its own"
    )


async def cut(database: Database, schema: Schema, preview: Preview, step: DataStep, size: int) -> list[Batch]:
    """The batches of a step.

    Args:
        database: where to look for its rows.
        schema: the schema that the preview was made with.
        preview: what was counted.
        step: the step.
        size: rows of a batch at most; rows of one key stay together.

    Raises:
        Halt: there are other rows than were counted (`moved`), or the server refused.
    """
    if preview.found <= size or whole(schema, preview, step):
        return [Batch(preview.found)]
    try:
        if step.source is not None:
            found = await _keyed(database, step.source, size)
        else:
            of = source(schema.tables[step.change.table], "c")
            query = f"SELECT c.tableoid::bigint, c.ctid::text FROM {of} WHERE {step.change.where}"
            [rows] = await database.glance(query)
            places = [(leaf, place) for leaf, place in rows]
            slices = [places[at : at + size] for at in range(0, len(places), size)]
            found = [Batch(len(each), places=each) for each in slices]
    except Trouble as trouble:
        raise Halt(Ending.REFUSED, f"{trouble.reason}: {trouble.hint}") from None
    except psycopg.Error as error:
        raise Halt(Ending.REFUSED, one_line(str(error))) from None
    if (there := sum(batch.rows for batch in found)) != preview.found:
        raise Halt(Ending.MOVED, f"{there} rows are there, in place of {preview.found}: look at the preview again")
    return found


async def _keyed(database: Database, rows: Source, size: int) -> list[Batch]:
    """Batches of new rows, by their keys."""
    # A person's expressions are read with the role's search_path, as they will run; keys as a cast reads them again.
    [[(path,)]] = await database.glance("SELECT reset_val FROM pg_settings WHERE name = 'search_path'")
    settings = {**IMAGES, "search_path": path.replace("'", "''")}
    [found] = await database.glance(rows.keys, limits=Limits(statement_timeout_ms=SECONDS * 1000, planner=settings))
    batches: list[Batch] = []
    keys: list[tuple[str, ...]] = []
    number = 0
    for *key, count in found:
        if keys and number + count > size:
            batches.append(Batch(number, keys=keys))
            keys, number = [], 0
        keys.append(tuple(key))
        number += count
    return [*batches, Batch(number, keys=keys)] if keys else batches
