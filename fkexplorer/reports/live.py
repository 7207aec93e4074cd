"""What is known of edges beside their last counts while a monitor runs, and how it is said.

Ages, progress, what appeared, deletes on parents, lock waits: a number is shown with the time that it is true for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.orphans.history import History
from fkexplorer.orphans.model import Bound
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import age, duration, exact, fit, number, percent
from fkexplorer.schema.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from fkexplorer.inference.model import Guess
    from fkexplorer.orphans.events import Backend, Wait
    from fkexplorer.orphans.model import Count, Estimate, Page, Progress
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Relationship, Schema

FRESH = 10.0
"""Seconds within which a count that was proven again is called unchanged: a monitor looks about once a second, and
over a slow line, or beside a long statement, a few looks may come late."""
STALE_SECONDS, STALE_FACTOR = 60.0, 40.0
"""From this age on a count is called stale: twice what a monitor lets a count live that it cannot prove (30 s, or 20
times what it took). It means that counting again failed, or that the connection is lost."""
SPARK_CELLS = 20
SPARK_SPANS = ((60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h"))
"""What a sparkline shows: the first of these that reaches back to the first count, or else the last."""
MINUTE = 60.0
WAITS_SHOWN = 2
"""Lock waits that the lines of one edge tell of, the longest first."""
STATEMENT = 48
"""Cells of a statement in a lock wait; what it does is at its beginning."""

NEW_MARK, WAIT_MARK = "*", "&"


@dataclass(slots=True)
class Live:
    """What a monitor told of edges, by OID; empty where none runs. Only the screen's own handlers change it."""

    running: set[int] = field(default_factory=set)
    """Being counted, or sent to be."""
    asked: set[int] = field(default_factory=set)
    """Somebody asked for a count that has not ended: its number is not shown meanwhile."""
    progress: dict[int, Progress] = field(default_factory=dict)
    estimates: dict[int, Estimate] = field(default_factory=dict)
    """Until there is a number."""
    confirmed: dict[int, datetime] = field(default_factory=dict)
    """When the last count was last proven to be right still."""
    doubted: set[int] = field(default_factory=set)
    """What the last look at the server did not prove: since it was proven it may have changed."""
    tried: dict[int, Count] = field(default_factory=dict)
    """A count that ended without a number after the one that is shown."""
    appeared: dict[int, datetime] = field(default_factory=dict)
    """When orphans appeared last on an edge, in this session."""
    unseen: set[int] = field(default_factory=set)
    """Edges on which they did since somebody looked."""
    waits: dict[int, tuple[Wait, ...]] = field(default_factory=dict)
    deleted: Mapping[int, int | None] = field(default_factory=dict)
    """Deletes by the parent's OID; None where it can't be known."""
    since: datetime | None = None
    """From when on deletes are told."""
    partitions: dict[int, Page] = field(default_factory=dict)
    """In which partitions the orphans lay, as `orphans_by_partition` read it."""
    history: History = field(default_factory=History)
    guesses: Mapping[int, Guess] = field(default_factory=dict)
    """Why edges of kind `inferred` are taken for some."""

    def score(self, edge: int) -> float | None:
        """How likely a guess is; None for what is none."""
        guess = self.guesses.get(edge)
        return guess.score if guess is not None else None

    def counting(self, edge: int, count: Count | None) -> bool:
        """Whether its badge says that it is being counted: not of a number that a recount only keeps true."""
        return edge in self.running and (edge in self.asked or count is None or not count.known)

    def mark(self, edge: int) -> str:
        """One character before the badge: a lock wait, or orphans that are new; else nothing."""
        return WAIT_MARK if edge in self.waits else NEW_MARK if edge in self.unseen else ""

    def mark_of(self, edges: Sequence[Relationship]) -> str:
        """The mark of several edges together."""
        marks = {self.mark(edge.oid) for edge in edges}
        return WAIT_MARK if WAIT_MARK in marks else NEW_MARK if NEW_MARK in marks else ""

    def newest(self) -> int | None:
        """The edge on which orphans appeared last; of those that nobody has looked at yet, if there are such."""
        candidates = self.unseen & self.appeared.keys() or self.appeared.keys()
        return max(candidates, key=lambda edge: self.appeared[edge], default=None)

    def quiet(self) -> None:
        """Nothing runs any more, nor is anybody looked at: the connection is gone, or another monitor begins."""
        for told in (self.running, self.asked, self.progress, self.waits):
            told.clear()

    def inherit(self, heirs: Mapping[int, int]) -> None:
        """The catalogue changed: edges that are gone leave what appeared on them to their heirs, the rest to nobody."""
        self.appeared = {heirs[edge]: at for edge, at in self.appeared.items() if edge in heirs}
        self.unseen = {heirs[edge] for edge in self.unseen if edge in heirs}
        stay = {edge for edge, heir in heirs.items() if edge == heir}
        self.running &= stay
        self.asked &= stay
        for told in (self.progress, self.estimates, self.confirmed, self.tried, self.waits, self.partitions):
            for gone in told.keys() - stay:
                del told[gone]

    def right_until(self, count: Count) -> datetime:
        """The last moment that this count, an edge's last, is known to have been true at."""
        return max(count.as_of, self.confirmed.get(count.edge, count.as_of))


QUIET = Live()
"""No monitor runs."""
PARTITIONS_SHOWN = 3
"""Partitions that the lines of one edge name, those with most orphans."""


def partitions_fit(page: Page | None, count: Count) -> bool:
    """Whether the partitions account for all the orphans of an exact count."""
    if page is None or page.more or count.bound is not Bound.EXACT:
        return False
    return sum(int(rows.text or 0) for _, rows in page.rows) == count.orphans


def partitions_line(schema: Schema, edge: Relationship, count: Count | None, live: Live, now: datetime) -> Line | None:
    """`by partition: page_views_2025_05 8`, those with most first; with its age where that is not the count's."""
    page = live.partitions.get(edge.oid)
    if page is None or count is None or not count.orphans or not partitions_fit(page, count):
        return None
    home = f"{quote(schema.child_of(edge).schema)}."
    parts = [f"{(name.text or '').removeprefix(home)} {exact(int(rows.text or 0))}" for name, rows in page.rows]
    more = f", {len(parts) - PARTITIONS_SHOWN} more" if len(parts) > PARTITIONS_SHOWN else ""
    elapsed = (now - page.as_of).total_seconds()
    when = f"  as of {clock(page.as_of, now)} ({age(elapsed)})" if elapsed > FRESH else ""
    return (Span(f"by partition: {', '.join(parts[:PARTITIONS_SHOWN])}{more}", "problem"), Span(when, "dim"))


_MARK_STYLES = {NEW_MARK: "severe", WAIT_MARK: "unknown"}


def marked(mark: str, badge: Span, cells: int, *, before: str = "") -> tuple[Span, ...]:
    """A badge at the right of so many cells, its mark before it; `before` is the style of what fills them up."""
    blank = Span(" " * (cells - len(badge.text) - len(mark)), before)
    return (blank, *([Span(mark, _MARK_STYLES[mark])] if mark else []), badge)


def clock(when: datetime, now: datetime) -> str:
    """`12:00:03`, with the day where it is another one than now's."""
    local = when.astimezone(now.tzinfo)
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def age_of(count: Count, live: Live, now: datetime) -> Span:
    """When the count is true: `unchanged since 12:00:03`, `as of 12:00:03 (3s ago)`, and whether that is stale."""
    until = live.right_until(count)
    elapsed = max(0.0, (now - until).total_seconds())
    if until > count.as_of and elapsed <= FRESH and count.edge not in live.doubted:
        return Span(f"unchanged since {clock(count.as_of, now)}", "dim")
    words = f"as of {clock(until, now)} ({age(elapsed)})"
    if elapsed > max(STALE_SECONDS, STALE_FACTOR * count.seconds):
        return Span(f"STALE: {words}", "unknown")
    return Span(words, "dim")


def progress_line(progress: Progress, estimate: Estimate | None) -> Line:
    """How far a count has come: `45% of 210,000 blocks, at least 37 orphans, 12.0 s left`."""
    words = []
    if progress.total > 0:
        words.append(f"{percent(min(progress.done, progress.total), progress.total)} of ")
        words[0] += number(progress.total, progress.unit.removesuffix("s"))
    if progress.found:
        words.append(f"{'' if progress.step else 'at least '}{number(progress.found, 'orphan')}")
    elif progress.total > 0 and not progress.step:
        words.append("no orphan so far")
    if progress.seconds_left is not None:
        words.append(f"{duration(progress.seconds_left)} left")
    if progress.total <= 0:
        words.append(f"for {duration(progress.seconds)}")
    what = f"counting {progress.step}: " if progress.step else "counting: "
    line = [Span(what + ", ".join(words), "unknown")]
    if progress.resting:
        line.append(Span(f"  {progress.resting}", "unknown"))
    if estimate is not None and not progress.found:
        line.append(Span(f"  {estimate_words(estimate)}", "unknown"))
    return tuple(line)


def estimate_words(estimate: Estimate) -> str:
    """`a sample says at most 1.6% (3,200 rows)`; what it found makes it a range."""
    most = f"{percent(estimate.high, estimate.rows)} ({number(estimate.high, 'row')})"
    if estimate.low > 0:
        return f"a sample says {exact(estimate.low)} to {most}"
    return f"a sample says at most {most}"


def movement_line(schema: Schema, edge: Relationship, live: Live, now: datetime, *, ascii: bool) -> Line:
    """How the orphans went in this session, and deletes on the parent; empty where neither changed."""
    parts: list[Span] = []
    course = live.history.of(edge)
    if course is not None and len(course.points) > 1:
        grown = course.grown(MINUTE, now)
        last, before = course.points[-1], course.points[-2]
        if grown:
            words = f"{grown:+,} in the last minute"
        else:
            grown = last.orphans - before.orphans
            words = f"{grown:+,} at {clock(last.at, now)}"
        parts.append(Span(words, "problem" if grown > 0 else ""))
        passed = (now - course.points[0].at).total_seconds()
        seconds, words = next((span for span in SPARK_SPANS if span[0] >= passed), SPARK_SPANS[-1])
        if drawn := sparkline(course.series(SPARK_CELLS, seconds, now), ascii=ascii):
            parts.append(Span(f"{words} [{drawn}]"))
    if live.deleted.get(edge.parent):
        parts.append(Span(deletes_words(schema, edge, live, now)))
    line: list[Span] = []
    for part in parts:
        line += [Span("  "), part] if line else [part]
    return tuple(line)


def deletes_words(schema: Schema, edge: Relationship, live: Live, now: datetime) -> str:
    """`12 deletes on workspaces since 02:11`, or that it can't be known; empty where nobody looks."""
    if live.since is None or edge.parent not in live.deleted:
        return ""
    rows, table = live.deleted[edge.parent], quote(schema.parent_of(edge).name)
    if rows is None:
        return f"deletes on {table}: not known"
    since = f"{live.since.astimezone(now.tzinfo):%H:%M}"
    return f"{number(rows, 'delete') if rows else 'no delete'} on {table} since {since}"


_BARS, _DIGITS = "▁▂▃▄▅▆▇█", "01234567"


def sparkline(values: Sequence[int | None], *, ascii: bool = False) -> str:
    """Eight heights between the least and the greatest number, a space where none is known; digits in ASCII.

    It is empty where nothing changed: a line at one height says nothing.
    """
    known = [value for value in values if value is not None]
    if not known or min(known) == max(known):
        return ""
    least, most = min(known), max(known)
    heights = _DIGITS if ascii else _BARS
    steps = len(heights) - 1
    # What is above the least is seen to be: it takes the second height at least.
    return "".join(" " if value is None else heights[-(-(value - least) * steps // (most - least))] for value in values)


def wait_lines(schema: Schema, waits: Sequence[Wait], now: datetime, *, ascii: bool) -> Iterator[Line]:
    """Who waits for whom, for how long, and for what."""
    for wait in waits[:WAITS_SHOWN]:
        waited = max(0.0, (now - wait.since).total_seconds())
        yield (
            Span(f"lock wait of {round(waited)} s: ", "unknown"),
            Span(_backend(wait.waiter, ascii=ascii)),
            Span(f"  waits for {_wanted(schema, wait)} "),
            Span(", ".join(_backend(who, ascii=ascii) for who in wait.blockers), "unknown"),
        )
    if len(waits) > WAITS_SHOWN:
        yield (Span(f"and {number(len(waits) - WAITS_SHOWN, 'more lock wait')}", "unknown"),)


def _wanted(schema: Schema, wait: Wait) -> str:
    if wait.mode == "row":
        return "a row locked by"
    table = schema.tables.get(wait.wanted) if wait.wanted is not None else None
    return f"{wait.mode}{f' on {quote(table.name)}' if table else ''}, held by"


def _backend(who: Backend, *, ascii: bool) -> str:
    if who.pid == 0:
        return "a prepared transaction"
    words = f"{who.pid} {who.user or '(user not known)'}"
    if who.application:
        words += f"/{fit(who.application, 20, pad=False, middle=False, ascii=ascii)}"
    if who.state and who.state.startswith("idle in transaction"):
        words += f" ({who.state})"
    if who.statement:
        words += f" {fit(who.statement, STATEMENT, pad=False, middle=False, ascii=ascii)}"
    return words
