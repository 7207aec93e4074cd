"""A guess while its evidence is being gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.inference.model import Guess, Inclusion, Reason
from fkexplorer.inference.structure import equality
from fkexplorer.inference.weights import EXTERNAL_MOST
from fkexplorer.schema.keys import supporting_index
from fkexplorer.schema.model import ColumnPair, Condition, EdgeKind
from fkexplorer.schema.undeclared import undeclared_edge

if TYPE_CHECKING:
    from fkexplorer.inference.keys import Target
    from fkexplorer.inference.model import CatalogueEvidence, PairKey
    from fkexplorer.schema.model import Column, Table


@dataclass(slots=True)
class Draft:
    """A pair of columns with what speaks for it so far."""

    child: Table
    columns: tuple[Column, ...]
    target: Target
    reasons: list[Reason] = field(default_factory=list)
    only: Condition | None = None
    inclusion: Inclusion | None = None

    @property
    def key(self) -> PairKey:
        """As samples know it."""
        numbers = tuple(column.number for column in self.columns)
        only = (self.only.column.number, self.only.value) if self.only else None
        return self.child.oid, numbers, self.target.table.oid, self.target.numbers, only

    @property
    def unnamed(self) -> bool:
        """Whether no name tells of it: it is worth nothing without data."""
        return self.reasons[0].code == "unnamed"

    @property
    def points(self) -> float:
        """The sum of its points; where another system gives the key, a low one without data."""
        total = sum(reason.points for reason in self.reasons)
        if any(reason.code == "external" for reason in self.reasons) and not self.inclusion:
            total = min(total, EXTERNAL_MOST)
        return round(total, 3)

    @property
    def score(self) -> float:
        """The same from 0 to 1."""
        return min(1.0, max(0.0, self.points))

    def add(self, *found: Reason | None) -> None:
        """More reasons; None is none."""
        self.reasons += [each for each in found if each is not None]

    def guess(self, evidence: CatalogueEvidence, rivals: tuple[int, ...] = ()) -> Guess:
        """The finished value."""
        pairs = tuple(
            ColumnPair(own, other, equality(evidence, own, other))
            for own, other in zip(self.columns, self.target.columns, strict=True)
        )
        edge = undeclared_edge(
            self.child.oid,
            self.target.table.oid,
            pairs,
            kind=EdgeKind.INFERRED,
            only=self.only,
            index=supporting_index(self.child, pairs, self.only),
        )
        ordered = tuple(sorted(self.reasons, key=lambda each: -abs(each.points)))
        return Guess(edge, self.score, ordered, rivals, self.inclusion)
