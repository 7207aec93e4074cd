"""Known problems as a file: what was there when it was written stays known, and only what is new fails.

A problem of `check` is known by its edge's name and the number of orphans that it had: more of them are new. One of
`doctor` is known by its code and what it is about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fkexplorer.orphans.model import Bound, Status
from fkexplorer.reports.values import moment, number
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.doctor.model import Finding
    from fkexplorer.reports.document import Check
    from fkexplorer.schema.model import Relationship

LASTING = (Status.DENIED, Status.UNRELIABLE, Status.INCOMPARABLE)
"""Of what has no number, what stays so until somebody changes something: a timeout is none, nor what was skipped."""
_VERSION = 1


class Malformed(Exception):  # noqa: N818 - it is the file's fault
    """A text is no baseline: why, in a few words."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known; a part that no command has written yet is None."""

    orphans: Mapping[str, int] | None = None
    """By the edge's name how many it had."""
    uncounted: Mapping[str, str] = field(default_factory=dict)
    """By the edge's name a `Status` of `LASTING`."""
    findings: frozenset[tuple[str, str]] | None = None
    """Code and subject of each of the doctor's."""
    written: datetime | None = None
    """When, by the clock of the computer that wrote it, UTC."""

    def knows(self, check: Check, edge: Relationship) -> str:
        """Why a problem of this edge is none that is new, in a few words; empty where it is new, or there is none."""
        count, label = check.count(edge), edge_label(check.schema, edge)
        if count.status is Status.ORPHANS and count.orphans is not None:
            known = (self.orphans or {}).get(label)
            # At least so many may be more than are known.
            if known is not None and count.orphans <= known and count.bound is Bound.EXACT:
                return f"in the baseline with {number(known, 'orphan')}"
        elif self.uncounted.get(label) == count.status.value:
            return "in the baseline as not counted"
        return ""

    def gone(self, check: Check) -> list[str]:
        """The edges of the baseline that had orphans and were seen to have none, or fewer, now: it can be tightened."""
        found = {edge_label(check.schema, edge): check.count(edge) for edge in check.edges}
        return [
            label
            for label, known in (self.orphans or {}).items()
            if (count := found.get(label)) is not None and count.orphans is not None and count.orphans < known
        ]

    def with_check(self, check: Check, *, now: datetime, but: Iterable[int] = ()) -> Baseline:
        """The same with the problems of a run of `check` in place of those that it had.

        Args:
            check: the run.
            now: when it is written.
            but: OIDs of edges that are ignored anyhow.
        """
        ignored = set(but)
        edges = [edge for edge in check.edges if edge.oid not in ignored]
        counts = {edge_label(check.schema, edge): check.count(edge) for edge in edges}
        return Baseline(
            {label: each.orphans or 0 for label, each in counts.items() if each.status is Status.ORPHANS},
            {label: each.status.value for label, each in counts.items() if each.status in LASTING},
            self.findings,
            now,
        )

    def with_findings(self, findings: Iterable[Finding], *, now: datetime) -> Baseline:
        """The same with the doctor's findings in place of those that it had."""
        found = frozenset((each.code, each.subject) for each in findings)
        return Baseline(self.orphans, self.uncounted, found, now)

    def has(self, finding: Finding) -> bool:
        """Whether a finding of the doctor is known."""
        return (finding.code, finding.subject) in (self.findings or ())


def baseline_text(baseline: Baseline) -> str:
    """The file, in an order that does not change: two of them can be compared line by line."""
    document: dict[str, Any] = {
        "fkexplorer_baseline": _VERSION,
        "written": moment(baseline.written or datetime.now(UTC)),
    }
    if baseline.orphans is not None:
        document["check"] = {
            "orphans": dict(sorted(baseline.orphans.items())),
            "uncounted": dict(sorted(baseline.uncounted.items())),
        }
    if baseline.findings is not None:
        document["doctor"] = [{"code": code, "subject": subject} for code, subject in sorted(baseline.findings)]
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_baseline(text: str) -> Baseline:
    """What a file says.

    Raises:
        Malformed: it is no baseline, or one of a later version.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"it is no JSON: {error}") from None
    version = document.get("fkexplorer_baseline") if isinstance(document, dict) else None
    if version != _VERSION:
        raise Malformed("it is no baseline" if version is None else f"it is of version {version}, not {_VERSION}")
    check, doctor = document.get("check"), document.get("doctor")
    try:
        return Baseline(
            None if check is None else {str(label): _whole(many) for label, many in check["orphans"].items()},
            {} if check is None else {str(label): Status(word).value for label, word in check["uncounted"].items()},
            None if doctor is None else frozenset((str(each["code"]), str(each["subject"])) for each in doctor),
            datetime.fromisoformat(document["written"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(f"something in it is not as it was written: {error}") from None


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of orphans")
    return value
