"""Which rows a fix is about where the columns can't be compared: those that do not cast, and those without a parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.model import Scope
from fkexplorer.orphans.casting import misfit, one_array
from fkexplorer.schema.actions import FixAction

if TYPE_CHECKING:
    from fkexplorer.fixes.model import Request
    from fkexplorer.orphans.casting import Misfit
    from fkexplorer.schema.model import Relationship, Schema

MENDS = frozenset({FixAction.DELETE, FixAction.SET_NULL, FixAction.QUARANTINE})
"""What can be done about such rows: all else wants a parent to compare them with."""


def incomparable(edge: Relationship) -> bool:
    """Whether no operator compares a pair of its columns."""
    return any(pair.equals is None for pair in edge.pairs)


def misfits(schema: Schema, edge: Relationship, version: int) -> Misfit:
    """The conditions that tell such rows.

    Raises:
        Trouble: this server can't tell them (`incomparable`).
    """
    found = misfit(schema, edge, version)
    if any(one_array(pair.child, pair.parent) for pair in edge.pairs):
        raise Trouble(
            "an array of keys is not one key: none of its rows is an orphan, or one that does not cast",
            "keep the keys in a table of their own, one in each row, and refer from there",
            code="incomparable",
        )
    if found is None:
        raise Trouble(
            "which values cast to the parent's type can't be told before PostgreSQL 16",
            "change the type: the server stops at the first value that does not cast",
            code="incomparable",
        )
    return found


def about(schema: Schema, request: Request, version: int) -> tuple[str, str]:
    """The condition over `c` that tells the rows of a request, and what they are called.

    Raises:
        Trouble: they can't be told, or not be mended so, without a comparison (`incomparable`).
    """
    edge = request.edge
    if request.action not in MENDS or request.missing:
        raise Trouble(
            "no operator compares the columns of the two sides",
            "give them one type first; delete, set-null and quarantine can be done before",
            code="incomparable",
        )
    found = misfits(schema, edge, version)
    if request.scope is Scope.UNCASTABLE:
        return found.uncastable, "the rows that do not cast"
    return found.either, "the rows that do not cast or have no parent"


def count_query(schema: Schema, edge: Relationship, version: int) -> str:
    """How many there are of each kind; empty where that can't be told."""
    found = misfit(schema, edge, version)
    if found is None:
        return ""
    return (
        f"SELECT pg_catalog.count(*) FILTER (WHERE {found.uncastable}) AS uncastable,"
        f" pg_catalog.count(*) FILTER (WHERE {found.orphan}) AS orphans_if_cast"
        f" FROM {sql.source(schema.child_of(edge), 'c')}"
    )
