"""What the parts of an entry that are taken back first will have changed by then, for the preview of those before them.

A batch may have changed again, or taken away, what the one before it has left. All is read from the backups, and only
where it matters: of most entries no row is in two batches.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.fixes.pieces import Piece
    from fkexplorer.fixes.restore import Restoration
    from fkexplorer.fixes.shapes import Stored

    Columns = tuple[Stored, ...]


class Ahead:
    """The parts that will have been taken back; `add` has each of them once it is examined itself."""

    def __init__(self) -> None:
        self._parts: list[Restoration] = []
        self._read: dict[int, int] = {}
        """By table how many of the parts are in its balance."""
        self._balance: dict[int, dict[Columns, Counter[bytes]]] = {}
        """By table: how many more rows, as they are printed, there will be than now."""

    def add(self, part: Restoration) -> None:
        """One more. Its rows are let go of, and read again where they are asked for."""
        part.release()
        self._parts.append(part)

    def changes(self, table: int) -> bool:
        """Whether any of them changes rows of this table."""
        return any(piece.shape.oid == table for part in self._parts for piece in part.pieces)

    def without(self, piece: Piece, lines: Iterable[bytes]) -> list[bytes]:
        """Those of these rows that will not be there by then."""
        missing = Counter(lines)
        missing.subtract(+self._of(piece))
        return list((+missing).elements())

    def back(self, piece: Piece) -> list[bytes]:
        """Rows of a piece's table that will be there, and are not now."""
        return list((+self._of(piece)).elements())

    def gone(self, piece: Piece) -> list[bytes]:
        """Rows of a piece's table that are there now, and will not be."""
        return list((-self._of(piece)).elements())

    def all_back(self, table: int) -> list[tuple[Sequence[Stored], Sequence[bytes]]]:
        """Rows of a table that will be there, and are not now, by the columns that they were backed up with."""
        return [(columns, list((+balance).elements())) for columns, balance in self._of_table(table).items()]

    def _of(self, piece: Piece) -> Counter[bytes]:
        return self._of_table(piece.shape.oid).get(piece.columns, Counter())

    def _of_table(self, table: int) -> dict[Columns, Counter[bytes]]:
        found = self._balance.setdefault(table, {})
        for part in self._parts[self._read.get(table, 0) :]:
            for piece in part.pieces:
                if piece.shape.oid == table:
                    balance = found.setdefault(piece.columns, Counter())
                    balance.update(part.load(piece.section, "old"))
                    balance.subtract(part.load(piece.section, "new"))
        self._read[table] = len(self._parts)
        return found
