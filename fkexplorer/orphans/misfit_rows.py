"""Rows and keys that violate a pair that no operator compares: those that do not cast told apart from the orphans.

The orphans are those that there would be if the child's values were of the parent's type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, case, func, literal_column

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.casting import misfit
from fkexplorer.orphans.misfits import uncounted_misfits, why_unknown
from fkexplorer.orphans.model import Field
from fkexplorer.orphans.paging import How, Rows, read_page
from fkexplorer.orphans.predicate import NamedType, only, relation
from fkexplorer.schema.model import TypeName

if TYPE_CHECKING:
    from typing import Any

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.casting import Misfit
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Relationship, Schema

PROBLEM = Field("problem", column=None, key=False, foreign=False, secret=False)
"""The computed field of such rows and keys: which of the two it is."""
UNCASTABLE, ORPHAN = "does not cast", "no parent"
TEXT = TypeName("pg_catalog", "text")


def comparable(edge: Relationship) -> bool:
    """Whether an operator compares each pair of its columns."""
    return all(pair.equals is not None for pair in edge.pairs)


def told_apart(schema: Schema, edge: Relationship, server_version: int) -> Misfit:
    """The conditions that tell such rows.

    Raises:
        Trouble: this server can't tell what casts (code `incomparable`).
    """
    found = misfit(schema, edge, server_version)
    if found is None:
        raise Trouble(
            uncounted_misfits(edge, why_unknown(edge)).error or "",
            "give them types that can be compared",
            code="incomparable",
        )
    return found


def problem(found: Misfit) -> ColumnElement[str]:
    """Which of the two a row of `c` is, of those that are one."""
    return case(
        (literal_column(found.uncastable), literal_column(f"CAST('{UNCASTABLE}' AS pg_catalog.text)")),
        else_=literal_column(f"CAST('{ORPHAN}' AS pg_catalog.text)"),
    )


async def misfit_rows(database: Database, schema: Schema, edge: Relationship, how: How) -> Page:
    """A page of the child's rows that do not cast or would be orphans, in the order of its key, with `PROBLEM`.

    Raises:
        Trouble: as `orphan_rows`; this server can't tell what casts (code `incomparable`).
    """
    found = told_apart(schema, edge, database.facts.version_number)
    child = schema.child_of(edge)
    rows = Rows(child, relation(child, "c"), frozenset(pair.child.number for pair in edge.pairs), computed=PROBLEM)
    return await read_page(database, rows, literal_column(found.either), how, problem(found))


def misfit_groups(schema: Schema, edge: Relationship, server_version: int) -> Select[Any]:
    """One row for each key that they name: `n` rows, `k0`, … of its parts as text, and last which of the two it is.

    By their text, since the child's type may have no equality; so each spelling is a key of its own.

    Raises:
        Trouble: this server can't tell what casts (code `incomparable`).
    """
    found = told_apart(schema, edge, server_version)
    child = schema.child_of(edge)
    source = relation(child, "c", [pair.child for pair in edge.pairs])
    # In the C collation, which tells any two texts apart and is every server's.
    keys: list[ColumnElement[Any]] = [
        source.c[pair.child.name]
        .cast(NamedType("pg_catalog", "text"))
        .op("COLLATE")(literal_column('pg_catalog."C"', Text()))
        for pair in edge.pairs
    ]
    keys.append(problem(found))
    groups = only(
        source.select().with_only_columns(
            func.count().label("n"), *(key.label(f"k{at}") for at, key in enumerate(keys))
        ),
        source,
        child,
    )
    return groups.where(literal_column(found.either)).group_by(*keys)
