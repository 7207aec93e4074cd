"""Tables, columns, keys and indexes as the catalogue tells them, each feature from its DDL."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fkexplorer.schema.model import (
    Collation,
    Column,
    Index,
    IndexColumn,
    Key,
    Operator,
    Privileges,
    Table,
    TableKind,
    TypeName,
)
from tests.database.catalogue import available, builtin, by_label, columns, indexes, load, oid, operator, run, version

pytestmark = pytest.mark.matrix

# With the OID of the family, which is the same on every server.
INT4 = (operator("<", "int4", "int4"), operator("=", "int4", "int4"), operator(">", "int4", "int4"), 1976)
TEXT = (operator("<", "text", "text"), operator("=", "text", "text"), operator(">", "text", "text"), 1994)
DEFAULT = Collation("pg_catalog", "default")
ALL = Privileges(usage=True, select=True, insert=True, update=True, delete=True, references=True, owner=True)


async def test_a_table_whole(database_url: str) -> None:
    schema = await load(
        database_url,
        """CREATE TABLE notes (
             id integer GENERATED ALWAYS AS IDENTITY, gone text, body varchar(40) NOT NULL DEFAULT '',
             CONSTRAINT notes_pkey PRIMARY KEY (id))""",
        "ALTER TABLE notes DROP COLUMN gone",
        "COMMENT ON TABLE notes IS 'What was said'",
        "COMMENT ON COLUMN notes.body IS 'In their own words'",
        "INSERT INTO notes (body) SELECT 'x' FROM generate_series(1, 1000)",
        "ANALYZE notes",
    )
    table, index = oid(database_url, "notes"), oid(database_url, "notes_pkey")
    with psycopg.connect(database_url) as connection:
        key = connection.execute("SELECT oid FROM pg_constraint WHERE conname = 'notes_pkey'").fetchone()
        pages = connection.execute("SELECT pg_relation_size('notes')").fetchone()
    assert key is not None
    assert pages is not None
    # The server may count what was inserted some time later, and then on top of what ANALYZE found.
    assert schema.tables[table].live_rows in {0, 1000, 2000}
    assert dict(schema.tables) == {
        table: Table(
            oid=table,
            schema="public",
            name="notes",
            kind=TableKind.ORDINARY,
            columns=(
                Column(
                    number=1,
                    name="id",
                    type=builtin("int4"),
                    type_text="integer",
                    category="N",
                    not_null=True,
                    has_default=False,
                    identity="a",
                    generated=False,
                    collation=None,
                    may_select=True,
                    may_update=True,
                ),
                Column(
                    number=3,
                    name="body",
                    type=builtin("varchar"),
                    type_text="character varying(40)",
                    category="S",
                    not_null=True,
                    has_default=True,
                    identity="",
                    generated=False,
                    collation=DEFAULT,
                    may_select=True,
                    may_update=True,
                    comment="In their own words",
                ),
            ),
            keys=(Key(key[0], "notes_pkey", (1,), primary=True, deferrable=False, index=index),),
            indexes=(
                Index(
                    oid=index,
                    name="notes_pkey",
                    method="btree",
                    columns=(IndexColumn(1, None, *INT4),),
                    unique=True,
                    primary=True,
                    valid=True,
                    immediate=True,
                    nulls_not_distinct=False,
                    partial=False,
                    not_null_predicate=None,
                ),
            ),
            persistence="p",
            estimated_rows=1000.0,
            estimated_bytes=pages[0],
            partitions=(),
            inherits=(),
            row_security=False,
            row_security_forced=False,
            row_security_active=False,
            owner="postgres",
            privileges=ALL,
            comment="What was said",
            live_rows=schema.tables[table].live_rows,
            visible=0.0,
        )
    }
    assert not schema.edges
    assert schema.loaded_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - schema.loaded_at) < timedelta(minutes=5)


async def test_an_empty_database(database_url: str) -> None:
    schema = await load(database_url)
    assert (dict(schema.tables), dict(schema.edges), dict(schema.partition_roots)) == ({}, {}, {})


async def test_types(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE SCHEMA kinds",
        'CREATE DOMAIN kinds."Positive" AS integer CHECK (VALUE > 0)',
        'CREATE DOMAIN kinds.small AS kinds."Positive"',
        "CREATE DOMAIN kinds.tags AS text[]",
        "CREATE TYPE kinds.mood AS ENUM ('good', 'bad')",
        """CREATE TABLE t (small kinds.small, tags kinds.tags, mood kinds.mood, n numeric(10,2), c char(9), raw "char",
             at timestamptz(3), uid uuid, ok boolean, many kinds.mood[], doc jsonb, span int4range, plain name)""",
    )
    expected = {
        "small": (TypeName("kinds", "small"), "kinds.small", "N", builtin("int4")),
        "tags": (TypeName("kinds", "tags"), "kinds.tags", "A", builtin("_text")),
        "mood": (TypeName("kinds", "mood"), "kinds.mood", "E", None),
        "n": (builtin("numeric"), "numeric(10,2)", "N", None),
        "c": (builtin("bpchar"), "character(9)", "S", None),
        "at": (builtin("timestamptz"), "timestamp(3) with time zone", "D", None),
        "uid": (builtin("uuid"), "uuid", "U", None),
        "ok": (builtin("bool"), "boolean", "B", None),
        "many": (TypeName("kinds", "_mood"), "kinds.mood[]", "A", None),
        "doc": (builtin("jsonb"), "jsonb", "U", None),
        "span": (builtin("int4range"), "int4range", "R", None),
        "plain": (builtin("name"), "name", "S", None),
    }
    found = columns(by_label(schema)["t"])
    # "char" moved from category S to Z in 15.
    assert found.pop("raw").type == builtin("char")
    assert {n: (c.type, c.type_text, c.category, c.base_type) for n, c in found.items()} == expected


async def test_defaults_identity_and_generated(database_url: str) -> None:
    schema = await load(
        database_url,
        """CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, d int GENERATED BY DEFAULT AS IDENTITY,
             s serial, g int GENERATED ALWAYS AS (1 + 1) STORED, f int DEFAULT 7, n int, dead int)""",
        "ALTER TABLE t DROP COLUMN dead",
        *(["ALTER TABLE t ADD v int GENERATED ALWAYS AS (2) VIRTUAL"] if version(database_url) >= 180000 else []),
    )
    found = {c.name: (c.identity, c.has_default, c.generated, c.not_null) for c in by_label(schema)["t"].columns}
    if version(database_url) >= 180000:
        assert found.pop("v") == ("", True, True, False)
    assert found == {
        "a": ("a", False, False, True),
        "d": ("d", False, False, True),
        "s": ("", True, False, True),
        "g": ("", True, True, False),
        "f": ("", True, False, False),
        "n": ("", False, False, False),
    }


async def test_collations(database_url: str) -> None:
    icu = True
    try:
        run(database_url, "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        icu = False
    schema = await load(
        database_url,
        'CREATE TABLE t (plain text, c text COLLATE "C" PRIMARY KEY, n int)',
        'CREATE INDEX by_plain ON t (plain COLLATE "POSIX")',
        *(["ALTER TABLE t ADD i text COLLATE ci"] if icu else []),
    )
    table = by_label(schema)["t"]
    found = columns(table)
    assert found["plain"].collation == DEFAULT
    assert found["c"].collation == Collation("pg_catalog", "C")
    assert found["n"].collation is None
    assert indexes(table)["by_plain"].columns == (IndexColumn(1, Collation("pg_catalog", "POSIX"), *TEXT),)
    assert indexes(table)["t_pkey"].columns == (IndexColumn(2, Collation("pg_catalog", "C"), *TEXT),)
    if icu:
        assert found["i"].collation == Collation("public", "ci", deterministic=False)


async def test_keys_and_indexes(database_url: str) -> None:
    modern = version(database_url) >= 150000
    schema = await load(
        database_url,
        """CREATE TABLE t (a int, b text, c int, j jsonb, CONSTRAINT zz PRIMARY KEY (c, a),
             CONSTRAINT late UNIQUE (a) DEFERRABLE, CONSTRAINT ab UNIQUE (b, a))""",
        "CREATE UNIQUE INDEX bare ON t (c DESC)",
        "CREATE INDEX expression ON t (lower(b), a)",
        "CREATE INDEX partial ON t (a) WHERE c > 3",
        "CREATE INDEX not_null ON t (a) WHERE c IS NOT NULL",
        "CREATE INDEX two_not_null ON t (a) WHERE c IS NOT NULL AND a IS NOT NULL",
        "CREATE INDEX is_null ON t (a) WHERE b IS NULL",
        "CREATE INDEX covering ON t (a) INCLUDE (b)",
        "CREATE INDEX hashed ON t USING hash (b)",
        "CREATE INDEX inverted ON t USING gin (j)",
        "CREATE INDEX pattern ON t (b text_pattern_ops)",
        f"CREATE UNIQUE INDEX nulls ON t (a, b) {'NULLS NOT DISTINCT' if modern else ''}",
        "INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 2)",
    )
    table = by_label(schema)["t"]
    assert [(k.name, k.columns, k.primary, k.deferrable) for k in table.keys] == [
        ("zz", (3, 1), True, False),
        ("ab", (2, 1), False, False),
        ("late", (1,), False, True),
    ]
    found = indexes(table)
    assert {k.index for k in table.keys} == {found[name].oid for name in ("zz", "ab", "late")}
    a, b, c = IndexColumn(1, None, *INT4), IndexColumn(2, DEFAULT, *TEXT), IndexColumn(3, None, *INT4)
    pattern = (operator("~<~", "text", "text"), operator("=", "text", "text"), operator("~>~", "text", "text"), 2095)
    assert {name: index.columns for name, index in found.items()} == {
        "zz": (c, a),
        "ab": (b, a),
        "late": (a,),
        "bare": (c,),
        "expression": (IndexColumn(0, DEFAULT, *TEXT), a),
        "partial": (a,),
        "not_null": (a,),
        "two_not_null": (a,),
        "is_null": (a,),
        "covering": (a,),
        "hashed": (IndexColumn(2, DEFAULT, None, None, None),),
        "inverted": (IndexColumn(4, None, None, None, None),),
        "pattern": (IndexColumn(2, DEFAULT, *pattern),),
        "nulls": (a, b),
    }
    assert {n for n, i in found.items() if i.unique} == {"zz", "ab", "late", "bare", "nulls"}
    assert {n for n, i in found.items() if i.primary} == {"zz"}
    assert {n for n, i in found.items() if not i.immediate} == {"late"}
    assert {n for n, i in found.items() if i.partial} == {"partial", "not_null", "two_not_null", "is_null"}
    assert {n: i.not_null_predicate for n, i in found.items() if i.not_null_predicate} == {"not_null": 3}
    assert {n for n, i in found.items() if i.has_expressions} == {"expression"}
    assert {n for n, i in found.items() if i.nulls_not_distinct} == ({"nulls"} if modern else set())
    assert {n: i.method for n, i in found.items() if i.method != "btree"} == {"hashed": "hash", "inverted": "gin"}
    assert all(i.valid for i in found.values())


async def test_an_index_that_failed_to_build_is_not_valid(database_url: str) -> None:
    run(database_url, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)")
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        run(database_url, "CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    (index,) = by_label(await load(database_url))["t"].indexes
    assert (index.name, index.valid, index.unique) == ("broken", False, True)


async def test_operators_of_an_extension_and_of_polymorphic_types(database_url: str) -> None:
    citext = available(database_url, "citext")
    schema = await load(
        database_url,
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE TABLE e (m mood PRIMARY KEY, a int[] UNIQUE)",
        *(
            ["CREATE SCHEMA ext", "CREATE EXTENSION citext SCHEMA ext", "CREATE TABLE ci (k ext.citext PRIMARY KEY)"]
            if citext
            else []
        ),
    )
    found = indexes(by_label(schema)["e"])
    assert [found["e_pkey"].columns[0].less, found["e_a_key"].columns[0].greater] == [
        operator("<", None, None),
        operator(">", None, None),
    ]
    if citext:
        ours = TypeName("ext", "citext")
        [column] = by_label(schema)["ci"].indexes[0].columns
        less, equal, greater = (Operator("ext", name, ours, ours) for name in "<=>")
        assert column == IndexColumn(1, DEFAULT, less, equal, greater, column.family)
        assert column.family > 16384


async def test_estimates_are_none_until_analysed(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE TABLE fresh (a int)",
        "CREATE TABLE empty (a int)",
        "CREATE UNLOGGED TABLE full_one AS SELECT 1 AS a FROM generate_series(1, 500)",
        "ALTER TABLE fresh SET (autovacuum_enabled = false)",
        "ANALYZE empty",
        "ANALYZE full_one",
    )
    tables = by_label(schema)
    assert tables["fresh"].estimated_rows is None
    assert tables["empty"].estimated_rows == (0.0 if version(database_url) >= 140000 else None)
    assert (tables["full_one"].estimated_rows, tables["full_one"].persistence) == (500.0, "u")


async def test_kinds_that_are_in_and_that_are_not(database_url: str) -> None:
    run(database_url, "CREATE TABLE r (id int PRIMARY KEY)")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("CREATE TEMP TABLE mine (id int)")
        other.execute("CREATE TEMP TABLE theirs (id int PRIMARY KEY, up int REFERENCES theirs)")
        schema = await load(
            database_url,
            "CREATE VIEW v AS SELECT * FROM r",
            "CREATE MATERIALIZED VIEW mv AS SELECT * FROM r",
            "CREATE SEQUENCE s",
            "CREATE TYPE composite AS (a int)",
            "CREATE FOREIGN DATA WRAPPER nothing",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing",
            "CREATE FOREIGN TABLE f (id int) SERVER elsewhere",
            "CREATE TABLE extended (id int)",
            "ALTER EXTENSION plpgsql ADD TABLE extended",
            "CREATE TABLE p (id int) PARTITION BY RANGE (id)",
            "CREATE SCHEMA pgx_data",
            "CREATE TABLE pgx_data.t ()",
        )
    assert {label: table.kind for label, table in by_label(schema).items()} == {
        "extended": TableKind.ORDINARY,
        "f": TableKind.FOREIGN,
        "p": TableKind.PARTITIONED,
        "pgx_data.t": TableKind.ORDINARY,
        "r": TableKind.ORDINARY,
    }
    assert by_label(schema)["pgx_data.t"].columns == ()
    assert not schema.edges
    assert list(by_label(schema)) == ["pgx_data.t", "extended", "f", "p", "r"]


async def test_inheritance_children(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE TABLE a (id int PRIMARY KEY)",
        "CREATE TABLE b (x int)",
        "CREATE TABLE c () INHERITS (b, a)",
        "CREATE TABLE d () INHERITS (c)",
    )
    names = {table.oid: label for label, table in by_label(schema).items()}
    assert {label: [names[up] for up in table.inherits] for label, table in by_label(schema).items()} == {
        "a": [],
        "b": [],
        "c": ["b", "a"],
        "d": ["c"],
    }
    assert all(table.partitions == () for table in schema.tables.values())
