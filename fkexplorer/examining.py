"""The command `doctor`: why a constraint can't be made, is not sure or will hurt, each with what mends it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.baselines import baseline_before, load_baseline, save_baseline
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pairs
from fkexplorer.diagnosis.guessing import guesses
from fkexplorer.diagnosis.named_there import Name, Told, spellings
from fkexplorer.doctor.examine import examine
from fkexplorer.doctor.excusing import excused
from fkexplorer.doctor.model import Severity
from fkexplorer.known.bind import by_hand, read_known
from fkexplorer.known.ignoring import Ignores
from fkexplorer.known.model import WrittenRelation
from fkexplorer.named import one_column, one_edge, one_table, say_all
from fkexplorer.reports.baseline import Baseline
from fkexplorer.reports.doctor import doctor_text
from fkexplorer.reports.values import number
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import split_pair
from fkexplorer.version import version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.model import Candidate
    from fkexplorer.doctor.model import Examination
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

HEALTHY, FOUND, COULD_NOT = 0, 1, 2
_ABSENT = frozenset({"no_table", "no_column"})


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What `doctor` was asked."""

    edge: str | None = None
    """A foreign key, a pair of columns, or the name of a constraint that could not be made; None for all."""
    format: str = "text"
    max_bytes: int = 1 << 30
    baseline: str | None = None
    """A file of known findings."""
    write_baseline: str | None = None
    """A file to write those to that there are now."""
    fail_on: Severity = Severity.ERROR
    """Findings of this severity, or a worse one, make the command fail."""
    plan: bool = False
    """Print one script that mends them, in place of the findings."""
    clean: str | None = None
    """How that script mends rows that are in the way; None for the way that loses nothing."""

    @classmethod
    def of(cls, options: argparse.Namespace) -> DoctorOptions:
        """From the command line, where each has the same name."""
        given = {each.name: getattr(options, each.name) for each in fields(cls)}
        return cls(**{**given, "fail_on": Severity(options.fail_on)})


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is to be examined."""

    schema: Schema
    edges: Sequence[Relationship] | None
    unbound: tuple[WrittenRelation, ...] = ()


async def doctor(database: Database, console: Console, settings: Settings, options: DoctorOptions) -> int:
    """Print the findings; the exit code.

    Returns:
        1 where something is as bad as `fail_on`, 2 where something could not be looked at and nothing is, else 0.

    Raises:
        Trouble: the edge that was named is none or may be several, or the connection was lost.
    """
    _check(options)
    baseline = load_baseline(options.baseline) if options.baseline else Baseline()
    if options.write_baseline:
        baseline_before(options.write_baseline)  # what is no baseline is told before anything is looked at
    console.progress("reading the catalogue")
    known = await read_known(database, settings, Path())
    unbound = by_hand(known, settings)
    findings = tuple(f"{each.origin}: " for each in unbound)
    say_all(console, [each for each in known.problems if not each.startswith(findings)])
    chosen = _Chosen(known.schema, None, unbound)
    if options.edge is not None:
        chosen = await _named(database, console, known.schema, options.edge)
    found = await examine(
        database,
        chosen.schema,
        Graph(chosen.schema),
        chosen.edges,
        max_bytes=options.max_bytes,
        unbound=chosen.unbound,
        told=console.progress,
    )
    console.finish()
    ignores = Ignores(chosen.schema, settings.ignored, found.at.date())
    say_all(console, ignores.problems)
    found, lapsed = excused(found, ignores, lambda each: "in the baseline" if baseline.has(each) else "")
    say_all(console, lapsed)
    if options.plan:
        return await _planned(database, console, chosen.schema, found, options)
    _print(found, chosen.schema, database, console, options)
    if options.write_baseline is not None:
        return _written(console, found, options.write_baseline)
    return _verdict(found, console, options.fail_on)


def _check(options: DoctorOptions) -> None:
    """Make sure that no option is without effect."""
    if options.clean and not options.plan:
        raise Trouble("--clean is for --plan", "add --plan, or leave it out", code="usage")
    if options.plan and (options.format != "text" or options.write_baseline):
        other = "--write-baseline" if options.write_baseline else f"--format {options.format}"
        raise Trouble(
            f"--plan prints a script, and not the findings: {other}", "leave one of the two out", code="usage"
        )


async def _planned(
    database: Database, console: Console, schema: Schema, found: Examination, options: DoctorOptions
) -> int:
    """Print the script that mends what was found; what is not in it is said."""
    from fkexplorer.doctor.mending import plan_all  # noqa: PLC0415 - few ask for it
    from fkexplorer.fixes.programme_script import programme_script  # noqa: PLC0415 - as above

    clean = FixAction(options.clean or FixAction.QUARANTINE)
    made = await plan_all(database, schema, found, clean=clean, max_bytes=options.max_bytes, told=console.progress)
    console.finish()
    console.data(await programme_script(database, made))
    steps = sum(len(item.plan.steps) for item in made.items)
    rows = f"{number(made.rows, 'row')} by {made.clean}, " if made.rows else ""
    console.say(f"{rows}{number(steps, 'step')}; to run it: psql -X -f FILE" if steps else "nothing to do")
    if made.left_out:
        console.say(f"not in it, as its head says: {number(len(made.left_out), 'thing')}")
    return COULD_NOT if found.not_looked and not steps else HEALTHY


def _written(console: Console, found: Examination, path: str) -> int:
    """Write all findings as known ones, but for what is ignored anyhow."""
    known = [finding for finding, words in found.excused if not words.startswith("ignored")]
    findings = [*found.findings, *known]
    save_baseline(path, lambda before: before.with_findings(findings, now=datetime.now(UTC)))
    console.say(f"{path}: {number(len(findings), 'finding')}")
    return HEALTHY


def _print(found: Examination, schema: Schema, database: Database, console: Console, options: DoctorOptions) -> None:
    match options.format:
        case "json":
            from fkexplorer.reports.doctor_json import doctor_json  # noqa: PLC0415 - few ask for it

            console.data(doctor_json(found, schema, database.facts, version=version()) + "\n")
        case "junit":
            from fkexplorer.reports.doctor_junit import doctor_junit  # noqa: PLC0415 - as above

            console.data(doctor_junit(found, schema, database.facts))
        case "markdown":
            from fkexplorer.reports.doctor_markdown import doctor_markdown  # noqa: PLC0415 - as above

            console.lines(doctor_markdown(found, schema, database.facts))
        case _:
            console.lines(doctor_text(found, schema, cells=console.width, ascii=console.ascii))


def _verdict(found: Examination, console: Console, fail_on: Severity) -> int:
    worst_first = list(Severity)
    if any(worst_first.index(each.severity) <= worst_first.index(fail_on) for each in found.findings):
        return FOUND
    if not found.not_looked:
        return HEALTHY
    what, reason = found.not_looked[0]
    more = f" and {number(len(found.not_looked) - 1, 'more thing')}" if len(found.not_looked) > 1 else ""
    console.trouble(
        Trouble(
            f"{what}{more} could not be looked at: {reason}",
            "what has not been looked at may be wrong all the same",
            code="not_looked",
        )
    )
    return COULD_NOT


async def _named(database: Database, console: Console, schema: Schema, text: str) -> _Chosen:
    """The edge or the pair that somebody named.

    Raises:
        Trouble: it is none (`no_edge`), or may be several (`ambiguous`).
    """
    sides = split_pair(text)
    if sides is not None:
        (child, columns), (parent, parent_columns) = sides
        relation = WrittenRelation(child, tuple(columns), parent, tuple(parent_columns), "")
        return await _pair(database, schema, relation)
    try:
        return _Chosen(schema, [one_edge(schema, text)])
    except Trouble as trouble:
        if trouble.code != "no_edge" or not (guessed := _guessed(schema, text)):
            raise
        if len(guessed) > 1:
            raise Trouble(
                trouble.reason,
                f"by its name it may be {' or '.join(each.label for each in guessed)}: say which pair",
                code="ambiguous",
            ) from None
    [guess] = guessed
    why = "; ".join(guess.reasons)
    console.say(f"there is no foreign key {text}; a guess: {guess.label} ({why})")
    return await _named(database, console, schema, guess.label)


def _guessed(schema: Schema, text: str) -> list[Candidate]:
    """The pairs that the name of a constraint that is not there may mean; their tables need not be there either."""
    told = Told(Name(text, None, spellings(text)), None, None, None, None, defined=False)
    return [each for each in guesses(schema, told) if split_pair(each.label)]


async def _pair(database: Database, schema: Schema, relation: WrittenRelation) -> _Chosen:
    """A pair by the names of its tables and columns; one of which something is not there is told by name."""
    try:
        child = _side(schema, relation.child, relation.columns)
        parent = _side(schema, relation.parent, relation.parent_columns)
    except Trouble as trouble:
        if trouble.code not in _ABSENT:
            raise
        return _Chosen(schema, [], (relation,))
    if len(child[1]) != len(parent[1]):
        return _Chosen(schema, [], (relation,))
    return await _compared(database, schema, child, parent)


def _side(schema: Schema, name: str, columns: Sequence[str]) -> tuple[Table, list[Column]]:
    table = one_table(schema, name)
    return table, [one_column(table, column) for column in columns]


async def _compared(
    database: Database, schema: Schema, child: tuple[Table, list[Column]], parent: tuple[Table, list[Column]]
) -> _Chosen:
    """The edge of these columns, in a schema that has it."""
    [edge] = await read_pairs(database, schema, [(child, parent, None)])
    return _Chosen(replace(schema, edges={**schema.edges, edge.oid: edge}), [edge])
