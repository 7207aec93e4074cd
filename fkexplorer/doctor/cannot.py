"""What can't be made: for each pair of columns without a constraint, what stands between it and a real one.

What is in the way comes in the order in which it is to be mended; the constraint itself is made after the last of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.cannot_starts import rights_on
from fkexplorer.doctor.cannot_named import unknown_names
from fkexplorer.doctor.cannot_pair import Obstacle, in_the_way
from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.planned import strongest
from fkexplorer.doctor.treating import about, mends, orphans_text, scan_seconds
from fkexplorer.fixes.constraints import adding
from fkexplorer.fixes.model import Request
from fkexplorer.orphans.model import Bound
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import columns_label, edge_label, quote, table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.cannot_starts import Rights
    from fkexplorer.doctor.exam import Exam
    from fkexplorer.fixes.model import Step
    from fkexplorer.schema.model import Relationship


async def cannot(exam: Exam) -> list[Finding]:
    """The findings of severity `error` on the examined pairs of columns; `undeclared`, a notice, where there is none.

    Returns:
        `foreign_table`, `persistence`, `virtual_column`, `privilege_missing`, `no_unique_key`,
        `deferrable_key`, `unusable_key`, `columns_swapped`, `types_differ`, `orphans_in_the_way`; of names that are
        not there `table_missing`, `order_of_creation`, `not_a_table`, `column_missing`, `arity`. Of an edge about some
        of the child's rows `conditional`, a notice.

    Raises:
        Trouble: the connection is lost.
    """
    pairs = [edge for edge in exam.edges if edge.kind is EdgeKind.CONFIGURED]
    found = [_conditional(exam, edge) for edge in pairs if edge.only]
    pairs = [edge for edge in pairs if not edge.only]
    if pairs:
        tables = {oid: exam.schema.tables[oid] for edge in pairs for oid in (edge.child, edge.parent)}
        rights = await rights_on(exam, list(tables.values()))
        for edge in pairs:
            found += await _pair(exam, edge, rights)
    for relation in exam.unbound:
        found += await unknown_names(exam, relation)
    return found


async def _pair(exam: Exam, edge: Relationship, rights: Rights) -> list[Finding]:
    obstacles = await in_the_way(exam, edge, rights)
    steps = adding(exam.schema, Request(edge, FixAction.ADD_CONSTRAINT), exam.database.facts.version_number)
    comparable = all(pair.equals is not None for pair in edge.pairs)
    if comparable and exam.orphans(edge):
        obstacles.append(_orphans(exam, edge, steps))
    if not obstacles:
        return [_undeclared(exam, edge, steps)]
    last = obstacles[-1]
    if all(each.mends for each in obstacles) and last.code != "orphans_in_the_way":
        obstacles[-1] = last.then(
            [statement for step in steps for statement in step.statements],
            [lock for step in steps for lock in step.locks],
            "Then the constraint is made NOT VALID, and VALIDATE looks through the rows: it blocks no writes."
            if len(steps) > 1
            else "Then the constraint is made: it looks through the rows while writes to both tables wait.",
        )
    label = edge_label(exam.schema, edge)
    return [each.finding(label, edge) for each in obstacles]


def _orphans(exam: Exam, edge: Relationship, steps: tuple[Step, ...]) -> Obstacle:
    """Rows without a parent: a constraint NOT VALID can be made, and what comes from then on is checked."""
    count = exam.counts[edge.oid]
    number = exam.orphans(edge) or 0
    them = f"{'at least ' if count.bound is Bound.LOWER else ''}{number:,} orphan{'' if number == 1 else 's'}"
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    columns = columns_label(child, [pair.child for pair in edge.pairs])
    first, *rest = [statement for step in steps for statement in step.statements]
    clean = f"-- Mend {'the orphan' if number == 1 else f'the {them}'}: {mends(exam.schema, edge)}."
    # Where the server knows no NOT VALID (a partitioned child before 18), the rows come first.
    statements = (first, clean, *rest) if rest else (clean, first)
    what, blocks = ("VALIDATE", "blocks no writes") if rest else ("the constraint", "blocks writes meanwhile")
    return Obstacle(
        "orphans_in_the_way",
        f"{them} in {columns}: {what} would fail.",
        f"rows of {table_label(child)} whose key is in no row of {table_label(parent)}",
        "The server looks through all rows before it calls a constraint valid, and refuses at the first that has no"
        " parent (23503).",
        count.as_of,
        statements,
        strongest(lock for step in steps for lock in step.locks),
        f"{them}: mend {'it' if number == 1 else 'them'}, and {what} will pass, {about(scan_seconds(exam, edge))},"
        f" {blocks}.",
        FixAction.ADD_CONSTRAINT,
    )


def _undeclared(exam: Exam, edge: Relationship, steps: tuple[Step, ...]) -> Finding:
    """Nothing stands in the way."""
    label, count = edge_label(exam.schema, edge), exam.counts[edge.oid]
    time = about(scan_seconds(exam, edge))
    forecast = f"0 orphans: VALIDATE will pass, {time}, blocks no writes."
    if not count.known:
        forecast = "The orphans are not known: VALIDATE will tell, and changes nothing where it fails."
    elif len(steps) == 1:
        forecast = f"0 orphans: it will pass, {time}, and blocks writes to both tables meanwhile."
    child, parent = exam.schema.child_of(edge), exam.schema.parent_of(edge)
    if not child.privileges.owner:
        forecast += f" It takes {quote(child.owner)}, the owner of {table_label(child)}."
    elif not (parent.privileges.owner or parent.privileges.references):
        forecast += f" It takes REFERENCES on {table_label(parent)}."
    return Finding(
        "undeclared",
        Severity.NOTICE,
        label,
        edge.oid,
        edge.child,
        f"{label} has no constraint, and nothing stands in the way of one; {orphans_text(exam, edge)}.",
        "no row of pg_constraint for these columns",
        "Without a constraint nothing keeps the next orphan from coming.",
        count.as_of if count.known else exam.schema.loaded_at,
        Treatment(
            tuple(statement for step in steps for statement in step.statements),
            strongest(lock for step in steps for lock in step.locks),
            forecast,
            FixAction.ADD_CONSTRAINT,
        ),
    )


def _conditional(exam: Exam, edge: Relationship) -> Finding:
    """A polymorphic pair: a constraint is about all rows, so that there can be none."""
    label = edge_label(exam.schema, edge)
    return Finding(
        "conditional",
        Severity.NOTICE,
        label,
        edge.oid,
        edge.child,
        f"{label} is about some rows of its child alone, and a foreign key is about all; {orphans_text(exam, edge)}.",
        "no row of pg_constraint for these columns",
        "The server can't check it: count it, or give each kind of parent a column of its own.",
        exam.counts[edge.oid].as_of,
    )
