"""Known problems that are not to count as failures, each for a reason and perhaps until a day: which of them hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.schema.names import find_edges, find_tables, split_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from fkexplorer.config.known import Ignored
    from fkexplorer.schema.model import Schema


class Ignores:
    """What is ignored of one schema on one day.

    Attributes:
        problems: entries that name nothing of this schema, or may mean several, a sentence each with file and line.
    """

    def __init__(self, schema: Schema, ignored: Sequence[Ignored], day: date) -> None:
        self._day = day
        self._of_edges: dict[int, list[Ignored]] = {}
        self._of_tables: dict[int, list[Ignored]] = {}
        self._children: Mapping[int, int] = {oid: edge.child for oid, edge in schema.edges.items()}
        problems: list[str] = []
        for each in ignored:
            whole = each.edge.endswith(".*")
            tables = find_tables(schema, each.edge.removesuffix(".*")) if whole else []
            edges = [] if whole else find_edges(schema, each.edge)
            if len(tables) + len(edges) == 1:
                for table in tables:
                    self._of_tables.setdefault(table.oid, []).append(each)
                for edge in edges:
                    self._of_edges.setdefault(edge.oid, []).append(each)
                continue
            sides = split_pair(each.edge)
            if not edges and sides and all(len(find_tables(schema, name)) == 1 for name, _ in sides):
                continue  # a guess, which is an edge only where guesses are asked for
            what = "table" if whole else "relationship" if sides else "foreign key"
            name = each.edge.removesuffix(".*") if whole else each.edge
            many = len(tables) + len(edges)
            words = f"{name} is the name of {many} {what}s" if many else f"there is no {what} {name}"
            problems.append(f"{each.origin}: {words}, which was to be ignored")
        self.problems = tuple(problems)

    def reason(self, edge: int | None = None, *, table: int | None = None, finding: str | None = None) -> str:
        """Why a problem is ignored, in a few words; empty where it is not.

        Args:
            edge: OID of the edge that it is about, if it is about one.
            table: OID of the table that it is told at; by default the edge's child.
            finding: the doctor's code; None for what `check` finds, which only entries without a code ignore.
        """
        for each in self._found(edge, table, finding):
            if not each.expired(self._day):
                until = f" until {each.until:%Y-%m-%d}" if each.until else ""
                return f"ignored{until}: {each.reason}"
        return ""

    def lapsed(self, edge: int | None = None, *, table: int | None = None, finding: str | None = None) -> str:
        """That an ignore of a problem has run out, in a few words; empty where none has, or another one holds."""
        found = self._found(edge, table, finding)
        if not found or self.reason(edge, table=table, finding=finding):
            return ""
        last = max(found, key=lambda each: each.until or self._day)
        return f"was ignored until {last.until:%Y-%m-%d}: {last.reason}"

    def _found(self, edge: int | None, table: int | None, finding: str | None) -> list[Ignored]:
        if edge is not None and table is None:
            table = self._children.get(edge)
        of = [*self._of_edges.get(edge or 0, ()), *self._of_tables.get(table or 0, ())]
        return [each for each in of if each.finding in {None, finding}]
