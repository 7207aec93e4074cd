"""What the doctor found as a list of one line each, for a screen that shows the one under its cursor in full."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Severity
from fkexplorer.reports.doctor import (
    STYLES,
    TITLES,
    examined_words,
    finding_lines,
    missed_text,
    missed_words,
    short_text,
)
from fkexplorer.reports.style import Line, Span
from fkexplorer.reports.values import fit, inert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Schema

_CODE = 21
"""Cells of the longest code, `partition_unprotected`."""
_WIDE = 100
"""From so many cells on there is room for more than names and codes."""
_TEXT = 20
"""Less of a sentence than this says nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a line of the list is about: a finding, or something that was not looked at."""

    finding: Finding | None
    words: str = ""
    """Why a finding is excused, or what was not looked at and why not."""


@dataclass(frozen=True, slots=True)
class ListLine:
    """A line; a heading is about nothing."""

    line: Line
    told: Told | None = None


def list_lines(found: Examination, *, cells: int, ascii: bool = False, text: str = "") -> list[ListLine]:
    """All that was found by severity, then what is known or ignored, then what was not looked at.

    Args:
        found: what was found.
        cells: of a line.
        ascii: whether no character beyond ASCII is drawn.
        text: only lines that hold it are given, in capitals or not; headings say of how many.
    """
    groups = [(TITLES[severity], [Told(each) for each in found.of(severity)]) for severity in Severity]
    groups += [
        ("known or ignored", [Told(finding, words) for finding, words in found.excused]),
        ("not looked at", [Told(None, missed_text(*each)) for each in found.not_looked]),
        ("over the cost limit", [Told(None, missed_text(*each)) for each in found.skipped]),
    ]
    columns = _Columns(found, cells, ascii=ascii)
    lines = [ListLine(line) for line in _nothing(found, cells, ascii=ascii)] if not found.findings and not text else []
    for title, all_of_them in groups:
        some = [each for each in all_of_them if text.casefold() in _words(each).casefold()]
        if some:
            of = f"{len(some):,} of {len(all_of_them):,}" if len(some) < len(all_of_them) else f"{len(some):,}"
            lines.append(ListLine((Span(inert(f" {title} ({of})", ascii=ascii), "heading"),)))
            lines += [ListLine(columns.line(each), each) for each in some]
    return lines


def detail_lines(told: Told, schema: Schema, *, cells: int, ascii: bool = False) -> list[Line]:
    """One of them in full; no line is wider than `cells` but those of SQL.

    Args:
        told: what it is.
        schema: the catalogue that it was found with.
        cells: of a line.
        ascii: whether no character beyond ASCII is drawn.
    """
    lines = _wrapped(told.words, cells, style="unknown", ascii=ascii) if told.words else []
    return lines if told.finding is None else [*lines, *finding_lines(told.finding, schema, cells=cells, ascii=ascii)]


def _nothing(found: Examination, cells: int, *, ascii: bool) -> Iterator[Line]:
    """That nothing was found, and in what; what was not looked at is not part of it."""
    examined = examined_words(found)
    text = f"Nothing was found in {examined}: no constraint that can't be made, is not sure, or will hurt."
    if found.excused:
        text = f"Nothing else was found in {examined}: what there is is known or ignored."
    if missed := missed_words(found):
        text += f" But {missed} {'was' if missed == '1 thing' else 'were'} not looked at, and may be wrong."
    yield from _wrapped(text, cells, style="" if missed else "ok", ascii=ascii)
    yield ()


def _words(told: Told) -> str:
    finding = told.finding
    return f"{finding.subject} {finding.code} {finding.text} {told.words}" if finding else told.words


class _Columns:
    """Subject, code, and as much of the sentence as there is room for; the same cells for each in all groups."""

    def __init__(self, found: Examination, cells: int, *, ascii: bool) -> None:
        subjects = [each.subject for each in (*found.findings, *(finding for finding, _ in found.excused))]
        # On a wide screen names leave half of it to the sentences.
        most = cells - _CODE - 4 if cells < _WIDE else cells // 2 - _CODE
        self._subject = max(12, min(max(map(len, subjects), default=0), most))
        self._cells = cells
        self._ascii = ascii

    def line(self, told: Told) -> Line:
        """The line of one of them."""
        finding = told.finding
        if finding is None:
            return (Span(fit(f"  {told.words}", self._cells, middle=False, ascii=self._ascii), "unknown"),)
        room = self._cells - self._subject - _CODE - 6
        text = fit(short_text(finding), room, middle=False, ascii=self._ascii) if room >= _TEXT else ""
        code = fit(finding.code, min(_CODE, self._cells - self._subject - 4), ascii=self._ascii)
        return (
            Span("  " + fit(finding.subject, self._subject, ascii=self._ascii), self._style(told)),
            Span("  " + code),
            Span(f"  {text}" if text else "", "dim"),
        )

    def _style(self, told: Told) -> str:
        return STYLES[told.finding.severity] if told.finding and not told.words else "dim"


def _wrapped(text: str, cells: int, *, style: str, ascii: bool) -> list[Line]:
    return [(Span(f" {line}", style),) for line in textwrap.wrap(inert(text, ascii=ascii), max(20, cells - 1))]
