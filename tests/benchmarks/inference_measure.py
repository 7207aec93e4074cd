"""Compares guesses with the true edges of a schema: precision and recall, what was missed and what was made up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.inference.infer import infer
from tests.benchmarks.inference_written import edge_of, full_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from fkexplorer.inference.model import Guess, Inference
    from fkexplorer.schema.model import Schema
    from tests.benchmarks.inference_written import Edge, Written


@dataclass(frozen=True, slots=True)
class Measured:
    """How the guesses about one schema, or about several, came out."""

    name: str
    true: int
    shown: int
    right: int
    ambiguous: int = 0
    """True edges that are not shown because another parent is as likely."""
    suggested: int = 0
    """True edges that are only a suggestion."""
    implied: int = 0
    """Shown edges that follow from true ones, as a line's tenant from its order's: neither right nor wrong."""
    naive_shown: int = 0
    naive_right: int = 0
    wrong: tuple[tuple[Edge, Guess], ...] = ()
    """Shown and not true, the most certain first."""
    missed: tuple[tuple[Edge, tuple[Guess, ...]], ...] = ()
    """True and not shown, with what was guessed of the same columns."""

    @property
    def precision(self) -> float:
        """The share of the shown guesses that are true, without those implied; 1 where nothing is shown."""
        return self.right / (self.shown - self.implied) if self.shown > self.implied else 1.0

    @property
    def strict(self) -> float:
        """The same where an implied one is wrong."""
        return self.right / self.shown if self.shown else 1.0

    @property
    def recall(self) -> float:
        """The share of the true edges that are shown."""
        return self.right / self.true if self.true else 1.0


def guessed(written: Written, *, keep: int = 0) -> Measured:
    """Measure what is guessed without the schema's edges, by names and types alone.

    Args:
        written: the schema.
        keep: every so many-th edge stays declared, to learn from, and is neither asked for nor counted; 0 for none.
    """
    kept = {oid: edge for n, (oid, edge) in enumerate(written.schema.edges.items()) if keep and n % keep == 0}
    schema = replace(written.schema, edges=kept)
    known = {edge_of(schema, edge) for edge in kept.values()}
    return compared(written.name, schema, written.truth - known, infer(schema, written.evidence), known)


def compared(
    name: str,
    schema: Schema,
    truth: AbstractSet[Edge],
    inference: Inference,
    known: AbstractSet[Edge] = frozenset(),
) -> Measured:
    """Measure guesses against the true edges; `known` ones are not asked for."""
    found: dict[Edge, Guess] = {}
    for guess in inference.guesses:
        found.setdefault(edge_of(schema, guess.edge), guess)
    shown = {edge: guess for edge, guess in found.items() if guess.shown}
    missed = sorted(truth - shown.keys())
    naive = naively(schema) - known
    every = _by_child(truth | known)
    implied = {edge for edge in shown.keys() - truth if follows(edge, every)}
    return Measured(
        name=name,
        true=len(truth),
        shown=len(shown),
        right=len(truth & shown.keys()),
        ambiguous=sum(1 for edge in missed if edge in found and found[edge].rivals),
        suggested=sum(1 for edge in missed if edge in found and not found[edge].rivals),
        implied=len(implied),
        naive_shown=len(naive),
        naive_right=len(truth & naive),
        wrong=tuple((edge, guess) for edge, guess in shown.items() if edge not in truth | implied),
        missed=tuple((edge, tuple(guess for other, guess in found.items() if _about(edge, other))) for edge in missed),
    )


def together(name: str, all_of: Iterable[Measured]) -> Measured:
    """All edges of several schemas as if they were one's."""
    every = list(all_of)
    return Measured(
        name,
        *(
            sum(getattr(each, part) for each in every)
            for part in ("true", "shown", "right", "ambiguous", "suggested", "implied", "naive_shown", "naive_right")
        ),
    )


def follows(edge: Edge, every: Mapping[str, Sequence[Edge]]) -> bool:
    """Whether true edges, each of all rows, lead from the child's columns to the parent's, in one step or several.

    It then holds for every row, and only says again what they say: `order_lines(tenant_id)` and `tenants` where a line
    refers to an order by tenant and number, and the order to its tenant.
    """
    child, pairs, parent, only = edge
    start = child, tuple(own for own, _ in pairs)
    goal = parent, tuple(key for _, key in pairs)
    seen, ahead = {start}, [start]
    while ahead:
        table, columns = ahead.pop()
        for other in every.get(table, ()):
            leads = dict(other[1])
            if not other[3] and all(column in leads for column in columns):
                place = other[2], tuple(leads[column] for column in columns)
                if place == goal:
                    return not only
                if place not in seen:
                    seen.add(place)
                    ahead.append(place)
    return False


def _by_child(edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge[0], []).append(edge)
    return found


def naively(schema: Schema) -> set[Edge]:
    """What `x_id` or `xId` and a table that is the plural of x with a column `id` give, in whatever types."""
    with_id = {
        full_name(table).lower(): (full_name(table), column.name)
        for table in schema.tables.values()
        for column in table.columns
        if column.name.lower() == "id"
    }
    found: set[Edge] = set()
    for table in schema.tables.values():
        for column in table.columns:
            stem = re.sub(r"(?:_id|(?<=[a-z])I[dD])$", "", column.name)
            if stem != column.name and (parent := with_id.get(_plural(stem.lower()))):
                found.add((full_name(table), ((column.name, parent[1]),), parent[0], ""))
    return found


def _plural(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|ch|sh)$", word) else "s")


def _about(edge: Edge, other: Edge) -> bool:
    """Whether the other is of the same table and shares a column with it, for the same rows."""
    columns = {own for own, _ in edge[1]}
    return edge[0] == other[0] and edge[3] == other[3] and any(own in columns for own, _ in other[1])
