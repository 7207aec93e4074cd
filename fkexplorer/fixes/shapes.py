"""Tables as the server has them at this moment: which columns a backup must hold, and what tells one row from another.

A schema that was read earlier will not do: a column that came since would be missing from the backup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes.sql import name, type_name
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.names import qualified

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    Ask = Callable[[str], Awaitable[list[tuple[Any, ...]]]]
    """Runs a statement and gives its rows."""

Place = tuple[int, str]
"""A row's version: the OID of its relation (of a partitioned table, the leaf), and its ctid."""

AT = "c.ctid = at.place AND c.tableoid = at.leaf"
"""That a row of `c` is at the place of `at`."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A column that is stored, and so has to be backed up: any but a generated one."""

    name: str
    type: TypeName
    collation: str
    """As SQL; empty where its type has none."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One table (of partitions, the root)."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    columns: tuple[Stored, ...]
    key: tuple[tuple[str, str], ...]
    """The columns of its primary key, else of a unique index without NULLs: each with its index's equality, as SQL.
    Empty where it has none."""

    @property
    def label(self) -> str:
        """`schema.table`, for people."""
        return qualified(self.schema, self.name)

    @property
    def source(self) -> str:
        """The table as `c`, without what inherits from it."""
        return f"{'' if self.partitioned else 'ONLY '}{name(self.schema, self.name)} AS c"

    @property
    def image(self) -> str:
        """All stored columns of `c`, between commas."""
        return ", ".join(f"c.{name(column.name)}" for column in self.columns)

    def at(self, places: Sequence[Place]) -> str:
        """What follows FROM to get the rows at these places, as `c`, with `at.n` as their number from 1."""
        return f"{numbered(places)} JOIN {self.source} ON {AT}"

    def held(self, places: Sequence[Place]) -> str:
        """A FROM element: the rows at these places, as `c`, with their `tableoid` and `ctid`.

        OFFSET keeps it whole. A condition that is joined to it would else come first, by the planner's guess that no
        row meets it, and then each of the table's rows that do be compared with each place.
        """
        return f"(SELECT c.*, c.tableoid, c.ctid FROM {self.at(places)} OFFSET 0) AS c"


def among(places: Iterable[Place], alias: str = "c") -> str:
    """A condition that a row is at one of these places: a TID scan, also of each partition."""
    by_leaf: dict[int, list[str]] = {}
    for leaf, tid in places:
        by_leaf.setdefault(leaf, []).append(f'"{tid}"')
    arms = [
        f"{alias}.tableoid = {leaf} AND {alias}.ctid = ANY ('{{{','.join(tids)}}}'::pg_catalog.tid[])"
        for leaf, tids in by_leaf.items()
    ]
    return f"({' OR '.join(arms)})" if arms else "false"


_COLUMNS = """
SELECT a.attrelid::bigint, n.nspname::text, c.relname::text, c.relkind = 'p', a.attname::text, tn.nspname::text,
 t.typname::text, coalesce(pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(l.collname), '')
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = l.collnamespace
WHERE a.attrelid IN ({0}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attrelid, a.attnum
"""

# The operator is the one of the index's own family, strategy 3 (equal): the one by which it is unique.
_KEYS = """
SELECT DISTINCT ON (i.indrelid) i.indrelid::bigint,
 (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n) FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY
  AS k (number, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE k.n <= i.indnkeyatts),
 (SELECT pg_catalog.array_agg(pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname) ORDER BY k.n)
  FROM pg_catalog.unnest(i.indclass::oid[]) WITH ORDINALITY AS k (class, n)
  JOIN pg_catalog.pg_opclass y ON y.oid = k.class JOIN pg_catalog.pg_amop f ON f.amopfamily = y.opcfamily
   AND f.amopstrategy = 3 AND f.amoplefttype = y.opcintype AND f.amoprighttype = y.opcintype
  JOIN pg_catalog.pg_operator o ON o.oid = f.amopopr JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree'
WHERE i.indrelid IN ({0}) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
 AND i.indexprs IS NULL AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
  AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull)
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
"""


async def shapes(ask: Ask, oids: Iterable[int]) -> dict[int, Shape]:
    """The tables with these OIDs that exist, by OID."""
    listed = ", ".join(str(int(oid)) for oid in sorted(set(oids)))
    if not listed:
        return {}
    columns: dict[int, list[Stored]] = {}
    tables: dict[int, tuple[str, str, bool]] = {}
    for oid, schema, table, partitioned, column, type_schema, type_, collation in await ask(_COLUMNS.format(listed)):
        tables[oid] = (schema, table, partitioned)
        columns.setdefault(oid, []).append(Stored(column, TypeName(type_schema, type_), collation))
    keys = {
        oid: tuple(zip(names, operators, strict=True))
        for oid, names, operators in await ask(_KEYS.format(listed))
        if operators is not None and len(names) == len(operators)
    }
    return {
        oid: Shape(oid, *tables[oid], columns=tuple(found), key=keys.get(oid, ())) for oid, found in columns.items()
    }


def numbered(places: Sequence[Place]) -> str:
    """A FROM element `at` with the columns `leaf`, `place` and `n`, the row's number from 1."""
    leaves = ",".join(str(leaf) for leaf, _ in places)
    tids = ",".join(f'"{tid}"' for _, tid in places)
    arrays = ", ".join(
        f"pg_catalog.unnest('{{{values}}}'::pg_catalog.{kind}[])" for values, kind in ((leaves, "oid"), (tids, "tid"))
    )
    return f"ROWS FROM ({arrays}) WITH ORDINALITY AS at (leaf, place, n)"


def typed(columns: Sequence[Stored]) -> str:
    """The columns of `v`, which are texts named `"1"`, `"2"`, …, as their own types, names and collations."""
    return ", ".join(
        f'v."{number}"::{type_name(column.type)}'
        + (f" COLLATE {column.collation}" if column.collation else "")
        + f" AS {name(column.name)}"
        for number, column in enumerate(columns, 1)
    )


async def latest(ask: Ask, shape: Shape, places: Sequence[Place], *, returned: bool) -> list[Place]:
    """Where these rows are now, in the same order: they may have been updated in this transaction, once and again.

    Args:
        ask: runs a statement of the transaction, under an empty search_path.
        shape: their table.
        places: where they were.
        returned: whether that is what the change itself returned. In partitions it is taken for the last word: looking
            further asks for a privilege on the partition itself.
    """
    if shape.partitioned and returned:
        return list(places)
    table = "at.leaf::pg_catalog.regclass::pg_catalog.text"  # with its schema, under the empty search_path
    moved_to = f"SELECT at.leaf::bigint, pg_catalog.currtid2({table}, at.place)::pg_catalog.text"
    return [(leaf, place) for leaf, place in await ask(f"{moved_to} FROM {numbered(places)} ORDER BY at.n")]
