"""Tables and columns that a definition names: which are there now, of what kind, and what hangs on them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.diagnosis.cannot_sides import ambiguous, of_catalogue, tables_named
from fkexplorer.diagnosis.model import Evidence, Part, Suggestion
from fkexplorer.diagnosis.named_there import Told, look
from fkexplorer.diagnosis.reading.model import Topic
from fkexplorer.fixes import sql
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, find_column, qualified, quote, table_label

if TYPE_CHECKING:
    from datetime import datetime

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.diagnosis.cannot_sides import Sides
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.named_there import Relation
    from fkexplorer.schema.model import Table

NO_TABLES = {"v": "a view", "m": "a materialized view", "S": "a sequence", "f": "a foreign table"}
"""The kinds of relations (`pg_class.relkind`) that no foreign key refers to."""
_PERSISTENCE = {"p": "permanent", "u": "UNLOGGED", "t": "temporary"}
_SHOWN = 5
"""Names in one sentence."""

# The relations that a view reads are what its rule depends on (pg_depend of pg_rewrite).
_BEHIND = """
SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_rewrite AS r
 JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
 JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.ev_class = {} ORDER BY 1, 2""".strip()


async def relation(case: Case) -> Part:
    """A relation that was not there (42P01): whether it is now, and under which name.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    told = Told.of(case.error)
    name = told.parent
    if name is None:
        return Part()
    folded = {form.casefold() for form in name.forms}
    alike = {each.name for each in case.schema.tables.values() if each.name.casefold() in folded}
    seen = await look(case.database, told, also=alike)
    found = seen.tables(name)
    query = (
        "SELECT oid::regclass, relkind FROM pg_catalog.pg_class WHERE relname IN"
        f" ({', '.join(sorted({sql.literal(each.name) for each in found} or {sql.literal(name.forms[-1])}))});"
    )
    if not found:
        text = (
            f"A table has to be there before another one refers to it: create {name.text} first, or add the constraint"
            " once both are there."
        )
        evidence = Evidence("order_of_creation", text, seen.at, "pg_class", query, "0 tables", weight=90)
        return Part((evidence,), suggestions=_after_both(case), live=True)
    listed = ", ".join(qualified(each.schema, each.name) for each in found[:_SHOWN])
    result = f"{len(found)} there"
    if found[0].name not in name.forms:
        text = (
            f"There is {listed}, and SQL without quotes around a name looks for it in lower case: write"
            f" {quote(found[0].name)}."
        )
        return Part((Evidence("name_case", text, seen.at, "pg_class", query, result, weight=95),), live=True)
    if name.schema and name.schema not in {each.schema for each in found}:
        text = f"There is no {qualified(name.schema, name.forms[-1])}, but {listed}: the schema is another one."
        return Part((Evidence("wrong_schema", text, seen.at, "pg_class", query, result, weight=95),), live=True)
    hidden = sorted({each.schema for each in tables_named(case, name) if not each.privileges.usage})
    if hidden:
        user = quote(case.database.facts.user)
        schemas = ", ".join(quote(each) for each in hidden)
        text = f"{listed} is here, and {user} has no USAGE on schema {schemas}: without that a name is not found in it."
        grant = f"GRANT USAGE ON SCHEMA {schemas} TO {user};"
        evidence = Evidence("privilege_missing", text, seen.at, "pg_namespace", query, result, weight=95)
        return Part((evidence,), suggestions=(Suggestion("Grant what is missing.", sql=grant, weight=90),), live=True)
    text = (
        f"{listed} is here now: the statement came before it was made (the order of creation), or it looked in another"
        " schema by its search_path."
    )
    evidence = Evidence("order_of_creation", text, seen.at, "pg_class", query, result, weight=90)
    # Which schemas the refused session looks in is not known; without a word of it that is public most likely.
    sure = name.schema or "public" in {each.schema for each in found}
    return Part((evidence,), suggestions=_after_both(case), live=False if sure else None)


def _after_both(case: Case) -> tuple[Suggestion, ...]:
    """Make the constraint after both tables."""
    told = Told.of(case.error)
    if not (told.child and told.parent and told.child_columns and told.defined):
        return ()
    columns = ", ".join(quote(each) for each in told.child_columns)
    key = f" ({', '.join(quote(each) for each in told.parent_columns)})" if told.parent_columns else ""
    statement = (
        f"ALTER TABLE {_written(told.child.schema, told.child.forms[-1])} ADD FOREIGN KEY ({columns})"
        f" REFERENCES {_written(told.parent.schema, told.parent.forms[-1])}{key};"
    )
    return (Suggestion("Create both tables without it, and add the constraint after them.", sql=statement, weight=80),)


def _written(schema: str | None, name: str) -> str:
    return qualified(schema, name) if schema else quote(name)


def column(case: Case, sides: Sides) -> Part:
    """A column that a definition names and that was not there (42703)."""
    told = Told.of(case.error)
    names = [*(told.child_columns or ()), *(told.parent_columns or ())]
    tables = [each for each in (sides.child, sides.parent) if each is not None]
    if not names or not tables:
        return Part()
    listed = " and ".join(dict.fromkeys(table_label(each) for each in tables))
    columns = [each.name for table in tables for each in table.columns]
    missing = [
        name
        for names_of, table in ((told.child_columns, sides.child), (told.parent_columns, sides.parent))
        for name in (names_of or () if table else ())
        if table is not None and name not in {each.name for each in table.columns}
    ]
    if not told.defined:
        # Which of the two tables was meant is not told.
        missing = [name for name in names if name not in columns]
    query = (
        "SELECT attrelid::regclass, attname FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped\n"
        f" AND attrelid IN ({', '.join(str(each.oid) for each in tables)});"
    )
    if not missing:
        text = f"{', '.join(quote(each) for each in names)}: the columns are in {listed} now."
        return Part((of_catalogue(case, "column_exists", text, weight=100, query=query),), live=False)
    near = [
        found.name for table in tables if (found := find_column(table, missing[0].lower())) and found.name != missing[0]
    ] or difflib.get_close_matches(missing[0], columns, 3)
    hint = f"; near: {', '.join(quote(each) for each in dict.fromkeys(near))}" if near else ""
    text = f"There is no column {quote(missing[0])} in {listed}{hint}."
    return Part((of_catalogue(case, "column_missing", text, weight=100, query=query),), live=True)


async def no_table(case: Case) -> Part:
    """A parent that is no table (42809, 0A000): what it is, and the tables behind a view.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    told = Told.of(case.error)
    if told.parent is None:
        return Part()
    seen = await look(case.database, told)
    found = seen.tables(told.parent)
    if told.parent.schema:
        found = [each for each in found if each.schema == told.parent.schema] or found
    if not found:
        return Part()
    query = f"SELECT relkind FROM pg_catalog.pg_class WHERE oid = {found[0].oid};"
    label = qualified(found[0].schema, found[0].name)
    odd = next((each for each in found if each.kind in NO_TABLES), None)
    if odd is None:
        text = f"{label} is a table now."
        return Part((Evidence("is_a_table", text, seen.at, "pg_class", query, "table", weight=100),), live=False)
    return await not_a_table(case, odd, seen.at)


async def not_a_table(ground: Ground, odd: Relation, at: datetime) -> Part:
    """What a relation is that no foreign key can refer to, and the tables behind a view.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    label = qualified(odd.schema, odd.name)
    query = f"SELECT relkind FROM pg_catalog.pg_class WHERE oid = {odd.oid};"
    text = f"{label} is {NO_TABLES[odd.kind]}, and a foreign key refers to a table alone."
    findings = [Evidence("not_a_table", text, at, "pg_class", query, NO_TABLES[odd.kind], weight=100)]
    suggestions = []
    if odd.kind in {"v", "m"}:
        try:
            [rows] = await ground.database.glance(_BEHIND.format(odd.oid))
        except psycopg.Error as error:
            raise trouble_of(error) from error
        behind = [qualified(*row) for row in rows[:_SHOWN]]
        if behind:
            text = f"{label} reads {', '.join(behind)}."
            query = f"{_BEHIND.format(odd.oid)};"
            findings.append(Evidence("tables_behind", text, at, "pg_depend", query, f"{len(rows)}", weight=80))
            suggestions.append(Suggestion(f"Refer to the table behind it: {' or '.join(behind)}.", weight=90))
    if odd.kind == "f":
        text = (
            "A foreign table's rows are on another server: keep a copy of its keys in a table here, and refer to that."
        )
        suggestions.append(Suggestion(text, weight=80))
    return Part(tuple(findings), (), tuple(suggestions), live=True)


def persistence(case: Case, sides: Sides) -> Part:
    """A permanent table that would refer to one that does not last (42P16)."""
    child, parent = sides.child, sides.parent
    if child is None or parent is None:
        text = (
            "A table refers only to one that lasts as long: a permanent table to a permanent one, an UNLOGGED one not"
            " to a temporary one, a temporary one to those of its own session."
        )
        return Part((of_catalogue(case, "persistence", text, weight=90),))
    part = outlived(case, child, parent)
    if part is not None:
        return part
    text = f"{_lasting(child, parent)} now: that is allowed. It was changed after the error."
    agrees = of_catalogue(case, "persistence_agrees", text, weight=100, query=_persistences(child, parent))
    return Part((agrees,), live=False)


def outlived(ground: Ground, child: Table, parent: Table) -> Part | None:
    """That rows of the child would outlive those that they refer to, and what mends it; None where that is not so."""
    # ATAddForeignKeyConstraint (tablecmds.c): what each kind may refer to.
    allowed = {"p": "p", "u": "pu", "t": "t"}[child.persistence]
    if parent.persistence in allowed:
        return None
    text = f"{_lasting(child, parent)}: rows of the one would outlive those that they refer to."
    suggestions = []
    if parent.persistence == "u":
        statement = f"ALTER TABLE {table_label(parent)} SET LOGGED;"
        text_of = f"Make {table_label(parent)} permanent: it is written anew under an ACCESS EXCLUSIVE lock."
        suggestions.append(Suggestion(text_of, sql=statement, weight=90))
    found = of_catalogue(ground, "persistence", text, weight=100, query=_persistences(child, parent))
    return Part((found,), (), tuple(suggestions), live=True)


def _lasting(child: Table, parent: Table) -> str:
    said = f"{table_label(child)} is {_PERSISTENCE[child.persistence]}, {table_label(parent)} is"
    return f"{said} {_PERSISTENCE[parent.persistence]}"


def _persistences(child: Table, parent: Table) -> str:
    return f"SELECT oid::regclass, relpersistence FROM pg_catalog.pg_class WHERE oid IN ({child.oid}, {parent.oid});"


def dependent(case: Case) -> Part:
    """A DROP or a TRUNCATE that foreign keys stand against (2BP01, 0A000): which do now."""
    told = Told.of(case.error)
    tables = tables_named(case, told.parent)
    if not tables and case.edge is not None:
        tables = [case.schema.parent_of(case.edge)]
    if not tables:
        return Part()
    if len(tables) > 1 and (several := ambiguous(case, told.parent)):
        return Part((several,))
    table = tables[0]
    truncates = case.error.topic is Topic.TRUNCATE_REFERENCED
    edges = [
        each
        for each in case.graph.children(table.oid)
        if each.kind is EdgeKind.DECLARED and not (truncates and each.self_referencing)
    ]
    query = (
        "SELECT conrelid::regclass, conname FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0"
        f" AND confrelid = {table.oid};"
    )
    if not edges:
        text = f"No foreign key refers to {table_label(table)} any more."
        return Part((of_catalogue(case, "no_longer_referenced", text, weight=100, query=query),), live=False)
    names = ", ".join(edge_label(case.schema, each) for each in edges[:_SHOWN])
    more = f" and {len(edges) - _SHOWN} more" if len(edges) > _SHOWN else ""
    refer = "foreign key refers" if len(edges) == 1 else "foreign keys refer"
    text = f"{len(edges)} {refer} to {table_label(table)}: {names}{more}."
    text += (
        " TRUNCATE looks at no row, and so refuses however few there are."
        if truncates
        else " CASCADE would drop the constraint, not its rows, and nobody would check them from then on."
    )
    result = f"{len(edges)} {refer.rsplit(' ', 1)[0]}"
    found = of_catalogue(case, "referenced_by", text, result=result, weight=100, query=query)
    advice = (
        "Delete the rows in place of that, those of the children first: a DELETE is checked row by row."
        if truncates
        else "Drop the constraints that depend on it by name, each on purpose, before it."
    )
    return Part((found,), (), (Suggestion(advice, weight=70),), live=True)
