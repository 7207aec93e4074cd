"""What stands in a Lens and in which order: the edges on each side with their labels, before any of it is drawn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import Total, edge_badge, severity, tags, total
from fkexplorer.reports.live import QUIET
from fkexplorer.reports.style import Line, Span, joined
from fkexplorer.reports.values import inert
from fkexplorer.reports.words import implied
from fkexplorer.schema.model import EdgeState

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


@dataclass(frozen=True, slots=True)
class LensRow:
    """One row: its parts side by side are exactly as wide as the Lens.

    `parent_edge` is the edge that the left part stands for, `child_edge` that of the right part. The arrows belong
    to the box. `folded` is how many clean children this row stands for.
    """

    left: Line
    box: Line
    right: Line
    parent_edge: int | None = None
    child_edge: int | None = None
    folded: int = 0

    @property
    def spans(self) -> Line:
        """The whole row."""
        return joined((*self.left, *self.box, *self.right))


@dataclass(frozen=True, slots=True)
class LensOrder:
    """Edges as they were shown, top to bottom on each side; given back, nothing moves when counts change."""

    parents: tuple[int, ...]
    children: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One edge on one side: its label and what is known of it."""

    edge: Relationship
    table: str
    """The table at the other end, inert; `self` for the focus itself."""
    focus_columns: str
    """The focus's own columns: the referencing ones on the left, the referenced ones on the right."""
    columns: str
    """Columns behind the table's name; empty where they say nothing new."""
    repeated: bool
    """The row above names the same table."""
    sole: bool
    """No other edge of this side names the table."""
    badge: Span
    mark: str
    """A character before the badge, or nothing."""
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table, or the ditto mark."""
        return '  "' if self.repeated else self.table

    @property
    def label(self) -> str:
        """Table and columns."""
        return f"{self.name}.{self.columns}" if self.columns else self.name

    @property
    def loud(self) -> str:
        """The style of the whole row where it is a problem; any other row colours its badge alone."""
        return self.badge.style if self.badge.style in ("problem", "severe") else ""


class Entries:
    """The edges of one table in the order of their rows."""

    def __init__(
        self,
        schema: Schema,
        table_oid: int,
        counts: Mapping[int, Count],
        cycles: Mapping[int, int],
        live: Live = QUIET,
        *,
        ascii: bool,
    ) -> None:
        self.schema = schema
        self.focus = schema.tables[table_oid]
        self.counts = counts
        self.live = live
        self.cycles = cycles
        self.ascii = ascii
        self.parent_edges = [edge for edge in schema.edges.values() if edge.child == table_oid]
        self.child_edges = [edge for edge in schema.edges.values() if edge.parent == table_oid]

    @property
    def parent_total(self) -> Total:
        """What is known of all keys of the focus."""
        return total(self.schema, self.parent_edges, self.counts, self.live)

    @property
    def child_total(self) -> Total:
        """What is known of all keys that refer to the focus, folded ones too."""
        return total(self.schema, self.child_edges, self.counts, self.live)

    def parents(self, order: Sequence[int] | None) -> list[Entry]:
        """The left side: by table, the worst first; equals in the order of the focus's columns."""

        def worst(edge: Relationship) -> tuple[float, ...]:
            return (*self._severity(edge)[:3], *(pair.child.number for pair in edge.pairs))

        groups = _grouped(self.parent_edges, lambda edge: edge.parent, worst)
        edges = _arranged([edge for group in groups for edge in group], order)
        numbers = _tally(edge.parent for edge in edges)
        entries: list[Entry] = []
        for index, edge in enumerate(edges):
            other = self.schema.parent_of(edge)
            entries.append(
                self._entry(
                    edge,
                    other,
                    [pair.child for pair in edge.pairs],
                    columns="",
                    repeated=index > 0 and edges[index - 1].parent == edge.parent,
                    sole=numbers[edge.parent] == 1,
                )
            )
        return entries

    def children(self, order: Sequence[int] | None, *, hub: int | None) -> tuple[list[Entry], int]:
        """The right side, and how many clean ones are folded away: by referenced key, then table, the worst first.

        `hub` is the number of children from which clean ones fold; None folds nothing. Only what PostgreSQL holds
        and a count found clean folds, and nothing that `order` shows.
        """

        def key(edge: Relationship) -> Hashable:
            return tuple(pair.parent.number for pair in edge.pairs)

        by_key = _grouped(self.child_edges, key, self._severity)
        groups = [group for same in by_key for group in _grouped(same, lambda edge: edge.child, self._severity)]
        edges = _arranged([edge for group in groups for edge in group], order, together=key)
        folded = 0
        if hub is not None and len(edges) >= hub:
            kept = frozenset(order or ())
            shown = [edge for edge in edges if edge.oid in kept or not self._dull(edge)]
            folded, edges = len(edges) - len(shown), shown
        numbers = _tally(edge.child for edge in edges)
        entries: list[Entry] = []
        for index, edge in enumerate(edges):
            sole = numbers[edge.child] == 1
            columns = [pair.child for pair in edge.pairs]
            silent = (
                sole
                and len(columns) == 1
                and not edge.self_referencing
                and implied(columns[0].name, self.focus.name, edge.pairs[0].parent.name)
            )
            above = edges[index - 1] if index else None
            entries.append(
                self._entry(
                    edge,
                    self.schema.child_of(edge),
                    [pair.parent for pair in edge.pairs],
                    columns="" if silent else self.column_list(columns),
                    repeated=above is not None and above.child == edge.child and key(above) == key(edge),
                    sole=sole,
                )
            )
        return entries, folded

    def column_list(self, columns: Sequence[Column]) -> str:
        """`user_id`, or `(org_id, mr_id)`; inert."""
        names = ", ".join(inert(column.name, ascii=self.ascii) for column in columns)
        return f"({names})" if len(columns) > 1 else names

    def table_name(self, table: Table) -> str:
        """The name, with its schema where that is not the focus's; `self` for the focus; inert."""
        if table.oid == self.focus.oid:
            return "self"
        name = table.name if table.schema == self.focus.schema else f"{table.schema}.{table.name}"
        return inert(name, ascii=self.ascii)

    def _severity(self, edge: Relationship) -> tuple[int, int, int, float, str, str]:
        return severity(self.schema, edge, self.counts.get(edge.oid))

    def _dull(self, edge: Relationship) -> bool:
        count = self.counts.get(edge.oid)
        return (
            count is not None
            and count.status is Status.CLEAN
            and edge.state is EdgeState.ENFORCED
            and edge.oid not in self.live.asked
            and not self.live.mark(edge.oid)
        )

    def _entry(
        self,
        edge: Relationship,
        other: Table,
        focus_columns: Sequence[Column],
        *,
        columns: str,
        repeated: bool,
        sole: bool,
    ) -> Entry:
        badge = edge_badge(self.schema, edge, self.counts.get(edge.oid), self.live)
        mark = self.live.mark(edge.oid)
        words = tuple(
            span.text for span in tags(edge, cycle=self.cycles.get(edge.oid), score=self.live.score(edge.oid))
        )
        return Entry(
            edge, self.table_name(other), self.column_list(focus_columns), columns, repeated, sole, badge, mark, words
        )


def _grouped(
    edges: Iterable[Relationship],
    group: Callable[[Relationship], Hashable],
    worst: Callable[[Relationship], tuple[object, ...]],
) -> list[list[Relationship]]:
    """Edges by group, sorted inside and among the groups by the worst edge."""
    groups: defaultdict[Hashable, list[tuple[Any, int, Relationship]]] = defaultdict(list)
    for edge in edges:
        groups[group(edge)].append((worst(edge), edge.oid, edge))
    lists = [sorted(members, key=lambda member: member[:2]) for members in groups.values()]
    lists.sort(key=lambda members: members[0][:2])
    return [[edge for _, _, edge in members] for members in lists]


def _arranged(
    edges: list[Relationship],
    order: Sequence[int] | None,
    together: Callable[[Relationship], Hashable] = lambda _: None,
) -> list[Relationship]:
    """The edges as they were shown before, new ones behind the others of their group."""
    if order is None:
        return edges
    places = {oid: place for place, oid in enumerate(order)}
    ends: dict[Hashable, int] = {}
    for edge in edges:
        if edge.oid in places:
            ends[together(edge)] = max(places[edge.oid], ends.get(together(edge), 0))
    last = len(places)
    return sorted(
        edges,
        key=lambda edge: (
            (places[edge.oid], 0) if edge.oid in places else (ends.get(together(edge), last), 1),
            str(together(edge)),
        ),
    )


def _tally(tables: Iterable[int]) -> dict[int, int]:
    numbers: dict[int, int] = {}
    for table in tables:
        numbers[table] = numbers.get(table, 0) + 1
    return numbers
