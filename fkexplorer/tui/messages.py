"""What workers tell the screen, and what the screen wants of them.

A worker never touches a widget: it posts one of these, and a handler does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from fkexplorer.database.model import ServerFacts, Trouble
    from fkexplorer.orphans.events import Event
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Schema
    from fkexplorer.tui.world import RowsQuery


def words_of(trouble: Trouble) -> str:
    """What happened and what to do about it, on one line."""
    return f"{trouble.reason}; {trouble.hint}"


@dataclass
class Connected(Message):
    """The server answered."""

    facts: ServerFacts


@dataclass
class ConnectFailed(Message):
    """It did not, or not as we need it."""

    trouble: Trouble


@dataclass
class SchemaLoaded(Message):
    """The catalogue has been read."""

    schema: Schema
    graph: Graph
    problems: tuple[str, ...] = ()
    """What is configured and is not there, a sentence each."""


@dataclass
class ReloadFailed(Message):
    """The catalogue could not be read again; the connection stands."""

    trouble: Trouble


@dataclass
class Told(Message):
    """The monitor saw something; `generation` is the connection that it looks through."""

    generation: int
    event: Event


@dataclass
class ConnectionLost(Message):
    """The server went away while the app ran."""

    generation: int
    trouble: Trouble


@dataclass
class Reconnected(Message):
    """A connection that broke was made again, or one reached another server."""

    generation: int
    same: bool
    """Whether it is the same database of the same server, as the same user."""


@dataclass
class PartitionsLoaded(Message):
    """In which partitions the orphans of this edge lie."""

    generation: int
    edge: int
    page: Page


@dataclass
class PageLoaded(Message):
    """A page of rows arrived for this query."""

    query: RowsQuery
    page: Page


@dataclass
class PageFailed(Message):
    """It did not."""

    query: RowsQuery
    trouble: Trouble


@dataclass
class RowsWanted(Message):
    """A page is to be fetched; `after` is None for the first."""

    query: RowsQuery
    after: tuple[str | None, ...] | None


@dataclass
class RowWanted(Message):
    """A row is to be shown in full."""

    query: RowsQuery
    title: str
    key: tuple[str | None, ...]


@dataclass
class CountWanted(Message):
    """These edges are to be counted again; None means everything."""

    edges: tuple[int, ...] | None


@dataclass
class LookedAt(Message):
    """Somebody looks at these edges, in this order: they are to be counted first."""

    edges: tuple[int, ...]


@dataclass
class TotalsWanted(Message):
    """Somebody looks at the rows of this edge: its totals are worth a count."""

    edge: int


@dataclass
class StopWanted(Message):
    """The count of this edge is to stop."""

    edge: int


@dataclass
class SqlWanted(Message):
    """The query behind these orphans is to be copied."""

    edge: int
