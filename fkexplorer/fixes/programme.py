"""Many fixes as one plan: in the order in which each finds what it needs, planned over the schema as it will be then.

Rows first, then types, then keys and indexes, then the constraints; of each stage the parents before their children.
How rows are mended is said by whoever asks for it, for all of them: a plan never decides to lose a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes.model import DdlStep
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeState
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from fkexplorer.fixes.model import Plan, Preview, Request
    from fkexplorer.schema.model import Schema

MENDS = (FixAction.QUARANTINE, FixAction.DELETE, FixAction.SET_NULL)
"""How rows that are in the way may be mended; the first loses nothing."""
STAGES = (
    (FixAction.CHANGE_TYPE,),
    (FixAction.ADD_UNIQUE,),
    (FixAction.CREATE_INDEX,),
    (FixAction.ADD_CONSTRAINT, FixAction.VALIDATE, FixAction.ENFORCE, FixAction.ENABLE_TRIGGERS),
)
"""What follows the rows, in its order."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to become of an edge; its rows are mended before, where there are any to be."""

    edge: int
    """OID of the edge in the schema, below 0 of a pair."""
    actions: tuple[FixAction, ...]
    """Of `STAGES`; none where mending the rows is all."""
    side: str = ""
    """Whose column changes its type, as `Request.side`."""


@dataclass(frozen=True, slots=True)
class Item:
    """One fix of a programme."""

    request: Request
    schema: Schema
    """The schema as it will be when its turn comes."""
    plan: Plan
    seconds: float
    """About how long it takes."""
    needs: frozenset[int]
    """Positions of the items without which it can't be done."""
    seen: Preview | None = None
    """Of a change of rows what it would do now; None for all else."""
    privilege: str = ""
    """By which privilege it may be done."""
    lacks: str = ""
    """The privilege that this role lacks, and what would give it; empty for none."""
    lasting: tuple[str, ...] = ()
    """What an undo does not bring back, a sentence each; of DDL the steps say it themselves."""
    notes: tuple[str, ...] = ()
    """What else there is to know, a sentence each."""

    @property
    def title(self) -> str:
        """What it does, in a few words."""
        return ", then ".join(step.title for step in self.plan.steps)

    @property
    def undo(self) -> tuple[str, ...]:
        """How its steps are taken back, where they are DDL."""
        return tuple(step.undo for step in self.plan.steps if isinstance(step, DdlStep))

    @property
    def label(self) -> str:
        """The edge that it is for."""
        return edge_label(self.schema, self.request.edge)


@dataclass(frozen=True, slots=True)
class Programme:
    """Many fixes in their order."""

    items: tuple[Item, ...]
    left_out: tuple[tuple[str, str], ...]
    """What is not in it, by its name, each with the reason."""
    clean: FixAction
    """How rows are mended."""
    schema: Schema
    """The schema as it was when it was made."""
    as_of: datetime
    """The server's clock before the first look at rows, UTC."""
    notes: tuple[str, ...] = ()
    """What there is to know of all of it, a sentence each."""

    @property
    def rows(self) -> int:
        """Rows that it mends, without what follows from that."""
        return sum(item.seen.rows for item in self.items if item.seen)

    @property
    def confirm(self) -> str:
        """What has to be typed before it is run: `8 rows 4 fixes`."""
        fixes = f"{len(self.items)} fix{'' if len(self.items) == 1 else 'es'}"
        return f"{self.rows} row{'' if self.rows == 1 else 's'} {fixes}" if self.rows else fixes


def parents_first(schema: Schema, wishes: Iterable[Wish]) -> list[Wish]:
    """In an order in which the rows of a table are mended before those that refer to it; of a cycle any comes first."""
    left, found = list(wishes), []
    while left:
        children = {edge.child for edge in (schema.edges[wish.edge] for wish in left) if not edge.self_referencing}
        free = (wish for wish in left if schema.edges[wish.edge].parent not in children)
        first = next(free, left[0])
        left.remove(first)
        found.append(first)
    return found


def left_behind(schema: Schema, wishes: Sequence[Wish], items: Sequence[Item]) -> list[str]:
    """Where rows that go may be parents that nothing protects: who is left behind then is in no count of now."""
    gone = {effect.table for item in items if item.seen for effect in item.seen.effects if effect.deleted}
    edges = [schema.edges[wish.edge] for wish in wishes]
    return [
        f"rows of {table_label(schema.parent_of(edge))} go: where {edge_label(schema, edge)} refers to them, it is left"
        " with new orphans, and it stops there; then make the plan again"
        for edge in edges
        if edge.parent in gone and edge.state not in {EdgeState.ENFORCED, EdgeState.NOT_VALID}
    ]
