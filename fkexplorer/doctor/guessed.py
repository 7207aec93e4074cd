"""The doctor of a guess: what would stand between it and a constraint. Nobody has accepted it, so nothing mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.doctor.examine import SECONDS, examine
from fkexplorer.doctor.model import Treatment
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.doctor.model import Examination
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema


async def examine_guess(
    database: Database,
    schema: Schema,
    guess: Relationship,
    *,
    max_bytes: int,
    seconds: float = SECONDS,
    counts: Mapping[int, Count] | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Examination:
    """Look at a guess as if it were configured: its findings come without a treatment, and so without any SQL.

    All but `guess`, an edge that need not be in the schema, is as of `examine`.

    Raises:
        Trouble: the connection is lost (`lost`).
    """
    edge = replace(guess, kind=EdgeKind.CONFIGURED)
    schema = replace(schema, edges={**schema.edges, edge.oid: edge})
    found = await examine(
        database, schema, Graph(schema), [edge], max_bytes=max_bytes, seconds=seconds, counts=counts, told=told
    )
    return replace(
        found, edges=(guess,), findings=tuple(replace(each, treatment=Treatment()) for each in found.findings)
    )
