"""The rules by which a count is known to be right still, without counting again.

Two proofs, and nothing else: the snapshot is the one that was counted in, so that nothing at all was committed since;
or the counters of its tables are what they were before the count, and no session holds back any that it counted since.
Equal counters alone were wrong in 70 of 150 cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Bound, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.orphans.changes import Counters, Look
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema

LIFE_SECONDS, LIFE_FACTOR = 30.0, 20.0
"""A count that nothing proves is old after this time, or after so many times what it took."""
_BELIEF = 20.0
"""So many lives after it was counted it is counted again, whatever the counters say: a superuser may have turned them
off for a session of his own (`track_counts`), which nobody else can see."""
COLLECTED_SECONDS = 1.0
"""Before 15 counters are handed out as of half a second ago: what was flushed a second before is in them."""

State = tuple[object, ...] | None
"""The counters of all relations of an edge's tables, to be compared with another one."""


@dataclass(slots=True)
class Proof:
    """What is known of one edge's last count. Times are the server's clock, in seconds since 1970."""

    tried: float
    """When it was counted, or something last kept it from being counted again."""
    seconds: float
    """What it takes."""
    counted: float = -math.inf
    """The count's own time; without a number none of these is of use."""
    until: float = -math.inf
    """The last moment at which the count is known to have been right."""
    snapshot: str | None = None
    """One in which it is right."""
    since: float = -math.inf
    """All that was committed before this time is in the count: since then no counters may have been held back."""
    state: State = None
    """The counters as they were before the count; None where they were not read."""

    @property
    def life(self) -> float:
        """Seconds in which it is not old, from the last time that it was known to be right."""
        return max(LIFE_SECONDS, LIFE_FACTOR * self.seconds)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look says of the counts that there are."""

    confirmed: frozenset[int]
    """Proven to be right as of the look."""
    as_of: float
    """When that was."""
    changed: frozenset[int]
    """Something was written in one of their tables since."""
    uncertain: frozenset[int]
    """Neither; their counts may be wrong."""


class Freshness:
    """The proofs of all edges of one connection.

    Args:
        server_version: `server_version_num`.
    """

    def __init__(self, server_version: int) -> None:
        self._collected = server_version < 150000
        self.proofs: dict[int, Proof] = {}
        self._begun: dict[int, tuple[float, State]] = {}
        self._states: dict[int, State] = {}
        """By the root table of a partition tree; of the last details."""
        self._look: Look | None = None
        self._before: Look | None = None
        self._compared = False

    def take(self, look: Look, counters: Mapping[int, Counters] | None, schema: Schema) -> None:
        """Take a look, and the counters that were read after it; None where they were not read, being what they were.

        A server that is another than before, or whose statistics began anew, ends all proofs.
        """
        if self._look is not None and self._look.cluster != look.cluster:
            for proof in self.proofs.values():
                proof.snapshot = proof.state = None
            self._begun.clear()
        self._before, self._look = self._look, look
        self._compared = counters is not None
        if counters is not None:
            before, self._states = self._states, _states(counters, schema, look.cluster)
            # What is the same object is compared at once, for each of thousands of edges.
            for oid, state in self._states.items():
                if (same := before.get(oid)) == state:
                    self._states[oid] = same

    def begin(self, edge: Relationship) -> None:
        """A count of the edge begins: what was read before it is what later counters are compared with."""
        if self._look is not None:
            self._begun[edge.oid] = self._look.at, self._state(edge)

    def end(self, count: Count, seconds: float) -> None:
        """A count has ended, that took so many seconds on the server."""
        edge = count.edge
        since, state = self._begun.pop(edge, (-math.inf, None))
        # What does not cast is a number too, as exact as one of orphans.
        if (count.orphans is not None and count.bound is Bound.EXACT) or count.uncastable is not None:
            at = count.as_of.timestamp()
            self.proofs[edge] = Proof(at, seconds, at, at, count.snapshot, since, state)
        elif count.known or count.status in (Status.TIMED_OUT, Status.FAILED):
            # The number that was there before, if it still is, is as good as it was; the next try has time.
            before = None if count.known else self.proofs.get(edge)
            proof = self.proofs[edge] = before or Proof(0.0, 0.0)
            proof.tried = self._look.at if self._look else count.as_of.timestamp()
            proof.seconds = max(proof.seconds, seconds)
        elif count.status not in (Status.SKIPPED, Status.STOPPED):
            self.proofs.pop(edge, None)

    def forget(self, edges: Iterable[int]) -> None:
        """These edges are no more, or others."""
        for edge in edges:
            self.proofs.pop(edge, None)
            self._begun.pop(edge, None)

    def needs_counters(self, look: Look) -> bool:
        """Whether some count needs more than this look to be proven, and more could prove it."""
        if look.standby or not look.counts:
            return False  # a standby counts nothing
        return any(proof.snapshot != look.snapshot for proof in self.proofs.values())

    def judge(self, schema: Schema) -> Judgement:
        """Judge all counts by the last look."""
        look = self._look
        if look is None:
            return Judgement(frozenset(), -math.inf, frozenset(), frozenset())
        witness = self._witness(look)
        snapshot = look.snapshot if look.whole else None
        confirmed, changed, uncertain = set[int](), set[int](), set[int]()
        for oid, proof in self.proofs.items():
            if snapshot is not None and proof.snapshot == snapshot:
                proof.until, proof.since = max(proof.until, look.at), max(proof.since, look.at)
                confirmed.add(oid)
            elif proof.state is None or (state := self._state(schema.edges[oid])) is None:
                uncertain.add(oid)
            elif state != proof.state:
                changed.add(oid)
            elif witness is not None and self._vouches(witness, proof):
                proof.until, proof.since = max(proof.until, witness.at), max(proof.since, witness.at)
                proof.snapshot = witness.snapshot
                confirmed.add(oid)
            else:
                uncertain.add(oid)
        as_of = look.at if witness is None else witness.at
        return Judgement(frozenset(confirmed), as_of, frozenset(changed), frozenset(uncertain))

    def _witness(self, look: Look) -> Look | None:
        """The look whose sessions are asked about: the counters hold all that was flushed before it."""
        if not self._compared or look.standby or not look.counts:
            return None
        if not self._collected:
            return look
        before = self._before
        return before if before is not None and look.at - before.at >= COLLECTED_SECONDS else None

    @staticmethod
    def _vouches(witness: Look, proof: Proof) -> bool:
        """Whether equal counters prove the count to have been right when the witness looked."""
        return witness.held_back <= proof.since and witness.at - proof.counted <= _BELIEF * proof.life

    def _state(self, edge: Relationship) -> State:
        child, parent = self._states.get(edge.child), self._states.get(edge.parent)
        return None if child is None or parent is None else (child, parent)


def _states(counters: Mapping[int, Counters], schema: Schema, cluster: str) -> dict[int, State]:
    """The state of each table: of itself, or with all of its partitions."""
    states: dict[int, State] = {}
    for oid, own in counters.items():
        table = schema.tables.get(oid)
        if table is None:
            continue
        if not table.partitions:
            states[oid] = (own.written, own.file, cluster)
        else:
            parts = ((part, counters.get(part)) for part in sorted(table.partitions))
            states[oid] = (own.file, *((part, each and (each.written, each.file)) for part, each in parts), cluster)
    return states
