"""What a change of a column's type would meet: values that do not cast, foreign keys and views that hang on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.diagnosis.asking import CLOCK, Look, ask
from fkexplorer.diagnosis.cannot_sides import of_catalogue
from fkexplorer.diagnosis.keyed import value_text
from fkexplorer.diagnosis.model import Evidence, Suggestion
from fkexplorer.fixes import sql
from fkexplorer.orphans.casting import castable
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import columns_label, qualified, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.schema.model import Column, Relationship, Table

LOOK_MS = 800
"""What one look into the rows may take: an explanation as a whole takes less than 2 s."""
_EXAMPLES = 3
"""Values that are shown of those that do not cast."""
_HANGING = 3
"""Foreign keys of a column that are named."""


# A view hangs on a column by its rule (pg_rewrite).
_VIEWS = """
SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_depend AS d
 JOIN pg_catalog.pg_rewrite AS r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
 JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = {table} AND d.refobjsubid = {column}
ORDER BY 1, 2""".strip()


@dataclass(frozen=True, slots=True)
class Change:
    """A column that would change its type to that of another."""

    table: Table
    column: Column
    to: Column
    other: Table
    hanging: tuple[Relationship, ...]
    """Foreign keys that the column is a part of, and so would change with it."""
    other_hanging: tuple[Relationship, ...]
    of_child: bool

    @classmethod
    def of(cls, ground: Ground, child: tuple[Table, Column], parent: tuple[Table, Column]) -> Change:
        """The child's column follows the parent's, unless foreign keys hang on the child's alone."""
        of_child, of_parent = _hanging(ground, *child), _hanging(ground, *parent)
        if of_child and not of_parent:
            return cls(*parent, child[1], child[0], of_parent, of_child, of_child=False)
        return cls(*child, parent[1], parent[0], of_child, of_parent, of_child=True)

    @property
    def label(self) -> str:
        """The column with its table."""
        return columns_label(self.table, [self.column])

    def direction(self, ground: Ground) -> Evidence:
        """Which of the two had better change, and why."""
        other = columns_label(self.other, [self.to])
        text = f"{self.label} is the one to change, to {self.to.type_text}: {_hang(self.other_hanging)} on {other}"
        text += f", {_hang(self.hanging)} on {self.label}."
        if self.hanging:
            text += " Those are to be dropped first, and their other ends to be changed with it."
        result = f"{len(self.hanging)} here, {len(self.other_hanging)} there"
        query = (
            "SELECT conrelid::regclass, conname, confrelid::regclass FROM pg_catalog.pg_constraint WHERE contype = 'f'"
            f"\n AND ((conrelid = {self.table.oid} AND {self.column.number} = ANY (conkey))"
            f" OR (confrelid = {self.table.oid} AND {self.column.number} = ANY (confkey))"
            f"\n  OR (conrelid = {self.other.oid} AND {self.to.number} = ANY (conkey))"
            f" OR (confrelid = {self.other.oid} AND {self.to.number} = ANY (confkey)));"
        )
        return of_catalogue(ground, "change_direction", text, weight=85, result=result, query=query)

    async def uncastable(self, ground: Ground, ms: int = LOOK_MS) -> Evidence:
        """How many values the new type does not read, with examples; `casts` where it reads them all."""
        what = f"{self.label} to {self.to.type_text}"
        valid = reads(ground, self.column, self.to, "c")
        if valid is None:
            text = (
                f"How many values of {self.label} are no {self.to.type_text} can't be counted on this server:"
                " PostgreSQL 16 is the first that tells without an error."
            )
            return of_catalogue(ground, "uncastable_unknown", text, weight=60)
        own = f"c.{sql.name(self.column.name)}"
        query = (
            f"SELECT CAST({own} AS pg_catalog.text) AS value, pg_catalog.count(*) AS rows,"
            " pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.int8 AS every,"
            " pg_catalog.count(*) OVER () AS values\n"
            f"FROM {sql.source(self.table, 'c')} WHERE {own} IS NOT NULL AND NOT {valid}\n"
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_EXAMPLES}"
        )
        answer = await ask(ground, Look(query, self.table, (self.column,)), ms=ms)
        if answer.rows is None:
            return answer.unknown(f"How many values of {self.label} are no {self.to.type_text}", weight=60)
        if not answer.rows:
            seen = " of those that this role may see" if answer.as_role else ""
            text = f"Every value{seen} casts from {what}."
            return answer.evidence("casts", text, result="0 rows do not cast", weight=50, number=0)
        _, _, every, values = answer.rows[0]
        examples = ", ".join(value_text(self.column, value) for value, *_ in answer.rows)
        shown = "" if is_secret(self.column.name) else f": {examples}{', …' if values > len(answer.rows) else ''}"
        text = f"{values:,} value{s(values)} of {self.label} ({every:,} row{s(every)}) {_do(values)} not cast to"
        text += f" {self.to.type_text}{shown}."
        result = f"{every:,} row{s(every)} do not cast"
        return answer.evidence("uncastable", text, result=result, weight=95, number=every)

    async def in_the_way(self, ground: Ground) -> list[Evidence]:
        """The views that use the column: ALTER COLUMN TYPE is refused while there are such."""
        query = _VIEWS.format(table=self.table.oid, column=self.column.number)
        try:
            [[(at,)], rows] = await ground.database.glance(CLOCK, query)
        except psycopg.Error as error:
            raise trouble_of(error) from error
        if not rows:
            return []
        names = ", ".join(qualified(*row) for row in rows[:_HANGING])
        more = f" and {len(rows) - _HANGING} more" if len(rows) > _HANGING else ""
        text = (
            f"{names}{more} use{'s' if len(rows) == 1 else ''} {self.label}: its type can't be changed while a"
            " view uses it, so drop that before, and make it anew after."
        )
        moment = datetime.fromtimestamp(at, UTC)
        return [Evidence("views_in_the_way", text, moment, "pg_depend", f"{query};", f"{len(rows)}", weight=86)]

    def suggestion(self) -> Suggestion:
        """The statement that changes the type."""
        own, to = quote(self.column.name), self.to.type_text
        through = own if self.column.category == "S" or self.to.category == "S" else f"{own}::text"
        alter = f"ALTER TABLE {table_label(self.table)} ALTER COLUMN {own}"
        steps = [f"{alter} TYPE {to} USING {through}::{to};"]
        text = (
            f"Change {self.label} to {to}, once every value casts: that rewrites the table, which is locked meanwhile."
        )
        if self.column.has_default:
            steps.insert(0, f"{alter} DROP DEFAULT;")
            text += " Its default is dropped before, and to be set anew."
        return Suggestion(text, sql="\n".join(steps), weight=90)


def _hanging(ground: Ground, table: Table, column: Column) -> tuple[Relationship, ...]:
    """The declared foreign keys that a column is a part of, on either side."""
    return tuple(
        edge
        for edge in ground.schema.edges.values()
        if edge.kind is EdgeKind.DECLARED
        and any(
            (edge.child, pair.child.number) == (table.oid, column.number)
            or (edge.parent, pair.parent.number) == (table.oid, column.number)
            for pair in edge.pairs
        )
    )


def _hang(edges: Sequence[Relationship]) -> str:
    if not edges:
        return "no foreign key hangs"
    names = ", ".join(quote(edge.name) for edge in edges[:_HANGING])
    more = f" and {len(edges) - _HANGING} more" if len(edges) > _HANGING else ""
    return f"{len(edges)} foreign key{s(len(edges))} ({names}{more}) hang{'s' if len(edges) == 1 else ''}"


def s(number: int) -> str:
    """The end of a plural."""
    return "" if number == 1 else "s"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"


def reads(ground: Ground, column: Column, to: Column, alias: str) -> str | None:
    """A condition: the value, as text, is one of the other type. None where no such condition can be written."""
    return castable(column, to, ground.database.facts.version_number, alias)
