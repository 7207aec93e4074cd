"""One key as both sides of an edge answered for it, and which of several ways to cut a text into a key can be meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.keyed import edge_text

if TYPE_CHECKING:
    from fkexplorer.diagnosis.asking import Answer
    from fkexplorer.diagnosis.model import Evidence, Key
    from fkexplorer.schema.model import Relationship


@dataclass(frozen=True, slots=True)
class Looked:
    """One key on both sides."""

    key: Key
    parent: Answer
    child: Answer | None
    """None where the parent's side has said that it is no key."""

    @property
    def of_type(self) -> bool:
        """Whether it can be a key at all."""
        return self.parent.code != "not_of_type" and (self.child is None or self.child.code != "not_of_type")

    @property
    def parent_there(self) -> bool | None:
        """Whether a row of the parent has it; of those that row security hides nobody knows."""
        number = self.parent.number
        return None if number is None or (number == 0 and self.parent.as_role) else number > 0

    @property
    def children(self) -> int | None:
        """Rows of the child that have it, or refer to it."""
        number = self.child.number if self.child else None
        return None if number is None or (number == 0 and self.child and self.child.as_role) else number


def fitting(edge: Relationship, looked: list[Looked], *, of_parent: bool) -> tuple[list[Evidence], list[Looked]]:
    """Which of the keys the types allow, and what is to be said of the others."""
    columns = [pair.parent if of_parent else pair.child for pair in edge.pairs]
    possible = [each for each in looked if each.of_type]
    first = (possible or looked)[0]
    if not possible:
        answer = first.parent
        types = ", ".join(column.type_text for column in columns)
        text = (
            f"{edge_text(edge, first.key, of_parent=of_parent)} is no value of type {types}: it was masked or cut in"
            " the text, or the column has another type here."
        )
        return [answer.evidence("value_not_of_type", text, result=answer.reason, weight=100)], []
    if len(looked) == 1:
        return [], possible
    ways = f"The text can be cut into the key in {len(looked)} ways"
    if len(possible) == 1:
        text = f"{ways}; only {edge_text(edge, first.key, of_parent=of_parent)} fits the types."
        return [first.parent.evidence("cut_by_type", text, weight=40)], possible
    shown = "; ".join(edge_text(edge, each.key, of_parent=of_parent) for each in possible)
    return [first.parent.evidence("key_ambiguous", f"{ways}, and each was looked at: {shown}.", weight=80)], possible
