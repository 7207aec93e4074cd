"""Pairs of tables on which every way of counting is tried: types of keys, indexes, partitions, heirs.

The values of a key come from a pool, a table of numbered values, so that none is lost on its way from here to there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice

from tests.orphans.keykinds import KINDS as KEYS


@dataclass(frozen=True, slots=True)
class Layout:
    """How the two tables are made. `{keys}` stands for the key's columns, `{type}`, `{types}` for the columns' types.

    Attributes:
        name: in a few words.
        child: what follows the child's list of columns, and statements after it, on `c`.
        parent: likewise for the parent, `p`.
        match: of the foreign key.
    """

    name: str
    child: str = "; CREATE INDEX ON c ({keys})"
    parent: str = ""
    match: str = "SIMPLE"


_PLAIN = Layout("plain")
LAYOUTS = (
    _PLAIN,
    Layout("downwards", "; CREATE INDEX ON c ({desc})", "; CREATE INDEX ON p ({parent_desc})"),
    Layout("a wider index", "; CREATE INDEX ON c ({keys}, n)"),
    Layout("where not null", "; CREATE INDEX ON c ({keys}) WHERE {first} IS NOT NULL"),
    Layout("covering", "; CREATE INDEX ON c ({keys}) INCLUDE (n)"),
    Layout(
        "partitioned child",
        " PARTITION BY HASH (n); CREATE TABLE c1 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE c2 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE INDEX ON c ({keys})",
    ),
    Layout(
        "partitioned parent",
        parent=" PARTITION BY HASH ({parent_first});"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    ),
    Layout(
        "heirs",
        "; CREATE INDEX ON c ({keys}); CREATE TABLE c2 () INHERITS (c); INSERT INTO c2 SELECT 1, {pooled}",
        "; CREATE TABLE p2 () INHERITS (p); INSERT INTO p2 SELECT {parent_pooled}",
    ),
    Layout("no index", ""),
)
FULL = replace(_PLAIN, name="match full", match="FULL")


@dataclass(frozen=True, slots=True)
class Kind:
    """One pair of tables; its schema has its number.

    Attributes:
        name: of its types and layout.
        before: SQL that makes the types.
        child: the types of the child's key.
        parent: of the parent's.
        pools: for each column a query of values, the child's and the parent's, the latter NULL where its type has none.
        layout: of the tables.
        extension: what it needs.
    """

    name: str
    before: str
    child: tuple[str, ...]
    parent: tuple[str, ...]
    pools: tuple[str, ...]
    layout: Layout
    extension: str = ""

    def statements(self, schema: str) -> str:
        """What makes it, in a schema of its own."""
        columns = [f"k{n}" for n in range(len(self.child))]
        parents = [f"p{n}" for n in range(len(self.parent))]
        pools = [
            f"CREATE TABLE pool{n} AS SELECT row_number() OVER (ORDER BY c)::int AS n, c, p FROM ({pool}) AS v (c, p)"
            for n, pool in enumerate(self.pools)
        ]
        values = {
            "keys": ", ".join(columns),
            "desc": ", ".join(f"{column} DESC" for column in columns),
            "first": columns[0],
            "parent_first": parents[0],
            "parent_desc": ", ".join(f"{column} DESC" for column in parents),
            "pooled": ", ".join(f"pool{n}.c" for n in range(len(columns))) + f" FROM {self._all_pools()} LIMIT 30",
            "parent_pooled": ", ".join(f"pool{n}.p" for n in range(len(columns)))
            + f" FROM {self._all_pools()} LIMIT 30",
        }
        child = ", ".join(f"{column} {of}" for column, of in zip(columns, self.child, strict=True))
        parent = ", ".join(f"{column} {of}" for column, of in zip(parents, self.parent, strict=True))
        return (
            ";".join(
                (
                    f"CREATE SCHEMA {schema}",
                    f"SET search_path = {schema}, public",
                    self.before,
                    *pools,
                    f"CREATE TABLE p ({parent}, UNIQUE ({', '.join(parents)})){self.layout.parent.format(**values)}",
                    f"CREATE TABLE c (n int, {child}){self.layout.child.format(**values)}",
                    f"ALTER TABLE c ADD FOREIGN KEY ({values['keys']}) REFERENCES p ({', '.join(parents)})",
                )
            )
            + f" MATCH {self.layout.match}"
        )

    def _all_pools(self) -> str:
        return ", ".join(f"pool{n}" for n in range(len(self.child)))


_RANGES = {"int2": 15, "int4": 31, "int8": 63}
_NUMBERS = """
SELECT generate_series(-6, 30)::numeric UNION SELECT generate_series(1000, 1100, 7)
UNION SELECT sign * 2::numeric ^ bits - less FROM unnest(ARRAY[15, 31, 63]) AS bits, unnest(ARRAY[1, -1]) AS sign,
 unnest(ARRAY[-1, 0, 1, 2]) AS less
"""
"""Some next to each other, some apart, and the ends of every integer type."""


def _fits(of_type: str) -> str:
    bits = _RANGES[of_type]
    return f"v >= -(2::numeric ^ {bits}) AND v < 2::numeric ^ {bits}"


def _integers(child: str, parent: str) -> str:
    return (
        f"SELECT v::{child}, CASE WHEN {_fits(parent)} THEN v::{parent} END FROM ({_NUMBERS}) AS n (v)"
        f" WHERE {_fits(child)}"
    )


def _same(query: str, child: str, parent: str) -> str:
    return f"SELECT v::{child}, v::{parent} FROM ({query}) AS same (v)"


_TEXTS = "SELECT unnest(ARRAY['a', 'A', 'b', 'B', 'ab', 'Ab', '', 'fig', 'fig ', 'grape', 'zoo', 'é', 'e', 'z'])"
_DATES = "SELECT '2026-03-28'::date + g FROM generate_series(1, 20) g UNION VALUES ('infinity'::date), ('-infinity')"
_FLOATS = (
    "SELECT unnest(ARRAY['NaN', '-0', '0', '0.5', '-0.5', 'Infinity', '-Infinity', '1e30', '7', '8', '9']::float4[])"
)
_CROSSING = (
    ("text", "varchar(9)", _TEXTS),
    ("varchar(9)", "text", _TEXTS),
    ("varchar(9)", "varchar(20)", _TEXTS),
    ('text COLLATE "C"', 'text COLLATE "C"', _TEXTS),
    ("name", 'text COLLATE "C"', _TEXTS),
    ("char(9)", "char(4)", _TEXTS),
    ("date", "timestamptz", _DATES),
    ("date", "timestamp", _DATES),
    ("float4", "float8", _FLOATS),
    ("float8", "float8", _FLOATS),
    ("inet", "inet", KEYS["inet"][2]),
    ("citext", "citext", _TEXTS),
    ("citext", "citext", _TEXTS),
)
_COMPOSITE = (
    (("int4", "int4"), ("int4", "int4")),
    (("int8", "int2"), ("int4", "int8")),
    (("int4", "text"), ("int4", "text")),
    (("uuid", "int4", "date"), ("uuid", "int8", "date")),
)
_FEW = {
    "text": "SELECT unnest(ARRAY['a', 'B', 'c'])",
    "uuid": "SELECT md5(g::text)::uuid FROM generate_series(1, 3) g",
    "date": "SELECT '2026-03-28'::date + g FROM generate_series(1, 3) g",
}


def kinds() -> list[Kind]:
    """All of them."""
    found = []
    layouts = cycle(LAYOUTS)
    for child in _RANGES:
        for parent in _RANGES:
            pool = _integers(child, parent)
            found += [_single(child, parent, pool, layout) for layout in islice(layouts, 5)]
    # Not every type can be hashed, for a partitioned parent.
    layouts = cycle(layout for layout in LAYOUTS if layout.name not in {"partitioned parent", "no index"})
    for child, parent, pool in _CROSSING:
        kind = _single(child, parent, _same(pool, child, parent), next(layouts))
        found.append(replace(kind, extension="citext" if child == "citext" else ""))
    for before, of_type, pool in KEYS.values():
        kind = _single(of_type, of_type, _same(pool, of_type, of_type), next(layouts))
        found.append(replace(kind, before=before, extension="citext" if "citext" in before + of_type else ""))
    layouts = cycle((*LAYOUTS, FULL))
    for children, parents in _COMPOSITE:
        for layout in (FULL, next(layouts), next(layouts), next(layouts)):
            pools = tuple(
                _integers(child, parent).replace(_NUMBERS, "SELECT generate_series(1, 5)::numeric")
                if child in _RANGES
                else _same(_FEW[child], child, parent)
                for child, parent in zip(children, parents, strict=True)
            )
            found.append(Kind(f"{children} of {parents}, {layout.name}", "", children, parents, pools, layout))
    return found


def _single(child: str, parent: str, pool: str, layout: Layout) -> Kind:
    return Kind(f"{child} of {parent}, {layout.name}", "", (child,), (parent,), (pool,), layout)
