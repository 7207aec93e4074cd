"""Two starts at once, and what a role may not do: errors that say little of tables (42710, 42P07, 23505, 42501)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.diagnosis.asking import CLOCK
from fkexplorer.diagnosis.cannot_sides import sides_of, table_named
from fkexplorer.diagnosis.model import Evidence, Part, Suggestion
from fkexplorer.diagnosis.named_there import Told, clipped, look
from fkexplorer.fixes import sql
from fkexplorer.schema.names import qualified, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.named_there import Seen
    from fkexplorer.schema.model import Table

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('migrations'));"
_NOT_ATOMIC = (
    "IF NOT EXISTS looks first and creates then, so that two starts at once both find nothing, and the slower one fails"
)
_TYPES = """
SELECT n.nspname, t.typname FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typname IN ({names}) AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2
""".strip()
_RIGHTS = """
SELECT c.oid::int8 AS oid,
 pg_get_userbyid(c.relowner)::text AS owner, quote_ident(n.nspname) AS schema,
 has_schema_privilege(n.oid, 'USAGE') AS usage,
 has_any_column_privilege(c.oid, 'REFERENCES') AS refers, pg_has_role(c.relowner, 'USAGE') AS owns,
 has_schema_privilege(c.relowner, n.oid, 'USAGE') AS owner_usage,
 has_table_privilege(c.relowner, c.oid, 'SELECT') AND has_table_privilege(c.relowner, c.oid, 'UPDATE') AS owner_reads
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid IN ({tables})
""".strip()


async def exists_already(case: Case) -> Part:
    """Something that is there already: whether it is, and that two starts at once make such errors.

    Returns:
        `live` is False: what was to be made is there, or its name is free.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    error = case.error
    of_catalogue_index = error.constraint is not None and error.constraint.startswith("pg_")
    if error.sqlstate == "23505" and not of_catalogue_index:
        return Part()  # a row of a user's table that is there twice
    told = Told.of(error)
    seen = await look(case.database, told)
    text = f"{_NOT_ATOMIC}."
    if of_catalogue_index:
        text = f"{error.constraint} is the catalogue's own: two sessions made the same name at one time. {text}"
    starts = Evidence("two_starts", text, seen.at, "the error", weight=90)
    of_constraint = bool(error.constraint) and not of_catalogue_index
    there = _constraint_there(case, told, seen) if of_constraint else await _name_there(case, told, seen)
    advice = Suggestion(
        "Let one process at a time change the schema: take an advisory lock first in the transaction of the migration,"
        " or run migrations apart from the start of the service.",
        sql=_LOCK,
        weight=90,
    )
    return Part((starts, there), (), (advice,), live=False)


def _constraint_there(case: Case, told: Told, seen: Seen) -> Evidence:
    """Whether the constraint that was to be made is there now: one of its own table, and no other of its name."""
    name = told.constraint.forms[-1] if told.constraint else ""
    tables = [each.name for each in seen.tables(told.child)] if told.child else []
    owns = [*seen.constraints, *seen.others]
    own = [each for each in owns if not tables or each.relation in tables]
    query = (
        "SELECT conrelid::regclass, conname, pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint"
        f" WHERE conname = {sql.literal(name)};"
    )
    if own:
        edge = case.schema.edges.get(own[0].root)
        what = qualified(own[0].schema, own[0].relation, own[0].name)
        of = ""
        if edge is not None:
            columns = ", ".join(quote(pair.child.name) for pair in edge.pairs)
            of = f", from ({columns}) to {table_label(case.schema.parent_of(edge))}"
        text = f"{what} is there{of}: what was to be made is not missing."
        return Evidence("exists_now", text, seen.at, "pg_constraint", query, f"{len(own)} there", weight=100)
    elsewhere = f"; the one on {qualified(owns[0].schema, owns[0].relation)} is another" if owns else ""
    text = f"There is no constraint {quote(name)} on that table now{elsewhere}."
    return Evidence("exists_no_more", text, seen.at, "pg_constraint", query, "0 there", weight=100)


async def _name_there(case: Case, told: Told, seen: Seen) -> Evidence:
    """Whether the table or the type that was to be made is there now; the error calls both by their name alone."""
    if told.child is None:
        text = "What it was is not in the text."
        return Evidence("exists_not_told", text, seen.at, "the text", weight=60)
    # Each table has a type of its name.
    query = _TYPES.format(names=", ".join(f"{sql.literal(clipped(each))}::name" for each in told.child.forms))
    try:
        [rows] = await case.database.glance(query)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    if rows:
        listed = ", ".join(qualified(*row) for row in rows[:3])
        text = f"{listed} is there: what was to be made is not missing."
        return Evidence("exists_now", text, seen.at, "pg_type", f"{query};", f"{len(rows)} there", weight=100)
    text = (
        f"There is no {quote(told.child.forms[-1])} now: the other start was taken back, or it is in another database."
    )
    return Evidence("exists_no_more", text, seen.at, "pg_type", f"{query};", "0 there", weight=100)


async def permission(case: Case) -> Part:
    """Exactly which privilege a foreign key wants, and which of them this role lacks (42501).

    Returns:
        `live` is True where this role lacks one; else None, since the text does not tell who was refused.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    named = table_named(case, Told.of(case.error).child)
    # The table that is named may be either side: which one, the statement alone tells.
    sides = sides_of(replace(case, found=replace(case.found, error=replace(case.error, child_table=None))))
    child, parent = sides.child, sides.parent
    if child is None and named is not parent:
        child = named
    tables = list({each.oid: each for each in (child, parent, named) if each is not None}.values())
    if not tables:
        return Part()
    rights = await rights_on(case, tables)
    missing = rights.lacking(tables, child, parent)
    needs = (
        "A foreign key wants the child's owner, REFERENCES on the parent's columns, and USAGE on both schemas; its"
        " check then reads the parent as the parent's owner."
    )
    findings = [
        Evidence("privilege_missing", text, rights.at, "the catalogue", rights.query, grant.rstrip(";"), weight=100)
        for text, grant in missing
    ]
    findings.append(Evidence("privileges_needed", needs, rights.at, "the manual", weight=50))
    if not missing:
        labels = ", ".join(table_label(each) for each in tables)
        text = f"{rights.user} lacks nothing for it on {labels}: the role that was refused is another one."
        ruled_out = Evidence(
            "privilege_missing", text, rights.at, "the catalogue", rights.query, "nothing missing", weight=60
        )
        return Part(tuple(findings), (ruled_out,))
    suggestions = tuple(Suggestion("Grant what is missing.", sql=grant, weight=90) for _, grant in missing)
    return Part(tuple(findings), (), suggestions, live=True)


@dataclass(frozen=True, slots=True)
class Rights:
    """What the role that is connected may do with some tables, as far as a foreign key wants it."""

    user: str
    tables: Mapping[int, Mapping[str, Any]]
    """By OID; without those that were dropped meanwhile."""
    at: datetime
    """The server's clock, UTC."""
    query: str
    """What was asked, to be run again by hand."""

    def lacking(
        self, tables: Iterable[Table], child: Table | None, parent: Table | None
    ) -> tuple[tuple[str, str], ...]:
        """What is missing on these tables to make a foreign key from child to parent.

        Returns:
            Each in a sentence, with the GRANT that gives it.
        """
        missing: list[tuple[str, str]] = []
        for table in tables:
            if table.oid in self.tables:
                own = self.tables[table.oid]
                missing += _lacking(own, table, self.user, child=table is child, parent=table is parent)
        return tuple(dict.fromkeys(missing))


async def rights_on(ground: Ground, tables: Sequence[Table]) -> Rights:
    """Ask what the role may do with these tables, at least one, in one round trip.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    names = ("oid", "owner", "schema", "usage", "refers", "owns", "owner_usage", "owner_reads")
    query = _RIGHTS.format(tables=", ".join(str(each.oid) for each in tables))
    try:
        [[(at,)], rows] = await ground.database.glance(CLOCK, query)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    found = [dict(zip(names, row, strict=True)) for row in rows]
    moment = datetime.fromtimestamp(at, UTC)
    return Rights(quote(ground.database.facts.user), {each["oid"]: each for each in found}, moment, f"{query};")


def _lacking(rights: Mapping[str, Any], table: Table, user: str, *, child: bool, parent: bool) -> list[tuple[str, str]]:
    """What is missing on one table: in a sentence, and the GRANT."""
    label, owner, schema = table_label(table), quote(rights["owner"]), rights["schema"]
    found = []
    if not rights["usage"]:
        found.append((f"{user} has no USAGE on schema {schema}.", f"GRANT USAGE ON SCHEMA {schema} TO {user};"))
    if parent and not rights["refers"]:
        found.append((f"{user} has no REFERENCES on {label}.", f"GRANT REFERENCES ON {label} TO {user};"))
    if child and not rights["owns"]:
        text = f"{user} is not the owner of {label}, nor a member of {owner}, which is: ALTER TABLE is the owner's."
        found.append((text, f"GRANT {owner} TO {user};"))
    if parent and not rights["owner_usage"]:
        text = f"The check of a foreign key reads {label} as its owner {owner}, which has no USAGE on schema {schema}."
        found.append((text, f"GRANT USAGE ON SCHEMA {schema} TO {owner};"))
    if parent and not rights["owner_reads"]:
        text = f"The check of a foreign key locks rows of {label} as its owner {owner}, which lacks SELECT or UPDATE."
        found.append((text, f"GRANT SELECT, UPDATE ON {label} TO {owner};"))
    return found
