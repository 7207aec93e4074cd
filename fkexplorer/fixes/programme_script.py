"""Many fixes as one psql script, that anybody may run, again, or twice at once: each step looks whether it is needed.

Each step waits for its turn behind the same step of another run, so that no lock that one of them holds ends the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import psql, sql
from fkexplorer.fixes.journal import who
from fkexplorer.fixes.material import material
from fkexplorer.fixes.misfits import incomparable
from fkexplorer.fixes.model import DataStep, DdlStep
from fkexplorer.fixes.plans import orphans_query
from fkexplorer.fixes.programme import MENDS
from fkexplorer.fixes.scriptddl import DdlScript, alone_lines, standing_lines, standing_look
from fkexplorer.fixes.scriptframe import BACKUP, BEGIN, HOW, LAST, NOT, alone_step, announced, counted, step_lines
from fkexplorer.fixes.scriptstep import StepScript
from fkexplorer.fixes.standing import types_query
from fkexplorer.schema.names import table_label
from fkexplorer.version import version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Step
    from fkexplorer.fixes.programme import Item, Programme
    from fkexplorer.schema.model import Schema

_NAMED = 6
"""Foreign keys that are named before each step, as done or as not done."""
_TURN = [
    *psql.comment("One run of such a plan at a time: another waits here, for as long as it takes."),
    "SET LOCAL statement_timeout = 0;",
    "SET LOCAL lock_timeout = 0;",
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('fkexplorer programme')) AS fk_turn \\gset",
]
_TWICE = (
    "It may be run again, and twice at once: a step that is done already is passed over, and says so. Where it stops,",
    "mend what it says, and run it again; rows that have come since need a new plan.",
)


async def programme_script(database: Database, programme: Programme) -> str:
    """The script of a programme.

    Args:
        database: where the programme is of.
        programme: what was planned, and counted.

    Raises:
        Trouble: rows have changed since they were counted (`moved`), the server refused, or the connection is lost.
    """
    lines = [*psql.comment(*_about(database, programme)), "", *BEGIN, ""]
    steps = [(item, own, step) for item in programme.items for own, step in enumerate(item.plan.steps, 1)]
    lines += [psql.echo(f"fkexplorer: {number}. {step.title}") for number, (_, _, step) in enumerate(steps, 1)]
    edges = [item.label for item, _, _ in steps]
    for number, (item, own, step) in enumerate(steps, 1):
        name = f"step {number} of {len(steps)}"
        lines += ["", *announced(name, step.title, _stays(edges, number))]
        if isinstance(step, DdlStep) and step.alone:
            lines += alone_step(name, alone_lines(item.schema, step))
        else:
            body = await _body(database, item, step, number=number, own=own)
            lines += step_lines(name, item.seconds, body, first=_TURN)
    lines += LAST
    lines += [f"{query};" for query in _verification(programme.items, database.facts.version_number)]
    return "\n".join(lines) + "\n"


async def _body(database: Database, item: Item, step: Step, *, number: int, own: int) -> list[str]:
    """All between BEGIN and COMMIT of a step."""
    if isinstance(step, DataStep):
        assert item.seen is not None  # noqa: S101 - a change of rows was previewed
        known = await material(database, item.schema, item.seen, step)
        body = StepScript(item.schema, item.seen, step, known, number=number, max_rows=None).lines()
        return _while_types_stand(item, body) if incomparable(item.request.edge) else body
    if step.standing is not None:
        # Looked at before any lock is waited for: another run may be building an index on the table for long.
        return _unless_done(standing_look(step), standing_lines(item.schema, step))
    return DdlScript(item.schema, item.plan).lines(own, step)


def _unless_done(look: Sequence[str], body: Sequence[str]) -> list[str]:
    return [
        ":fk_settings \\gset",
        ":fk_images \\gset",
        *look,
        ":fk_restore \\gset",
        "\\if :fk_none",
        "\\else",
        *body,
        "\\endif",
    ]


def _while_types_stand(item: Item, body: Sequence[str]) -> list[str]:
    """Once the types are changed, rows were mended before: what tells them may compare types that nothing compares."""
    edge, schema = item.request.edge, item.schema
    asked = []
    for table, columns in (
        (schema.child_of(edge), [pair.child for pair in edge.pairs]),
        (schema.parent_of(edge), [pair.parent for pair in edge.pairs]),
    ):
        words = ", ".join(column.type_text for column in columns)
        asked.append(f"({types_query(table, tuple(columns))}) OPERATOR(pg_catalog.<>) {sql.literal(words)}")
    return _unless_done([f"SELECT {' OR '.join(asked)} AS fk_none \\gset"], body)


def _stays(edges: Sequence[str], number: int) -> str:
    """What is done and what is not, should it stop at a step: foreign keys by name.

    Args:
        edges: of each step the foreign key that it is for.
        number: of the step, from 1.
    """
    left = list(dict.fromkeys(edges[number - 1 :]))
    done = [each for each in dict.fromkeys(edges[: number - 1]) if each not in left]
    before = {1: "no step is committed", 2: "step 1 stays"}.get(number, f"steps 1 to {number - 1} stay")
    return f"{before}; done: {_listed(done) or 'none'}; not done: {_listed(left)}"


def _listed(names: Sequence[str]) -> str:
    some = names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    return ", ".join(some)


def _verification(items: Sequence[Item], version_number: int) -> list[str]:
    """What shows that it is done: of each edge its orphans, and what the catalogue says after its last fix."""
    last = {item.request.edge.oid: item for item in items}
    found = [
        query
        for item in last.values()
        for query in (*orphans_query(item.schema, version_number, item.request.edge), *item.plan.verification)
    ]
    return list(dict.fromkeys(found))


def _about(database: Database, programme: Programme) -> list[str]:
    facts, person = database.facts, who()
    items = programme.items
    place = f"{facts.user}@{facts.host}:{facts.port}/{facts.database}"
    size = _number(len(items), "fix", "fixes")
    edges = len({item.request.edge.oid for item in items})
    size += f" of {_number(edges, 'foreign key', 'foreign keys')}"
    lines = [
        f"fkexplorer {version()}: a plan of {size}",
        f"Made {programme.as_of:%Y-%m-%d %H:%M:%S} UTC of {place} ({facts.version}),",
        f"by {person['person']} on {person['machine']}.",
        "",
        "What it does, in this order:" if items else "There is nothing to do.",
    ]
    for at, item in enumerate(items, 1):
        lines += _item(at, item)
    mended = any(item.request.action in MENDS for item in items)
    if mended:
        lines += ["", f"Rows that are in the way are mended by {programme.clean}; --clean has the other ways."]
    lines += [f"{note[0].upper()}{note[1:]}." for note in programme.notes]
    if programme.left_out:
        lines += ["", "Not in it:", *(f"  {label}: {reason}" for label, reason in programme.left_out)]
    lines += ["", *HOW, *_TWICE, *(["", *BACKUP] if mended else []), "", *NOT]
    return lines


def _item(at: int, item: Item) -> list[str]:
    schema = item.schema
    lines = [f"{at}. {item.title}"]
    if item.seen is not None:
        lines += [f"   {line.strip()}" for line in counted(schema, item.seen)]
    lines += [
        f"   locks {lock.mode} on {_label(schema, lock.table)}: {lock.blocks}"
        for step in item.plan.steps
        for lock in step.locks
    ]
    lines += [f"   about {max(1, round(item.seconds))} s"] if item.seconds >= 1 else []
    lines += [f"   privilege: {item.privilege}"] if item.privilege else []
    lines += [f"   missing: {item.lacks}"] if item.lacks else []
    lines += [f"   {note}" for note in item.notes]
    lines += [f"   undo: {text}" for text in item.undo]
    return [*lines, *(f"   not brought back: {each}" for each in item.lasting)]


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _label(schema: Schema, table: int) -> str:
    return table_label(schema.tables[table])
