"""What `check` found, in Markdown: for the summary of a CI job, a pull request or a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import STATUS_WORDS
from fkexplorer.reports.document import UNCOUNTED
from fkexplorer.reports.markdown import code, plain, table
from fkexplorer.reports.sentence import count_words, pairing
from fkexplorer.reports.text import summary_line
from fkexplorer.reports.values import moment
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.reports.document import Check
    from fkexplorer.schema.model import Relationship


def check_markdown(check: Check) -> list[str]:
    """The report as lines: orphans that fail first, what has no number and why, what is known or ignored, a summary."""
    facts = check.facts
    broken = check.with_status(Status.ORPHANS)
    failing = check.failing(Status.ORPHANS)
    uncounted = check.with_status(*UNCOUNTED, Status.SKIPPED)
    verdict = "orphans" if failing else "no new orphans" if broken else "no orphans"
    return [
        f"# Foreign keys of {plain(facts.place)}: {verdict}",
        "",
        f"{plain(summary_line(check))}. {plain(facts.version)}, {moment(check.started)}.",
        "",
        *_section(check, "Orphans", failing),
        *_section(check, "Not counted", check.failing(*UNCOUNTED, Status.SKIPPED)),
        *_section(check, "Known or ignored", [edge for edge in (*broken, *uncounted) if check.excuse(edge)]),
    ]


def _section(check: Check, title: str, edges: Sequence[Relationship]) -> Iterator[str]:
    if not edges:
        return
    yield f"## {title}"
    yield ""
    yield from table(("foreign key", "columns", "found"), (_row(check, edge) for edge in edges))
    yield ""


def _row(check: Check, edge: Relationship) -> tuple[str, str, str]:
    count = check.count(edge)
    words = count_words(check.schema, edge, count) if count.known else count.error or STATUS_WORDS[count.status]
    remark = check.remark(edge)
    return (
        code(edge_label(check.schema, edge)),
        plain(pairing(check.schema, edge)),
        plain(words + (f" ({remark})" if remark else "")),
    )
