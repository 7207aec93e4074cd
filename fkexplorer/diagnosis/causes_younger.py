"""Whether rows without a parent are older than their constraint: what PostgreSQL keeps of the age of either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from fkexplorer.diagnosis.asking import Look, ask
from fkexplorer.diagnosis.model import Part
from fkexplorer.fixes import sql
from fkexplorer.orphans.predicate import EdgePredicate, Incomparable
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.asking import Answer
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Totals

_MS = 500
"""What the look for one orphan may take; the totals have found that there is one."""
# Transactions are numbered round and round: two ages can be compared as long as the server has not come round once.
_ROUND = 2**31


async def younger(case: Case, totals: Sequence[Totals]) -> Part:
    """Compare an orphan of the error's own edge with its constraint.

    A row and the constraint's row of the catalogue each name the transaction that wrote them last (`xmin`): VALIDATE
    and RENAME write the latter anew.

    Returns:
        `constraint_younger`, found, ruled out, or found as not known; `parent_gone_unseen` where the constraint is
        valid, and so did not let the row in when it was made. Nothing where there is no orphan.

    Raises:
        Trouble: the connection is lost.
    """
    edge = case.edge
    own = next((each for each in totals if edge is not None and each.edge == edge.oid), None)
    if edge is None or edge.kind is not EdgeKind.DECLARED or own is None or not own.orphans:
        return Part()
    try:
        predicate = EdgePredicate(case.schema, edge)
    except Incomparable:
        return Part()
    some = predicate.from_child(literal_column("c.xmin").label("written")).where(predicate.is_orphan)
    function = "pg_current_snapshot" if case.database.facts.version_number >= 130000 else "txid_current_snapshot"
    end = function.replace("current_snapshot", "snapshot_xmax")
    query = (
        "SELECT pg_catalog.age(o.written) AS row_age, pg_catalog.age(k.xmin) AS constraint_age,"
        f" pg_catalog.{end}(pg_catalog.{function}())::text::int8 AS transactions\n"
        f"FROM pg_catalog.pg_constraint AS k, ({sql.written(some)} LIMIT 1) AS o WHERE k.oid = {edge.oid}"
    )
    child = case.schema.child_of(edge)
    answer = await ask(case, Look(query, child, tuple(pair.child for pair in edge.pairs)), ms=_MS)
    label = edge_label(case.schema, edge)
    if answer.rows is None:
        return Part((answer.unknown(f"Whether orphans are older than {label}", weight=20),))
    if not answer.rows:
        return Part()
    return _compared(answer, label, validated=edge.validated)


def _compared(answer: Answer, label: str, *, validated: bool) -> Part:
    """What the ages of an orphan and of its constraint say."""
    [(row_age, constraint_age, transactions), *_] = answer.rows or ()
    result = f"row {row_age:,}, constraint {constraint_age:,} transactions ago"
    if transactions >= _ROUND:
        text = f"Whether orphans are older than {label} can't be known: transactions have been numbered anew."
        return Part((answer.evidence("constraint_younger", text, result="not known", weight=20),))
    if row_age <= constraint_age:
        text = f"An orphan was written after {label} was made: it came, or its parent went, while that did not hold."
        return Part(ruled_out=(answer.evidence("constraint_younger", text, result=result, weight=30),))
    if validated:
        text = (
            f"An orphan is older than the last change of {label}, which is valid: its parent went later, past the"
            " constraint, or it came while triggers were off."
        )
        return Part((answer.evidence("parent_gone_unseen", text, result=result, weight=70),))
    text = f"An orphan was written before {label} was made, or changed last: it was there already."
    return Part((answer.evidence("constraint_younger", text, result=result, weight=76),))
