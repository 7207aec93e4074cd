"""What every look at the cause of an error starts from: the error, its edge, the database and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.model import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Key, Placed
    from fkexplorer.diagnosis.reading.model import Found, ParsedError, Row
    from fkexplorer.schema.graph import Graph
    from fkexplorer.schema.model import Relationship, Schema


@dataclass(frozen=True, slots=True)
class Case:
    """One error in one database."""

    database: Database
    schema: Schema
    graph: Graph
    found: Found
    placed: Placed
    edge: Relationship | None
    """The edge that the error is certain to mean, or the pair that it is guessed to mean; None where there is none."""
    max_bytes: int
    """Tables up to this size may be read whole; larger ones by an index alone."""
    deletes: Mapping[int, int] | None = None
    """Rows deleted from each parent, by its OID, since `since`; None where nobody has watched."""
    since: datetime | None = None

    @property
    def error(self) -> ParsedError:
        """The error itself."""
        return self.found.error

    @property
    def row(self) -> Row | None:
        """The child row that was refused, where the text has it."""
        return self.error.row

    @property
    def key(self) -> Key | None:
        """The key as the server printed it, in the order of the edge's pairs; None where the text does not tell it.

        With `still_referenced` the columns that the error names are the parent's.
        """
        return self.ordered(self.error.values)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, and the others that the text may be cut into; where it tells none, that of the refused row.

        Each once, in the order of the edge's pairs; none of a row with NULL in the key.
        """
        cuts = (self.error.values, *self.error.other_cuts)
        found = tuple(dict.fromkeys(key for cut in cuts if (key := self.ordered(cut)) is not None))
        if found or self.edge is None or self.row is None or self.error.kind is ErrorKind.STILL_REFERENCED:
            return found
        named = tuple(self.row.values.get(pair.child.name) for pair in self.edge.pairs)
        return () if None in named else (named,)

    def ordered(self, values: tuple[str | None, ...] | None) -> Key | None:
        """Values of the columns that the error names, in the order of the edge's pairs; None where those don't fit."""
        columns = self.error.columns
        if self.edge is None or not columns or not values or len(columns) != len(values):
            return None
        of_parent = self.error.kind is ErrorKind.STILL_REFERENCED
        named = dict(zip(columns, values, strict=True))
        wanted = [pair.parent.name if of_parent else pair.child.name for pair in self.edge.pairs]
        return tuple(named[name] for name in wanted) if set(wanted) <= set(named) else None
