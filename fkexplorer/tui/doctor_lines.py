"""The two lists of the doctor's screen: the findings, and the one under the cursor in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.reports.doctor_list import ListLine, detail_lines, list_lines
from fkexplorer.reports.style import Span
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.panel import wrapped
from fkexplorer.tui.theme import painted, strip_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

    from fkexplorer.doctor.model import Examination
    from fkexplorer.reports.doctor_list import Told
    from fkexplorer.schema.model import Schema


class FindingLines(TextLines):
    """A line for each finding, below a heading for each severity; the cursor stands on no heading."""

    def __init__(self) -> None:
        super().__init__(id="findings")
        self.filter_text = ""
        self._found: Examination | None = None
        self._built: tuple[Examination, int, str] | None = None
        """What the lines are made of."""
        self._lines: list[ListLine] = []

    def take(self, found: Examination) -> None:
        """Another examination; the cursor stays on the finding that it is on, where that is there still."""
        at, before = self.cursor, self.told
        self._found = found
        self.build()
        same = (place for place, each in enumerate(self._lines) if before and _same(each.told, before))
        self.move_to(next(same, at))

    def build(self) -> None:
        """Fill the list for the width that there is, unless it is so already: of 4,000 findings that takes 0.1 s."""
        cells = max(20, self.size.width - 2)
        if self._found is None or self._built == (built := (self._found, cells, self.filter_text)):
            return
        self._built = built
        ascii_only = painted(self.app).ascii_only
        self._lines = list_lines(self._found, cells=cells, ascii=ascii_only, text=self.filter_text)
        self.content = [each.line for each in self._lines]
        self.move_to(self.cursor)
        self.refresh()

    def set_filter(self, text: str) -> None:
        """Only lines that hold this text."""
        self.filter_text = text
        self.build()

    @property
    def told(self) -> Told | None:
        """What the cursor is on."""
        return self._lines[self.cursor].told if self.cursor < len(self._lines) else None

    def selectable(self, index: int) -> bool:
        """Not a heading, unless there is nothing else."""
        return self._lines[index].told is not None or all(each.told is None for each in self._lines)

    def empty_text(self) -> str:
        """Nothing holds the filter's text, or nothing is known yet."""
        return "No finding holds this text. Esc clears the filter." if self.filter_text else ""


def _same(told: Told | None, before: Told) -> bool:
    """Whether both are about the same: the words and numbers of a finding change."""
    if told is None or told.finding is None or before.finding is None:
        return told == before
    return (told.finding.code, told.finding.subject) == (before.finding.code, before.finding.subject)


class DetailLines(TextLines):
    """The finding in full, below a rule that shows where the keys go; no line is marked while they go elsewhere."""

    def __init__(self) -> None:
        super().__init__(id="finding")

    def take(self, told: Told | None, schema: Schema | None) -> None:
        """Show this one, from its beginning if it is another."""
        cells, ascii_only = max(20, self.size.width - 2), painted(self.app).ascii_only
        lines = detail_lines(told, schema, cells=cells, ascii=ascii_only) if told and schema else []
        # Only lines of SQL are longer than that.
        content = [each for line in lines for each in wrapped([line], cells + 1)]
        if content != self.content:
            self.content, self.cursor, self.top = content, 0, 0
            self.refresh()

    def turn(self) -> None:
        """A screen further; behind the end to the beginning."""
        height = self.body_height
        self.move_to(self.top + 2 * height - 1 if self.top + height < self.line_count() else 0)

    def heading_count(self) -> int:
        """The rule."""
        return 1

    def headings(self, width: int) -> Sequence[Sequence[Span]]:  # noqa: ARG002 - the mark of scrolling is below it
        """The rule."""
        glyph = ("=" if self.has_focus else "-") if painted(self.app).ascii_only else "━" if self.has_focus else "─"
        return ((Span(glyph * self.size.width, "key" if self.has_focus else "off"),),)

    def painted_line(self, index: int, width: int) -> Strip:
        """Without a cursor while the keys go to the list."""
        if self.has_focus:
            return super().painted_line(index, width)
        return strip_of(self.line(index, width), width, painted(self.app).palette)

    def repaint_focus(self) -> None:
        """The rule and the cursor's line."""
        self.repaint_headings()
        super().repaint_focus()
