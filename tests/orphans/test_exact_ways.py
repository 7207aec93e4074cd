"""Which ways are exact for which edge; and that what is not claimed would indeed have counted wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.choice import counting
from fkexplorer.orphans.ways.dense import Range
from fkexplorer.orphans.ways.gaps import Gaps
from fkexplorer.orphans.ways.keys import OrderedPair, exact_ways
from fkexplorer.orphans.ways.plain import Plain
from fkexplorer.orphans.ways.skip import Skip
from fkexplorer.schema.model import PairOrder
from tests.orphans.connected import edge_of, opened
from tests.orphans.forced import forced

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Relationship, Schema

pytestmark = pytest.mark.matrix

ALL = frozenset(Way)
UNINDEXED_INTEGERS = frozenset({Way.PLAIN, Way.BITMAP, Way.RANGE})
ORDERED = frozenset({Way.PLAIN, Way.MERGE, Way.GAPS, Way.SKIP})
ORDERED_TOGETHER = frozenset({Way.PLAIN, Way.MERGE})
NONE = frozenset({Way.PLAIN})

_INT = "{0}_p (id int PRIMARY KEY)"
_TEXT = "{0}_p (id text PRIMARY KEY)"
_TWO = "{0}_p (a int, b int, PRIMARY KEY (a, b))"
# For each edge the parent, the child, its index and the ways.
EDGES: dict[str, tuple[str, str, str, frozenset[Way]]] = {
    "indexed": (_INT, "k int", "(k)", ALL),
    "unindexed": (_INT, "k int", "", UNINDEXED_INTEGERS),
    "crossing": ("{0}_p (id int8 PRIMARY KEY)", "k int2", "(k)", ALL),
    "domains": ("{0}_p (id d_int PRIMARY KEY)", "k int8", "(k)", ALL),
    "downwards": ("{0}_p (id int UNIQUE, n int)", "k int", "(k DESC, n)", ALL),
    "not_null": (_INT, "k int", "(k) WHERE k IS NOT NULL", ALL),
    "other_not_null": (_INT, "k int", "(k) WHERE n IS NOT NULL", UNINDEXED_INTEGERS),
    "partial": (_INT, "k int", "(k) WHERE k > 7", UNINDEXED_INTEGERS),
    "second": (_INT, "k int", "(n, k)", UNINDEXED_INTEGERS),
    "expression": (_INT, "k int", "(abs(k))", UNINDEXED_INTEGERS),
    "hashed": (_INT, "k int", "USING hash (k)", UNINDEXED_INTEGERS),
    "broken": (_INT, "k int", "(k)", UNINDEXED_INTEGERS),
    "to_numeric": ("{0}_p (id numeric PRIMARY KEY)", "k int", "(k)", NONE),
    "numbers": ("{0}_p (id numeric PRIMARY KEY)", "k numeric", "(k)", ORDERED),
    "oids": ("{0}_p (id oid PRIMARY KEY)", "k oid", "(k)", ORDERED),
    "times": ("{0}_p (id timestamptz PRIMARY KEY)", "k date", "(k)", ORDERED),
    "texts": (_TEXT, "k varchar(9)", "(k)", ORDERED),
    "unindexed_texts": (_TEXT, "k text", "", NONE),
    "pattern": (_TEXT, "k text", "(k text_pattern_ops)", NONE),
    "collated": (_TEXT, 'k text COLLATE "C"', "(k)", NONE),
    "other_index": (_TEXT, "k text", '(k COLLATE "C")', NONE),
    "blanks": ("{0}_p (id char(9) PRIMARY KEY)", "k text", "(k)", NONE),
    "composite_type": ("{0}_p (id pair PRIMARY KEY)", "k pair", "(k)", ORDERED_TOGETHER),
    "two": (_TWO, "k int, l int", "(k, l, n)", ORDERED_TOGETHER | {Way.GAPS}),
    "two_types": (
        "{0}_p (a int8, b text, PRIMARY KEY (b, a))",
        "k int, l text",
        "(l, k)",
        ORDERED_TOGETHER | {Way.GAPS},
    ),
    "two_with_a_row": ("{0}_p (a int, b pair, PRIMARY KEY (a, b))", "k int, l pair", "(k, l)", ORDERED_TOGETHER),
    "two_crossed": (_TWO, "k int, l int", "(l, k)", NONE),
    "two_of_three": (_TWO, "k int, l int", "(k, n, l)", NONE),
    "two_full": (_TWO, "k int, l int", "(k, l)", ORDERED_TOGETHER),
}


def _statements() -> str:
    made = ["CREATE DOMAIN d_int AS int", "CREATE TYPE pair AS (n int, t text)"]
    for name, (parent, child, index, _) in EDGES.items():
        made.append(f"CREATE TABLE {parent.format(name)}")
        made.append(f"CREATE TABLE {name} (n int, {child})")
        if index:
            made.append(f"CREATE INDEX {name}_index ON {name} {index}")
        columns = "k, l" if name.startswith("two") else "k"
        match = "MATCH FULL" if name == "two_full" else ""
        key = {"downwards": "(id)", "two_types": "(a, b)"}.get(name, "")
        made.append(f"ALTER TABLE {name} ADD FOREIGN KEY ({columns}) REFERENCES {name}_p {key} {match}")
    made.append("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken_index'::regclass")
    return ";".join(made)


@pytest.fixture(scope="module")
def conninfo(make_database: Callable[[str], str]) -> str:
    return make_database(_statements())


@pytest.fixture(scope="module")
def schema(conninfo: str) -> Schema:
    async def read() -> Schema:
        async with opened(conninfo) as (_, schema):
            return schema

    return asyncio.run(read())


@pytest.mark.parametrize("name", EDGES)
def test_the_ways_that_are_exact(schema: Schema, name: str) -> None:
    assert exact_ways(schema, edge_of(schema, name)) == EDGES[name][3]


def test_a_nondeterministic_collation_has_no_order_to_go_by(schema: Schema) -> None:
    edge = edge_of(schema, "texts")
    [pair] = edge.pairs
    assert pair.parent.collation is not None
    loose = replace(pair.parent.collation, deterministic=False)
    changed = replace(
        edge,
        pairs=(
            replace(pair, child=replace(pair.child, collation=loose), parent=replace(pair.parent, collation=loose)),
        ),
    )
    tables = {
        oid: replace(
            table,
            indexes=tuple(
                replace(index, columns=tuple(replace(column, collation=loose) for column in index.columns))
                for index in table.indexes
            ),
        )
        for oid, table in schema.tables.items()
    }
    assert exact_ways(replace(schema, tables=tables), changed) == NONE


def test_a_key_that_is_not_unique_has_no_range(schema: Schema) -> None:
    edge = edge_of(schema, "indexed")
    parent = schema.parent_of(edge)
    repeated = replace(parent, indexes=tuple(replace(index, unique=False) for index in parent.indexes))
    tables = {**schema.tables, parent.oid: repeated}
    assert exact_ways(replace(schema, tables=tables), edge) == ALL - {Way.RANGE}


def test_rows_are_compared_by_operators_of_one_name_alone(schema: Schema) -> None:
    edge = edge_of(schema, "two")
    first, second = edge.pairs
    [order] = second.orders
    elsewhere = replace(order, less=replace(order.less, schema="elsewhere"))
    changed = replace(edge, pairs=(first, replace(second, orders=(elsewhere,))))
    assert exact_ways(schema, changed) == ORDERED_TOGETHER


@pytest.mark.parametrize("change", ["period", "operator", "two"])
def test_what_is_no_equality_of_integers(schema: Schema, change: str) -> None:
    edge = edge_of(schema, "indexed")
    [pair] = edge.pairs
    assert pair.equals is not None
    changed = {
        "period": replace(edge, period=True),
        "operator": replace(edge, pairs=(replace(pair, equals=replace(pair.equals, schema="public"), orders=()),)),
        "two": replace(edge, pairs=(pair, pair)),
    }[change]
    assert exact_ways(schema, changed) == NONE


# Were these claimed, their counts would be wrong: for each the tables, and the way that does not go there.
_MISCOUNTED = {
    "an order of its own": """
        CREATE FUNCTION less(int, int) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs($1) < abs($2)';
        CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs($1) = abs($2)';
        CREATE FUNCTION more(int, int) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs($1) > abs($2)';
        CREATE FUNCTION compared(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT
         AS 'SELECT sign(abs($1) - abs($2))::int';
        CREATE OPERATOR |<| (FUNCTION = less, LEFTARG = int, RIGHTARG = int);
        CREATE OPERATOR |=| (FUNCTION = same, LEFTARG = int, RIGHTARG = int);
        CREATE OPERATOR |>| (FUNCTION = more, LEFTARG = int, RIGHTARG = int);
        CREATE OPERATOR CLASS by_size FOR TYPE int USING btree AS
         OPERATOR 1 |<|, OPERATOR 3 |=|, OPERATOR 5 |>|, FUNCTION 1 compared (int, int);
        CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (k int REFERENCES p); CREATE INDEX ON c (k by_size);
        INSERT INTO p VALUES (1), (2), (3); INSERT INTO c VALUES (2), (-2), (-3)""",
    "a NULL in a composite value": """
        CREATE TYPE pair AS (n int, t text);
        CREATE TABLE p (id pair PRIMARY KEY); CREATE TABLE c (k pair); CREATE INDEX ON c (k);
        INSERT INTO p VALUES ((1, 'a')), ((3, 'a'));
        INSERT INTO c VALUES ((2, NULL)), ((1, 'a')), ((2, 'x')), ((5, 'z'));
        ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p NOT VALID""",
    "a collation that is looser than the equality": """
        CREATE EXTENSION citext;
        CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
        CREATE TABLE p (id citext COLLATE loose PRIMARY KEY); CREATE TABLE c (k citext COLLATE loose);
        CREATE INDEX ON c (k);
        INSERT INTO p VALUES ('e'), ('f'); INSERT INTO c VALUES ('é'), ('è'), ('e'), ('F'), ('g');
        ALTER TABLE c ADD FOREIGN KEY (k) REFERENCES p NOT VALID""",
}


def _claimed(schema: Schema, edge: Relationship) -> OrderedPair:
    """As if the pair's order were the equality's, by the operators of the child's index."""
    [pair] = edge.pairs
    [child] = [column for index in schema.child_of(edge).indexes for column in index.columns]
    [parent] = [column for index in schema.parent_of(edge).indexes for column in index.columns]
    assert child.less is not None
    assert child.greater is not None
    order = PairOrder(child.family, child.less, child.greater)
    return OrderedPair(pair, order, child, parent)


@pytest.mark.parametrize("name", _MISCOUNTED)
@pytest.mark.parametrize("way", [Way.GAPS, Way.SKIP])
async def test_what_is_not_claimed_would_count_wrong(database_url: str, name: str, way: Way) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        try:
            connection.execute("SET session_replication_role = replica; " + _MISCOUNTED[name])
        except errors.FeatureNotSupported:
            pytest.skip("this server has no ICU")
        except errors.UndefinedFile:
            pytest.skip("this server has no citext")
        connection.execute("SET search_path = ''")
        async with opened(database_url) as (_, schema):
            edge = edge_of(schema, "c")
            assert way not in exact_ways(schema, edge)
            predicate = EdgePredicate(schema, edge)
            ordered = _claimed(schema, edge)
            made: Counting = Gaps(predicate, (ordered,)) if way is Way.GAPS else Skip(predicate, ordered, 1000)
            truth = forced(connection, Plain(predicate))
            assert forced(connection, made) != truth


async def test_a_range_of_keys_that_repeat_would_count_wrong(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE p (id int, code int UNIQUE); CREATE TABLE c (k int REFERENCES p (code));"
            "INSERT INTO p (id) VALUES (1), (3), (3); SET session_replication_role = replica; INSERT INTO c VALUES (2)"
        )
        async with opened(database_url) as (database, schema):
            edge = edge_of(schema, "c")
            [pair] = edge.pairs
            by_id = replace(edge, pairs=(replace(pair, parent=schema.parent_of(edge).column(1)),))
            assert exact_ways(schema, by_id) == {Way.PLAIN, Way.BITMAP}
            predicate = EdgePredicate(schema, by_id)
            version = database.facts.version_number
            assert forced(connection, Plain(predicate)) == 1
            assert forced(connection, Range(predicate, version, indexed=False)) == 0


async def test_skipping_gives_up_after_so_many_keys(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (k int REFERENCES p); CREATE INDEX ON c (k);"
            "SET session_replication_role = replica; INSERT INTO c SELECT n % 5 FROM generate_series(1, 20) n"
        )
        async with opened(database_url) as (_, schema):
            edge = edge_of(schema, "c")
            predicate, ordered = EdgePredicate(schema, edge), _claimed(schema, edge)
            assert [forced(connection, Skip(predicate, ordered, most)) for most in (4, 5, 6, 7)] == [None, None, 20, 20]


async def test_parents_whose_keys_are_all_null_in_a_part(make_database: Callable[[str], str]) -> None:
    """None of them can be referred to, by whichever column their NULL is."""
    conninfo = make_database(
        "CREATE TABLE p (a int, b int, UNIQUE (a, b)); CREATE TABLE c (a int, b int); CREATE INDEX ON c (a, b);"
        "INSERT INTO p VALUES (1, NULL), (NULL, 2), (NULL, NULL); INSERT INTO c VALUES (1, 1), (2, 2), (1, NULL);"
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p (a, b) NOT VALID"
    )
    async with opened(conninfo) as (database, schema):
        predicate = EdgePredicate(schema, edge_of(schema, "c"))
        version = database.facts.version_number
    with psycopg.connect(conninfo) as connection:
        for way in exact_ways(schema, predicate.edge):
            made = counting(way, schema, predicate, version)
            assert made is not None
            assert forced(connection, made) == 2, way
