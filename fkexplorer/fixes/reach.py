"""Which tables a change can reach by foreign keys, and how: what the catalogue alone tells, before a row is looked at.

A node is a way for rows to be touched: they go, or some of their columns change. Arms lead from nodes to nodes, by ON
DELETE and ON UPDATE. A check is a NO ACTION or RESTRICT on the way. Columns are told by name: partitions share those
with their root, and not the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.schema.model import Action, EdgeKind, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.schema.model import Relationship, Schema

    Fires = Mapping[tuple[int, bool], frozenset[int]]
    """By an edge's OID and whether it is ON DELETE: the relations (leaf partitions) where its trigger fires."""


@dataclass(frozen=True, slots=True)
class Node:
    """A way for rows of one table to be touched; the target's is number 0."""

    number: int
    table: int
    columns: frozenset[str] | None
    """The columns that change; None where the rows go."""
    edge: Relationship | None = None
    """By which it happens; None for the change itself."""
    action: Action | None = None

    @property
    def goes(self) -> bool:
        """Whether the rows are deleted."""
        return self.columns is None


@dataclass(slots=True)
class Arm:
    """An edge by which the rows of some nodes touch rows of its child."""

    edge: Relationship
    node: int
    """What becomes of the child's rows."""
    where: frozenset[int] | None
    """The relations of the parent where its trigger fires; None for all."""
    sources: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Check:
    """An edge that keeps the rows of some nodes from being touched while rows of its child name them."""

    edge: Relationship
    on_delete: bool
    where: frozenset[int] | None
    sources: list[int] = field(default_factory=list)

    @property
    def late(self) -> bool:
        """Whether it looks when all is done, and not when its turn comes among the others."""
        rule = self.edge.on_delete if self.on_delete else self.edge.on_update
        return rule is Action.NO_ACTION and self.edge.deferrable and self.edge.deferred


@dataclass(slots=True)
class Left:
    """An edge that does nothing, and whose child's rows are left without their parent."""

    edge: Relationship
    on_delete: bool
    but: frozenset[int] | None
    """The relations of the parent where its trigger does fire; None where it fires nowhere."""
    sources: list[int] = field(default_factory=list)


class Reach:
    """All that a change of one table can reach.

    Args:
        schema: where the table is.
        table: the OID of the changed table.
        changed: the names of the columns that an UPDATE sets; None for a DELETE.
        fires: where triggers fire of edges with some that do not; of other edges all do.
    """

    def __init__(self, schema: Schema, table: int, changed: frozenset[str] | None, fires: Fires) -> None:
        self._schema = schema
        self._fires = fires
        self.nodes = [Node(0, table, changed)]
        self._numbers: dict[tuple[int, Action | None, frozenset[str] | None], int] = {}
        self._arms: dict[tuple[int, bool, int], Arm] = {}
        self._checks: dict[tuple[int, bool], Check] = {}
        self._left: dict[tuple[int, bool], Left] = {}
        self.started: tuple[Node, ...] = ()
        """Of an UPDATE one node for each set of its columns that some edge refers to."""
        if changed is not None:
            sets = dict.fromkeys(changed & _parent_names(edge) for edge in self._children(table))
            self.started = tuple(Node(at, table, names) for at, names in enumerate(filter(None, sets), start=1))
            self.nodes += self.started
        # The list grows while it is walked.
        for node in self.nodes:
            if node.number or node.goes:
                self._from(node)

    @property
    def arms(self) -> list[Arm]:
        """The edges that act."""
        return list(self._arms.values())

    @property
    def checks(self) -> list[Check]:
        """The edges that refuse."""
        return list(self._checks.values())

    @property
    def left(self) -> list[Left]:
        """The edges that do nothing."""
        return list(self._left.values())

    @property
    def edges(self) -> list[Relationship]:
        """All of them, each once."""
        every: Iterable[Arm | Check | Left] = (*self.arms, *self.checks, *self.left)
        return list({each.edge.oid: each.edge for each in every}.values())

    @property
    def tables(self) -> set[int]:
        """OIDs of the tables that have to be read to follow it: the target, and the children of its edges."""
        return {self.nodes[0].table, *(edge.child for edge in self.edges)}

    @property
    def changing_nodes(self) -> list[Node]:
        """The nodes whose rows are updated."""
        return [node for node in self.nodes if not node.goes and node not in self.started]

    @property
    def nulled(self) -> set[int]:
        """Numbers of the nodes whose columns may become NULL: by SET NULL, a default, or a key above that did."""
        found = {node.number for node in self.nodes if node.action in {Action.SET_NULL, Action.SET_DEFAULT}}
        before = -1
        while len(found) != before:
            before = len(found)
            found |= {arm.node for arm in self.arms if not found.isdisjoint(arm.sources)}
        return found

    def changing(self, edge: Relationship) -> list[int]:
        """The nodes that change columns of an edge's child key by another way: which comes first is not known."""
        own = _child_names(edge)
        return [
            node.number
            for node in self.changing_nodes
            if node.columns is not None
            and (node.edge is None or node.edge.oid != edge.oid)
            and self.related(node.table, edge.child)
            and node.columns & own
        ]

    def rechecked(self, node: Node) -> bool:
        """Whether another edge of the child (or a MATCH FULL) looks at what the node changes, and may refuse it."""
        edge = node.edge
        if node.columns is None or edge is None:
            return False
        if edge.match is Match.FULL and node.action is not Action.CASCADE and not _child_names(edge) <= node.columns:
            return True
        return any(
            other.oid != edge.oid
            and other.enforced
            and self.related(other.child, node.table)
            and _child_names(other) & node.columns
            and (node.action is not Action.SET_NULL or other.match is Match.FULL)
            for other in self._schema.edges.values()
        )

    def related(self, one: int, other: int) -> bool:
        """Whether they are one table, or one is a partition of the other."""
        tables = self._schema.tables
        return one == other or one in tables[other].partitions or other in tables[one].partitions

    def moves_keys_of(self, edge: Relationship) -> bool:
        """Whether a key that the edge may refer to changes on the way."""
        return any(
            node.columns is not None and self.related(node.table, edge.parent) and node.columns & _parent_names(edge)
            for node in self.nodes
        )

    def _from(self, node: Node) -> None:
        for edge in self._children(node.table):
            if node.columns is not None and not node.columns & _parent_names(edge):
                continue
            on_delete = node.goes
            where = self._fires.get((edge.oid, on_delete)) if not edge.triggers.all_fire else None
            if not edge.enforced or (where is not None and not where):
                self._left.setdefault((edge.oid, on_delete), Left(edge, on_delete, None)).sources.append(node.number)
                continue
            if where is not None:
                self._left.setdefault((edge.oid, on_delete), Left(edge, on_delete, where)).sources.append(node.number)
            rule = edge.on_delete if on_delete else edge.on_update
            if rule in {Action.NO_ACTION, Action.RESTRICT}:
                check = self._checks.setdefault((edge.oid, on_delete), Check(edge, on_delete, where))
                check.sources.append(node.number)
                continue
            number = self._node(edge, rule, _touched(edge, rule, node))
            arm = self._arms.setdefault((edge.oid, on_delete, number), Arm(edge, number, where))
            arm.sources.append(node.number)

    def _node(self, edge: Relationship, action: Action, columns: frozenset[str] | None) -> int:
        key = edge.oid, action, columns
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(Node(len(self.nodes), edge.child, columns, edge, action))
        return self._numbers[key]

    def _children(self, table: int) -> list[Relationship]:
        return [
            edge
            for edge in self._schema.edges.values()
            if edge.kind is EdgeKind.DECLARED and self.related(edge.parent, table)
        ]


def _touched(edge: Relationship, rule: Action, node: Node) -> frozenset[str] | None:
    """The columns of the child that change; None where its rows go."""
    if node.columns is None:
        if rule is Action.CASCADE:
            return None
        wanted = edge.set_columns or tuple(pair.child.number for pair in edge.pairs)
        return frozenset(pair.child.name for pair in edge.pairs if pair.child.number in wanted)
    if rule is Action.CASCADE:
        return frozenset(pair.child.name for pair in edge.pairs if pair.parent.name in node.columns)
    return _child_names(edge)


def _parent_names(edge: Relationship) -> frozenset[str]:
    return frozenset(pair.parent.name for pair in edge.pairs)


def _child_names(edge: Relationship) -> frozenset[str]:
    return frozenset(pair.child.name for pair in edge.pairs)
