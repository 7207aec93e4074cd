"""The tree of an impact: the numbers of one look, put on all that the catalogue says could be reached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fkexplorer.diagnosis.impact_model import Deed, Hop, Verdict
from fkexplorer.fixes.model import Blocker, Consequences, Effect
from fkexplorer.schema.model import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fkexplorer.fixes.closure import Closure
    from fkexplorer.fixes.reach import Arm, Check, Left, Node, Reach
    from fkexplorer.schema.model import Relationship

    Rows = Sequence[tuple[Any, ...]]

_DEEDS = {Action.SET_NULL: Deed.SET_NULL, Action.SET_DEFAULT: Deed.SET_DEFAULT, Action.CASCADE: Deed.UPDATE}


class Tree:
    """What one look saw.

    Args:
        reach: all that the delete can reach.
        skipped: the edges that were not followed, by OID, each with the reason.
        rest: the reason for those that would have come below them.
        closure: what was followed, without those edges; None where there was no answer at all.
        answer: the rows of the closure's `counts`.
    """

    def __init__(
        self,
        reach: Reach,
        skipped: Mapping[int, str],
        rest: str,
        closure: Closure | None = None,
        answer: Rows = (),
    ) -> None:
        self._reach = reach
        self._skipped = skipped
        self._rest = rest
        counts = closure.by_node(answer) if closure else {}
        nodes = closure.reach.nodes if closure else []
        self._counts = {_way(node): counts.get(node.number, 0) for node in nodes}
        self._asked = {(each.edge.oid, each.on_delete) for each in _still(closure.reach)} if closure else set()
        self._more = closure.cut(answer) if closure else set()
        self.rows = counts.get(0, 0) if closure else None
        """Rows that the delete finds; None where there was no answer."""
        self.cut = closure is not None and closure.stopped(answer)
        """There are more rows than were followed."""
        self._short = self._below_skipped()
        self.complete = closure is not None and not self.cut and not self._short
        """Whether all rows that go or change were found."""
        found = closure.read(answer) if closure else Consequences(())
        self.effects = self._by_table(found.effects)
        self._ordered = bool(found.doubtful)
        self._refused = {each.edge: each.rows for each in found.blockers}
        self._doubtful = {each.edge: each.rows for each in found.doubtful}
        self._left = {each.edge: each.rows for each in found.left_behind}
        for edge in reach.edges:
            if self._unsure(edge) and edge.oid in self._refused:
                self._doubtful[edge.oid] = self._doubtful.get(edge.oid, 0) + self._refused.pop(edge.oid)
        self.hops = self._hops()

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """The edges that refuse it."""
        return tuple(Blocker(edge, rows) for edge, rows in self._refused.items())

    @property
    def verdict(self) -> Verdict:
        """What would come of it."""
        if self._ordered:
            return Verdict.DEPENDS
        if self._refused:
            return Verdict.REFUSED
        asked = all((each.edge.oid, each.on_delete) in self._asked for each in self._reach.checks)
        return Verdict.GOES if self.complete and asked else Verdict.UNKNOWN

    def _below_skipped(self) -> set[int]:
        """The nodes of which rows may be missing, since they, or some that lead to them, were not followed."""
        short = {arm.node for arm in self._reach.arms if arm.edge.oid in self._skipped}
        before = -1
        while len(short) != before:
            before = len(short)
            short |= {arm.node for arm in self._reach.arms if not short.isdisjoint(arm.sources)}
        return short

    def _may_go(self, table: int) -> bool:
        return any(node.goes and self._reach.related(node.table, table) for node in self._reach.nodes)

    def _unsure(self, edge: Relationship) -> bool:
        """Whether rows that name what goes may go as well, or name something else then, by rows that were not found."""
        return not self.complete and (self._may_go(edge.child) or bool(self._reach.changing(edge)))

    def _by_table(self, effects: Sequence[Effect]) -> tuple[Effect, ...]:
        """Of each table one: a delete may come back to the table that it began in."""
        found: dict[int, Effect] = {}
        for each in effects:
            so_far = found.get(each.table, Effect(each.table))
            found[each.table] = Effect(
                each.table,
                deleted=so_far.deleted + each.deleted,
                updated=so_far.updated + each.updated,
                edges=(*so_far.edges, *each.edges),
                more_updates=so_far.more_updates + each.more_updates,
            )
        # Where not all was found, what is known to change may go as well.
        return tuple(
            each
            if self.complete or not self._may_go(each.table)
            else replace(each, updated=0, more_updates=each.more_updates + each.updated)
            for each in found.values()
        )

    def _hops(self) -> tuple[Hop, ...]:
        """Nodes come in the order of their distance, so that each is unfolded where it is nearest to the top."""
        nearest: dict[int, tuple[int, int]] = {}
        for node in self._reach.nodes:
            for at, arm in enumerate(self._reach.arms):
                if node.number in arm.sources:
                    nearest.setdefault(arm.node, (node.number, at))
        return self._under(0, nearest)

    def _under(self, source: int, nearest: Mapping[int, tuple[int, int]]) -> tuple[Hop, ...]:
        hops = []
        for at, arm in enumerate(self._reach.arms):
            if source in arm.sources:
                hop = self._arm(arm)
                above = nearest[arm.node] != (source, at)
                hops.append(replace(hop, above=True) if above else replace(hop, hops=self._under(arm.node, nearest)))
        still = [each for each in _still(self._reach) if source in each.sources]
        return (*hops, *(replace(self._still(each), above=each.sources[0] != source) for each in still))

    def _arm(self, arm: Arm) -> Hop:
        node, oid = self._reach.nodes[arm.node], arm.edge.oid
        assert node.action is not None  # noqa: S101 - only the delete itself has none, and no arm leads to that
        deed = Deed.DELETE if node.goes else _DEEDS[node.action]
        rows = self._counts.get(_way(node))
        if rows is None:
            return Hop(oid, deed, None, unknown=self._skipped.get(oid, self._rest))
        refused, doubtful = self._refused.get(oid, 0), self._doubtful.get(oid, 0)
        return Hop(oid, deed, rows, self.cut or arm.node in self._short, refused, doubtful)

    def _still(self, each: Check | Left) -> Hop:
        """Of an edge that changes no row: it refuses, or leaves rows behind."""
        oid = each.edge.oid
        leaves = each in self._reach.left
        deed = Deed.LEAVE if leaves else Deed.REFUSE
        if (oid, each.on_delete) not in self._asked:
            return Hop(oid, deed, None, unknown=self._skipped.get(oid, self._rest))
        at_least = self.cut or oid in self._more or not self._short.isdisjoint(each.sources)
        if leaves:
            rows = self._left.get(oid, 0)
            return Hop(oid, deed, rows, at_least, doubtful=rows if self._unsure(each.edge) else 0)
        refused, doubtful = self._refused.get(oid, 0), self._doubtful.get(oid, 0)
        return Hop(oid, deed, refused + doubtful, at_least, refused, doubtful)


def _still(reach: Reach) -> list[Check | Left]:
    """The edges that change no row."""
    return [*reach.checks, *reach.left]


def _way(node: Node) -> tuple[int, Action | None, frozenset[str] | None]:
    """A node by what it is: its number depends on the edges that are followed."""
    return (node.edge.oid if node.edge else 0), node.action, node.columns
