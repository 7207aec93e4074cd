"""What the doctor found, as JUnit XML: a test case for each edge that is well, and one for each finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Severity
from fkexplorer.reports.doctor import sql_lines, table_words
from fkexplorer.reports.junit import Case, junit_text
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from fkexplorer.database.model import ServerFacts
    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Schema


def doctor_junit(found: Examination, schema: Schema, facts: ServerFacts) -> str:
    """The document: what can't be made is a failure, what could not be looked at an error.

    Warnings and notices, which do not make the command fail, are skipped cases; so is what is over the cost limit.

    Args:
        found: what was found.
        schema: the catalogue that it was found with.
        facts: the server.
    """
    ill = {each.edge for each in (*found.findings, *(each for each, _ in found.excused))}
    skipped = dict(found.skipped)
    cases = [
        Case(
            edge_label(schema, edge),
            table_label(schema.child_of(edge)),
            found.counts[edge.oid].seconds if edge.oid in found.counts else 0.0,
            skipped=skipped.get(edge_label(schema, edge), ""),
        )
        for edge in found.edges
        if edge.oid not in ill
    ]
    cases += [_case(each, schema) for each in found.findings]
    cases += [
        Case(f"{each.subject} {each.code}", _group(each, schema), skipped=f"{words}: {each.text}")
        for each, words in found.excused
    ]
    cases += [Case(what, "not looked at", error=reason) for what, reason in found.not_looked]
    return junit_text(f"fkexplorer doctor {facts.place}", cases)


def _case(finding: Finding, schema: Schema) -> Case:
    told = "\n".join([finding.text, finding.why, *sql_lines(finding)])
    of = _group(finding, schema)
    name = f"{finding.subject} {finding.code}"
    if finding.severity is Severity.ERROR:
        return Case(name, of, failure=told)
    return Case(name, of, skipped=f"{finding.severity.value}: {told}")


def _group(finding: Finding, schema: Schema) -> str:
    return table_words(finding, schema) or finding.severity.value
