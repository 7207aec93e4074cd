"""What `check` found as one JSON document: a contract with other programs. What is not known is null, never 0."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import severity
from fkexplorer.reports.values import moment
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, qualified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.inference.model import Guess
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Relationship, Schema, Table

UNCOUNTED = (Status.TIMED_OUT, Status.DENIED, Status.UNRELIABLE, Status.INCOMPARABLE, Status.FAILED)
"""What `summary.failed` counts."""


@dataclass(frozen=True, slots=True)
class Check:
    """One run of `check`: what was asked, and a count of every edge that was.

    `edges` are worst first; `tables` is how many tables they were chosen from; `seconds` is the whole run.
    """

    version: str
    facts: ServerFacts
    schema: Schema
    edges: Sequence[Relationship]
    tables: int
    counts: Mapping[int, Count]
    started: datetime
    seconds: float
    excused: Mapping[int, str] = field(default_factory=dict)
    """By OID of an edge why its problem is no failure: it is in the baseline, or ignored for a reason."""
    lapsed: Mapping[int, str] = field(default_factory=dict)
    """By OID of an edge that its problem was ignored, and is not any more."""
    guesses: Mapping[int, Guess] = field(default_factory=dict)
    """By OID of an inferred edge why it is taken for one."""
    origins: Mapping[int, str] = field(default_factory=dict)
    """By OID of a configured edge where it is written."""
    problems: tuple[str, ...] = ()
    """What is configured and could not be looked at, or guessed, a sentence each."""

    def excuse(self, edge: Relationship) -> str:
        """Why a problem of this edge is no failure, in a few words; empty where it is one, or has none."""
        return self.excused.get(edge.oid, "")

    def remark(self, edge: Relationship) -> str:
        """What else to say of its problem: why it is none, or that it was none until a day, or that it is a guess."""
        guess = self.guesses.get(edge.oid)
        words = (self.excuse(edge) or self.lapsed.get(edge.oid, ""), f"guessed, {guess.score:.2f}" if guess else "")
        return "; ".join(filter(None, words))

    def failing(self, *statuses: Status) -> list[Relationship]:
        """The edges whose count ended in one of these, but for the excused."""
        return [edge for edge in self.with_status(*statuses) if not self.excuse(edge)]

    def count(self, edge: Relationship) -> Count:
        """The outcome of one edge; KeyError if it was never counted."""
        return self.counts[edge.oid]

    def with_status(self, *statuses: Status) -> list[Relationship]:
        """The edges whose count ended in one of these."""
        return [edge for edge in self.edges if self.count(edge).status in statuses]

    def of_kind(self, kind: EdgeKind) -> list[Relationship]:
        """The edges of one kind."""
        return [edge for edge in self.edges if edge.kind is kind]

    @property
    def orphans(self) -> int:
        """Orphans of all edges together; a row with two broken keys counts twice."""
        return self.orphans_of(self.edges)

    def orphans_of(self, edges: Sequence[Relationship]) -> int:
        """The same of these edges."""
        return sum(self.count(edge).orphans or 0 for edge in edges)


def worst_first(schema: Schema, edges: Sequence[Relationship], counts: Mapping[int, Count]) -> tuple[Relationship, ...]:
    """The edges as `check` lists them."""
    return tuple(sorted(edges, key=lambda edge: (severity(schema, edge, counts.get(edge.oid)), edge.oid)))


def check_document(check: Check) -> dict[str, object]:
    """The document as plain values."""
    facts = check.facts
    kinds = [edge.kind.value for edge in check.edges]
    checked = check.with_status(Status.CLEAN, Status.ORPHANS)
    return {
        "fkexplorer": check.version,
        "database": {
            "name": facts.database,
            "server": facts.version,
            "user": facts.user,
            "standby": facts.standby,
            "pooled": facts.pooled,
        },
        "started": moment(check.started),
        "seconds": round(check.seconds, 3),
        "summary": {
            "tables": check.tables,
            "edges": len(check.edges),
            **{kind: kinds.count(kind) for kind in ("declared", "inferred", "configured")},
            "checked": len(checked),
            "skipped": len(check.with_status(Status.SKIPPED)),
            "failed": len(check.with_status(*UNCOUNTED)),
            "edges_with_orphans": len(check.with_status(Status.ORPHANS)),
            "orphans": check.orphans,
            "orphans_of_inferred": check.orphans_of(check.of_kind(EdgeKind.INFERRED)),
            "excused": len(check.excused),
        },
        "problems": list(check.problems),
        "edges": [
            _edge(check.schema, edge, check.count(edge))
            | _guessed(check.guesses.get(edge.oid))
            | {
                "origin": check.origins.get(edge.oid),
                "excused": check.excuse(edge) or None,
                "lapsed": check.lapsed.get(edge.oid),
            }
            for edge in check.edges
        ],
    }


def check_json(check: Check) -> str:
    """The document as text, ASCII only: whatever a name holds, no terminal obeys it."""
    return json.dumps(check_document(check), indent=1)


def _edge(schema: Schema, edge: Relationship, count: Count) -> dict[str, object]:
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    known = count.orphans is not None
    return {
        "id": edge_label(schema, edge),
        "kind": edge.kind.value,
        "constraint": edge.name or None,
        "child": _end(child, [pair.child.name for pair in edge.pairs]),
        "parent": _end(parent, [pair.parent.name for pair in edge.pairs]),
        "where": {edge.only.column.name: edge.only.value} if edge.only else None,
        "match": edge.match.value,
        "on_delete": edge.on_delete.value,
        "on_update": edge.on_update.value,
        "deferrable": edge.deferrable,
        "state": edge.state.value,
        "validated": edge.validated,
        "index": _index(edge, child),
        "status": count.status.value,
        "orphans": count.orphans,
        "bound": count.bound.value if known else None,
        "missing_keys": count.missing_keys,
        "rows": count.rows,
        "nulls": count.nulls,
        "unchecked": count.unchecked,
        "childless": count.childless,
        "uncastable": count.uncastable,
        "orphans_if_cast": count.orphans_if_cast,
        "as_of": None if count.status is Status.SKIPPED else moment(count.as_of),
        "seconds": round(count.seconds, 4),
        "error": count.error,
    }


def _guessed(guess: Guess | None) -> dict[str, object]:
    """Why an edge is taken for one that nobody declared; of any other there is no score."""
    if guess is None:
        return {"score": None, "reasons": []}
    return {
        "score": round(guess.score, 2),
        "reasons": [{"code": each.code, "text": each.text, "points": round(each.points, 2)} for each in guess.reasons],
    }


def _end(table: Table, columns: list[str]) -> dict[str, object]:
    return {"schema": table.schema, "table": table.name, "columns": columns}


def _index(edge: Relationship, child: Table) -> str | None:
    """The index's bare name: it is always in its table's schema. Quoted where SQL would quote it."""
    return edge.index.removeprefix(qualified(child.schema) + ".") if edge.index else None
