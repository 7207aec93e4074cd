"""Parents that no child row refers to, the newest first where a date column tells their age."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.orphans.paging import How, Rows, predicate_of, read_page
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.keyset import Cursor
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

_DATES = frozenset(TypeName("pg_catalog", name) for name in ("date", "timestamp", "timestamptz"))
_INTEGERS = frozenset(TypeName("pg_catalog", name) for name in ("int2", "int4", "int8"))
# Names without separators, in lower case, the clearest first.
_CREATED_TEXT = """
createdat insertedat creationdate creationtime creationtimestamp datecreated timecreated created createdon createddate
createdtime createdtimestamp createtime createdate inserted insertedon dateinserted addedat dateadded added addedon
registeredat registered registeredon registrationdate signedupat signupdate joinedat datejoined joined recordedat
"""
_CREATED = {name: rank for rank, name in enumerate(_CREATED_TEXT.split())}
# Words of dates that say nothing of when the row came.
_OTHER_DATES_TEXT = """
birth birthday birthdate born dob death died expires expiry expire expired expiration due until end ends ended ending
deleted removed updated modified changed last valid closed cancelled canceled archived verified confirmed
"""
_OTHER_DATES = frozenset(_OTHER_DATES_TEXT.split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z_\d]+")


async def childless_parents(
    database: Database,
    schema: Schema,
    edge: Relationship,
    *,
    after: Cursor | None = None,
    limit: int = 200,
    width: int | None = 200,
    as_role: bool = False,
    reveal: bool = False,
) -> Page:
    """A page of the parents that no row of the child refers to; `Page.order` says in which order.

    Newest first by a date column that looks like the row's creation, else highest first by an integer primary key,
    else in the order of the parent's key.

    Args:
        database: where to read.
        schema: the schema that the edge is of.
        edge: the edge.
        after: `Page.after` of the page before; None for the first page.
        limit: rows of a page at most.
        width: characters of a value at most; None for whole values.
        as_role: whether row security may hide rows (and show as childless a parent whose children it hides).
        reveal: whether secret columns are read.

    Raises:
        Trouble: the server refused it (privilege, row security, time-out, …), or the connection is lost.
    """
    predicate = predicate_of(schema, edge)
    parent = predicate.parent_table
    newest = creation_column(parent)
    rows = Rows(
        table=parent,
        source=predicate.parent,
        foreign=frozenset(pair.parent.number for pair in edge.pairs),
        newest=newest,
        highest_first=newest is not None or _integer_key(parent),
    )
    return await read_page(database, rows, predicate.is_childless, How(after, limit, width, as_role, reveal))


def creation_column(table: Table) -> Column | None:
    """The date column that most likely says when a row was made; None where there is none.

    By its name first (`created_at`, `inserted_at`, …), then one with a default, which is most often `now()`, then
    any that every row has; dates of other events (`expires_at`, `birth_date`, `updated_at`) are left aside.
    """

    def rank(column: Column) -> tuple[int, int] | None:
        if (column.base_type or column.type) not in _DATES or not column.may_select or is_secret(column.name):
            return None
        plain = re.sub(r"[\W_]", "", column.name).lower()
        if plain in _CREATED:
            return _CREATED[plain], column.number
        if not _OTHER_DATES.isdisjoint(word.lower() for word in _WORD.findall(column.name)):
            return None
        if column.has_default and not column.generated:
            return len(_CREATED), column.number
        return (len(_CREATED) + 1, column.number) if column.not_null else None

    ranked = [(ranking, column) for column in table.columns if (ranking := rank(column)) is not None]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _integer_key(table: Table) -> bool:
    key = table.primary_key
    if key is None or len(key.columns) != 1:
        return False
    column = table.column(key.columns[0])
    return (column.base_type or column.type) in _INTEGERS
