"""A diagnosis as lines for people: which edge, which side, is it still so, what was found, what would mend it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.diagnosis import (
    edge_of,
    gap_words,
    key_words,
    keys_words,
    kind_words,
    live_words,
    looked_words,
    rule_words,
    seen_words,
    side_words,
    stamp,
    title,
    totals_words,
)
from fkexplorer.reports.style import Line, Span, plain
from fkexplorer.reports.trace import found_words, rows_words
from fkexplorer.reports.values import duration, exact, fit, inert, number, width
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fkexplorer.diagnosis.model import Candidate, Diagnosis, Evidence, Sighting, Suggestion, Trace
    from fkexplorer.schema.model import Schema

_PLACES = 8
"""Columns that hold the key and have a line of their own."""


@dataclass(frozen=True, slots=True)
class ExplainLine:
    """A line, and what can be opened from it."""

    line: Line
    about: Candidate | Suggestion | Sighting | None = None


def explain_text(
    diagnosis: Diagnosis, schema: Schema | None, *, place: str = "", cells: int = 80, ascii: bool = False
) -> list[str]:
    """The same as text."""
    lines = explain_lines(diagnosis, schema, place=place, cells=cells, ascii=ascii)
    return [plain(each.line).rstrip() for each in lines]


def explain_lines(
    diagnosis: Diagnosis, schema: Schema | None, *, place: str = "", cells: int = 80, ascii: bool = False
) -> list[ExplainLine]:
    """All that is known of one error, the most important first; no line is wider than `cells` but those of SQL.

    Args:
        diagnosis: what was found.
        schema: the catalogue that it was found with; None without a database.
        place: `user@host/database`.
        cells: of a line.
        ascii: whether no character beyond ASCII is drawn.
    """
    return _Lines(diagnosis, schema, place, cells, ascii=ascii).all()


class _Lines:
    """The lines of one diagnosis."""

    def __init__(self, diagnosis: Diagnosis, schema: Schema | None, place: str, cells: int, *, ascii: bool) -> None:
        self._diagnosis = diagnosis
        self._schema = schema
        self._place = place
        self._cells = max(20, cells)
        self._ascii = ascii

    def all(self) -> list[ExplainLine]:
        """Everything, with an empty line between the sections."""
        diagnosis = self._diagnosis
        sections: list[Iterable[Line | ExplainLine]] = [
            self._head(),
            self._candidates(),
            self._evidence("found", diagnosis.findings, "problem"),
            self._wrapped(f"Not looked at: {diagnosis.problem}.", style="unknown") if diagnosis.problem else (),
            self._totals(),
            self._trace(diagnosis.trace),
            self._gap(),
            self._suggestions(),
            self._evidence("ruled out", diagnosis.ruled_out, "ok"),
            self._verification(),
        ]
        lines: list[ExplainLine] = []
        for section in sections:
            made = [each if isinstance(each, ExplainLine) else ExplainLine(each) for each in section]
            lines += [ExplainLine(()), *made] if made and lines else made
        return lines

    def _head(self) -> Iterator[Line]:
        diagnosis, schema = self._diagnosis, self._schema
        found, edge = diagnosis.found, edge_of(diagnosis, schema)
        yield from self._wrapped(title(diagnosis, schema), style="title")
        if edge is not None and schema is not None:
            yield from self._wrapped(rule_words(schema, edge), style="dim")
        key = key_words(found.error)
        yield from self._wrapped(f"{kind_words(found.error)}{f': {key}' if key else ''}")
        yield from self._wrapped(seen_words(found), style="dim")
        if keys := keys_words(found):
            yield from self._wrapped(keys)
        if diagnosis.at is None:
            return
        words = "; ".join(word for word in (side_words(diagnosis), live_words(diagnosis)) if word)
        style = {True: "problem", False: "ok", None: "unknown"}[diagnosis.live]
        yield from self._wrapped(words, style=style)
        where = f" as {self._place}" if self._place else ""
        yield from self._wrapped(f"looked at {stamp(diagnosis.at)}{where}, {duration(diagnosis.seconds)}", style="dim")

    def _candidates(self) -> Iterator[Line | ExplainLine]:
        """What the text may mean, where that is not certain."""
        placed = self._diagnosis.placed
        if placed is None or placed.edge is not None or not placed.candidates:
            return
        yield self._heading("may be, and none is chosen" if len(placed.candidates) > 1 else "a guess")
        for each in placed.candidates:
            lines = self._item(each.label, f"({'; '.join(each.reasons)})", "key")
            yield from (ExplainLine(line, each) for line in lines)

    def _evidence(self, name: str, evidence: Sequence[Evidence], style: str) -> Iterator[Line]:
        if not evidence:
            return
        yield self._heading(name)
        for each in evidence:
            yield from self._item(each.text, f"[{looked_words(each)}]", style if each.weight >= 80 else "")

    def _totals(self) -> Iterator[Line]:
        totals, schema = self._diagnosis.totals, self._schema
        if not totals or schema is None:
            return
        yield self._heading(f"in numbers, one snapshot of {totals[0].at:%H:%M:%S} UTC")
        for each in totals:
            edge = schema.edges.get(each.edge)
            label = edge_label(schema, edge) if edge else title(self._diagnosis, schema)
            yield from self._item(label, "", "")
            style = "problem" if each.orphans else ""
            yield from self._wrapped(totals_words(each), indent=4, style=style)
            if each.problem:
                yield from self._wrapped(each.problem, indent=4, style="unknown")

    def _trace(self, trace: Trace | None) -> Iterator[Line | ExplainLine]:
        if trace is None:
            return
        yield self._heading(f"where the key lives: {found_words(trace)}")
        holding = trace.holding
        for each in holding[:_PLACES]:
            role = f"  {each.role}" if each.role else ""
            text = f"  {rows_words(each)} of {each.label}"
            line = (Span(inert(text, ascii=self._ascii), "problem"), Span(inert(role, ascii=self._ascii), "dim"))
            yield ExplainLine(line, each)
        if len(holding) > _PLACES:
            yield from self._wrapped(f"and {number(len(holding) - _PLACES, 'column')} more", indent=2)
        if unknown := trace.not_searched:
            said = [f"{each.label} ({each.not_searched})" for each in unknown[:_PLACES]]
            more = f" and {exact(len(unknown) - _PLACES)} more" if len(unknown) > _PLACES else ""
            yield from self._wrapped(f"not searched: {', '.join(said)}{more}", indent=2, style="unknown")

    def _gap(self) -> Iterator[Line]:
        gap, schema = self._diagnosis.gap, self._schema
        if gap is None or schema is None:
            return
        yield self._heading(f"the gap, counted {gap.at:%H:%M:%S} UTC")
        for at, text in enumerate(gap_words(gap, schema)):
            yield from self._item(text, "", "problem" if at == 0 and gap.missing else "")

    def _suggestions(self) -> Iterator[Line | ExplainLine]:
        suggestions = self._diagnosis.suggestions
        if not suggestions:
            return
        yield self._heading("what would mend it")
        for each in suggestions:
            yield from (ExplainLine(line, each) for line in self._suggestion(each))

    def _suggestion(self, suggestion: Suggestion) -> Iterator[Line]:
        action = f"{suggestion.action.value}: " if suggestion.action else ""
        edge = self._schema.edges.get(suggestion.edge) if self._schema and suggestion.edge is not None else None
        on = f"(on {edge_label(self._schema, edge)})" if edge and self._schema else ""
        yield from self._item(f"{action}{suggestion.text}", on, "key" if suggestion.action else "")
        for line in suggestion.sql.splitlines():
            yield (Span(f"      {inert(line, ascii=self._ascii)}"),)

    def _verification(self) -> Iterator[Line]:
        if not self._diagnosis.verification:
            return
        yield self._heading("to see it again, each with what it gave")
        for query, result in self._diagnosis.verification:
            yield (Span(f"  -- {inert(' '.join(result.split()), ascii=self._ascii)}", "dim"),)
            for line in query.splitlines():
                yield (Span(f"  {inert(line, ascii=self._ascii)}"),)

    def _heading(self, text: str) -> Line:
        return (Span(fit(text, self._cells, middle=False, ascii=self._ascii, pad=False), "heading"),)

    def _item(self, text: str, aside: str, style: str) -> Iterator[Line]:
        """One of a list; what is aside is dim, and follows on the same line or on one of its own."""
        lines = self._split(text, 2, "- ")
        if aside and width(lines[-1]) + width(aside) + 2 <= self._cells:
            *before, last = lines
            yield from ((Span(line, style),) for line in before)
            yield (Span(last, style), Span(f"  {inert(aside, ascii=self._ascii)}", "dim"))
            return
        yield from ((Span(line, style),) for line in lines)
        if aside:
            yield from self._wrapped(aside, indent=4, style="dim")

    def _wrapped(self, text: str, *, indent: int = 0, style: str = "") -> Iterator[Line]:
        yield from ((Span(line, style),) for line in self._split(text, indent))

    def _split(self, text: str, indent: int, mark: str = "") -> list[str]:
        """The text in lines that fit; a word that is too long alone is cut over two."""
        first = " " * indent + mark
        return textwrap.wrap(
            inert(text, ascii=self._ascii),
            self._cells,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_on_hyphens=False,
        ) or [first.rstrip()]


def summary(diagnoses: Iterable[Diagnosis]) -> str:
    """`2 errors, seen 5 times: 1 would come again, 1 is not known`."""
    some = list(diagnoses)
    times = sum(each.found.occurrences for each in some)
    words = f"{number(len(some), 'error')}, seen {'once' if times == 1 else number(times, 'time')}"
    if all(each.at is None for each in some):
        return words
    states = (
        (True, "would come again", "would come again"),
        (False, "would not come again", "would not come again"),
        (None, "is not known", "are not known"),
    )
    parts = []
    for state, one, many in states:
        if count := sum(each.live is state for each in some):
            parts.append(f"{exact(count)} {one if count == 1 else many}")
    return f"{words}: {', '.join(parts)}"
