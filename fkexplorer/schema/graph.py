"""Questions about the schema as a graph: tables are its nodes, every foreign key an edge of its own, child to parent.

Two foreign keys between one pair of tables, and a table that refers to itself, are ordinary cases.
"""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import chain, islice, pairwise, product
from typing import TYPE_CHECKING

import networkx as nx

from fkexplorer.schema.graph_model import OrderGroup, Reach
from fkexplorer.schema.model import Action, EdgeKind, Match
from fkexplorer.schema.undeclared import without_guesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fkexplorer.schema.model import Relationship, Schema

HUB = 20
"""A table with as many incoming edges is a hub: most pairs of tables meet there, which says little about them."""
HUB_WEIGHT = 10.0
"""What a path pays for passing a hub; any other table costs 1."""


def known_graph(schema: Schema) -> Graph:
    """The graph of what somebody vouches for: no way and no cycle leads along a guess."""
    return Graph(without_guesses(schema))


class Graph:
    """The graph of one schema; a table is its OID. Unknown OIDs raise KeyError. Nothing in it changes."""

    def __init__(self, schema: Schema) -> None:
        """Build the graph; `schema` keeps its order of tables and edges in every answer."""
        self._schema = schema
        self._position = {table: position for position, table in enumerate(schema.tables)}
        self._parents: dict[int, list[Relationship]] = {table: [] for table in schema.tables}
        self._children: dict[int, list[Relationship]] = {table: [] for table in schema.tables}
        self._graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
        self._graph.add_nodes_from(schema.tables)
        for edge in schema.edges.values():
            self._parents[edge.child].append(edge)
            self._children[edge.parent].append(edge)
            self._graph.add_edge(edge.child, edge.parent, key=edge.oid)

    def parents(self, table: int) -> list[Relationship]:
        """The edges of which this table is the child."""
        return list(self._parents[table])

    def children(self, table: int) -> list[Relationship]:
        """The edges of which this table is the parent."""
        return list(self._children[table])

    def neighbourhood(self, table: int, depth: int) -> set[int]:
        """The tables at most `depth` edges away, in either direction; the table itself is one of them."""
        self._children[table]
        near = nx.single_source_shortest_path_length(self._graph.to_undirected(as_view=True), table, cutoff=depth)
        return set(near)

    def paths(self, a: int, b: int, limit: int = 5, *, hub: int = HUB) -> list[list[Relationship]]:
        """Ways from a to b along edges in either direction, no table twice: the best `limit`, best first.

        A short one is better than a long one; each table with `hub` incoming edges or more that is passed counts
        as `HUB_WEIGHT` tables. Several edges between one pair make several paths. From a table to itself there is none.
        """
        plain: nx.Graph[int] = nx.Graph()
        plain.add_nodes_from(self._schema.tables)
        toll = {table: HUB_WEIGHT - 1 if len(edges) >= hub else 0.0 for table, edges in self._children.items()}
        hops: dict[frozenset[int], list[Relationship]] = defaultdict(list)
        for edge in self._schema.edges.values():
            if not edge.self_referencing:
                hops[frozenset((edge.child, edge.parent))].append(edge)
                # Half of each end: what the two ends of a path pay is the same for every path between them.
                plain.add_edge(edge.child, edge.parent, weight=1 + (toll[edge.child] + toll[edge.parent]) / 2)
        if self._position[a] == self._position[b] or not nx.has_path(plain, a, b):
            return []

        def each() -> Iterator[list[Relationship]]:
            for tables in nx.shortest_simple_paths(plain, a, b, weight="weight"):
                steps = pairwise(tables)
                yield from map(list, product(*(hops[frozenset(step)] for step in steps)))

        return list(islice(each(), limit))

    def cycles(self, limit: int = 50, length: int = 8) -> list[list[Relationship]]:
        """Cycles of at most `length` edges, the shortest first, at most `limit`; each from child to parent and on.

        A self-reference is a cycle of 1. Each of several edges between one pair makes a cycle of its own.
        """
        hops: dict[tuple[int, int], list[Relationship]] = defaultdict(list)
        for edge in self._schema.edges.values():
            hops[edge.child, edge.parent].append(edge)
        circling = sorted((table for each in self.components() for table in each), key=self._position.__getitem__)
        found: list[list[Relationship]] = []
        # One length after the other: a group of 57 tables can have millions of cycles of 8, and a few of 2.
        for exactly in range(1, length + 1):
            for cycle in chain.from_iterable(self._circles(start, exactly) for start in circling):
                steps = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
                found += map(list, islice(product(*(hops[step] for step in steps)), limit - len(found)))
                if len(found) >= limit:
                    return found
        return found

    def components(self) -> list[set[int]]:
        """The tables that reach each other, or themselves, in a circle: the largest set first."""
        loops = set(nx.nodes_with_selfloops(self._graph))
        found = [set(each) for each in nx.strongly_connected_components(self._graph) if len(each) > 1 or each & loops]
        return sorted(found, key=lambda each: (-len(each), self._first(each)))

    def creation_order(self) -> list[OrderGroup]:
        """All tables, each after its parents; those in a circle come as one group. To create, and to load."""
        circles = nx.condensation(self._graph)
        order = nx.lexicographical_topological_sort(
            circles.reverse(copy=False), key=lambda circle: self._first(circles.nodes[circle]["members"])
        )
        return [self._group(circles.nodes[circle]["members"]) for circle in order]

    def deletion_order(self) -> list[OrderGroup]:
        """All tables, each after its children: the order of creation, backwards."""
        return [OrderGroup(group.tables[::-1], group.apart) for group in reversed(self.creation_order())]

    def delete_closure(self, table: int) -> list[Reach]:
        """What a delete from this table does to others by ON DELETE, nearest first: every edge at most once.

        It goes on from where CASCADE leads. A key that SET NULL or SET DEFAULT changes is not followed to ON UPDATE.
        """
        found: list[Reach] = []
        seen = {table}
        waiting: deque[tuple[int, tuple[int, ...]]] = deque([(table, ())])
        while waiting:
            at, path = waiting.popleft()
            for edge in self._children[at]:
                acts = edge.kind is EdgeKind.DECLARED and edge.enforced
                reach = Reach(edge.child, edge.oid, edge.on_delete if acts else None, (*path, edge.oid))
                found.append(reach)
                if reach.action is Action.CASCADE and edge.child not in seen:
                    seen.add(edge.child)
                    waiting.append((edge.child, reach.path))
        return found

    def _group(self, members: Iterable[int]) -> OrderGroup:
        tables = set(members)
        if len(tables) == 1:
            return OrderGroup(tuple(tables))
        inner = [e for t in sorted(tables, key=self._position.__getitem__) for e in self._parents[t]]
        inner = [edge for edge in inner if edge.parent in tables and not edge.self_referencing]
        kept: nx.DiGraph[int] = nx.DiGraph()
        kept.add_nodes_from(tables)
        apart: list[int] = []
        # Those that can't be postponed first: an edge is set apart only where it closes a circle of edges kept before.
        for edge in sorted(inner, key=_postponable):
            if nx.has_path(kept, edge.parent, edge.child):
                apart.append(edge.oid)
            else:
                kept.add_edge(edge.child, edge.parent)
        order = nx.lexicographical_topological_sort(kept.reverse(copy=False), key=self._position.__getitem__)
        return OrderGroup(tuple(order), tuple(apart))

    def _circles(self, start: int, exactly: int) -> Iterator[list[int]]:
        """The cycles of so many tables whose first, in the schema's order, is this one; in that order.

        networkx has them too, but looks at the whole graph again for each table: 24 s in a circle of 2,000.
        """
        first = self._position[start]
        back = {start: 0}
        waiting = deque([start])
        while waiting:
            at = waiting.popleft()
            if back[at] < exactly - 1:
                for table in self._graph.predecessors(at):
                    if table not in back and self._position[table] > first:
                        back[table] = back[at] + 1
                        waiting.append(table)

        def onwards(path: list[int]) -> Iterator[list[int]]:
            left = exactly - len(path)
            if not left:
                if self._graph.has_edge(path[-1], start):
                    yield path
                return
            for table in sorted(self._graph.successors(path[-1]), key=self._position.__getitem__):
                if back.get(table, exactly) <= left and table not in path:
                    yield from onwards([*path, table])

        return onwards([start])

    def _first(self, tables: Iterable[int]) -> int:
        return min(self._position[table] for table in tables)


def _postponable(edge: Relationship) -> int:
    """How well an edge can wait until both rows are there: 3 may be NULL and be deferred, 0 neither."""
    optional = [not pair.child.not_null for pair in edge.pairs]
    nullable = all(optional) if edge.match is Match.FULL else any(optional)
    return 2 * nullable + edge.deferrable
