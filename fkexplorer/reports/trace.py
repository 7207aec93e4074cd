"""Where a key lives, as lines for people and as JSON: key by tables, what was not searched and why.

`trace_json` gives one document. What is not known is null, never 0:

    {"value": ["…"],                      the value of each column, as it was asked for
     "columns": "schema.table.column",    what was asked about; schema.table(a, b) for a key of several
     "as_of": "2026-11-21T02:00:01Z",     the server's clock at the beginning
     "seconds": 0.01,
     "searched": 54, "found": 1,          columns that were searched, and that hold it
     "not_searched": 2,
     "sightings": [
       {"place": "schema.table.column",   or schema.table(a, b)
        "schema": "…", "table": "…", "columns": ["…"],
        "role": "refers to it",           or `parent key`, `asked about`, `same type, unique`, `other type, unique`, …
        "tied": true,                     edges tie it to the key; else the same value may be another thing
        "rows": 1, "at_least": false,     null where it was not searched; at_least: there may be more
        "reason": null,                   why it was not searched
        "sample": [{"column": "text"}],   three rows at most, values cut at 80 characters, secrets left out
        "keys": [["…"]]}]}                what identifies each row of the sample
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.style import Line, Span, plain
from fkexplorer.reports.values import duration, exact, fit, inert, moment, number, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.diagnosis.model import Sighting, Trace
    from fkexplorer.schema.model import Schema

NOT_LOOKED_INTO = (
    "Values inside JSON and arrays are not looked into, nor kinds of polymorphic pairs that are not configured."
)
_LISTED, _SAMPLED = 16, 8
"""Columns outside of the edges that have a line of their own, and whose rows are shown: an integer is in many keys."""

_NAMED = 60
"""Columns that are named together at most; JSON names all."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """A line, and what can be opened from it."""

    line: Line
    """No wider than was asked for."""
    sighting: Sighting | None = None
    row: int | None = None
    """Of the sighting's sample and keys; None for the line of the sighting itself."""


def trace_text(trace: Trace, *, cells: int = 80, ascii: bool = False) -> list[str]:
    """The same as text."""
    return [plain(each.line).rstrip() for each in trace_lines(trace, cells=cells, ascii=ascii)]


def trace_lines(trace: Trace, *, cells: int = 80, ascii: bool = False) -> list[TraceLine]:
    """All that a trace found: what is tied to the key, where else the value is, and what was not searched.

    Args:
        trace: what was found.
        cells: of a line at most.
        ascii: whether no character beyond ASCII is drawn.
    """
    return list(_Lines(trace, cells, ascii=ascii).all())


def found_words(trace: Trace) -> str:
    """`found in 1 of 54 columns searched, 2 not searched`."""
    left = f", {exact(len(trace.not_searched))} not searched" if trace.not_searched else ""
    return f"found in {exact(len(trace.holding))} of {number(trace.searched, 'column')} searched{left}"


def rows_words(sighting: Sighting) -> str:
    """`1 row`, `1,000 rows or more`, `no row`, `not searched`."""
    if sighting.rows is None:
        return "not searched"
    if not sighting.rows:
        return "no row"
    return number(sighting.rows, "row") + (" or more" if sighting.at_least else "")


def value_text(value: Sequence[str | None]) -> str:
    """The value of a key: itself, or those of several columns in parentheses."""
    parts = ["NULL" if part is None else part for part in value]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


class _Lines:
    """The lines of one trace."""

    def __init__(self, trace: Trace, cells: int, *, ascii: bool) -> None:
        self._trace = trace
        self._cells = cells
        self._ascii = ascii

    def all(self) -> Iterator[TraceLine]:
        trace = self._trace
        yield self._line(Span(inert(value_text(trace.value), ascii=self._ascii), "title"))
        when = f"{trace.at:%H:%M:%S} UTC, {duration(trace.seconds)}"
        yield self._line(Span(found_words(trace), "problem" if trace.holding else ""), Span(f"  ({when})", "dim"))
        tied = [each for each in trace.sightings if each.tied]
        others = [each for each in trace.holding if not each.tied]
        title = "tied to it by foreign keys:" if len(tied) > 1 else "no foreign key ties anything to it:"
        yield from self._listed(title, tied, samples=len(tied))
        if others:
            title = "elsewhere the same value, which may be another thing:"
            yield from self._listed(title, others[:_LISTED], samples=_SAMPLED)
            yield from self._named(f"and in {exact(len(others) - _LISTED)} more:", others[_LISTED:])
        elsewhere = [each for each in trace.sightings if not each.tied and each.rows == 0]
        if elsewhere:
            kinds = "unique keys and foreign keys of a type that could hold it"
            yield self._line()
            yield from self._wrapped(f"not in {exact(len(elsewhere))} other {kinds}".split(), "", "ok")
        yield from self._unknown([each for each in trace.not_searched if not each.tied])
        yield self._line()
        yield from self._wrapped(NOT_LOOKED_INTO.split(), "", "dim")

    def _listed(self, title: str, some: Sequence[Sighting], *, samples: int) -> Iterator[TraceLine]:
        """Each place with its rows, what it is to the key, and some of the rows."""
        yield self._line()
        yield self._line(Span(title, "dim"))
        words = [self._words(each) for each in some]
        first = min(max((width(word) for word in words), default=0), self._cells // 3)
        room = max(12, self._cells - first - 4)
        labels = [inert(each.label, ascii=self._ascii) for each in some]
        last = max((width(each.role) for each in some), default=0)
        wide = max(12, min(max(map(width, labels), default=0), room - last - 2))
        for at, (sighting, word) in enumerate(zip(some, words, strict=True)):
            style = "unknown" if sighting.rows is None else "problem" if sighting.rows else "dim"
            role = fit(sighting.role, max(0, room - wide - 2), middle=False, ascii=self._ascii, pad=False)
            yield TraceLine(
                (
                    Span("  " + fit(word, first, ascii=self._ascii), style),
                    Span("  " + fit(sighting.label, wide, ascii=self._ascii)),
                    Span("  " + role, "dim"),
                ),
                sighting,
            )
            if at < samples:
                yield from self._sample(sighting)

    def _words(self, sighting: Sighting) -> str:
        return sighting.not_searched if sighting.rows is None else rows_words(sighting)

    def _sample(self, sighting: Sighting) -> Iterator[TraceLine]:
        for at, row in enumerate(sighting.sample):
            known = " ".join(f"{name}={value}" for name, value in row.items() if value is not None)
            text = fit(known, self._cells - 6, middle=False, ascii=self._ascii, pad=False)
            yield TraceLine((Span(f"      {text}", "dim"),), sighting, at)

    def _unknown(self, some: Sequence[Sighting]) -> Iterator[TraceLine]:
        """Why the others were not searched, each reason with its places."""
        reasons: defaultdict[str, list[Sighting]] = defaultdict(list)
        for sighting in some:
            reasons[sighting.not_searched].append(sighting)
        if reasons:
            yield self._line()
            yield self._line(Span("not searched:", "dim"))
        for reason, places in reasons.items():
            yield from self._named(f"{inert(reason, ascii=self._ascii)}, {number(len(places), 'column')}:", places)

    def _named(self, title: str, some: Sequence[Sighting]) -> Iterator[TraceLine]:
        """Several of them without a line each."""
        if some:
            yield self._line(Span(f"  {title}", "unknown"))
            labels = [inert(each.label, ascii=self._ascii) for each in some[:_NAMED]]
            more = [f"and {exact(len(some) - _NAMED)} more"] if len(some) > _NAMED else []
            listed = [f"{label}," for label in labels[:-1]] + labels[-1:] + more
            yield from self._wrapped(listed, "    ", "")

    def _wrapped(self, words: Sequence[str], indent: str, style: str) -> Iterator[TraceLine]:
        line = indent
        for whole in words:
            word = fit(whole, self._cells - len(indent), ascii=self._ascii, pad=False)
            if line != indent and width(line) + width(word) + 1 > self._cells:
                yield self._line(Span(line, style))
                line = indent
            line += word if line == indent else f" {word}"
        yield self._line(Span(line, style))

    def _line(self, *spans: Span) -> TraceLine:
        """A line, cut at its end where it is too wide."""
        left, kept = self._cells, []
        for span in spans:
            text = fit(span.text, left, ascii=self._ascii, pad=False)
            left -= width(text)
            kept.append(Span(text, span.style))
        return TraceLine(tuple(kept))


def trace_json(trace: Trace, schema: Schema, *, columns: str) -> str:
    """The document that the module tells of, ASCII only.

    Args:
        trace: what was found.
        schema: the catalogue that it was searched with.
        columns: what was asked about, as `schema.table.column` or `schema.table(a, b)`.
    """
    return json.dumps(trace_document(trace, schema) | {"columns": columns}, indent=1)


def trace_document(trace: Trace, schema: Schema) -> dict[str, object]:
    """The same as a value, without `columns`."""
    return {
        "value": list(trace.value),
        "as_of": moment(trace.at),
        "seconds": round(trace.seconds, 3),
        "searched": trace.searched,
        "found": len(trace.holding),
        "not_searched": len(trace.not_searched),
        "sightings": [_sighting(each, schema) for each in trace.sightings],
    }


def _sighting(sighting: Sighting, schema: Schema) -> dict[str, object]:
    table = schema.tables[sighting.table]
    return {
        "place": sighting.label,
        "schema": table.schema,
        "table": table.name,
        "columns": [table.column(number).name for number in sighting.columns],
        "where": {sighting.only.column.name: sighting.only.value} if sighting.only else None,
        "role": sighting.role,
        "tied": sighting.tied,
        "rows": sighting.rows,
        "at_least": sighting.at_least,
        "reason": sighting.not_searched or None,
        "sample": [dict(row) for row in sighting.sample],
        "keys": [list(key) for key in sighting.keys],
    }
