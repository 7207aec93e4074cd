"""What every rule of the doctor starts from: what is examined, what is known of it, and where more can be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.database.connection import Database
    from fkexplorer.known.model import WrittenRelation
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema


@dataclass(frozen=True, slots=True)
class Exam:
    """One examination: a rule reads it, asks the database for what is not in it, and gives its findings."""

    database: Database
    schema: Schema
    """With all configured edges, and a pair that was named by hand."""
    graph: Graph
    edges: tuple[Relationship, ...]
    """What is examined: rules tell of nothing else."""
    whole: bool
    """Whether all edges are examined; else what is about a schema or a server alone is not told."""
    counts: Mapping[int, Count]
    """Of each examined edge, by its OID: also those that have no number, with the status that says why."""
    unbound: tuple[WrittenRelation, ...]
    """Relationships that are written or named, and of which a table or a column is not in the schema."""
    max_bytes: int
    """Tables up to this size may be read whole; larger ones by an index alone."""
    ms: int
    """Milliseconds that one look into rows may take."""
    at: datetime
    """The server's clock when the examination began, UTC; what the catalogue says is as of `schema.loaded_at`."""
    missed: list[tuple[str, str]] = field(default_factory=list)
    """What a rule could not look at, with the reason; the counts are noted by the frame."""

    def orphans(self, edge: Relationship) -> int | None:
        """Its orphans; None where that is not known."""
        count = self.counts.get(edge.oid)
        return count.orphans if count is not None and count.known else None

    def miss(self, what: str, reason: str) -> None:
        """Note that something could not be looked at, once."""
        if (what, reason) not in self.missed:
            self.missed.append((what, reason))
