"""What `check` found, as JUnit XML: a test case for each edge, so that a CI shows them as it shows tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import STATUS_WORDS
from fkexplorer.reports.junit import Case, junit_text
from fkexplorer.reports.sentence import count_words, pairing
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from fkexplorer.reports.document import Check
    from fkexplorer.schema.model import Relationship


def check_junit(check: Check) -> str:
    """The document: orphans are a failure, what could not be counted an error; skipped and excused edges are skipped.

    Args:
        check: the run.
    """
    return junit_text(f"fkexplorer check {check.facts.place}", [_case(check, edge) for edge in check.edges])


def _case(check: Check, edge: Relationship) -> Case:
    count = check.count(edge)
    words = count_words(check.schema, edge, count) if count.known else count.error or STATUS_WORDS[count.status]
    text = f"{words}\n{pairing(check.schema, edge)}"
    failure = error = skipped = ""
    if excuse := check.excuse(edge):
        skipped = f"{words} ({excuse})"
    elif count.status is Status.ORPHANS:
        failure = text
    elif count.status is Status.SKIPPED:
        skipped = words
    elif count.status is not Status.CLEAN:
        error = text
    return Case(
        edge_label(check.schema, edge),
        table_label(check.schema.child_of(edge)),
        count.seconds,
        failure,
        error,
        skipped,
    )
