"""The incident report in Markdown: what was found about an error and nothing that was not, for a person to review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.reports.diagnosis import (
    edge_of,
    excerpt,
    gap_words,
    key_words,
    keys_words,
    kind_words,
    live_words,
    looked_words,
    rule_words,
    seen_words,
    stamp,
    suggestion_command,
    title,
    totals_words,
)
from fkexplorer.reports.journal import STATE_WORDS, touched_lines
from fkexplorer.reports.markdown import code, fenced, plain
from fkexplorer.reports.trace import found_words, rows_words
from fkexplorer.reports.values import exact, number
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.diagnosis.model import Diagnosis, Evidence
    from fkexplorer.fixes.entries import Entry
    from fkexplorer.schema.model import Schema

_PLACES = 20


def incident_markdown(
    diagnoses: Sequence[Diagnosis],
    schema: Schema,
    facts: ServerFacts,
    *,
    now: datetime,
    prepared_by: str,
    entries: Iterable[Entry] = (),
) -> list[str]:
    """The report as lines of Markdown.

    Args:
        diagnoses: one for each error.
        schema: the catalogue that they were found with.
        facts: which database.
        now: the server's clock.
        prepared_by: who asked for it.
        entries: the fixes that were made here, of the journal; those of the edges that are reported are told.
    """
    worst = "open" if any(each.live for each in diagnoses) else "to be looked into"
    if diagnoses and all(each.live is False for each in diagnoses):
        worst = "mended as far as was looked"
    lines = [
        f"# Incident report: {plain(_subject(diagnoses, schema))}",
        "",
        f"- Database: {plain(facts.place)} ({plain(facts.version)}{', a standby' if facts.standby else ''})",
        f"- As of: {stamp(now)}, by the server's clock",
        f"- Status: {worst}",
        f"- Prepared by: {plain(prepared_by)}, with fkexplorer, from what is told below",
        "- Reviewed by:",
        "",
    ]
    several = len(diagnoses) > 1
    for at, each in enumerate(diagnoses, 1):
        if several:
            lines += [f"# {at}. {plain(title(each, schema))}", ""]
        lines += _Report(each, schema, facts.place).all(entries)
    return lines


def findings_markdown(diagnoses: Sequence[Diagnosis], schema: Schema | None, *, place: str = "") -> list[str]:
    """The findings alone, without what surrounds a report."""
    lines: list[str] = []
    for each in diagnoses:
        lines += [f"## {plain(title(each, schema))}", "", *_Report(each, schema, place).findings()]
    return lines


def _subject(diagnoses: Sequence[Diagnosis], schema: Schema) -> str:
    if len(diagnoses) == 1:
        return title(diagnoses[0], schema)
    return number(len(diagnoses), "foreign-key error")


class _Report:
    """The sections about one error."""

    def __init__(self, diagnosis: Diagnosis, schema: Schema | None, place: str) -> None:
        self._diagnosis = diagnosis
        self._schema = schema
        self._place = place

    def all(self, entries: Iterable[Entry]) -> list[str]:
        """Every section for which there is something to say."""
        sections = [
            ("Summary", self._summary()),
            ("The error", self._error()),
            ("Impact", self._impact()),
            ("State of the database", self._state()),
            ("Causes found", self._evidence(self._diagnosis.findings)),
            ("Causes ruled out", self._evidence(self._diagnosis.ruled_out)),
            ("Options, awaiting approval", self._options(approval=True)),
            ("Fixes that were made", self._fixes(entries)),
            ("Verification", self._verification()),
            ("Prevention", self._prevention()),
            ("Not looked at", self._problem()),
        ]
        return [line for name, found in sections for line in self._section(name, found)]

    def findings(self) -> list[str]:
        """What there is to say of the error itself."""
        sections = [
            ("", self._summary()),
            ("The error", self._error()),
            ("State of the database", self._state()),
            ("Found", self._evidence(self._diagnosis.findings)),
            ("Ruled out", self._evidence(self._diagnosis.ruled_out)),
            ("What would mend it", self._options()),
            ("In the code", self._prevention()),
            ("To see it again", self._verification()),
            ("Not looked at", self._problem()),
        ]
        return [line for name, found in sections for line in self._section(name, found, level=3)]

    def _section(self, name: str, found: Iterable[str], *, level: int = 2) -> list[str]:
        lines = list(found)
        while lines and not lines[-1]:
            del lines[-1]
        if not lines:
            return []
        return [*([f"{'#' * level} {name}", ""] if name else []), *lines, ""]

    def _summary(self) -> Iterator[str]:
        diagnosis, error = self._diagnosis, self._diagnosis.found.error
        key = key_words(error)
        yield plain(_sentence(kind_words(error) + (f": {key}" if key else "")))
        yield ""
        edge = edge_of(diagnosis, self._schema)
        if edge is not None and self._schema is not None:
            yield f"- Foreign key: {plain(rule_words(self._schema, edge))}"
        elif diagnosis.placed is not None and diagnosis.placed.candidates:
            for each in diagnosis.placed.candidates:
                yield f"- It may be {code(each.label)}: {plain('; '.join(each.reasons))}"
        if diagnosis.side is not None:
            yield f"- The side that is wrong: the {diagnosis.side.value}"
        if diagnosis.at is not None:
            where = f" as {self._place}" if self._place else ""
            yield f"- {_sentence(live_words(diagnosis), end='')} (looked at {stamp(diagnosis.at)}{plain(where)})"

    def _error(self) -> Iterator[str]:
        error = self._diagnosis.found.error
        if error.excerpt:
            yield from fenced(excerpt(error), "text")
        if error.sqlstate:
            yield f"- SQLSTATE {error.sqlstate}"
        yield f"- Line {error.line:,} of the text"

    def _impact(self) -> Iterator[str]:
        found = self._diagnosis.found
        yield f"- {_sentence(seen_words(found), end='')}"
        if keys := keys_words(found):
            yield f"- Affected keys: {plain(keys)}"
        elif found.error.values is not None:
            yield f"- Affected key: {plain(key_words(found.error))}"
        for each in self._diagnosis.totals:
            if each.orphans:
                yield f"- {plain(self._label(each.edge))}: {number(each.orphans, 'orphan')}"
        gap, schema = self._diagnosis.gap, self._schema
        if gap is not None and schema is not None:
            yield from (f"- {plain(text)}" for text in gap_words(gap, schema))

    def _state(self) -> Iterator[str]:
        totals, trace = self._diagnosis.totals, self._diagnosis.trace
        if totals:
            yield f"In one snapshot of {stamp(totals[0].at)}:"
            yield ""
            for each in totals:
                problem = f" ({plain(each.problem)})" if each.problem else ""
                yield f"- {plain(self._label(each.edge))}: {totals_words(each)}{problem}"
        if trace is not None:
            if totals:
                yield ""
            yield f"The key was {found_words(trace)} ({stamp(trace.at)})" + (":" if trace.holding else ".")
            yield ""
            for sighting in trace.holding[:_PLACES]:
                role = f" ({plain(sighting.role)})" if sighting.role else ""
                yield f"- {rows_words(sighting)} of {plain(sighting.label)}{role}"
            if len(trace.holding) > _PLACES:
                yield f"- and in {exact(len(trace.holding) - _PLACES)} more"
            for sighting in trace.not_searched[:_PLACES]:
                yield f"- not searched: {plain(sighting.label)} ({plain(sighting.not_searched)})"
            if len(trace.not_searched) > _PLACES:
                yield f"- nor {exact(len(trace.not_searched) - _PLACES)} more"

    def _label(self, oid: int) -> str:
        schema = self._schema
        edge = schema.edges.get(oid) if schema else None
        return edge_label(schema, edge) if schema and edge else title(self._diagnosis, schema)

    def _evidence(self, evidence: Iterable[Evidence]) -> Iterator[str]:
        for each in evidence:
            yield f"- {plain(each.text)} *[{plain(looked_words(each))}]*"

    def _options(self, *, approval: bool = False) -> Iterator[str]:
        """The fixes, each as a plan; with `approval` nobody has agreed to them yet."""
        fixing = [each for each in self._diagnosis.suggestions if each.action is not None]
        for at, each in enumerate(fixing, 1):
            yield f"{at}. {each.action}: {plain(each.text)}"
            if self._schema and (command := suggestion_command(each, self._diagnosis, self._schema)):
                yield f"   - Plan: {code(command)}"
            if approval:
                yield "   - Approved by:"

    def _fixes(self, entries: Iterable[Entry]) -> Iterator[str]:
        """What was done about these edges in this database, of the journal."""
        labels = {self._label(each.edge) for each in self._diagnosis.totals}
        for entry in entries:
            if entry.edge not in labels or entry.database != self._place:
                continue
            yield f"- {stamp(entry.at)}: {plain(entry.action)} of {plain(entry.edge)} by {plain(entry.person)}"
            yield f"  ({plain(entry.id)}): {plain(STATE_WORDS[entry.state])}"
            yield from (f"  - {plain(text)}" for text in touched_lines(entry.touched))
            counted = (("orphans", entry.before, entry.after), ("gap", entry.gap_before, entry.gap_after))
            for name, before, after in counted:
                if before is not None or after is not None:
                    yield f"  - {name} before {_count(before)}, after {_count(after)}"
            if entry.words:
                yield f"  - {plain(entry.words)}"

    def _verification(self) -> Iterator[str]:
        for query, result in self._diagnosis.verification:
            yield from fenced(query, "sql")
            yield f"Gave: {plain(result)}" + (f" ({stamp(self._diagnosis.at)})" if self._diagnosis.at else "")
            yield ""

    def _prevention(self) -> Iterator[str]:
        for each in self._diagnosis.suggestions:
            # The one fix that mends nothing of what there is, and keeps more from coming.
            if each.action in {None, FixAction.SYNC_TRIGGER}:
                yield f"- {plain(each.text)}"
                if each.sql:
                    yield ""
                    yield from (f"  {line}".rstrip() for line in fenced(each.sql, "sql"))

    def _problem(self) -> Iterator[str]:
        if self._diagnosis.problem:
            yield plain(_sentence(self._diagnosis.problem))


def _count(number: int | None) -> str:
    return "not counted" if number is None else exact(number)


def _sentence(text: str, *, end: str = ".") -> str:
    return f"{text[:1].upper()}{text[1:]}{end}"
