"""How things stand in the catalogue, as one word: by that a step of DDL knows whether it has to be done, or may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.guard import moved

if TYPE_CHECKING:
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Column, Table

ABSENT, VALID, INVALID, BUSY, ANOTHER = "absent", "valid", "invalid", "busy", "another"
"""How an index stands: not there, usable, left by a try that failed, being built by another session, or its name is
that of something else."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How to ask it, and what the answers mean."""

    query: str
    """Its one row is one text, the word; it needs no search_path."""
    before: tuple[str, ...]
    """The words for what a step starts from."""
    done: tuple[str, ...]
    """The words for what it leads to: there is nothing to do."""

    async def wanted(self, tx: Transaction, what: str) -> bool:
        """Whether the step has to be done: not where it is done already.

        Args:
            tx: the step's transaction, which holds the table.
            what: the step.

        Raises:
            Trouble: it stands in another way than was previewed (`moved`).
        """
        async with tx.images():
            [(word,)] = await tx.rows(self.query)
        if word not in (*self.before, *self.done):
            raise moved(f"{what}: it is {word} now")
        return word not in self.done


# A session that builds an index CONCURRENTLY, or vacuums, holds ShareUpdateExclusiveLock on the table all the time.
_INDEX = """\
WITH t AS (SELECT {table} AS oid), w AS (SELECT {wanted} AS wanted), x AS (
 SELECT i.relname = {name} AND ({exact}) AS own, {fits} AS fits, x.indisvalid AND x.indisready AND x.indislive AS ready
 FROM t, w, pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  JOIN pg_catalog.pg_am m ON m.oid = i.relam
 WHERE x.indrelid = t.oid AND x.indpred IS NULL AND x.indexprs IS NULL)
SELECT CASE WHEN EXISTS (SELECT 1 FROM x WHERE x.fits AND x.ready) THEN 'valid'
 WHEN EXISTS (SELECT 1 FROM x WHERE x.own AND x.ready) THEN 'another'
 WHEN EXISTS (SELECT 1 FROM x WHERE x.own) THEN CASE WHEN EXISTS (
  SELECT 1 FROM t JOIN pg_catalog.pg_locks l ON l.relation = t.oid JOIN pg_catalog.pg_database d ON d.oid = l.database
  WHERE l.mode = 'ShareUpdateExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
   AND d.datname = pg_catalog.current_database()) THEN 'busy' ELSE 'invalid' END
 WHEN EXISTS (SELECT 1 FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid JOIN pg_catalog.pg_class r
  ON r.relnamespace = c.relnamespace WHERE r.relname = {name}) THEN 'another' ELSE 'absent' END"""
_KEY = "(x.indkey::pg_catalog.int2[])[0:{last}]"


def regclass(table: Table) -> str:
    """The OID of a table by its name."""
    return named_regclass(sql.table_name(table))


def named_regclass(name: str) -> str:
    """The OID of a relation by its quoted name."""
    return f"{sql.literal(name)}::pg_catalog.regclass"


def _numbers(table: str, columns: tuple[Column, ...]) -> str:
    """The numbers of columns of a table, in their order, as `int2[]`: by name, since a partition has its own."""
    listed = ", ".join(f"({at}, {sql.literal(column.name)})" for at, column in enumerate(columns))
    return (
        f"ARRAY(SELECT a.attnum FROM (VALUES {listed}) AS v (n, name) JOIN pg_catalog.pg_attribute a"
        f" ON a.attrelid = {table} AND a.attname = v.name ORDER BY v.n)"
    )


def index_query(table: str, name: str, columns: tuple[Column, ...], *, unique: bool, exact: bool = False) -> str:
    """How an index stands (`pg_index`).

    One that fits is usable for the key whatever its name: a unique one of just these columns, else one that begins with
    them. One of this name and exactly this definition that is not valid is what a failed try has left.

    Args:
        table: its table's quoted name.
        name: the name that it gets.
        columns: its columns.
        unique: whether it is a unique one.
        exact: only one of exactly this definition fits, whatever its name: a partition's, that the whole table's takes.
    """
    oid = named_regclass(table)
    key, number = _KEY.format(last=len(columns) - 1), len(columns)
    definition = (
        f"{key} = w.wanted AND x.indnatts = {number} AND m.amname = 'btree' AND x.indisunique = {str(unique).lower()}"
    )
    fits = f"{key} @> w.wanted AND {key} <@ w.wanted"
    if exact:
        fits = definition
    elif unique:
        fits += f" AND m.amname = 'btree' AND x.indisunique AND x.indimmediate AND x.indnkeyatts = {number}"
    else:
        fits += f" AND (m.amname = 'btree' OR m.amname = 'hash' AND x.indnkeyatts = {number})"
    return _INDEX.format(table=oid, wanted=_numbers(oid, columns), name=sql.literal(name), exact=definition, fits=fits)


def types_query(table: Table, columns: tuple[Column, ...]) -> str:
    """The types of columns, in their order, as people read them (`format_type`)."""
    oid = regclass(table)
    listed = ", ".join(f"({at}, {sql.literal(column.name)})" for at, column in enumerate(columns))
    return (
        "SELECT pg_catalog.string_agg(pg_catalog.format_type(a.atttypid, a.atttypmod), ', ' ORDER BY v.n)"
        f" FROM (VALUES {listed}) AS v (n, name) JOIN pg_catalog.pg_attribute a"
        f" ON a.attrelid = {oid} AND a.attname = v.name"
    )
