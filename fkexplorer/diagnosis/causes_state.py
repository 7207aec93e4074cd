"""How far PostgreSQL itself kept the constraints that an error involves: what was off, and what can be ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Evidence, Part
from fkexplorer.diagnosis.totals import around
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Totals
    from fkexplorer.schema.model import Relationship

# A constraint on partitioned tables has clones on partitions, each with triggers of its own.
_TRIGGERS = """
WITH RECURSIVE k (oid) AS (SELECT oid FROM pg_catalog.pg_constraint WHERE oid IN ({edges})
 UNION SELECT c.oid FROM pg_catalog.pg_constraint AS c JOIN k ON c.conparentid = k.oid)
SELECT t.tgrelid::regclass, t.tgname, t.tgenabled FROM pg_catalog.pg_trigger AS t JOIN k ON t.tgconstraint = k.oid
 WHERE t.tgenabled NOT IN ('O', 'A');""".strip()
_SHOWN = 3
"""Names in one sentence."""


def state(case: Case, edges: Iterable[Relationship], totals: Sequence[Totals]) -> Part:
    """What PostgreSQL checks of these constraints, and when.

    Args:
        case: the error.
        edges: those that it involves, its own first; what is not declared is left aside.
        totals: what is known of their rows.

    Returns:
        `not_enforced`, `triggers_disabled`, `not_valid`, `deferred`, `corrupt_data`, each found or ruled out, as of the
        catalogue's reading; `not_counted` where there are more edges around.
    """
    edges = tuple(edges)
    declared = [edge for edge in edges if edge.kind is EdgeKind.DECLARED]
    found, ruled_out = _corrupt(case, totals)
    if declared:
        checks = _Checks(case, declared, {each.edge for each in totals if each.orphans})
        found += checks.found
        ruled_out += checks.ruled_out
        deferred = _deferred(case)
        (found if deferred and deferred.weight > _RULED_OUT else ruled_out).extend([deferred] if deferred else [])
    found += _left_out(case, {edge.oid for edge in edges})
    return Part(tuple(found), tuple(ruled_out))


_RULED_OUT = 25
"""The weight of a cause that can be ruled out."""


class _Checks:
    """What is off of some constraints, one thing after the other."""

    def __init__(self, case: Case, edges: Sequence[Relationship], dirty: set[int]) -> None:
        self.found: list[Evidence] = []
        self.ruled_out: list[Evidence] = []
        self._case = case
        self._edges = edges
        self._dirty = dirty
        constraints = "SELECT conrelid::regclass, conname, {} FROM pg_catalog.pg_constraint WHERE oid IN ({});"
        oids = ", ".join(str(edge.oid) for edge in edges)
        if case.database.facts.version_number >= 180000:
            self._check(
                "not_enforced",
                lambda edge: edge.enforced,
                "is NOT ENFORCED: PostgreSQL does not check it at all",
                "is ENFORCED",
                constraints.format("conenforced", oids),
            )
        self._check(
            "triggers_disabled",
            lambda edge: edge.triggers.all_fire,
            "has triggers that are off",
            "has all its triggers on",
            _TRIGGERS.format(edges=oids),
            where=_places,
        )
        self._check(
            "not_valid",
            # One that is not enforced is not valid either.
            lambda edge: edge.validated or not edge.enforced,
            "is NOT VALID: rows that were there before it were never checked",
            "is valid",
            constraints.format("convalidated", oids),
        )

    def _check(  # noqa: PLR0917 - one thing and its words
        self,
        code: str,
        holds: Callable[[Relationship], bool],
        broken: str,
        kept: str,
        query: str,
        where: Callable[[Relationship], str] = lambda _: "",
    ) -> None:
        schema, at = self._case.schema, self._case.schema.loaded_at
        own = self._case.edge.oid if self._case.edge else None
        table = "pg_trigger" if "pg_trigger" in query else "pg_constraint"
        off = [edge for edge in self._edges if not holds(edge)]
        for edge in off:
            # What explains orphans that are there is heavier than what could.
            weight = (78 if edge.oid in self._dirty else 50) - (0 if edge.oid == own else 10)
            text = f"{edge_label(schema, edge)} {broken}{where(edge)}."
            other = None if edge.oid == own else edge.oid
            self.found.append(
                Evidence(code, text, at, table, query, f"{len(off)} of {len(self._edges)}", other, weight)
            )
        if not off:
            number = len(self._edges)
            names = ", ".join(quote(edge.name) for edge in self._edges[:_SHOWN])
            names += f" and {number - _SHOWN} more" if number > _SHOWN else ""
            each = "each " if number > 1 else ""
            text = f"{names}: {each}{kept}."
            self.ruled_out.append(Evidence(code, text, at, table, query, f"0 of {number}", weight=_RULED_OUT))


def _left_out(case: Case, looked_at: set[int]) -> list[Evidence]:
    """The edges around that are too many to be counted for one error."""
    rest = [edge for edge in around(case) if edge.oid not in looked_at]
    if case.edge is None or not rest:
        return []
    names = ", ".join(quote(edge.name) if edge.name else edge_label(case.schema, edge) for edge in rest[:_SHOWN])
    names += f" and {len(rest) - _SHOWN} more" if len(rest) > _SHOWN else ""
    more = f"{len(rest)} more foreign key{'s' if len(rest) > 1 else ''}"
    parent, verb = table_label(case.schema.parent_of(case.edge)), "are" if len(rest) > 1 else "is"
    text = f"{more} around {parent} {verb} not counted: {names}."
    return [Evidence("not_counted", text, case.schema.loaded_at, "the catalogue", "", more, weight=10)]


def _places(edge: Relationship) -> str:
    """Where triggers are off, and on which side."""
    triggers = edge.triggers
    sides = [name for name, off in (("child", triggers.child_off), ("parent", triggers.parent_off)) if off]
    listed = ", ".join(triggers.places[:_SHOWN])
    listed += f" and {len(triggers.places) - _SHOWN} more" if len(triggers.places) > _SHOWN else ""
    side = f" (of its {' and '.join(sides)})" if sides else ""
    missing = "; a partition has none at all, as an old DETACH PARTITION left it" if triggers.missing else ""
    return f"{side} on {listed}, so that rows come or go there unchecked{missing}"


def _deferred(case: Case) -> Evidence | None:
    """Whether the error may have come at COMMIT; a weight above `_RULED_OUT` says that it may."""
    edge = case.edge
    if edge is None or edge.kind is not EdgeKind.DECLARED:
        return None
    label = edge_label(case.schema, edge)
    query = f"SELECT conname, condeferrable, condeferred FROM pg_catalog.pg_constraint WHERE oid = {edge.oid};"
    if edge.deferred:
        text = (
            f"{label} is INITIALLY DEFERRED: it is checked at COMMIT, and the statement that a log shows there may be"
            " another than the one that wrote the row."
        )
        result, weight = "deferred", 65
    elif edge.deferrable:
        text = f"{label} is DEFERRABLE: after SET CONSTRAINTS it is checked at COMMIT only."
        result, weight = "deferrable", 35
    else:
        text = f"{label} is not deferrable: the error came at the end of the statement that it refused."
        result, weight = "not deferrable", _RULED_OUT - 5
    return Evidence("deferred", text, case.schema.loaded_at, "pg_constraint", query, result, weight=weight)


def _corrupt(case: Case, totals: Sequence[Totals]) -> tuple[list[Evidence], list[Evidence]]:
    """Whether rows without their parent are there, on any of the edges that were counted."""
    known = [each for each in totals if each.orphans is not None]
    dirty = [each for each in known if each.orphans]
    if not known:
        return [], []
    unknown = len(totals) - len(known)
    rest = f"; {unknown} could not be counted" if unknown else ""
    on = f"on {len(known)} edge{'s' if len(known) != 1 else ''}"
    if not dirty:
        text = f"No corrupt data: 0 orphans {on}{rest}."
        return [], [Evidence("corrupt_data", text, known[0].at, "the totals", result=f"0 orphans {on}", weight=40)]
    found = []
    for each in dirty:
        edge = case.schema.edges.get(each.edge, case.edge)
        label = edge_label(case.schema, edge) if edge else str(each.edge)
        number = each.orphans or 0
        text = f"{number:,} orphan{'s' if number != 1 else ''} on {label}: such rows were let in, or left behind."
        own = case.edge is not None and each.edge == case.edge.oid
        result = f"{number:,} of {each.rows:,} rows" if each.rows is not None else f"{number:,}"
        other = None if own else each.edge
        found.append(Evidence("corrupt_data", text, each.at, "the totals", "", result, other, 62 if own else 52))
    return found, []
