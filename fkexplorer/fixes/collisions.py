"""Which rows of an INSERT … ON CONFLICT DO NOTHING would not come in: another unique key has their value already.

The server drops them without a word. Partial indexes and such on expressions count as well: their texts are asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.closure import defaults
from fkexplorer.fixes.rows import unused
from fkexplorer.schema.names import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.fixes.parents import NewRows
    from fkexplorer.fixes.shapes import Ask
    from fkexplorer.schema.model import Table

# pg_get_indexdef and pg_get_expr wait for an ACCESS EXCLUSIVE lock on the table, no longer than lock_timeout. A unique
# key that is checked later (indimmediate) is none that ON CONFLICT looks at.
_UNIQUE = """
SELECT x.relname::text,
 ARRAY(SELECT format('(%s)%s', pg_get_indexdef(i.indexrelid, k::int, false), (
   SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation l JOIN pg_namespace n
    ON n.oid = l.collnamespace WHERE l.oid = i.indcollation[k - 1])) FROM generate_series(1, i.indnkeyatts) k),
 ARRAY(SELECT (SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM pg_opclass c JOIN pg_amop a
   ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3 AND a.amoplefttype = c.opcintype
   AND a.amoprighttype = c.opcintype JOIN pg_operator o ON o.oid = a.amopopr
   JOIN pg_namespace n ON n.oid = o.oprnamespace
   WHERE c.oid = i.indclass[k - 1]) FROM generate_series(1, i.indnkeyatts) k),
 coalesce(pg_get_expr(i.indpred, i.indrelid), 'true'),
 coalesce((to_jsonb(i)->>'indnullsnotdistinct')::bool, false),
 ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND (
  a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
   AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
   AND d.refobjsubid = a.attnum)))
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = {table} AND i.indisunique AND i.indisready AND i.indimmediate
ORDER BY NOT i.indisprimary, 1
"""


# What pg_get_expr makes of a constant. Any other default may be another value for each row.
_CONSTANT = re.compile(r"""(?:'(?:[^']|'')*'|-?[\d.]+|\(-?[\d.]+\)|true|false)(?:::[\w." \[\](),]+)?""")


@dataclass(frozen=True, slots=True)
class _Unique:
    """A unique index: its parts, the equality of each, its predicate; all as SQL over the table's columns."""

    name: str
    parts: list[str]
    equals: list[str]
    predicate: str
    nulls_collide: bool

    def keys(self, number: int) -> str:
        parts = [f"{part} AS k{number}_{at}" for at, part in enumerate(self.parts)]
        return ", ".join((*parts, f"coalesce({self.predicate}, false) AS p{number}"))

    def same(self, number: int) -> str:
        """Whether `t` and `n` collide."""
        alike = []
        for at, equals in enumerate(self.equals):
            one, other = f"t.k{number}_{at}", f"n.k{number}_{at}"
            both_null = f" OR ({one} IS NULL AND {other} IS NULL)" if self.nulls_collide else ""
            alike.append(f"({one} {equals} {other}{both_null})")
        return " AND ".join(alike)

    def again(self, number: int) -> str:
        """Whether a row before `n` has its key."""
        parts = [f"n.k{number}_{at}" for at in range(len(self.parts))]
        known = "" if self.nulls_collide else f" AND num_nulls({', '.join(parts)}) = 0"
        window = f"PARTITION BY n.p{number}, {', '.join(parts)} ORDER BY n.at"
        return f"n.p{number}{known} AND row_number() OVER ({window}) > 1"


class Incoming:
    """The rows that are to come into a table, and which of them stay out; made by `incoming`."""

    def __init__(self, table: Table, new: NewRows, constants: Mapping[str, str], uniques: list[_Unique]) -> None:
        self._table = table
        self._new = new
        self._constants = constants
        self._uniques = uniques
        self.at = unused("at", {column.name for column in table.columns})
        """The column that numbers the rows of `kept`."""

    @property
    def names(self) -> list[str]:
        """The unique keys, in the order of the numbers of `counts`."""
        return [quote(unique.name) for unique in self._uniques]

    @property
    def counts(self) -> str:
        """A SELECT of one row: how many come in, how many stay out, and how many for each of the unique keys."""
        each = "".join(f", count(*) FILTER (WHERE lost = {at})" for at in range(len(self._uniques)))
        return (
            f"{self._head} SELECT count(*) FILTER (WHERE lost < 0), count(*) FILTER (WHERE lost >= 0){each} FROM judged"
        )

    @property
    def kept(self) -> str:
        """A SELECT of the rows that come in."""
        at = f"c.{sql.name(self.at)}"
        given = sql.columns(self._new.columns, "c")
        return f"{self._head} SELECT {at}, {given} FROM come c JOIN judged j ON j.at = {at} AND j.lost < 0"

    @property
    def _head(self) -> str:
        at = sql.name(self.at)
        every = ", ".join(
            f"c.{sql.name(column.name)}"
            if column in self._new.columns
            else f"CAST({self._constants.get(column.name, 'NULL')} AS {sql.type_name(column.type)})"
            f" AS {sql.name(column.name)}"
            for column in self._table.columns
        )
        mine = "".join(f", {unique.keys(number)}" for number, unique in enumerate(self._uniques))
        taken, again = "-1", "-1"
        for number, unique in reversed(list(enumerate(self._uniques))):
            there = (
                f"EXISTS (SELECT 1 FROM (SELECT {unique.keys(number)} FROM {sql.source(self._table, 'x')}) AS t"
                f" WHERE t.p{number} AND {unique.same(number)})"
            )
            taken = f"CASE WHEN n.p{number} AND {there} THEN {number} ELSE {taken} END"
            again = f"CASE WHEN {unique.again(number)} THEN {number} ELSE {again} END"
        return (
            f"WITH come AS MATERIALIZED (SELECT row_number() OVER () AS {at}, x.* FROM ({self._new.rows}) AS x),"
            f" keyed AS MATERIALIZED (SELECT x.{at} AS at{mine} FROM (SELECT c.{at}, {every} FROM come c) AS x),"
            f" looked AS MATERIALIZED (SELECT n.*, {taken} AS lost FROM keyed n),"
            f" judged AS MATERIALIZED (SELECT n.at, {again} AS lost FROM looked n WHERE n.lost < 0"
            " UNION ALL SELECT n.at, n.lost FROM looked n WHERE n.lost >= 0)"
        )


async def incoming(ask: Ask, table: Table, new: NewRows) -> Incoming:
    """What of these rows would come into the table.

    A key of columns that get their value by themselves (a sequence, a default that is no constant) is taken to collide
    with nothing.

    Raises:
        psycopg.Error: the server refused.
    """
    given = {column.name for column in new.columns}
    others = [column for column in table.columns if column.name not in given]
    known = await defaults(ask, [table.oid]) if any(column.has_default for column in others) else {}
    constants = {
        column.name: known[table.oid, column.number]
        for column in others
        if not column.generated and _CONSTANT.fullmatch(known.get((table.oid, column.number), ""))
    }
    by_itself = {
        column.name
        for column in others
        if column.name not in constants and (column.has_default or column.identity or column.generated)
    }
    uniques = [
        _Unique(name, parts, equals, predicate, nulls)
        for name, parts, equals, predicate, nulls, names in await ask(_UNIQUE.format(table=table.oid))
        if by_itself.isdisjoint(names) and all(equals)
    ]
    return Incoming(table, new, constants, uniques)
