"""From findings to one plan that mends all of them: what each edge wants, and what somebody has to decide first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.doctor.cannot_pair import FIRST_CLEAN
from fkexplorer.doctor.hurts_indexes import SCAN_MS
from fkexplorer.doctor.model import Severity
from fkexplorer.fixes.programme import STAGES, Wish
from fkexplorer.fixes.programme_plan import make_programme
from fkexplorer.orphans.cost import scan_ms
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.fixes.programme import Programme
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema

_OF_NOTICES = frozenset({"undeclared", "no_index"})
"""The notices whose fix is a step towards a constraint that is sure, and decides nothing."""
_HARMLESS = frozenset({"privilege_missing"})
"""What keeps this role from a constraint, and not whoever runs the script."""
_SOME, _MOST = 100, 0.5
"""So many rows in the way, and this share of all, are more likely a pair that is none, or parents that were never
loaded, than rows that are wrong: nobody should have them moved as one of many fixes."""
_PLANNED = frozenset(action for stage in STAGES for action in stage)


async def plan_all(
    database: Database,
    schema: Schema,
    found: Examination,
    *,
    clean: FixAction,
    max_bytes: int,
    told: Callable[[str], None] = lambda _: None,
) -> Programme:
    """One programme of what mends the findings of an examination; what is ignored is none of them.

    Args:
        database: where they were found.
        schema: the schema that they were found in.
        found: the findings.
        clean: how rows that are in the way are mended, one of `fixes.programme.MENDS`.
        max_bytes: no table larger than this, in bytes, is read whole.
        told: called with what is being done, in a few words.

    Raises:
        Trouble: the connection is lost.
    """
    wishes, left_out = wanted(found, schema)
    made = await make_programme(
        database, schema, wishes, clean=clean, counts=found.counts, max_bytes=max_bytes, told=told
    )
    unknown = [*found.not_looked, *found.skipped]
    return replace(made, left_out=(*made.left_out, *left_out, *unknown))


def wanted(found: Examination, schema: Schema) -> tuple[list[Wish], list[tuple[str, str]]]:
    """What is to become of each edge, and what is left to somebody's decision, each with the reason.

    A guess is no edge of an examination, so that nothing of one is ever in it.
    """
    wishes: list[Wish] = []
    left_out = [(finding.subject, words) for finding, words in found.excused]
    for edge in found.edges:
        own = [each for each in found.findings if each.edge == edge.oid]
        if stuck := _stuck(own):
            left_out.append((edge_label(schema, edge), f"{stuck.code}: {stuck.text}"))
            continue
        if many := _too_many(schema, edge, found.counts.get(edge.oid)):
            left_out.append((edge_label(schema, edge), many))
            continue
        left_out += [(each.subject, _decide(each)) for each in own if not _planned(each) and _wanted(each)]
        if wish := _wish(schema, edge, [each for each in own if _planned(each)]):
            wishes.append(wish)
    left_out += [(each.subject, _decide(each)) for each in found.findings if each.edge is None and _wanted(each)]
    return wishes, left_out


def _too_many(schema: Schema, edge: Relationship, count: Count | None) -> str:
    """That most rows of a child would have to be mended for an edge, in a few words; empty where they are not most."""
    if count is None:
        return ""
    wrong = (count.orphans or 0) + (count.uncastable or 0) + (count.orphans_if_cast or 0)
    child = schema.child_of(edge)
    rows = count.rows or child.live_rows or round(child.estimated_rows or 0)
    if wrong < _SOME or wrong <= _MOST * rows:
        return ""
    return f"{wrong:,} of about {max(rows, wrong):,} rows would be mended: make sure that it is right, and fix it alone"


def _stuck(own: Sequence[Finding]) -> Finding | None:
    """What keeps an edge from a constraint and is not mended by a fix."""
    for each in own:
        by_hand = each.treatment.action is None and each.code not in _HARMLESS
        parents = ("side", "parent") in each.treatment.options and any(
            statement.startswith(FIRST_CLEAN) for statement in each.treatment.statements
        )
        if each.severity is Severity.ERROR and (by_hand or parents):
            return each
    return None


def _wanted(finding: Finding) -> bool:
    """Whether it has to do with a constraint that is sure: what will only hurt one day is left alone."""
    return finding.severity is not Severity.NOTICE or finding.code in _OF_NOTICES


def _planned(finding: Finding) -> bool:
    """Whether a programme mends it."""
    if finding.severity is Severity.NOTICE:
        return finding.code in _OF_NOTICES and finding.treatment.action is not None
    return finding.code in _HARMLESS or finding.code == "orphans_under_valid" or finding.treatment.action in _PLANNED


def _decide(finding: Finding) -> str:
    if finding.severity is Severity.NOTICE:
        return f"{finding.code}: choose, and fix those alone"
    if finding.treatment.action is not None:
        return f"{finding.code}: {finding.treatment.action} is a fix of its own"
    return f"{finding.code}: somebody has to decide"


def _wish(schema: Schema, edge: Relationship, own: Sequence[Finding]) -> Wish | None:
    if not own:
        return None
    actions = [each.treatment.action for each in own]
    if edge.kind is EdgeKind.CONFIGURED:
        actions.append(FixAction.ADD_CONSTRAINT)
        if edge.index is None and scan_ms(schema.child_of(edge)) >= SCAN_MS:
            actions.append(FixAction.CREATE_INDEX)
    # Once the orphans under a valid constraint are gone there is nothing else to do: their count is the proof.
    listed = tuple(action for action in dict.fromkeys(actions) if action in _PLANNED)
    side = next((value for each in own for name, value in each.treatment.options if name == "side"), "")
    return Wish(edge.oid, listed, side)
