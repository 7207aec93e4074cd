"""The drawing of a Lens: three columns with the table's box in the middle, or one list where there is no room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.lens_rows import Entries, Entry, LensRow
from fkexplorer.reports.live import marked
from fkexplorer.reports.style import Line, Span, joined
from fkexplorer.reports.values import exact, fit, inert
from fkexplorer.reports.values import width as cells
from fkexplorer.schema.model import EdgeKind, EdgeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.reports.badges import Total

BADGE = 6
"""Cells of the rows badge: `!!1.3k`, `>=1.3k`, `<=1.6%`."""

ROOMY = 100
"""From this width on tags are shown in full; below they get four cells (beside a guess six), most important first."""

_DASHED = frozenset([EdgeState.NOT_VALID, EdgeState.NOT_ENFORCED, EdgeState.DISABLED])


@dataclass(frozen=True, slots=True)
class _Glyphs:
    level: str
    dot: str
    upright: str
    top: tuple[str, str]
    bottom: tuple[str, str]
    into_left: str
    into_right: str
    arrow: str
    tee: str
    branch: str
    last: str


_UNICODE = _Glyphs("─", "·", "│", ("┌", "┐"), ("└", "┘"), "┤", "├", "◄", "┬", "├", "└")
_ASCII = _Glyphs("-", ".", "|", ("+", "+"), ("+", "+"), "+", "+", "<", "+", "+", "+")


@dataclass(frozen=True, slots=True)
class Picture:
    """Title lines and rows."""

    title: tuple[Line, ...]
    rows: tuple[LensRow, ...]


def _blank(number: int) -> Line:
    return (Span(" " * number),) if number > 0 else ()


def _chosen(words: Sequence[str], room: int) -> str:
    """As many tags as there is room for, in their order."""
    text = ""
    for word in words:
        longer = f"{text} {word}" if text else word
        if len(longer) <= room:
            text = longer
    return text


def _heading(word: str, known: Total) -> list[Span]:
    """`referenced by 22 + 1 inf  !180k ?`: the question mark where some of them are not known."""
    guesses = f" + {exact(known.guesses)} inf" if known.guesses else ""
    spans = [Span(f"{word} {exact(known.edges)}{guesses}", "dim")]
    if known.edges:
        spans += [Span("  "), known.worst]
        if known.orphans and known.unknown:
            spans += [Span(" "), Span("?", "unknown")]
    return spans


def _clipped(spans: Sequence[Span], room: int, *, ascii: bool) -> Line:
    """The spans cut and padded to the room."""
    line: list[Span] = []
    for span in spans:
        text = fit(span.text, min(room, cells(span.text)), ascii=ascii)
        room -= cells(text)
        line.append(Span(text, span.style))
    return (*line, *_blank(room))


class Columns:
    """Parents, the box, children."""

    def __init__(self, entries: Entries, width: int, parents: list[Entry], children: list[Entry], folded: int) -> None:
        self.ascii = entries.ascii
        self.glyphs = _ASCII if self.ascii else _UNICODE
        self.entries = entries
        self.width = width
        self.parents, self.children, self.folded = parents, children, folded
        self.arrow, self.bus = (5, 5) if width >= 80 else (3, 4)
        self.left_tags, self.right_tags = self._tags(parents), self._tags(children)
        self.starts = self._starts()
        self.keys = self._keys()
        self._share()

    def _tags(self, entries: Sequence[Entry]) -> int:
        """Cells of the tags on one side."""
        narrow = 6 if any(entry.edge.kind is EdgeKind.INFERRED for entry in entries) else 4
        room = 24 if self.width >= ROOMY else narrow
        return max((len(_chosen(entry.tags, room)) for entry in entries), default=0)

    def _share(self) -> None:
        """The cells of names on the left, in the box and on the right: whoever wants most gives first."""
        own = [cells(entry.focus_columns) for entry in self.parents]
        keys = {index: cells(text) for index, text in self.keys.items()}
        inner = 6
        for index in range(max(len(own), max(keys) + 1)):
            taken = own[index] if index < len(own) else 0
            inner = max(inner, taken + keys[index] + (2 if taken else 0) if index in keys else taken)
        title = cells(inert(self.entries.focus.name, ascii=self.ascii))
        left = max((cells(entry.label) for entry in self.parents), default=0)
        inner = max(inner, title)
        right = max((cells(entry.label) for entry in self.children), default=0)
        if self.folded:
            right = max(right, cells(f"+ {self.folded} clean"))
        left_rest = BADGE + 2 + (self.left_tags + 1 if self.left_tags else 0) if self.parents else 0
        right_rest = BADGE + 1 + (self.right_tags + 1 if self.right_tags else 0)
        room = self.width - self.arrow - self.bus - 4 - left_rest - right_rest
        # The title above needs room too: `references 6  !16k`.
        left = max(left, min(12 if self.parents else 13 - self.arrow, room // 4))
        while left + inner + right > room and max(left, inner, right) > 4:
            if right >= max(left, inner):
                right -= 1
            elif inner >= left:
                inner -= 1
            else:
                left -= 1
        self.left_name, self.right_name = left, max(right, 1)
        self.inner = inner
        self.left_cells = left + left_rest
        self.box_cells = inner + 4
        self.right_cells = self.width - self.left_cells - self.arrow - self.box_cells - self.bus

    def picture(self, hint: str) -> Picture:
        """Everything."""
        height = max(len(self.parents), max(self.keys) + 1)
        last = max(height + 1, len(self.children) + (1 if self.folded else 0))
        rows = (self._row(index, height, hint) for index in range(last))
        return Picture((self._title(),), (self._border(self.glyphs.top, None), *rows))

    def _starts(self) -> dict[int, int]:
        """For each child row the row where its key's group begins."""
        starts: dict[int, int] = {}
        for index, entry in enumerate(self.children):
            same = index > 0 and self._key(self.children[index - 1]) == self._key(entry)
            starts[index] = starts[index - 1] if same else index
        if self.folded:
            one = len(set(starts.values())) <= 1
            starts[len(self.children)] = 0 if one else -1  # of several keys: on no line
        return starts

    def _keys(self) -> dict[int, str]:
        """The referenced columns in the row where their children begin; the primary key where nothing refers to it."""
        keys = {
            start: self.children[start].focus_columns
            for start in self.starts.values()
            if 0 <= start < len(self.children)
        }
        primary = self.entries.focus.primary_key
        columns = [self.entries.focus.column(number) for number in primary.columns] if primary else []
        return keys or {0: self.entries.column_list(columns)}

    @staticmethod
    def _key(entry: Entry) -> tuple[int, ...]:
        return tuple(pair.parent.number for pair in entry.edge.pairs)

    def _title(self) -> Line:
        name = fit(self.entries.focus.name, self.box_cells, ascii=self.ascii, pad=False)
        before = (self.box_cells - cells(name)) // 2
        known = self.entries
        left = _clipped(_heading("references", known.parent_total), self.left_cells + self.arrow, ascii=self.ascii)
        right = [Span(" "), *_heading("referenced by", known.child_total)]
        middle = (*_blank(before), Span(name, "title"), *_blank(self.box_cells - before - cells(name)))
        return joined((*left, *middle, *_clipped(right, self.bus + self.right_cells, ascii=self.ascii)))

    def _border(self, corners: tuple[str, str], bus: Line | None) -> LensRow:
        line = corners[0] + self.glyphs.level * (self.box_cells - 2) + corners[1]
        box = (*_blank(self.arrow), Span(line, "box"), *(bus or _blank(self.bus)))
        return LensRow(_blank(self.left_cells), box, _blank(self.right_cells))

    def _row(self, index: int, height: int, hint: str) -> LensRow:
        parent = self.parents[index] if index < len(self.parents) else None
        child = self.children[index] if index < len(self.children) else None
        bus, right = self._right(index, child, hint)
        if index < height:
            box = self._box(index, parent)
            middle = joined((*self._arrow(parent), *box, *bus))
        elif index == height:
            middle = joined(self._border(self.glyphs.bottom, bus).box)
        else:
            middle = joined((*_blank(self.arrow + self.box_cells), *bus))
        return LensRow(
            self._left(parent),
            middle,
            right,
            parent.edge.oid if parent else None,
            child.edge.oid if child else None,
            self.folded if self.folded and index == len(self.children) else 0,
        )

    def _left(self, entry: Entry | None) -> Line:
        if entry is None:
            return _blank(self.left_cells)
        return joined((*self._text(entry, self.left_name, self.left_tags), Span(" ", entry.loud)))

    def _text(self, entry: Entry, room: int, tag_room: int) -> list[Span]:
        """Name, rows badge, tags: two columns that begin at the same cell in every row."""
        spans = [
            Span(self._label(entry, room), entry.loud),
            *marked(entry.mark, entry.badge, BADGE + 1, before=entry.loud),
        ]
        if tag_room:
            spans.append(Span(" ", entry.loud))
            spans.append(Span(f"{_chosen(entry.tags, tag_room):<{tag_room}}", entry.loud or "tag"))
        return spans

    def _label(self, entry: Entry, room: int) -> str:
        """The label; where it is too long the columns go first if the table says enough, else both are cut."""
        if cells(entry.label) <= room or not entry.columns:
            return fit(entry.label, room, ascii=self.ascii)
        if entry.sole and entry.table != "self":
            return fit(entry.name, room, ascii=self.ascii)
        behind = min(cells(entry.columns), max(room - 1 - cells(entry.name), (room - 1) // 2))
        before = room - 1 - behind
        return fit(
            fit(entry.name, before, ascii=self.ascii, pad=False)
            + "."
            + fit(entry.columns, behind, ascii=self.ascii, pad=False),
            room,
            ascii=self.ascii,
        )

    def _arrow(self, entry: Entry | None) -> Line:
        if entry is None:
            return _blank(self.arrow)
        line = self._line(entry, self.arrow - 1)
        return (Span(self.glyphs.arrow + line, entry.loud or "arrow"),)

    def _line(self, entry: Entry, length: int) -> str:
        if entry.edge.kind is EdgeKind.INFERRED:
            return self.glyphs.dot * length
        dashed = entry.edge.state in _DASHED
        return ((self.glyphs.level + " ") * length)[:length] if dashed else self.glyphs.level * length

    def _box(self, index: int, parent: Entry | None) -> Line:
        own, key = parent.focus_columns if parent else "", self.keys.get(index, "")
        if own and key:
            room = min(cells(key), max(self.inner // 3, self.inner - 2 - cells(own)))
            key = fit(key, room, ascii=self.ascii)
            own = fit(own, self.inner - room - 2, ascii=self.ascii) + "  "
        else:
            key = fit(key, min(cells(key), self.inner), ascii=self.ascii)
            own = fit(own, self.inner - cells(key), ascii=self.ascii)
        starts = self.starts.get(index) == index
        return (
            Span(self.glyphs.into_left if parent else self.glyphs.upright, "box"),
            Span(f" {own}"),
            Span(key, "key"),
            Span(" "),
            Span(self.glyphs.into_right if starts else self.glyphs.upright, "box"),
        )

    def _right(self, index: int, child: Entry | None, hint: str) -> tuple[Line, Line]:
        folding = bool(self.folded) and index == len(self.children)
        if child is None and not folding:
            return _blank(self.bus), _blank(self.right_cells)
        bus = self._bus(index, child)
        if child is not None:
            spans = self._text(child, self.right_name, self.right_tags)
            return bus, joined((*spans, *_blank(self.right_cells - self._taken())))
        words = f"+ {exact(self.folded)} clean"
        room = max(self._taken() - len(words) - 2, min(cells(hint), self.right_cells - len(words) - 2))
        behind = fit(hint, room, ascii=self.ascii, right=True) if hint else ""
        line = fit(f"{words}  {behind}" if behind.strip() else words, self.right_cells, middle=False, ascii=self.ascii)
        return bus, (Span(line, "dim"),)

    def _taken(self) -> int:
        return self.right_name + 1 + BADGE + (self.right_tags + 1 if self.right_tags else 0)

    def _bus(self, index: int, child: Entry | None) -> Line:
        start, after = self.starts[index], self.starts.get(index + 1)
        if start < 0:
            return _blank(self.bus)
        glyphs = self.glyphs
        first, ends = start == index, after != start
        head = (glyphs.arrow + glyphs.level * (self.bus - 4)) if first else " " * (self.bus - 3)
        knot = (glyphs.level if ends else glyphs.tee) if first else glyphs.last if ends else glyphs.branch
        branch = self._line(child, 2) if child else f"{glyphs.level} "
        return (Span(head + knot, "arrow"), Span(branch, (child.loud if child else "") or "arrow"))


class OneList:
    """Parents as `<- projects.source_project_id`, then children as `-> …`: for less than three columns' room."""

    def __init__(self, entries: Entries, width: int, parents: list[Entry], children: list[Entry], folded: int) -> None:
        self.ascii = entries.ascii
        self.entries = entries
        self.width = width
        self.parents, self.children, self.folded = parents, children, folded
        self.tags = max((len(_chosen(entry.tags, 8)) for entry in (*parents, *children)), default=0)

    def picture(self, hint: str) -> Picture:
        """Everything."""
        known = self.entries
        name = Span(fit(known.focus.name, self.width, ascii=self.ascii), "title")
        numbers = [*_heading("references", known.parent_total), Span("   ")]
        numbers += _heading("referenced by", known.child_total)
        rows = [
            LensRow(self._text("<-", entry, f"{entry.table}.{entry.focus_columns}"), (), (), entry.edge.oid)
            for entry in self.parents
        ]
        for entry in self.children:
            line = self._text("->", entry, f"{entry.table}.{entry.columns}" if entry.columns else entry.table)
            rows.append(LensRow((), (), line, None, entry.edge.oid))
        if self.folded:
            text = f"   + {exact(self.folded)} clean  {hint}"
            rows.append(LensRow((), (), (Span(fit(text, self.width, middle=False), "dim"),), folded=self.folded))
        return Picture(((name,), joined(_clipped(numbers, self.width, ascii=self.ascii))), tuple(rows))

    def _text(self, arrow: str, entry: Entry, label: str) -> Line:
        words = f"{_chosen(entry.tags, 8):<{self.tags}}"
        room = self.width - 3 - 1 - BADGE - (self.tags + 1 if self.tags else 0)
        text = fit(label, max(room, 4), ascii=self.ascii)
        spans = [
            Span(f"{arrow} ", entry.loud or "arrow"),
            Span(text, entry.loud),
            *marked(entry.mark, entry.badge, BADGE + 1, before=entry.loud),
        ]
        if words:
            spans.append(Span(f" {words}", entry.loud or "tag"))
        return joined(spans)
