"""What the doctor finds: each finding with what was seen, why it matters and what mends it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.fixes.model import Lock
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.actions import FixAction
    from fkexplorer.schema.model import Relationship


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    """The constraint can't be made."""
    WARNING = "warning"
    """It is made, but not sure."""
    NOTICE = "notice"
    """It will hurt."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What mends a finding."""

    statements: tuple[str, ...] = ()
    """SQL in safe order, each without a semicolon; a comment line, `-- …`, where somebody has to decide."""
    locks: tuple[Lock, ...] = ()
    forecast: str = ""
    """What will come of it: `0 orphans: VALIDATE will pass, about 4 s, blocks no writes`."""
    action: FixAction | None = None
    """The panel's action that does it; None where there is none."""
    options: tuple[tuple[str, str], ...] = ()
    """What that action is to be given, as `rule` = `cascade`: names of `plan`'s options."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an edge, a pair of columns or a table."""

    code: str
    """A stable word, as `types_differ`, `no_unique_key`, `not_valid`, `no_index`, `rules_disagree`."""
    severity: Severity
    subject: str
    """What it is about, as people write it: an edge's label, a pair, a table, an index. With `code` it is what a
    baseline or an ignore knows it by, so that no number that changes is in it."""
    edge: int | None
    """OID of the edge, below 0 for a pair; None where it is about no single edge."""
    table: int | None
    """OID of the table that it is told at: the child of its edge."""
    text: str
    """What is wrong, in a sentence, with its numbers."""
    seen: str
    """What the catalogue has, in its own words: `pg_constraint.convalidated = false`."""
    why: str
    """Why it matters, in a sentence."""
    at: datetime
    """The server's clock when it was looked at, UTC."""
    treatment: Treatment = Treatment()


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings of one examination, worst first."""

    findings: tuple[Finding, ...]
    edges: tuple[Relationship, ...]
    """What was examined: declared edges, and pairs that were configured or named."""
    counts: Mapping[int, Count]
    """Of those edges whose orphans were counted."""
    not_looked: tuple[tuple[str, str], ...]
    """What could not be looked at, each with the reason: never to be taken for healthy."""
    at: datetime
    seconds: float
    skipped: tuple[tuple[str, str], ...] = ()
    """Edges over the cost limit, each with the reason: not looked at either, by choice."""
    excused: tuple[tuple[Finding, str], ...] = ()
    """Findings that are no failure, each with why: it is in the baseline, or ignored for a reason. None of them is in
    `findings`."""

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(each for each in self.findings if each.severity is severity)
