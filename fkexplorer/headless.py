"""The commands without a screen: `check`, `show`, `rows`, each on one connected database."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fkexplorer.baselines import baseline_before, load_baseline, save_baseline
from fkexplorer.database.model import Trouble
from fkexplorer.known.bind import read_known
from fkexplorer.known.guessing import not_rejected, with_guesses
from fkexplorer.known.ignoring import Ignores
from fkexplorer.named import edge_or_pair, known_schema, one_table, say_all
from fkexplorer.orphans.misfit_rows import comparable
from fkexplorer.orphans.model import Status
from fkexplorer.orphans.partitions import orphans_by_partition
from fkexplorer.orphans.queue import CountQueue
from fkexplorer.orphans.rows import childless_parents, missing_keys, orphan_rows
from fkexplorer.reports import pages as page_reports
from fkexplorer.reports.badges import cycle_lengths
from fkexplorer.reports.baseline import Baseline
from fkexplorer.reports.document import UNCOUNTED, Check, check_json, worst_first
from fkexplorer.reports.lens import build_lens
from fkexplorer.reports.text import check_text, uncounted
from fkexplorer.reports.values import exact, inert, number
from fkexplorer.schema.names import edge_label, qualified, table_label
from fkexplorer.version import version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.inference.model import Guess
    from fkexplorer.orphans.model import Count, Page, Progress
    from fkexplorer.schema.model import Relationship, Schema

CLEAN, FOUND, COULD_NOT = 0, 1, 2
PAGE = 200


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What `check` was asked."""

    format: str = "text"
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    max_bytes: int = 1 << 30
    fail_on_skipped: bool = False
    full: bool = False
    deep: bool = False
    """No index is trusted."""
    eager: bool = False
    """Long counts never rest."""
    jobs: int = 2
    inferred: bool = False
    """Guesses are counted too."""
    baseline: str | None = None
    """A file of known problems."""
    write_baseline: str | None = None
    """A file to write those to that there are now."""


@dataclass(frozen=True, slots=True)
class RowsOptions:
    """What `rows` was asked; `kind` is orphans, keys, childless or partitions."""

    edge: str
    kind: str = "orphans"
    limit: int = PAGE
    format: str = "text"
    reveal: bool = False


async def check(database: Database, console: Console, settings: Settings, options: CheckOptions) -> int:
    """Count orphans on every edge that was asked for and report; the exit code.

    Raises:
        Trouble: a table or schema is not there, or the connection was lost.
    """
    baseline = load_baseline(options.baseline) if options.baseline else Baseline()
    if options.write_baseline:
        baseline_before(options.write_baseline)  # what is no baseline is told before anything is counted
    started, clock = datetime.now(UTC), time.monotonic()
    console.progress("reading the catalogue")
    known = await read_known(database, settings)
    guesses, unguessed = await _guesses(database, known.schema, settings, options) if options.inferred else ((), ())
    schema = await with_guesses(database, known.schema, guesses)
    ignores = Ignores(schema, settings.ignored, schema.loaded_at.date())
    problems = (*known.problems, *ignores.problems, *unguessed)
    say_all(console, problems)
    tables, edges = scope(schema, options)
    counts = await _count(database, schema, edges, console, options)
    result = Check(
        version=version(),
        facts=database.facts,
        schema=schema,
        edges=worst_first(schema, edges, counts),
        tables=len(tables),
        counts=counts,
        started=started,
        seconds=time.monotonic() - clock,
        guesses={guess.edge.oid: guess for guess in guesses},
        origins=known.origins,
        problems=problems,
    )
    bad = result.with_status(Status.ORPHANS, Status.SKIPPED, *UNCOUNTED)
    ignored = {edge.oid: words for edge in bad if (words := ignores.reason(edge.oid))}
    in_baseline = {edge.oid: words for edge in bad if (words := baseline.knows(result, edge))}
    lapsed = {edge.oid: words for edge in bad if (words := ignores.lapsed(edge.oid))}
    result = replace(result, excused={**in_baseline, **ignored}, lapsed=lapsed)
    _print(result, console, options)
    if gone := baseline.gone(result):
        shown = ", ".join(gone[:_NAMED]) + (", …" if len(gone) > _NAMED else "")
        console.say(f"fewer orphans than in the baseline: {shown}; --write-baseline writes it anew")
    if options.write_baseline is not None:
        return _written(result, console, options.write_baseline, ignored)
    linked = {each.origin for each in settings.relationships}
    absent = [each.origin for each in known.unbound if each.origin in linked]
    return _verdict(result, console, options, () if options.tables or options.schemas else absent)


async def _guesses(
    database: Database, schema: Schema, settings: Settings, options: CheckOptions
) -> tuple[tuple[Guess, ...], tuple[str, ...]]:
    """The guesses that are shown, but for the rejected; and what could not be looked at."""
    from fkexplorer.inference.look import look  # noqa: PLC0415 - few ask for it

    found = await look(database, schema, data=True, seconds=_GUESSING, max_bytes=options.max_bytes)
    return not_rejected(schema, settings, found.shown), found.problems


_GUESSING = 30.0
"""Seconds in which keys are sampled for guesses, at most."""
_NAMED = 5
"""Foreign keys that one line names at most."""


def _print(result: Check, console: Console, options: CheckOptions) -> None:
    match options.format:
        case "json":
            console.data(check_json(result) + "\n")
        case "junit":
            from fkexplorer.reports.check_junit import check_junit  # noqa: PLC0415 - few ask for it

            console.data(check_junit(result))
        case "markdown":
            from fkexplorer.reports.check_markdown import check_markdown  # noqa: PLC0415 - as above

            console.lines(check_markdown(result))
        case _:
            console.lines(check_text(result, full=options.full, ascii=console.ascii))


def _written(result: Check, console: Console, path: str, ignored: Iterable[int]) -> int:
    """Write the problems of a run as known ones; they are none then, but for what may well be counted next time."""
    made = save_baseline(path, lambda before: before.with_check(result, now=datetime.now(UTC), but=ignored))
    orphans, uncounted = len(made.orphans or {}), len(made.uncounted)
    console.say(
        f"{path}: {number(orphans, 'foreign key')} with orphans"
        + (f", {exact(uncounted)} that can't be counted" if uncounted else "")
    )
    return CLEAN


def _verdict(result: Check, console: Console, options: CheckOptions, absent: Sequence[str]) -> int:
    """The exit code, and why it is none of the others; `absent` is where pairs are linked that are not there."""
    if result.failing(Status.ORPHANS):
        return FOUND
    failed, skipped = result.failing(*UNCOUNTED), result.failing(Status.SKIPPED)
    if not failed and not (skipped and options.fail_on_skipped):
        if not absent:
            return CLEAN
        words = f"{number(len(absent), 'configured relationship')} could not be checked: {', '.join(absent[:_NAMED])}"
        console.trouble(Trouble(words, "what is linked there is not in this database: mend it there", code="absent"))
        return COULD_NOT
    missing = len(failed) + (len(skipped) if options.fail_on_skipped else 0)
    console.trouble(
        Trouble(
            f"{number(missing, 'foreign key')} could not be checked: {', '.join(uncounted(result))}",
            _HINTS[result.count((failed or skipped)[0]).status],
            code="uncounted",
        )
    )
    return COULD_NOT


_HINTS = {
    Status.DENIED: "connect as a role that has SELECT on both tables and USAGE on their schemas",
    Status.TIMED_OUT: "run it on a replica or at a quieter time, or check single tables with --table",
    Status.UNRELIABLE: "connect as a role with BYPASSRLS, or as the owner of the tables",
    Status.INCOMPARABLE: "no operator compares the types of the two columns: one of them has to change its type",
    Status.FAILED: "the reason is with each of them above; `fkexplorer rows` on one of them says it again",
    Status.SKIPPED: "raise --max-bytes, or ask for single tables with --table",
}


async def show(database: Database, console: Console, settings: Settings, table: str, width: int) -> int:
    """Count the edges of one table and print its Lens; the exit code.

    Raises:
        Trouble: the table is not there, or the connection was lost.
    """
    from fkexplorer.schema.graph import Graph  # noqa: PLC0415 - networkx takes 0.2 s, which the others do not need

    schema = await known_schema(database, settings, console)
    found = one_table(schema, table)
    edges = [edge for edge in schema.edges.values() if found.oid in (edge.child, edge.parent)]
    counts = await _count(database, schema, edges, console, CheckOptions())
    cycles = cycle_lengths(Graph(schema).cycles())
    lens = build_lens(schema, found.oid, counts, width=width, ascii=console.ascii, cycles=cycles)
    console.data(lens.text + "\n")
    for edge in edges:
        if edge.child == found.oid and found.partitions and counts[edge.oid].orphans:
            await _partitions(database, schema, edge, console)
    return CLEAN


async def _partitions(database: Database, schema: Schema, edge: Relationship, console: Console) -> None:
    """Print in which partitions an edge's orphans lie; where they could be counted, this can too."""
    try:
        page = await orphans_by_partition(database, schema, edge)
    except Trouble as trouble:
        console.say(f"{edge_label(schema, edge)}, by partition: {trouble.reason}")
        return
    console.lines(["", inert(f"{edge_label(schema, edge)}, by partition:", ascii=console.ascii)])
    console.lines(page_reports.table_text([page], ascii=console.ascii))
    if page.more:
        console.say(f"there are more: fkexplorer rows {edge_label(schema, edge)} --by-partition --limit N")


async def rows(database: Database, console: Console, settings: Settings, options: RowsOptions) -> int:
    """Print the rows of one edge; the exit code.

    Raises:
        Trouble: the edge is not there, or not of a partitioned table as it was asked for; the rows cannot be read, or
            the connection was lost.
    """
    schema = await known_schema(database, settings, console)
    edge = await edge_or_pair(database, schema, options.edge, incomparable=True)
    label = edge_label(schema, edge)
    if options.kind == "partitions" and not schema.child_of(edge).partitions:
        raise Trouble(
            f"{table_label(schema.child_of(edge))} has no partitions",
            "without --by-partition its rows are listed, with --keys the missing keys",
            code="usage",
        )
    pages: list[Page] = []
    printed = 0
    async for page in _pages(database, schema, edge, options):
        if options.format == "csv":
            lines = list(page_reports.csv_lines([page], tame=console.to_terminal))
            if not console.data("".join(lines[1:] if pages else lines)):
                return CLEAN
        pages.append(page)
        printed += len(page.rows)
        console.progress(f"{printed} rows")
    if options.format == "json":
        console.data(page_reports.rows_json(pages, edge=label, kind=options.kind) + "\n")
    elif options.format == "text" and printed:
        console.lines(page_reports.table_text(pages, ascii=console.ascii))
    more = bool(pages) and pages[-1].more
    names = _NAMES[options.kind] if comparable(edge) else _NAMES_APART[options.kind]
    console.say(f"{label}: {number(printed, *names)}" + (", and there are more (--limit)" if more else ""))
    if masked := page_reports.masked_names(pages):
        console.say(f"masked: {', '.join(masked)} (--reveal shows them)")
    return CLEAN


_NAMES = {
    "orphans": ("orphan", "orphans"),
    "keys": ("missing key", "missing keys"),
    "childless": ("parent without a child", "parents without a child"),
    "partitions": ("partition with orphans", "partitions with orphans"),
}
_NAMES_APART = {
    "orphans": ("row that does not cast or has no parent", "rows that do not cast or have no parent"),
    "keys": ("key that does not cast or has no parent", "keys that do not cast or have no parent"),
}
"""Where the columns can't be compared."""


async def _pages(database: Database, schema: Schema, edge: Relationship, options: RowsOptions) -> AsyncIterator[Page]:
    """Pages up to the limit; the texts for people are cut on the server, the others whole."""
    if options.kind == "partitions":
        yield await orphans_by_partition(database, schema, edge, limit=options.limit)
        return
    after: tuple[str | None, ...] | None = None
    left = options.limit
    width = 200 if options.format == "text" else None
    read = {"keys": missing_keys, "childless": childless_parents}.get(options.kind, orphan_rows)
    while left > 0:
        limit = min(PAGE, left)
        page = await read(database, schema, edge, after=after, limit=limit, width=width, reveal=options.reveal)
        yield page
        left -= len(page.rows)
        after = page.after
        if not page.more or after is None:
            return


async def _count(
    database: Database, schema: Schema, edges: Iterable[Relationship], console: Console, options: CheckOptions
) -> dict[int, Count]:
    """Count these edges, what is suspicious or small first; those over the cost limit are skipped."""
    wanted = list(edges)
    counts: dict[int, Count] = {}

    def told() -> None:
        console.progress(f"{len(counts)} of {len(wanted)} foreign keys counted")

    def on_start(_: int) -> None:
        told()

    def on_progress(progress: Progress) -> None:
        label = edge_label(schema, schema.edges[progress.edge])
        # Not every count has a measure of how far it is; each has one of how long it has taken.
        done = f"{100 * progress.done // progress.total} %" if progress.total else f"for {progress.seconds:.0f} s"
        step = f"{progress.step}, " if progress.step else ""
        resting = f", {progress.resting}" if progress.resting else ""
        console.progress(f"{len(counts)} of {len(wanted)} foreign keys counted; {label}: {step}{done}{resting}")

    def on_count(count: Count) -> None:
        counts[count.edge] = count
        told()

    queue = CountQueue(
        database,
        schema,
        max_bytes=options.max_bytes,
        full=options.full,
        deep=options.deep,
        eager=options.eager,
        connections=options.jobs,
        on_start=on_start,
        on_count=on_count,
        on_progress=on_progress,
    )
    queue.add_all(edge.oid for edge in wanted)
    runner = asyncio.create_task(queue.run())
    try:
        await queue.idle()
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        console.finish()
    return counts


def scope(schema: Schema, options: CheckOptions) -> tuple[set[int], list[Relationship]]:
    """The tables that were asked for and the edges that touch one of them: all where nothing was asked."""
    if not options.tables and not options.schemas:
        return set(schema.tables), list(schema.edges.values())
    chosen = {one_table(schema, text).oid for text in options.tables}
    known = sorted({table.schema for table in schema.tables.values()})
    for text in options.schemas:
        name = next((name for name in known if text in (name, qualified(name))), None)
        if name is None:
            raise Trouble(
                f"there is no schema {text} with tables in it",
                f"schemas here: {', '.join(map(qualified, known)) or 'none'}",
                code="no_schema",
            )
        chosen |= {table.oid for table in schema.tables.values() if table.schema == name}
    return chosen, [edge for edge in schema.edges.values() if edge.child in chosen or edge.parent in chosen]
