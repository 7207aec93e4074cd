"""The graph's answers against small known schemas, and against brute force on all kinds of small ones."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise, permutations, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fkexplorer.schema.graph import HUB_WEIGHT, Graph
from fkexplorer.schema.graph_model import OrderGroup, Reach
from fkexplorer.schema.model import Action, EdgeKind, Match
from tests.schema.samples import column, edge, schema, table, unhurried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fkexplorer.schema.model import Relationship, Schema


def names(edges: Iterable[Relationship]) -> list[int]:
    return [each.oid for each in edges]


def graph(*pairs: tuple[int, int], tables: int = 0) -> Graph:
    """Tables 1, 2, …; the first edge is 101, child before parent."""
    return Graph(sample(pairs, tables))


def sample(pairs: Iterable[tuple[int, int]], tables: int = 0) -> Schema:
    pairs = list(pairs)
    last = max([tables, *(end for pair in pairs for end in pair)])
    return schema(
        [table(oid, f"t{oid}") for oid in range(1, last + 1)],
        [edge(101 + n, child, parent) for n, (child, parent) in enumerate(pairs)],
    )


def test_parents_and_children() -> None:
    g = graph((1, 2), (1, 2), (3, 1), (1, 1))
    assert names(g.parents(1)) == [101, 102, 104]
    assert names(g.children(1)) == [103, 104]
    assert names(g.children(2)) == [101, 102]
    assert g.parents(2) == []


@pytest.mark.parametrize("ask", [Graph.parents, Graph.children, Graph.delete_closure])
def test_an_unknown_table_is_an_error(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(KeyError):
        ask(graph((1, 2)), 99)
    with pytest.raises(KeyError):
        graph((1, 2)).neighbourhood(99, 1)
    with pytest.raises(KeyError):
        graph((1, 2)).paths(1, 99)


def test_neighbourhood_goes_both_ways() -> None:
    g = graph((1, 2), (3, 2), (3, 4), (5, 5))
    assert g.neighbourhood(1, 0) == {1}
    assert g.neighbourhood(1, 1) == {1, 2}
    assert g.neighbourhood(1, 2) == {1, 2, 3}
    assert g.neighbourhood(4, 9) == {1, 2, 3, 4}
    assert g.neighbourhood(5, 3) == {5}


def test_paths_take_each_of_several_edges() -> None:
    g = graph((1, 2), (1, 2), (3, 2), (1, 4), (4, 3))
    assert [names(path) for path in g.paths(1, 3)] == [[101, 103], [102, 103], [104, 105]]
    assert [names(path) for path in g.paths(1, 3, limit=2)] == [[101, 103], [102, 103]]
    assert g.paths(1, 1) == []
    assert graph((1, 2), tables=3).paths(1, 3) == []


def test_a_path_avoids_a_hub_but_may_end_in_one() -> None:
    # 1 and 2 both refer to the hub 9; 1 - 3 - 4 - 2 is longer and says more.
    g = graph((1, 9), (2, 9), *((5, 9) for _ in range(20)), (1, 3), (3, 4), (4, 2))
    assert [names(path) for path in g.paths(1, 2)] == [[123, 124, 125], [101, 102]]
    assert names(g.paths(1, 2, hub=100)[0]) == [101, 102]
    assert names(g.paths(1, 9)[0]) == [101]


def test_cycles() -> None:
    g = graph((1, 1), (1, 2), (2, 1), (2, 1), (2, 3), (3, 1))
    assert [names(cycle) for cycle in g.cycles()] == [[101], [102, 103], [102, 104], [102, 105, 106]]
    assert [names(cycle) for cycle in g.cycles(limit=2)] == [[101], [102, 103]]
    assert [names(cycle) for cycle in g.cycles(length=1)] == [[101]]
    assert graph((1, 2), (1, 2)).cycles() == []


def test_many_cycles_are_bounded() -> None:
    dense = graph(*((a, b) for a in range(1, 58) for b in range(1, 58) if a != b))
    assert [len(cycle) for cycle in dense.cycles()] == [2] * 50


def test_a_circle_of_two_thousand_tables_takes_no_time() -> None:
    ring = graph(*((n, n % 2000 + 1) for n in range(1, 2001)), *((n, (n * 7) % 2000 + 1) for n in range(1, 2001)))
    started = time.process_time()
    ring.cycles()
    assert time.process_time() - started < 5
    assert [len(group.tables) for group in ring.creation_order()] == [2000]


def test_components() -> None:
    assert graph((1, 2), (2, 1), (3, 3), (4, 5), (6, 7), (7, 8), (8, 6)).components() == [{6, 7, 8}, {1, 2}, {3}]


def test_orders() -> None:
    g = graph((1, 2), (3, 1), (3, 3), tables=4)
    assert g.creation_order() == [OrderGroup((2,)), OrderGroup((1,)), OrderGroup((3,)), OrderGroup((4,))]
    assert g.deletion_order() == [OrderGroup((4,)), OrderGroup((3,)), OrderGroup((1,)), OrderGroup((2,))]


def circle(*edges: Relationship) -> OrderGroup:
    (group,) = Graph(schema([table(1, "a"), table(2, "b")], edges)).creation_order()
    return group


def test_what_stands_apart_is_what_can_wait() -> None:
    must = (column(2, "must", not_null=True),)
    both = (*must, column(3, "may"))
    assert circle(edge(11, 1, 2, columns=must), edge(12, 2, 1)) == OrderGroup((2, 1), (12,))
    assert circle(edge(11, 1, 2), edge(12, 2, 1, columns=must)) == OrderGroup((1, 2), (11,))
    assert circle(edge(11, 1, 2, columns=must, deferrable=True), edge(12, 2, 1, columns=must)).apart == (11,)
    assert circle(edge(11, 1, 2, columns=must, deferrable=True), edge(12, 2, 1)).apart == (12,)
    # One NULL of two exempts a row from MATCH SIMPLE, and not from MATCH FULL.
    assert circle(edge(11, 1, 2, columns=both), edge(12, 2, 1, columns=must)).apart == (11,)
    assert circle(
        edge(11, 1, 2, columns=both, match=Match.FULL), edge(12, 2, 1, columns=must, deferrable=True)
    ).apart == (12,)
    # Both of two parallel edges have to wait, a self-reference never.
    assert circle(edge(11, 1, 2), edge(12, 1, 2), edge(13, 2, 1, columns=must), edge(14, 1, 1)).apart == (11, 12)


def test_delete_closure() -> None:
    cascade, restrict, nothing = Action.CASCADE, Action.RESTRICT, Action.NO_ACTION
    g = Graph(
        schema(
            [table(oid, f"t{oid}") for oid in range(1, 8)],
            [
                edge(11, 2, 1, on_delete=cascade),
                edge(12, 3, 2, on_delete=Action.SET_NULL),
                edge(13, 4, 2, on_delete=cascade),
                edge(14, 1, 4, on_delete=cascade),
                edge(15, 5, 3, on_delete=restrict),
                edge(16, 6, 4, on_delete=restrict),
                edge(17, 2, 2, on_delete=cascade),
                edge(18, 7, 1, on_delete=cascade, enforced=False),
                edge(19, 6, 7, on_delete=cascade),
                edge(20, 5, 1, on_delete=nothing),
                edge(21, 5, 1, on_delete=Action.SET_DEFAULT),
            ],
        )
    )
    assert g.delete_closure(1) == [
        Reach(2, 11, cascade, (11,)),
        Reach(7, 18, None, (18,)),
        Reach(5, 20, nothing, (20,)),
        Reach(5, 21, Action.SET_DEFAULT, (21,)),
        Reach(3, 12, Action.SET_NULL, (11, 12)),
        Reach(4, 13, cascade, (11, 13)),
        Reach(2, 17, cascade, (11, 17)),
        Reach(1, 14, cascade, (11, 13, 14)),
        Reach(6, 16, restrict, (11, 13, 16)),
    ]


def test_an_undeclared_edge_deletes_nothing() -> None:
    guess = replace(edge(11, 2, 1, on_delete=Action.CASCADE), kind=EdgeKind.INFERRED)
    assert Graph(schema([table(1, "a"), table(2, "b")], [guess])).delete_closure(1) == [Reach(2, 11, None, (11,))]


@st.composite
def small_schemas(draw: st.DrawFn) -> Schema:
    """Up to 5 tables and 8 edges of any direction, action, nullability and deferrability."""
    count = draw(st.integers(1, 5))
    ends = draw(st.lists(st.tuples(st.integers(1, count), st.integers(1, count)), max_size=8))
    return schema(
        [table(oid, f"t{oid}") for oid in draw(st.permutations(range(1, count + 1)))],
        [
            edge(
                101 + n,
                child,
                parent,
                on_delete=draw(st.sampled_from(Action)),
                deferrable=draw(st.booleans()),
                columns=(column(2, "x", not_null=draw(st.booleans())),),
            )
            for n, (child, parent) in enumerate(ends)
        ],
    )


def walks(sample: Schema, tables: tuple[int, ...], *, directed: bool) -> Iterator[tuple[int, ...]]:
    """The edges of every way through these tables in this order."""
    hops = [
        [
            e.oid
            for e in sample.edges.values()
            if (e.child, e.parent) == (a, b) or (not directed and (e.parent, e.child) == (a, b))
        ]
        for a, b in pairwise(tables)
    ]
    return product(*hops)


@unhurried
@given(small_schemas(), st.integers(1, 5))
def test_cycles_by_brute_force(sample: Schema, length: int) -> None:
    tables = list(sample.tables)
    expected = {
        walk
        for size in range(1, length + 1)
        for way in permutations(tables, size)
        if way[0] == min(way, key=tables.index)
        for walk in walks(sample, (*way, way[0]), directed=True)
    }
    found = [tuple(names(cycle)) for cycle in Graph(sample).cycles(limit=10_000, length=length)]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert [len(cycle) for cycle in found] == sorted(len(cycle) for cycle in found)
    assert [tuple(names(cycle)) for cycle in Graph(sample).cycles(limit=3, length=length)] == found[:3]


@unhurried
@given(small_schemas(), st.integers(1, 4))
def test_paths_by_brute_force(sample: Schema, hub: int) -> None:
    g = Graph(sample)
    tables = list(sample.tables)
    a, b = tables[0], tables[-1]

    def cost(walk: tuple[int, ...]) -> float:
        at, total = a, 0.0
        for oid in walk[:-1]:
            e = sample.edges[oid]
            at = e.parent if e.child == at else e.child
            total += HUB_WEIGHT if len(g.children(at)) >= hub else 1
        return total

    between = [each for each in tables if each not in {a, b}]
    expected = {
        walk
        for size in range(len(between) + 1)
        for way in permutations(between, size)
        for walk in walks(sample, (a, *way, b), directed=False)
        if a != b
    }
    found = [tuple(names(path)) for path in g.paths(a, b, limit=10_000, hub=hub)]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert [cost(walk) for walk in found] == sorted(cost(walk) for walk in expected)


def reachable(sample: Schema, start: int, without: Iterable[int] = ()) -> set[int]:
    """The tables that one gets to from this one by one edge or more, child to parent."""
    found: set[int] = set()
    waiting = [start]
    while waiting:
        at = waiting.pop()
        for e in sample.edges.values():
            if e.child == at and e.oid not in without and e.parent not in found:
                found.add(e.parent)
                waiting.append(e.parent)
    return found


@unhurried
@given(small_schemas())
def test_components_by_brute_force(sample: Schema) -> None:
    reach = {each: reachable(sample, each) for each in sample.tables}
    expected = {frozenset({b for b in reach[a] if a in reach[b]} | {a}) for a in sample.tables if a in reach[a]}
    found = Graph(sample).components()
    assert {frozenset(each) for each in found} == expected
    assert len(found) == len(expected)


@unhurried
@given(small_schemas())
def test_orders_by_brute_force(sample: Schema) -> None:
    order = Graph(sample).creation_order()
    reach = {each: reachable(sample, each) for each in sample.tables}
    assert sorted(oid for group in order for oid in group.tables) == sorted(sample.tables)
    place = {oid: n for n, oid in enumerate(oid for group in order for oid in group.tables)}
    apart = [oid for group in order for oid in group.apart]
    for e in sample.edges.values():
        if e.child != e.parent and e.oid not in apart:
            assert place[e.parent] < place[e.child]
    for group in order:
        assert all(b in reach[a] for a in group.tables for b in group.tables if a != b)
        for oid in group.apart:
            e = sample.edges[oid]
            assert e.child != e.parent
            assert {e.child, e.parent} <= set(group.tables)
            # Needed: with only this one put back there is a circle again.
            assert e.child in reachable(sample, e.parent, [other for other in apart if other != oid])
    assert Graph(sample).deletion_order() == [OrderGroup(g.tables[::-1], g.apart) for g in order[::-1]]


@unhurried
@given(small_schemas())
def test_one_that_must_stand_apart_has_no_better(sample: Schema) -> None:
    """A NOT NULL, not deferrable edge is set apart only in a circle of such edges alone."""
    rigid = {e.oid for e in sample.edges.values() if e.pairs[0].child.not_null and not e.deferrable}
    others = [oid for oid in sample.edges if oid not in rigid]
    for group in Graph(sample).creation_order():
        for oid in rigid.intersection(group.apart):
            e = sample.edges[oid]
            assert e.child in reachable(sample, e.parent, others)


@unhurried
@given(small_schemas())
def test_delete_closure_by_brute_force(sample: Schema) -> None:
    start = next(iter(sample.tables))
    emptied = {start}
    while more := {
        e.child
        for e in sample.edges.values()
        if e.parent in emptied and e.child not in emptied and e.on_delete is Action.CASCADE
    }:
        emptied |= more
    found = Graph(sample).delete_closure(start)
    assert sorted(reach.edge for reach in found) == sorted(e.oid for e in sample.edges.values() if e.parent in emptied)
    assert [len(reach.path) for reach in found] == sorted(len(reach.path) for reach in found)
    for reach in found:
        e = sample.edges[reach.edge]
        assert (reach.table, reach.action) == (e.child, e.on_delete)
        at = start
        for oid in reach.path[:-1]:
            assert sample.edges[oid].parent == at
            assert sample.edges[oid].on_delete is Action.CASCADE
            at = sample.edges[oid].child
        assert e.parent == at
        assert reach.path[-1] == reach.edge
