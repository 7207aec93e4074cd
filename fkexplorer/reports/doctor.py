"""What the doctor found, as lines for people: by severity, each with what was seen, why it matters, what mends it."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Severity
from fkexplorer.reports.diagnosis import stamp
from fkexplorer.reports.style import Line, Span, plain
from fkexplorer.reports.values import duration, fit, inert, number
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Schema

TITLES = {
    Severity.ERROR: "can't be made",
    Severity.WARNING: "made, but not sure",
    Severity.NOTICE: "will hurt",
}
STYLES = {Severity.ERROR: "severe", Severity.WARNING: "problem", Severity.NOTICE: "tag"}
_INDENT = 2


@dataclass(frozen=True, slots=True)
class DoctorLine:
    """A line, and the finding that it is of."""

    line: Line
    finding: Finding | None = None


def doctor_text(found: Examination, schema: Schema, *, cells: int = 80, ascii: bool = False) -> list[str]:
    """The same as text."""
    return [plain(each.line).rstrip() for each in doctor_lines(found, schema, cells=cells, ascii=ascii)]


def doctor_lines(found: Examination, schema: Schema, *, cells: int = 80, ascii: bool = False) -> list[DoctorLine]:
    """All findings by severity; no line is wider than `cells` but those of SQL.

    Args:
        found: what was found.
        schema: the catalogue that it was found with.
        cells: of a line.
        ascii: whether no character beyond ASCII is drawn.
    """
    return list(_Lines(schema, max(20, cells), ascii=ascii).all(found))


def summary(found: Examination) -> str:
    """`2 can't be made, 1 not sure, 3 will hurt; 31 foreign keys and 2 pairs examined (0.3 s)`."""
    missed = f"; {words} not looked at" if (words := missed_words(found)) else ""
    excused = f", {len(found.excused):,} known or ignored" if found.excused else ""
    return f"{found_words(found)}{excused}; {examined_words(found)} examined{missed} ({duration(found.seconds)})"


def found_words(found: Examination) -> str:
    """`2 can't be made, 1 not sure, 3 will hurt`, or `nothing found`."""
    counts = [(len(found.of(severity)), severity) for severity in Severity]
    words = {Severity.ERROR: "can't be made", Severity.WARNING: "not sure", Severity.NOTICE: "will hurt"}
    return ", ".join(f"{count:,} {words[severity]}" for count, severity in counts if count) or "nothing found"


def examined_words(found: Examination) -> str:
    """`31 foreign keys and 2 pairs`: what was examined, pairs of columns that no constraint binds apart."""
    declared = sum(each.kind is EdgeKind.DECLARED for each in found.edges)
    pairs = len(found.edges) - declared
    said = [number(declared, "foreign key")] if declared or not pairs else []
    return " and ".join([*said, number(pairs, "pair")] if pairs else said)


def missed_words(found: Examination) -> str:
    """`3 things`, of those that were not looked at; empty where there is none."""
    missed = len(found.not_looked) + len(found.skipped)
    return number(missed, "thing") if missed else ""


def missed_text(what: str, reason: str) -> str:
    """What was not looked at, or is no failure, with the reason; some reasons name it themselves."""
    return reason if reason.startswith(what) else f"{what}: {reason}"


def finding_lines(finding: Finding, schema: Schema, *, cells: int = 80, ascii: bool = False) -> list[Line]:
    """One finding as the app shows it: with its time, and without the command that a shell would be given."""
    lines = _Lines(schema, max(20, cells), ascii=ascii)
    return [*lines.finding(finding), *lines.item("at", stamp(finding.at))]


def short_text(finding: Finding) -> str:
    """Its text where its subject stands above it: `It is NOT VALID: …`."""
    behind = finding.text.removeprefix(f"{finding.subject} ")
    return finding.text if behind == finding.text else f"It {behind}"


def table_words(finding: Finding, schema: Schema) -> str | None:
    """The table that it is told at, `schema.table`; None where there is none."""
    table = schema.tables.get(finding.table) if finding.table is not None else None
    return table_label(table) if table else None


def plan_command(finding: Finding, schema: Schema) -> str:
    """The `fkexplorer plan` that writes the script of its action, for a shell; empty where there is none."""
    action, edge = finding.treatment.action, schema.edges.get(finding.edge) if finding.edge is not None else None
    if action is None or edge is None:
        return ""
    options = [word for name, value in finding.treatment.options for word in (f"--{name}", value)]
    return shlex.join(["fkexplorer", "plan", edge_label(schema, edge), action.value, *options])


def sql_lines(finding: Finding) -> list[str]:
    """Its statements, each ended by a semicolon; comment lines as they are."""
    return [
        line if line.startswith("--") else f"{line};"
        for statement in finding.treatment.statements
        for line in [statement.rstrip().removesuffix(";")]
    ]


def lock_words(finding: Finding, schema: Schema) -> list[str]:
    """Each lock of its statements: on which table, its mode, and whom it keeps waiting."""
    return [
        f"{table_label(schema.tables[lock.table])}: {lock.mode}, {lock.blocks}"
        for lock in finding.treatment.locks
        if lock.table in schema.tables
    ]


class _Lines:
    def __init__(self, schema: Schema, cells: int, *, ascii: bool) -> None:
        self._schema = schema
        self._cells = cells
        self._ascii = ascii

    def all(self, found: Examination) -> Iterator[DoctorLine]:
        for severity in Severity:
            findings = found.of(severity)
            if not findings:
                continue
            title = f"{TITLES[severity]} ({len(findings):,})"
            yield DoctorLine((Span(fit(title, self._cells, middle=False, ascii=self._ascii, pad=False), "heading"),))
            yield DoctorLine(())
            for each in findings:
                yield from (DoctorLine(line, each) for line in (*self.finding(each), *self._command(each)))
                yield DoctorLine((), each)
        excused = [(f"{each.subject}  [{each.code}]", words) for each, words in found.excused]
        yield from self._missed("known or ignored", excused)
        yield from self._missed("not looked at", found.not_looked)
        yield from self._missed("over the cost limit", found.skipped)
        yield from (DoctorLine(line) for line in self._wrapped(summary(found)))
        yield DoctorLine((Span(f"looked at {stamp(found.at)}", "dim"),))

    def finding(self, finding: Finding) -> Iterator[Line]:
        """The lines of one finding."""
        yield from self._wrapped(f"{finding.subject}  [{finding.code}]", style=STYLES[finding.severity])
        yield from self._wrapped(short_text(finding), _INDENT)
        yield from self.item("seen", finding.seen)
        yield from self.item("why", finding.why)
        treatment = finding.treatment
        if treatment.forecast:
            yield from self.item("then", treatment.forecast)
        if sql := sql_lines(finding):
            yield (Span(f"{'':{_INDENT}}SQL", "dim"),)
            for line in sql:
                yield from self._sql(line)
        for words in lock_words(finding, self._schema):
            yield from self.item("lock", words)

    def _command(self, finding: Finding) -> Iterator[Line]:
        if command := plan_command(finding, self._schema):
            yield (Span(f"{'':{_INDENT}}run  ", "dim"), Span(inert(command, ascii=self._ascii), "key"))

    def _sql(self, statement: str) -> Iterator[Line]:
        """A statement; a comment is wrapped into several, since it is for people."""
        if not statement.startswith("--"):
            yield from (
                (Span(f"{'':{2 * _INDENT}}{inert(line, ascii=self._ascii)}"),) for line in statement.split("\n")
            )
            return
        yield (Span(f"{'':{2 * _INDENT}}{inert(statement, ascii=self._ascii)}", "dim"),)

    def item(self, name: str, text: str) -> Iterator[Line]:
        """A named part of a finding, its further lines below its text."""
        head = f"{'':{_INDENT}}{name:<5}"
        first, *rest = self._split(text, len(head)) or [""]
        yield (Span(head, "dim"), Span(first.removeprefix(" " * len(head))))
        yield from ((Span(line),) for line in rest)

    def _missed(self, title: str, missed: Iterable[tuple[str, str]]) -> Iterator[DoctorLine]:
        some = list(missed)
        if not some:
            return
        yield DoctorLine((Span(f"{title} ({len(some):,})", "heading"),))
        for what, reason in some:
            lines = self._wrapped(missed_text(what, reason), _INDENT, style="unknown")
            yield from (DoctorLine(line) for line in lines)
        yield DoctorLine(())

    def _wrapped(self, text: str, indent: int = 0, *, style: str = "") -> Iterator[Line]:
        yield from ((Span(line, style),) for line in self._split(text, indent))

    def _split(self, text: str, indent: int) -> Sequence[str]:
        start = " " * indent
        return textwrap.wrap(
            inert(text, ascii=self._ascii),
            self._cells,
            initial_indent=start,
            subsequent_indent=start,
            break_on_hyphens=False,
        )
