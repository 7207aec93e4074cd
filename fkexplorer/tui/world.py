"""What the screen knows, apart from how it shows it: the schema, the counts so far, the trail of tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.tables import Edges
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema, Table


class View(StrEnum):
    """What the main pane shows."""

    TABLES = "tables"
    LENS = "lens"
    ROWS = "rows"


class RowsKind(StrEnum):
    """Which rows."""

    ORPHANS = "orphans"
    KEYS = "keys"
    CHILDLESS = "childless"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """A question for rows; `number` tells two askings of the same question apart, so that late answers are dropped."""

    kind: RowsKind
    table: int
    """The table whose rows are shown."""
    edge: int | None
    as_role: bool
    reveal: bool
    number: int


@dataclass(slots=True)
class Trail:
    """The tables that were in focus, as a browser keeps pages."""

    places: list[int] = field(default_factory=list)
    at: int = -1

    def go(self, table: int) -> None:
        """Go to a table; what lay ahead is forgotten."""
        if self.here == table:
            return
        del self.places[self.at + 1 :]
        self.places.append(table)
        self.at += 1

    @property
    def here(self) -> int | None:
        """The table in focus."""
        return self.places[self.at] if self.at >= 0 else None

    def step(self, by: int) -> int | None:
        """Go back (-1) or forward (1); the table there, or None at the end."""
        if not 0 <= self.at + by < len(self.places):
            return None
        self.at += by
        return self.here

    def behind(self) -> tuple[int, ...]:
        """The tables up to and with the one in focus."""
        return tuple(self.places[: self.at + 1])

    def keep(self, known: Iterable[int]) -> None:
        """Forget tables that are no more."""
        known = set(known)
        here = self.here
        self.places = [place for place in self.places if place in known]
        self.at = self.places.index(here) if here in self.places else len(self.places) - 1


@dataclass(slots=True)
class World:
    """The state behind the screen. Only message handlers change it."""

    label: str = ""
    """Where it is connected to, for people."""
    facts: ServerFacts | None = None
    schema: Schema | None = None
    graph: Graph | None = None
    counts: dict[int, Count] = field(default_factory=dict)
    checking: set[int] = field(default_factory=set)
    first_pass_done: bool = False
    lost: str | None = None
    """Why the connection is gone, one line."""
    trail: Trail = field(default_factory=Trail)
    edges: dict[int, Edges] = field(default_factory=dict)
    """For each table its edges on either side."""

    def take(self, schema: Schema, graph: Graph) -> None:
        """A catalogue was read: index its edges by table, forget counts of edges that are no more."""
        self.schema, self.graph = schema, graph
        from fkexplorer.reports.tables import edges_by_table  # noqa: PLC0415 - the first frame does without

        self.edges = edges_by_table(schema)
        self.counts = {oid: count for oid, count in self.counts.items() if oid in schema.edges}
        self.checking.clear()
        self.trail.keep(schema.tables)

    def edge(self, oid: int | None) -> Relationship | None:
        """The edge with this OID."""
        return self.schema.edges.get(oid) if self.schema and oid is not None else None

    def edges_of(self, table: int) -> Edges:
        """The edges on either side of a table."""
        from fkexplorer.reports.tables import Edges  # noqa: PLC0415 - as above

        return self.edges.get(table) or Edges((), ())

    def table(self, oid: int | None) -> Table | None:
        """The table with this OID."""
        return self.schema.tables.get(oid) if self.schema and oid is not None else None

    def limited_by_row_security(self, *tables: int) -> bool:
        """Whether policies hide rows of one of these tables from the connected role."""
        return bool(self.schema) and any(
            table.row_security_active for oid in tables if (table := self.table(oid)) is not None
        )
