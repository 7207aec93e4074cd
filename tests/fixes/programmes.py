"""A programme as the command makes it, for its tests: configured pairs, examined, planned, written as a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.config.known import NotedPair
from fkexplorer.config.settings import Settings
from fkexplorer.doctor.examine import examine
from fkexplorer.doctor.mending import plan_all
from fkexplorer.fixes.programme_script import programme_script
from fkexplorer.known.bind import read_known
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.graph import Graph
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.programme import Programme

NOWHERE = Path("/nonexistent")
"""A folder without files that tell of relationships."""
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Linked:
    """What is configured."""

    settings: Settings

    @classmethod
    def of(cls, *pairs: str) -> Linked:
        """These pairs alone."""
        return cls(Settings(relationships=tuple(NotedPair(pair, f"test:{at}") for at, pair in enumerate(pairs))))


async def planned(
    database: Database,
    linked: Linked,
    *,
    clean: FixAction = FixAction.QUARANTINE,
    only: Callable[[str], bool] = lambda _: True,
) -> Programme:
    """The programme of all edges of the database whose child's schema and name are wanted."""
    known = await read_known(database, linked.settings, NOWHERE)
    schema = known.schema
    edges = [
        edge for edge in schema.edges.values() if only(f"{schema.child_of(edge).schema}.{schema.child_of(edge).name}")
    ]
    found = await examine(database, schema, Graph(schema), edges, max_bytes=MAX_BYTES)
    return await plan_all(database, schema, found, clean=clean, max_bytes=MAX_BYTES)


async def written(
    conninfo: str,
    linked: Linked,
    *,
    clean: FixAction = FixAction.QUARANTINE,
    only: Callable[[str], bool] = lambda _: True,
    role: str | None = None,
) -> tuple[Programme, str]:
    """The same on a connection of its own, and its script."""
    async with opened(conninfo, role) as (database, _):
        made = await planned(database, linked, clean=clean, only=only)
        return made, await programme_script(database, made)
