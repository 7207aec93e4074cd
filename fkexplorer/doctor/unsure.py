"""What is made, but not sure: constraints of which PostgreSQL, asked or not, does not keep what they promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.reading_unsure import read_server
from fkexplorer.doctor.treating import about, alter_constraint, listed, mends, orphans_text, scan_seconds, treated
from fkexplorer.doctor.unsure_rows import inherited, partly_null
from fkexplorer.doctor.unsure_server import cancelled, collations, replication_roles
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, locks
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind, EdgeState
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.schema.model import Relationship

_MANY = 3
"""Deferred constraints up to which each is told by itself: where there are more, somebody's framework makes all so."""


async def unsure(exam: Exam) -> list[Finding]:
    """The findings of severity `warning` on the examined edges that are declared.

    Returns:
        `not_enforced`, `triggers_disabled`, `partition_unprotected`, `orphans_under_valid`, `not_valid`,
        `cascade_cancelled`, `trigger_unread`, `rule_refuses` (a notice), `collation_changed`, `replication_role`,
        `inheritance_unbound`, `inheritance_unreferenced`, `partly_null`, `deferred`; the gravest first.

    Raises:
        Trouble: the connection is lost.
    """
    declared = [edge for edge in exam.edges if edge.kind is EdgeKind.DECLARED]
    server = await read_server(exam)
    found = [finding for edge in declared for finding in await _state(exam, edge)]
    found += cancelled(exam, declared, server)
    found += collations(exam, server)
    found += replication_roles(exam, server)
    found += await inherited(exam, declared)
    found += await partly_null(exam, declared)
    found += _deferred(exam, declared)
    return found


async def _state(exam: Exam, edge: Relationship) -> list[Finding]:
    """How far PostgreSQL vouches for a constraint, and orphans that it has all the same."""
    if edge.state is EdgeState.NOT_ENFORCED:
        return [await _not_enforced(exam, edge)]
    found = []
    triggers = edge.triggers
    if triggers.child_off or triggers.parent_off:
        found.append(await _triggers(exam, edge))
    if triggers.missing:
        found.append(await _unprotected(exam, edge))
    if not edge.validated:
        found.append(await _not_valid(exam, edge))
    elif exam.orphans(edge) and triggers.all_fire:
        found.append(await _orphans(exam, edge))
    return found


def _found(exam: Exam, edge: Relationship, code: str, text: str, seen: str, why: str, mend: Treatment) -> Finding:  # noqa: PLR0917 - what a finding is made of
    label = edge_label(exam.schema, edge)
    return Finding(
        code,
        Severity.WARNING,
        label,
        edge.oid,
        edge.child,
        f"{label} {text}",
        seen,
        why,
        exam.schema.loaded_at,
        mend,
    )


async def _not_enforced(exam: Exam, edge: Relationship) -> Finding:
    return _found(
        exam,
        edge,
        "not_enforced",
        f"is NOT ENFORCED: PostgreSQL does not check it at all; {orphans_text(exam, edge)}.",
        "pg_constraint.conenforced = false",
        "Any row may name a parent that is not there, and a parent may go and leave its children behind.",
        await _scanned(exam, edge, FixAction.ENFORCE, "ENFORCED", blocks=True),
    )


async def _not_valid(exam: Exam, edge: Relationship) -> Finding:
    return _found(
        exam,
        edge,
        "not_valid",
        f"is NOT VALID: rows from before it were never checked; {orphans_text(exam, edge)}.",
        "pg_constraint.convalidated = false",
        "New rows are checked and old ones are not, so that nobody can rely on a parent being there.",
        await _scanned(exam, edge, FixAction.VALIDATE, "VALIDATE"),
    )


async def _orphans(exam: Exam, edge: Relationship) -> Finding:
    return _found(
        exam,
        edge,
        "orphans_under_valid",
        f"is valid, and yet {orphans_text(exam, edge)}.",
        "pg_constraint.convalidated = true, and rows of the child without a row of the parent",
        "They came while its triggers did not fire (a restore, a replica, a superuser) or by a damaged index. A dump of"
        " these tables can't be restored, and VALIDATE does not look at a constraint that is valid.",
        await _scanned(exam, edge, FixAction.REVALIDATE, "VALIDATE"),
    )


async def _triggers(exam: Exam, edge: Relationship) -> Finding:
    triggers = edge.triggers
    child = "rows may come that name no parent" if triggers.child_off else ""
    parent = "parents may go, and leave their children behind" if triggers.parent_off else ""
    number = triggers.child_off + triggers.parent_off
    return _found(
        exam,
        edge,
        "triggers_disabled",
        f"has {number} of its own triggers off, on {listed(triggers.places)}; {orphans_text(exam, edge)}.",
        "pg_trigger.tgenabled is neither O nor A",
        f"{'It is called valid, but there' if edge.validated else 'There'}"
        f" {' and '.join(each for each in (child, parent) if each)}.",
        await treated(
            exam,
            edge,
            FixAction.ENABLE_TRIGGERS,
            _stay(exam, edge),
        ),
    )


def _stay(exam: Exam, edge: Relationship) -> str:
    """What becomes of orphans when the triggers are on again."""
    number = exam.orphans(edge)
    if number is None:
        return "It looks at no row: orphans that came meanwhile stay, so count them afterwards."
    if not number:
        return "It looks at no row, and is over at once."
    stay = "the orphan stays" if number == 1 else f"the {number:,} orphans stay"
    return f"It looks at no row: {stay}. Mend {'it' if number == 1 else 'them'}, then revalidate."


async def _unprotected(exam: Exam, edge: Relationship) -> Finding:
    places, number = listed(edge.triggers.places), edge.triggers.missing
    has = "a partition of its parent has" if number == 1 else f"{number} partitions of its parent have"
    return _found(
        exam,
        edge,
        "partition_unprotected",
        f"does not guard all of its parent: {has} no triggers of it ({places}); {orphans_text(exam, edge)}.",
        "no row of pg_constraint for that partition has the constraint's OID as its conparentid",
        "A row of that partition can be deleted while others refer to it. DETACH PARTITION left it so on servers before"
        " 17.1, 16.5, 15.9, 14.14 and 13.17.",
        await _scanned(exam, edge, FixAction.REVALIDATE, "VALIDATE"),
    )


async def _scanned(exam: Exam, edge: Relationship, action: FixAction, what: str, *, blocks: bool = False) -> Treatment:
    """An action that has the server look through the child's rows, and what will come of it."""
    number = exam.orphans(edge)
    if number is None:
        return await treated(exam, edge, action, f"Count its orphans first: with any of them {what} fails.")
    if number:
        some = f"the {number:,} orphans" if number > 1 else "the orphan"
        first = (f"-- First mend {some}: {mends(exam.schema, edge)}.",)
        forecast = f"{number:,} orphan{'s' if number > 1 else ''}: {what} would fail."
        return await treated(exam, edge, action, forecast, first=first)
    reads = "blocks reads and writes" if blocks else "blocks no writes"
    forecast = f"0 orphans: {what} will pass, {about(scan_seconds(exam, edge))}, {reads}."
    return await treated(exam, edge, action, forecast)


def _deferred(exam: Exam, edges: Sequence[Relationship]) -> list[Finding]:
    """Constraints that are checked at COMMIT only; many of them are one finding."""
    deferred = [edge for edge in edges if edge.deferred and edge.state is not EdgeState.NOT_ENFORCED]
    circles = exam.graph.components()
    seen = "pg_constraint.condeferred = true"
    why = (
        "The error comes at COMMIT, far from the statement that caused it; until then the transaction itself sees rows"
        " without their parent."
    )
    if len(deferred) <= _MANY or not exam.whole:
        return [
            _found(
                exam,
                edge,
                "deferred",
                "is INITIALLY DEFERRED: it is checked at COMMIT, not when a row is written"
                f"{', which a cycle may need' if any({edge.child, edge.parent} <= each for each in circles) else ''}.",
                seen,
                why,
                _immediate(exam, edge),
            )
            for edge in deferred
        ]
    names = listed([edge_label(exam.schema, edge) for edge in deferred])
    text = (
        f"{len(deferred)} of {len(edges)} constraints are INITIALLY DEFERRED, and checked at COMMIT only: {names}."
        " Frameworks make them so, as Django does."
    )
    mend = _immediate(exam, deferred[0])
    return [
        Finding(
            "deferred",
            Severity.WARNING,
            "deferred constraints",
            None,
            None,
            text,
            seen,
            why,
            exam.schema.loaded_at,
            mend,
        )
    ]


def _immediate(exam: Exam, edge: Relationship) -> Treatment:
    return Treatment(
        (
            "-- Only where no transaction writes a child before its parent:",
            alter_constraint(exam.schema, edge, "DEFERRABLE INITIALLY IMMEDIATE"),
        ),
        locks([(edge.child, ACCESS_EXCLUSIVE)]),
        "It reads no row, and is over at once.",
    )
