"""Pages of rows: the table's key and the foreign key's columns first, one cursor for the row and one for the column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message

from fkexplorer.orphans.model import Bound
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import exact, fit, inert, width
from fkexplorer.tui.keys import bindings
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.theme import painted
from fkexplorer.tui.world import RowsKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.binding import BindingType

    from fkexplorer.orphans.model import Count, Field, Page, Value
    from fkexplorer.tui.world import RowsQuery

MASK = "***"
WIDEST = 36
"""Cells that a column takes at most, a uuid's: the whole value is one key away."""
PAGE = 200


@dataclass(frozen=True, slots=True)
class Marks:
    """What somebody marked: orphan rows, or the keys that they miss."""

    rows: tuple[tuple[str | None, ...], ...] = ()
    """By what identifies them (`Page.keys`)."""
    missing: tuple[tuple[str | None, ...], ...] = ()
    """Values of the child's columns."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.missing)

    def __str__(self) -> str:
        rows, keys = len(self.rows), len(self.missing)
        if rows:
            return f"{rows:,} marked {'row' if rows == 1 else 'rows'}"
        return f"{keys:,} marked {'key' if keys == 1 else 'keys'}" if keys else ""


class RowsView(LineList):
    """The rows of one query. More pages are asked for when the cursor comes near the end of what is there."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("columns")

    @dataclass
    class Wanted(Message):
        """The next page is needed."""

        query: RowsQuery
        after: tuple[str | None, ...]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.query_shown: RowsQuery | None = None
        self.title = ""
        self.known_total: int | None = None
        """Exact number of rows where a count says it."""
        self.fields: tuple[Field, ...] = ()
        self.rows: list[tuple[Value, ...]] = []
        self.keys: list[tuple[str | None, ...]] = []
        self.more = False
        self.after: tuple[str | None, ...] | None = None
        self.as_role = False
        self.order = ""
        self.left_out: tuple[str, ...] = ()
        self.waiting = False
        self.trouble: str | None = None
        self.column = 0
        self.filter_text = ""
        self._marked: set[int] = set()
        """Indexes into `rows`."""
        self._shown: list[int] = []
        self._widths: list[int] = []
        self._first_column = 0

    # Data

    def begin(self, query: RowsQuery, title: str) -> None:
        """A new query was sent: forget the rows of the last one."""
        self.query_shown, self.title, self.known_total = query, title, None
        self.fields, self.rows, self.keys, self._shown, self._widths = (), [], [], [], []
        self.more, self.after, self.as_role, self.trouble = False, None, False, None
        self.column = self._first_column = self.cursor = self.top = 0
        self.filter_text = ""
        self._marked = set()
        self.waiting = True
        self.refresh()

    def add_page(self, query: RowsQuery, page: Page) -> None:
        """Put a page behind the rows that are there; a late answer to another query is dropped."""
        if query != self.query_shown:
            return
        first = not self.fields
        self.fields, self.more, self.after, self.as_role = page.fields, page.more, page.after, page.as_role
        self.order, self.left_out = page.order, page.left_out
        start = len(self.rows)
        self.rows.extend(page.rows)
        self.keys.extend(page.keys)
        self.waiting = False
        if first:
            self.column = next((at for at, field in enumerate(self.fields) if field.foreign), 0)
        self._measure(page)
        self._shown.extend(at for at in range(start, len(self.rows)) if self._matches(at))
        self.refresh()

    def take_count(self, count: Count) -> None:
        """A count of the edge came: it may say how many rows there are in all."""
        kind = self.query_shown.kind if self.query_shown else None
        totals = {
            RowsKind.ORPHANS: _misfits(count) or (count.orphans if count.bound is Bound.EXACT else None),
            RowsKind.KEYS: count.missing_keys,
            RowsKind.CHILDLESS: count.childless,
        }
        self.known_total = totals.get(kind) if kind else None
        self.repaint_headings()

    def fail(self, query: RowsQuery, reason: str) -> None:
        """Say why there are no rows."""
        if query == self.query_shown:
            self.waiting, self.trouble = False, reason
            self.refresh()

    def stopped(self) -> None:
        """The read was stopped."""
        self.waiting = False
        self.trouble = None if self.rows else "Stopped."
        self.refresh()

    def near_end(self) -> None:
        """Ask for the next page."""
        if self.more and not self.waiting and self.after is not None and self.query_shown is not None:
            self.waiting = True
            self.post_message(self.Wanted(self.query_shown, self.after))

    def set_filter(self, text: str) -> None:
        """Show only the loaded rows that hold this text."""
        self.filter_text = text
        self._shown = [at for at in range(len(self.rows)) if self._matches(at)]
        self.cursor = self.top = 0
        self.refresh()

    def _matches(self, at: int) -> bool:
        wanted = self.filter_text.casefold()
        return not wanted or any(value.text and wanted in value.text.casefold() for value in self.rows[at])

    @property
    def current(self) -> int | None:
        """Index into `rows` and `keys` of the cursor's row."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    @property
    def current_value(self) -> Value | None:
        """The value under both cursors."""
        row = self.current
        return self.rows[row][self.column] if row is not None and self.column < len(self.fields) else None

    @property
    def current_field(self) -> Field | None:
        """The column under the cursor."""
        return self.fields[self.column] if self.column < len(self.fields) else None

    # Marks

    @property
    def marks(self) -> Marks:
        """What is marked, in the order of the list."""
        order = sorted(self._marked)
        if self.query_shown is not None and self.query_shown.kind is RowsKind.KEYS:
            return Marks(missing=tuple(self._key_of(at) for at in order))
        return Marks(rows=tuple(self.keys[at] for at in order))

    def _key_of(self, at: int) -> tuple[str | None, ...]:
        values = zip(self.fields, self.rows[at], strict=True)
        return tuple(value.text for field, value in values if field.foreign)

    def mark(self) -> str:
        """Mark the cursor's row, or take its mark away, and go to the next; why that can't be done, or nothing."""
        at = self.current
        if at is None:
            return "there is no row"
        if self.query_shown is not None and self.query_shown.kind is RowsKind.KEYS:
            own = [value for field, value in zip(self.fields, self.rows[at], strict=True) if field.foreign]
            if any(value.masked for value in own):
                return "its value is masked: M shows it"
            if any(value.cut for value in own):
                return "its value is too long to be brought whole: mark its rows"
        self._marked ^= {at}
        self.repaint_line(self.cursor)
        self.repaint_headings()
        self.move_to(self.cursor + 1)
        return ""

    def unmark(self) -> None:
        """Take all marks away."""
        self._marked = set()
        self.refresh()

    # Painting

    def _measure(self, page: Page) -> None:
        ascii_only = painted(self.app).ascii_only
        widths = self._widths or [width(inert(field.name, ascii=ascii_only)) for field in self.fields]
        for row in page.rows:
            for at, value in enumerate(row):
                if widths[at] < WIDEST:
                    widths[at] = max(widths[at], min(WIDEST, _cells(value, ascii_only=ascii_only)))
        self._widths = [min(cells, WIDEST) for cells in widths]

    def line_count(self) -> int:
        """One line a row."""
        return len(self._shown)

    def heading_count(self) -> int:
        """The title and the names of the columns."""
        return 2

    def headings(self, width: int) -> Sequence[Sequence[Span]]:
        """What these rows are and how many, and the columns."""
        names: list[Span] = [Span(" ")]
        for at in self._columns_in(width):
            field = self.fields[at]
            style = "key" if at == self.column else "heading"
            right = self._right_aligned(field)
            names += [Span(self._fit(field.name, self._widths[at], right=right), style), Span("  ")]
        return (self._title_line(width), names)

    def _title_line(self, cells: int) -> list[Span]:
        """What these rows are; how many, and what is particular about them, as far as there is room."""
        ascii_only = painted(self.app).ascii_only
        must = [self._how_many()]
        if self._marked:
            must.append(f"{exact(len(self._marked))} marked")
        if self.as_role:
            must.append("as your role sees them")
        said = "  ".join(must)
        title = fit(self.title, max(10, cells - width(said) - 3), ascii=ascii_only, pad=False)
        room = cells - width(title) - 3
        for note in self._notes():
            if width(said) + width(note) + 2 <= room:
                said += "  " + note
        return [Span(" " + title, "title"), Span("  " + inert(said, ascii=ascii_only), "dim")]

    def _notes(self) -> Iterator[str]:
        if self.filter_text:
            yield f"filter: {self.filter_text}"
        if hidden := sum(field.secret for field in self.fields):
            masked = any(value.masked for value in self.rows[0]) if self.rows else True
            yield f"{hidden} secret {'masked' if masked else 'SHOWN'} (M)"
        if self.left_out:
            yield f"{len(self.left_out)} columns denied"
        if self.rows:
            yield self.order

    def _how_many(self) -> str:
        if self.waiting and not self.rows:
            return "reading"
        if self.trouble:
            return ""
        loaded = len(self.rows)
        if self.filter_text:
            return f"{exact(len(self._shown))} of {exact(loaded)} loaded"
        if not self.more:
            return exact(loaded)
        if self.known_total is not None and self.known_total > loaded:
            return f"{exact(loaded)} of {exact(self.known_total)}"
        return f"{exact(loaded)} of >{exact(loaded)}"

    def line(self, index: int, width: int) -> Sequence[Span]:
        """One row, cut to its columns."""
        row = self.rows[self._shown[index]]
        spans: list[Span] = [Span("*", "key") if self._shown[index] in self._marked else Span(" ")]
        for at in self._columns_in(width):
            spans += [self._cell(row[at], at), Span("  ")]
        return spans

    def _right_aligned(self, field: Field) -> bool:
        """Numbers; of what is computed, the number of rows alone: all else is words."""
        return field.column.category == "N" if field.column is not None else field.name == "rows"

    def _cell(self, value: Value, at: int) -> Span:
        cells = self._widths[at]
        if value.masked:
            return Span(self._fit(MASK, cells), "dim")
        if value.text is None:
            return Span(self._fit("NULL", cells), "null")
        field = self.fields[at]
        style = "problem" if field.foreign and self._is_orphans else ""
        right = self._right_aligned(field)
        return Span(self._fit(value.text, cells, right=right, cut=value.cut), style)

    @property
    def _is_orphans(self) -> bool:
        return self.query_shown is not None and self.query_shown.kind in (RowsKind.ORPHANS, RowsKind.KEYS)

    def _fit(self, text: str, cells: int, *, right: bool = False, cut: bool = False) -> str:
        ascii_only = painted(self.app).ascii_only
        if cut and width(inert(text, ascii=ascii_only)) < cells:
            text += "~" if ascii_only else "…"
        return fit(text, cells, middle=False, right=right, ascii=ascii_only)

    def _columns_in(self, cells: int) -> list[int]:
        """The columns that fit, from the first one shown; the last of them may be cut."""
        shown: list[int] = []
        taken = 1
        for at in range(self._first_column, len(self.fields)):
            if taken >= cells:
                break
            shown.append(at)
            taken += self._widths[at] + 2
        return shown

    def empty_text(self) -> str:
        """Why there are no rows."""
        if self.trouble:
            return inert(self.trouble, ascii=painted(self.app).ascii_only)
        if self.waiting:
            return "reading ..."
        if self.filter_text:
            return "No loaded row holds this text."
        return "No rows."

    # Columns

    def action_left(self) -> None:
        """The column to the left."""
        self._to_column(self.column - 1)

    def action_right(self) -> None:
        """The column to the right."""
        self._to_column(self.column + 1)

    def _to_column(self, column: int) -> None:
        if not 0 <= column < len(self.fields):
            return
        self.touched = True
        self.column = column
        first = min(self._first_column, column)
        while first < column and 1 + sum(self._widths[at] + 2 for at in range(first, column + 1)) > self.text_width:
            first += 1
        if first != self._first_column:
            self._first_column = first
            self.refresh()
        else:
            self.repaint_headings()
        self.post_message(self.Moved(self, self.cursor))


def _misfits(count: Count) -> int | None:
    """Where the columns can't be compared, how many rows do not cast or would be orphans."""
    if count.uncastable is None or count.orphans_if_cast is None:
        return None
    return count.uncastable + count.orphans_if_cast


def _cells(value: Value, *, ascii_only: bool) -> int:
    if value.masked:
        return len(MASK)
    return 4 if value.text is None else width(inert(value.text[:WIDEST], ascii=ascii_only)) + (1 if value.cut else 0)
