"""The Lens: one table, what it refers to on its left, what refers to it on its right, one screen row per foreign key.

A pure function from the model to lines of styled text: it needs no layout, lines never cross, and several keys
between the same tables, self-references and hubs are ordinary rows. The screen and `show` paint exactly this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.lens_paint import Columns, OneList
from fkexplorer.reports.lens_rows import Entries, LensOrder, LensRow
from fkexplorer.reports.live import QUIET
from fkexplorer.reports.style import Line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.model import Schema

__all__ = ["HUB", "NARROW", "Lens", "LensOrder", "LensRow", "build_lens"]

NARROW = 60
"""Below this many cells the three columns become one list."""

HUB = 20
"""From this many children on, clean ones fold."""


@dataclass(frozen=True, slots=True)
class Lens:
    """The picture: `title` stays on screen, `rows` scroll; a row without an edge (a border) cannot be chosen."""

    table: int
    width: int
    narrow: bool
    title: tuple[Line, ...]
    rows: tuple[LensRow, ...]
    order: LensOrder

    def row_of(self, edge: int, *, child: bool) -> int | None:
        """Where an edge is shown, on the right (`child`) or on the left; None where it is folded away."""
        for index, row in enumerate(self.rows):
            if edge == (row.child_edge if child else row.parent_edge):
                return index
        return None

    @property
    def text(self) -> str:
        """Title and rows without styles, a line each, without trailing spaces."""
        lines = [plain(line) for line in self.title] + [plain(row.spans) for row in self.rows]
        return "\n".join(line.rstrip() for line in lines)


def build_lens(
    schema: Schema,
    table_oid: int,
    counts: Mapping[int, Count],
    *,
    width: int,
    ascii: bool = False,
    live: Live = QUIET,
    fold_clean: bool = True,
    hub: int = HUB,
    cycles: Mapping[int, int] | None = None,
    order: LensOrder | None = None,
    narrow: bool | None = None,
    fold_hint: str = "",
) -> Lens:
    """The Lens of a table.

    Args:
        schema: the model.
        table_oid: the table in the middle; KeyError if there is none.
        counts: what is known, by edge.
        width: cells of every row.
        ascii: write nothing beyond ASCII.
        live: what a monitor tells of the edges.
        fold_clean: fold the clean children of a hub into one row.
        hub: from this many children on a table is a hub.
        cycles: for edges on a cycle its length, see `badges.cycle_lengths`.
        order: rows as they were shown before; None sorts them, worst first.
        narrow: one list instead of three columns; None decides by the width.
        fold_hint: what to say at the right of the folded row.
    """
    entries = Entries(schema, table_oid, counts, cycles or {}, live, ascii=ascii)
    parents = entries.parents(order.parents if order else None)
    children, folded = entries.children(order.children if order else None, hub=hub if fold_clean else None)
    slim = width < NARROW if narrow is None else narrow
    painter = (OneList if slim else Columns)(entries, width, parents, children, folded)
    picture = painter.picture(fold_hint)
    now = LensOrder(tuple(entry.edge.oid for entry in parents), tuple(entry.edge.oid for entry in children))
    return Lens(table_oid, width, slim, picture.title, picture.rows, now)
