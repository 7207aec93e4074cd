"""The text of the commands, for people: lines that are inert and end without a line break."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import STATUS_WORDS, edge_badge, tags
from fkexplorer.reports.document import UNCOUNTED
from fkexplorer.reports.sentence import count_words, pairing
from fkexplorer.reports.values import duration, exact, inert, number, width
from fkexplorer.schema.model import EdgeKind, EdgeState
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.document import Check
    from fkexplorer.schema.model import Relationship

_REASONS = 3
"""Reasons of a guess that are listed; the document has all."""


def check_text(check: Check, *, full: bool = False, ascii: bool = False) -> list[str]:
    """What `check` prints: orphans worst first, what has no number and why, clean ones nobody holds, a summary.

    With `full` the other clean ones too, and for each edge what else was counted.
    """
    clean = check.with_status(Status.CLEAN)
    loose = [edge for edge in clean if edge.state not in (EdgeState.ENFORCED, EdgeState.UNDECLARED)]
    held = [edge for edge in clean if edge not in loose] if full else []
    sections = (
        ("", check.failing(Status.ORPHANS)),
        ("not counted", check.failing(*UNCOUNTED, Status.SKIPPED)),
        ("known or ignored", [edge for edge in check.edges if check.excuse(edge)]),
        ("clean now, but PostgreSQL does not vouch for it", loose),
        ("clean", held),
    )
    guessed = [edge for edge in check.of_kind(EdgeKind.INFERRED) if not check.excuse(edge)]
    listed = [
        *((title, [edge for edge in edges if edge not in guessed]) for title, edges in sections),
        ("guessed: no constraint, and nobody has said so", guessed),
    ]
    lines = [line for title, edges in listed for line in _listed(check, title, edges, full=full, ascii=ascii)]
    return [*lines, summary_line(check)]


def summary_line(check: Check) -> str:
    """`14 foreign keys checked, 2 with orphans: 31 orphans; 1 denied, 1 skipped (1.2 s)`."""
    if not check.edges:
        return f"no foreign keys in {number(check.tables, 'table')}"
    declared, *rest = (
        (len(check.of_kind(kind)), kind) for kind in (EdgeKind.DECLARED, EdgeKind.CONFIGURED, EdgeKind.INFERRED)
    )
    others = [f"{exact(many)} {kind}" for many, kind in rest if many]
    checked = check.with_status(Status.CLEAN, Status.ORPHANS)
    broken = check.with_status(Status.ORPHANS)
    found = "no orphans" if checked else ""
    if broken:
        found = f"{exact(len(broken))} with orphans: {number(check.orphans, 'orphan')}"
        if guessed := check.orphans_of(check.of_kind(EdgeKind.INFERRED)):
            found += f", {exact(guessed)} of them by guesses"
    every = number(len(check.edges), "relationship" if others else "foreign key")
    apart = f" ({', '.join((number(declared[0], 'foreign key'), *others))})" if others else ""
    whole = f"{exact(len(checked))} of {every}{apart} checked"
    words = "; ".join(part for part in (", ".join(filter(None, (whole, found))), ", ".join(uncounted(check))) if part)
    return f"{words} ({duration(check.seconds)})"


def uncounted(check: Check) -> list[str]:
    """`2 denied`, `1 timed out`: how many have no number, by reason."""
    words = {
        Status.SKIPPED: "skipped",
        Status.TIMED_OUT: "timed out",
        Status.DENIED: "denied",
        Status.UNRELIABLE: "hidden by row security",
        Status.INCOMPARABLE: "not comparable",
        Status.FAILED: "failed",
    }
    found = Counter(check.count(edge).status for edge in check.edges)
    return [f"{exact(found[status])} {word}" for status, word in words.items() if found[status]]


def _listed(check: Check, title: str, edges: Sequence[Relationship], *, full: bool, ascii: bool) -> list[str]:
    """Three columns: badge, constraint, what is known; a second line with the columns, with `full` the other totals."""
    if not edges:
        return []
    lines = [f"{title}:"] if title else []
    labels = [inert(edge_label(check.schema, edge), ascii=ascii) for edge in edges]
    wide = min(max(map(width, labels)), 72)
    for edge, label in zip(edges, labels, strict=True):
        count = check.count(edge)
        badge = edge_badge(check.schema, edge, count).text
        words = count_words(check.schema, edge, count) if count.known else count.error or STATUS_WORDS[count.status]
        if count.missing_keys:
            words += f", {number(count.missing_keys, 'missing key')}"
        if remark := check.remark(edge):
            words += f" ({remark})"
        guess = check.guesses.get(edge.oid)
        marks = "".join(f"  {span.text}" for span in tags(edge, score=guess.score if guess else None))
        padded = label + " " * (wide - width(label))
        lines.append(f"{badge:>6}  {padded}  {inert(words, ascii=ascii)}{marks}".rstrip())
        lines.append(f"{'':6}  {inert(pairing(check.schema, edge), ascii=ascii)}")
        if guess:
            reasons = [each.text for each in guess.reasons if each.points > 0]
            lines.append(f"{'':6}  {inert(', '.join(reasons[:_REASONS]), ascii=ascii)}")
        if full and (others := _other_totals(count)):
            lines.append(f"{'':6}  {others}")
    return [*lines, ""]


def _other_totals(count: Count) -> str:
    """`4 rows without a key (NULL), 37 parents without a child`: what is known besides rows and orphans."""
    known = (
        (count.nulls, "row", "without a key (NULL)"),
        (count.unchecked or None, "row", "let pass by MATCH SIMPLE: a part of the key is NULL"),
        (count.childless, "parent", "without a child"),
    )
    return ", ".join(f"{number(many, what)} {words}" for many, what, words in known if many is not None)
