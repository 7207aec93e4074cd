"""A plan as a psql script that stands by itself: it checks, backs up and changes as a run of the plan would.

`psql -X -f FILE` runs it. It ends at the first thing that is not as it was counted, with an exit code other than 0; the
step at hand is rolled back, those before it are committed. Nothing in it is a secret but the keys of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import psql
from fkexplorer.fixes.journal import who
from fkexplorer.fixes.material import material
from fkexplorer.fixes.model import DataStep, DdlStep
from fkexplorer.fixes.scriptddl import DdlScript, alone_lines, standing_lines
from fkexplorer.fixes.scriptframe import BACKUP, BEGIN, HOW, LAST, NOT, alone_step, announced, counted, step_lines
from fkexplorer.fixes.scriptstep import StepScript
from fkexplorer.fixes.scriptsync import sync_lines
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label, table_label
from fkexplorer.version import version

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Preview
    from fkexplorer.schema.model import Schema

_LOOKS_AGAIN = (
    "It looks through all rows whenever it runs, and never finds nothing to do: the catalogue (convalidated) says the",
    "same before and after, and rows that came while triggers were off leave no mark there.",
)
"""Of a revalidation. A mark of its own, as the xmin of the constraint's row, would be changed by any other DDL of it,
and would stay as it is while rows come without their triggers."""


async def script(database: Database, schema: Schema, preview: Preview, *, max_rows: int | None = None) -> str:
    """The script of a plan.

    Args:
        database: where the plan is of.
        schema: the schema that it was made with.
        preview: the plan, and what was counted.
        max_rows: makes the script for repeated use: whatever rows there are then, but not more than these.

    Raises:
        Trouble: it cannot be done (`refused`), rows have changed since they were counted (`moved`), the server refused,
            or the connection is lost.
    """
    steps = preview.plan.steps
    lines = _head(database, schema, preview, max_rows)
    for number, step in enumerate(steps, 1):
        if isinstance(step, DataStep):
            known = await material(database, schema, preview, step)
            body = StepScript(schema, preview, step, known, number=number, max_rows=max_rows).lines()
        elif step.sync is not None:
            body = sync_lines(step, step.sync)
        elif step.standing is None:
            body = DdlScript(schema, preview.plan).lines(number, step)
        else:
            body = alone_lines(schema, step) if step.alone else standing_lines(schema, step)
        name = f"step {number} of {len(steps)}"
        alone = isinstance(step, DdlStep) and step.alone
        framed = alone_step(name, body) if alone else step_lines(name, preview.seconds, body)
        lines += ["", *_announced(name, step.title, number), *framed]
    lines += LAST
    lines += [f"{query};" for query in preview.plan.verification]
    return "\n".join(lines) + "\n"


def _head(database: Database, schema: Schema, preview: Preview, max_rows: int | None) -> list[str]:
    facts, request, person = database.facts, preview.plan.request, who()
    place = f"{facts.user}@{facts.host}:{facts.port}/{facts.database}"
    about = [
        f"fkexplorer {version()}: {request.action} {edge_label(schema, request.edge)}",
        f"Made {preview.as_of:%Y-%m-%d %H:%M:%S} UTC of {place} ({facts.version}),",
        f"by {person['person']} on {person['machine']}.",
        "",
        "Counted then:",
        *counted(schema, preview),
        *([f"It is for repeated use: whatever rows there are, up to {max_rows}."] if max_rows is not None else []),
        *(
            f"Locks {lock.mode} on {_label(schema, lock.table)}: {lock.blocks}"
            for step in preview.plan.steps
            for lock in step.locks
        ),
        *([f"Privilege: {preview.privilege}"] if preview.privilege else []),
        *(f"{each[0].upper()}{each[1:]}." for each in preview.notes),
        *(f"Not brought back: {each}" for each in preview.lasting),
        "",
        *HOW,
        "",
        *([*_LOOKS_AGAIN, ""] if request.action is FixAction.REVALIDATE else []),
        *BACKUP,
        "",
        *NOT,
    ]
    return [
        *psql.comment(*about),
        "",
        *BEGIN,
    ]


def _announced(name: str, title: str, number: int) -> list[str]:
    stays = "nothing was changed" if number == 1 else "it changed nothing, and the steps before it are committed"
    return announced(name, title, stays)


def _label(schema: Schema, table: int) -> str:
    return table_label(schema.tables[table])
