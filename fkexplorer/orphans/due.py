"""Which counts are taken again, and when: soon where something changed, and never so often that they are a burden."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.freshness import LIFE_SECONDS
from fkexplorer.orphans.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from fkexplorer.orphans.freshness import Judgement, Proof

_REST = 4.0
"""A count is not taken again before so many times what it took: a fifth of a connection for the busiest table."""
_CHEAP_SECONDS = 0.020
_BUDGET_SECONDS = 0.025
"""What is cheap, and how much of it may be counted at each look although nothing says that it changed: 2.5 % of a
connection, for which all counts of a small database are true to the second even where sessions hold counts back."""
_LEAST_SECONDS = 0.0003
"""What the smallest count costs the server, with its plan; in a pipeline it seems to take no time at all."""
_DEAR_SECONDS = 0.050
_DEAR_REST = 3.0
"""What is dear is counted one at a time, and so many times what it took nothing is: a quarter of a connection."""


@dataclass(slots=True)
class Due:
    """The recounts of one connection; all times are the server's clock in seconds."""

    _dear: int | None = None
    """The one that is counted, or waits to be."""
    _dear_again: float = -math.inf

    def turns(
        self,
        judgement: Judgement,
        proofs: Mapping[int, Proof],
        *,
        now: float,
        watched: Collection[int],
        may: Callable[[int], bool],
    ) -> dict[int, Turn]:
        """What is to be counted again now.

        Args:
            judgement: what the last look says.
            proofs: what is known of each count.
            now: when that look was.
            watched: edges that somebody looks at.
            may: whether an edge may be counted again without being asked for: not over the cost limit, and not
                waiting or running.
        """
        turns: dict[int, Turn] = {}
        dear: list[tuple[bool, float, int]] = []

        def take(oid: int, turn: Turn) -> None:
            if oid in watched:
                turns[oid] = Turn.WATCHED
            elif proofs[oid].seconds < _DEAR_SECONDS:
                turns[oid] = turn
            else:
                dear.append((turn is Turn.AGED, -_age(proofs[oid], now) / proofs[oid].life, oid))

        def rested(oid: int) -> bool:
            proof = proofs[oid]
            return now - max(proof.counted, proof.tried) >= _REST * proof.seconds and may(oid)

        for oid in filter(rested, judgement.changed):
            take(oid, Turn.DUE)
        budget = _BUDGET_SECONDS
        oldest = sorted(judgement.uncertain.difference(watched), key=lambda oid: proofs[oid].until)
        for oid in [*judgement.uncertain.intersection(watched), *oldest]:
            proof = proofs[oid]
            if budget <= 0 and proof.until > now - LIFE_SECONDS and oid not in watched:
                break  # nor is any behind it old
            affordable = budget > 0 and proof.seconds <= _CHEAP_SECONDS
            if (affordable or _age(proof, now) > proof.life) and rested(oid):
                budget -= max(_LEAST_SECONDS, proof.seconds)
                take(oid, Turn.AGED)
        if dear and self._dear is None and now >= self._dear_again:
            *_, self._dear = min(dear)
            turns[self._dear] = Turn.AGED
        return turns

    def ended(self, edge: int, seconds: float, now: float) -> None:
        """A count of this edge ended, or will not take place; `now` is the server's clock, by the last look."""
        if edge == self._dear:
            self._dear = None
            self._dear_again = now + seconds * (1 + _DEAR_REST)


def _age(proof: Proof, now: float) -> float:
    return now - max(proof.until, proof.tried)
