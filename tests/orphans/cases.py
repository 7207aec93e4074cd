"""Schemas and rows on which PostgreSQL itself says which rows violate a foreign key.

No expected number stands here: the server's own checks give them. Each case has valid rows, violating ones and NULLs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One foreign key with data around it.

    Attributes:
        name: also the name of its schema, which the search_path begins with.
        tables: SQL that creates the two tables (and what they need), without the foreign key.
        parents: rows of the parent, as they stand after VALUES.
        children: rows of the child, likewise; in a self-reference no row refers to a violating one.
        fk: the constraint, without its name.
        child: the child's name as SQL.
        parent: the parent's name as SQL.
        into: the child's columns that `children` fills, in parentheses; all by default.
        after: SQL that adds rows which the foreign key does not bind, or that do not serve it.
        lossy: the parent's column may not take a child's key, or not unchanged.
        since: the first major version that can have it.
        before: the first major version that can not have it any more.
        extension: what it needs: `citext`, `btree_gist`, or `icu` for a server built with ICU.
    """

    name: str
    tables: str
    parents: tuple[str, ...]
    children: tuple[str, ...]
    fk: str = "FOREIGN KEY (pid) REFERENCES p (id)"
    child: str = "c"
    parent: str = "p"
    into: str = ""
    after: str = ""
    lossy: bool = False
    since: int = 12
    before: int = 99
    extension: str = ""


_P = "CREATE TABLE p (id int PRIMARY KEY);"
_C = "CREATE TABLE c (pid int);"
_IDS = ("(1)", "(2)", "(3)", "(4)")
_PIDS = ("(1)", "(2)", "(2)", "(8)", "(9)", "(9)", "(NULL)")
_PAIRS = ("(1, 1)", "(1, 2)", "(2, 1)", "(3, 3)")
_PAIR_REFERENCES = (
    *("(1, 1)", "(1, 2)", "(2, 1)"),  # there
    *("(1, 3)", "(2, 2)", "(9, 9)", "(9, 1)"),  # each part or none of it there
    *("(NULL, 1)", "(NULL, 9)", "(9, NULL)", "(NULL, NULL)"),
)
_COMPOSITE = "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE c (x int, y int);"
_BY_COMPOSITE = "FOREIGN KEY (x, y) REFERENCES p (a, b)"

PLAIN = (
    Case("plain", _P + _C, _IDS, _PIDS),
    Case("match simple", _COMPOSITE, _PAIRS, _PAIR_REFERENCES, _BY_COMPOSITE),
    Case("match full", _COMPOSITE, _PAIRS, _PAIR_REFERENCES, _BY_COMPOSITE + " MATCH FULL"),
    Case("match full, one column", _P + _C, _IDS, _PIDS, "FOREIGN KEY (pid) REFERENCES p (id) MATCH FULL"),
    Case(
        "columns in another order",
        "CREATE TABLE p (a int, b int, UNIQUE (b, a)); CREATE TABLE c (note text, y int, x int);",
        _PAIRS,
        ("('', 1, 1)", "('', 2, 1)", "('', 1, 2)", "('', 3, 1)", "('', 1, 3)", "('', NULL, 1)", "('', 7, NULL)"),
        "FOREIGN KEY (x, y) REFERENCES p (a, b)",
    ),
    Case(
        "three columns of mixed types",
        "CREATE TABLE p (a bigint, b varchar(9), d date, PRIMARY KEY (a, b, d));"
        "CREATE TABLE c (a smallint, b text, d date);",
        ("(1, 'fig', '2026-01-01')", "(1, 'fig', '2026-01-02')", "(2, 'plum', '2026-01-01')"),
        (
            *("(1, 'fig', '2026-01-01')", "(2, 'plum', '2026-01-01')"),
            *("(2, 'fig', '2026-01-01')", "(1, 'plum', '2026-01-01')", "(1, 'fig', '2026-01-03')"),
            *("(NULL, 'fig', '2026-01-01')", "(1, NULL, '2026-01-09')", "(NULL, NULL, NULL)"),
        ),
        "FOREIGN KEY (a, b, d) REFERENCES p (a, b, d)",
    ),
    Case(
        "two columns of the child name one kind of key",
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE c (tenant int NOT NULL, y int);",
        _PAIRS,
        ("(1, 1)", "(2, 1)", "(2, 2)", "(5, 1)", "(5, NULL)"),
        "FOREIGN KEY (tenant, y) REFERENCES p (a, b)",
    ),
    Case(
        "a parent with a NULL key",
        "CREATE TABLE p (id int UNIQUE); CREATE TABLE c (pid int);",
        ("(1)", "(2)", "(NULL)"),
        _PIDS,
    ),
    Case(
        "an index alone is the key",
        "CREATE TABLE p (id int); CREATE UNIQUE INDEX ON p (id); CREATE TABLE c (pid int);",
        ("(1)", "(2)", "(NULL)", "(NULL)"),
        _PIDS,
    ),
    Case(
        "nulls not distinct",
        "CREATE TABLE p (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b)); CREATE TABLE c (x int, y int);",
        ("(1, 1)", "(NULL, 2)", "(3, NULL)"),
        ("(1, 1)", "(1, 2)", "(NULL, 2)", "(3, NULL)", "(3, 3)"),
        _BY_COMPOSITE,
        since=15,
    ),
    Case("one to one", _P + "CREATE TABLE c (pid int UNIQUE);", _IDS, ("(1)", "(3)", "(8)", "(9)", "(NULL)")),
    Case("an empty parent", _P + _C, (), ("(1)", "(2)", "(NULL)")),
    Case(
        "self-reference",
        "CREATE TABLE c (id int PRIMARY KEY, pid int);",
        (),
        ("(1, NULL)", "(2, 1)", "(3, 1)", "(4, 3)", "(5, 5)", "(6, 70)", "(7, 60)", "(8, NULL)"),
        "FOREIGN KEY (pid) REFERENCES c (id)",
        parent="c",
    ),
    Case(
        "composite self-reference",
        "CREATE TABLE c (tenant int, id int, boss int, PRIMARY KEY (tenant, id));",
        (),
        ("(1, 1, NULL)", "(1, 2, 1)", "(2, 1, NULL)", "(2, 3, 2)", "(1, 3, 3)", "(2, 4, 1)", "(3, 4, 1)"),
        "FOREIGN KEY (tenant, boss) REFERENCES c (tenant, id)",
        parent="c",
    ),
    Case(
        "generated column",
        _P + "CREATE TABLE c (n int, pid int GENERATED ALWAYS AS (n * 2) STORED);",
        _IDS,
        ("(1)", "(2)", "(4)", "(5)", "(NULL)"),
        into="(n)",
    ),
    Case("deferred", _P + _C, _IDS, _PIDS, "FOREIGN KEY (pid) REFERENCES p (id) DEFERRABLE INITIALLY IMMEDIATE"),
    Case("unlogged", "CREATE TABLE p (id int PRIMARY KEY); CREATE UNLOGGED TABLE c (pid int);", _IDS, _PIDS),
    Case(
        "dropped columns",
        "CREATE TABLE p (gone int, id int PRIMARY KEY); CREATE TABLE c (gone int, a int, pid int);"
        "ALTER TABLE p DROP gone; ALTER TABLE c DROP gone;",
        _IDS,
        ("(9, 1)", "(1, 2)", "(1, 9)", "(2, 8)", "(1, NULL)"),
    ),
)

PERCENT = 'Ünï "q" %s \'; drop'
_HOSTILE = '"Ünï ""q"" %s \'; drop"'
_LONG = '"' + "%(x)s" * 12 + '"'

NAMES = (
    Case(
        PERCENT,
        f'CREATE TABLE {_HOSTILE} ({_LONG} int PRIMARY KEY); CREATE TABLE {_LONG} (id int, "%%" int);',
        _IDS,
        ("(1, 1)", "(2, 2)", "(1, 9)", "(2, 8)", "(1, NULL)"),
        f'FOREIGN KEY ("%%") REFERENCES {_HOSTILE} ({_LONG})',
        child=_LONG,
        parent=_HOSTILE,
    ),
    Case(
        "key words",
        'CREATE TABLE "user" ("select" int PRIMARY KEY); CREATE TABLE "Order Items" ("user" int, "From" int);',
        _IDS,
        ("(1, 1)", "(2, 2)", "(1, 9)", "(NULL, 8)", "(1, NULL)"),
        'FOREIGN KEY ("From") REFERENCES "user" ("select")',
        child='"Order Items"',
        parent='"user"',
    ),
    Case(
        "the names of our own aliases",
        'CREATE TABLE c (p int PRIMARY KEY, c int); CREATE TABLE p (c int, p int, "rows" int);',
        ("(1, 9)", "(2, 8)"),
        ("(1, 2)", "(2, 9)", "(9, 1)", "(8, 1)", "(NULL, 2)"),
        "FOREIGN KEY (c) REFERENCES c (p)",
        child="p",
        parent="c",
        into="(c, p)",
    ),
    Case(
        'types and operators in a "%s" place',
        """
        CREATE TYPE "T %s y" AS ENUM ('a', 'b', 'z');
        CREATE DOMAIN "N %s" AS int;
        CREATE TABLE p (a "T %s y", b "N %s", PRIMARY KEY (a, b));
        CREATE TABLE c (x "T %s y", y int);
        """,
        ("('a', 1)", "('b', 2)"),
        ("('a', 1)", "('b', 2)", "('a', 2)", "('z', 1)", "(NULL, 1)", "('z', NULL)"),
        _BY_COMPOSITE,
    ),
)

_PARTS = "PARTITION OF {0} FOR VALUES FROM ({1}) TO ({2})"

TREES = (
    Case(
        "inheritance of the child",
        _P + _C + "CREATE TABLE c2 () INHERITS (c);",
        _IDS,
        _PIDS,
        after="INSERT INTO c2 VALUES (1), (77), (78);",
    ),
    Case(
        "inheritance of the parent",
        _P + _C + "CREATE TABLE p2 () INHERITS (p);",
        _IDS,
        _PIDS,
        after="INSERT INTO p2 VALUES (9);",
    ),
    Case(
        "inheritance of both",
        _P + _C + "CREATE TABLE p2 () INHERITS (p); CREATE TABLE c2 () INHERITS (c);",
        _IDS,
        _PIDS,
        after="INSERT INTO p2 VALUES (8); INSERT INTO c2 VALUES (1), (77);",
    ),
    Case(
        "partitioned child",
        _P
        + """
        CREATE TABLE c (at int, pid int) PARTITION BY RANGE (at);
        CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (10);
        CREATE TABLE c2 (pid int, gone int, at int); ALTER TABLE c2 DROP gone;
        ALTER TABLE c ATTACH PARTITION c2 FOR VALUES FROM (10) TO (20);
        CREATE TABLE c3 PARTITION OF c DEFAULT PARTITION BY LIST (pid);
        CREATE TABLE c31 PARTITION OF c3 DEFAULT;
        """,
        _IDS,
        ("(1, 1)", "(2, 9)", "(11, 2)", "(12, 8)", "(13, 9)", "(21, 3)", "(22, 7)", "(23, NULL)", "(3, NULL)"),
    ),
    Case(
        "partitioned parent",
        """
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (3);
        CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (3) TO (100);
        """
        + _C,
        _IDS,
        (*_PIDS, "(3)", "(4)"),
    ),
    Case(
        "both partitioned, MATCH FULL",
        """
        CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)) PARTITION BY HASH (a);
        CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE c (x int, y int) PARTITION BY LIST (x);
        CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1, 2);
        CREATE TABLE c2 PARTITION OF c DEFAULT;
        """,
        _PAIRS,
        _PAIR_REFERENCES,
        _BY_COMPOSITE + " MATCH FULL",
    ),
    Case(
        "a partition's own foreign key",
        _P
        + """
        CREATE TABLE root (at int, pid int) PARTITION BY RANGE (at);
        CREATE TABLE c PARTITION OF root FOR VALUES FROM (0) TO (10);
        CREATE TABLE c2 PARTITION OF root FOR VALUES FROM (10) TO (20);
        """,
        _IDS,
        ("(1, 1)", "(2, 9)", "(3, 8)", "(4, NULL)", "(4, 2)"),
        after="INSERT INTO c2 VALUES (11, 50), (12, 1);",
    ),
    Case(
        "a partition as parent",
        """
        CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE p PARTITION OF root FOR VALUES FROM (0) TO (5);
        CREATE TABLE p2 PARTITION OF root FOR VALUES FROM (5) TO (20);
        """
        + _C,
        _IDS,
        _PIDS,
        after="INSERT INTO p2 VALUES (9);",
    ),
    Case(
        "partitioned self-reference",
        """
        CREATE TABLE c (id int PRIMARY KEY, pid int) PARTITION BY RANGE (id);
        CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (4);
        CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (4) TO (100);
        """,
        (),
        ("(1, NULL)", "(2, 1)", "(5, 1)", "(3, 5)", "(6, 70)", "(7, 60)", "(8, NULL)"),
        "FOREIGN KEY (pid) REFERENCES c (id)",
        parent="c",
    ),
)

_TEXTS = ("('apple')", "('Banana')", "('cherry')", "('fig')")
_TEXT_REFERENCES = ("('apple')", "('Apple')", "('banana')", "('cherry')", "('fig ')", "('grape')", "(NULL)")

COLLATIONS = (
    Case(
        "two deterministic collations",
        'CREATE TABLE p (id text COLLATE "C" PRIMARY KEY); CREATE TABLE c (pid text COLLATE "POSIX");',
        _TEXTS,
        _TEXT_REFERENCES,
    ),
    Case(
        "a collation in a schema of its own",
        'CREATE COLLATION "My %s C" FROM "C";'
        'CREATE TABLE p (id text COLLATE "My %s C" PRIMARY KEY); CREATE TABLE c (pid varchar(9));',
        _TEXTS,
        _TEXT_REFERENCES,
    ),
    Case(
        "a nondeterministic collation of both",
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE TABLE p (id text COLLATE ci PRIMARY KEY); CREATE TABLE c (pid text COLLATE ci);",
        _TEXTS,
        _TEXT_REFERENCES,
        extension="icu",
    ),
    Case(
        "a nondeterministic collation of the parent",
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE TABLE p (id text COLLATE ci PRIMARY KEY); CREATE TABLE c (pid text);",
        _TEXTS,
        _TEXT_REFERENCES,
        before=18,
        extension="icu",
    ),
    Case(
        "citext and a composite key",
        "CREATE TABLE p (t int, name citext, PRIMARY KEY (t, name)); CREATE TABLE c (t int, name citext);",
        ("(1, 'Apple')", "(1, 'fig')", "(2, 'fig')"),
        ("(1, 'APPLE')", "(2, 'FIG')", "(2, 'apple')", "(1, 'plum')", "(NULL, 'fig')", "(3, NULL)"),
        "FOREIGN KEY (t, name) REFERENCES p (t, name)",
        extension="citext",
    ),
)

_PERIOD = "FOREIGN KEY (pid, PERIOD during) REFERENCES p (id, PERIOD valid)"
_PERIODS = (
    "(1, {0}[1,10))",
    "(1, {0}[10,20))",
    "(1, {0}[25,30))",
    "(2, {0}[1,5))",
)
_DURING = (
    *("(1, [1,10))", "(1, [2,5))", "(1, [5,15))", "(2, [1,5))"),  # covered, by one row or by two
    *("(1, [15,27))", "(1, [20,25))", "(1, [1,30))", "(2, [4,6))", "(3, [1,2))", "(1, empty)", "(2, [5,10))"),
    *("(NULL, [1,2))", "(1, NULL)", "(9, NULL)", "(NULL, NULL)"),
)


def _ranges(rows: tuple[str, ...]) -> tuple[str, ...]:
    """`(1, [2,5))` as the row `(1, '[2,5)')`."""
    found = []
    for row in rows:
        key, _, value = row.replace("{0}", "")[1:-1].partition(", ")
        found.append(f"({key}, {value})" if value == "NULL" else f"({key}, '{value}')")
    return tuple(found)


def _multiranges(rows: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(row.replace("'[", "'{[").replace(")'", ")}'").replace("'empty'", "'{}'") for row in rows)


_TEMPORAL = (
    "CREATE TABLE p (id {0}, valid {1}, PRIMARY KEY (id, valid WITHOUT OVERLAPS));CREATE TABLE c (pid {2}, during {3});"
)

TEMPORAL = (
    Case(
        "temporal",
        _TEMPORAL.format("int", "int4range", "int", "int4range"),
        _ranges(_PERIODS),
        _ranges(_DURING),
        _PERIOD,
        since=18,
        extension="btree_gist",
    ),
    Case(
        "temporal, multiranges",
        _TEMPORAL.format("int", "int4multirange", "int", "int4multirange"),
        _multiranges(_ranges(_PERIODS)),
        _multiranges(_ranges(_DURING)),
        _PERIOD,
        since=18,
        extension="btree_gist",
    ),
    Case(
        "temporal, two types and a partitioned parent",
        "CREATE TABLE p (id bigint, valid int8range, PRIMARY KEY (id, valid WITHOUT OVERLAPS)) PARTITION BY LIST (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p DEFAULT;"
        "CREATE TABLE c (pid bigint, during int8range);",
        _ranges(_PERIODS),
        _ranges(_DURING),
        _PERIOD,
        since=18,
        extension="btree_gist",
    ),
    Case(
        "temporal, domains over ranges",
        "CREATE DOMAIN span AS int4range; " + _TEMPORAL.format("int", "int4range", "int", "span"),
        _ranges(_PERIODS),
        _ranges(_DURING),
        _PERIOD,
        since=18,
        extension="btree_gist",
    ),
    Case(
        "temporal self-reference",
        "CREATE TABLE c (id int, pid int, valid int4range, PRIMARY KEY (id, valid WITHOUT OVERLAPS));",
        (),
        (
            *("(1, NULL, '[1,10)')", "(1, NULL, '[10,20)')", "(2, 1, '[5,15)')", "(3, 1, '[15,25)')"),
            *("(4, 90, '[1,2)')", "(5, 1, '[30,40)')", "(6, NULL, '[1,2)')"),
        ),
        "FOREIGN KEY (pid, PERIOD valid) REFERENCES c (id, PERIOD valid)",
        parent="c",
        since=18,
        extension="btree_gist",
    ),
)

CASES = PLAIN + NAMES + TREES + COLLATIONS + TEMPORAL
