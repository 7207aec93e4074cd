"""What the doctor found, in Markdown: for the summary of a CI job, a pull request or a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Severity
from fkexplorer.reports.diagnosis import stamp
from fkexplorer.reports.doctor import TITLES, lock_words, plan_command, short_text, sql_lines, summary
from fkexplorer.reports.markdown import code, fenced, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Schema


def doctor_markdown(found: Examination, schema: Schema, facts: ServerFacts) -> list[str]:
    """The report as lines: findings by severity, each with its SQL, and what could not be looked at.

    Args:
        found: what was found.
        schema: the catalogue that it was found with.
        facts: the server.
    """
    lines = [
        f"# The constraints of {plain(facts.place)}",
        "",
        f"{plain(summary(found))}. {plain(facts.version)}, {stamp(found.at)}.",
        "",
    ]
    for severity in Severity:
        if findings := found.of(severity):
            title = TITLES[severity]
            lines += [f"## {title[0].upper()}{title[1:]}", ""]
            lines += [line for each in findings for line in _finding(each, schema)]
    lines += _missed("Known or ignored", [(f"{each.subject}, {each.code}", words) for each, words in found.excused])
    lines += _missed("Not looked at", found.not_looked)
    lines += _missed("Over the cost limit", found.skipped)
    return lines


def _finding(finding: Finding, schema: Schema) -> Iterator[str]:
    yield f"### {code(finding.subject)}: {plain(finding.code)}"
    yield ""
    yield f"{plain(short_text(finding))} {plain(finding.why)}"
    yield ""
    yield f"- Seen: {plain(finding.seen)} ({stamp(finding.at)})"
    if finding.treatment.forecast:
        yield f"- Then: {plain(finding.treatment.forecast)}"
    for words in lock_words(finding, schema):
        yield f"- Lock: {plain(words)}"
    if command := plan_command(finding, schema):
        yield f"- Script: {code(command)}"
    yield ""
    if sql := sql_lines(finding):
        yield from fenced("\n".join(sql), "sql")
        yield ""


def _missed(title: str, missed: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"- {plain(what)}: {plain(reason)}" for what, reason in missed]
    return [f"## {title}", "", *lines, ""] if lines else []
