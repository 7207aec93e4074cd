"""The command `plan`: what its arguments ask for, as a request, and the script that comes of it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import Request, Scope
from fkexplorer.fixes.plans import OF_CONSTRAINT, OF_TABLE
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.script import script
from fkexplorer.named import edge_or_pair, known_schema, one_column, one_table
from fkexplorer.reports.values import number
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.console import Console
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Key, Preview
    from fkexplorer.schema.model import Relationship, Schema, Table

_FOR = {
    "to": (FixAction.REPOINT,),
    "map": (FixAction.REPOINT,),
    "key": (FixAction.INSERT_PARENTS, FixAction.BACKFILL),
    "from": (FixAction.BACKFILL,),
    "scope": (FixAction.BACKFILL, FixAction.DELETE, FixAction.SET_NULL, FixAction.QUARANTINE),
    "side": (FixAction.CHANGE_TYPE,),
    "set": (FixAction.INSERT_PARENTS, FixAction.BACKFILL, FixAction.SYNC_TRIGGER),
    "rule": (FixAction.ADD_CONSTRAINT, FixAction.CHANGE_ON_DELETE),
    "name": (
        FixAction.ADD_CONSTRAINT,
        FixAction.QUARANTINE,
        FixAction.CREATE_INDEX,
        FixAction.ADD_UNIQUE,
        FixAction.SYNC_TRIGGER,
    ),
    "strict-trigger": (FixAction.SYNC_TRIGGER,),
}
"""Which actions an option is for."""
_WANTED = {
    FixAction.REPOINT: "--to KEY, --map FILE",
    FixAction.INSERT_PARENTS: "--set COLUMN=SQL, --key KEY",
    FixAction.BACKFILL: "--from TABLE, --set COLUMN=SQL, --key KEY",
    FixAction.CHANGE_ON_DELETE: "--rule RULE",
    FixAction.SYNC_TRIGGER: "--set COLUMN=SQL, --name NAME",
}
"""The options that give what a request may lack."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What `plan` was asked; an option that was not given is None or empty."""

    edge: str
    action: FixAction
    to: str | None = None
    map: str | None = None
    key: str | None = None
    source: str | None = None
    scope: str | None = None
    sets: Sequence[str] = ()
    side: str | None = None
    rule: str | None = None
    name: str | None = None
    repeatable: bool = False
    max_rows: int | None = None
    strict_lock: bool = False
    strict_trigger: bool = False

    @classmethod
    def of(cls, options: argparse.Namespace) -> PlanOptions:
        """From the command line, where each has the same name."""
        return cls(**{each.name: getattr(options, each.name) for each in fields(cls)})


async def plan(database: Database, console: Console, settings: Settings, options: PlanOptions) -> int:
    """Print the script of a fix; the exit code. Nothing is written to the database.

    Raises:
        Trouble: the arguments lack something or do not fit the edge, or the fix cannot be done.
    """
    _check(options)
    schema = await known_schema(database, settings, console)
    request = request_of(schema, await edge_or_pair(database, schema, options.edge, incomparable=True), options)
    console.progress("counting what it would do")
    try:
        seen = await preview(database, schema, request)
    except Trouble as trouble:
        if trouble.code == "incomplete" and options.action in _WANTED:
            raise Trouble(trouble.reason, f"{trouble.hint} ({_WANTED[options.action]})", code=trouble.code) from None
        raise
    if seen.blockers:
        first = seen.blockers[0]
        own = first.edge == request.edge.oid and options.action in OF_CONSTRAINT
        hint = "they are its orphans" if own else "they refer to rows that would go, and nothing is done to them then"
        raise Trouble(
            f"{number(first.rows, 'row')} would keep the server from it, by {edge_label(schema, _edge(schema, seen))}",
            f"mend those first: {hint}",
            code="blocked",
        )
    console.data(await script(database, schema, seen, max_rows=options.max_rows))
    _say(console, seen)
    return 0


def _edge(schema: Schema, seen: Preview) -> Relationship:
    """The edge of the first blocker; one that is a pair of columns is the request's own."""
    return schema.edges.get(seen.blockers[0].edge, seen.plan.request.edge)


def _say(console: Console, seen: Preview) -> None:
    if seen.nothing_to_do:
        console.say("; ".join(["nothing to do", *seen.notes]))
        return
    rows = sum(each.deleted + each.updated + each.inserted for each in seen.effects)
    what = f"{number(rows, 'row')} in {number(len(seen.effects), 'table')}, " if seen.effects else ""
    console.say(f"{what}{number(len(seen.plan.steps), 'step')}; to run it: psql -X -f FILE")
    if seen.triggers and not seen.dry:
        console.say(f"these triggers may change more: {', '.join(each.name for each in seen.triggers)}")
    if seen.lost:
        console.say(f"{number(seen.lost, 'row stays', 'rows stay')} out, kept by {', '.join(seen.lost_to)}")


def _check(options: PlanOptions) -> None:
    """Make sure that each option is one of this action's."""
    given = {
        "to": options.to,
        "map": options.map,
        "key": options.key,
        "from": options.source,
        "scope": options.scope,
        "side": options.side,
        "set": options.sets,
        "rule": options.rule,
        "name": options.name,
        "strict-trigger": options.strict_trigger,
    }
    for option, value in given.items():
        if value and options.action not in _FOR[option]:
            raise _usage(f"--{option} is not for {options.action}", f"it is for {' and '.join(_FOR[option])}")
    if options.scope is not None and options.action is not FixAction.BACKFILL and options.scope != Scope.UNCASTABLE:
        raise _usage(f"--scope {options.scope} is not for {options.action}", "it is for backfill; leave it out")
    if options.to is not None and options.map is not None:
        raise _usage("--to and --map are two ways to say one thing", "leave one of them out")
    if options.repeatable != (options.max_rows is not None):
        raise _usage(
            "--repeatable and --max-rows belong together",
            "write --repeatable --max-rows N: with more rows than N the script changes nothing",
        )
    no_rows = OF_CONSTRAINT | OF_TABLE | {FixAction.SYNC_TRIGGER}
    if options.strict_lock and options.action in no_rows:
        raise _usage(f"{options.action} locks the parent as it needs to", "leave out --strict-lock")
    if options.repeatable and options.action in no_rows:
        raise _usage(f"{options.action} changes no rows, so that there is no most of them", "leave out --repeatable")


def request_of(schema: Schema, edge: Relationship, options: PlanOptions) -> Request:
    """What is asked for, of an edge or a pair of columns of this schema; `options.edge` is not looked at.

    Raises:
        Trouble: a name, a file or a key in the options is wrong.
    """
    written = options.to if options.to is not None else options.key
    # A trigger fills the child, where the others fill the parent.
    filled = schema.tables[edge.child if options.action is FixAction.SYNC_TRIGGER else edge.parent]
    default = Scope.KEY if options.key is not None else Scope.ORPHANS
    return Request(
        edge=edge,
        action=options.action,
        key=_key(edge, written) if written is not None else (),
        mapping=_mapping(edge, options.map) if options.map is not None else (),
        source=one_table(schema, options.source).oid if options.source is not None else None,
        scope=Scope(options.scope) if options.scope else default,
        columns=dict(_column(filled, text) for text in options.sets),
        side=options.side or "",
        rule=options.rule or "",
        name=options.name or "",
        strict=options.strict_lock,
        strict_trigger=options.strict_trigger,
    )


def _key(edge: Relationship, text: str) -> Key:
    """A key as it is written: the value itself, or for several columns a line of CSV."""
    if len(edge.pairs) == 1:
        return (text,)
    return tuple(next(csv.reader([text]), []))


def _column(table: Table, text: str) -> tuple[str, str]:
    name, equals, expression = text.partition("=")
    if not equals:
        raise _usage(f"--set {text} is not COLUMN=SQL", "write --set \"email='unknown'\", or --set name=s.full_name")
    return one_column(table, name.strip()).name, expression


def _mapping(edge: Relationship, path: str) -> tuple[tuple[Key, Key], ...]:
    """Old and new keys of a CSV file, of which a first line that says old,new is left out.

    Raises:
        Trouble: it cannot be read (`no_file`), or a line has not as many values as two keys (`usage`).
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Trouble(
            f"{path} cannot be read: {reason}", "name a CSV file of old key, new key", code="no_file"
        ) from None
    size = len(edge.pairs)
    found = list(_lines(text))
    if found and found[0][1] == ["old"] * size + ["new"] * size:
        del found[0]
    for line, row in found:
        if len(row) != 2 * size:
            raise _usage(
                f"{path}:{line} has {number(len(row), 'value')} in place of {2 * size}",
                f"a line is the old key and the new one: {', '.join(['old'] * size + ['new'] * size)}",
            )
    if not found:
        raise _usage(f"{path} has no line of old key, new key", "give at least one")
    return tuple((tuple(row[:size]), tuple(row[size:])) for _, row in found)


def _lines(text: str) -> Iterable[tuple[int, list[str]]]:
    """The rows of a CSV text with the numbers of their lines; empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""))
    for row in reader:
        if row:
            yield reader.line_num, row


def _usage(reason: str, hint: str) -> Trouble:
    return Trouble(reason, hint, code="usage")
