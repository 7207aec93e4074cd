"""What the screen knows, apart from how it shows it: the schema, the counts so far, the trail of tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from fkexplorer.tui.arming import Arming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.config.settings import Environment
    from fkexplorer.database.model import ServerFacts
    from fkexplorer.diagnosis.model import Diagnosis
    from fkexplorer.diagnosis.reading.model import Reading
    from fkexplorer.inference.model import Inference
    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.live import Live
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
    HOLDING = "holding"
    """That hold a value in some columns."""


@dataclass(frozen=True, slots=True)
class RowsQuery:
    """A question for rows; `number` tells two askings of the same question apart, so that late answers are dropped."""

    kind: RowsKind
    table: int
    """The table whose rows are shown."""
    edge: int | None
    columns: tuple[int, ...] = ()
    """`pg_attribute.attnum` of the columns that hold `value`."""
    value: tuple[str | None, ...] = ()
    as_role: bool = False
    reveal: bool = False
    number: int = 0


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
class Explained:
    """A text that was read for errors, and what the database said about each."""

    reading: Reading
    at: int = 0
    """Which of its findings is shown."""
    diagnoses: dict[int, tuple[Diagnosis, Schema]] = field(default_factory=dict)
    """By the finding's place in the reading, with the catalogue that it was looked at with."""
    chosen: dict[int, int] = field(default_factory=dict)
    """The edge that somebody said a finding means, where it may mean several."""

    @property
    def known(self) -> tuple[Diagnosis, Schema] | None:
        """What the database said about the finding that is shown."""
        return self.diagnoses.get(self.at)


@dataclass(slots=True)
class World:
    """The state behind the screen. Only message handlers change it."""

    label: str = ""
    """Where it is connected to, for people."""
    facts: ServerFacts | None = None
    schema: Schema | None = None
    """What is drawn: guesses too, while they are shown."""
    known: Schema | None = None
    """The same without guesses: what is explained, traced and fixed."""
    graph: Graph | None = None
    """Of what is known."""
    counts: dict[int, Count] = field(default_factory=dict)
    live: Live = field(init=False)
    """What the monitor tells beside the counts. Made once the first frame is painted: it takes 10 ms to import."""
    in_full: set[int] = field(default_factory=set)
    """Edges whose totals were asked for because somebody looks at their rows."""
    ahead: timedelta = timedelta()
    """How far the server's clock is ahead of this computer's."""
    first_pass_done: bool = False
    lost: str | None = None
    """Why the connection is gone, one line."""
    arming: Arming = field(default_factory=Arming)
    """Whether anything can be written."""
    environment: Environment | None = None
    """The configured one of the server."""
    mended: bool = False
    """A fix has run since the rows on screen were read."""
    explained: Explained | None = None
    """What was explained last."""
    bell: bool = True
    """Whether it rings when orphans appear."""
    trail: Trail = field(default_factory=Trail)
    unbound: tuple[str, ...] = ()
    """What is configured and could not be found in the catalogue, a sentence each."""
    inference: Inference | None = None
    """What was guessed, while it is shown."""
    guessed_at: datetime | None = None
    """When, by the server's clock."""
    guessing: bool = False
    """Guesses are looked for now."""
    edges: dict[int, Edges] = field(default_factory=dict)
    """For each table its edges on either side."""
    heirs: dict[int, int] = field(default_factory=dict)
    """For each edge of the catalogue before this one the edge that it is now: another one where its constraint was
    replaced by one on the same columns."""

    def take(self, schema: Schema, graph: Graph, unbound: tuple[str, ...] | None = None) -> None:
        """A catalogue was read: index its edges by table, forget counts of edges that are no more, or others now.

        `unbound` is what is configured and not there; None where it is as before.
        """
        from fkexplorer.reports.tables import edges_by_table  # noqa: PLC0415 - the first frame does without
        from fkexplorer.schema.difference import same_question  # noqa: PLC0415 - as above
        from fkexplorer.schema.undeclared import without_guesses  # noqa: PLC0415 - as above

        before, self.schema, self.graph = self.schema, schema, graph
        self.known = without_guesses(schema)
        self.edges = edges_by_table(schema)
        if unbound is not None:
            self.unbound = unbound
        if before is not None:
            self.counts = {oid: count for oid, count in self.counts.items() if same_question(before, schema, oid)}
            self._inherit(before, schema)
        self.trail.keep(schema.tables)

    def _inherit(self, before: Schema, schema: Schema) -> None:
        from fkexplorer.orphans.history import pair_of  # noqa: PLC0415 - as above

        pairs = {pair_of(edge): oid for oid, edge in schema.edges.items()}
        found = {oid: oid if oid in schema.edges else pairs.get(pair_of(edge)) for oid, edge in before.edges.items()}
        self.heirs = {oid: heir for oid, heir in found.items() if heir is not None}
        self.live.inherit(self.heirs)
        self.in_full &= schema.edges.keys()

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

    def problems(self, tables: Iterable[int]) -> list[int]:
        """The edges with a problem, in the order of their children: orphans, no answer, a lock wait."""
        from fkexplorer.orphans.model import Status  # noqa: PLC0415 - as above

        fine = (Status.CLEAN, Status.SKIPPED, Status.STOPPED)
        return [
            edge.oid
            for table in tables
            for edge in self.edges_of(table).own
            if edge.oid in self.live.waits
            or ((count := self.counts.get(edge.oid)) is not None and count.status not in fine)
        ]

    def limited_by_row_security(self, *tables: int) -> bool:
        """Whether policies hide rows of one of these tables from the connected role."""
        return bool(self.schema) and any(
            table.row_security_active for oid in tables if (table := self.table(oid)) is not None
        )
