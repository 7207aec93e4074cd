"""The badges: what is known of an edge's rows, its tags, and how bad that is for sorting.

Every badge is plain ASCII in every mode and says all by its letters; a style word only repeats it. A number appears
only where one is known: unknown is never shown as clean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Bound, Count, Status
from fkexplorer.reports.live import QUIET
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import human, percent
from fkexplorer.schema.model import EdgeKind, EdgeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fkexplorer.orphans.model import Estimate
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.model import Relationship, Schema

MANY = 1000
"""From this many orphans on, or from 1 % of the rows, an edge is severe."""

_WORDLESS = {
    Status.SKIPPED: "-",
    Status.TIMED_OUT: "T",
    Status.DENIED: "D",
    Status.UNRELIABLE: "R",
    Status.INCOMPARABLE: "X",
    Status.FAILED: "E",
    Status.STOPPED: "?",
}

STATUS_WORDS: Mapping[Status, str] = {
    Status.CLEAN: "clean",
    Status.ORPHANS: "orphans",
    Status.SKIPPED: "skipped: over the cost limit",
    Status.TIMED_OUT: "timed out",
    Status.DENIED: "denied: a privilege is missing",
    Status.UNRELIABLE: "row security hides rows from this role",
    Status.INCOMPARABLE: "the types cannot be compared",
    Status.FAILED: "failed",
    Status.STOPPED: "stopped",
}
"""What each status means, for people."""


def trusted(edge: Relationship) -> bool:
    """Whether PostgreSQL itself calls the constraint valid (`convalidated`, `conenforced`): orphans are damage then."""
    return edge.validated and edge.enforced


def rows_of(schema: Schema, edge: Relationship, count: Count | None) -> float | None:
    """The child's rows: as counted, else as estimated (`reltuples`); None where neither is known."""
    if count is not None and count.rows is not None:
        return count.rows
    return schema.child_of(edge).estimated_rows


_NO_ANSWER = frozenset([Status.SKIPPED, Status.TIMED_OUT, Status.STOPPED])
"""An estimate says more than these; what keeps an answer away for another reason is said in its place."""


def row_badge(
    count: Count | None,
    *,
    checking: bool = False,
    found: int = 0,
    estimate: Estimate | None = None,
    valid: bool = False,
    rows: float | None = None,
) -> Span:
    """What is known of the rows, in at most seven characters.

    Args:
        count: the last count; None where there was none.
        checking: a count is under way: `..`, or `>=37` once it found some.
        found: orphans that the count under way has found so far.
        estimate: what a sample says while there is no number: `<=1.6%`.
        valid: PostgreSQL calls the constraint valid, see `trusted`.
        rows: rows of the child, counted or estimated.
    """
    if checking and found:
        return Span(f">={human(found)}", "unknown")
    if estimate is not None and (checking or count is None or count.status in _NO_ANSWER):
        return Span(f"<={percent(estimate.high, estimate.rows)}", "unknown")
    if checking and not (count and count.bound is Bound.LOWER):
        return Span("..", "unknown")
    return _counted(count, valid=valid, rows=rows) if count else Span("?", "unknown")


def _counted(count: Count, *, valid: bool, rows: float | None) -> Span:
    if count.status is Status.CLEAN:
        return Span("ok", "ok")
    if count.status is not Status.ORPHANS or count.orphans is None:
        return Span(_WORDLESS.get(count.status, "?"), "unknown")
    number = count.orphans
    if count.bound is not Bound.EXACT:
        sign = ">=" if count.bound is Bound.LOWER else "<="
        share = percent(number, rows) if count.bound is Bound.ESTIMATE and rows else human(number)
        return Span(sign + share, "unknown")
    severe = valid or number >= MANY or bool(rows and number / rows >= 0.01)
    return Span(("!!" if valid else "!") + human(number), "severe" if severe else "problem")


def edge_badge(schema: Schema, edge: Relationship, count: Count | None, live: Live = QUIET) -> Span:
    """The rows badge of one edge; that of a guess is never as loud as a problem."""
    progress = live.progress.get(edge.oid)
    badge = row_badge(
        count,
        checking=live.counting(edge.oid, count),
        found=progress.found if progress else 0,
        estimate=live.estimates.get(edge.oid),
        valid=trusted(edge),
        rows=rows_of(schema, edge, count),
    )
    quiet = edge.kind is EdgeKind.INFERRED and badge.style in ("problem", "severe")
    return Span(badge.text, "unknown") if quiet else badge


def tags(edge: Relationship, *, cycle: int | None = None, score: float | None = None) -> tuple[Span, ...]:
    """What else to know of an edge, most important first: `inf .9`, `cfg`, `off`, `NV`, `(2)`, `c2`, `noix`.

    `cycle` is the length of the shortest cycle through the edge; a self-reference (1) is no tag. `score` is a guess's.
    """
    words = ["cfg"] if edge.kind is EdgeKind.CONFIGURED else []
    if edge.kind is EdgeKind.INFERRED:
        words.append("inf" if score is None else f"inf {score_text(score, 1)}")
    if edge.state in (EdgeState.NOT_ENFORCED, EdgeState.DISABLED):
        words.append("off")
    if edge.state is not EdgeState.UNDECLARED and edge.enforced and not edge.validated:
        words.append("NV")
    if len(edge.pairs) > 1:
        words.append(f"({len(edge.pairs)})")
    if cycle is not None and cycle > 1:
        words.append(f"c{cycle}")
    if edge.index is None:
        words.append("noix")
    return tuple(Span(word, "tag") for word in words)


def score_text(score: float, digits: int) -> str:
    """A score as `.9` or `.93`, cut and not rounded; no guess is certain, so that the most is `.9` or `.99`."""
    return f".{min(int(score * 10**digits + 1e-6), 10**digits - 1):0{digits}d}"


def cycle_lengths(cycles: Iterable[Sequence[Relationship]]) -> dict[int, int]:
    """For each edge on one of these cycles the length of the shortest of them."""
    lengths: dict[int, int] = {}
    for cycle in cycles:
        for edge in cycle:
            lengths[edge.oid] = min(len(cycle), lengths.get(edge.oid, len(cycle)))
    return lengths


_RANKS = {"severe": 0, "problem": 1, "unknown": 2, "ok": 5}
_SUSPICION = {EdgeState.NOT_ENFORCED: 0, EdgeState.DISABLED: 0, EdgeState.NOT_VALID: 1}

Severity = tuple[int, int, int, float, str, str]


def severity(schema: Schema, edge: Relationship, count: Count | None) -> Severity:
    """A sort key, worst first: severe, orphans, could not be counted, not counted, skipped, clean.

    Within one rank: more orphans, then suspicion (off, NOT VALID), then more rows, then the name.
    """
    badge = edge_badge(schema, edge, count)
    rank = _RANKS[badge.style]
    if badge.text == "?":
        rank = 3
    elif badge.text == "-":
        rank = 4
    child = schema.child_of(edge)
    number = count.orphans if count is not None and count.orphans is not None else 0
    return (rank, -number, _SUSPICION.get(edge.state, 2), -(child.estimated_rows or 0.0), child.name, edge.name)


@dataclass(frozen=True, slots=True)
class Total:
    """What is known of several edges together, as of one table or of the schema."""

    edges: int
    checked: int
    with_orphans: int
    orphans: int
    skipped: int
    failed: int
    """Denied, timed out, unreliable, incomparable and failed ones."""
    waiting: int
    """Not counted yet, or stopped."""
    worst: Span
    guesses: int = 0
    """Guesses, which are in none of the others."""

    @property
    def unknown(self) -> int:
        """Edges without a number."""
        return self.edges - self.checked


def total(schema: Schema, edges: Iterable[Relationship], counts: Mapping[int, Count], live: Live = QUIET) -> Total:
    """The edges' badges added up; `worst` is one badge for all: the orphans of all, else `?`, else `ok`.

    It is `!!` where all of the orphans are under constraints that PostgreSQL calls valid, `>=` where an edge has only
    a lower bound. What a count under way has found so far counts, but leaves its edge unknown. Guesses are told apart.
    """
    guesses = 0
    everything = checked = with_orphans = orphans = skipped = failed = 0
    style, letter, lower, against = "", "", False, True
    for edge in edges:
        if edge.kind is EdgeKind.INFERRED:
            guesses += 1
            continue
        everything += 1
        count = counts.get(edge.oid)
        if count is not None and count.orphans is not None:
            checked += 1
            orphans += count.orphans
            with_orphans += count.orphans > 0
            lower = lower or count.bound is Bound.LOWER
            against = against and (count.orphans == 0 or trusted(edge))
            if count.orphans and style != "severe":
                style = edge_badge(schema, edge, count).style
            continue
        mark = edge_badge(schema, edge, count, live).text
        if mark.startswith(">="):
            orphans += live.progress[edge.oid].found
            style, lower, against = style or "unknown", True, against and trusted(edge)
        skipped += count is not None and count.status is Status.SKIPPED
        failed += count is not None and count.status not in (Status.SKIPPED, Status.STOPPED)
        letter = mark if mark in "TDRXE" or not letter or letter == "-" else letter
    if orphans:
        sign = ">=" if lower else "!!" if against else "!"
        worst = Span(sign + human(orphans), style)
    elif letter:
        worst = Span(letter, "unknown")
    else:
        worst = Span("ok", "ok") if everything else Span("", "dim")
    waiting = everything - checked - skipped - failed
    return Total(everything, checked, with_orphans, orphans, skipped, failed, waiting, worst, guesses)
