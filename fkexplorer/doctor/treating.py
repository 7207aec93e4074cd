"""What mends a finding, taken from the fixes themselves, so that the doctor never shows other SQL than they run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.doctor.model import Treatment
from fkexplorer.doctor.planned import planned
from fkexplorer.fixes import rows, sql
from fkexplorer.fixes.model import Request
from fkexplorer.orphans.cost import candidates
from fkexplorer.orphans.model import Bound, Way
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.schema.model import Relationship, Schema


async def treated(
    exam: Exam, edge: Relationship, action: FixAction, forecast: str, *, rule: str = "", first: tuple[str, ...] = ()
) -> Treatment:
    """The panel's action on an edge as a treatment: its statements and locks as the fix has them.

    Args:
        exam: the examination.
        edge: the edge.
        action: what mends it.
        forecast: what will come of it, in a sentence.
        rule: the new ON DELETE rule, as `cascade`.
        first: comment lines that go before, as what somebody has to do or decide by hand.

    Returns:
        The treatment; where the fix can't be planned, its reason stands in place of the statements, as a comment.

    Raises:
        Trouble: the connection is lost.
    """
    fix = await planned(exam, Request(edge, action, rule=rule))
    options = (("rule", rule),) if rule else ()
    return Treatment((*first, *fix.statements), fix.locks, forecast, action, options)


def about(seconds: float) -> str:
    """A time that is not known better, for people: `less than a second`, `about 4 s`, `about 3 min`, `about 2 h`."""
    if seconds < 1:
        return "less than a second"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {seconds:.0f} s"


def scan_seconds(exam: Exam, edge: Relationship) -> float:
    """How long the server would look through the child's rows: as a count took, or as one by a plain join would."""
    plain = next(each.ms for each in candidates(exam.schema, edge) if each.way is Way.PLAIN) / 1000
    count = exam.counts.get(edge.oid)
    return max(plain, count.seconds) if count is not None and count.known else plain


def orphans_text(exam: Exam, edge: Relationship) -> str:
    """`it has no orphan`, `it has 23 orphans`, or that they were not counted, with the reason."""
    count = exam.counts.get(edge.oid)
    if count is None or count.orphans is None:
        reason = f": {count.error}" if count is not None and count.error else ""
        return f"its orphans were not counted{reason}"
    if not count.orphans:
        return "it has no orphan"
    least = "at least " if count.bound is Bound.LOWER else ""
    return f"it has {least}{count.orphans:,} orphan{'s' if count.orphans != 1 else ''}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names in a sentence, `a, b and c`, and how many more there are."""
    # One that is left out takes as much room as `1 more`.
    shown = list(names) if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else "".join(shown)


def mends(schema: Schema, edge: Relationship) -> str:
    """What can be done about the orphans of an edge, as far as its columns permit: `delete, set-null or repoint`."""
    checks: dict[FixAction, Callable[[], object]] = {
        FixAction.SET_NULL: lambda: rows.nullable(schema, edge),
        FixAction.SET_DEFAULT: lambda: rows.defaulted(edge),
        FixAction.INSERT_PARENTS: lambda: rows.insertable(edge),
    }
    found = [FixAction.DELETE]
    for action, check in checks.items():
        with contextlib.suppress(Trouble):
            check()
            found.append(action)
    return f"{', '.join(found)} or {FixAction.REPOINT}"


def alter_constraint(schema: Schema, edge: Relationship, how: str) -> str:
    """The statement that makes a constraint `DEFERRABLE INITIALLY IMMEDIATE` or the like, without dropping it."""
    return f"ALTER TABLE {sql.table_name(schema.child_of(edge))} ALTER CONSTRAINT {sql.name(edge.name)} {how}"


def quiet(edge: Relationship) -> bool:
    """Whether PostgreSQL does nothing for an edge when rows of its parent go: it is not declared, or not enforced."""
    return edge.state in {EdgeState.UNDECLARED, EdgeState.NOT_ENFORCED}
