"""Guesses the relationships of a connected database: what commands and the app ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.inference.infer import candidates, infer
from fkexplorer.inference.reading import read_evidence
from fkexplorer.inference.sampling import read_samples

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.inference.model import Inference
    from fkexplorer.schema.model import Schema


async def look(database: Database, schema: Schema, *, data: bool, seconds: float, max_bytes: int) -> Inference:
    """What nobody declared and is likely.

    Args:
        database: where to look.
        schema: its catalogue; edges that people know of are in it, and are not guessed again.
        data: whether values are looked at too: some keys of each child, in its parent.
        seconds: for the values of all pairs together.
        max_bytes: of a table that may be read whole.

    Returns:
        The guesses; what could not be looked at is among the `problems`.

    Raises:
        Trouble: the server refused to tell of its catalogue, or the connection is lost.
    """
    evidence = await read_evidence(database, schema)
    if not data:
        return await asyncio.to_thread(infer, schema, evidence)
    # Some 100 ms where there are 1,500 tables; a screen must not stand still meanwhile.
    worth = await asyncio.to_thread(candidates, schema, evidence)
    samples, late = await read_samples(database, schema, worth, seconds=seconds, max_bytes=max_bytes)
    inference = await asyncio.to_thread(infer, schema, evidence, samples)
    return replace(inference, problems=(*inference.problems, *late))
