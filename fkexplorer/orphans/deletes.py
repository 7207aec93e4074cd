"""How many rows were deleted from each parent since somebody watches: after a race it is all that is left to see."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fkexplorer.orphans.freshness import COLLECTED_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.orphans.changes import Counters, Look
    from fkexplorer.schema.model import Schema


class Deletes:
    """Differences of `pg_stat_get_tuples_deleted`, since the first look.

    Args:
        server_version: `server_version_num`.

    Attributes:
        since: the server's clock at that look, in seconds since 1970; None before it.
        rows: by the parent's OID, of all its partitions; None where it can't be known.
    """

    def __init__(self, server_version: int) -> None:
        # Before 15 a database has no statistics at all until the first are told, and then they begin.
        self._begins_late = server_version < 150000
        self.since: float | None = None
        self.rows: dict[int, int | None] = {}
        self._first: dict[int, int] = {}
        self._cluster = ""
        self._schema: Schema | None = None
        self._relations: dict[int, tuple[int, ...]] = {}
        """Each parent of that schema with its partitions."""
        self._quiet: tuple[str, float] | None = None
        """The snapshot of which nothing is held back any more, and since when that is so."""
        self._complete: str | None = None
        """The snapshot whose deletes all have been seen."""

    def needs_counters(self, look: Look) -> bool:
        """Whether there may be deletes that have not been seen: a session may tell of them long after their commit."""
        return look.counts and not look.standby and look.snapshot != self._complete

    def take(self, look: Look, counters: Mapping[int, Counters], schema: Schema) -> bool:
        """Take the counters that were read after a look; whether a number is another now."""
        if schema is not self._schema:
            self._schema = schema
            parents = {edge.parent for edge in schema.edges.values()}
            self._relations = {parent: (parent, *schema.tables[parent].partitions) for parent in parents}
        now: dict[int, int] = {}
        for parent, relations in self._relations.items():
            of = [counters[each].deleted for each in relations if each in counters]
            if of:
                now[parent] = sum(of)
        if self.since is None:
            self.since, self._cluster = look.at, look.cluster
        elif self._begins_late and look.cluster.startswith(f"{self._cluster}/"):
            self._cluster = look.cluster
        # A reset takes away what had been counted until then; a standby counts nothing.
        known = look.cluster == self._cluster and look.counts and not look.standby
        # A table that came later begins with what it has; one whose partitions went may have less than before.
        rows = {
            parent: max(0, deleted - self._first.setdefault(parent, deleted)) if known else None
            for parent, deleted in now.items()
        }
        if look.held_back != -math.inf:
            self._quiet = None
        elif self._quiet is None or self._quiet[0] != look.snapshot:
            self._quiet = look.snapshot, look.at
        complete = self._quiet is not None and look.at - self._quiet[1] >= COLLECTED_SECONDS
        self._complete = look.snapshot if complete else None
        changed, self.rows = rows != self.rows, rows
        return changed
