"""Pairs of columns without a constraint: they are compared as a foreign key would compare them, or not at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pairs
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.predicate import EdgePredicate, count_statement
from fkexplorer.schema.model import EdgeKind, EdgeState
from fkexplorer.schema.names import edge_label, split_pair
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = [
    "int", "bigint", "numeric", "text", "varchar(9)", "char(9)", "uuid", "date", "timestamptz", "name", "oid", "text[]",
    "int4range", "mood", "other_mood", "email", "postcode", "inet", "cidr", "json", "whole", "citext",
]  # fmt: skip
"""Types of columns, in all pairs of which PostgreSQL is asked whether a foreign key can be."""

MAKE = """
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE TYPE other_mood AS ENUM ('a', 'b');
CREATE DOMAIN email AS citext;
CREATE DOMAIN postcode AS varchar(9);
CREATE TYPE whole AS (a int, b text);
"""


async def test_all_pairs_of_types_are_compared_as_a_foreign_key_compares_them(
    make_database: Callable[[str], str],
) -> None:
    parents = [kind for kind in TYPES if kind != "json"]
    conninfo = make_database(
        MAKE
        + "CREATE TABLE c (" + ", ".join(f"c{at} {kind}" for at, kind in enumerate(TYPES)) + ");"
        + "CREATE TABLE p (" + ", ".join(f"p{at} {kind} UNIQUE" for at, kind in enumerate(parents)) + ");"
    )  # fmt: skip
    made: dict[str, tuple[str, str] | None] = {}
    with psycopg.connect(conninfo) as connection:
        for child in range(len(TYPES)):
            for parent in range(len(parents)):
                try:
                    with connection.transaction(force_rollback=True):
                        connection.execute(
                            f"ALTER TABLE c ADD CONSTRAINT k FOREIGN KEY (c{child}) REFERENCES p (p{parent})".encode()
                        )
                        made[f"c(c{child}):p(p{parent})"] = connection.execute(
                            "SELECT o.oprleft::regtype::text, o.oprright::regtype::text FROM pg_constraint k"
                            " JOIN pg_operator o ON o.oid = k.conpfeqop[1] WHERE k.conname = 'k'"
                        ).fetchone()
                except psycopg.errors.DatatypeMismatch:
                    made[f"c(c{child}):p(p{parent})"] = None
        assert sum(operator is not None for operator in made.values()) > 50
        async with opened(conninfo) as (database, schema):
            for pair, operator in made.items():
                if operator is None:
                    with pytest.raises(Trouble, match="no foreign key compares them"):
                        await edge_or_pair(database, schema, pair)
                    continue
                edge = await edge_or_pair(database, schema, pair)
                equals = edge.pairs[0].equals
                assert equals is not None
                for side, kind in zip((equals.left, equals.right), operator, strict=True):
                    if side is not None:
                        asked = connection.execute(
                            "SELECT format('%%I.%%I', %s::text, %s::text)::regtype::text", [side.schema, side.name]
                        ).fetchone()
                        assert asked == (kind,), pair
                    else:
                        assert kind.startswith("any") or kind == "record", pair


async def test_a_pair_is_counted(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        'CREATE TABLE "P s" (a int, "b:x" text); CREATE TABLE c (x int, y varchar(5), z int REFERENCES c2);'
        ' INSERT INTO "P s" VALUES (1, \'u\'), (2, \'v\'); INSERT INTO c VALUES (1, \'u\'), (1, \'v\'), (2, NULL);'
        .replace("REFERENCES c2", "UNIQUE REFERENCES c (z)")
    )  # fmt: skip
    async with opened(conninfo) as (database, schema):
        edge = await edge_or_pair(database, schema, 'c (y, x) : public."P s"("b:x",a)')
        assert (edge.kind, edge.state) == (EdgeKind.CONFIGURED, EdgeState.UNDECLARED)
        assert edge.oid < 0
        assert (await edge_or_pair(database, schema, 'c(x,y):"P s"(a,"b:x")')).oid == edge.oid
        assert edge_label(schema, edge) == 'public.c(y, x):public."P s"("b:x", a)'
        statement = count_statement(EdgePredicate(schema, edge), database.facts.version_number)
        async with database.read() as connection:
            assert (await connection.execute(statement)).one().orphans == 1
        declared = await edge_or_pair(database, schema, "c(z):c(z)")
        assert declared in schema.edges.values()
        for text, code in (
            ("c(x, y):c(x)", "bad_pair"),
            ("c(q):c(x)", "no_column"),
            ("d(q):c(x)", "no_table"),
            ("c(q)", "no_edge"),
        ):
            with pytest.raises(Trouble) as caught:
                await edge_or_pair(database, schema, text)
            assert caught.value.code == code


@pytest.mark.parametrize("text", ["a.b.c", "a(b)", "a:b", "a(b):c", "a:b(c)", '"a(b):c(d)"', "a():b()", "a(b)x:c(d)"])
def test_what_is_no_pair(text: str) -> None:
    assert split_pair(text) is None


@pytest.mark.matrix
async def test_an_index_serves_a_pair_as_it_would_serve_the_constraint(make_database: Callable[[str], str]) -> None:
    columns = ["int", "bigint", "numeric", "text", "varchar(9)", "char(9)", "uuid", "mood", "citext", "date"]
    conninfo = make_database(
        "CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('a', 'b');"
        "CREATE TABLE c (" + ", ".join(f"c{at} {kind}" for at, kind in enumerate(columns)) + ");"
        "CREATE TABLE p (" + ", ".join(f"p{at} {kind} UNIQUE" for at, kind in enumerate(columns)) + ");"
        + "".join(f"CREATE INDEX c{at}_i ON c (c{at}); " for at in range(len(columns)))
        + "CREATE INDEX wide ON c (c1, c0, c2); CREATE INDEX partial ON c (c0) WHERE c1 > 2;"
    )  # fmt: skip
    pairs = [(child, parent) for child in range(len(columns)) for parent in range(len(columns))]
    with psycopg.connect(conninfo) as connection:
        for child, parent in pairs:
            with contextlib.suppress(psycopg.errors.DatatypeMismatch), connection.transaction():
                connection.execute(
                    f"ALTER TABLE c ADD CONSTRAINT k{child}_{parent} FOREIGN KEY (c{child}) REFERENCES p (p{parent})"
                    .encode()
                )  # fmt: skip
    async with opened(conninfo) as (_, schema):
        by_constraint = {edge.name: edge for edge in schema.edges.values()}
    with psycopg.connect(conninfo) as connection:
        connection.execute("; ".join(f"ALTER TABLE c DROP CONSTRAINT {name}" for name in by_constraint).encode())
    async with opened(conninfo) as (database, schema):
        tables = {table.name: table for table in schema.tables.values()}
        found = await read_pairs(
            database,
            schema,
            [
                ((tables["c"], [tables["c"].columns[c]]), (tables["p"], [tables["p"].columns[p]]), None)
                for c, p in pairs
            ],
        )
        wide = await edge_or_pair(database, schema, "c(c0, c1):p(p0, p1)")
    assert len(by_constraint) > 15
    for pair, edge in zip(pairs, found, strict=True):
        declared = by_constraint.get("k{}_{}".format(*pair))
        assert edge.index == (declared.index if declared else None), pair
        assert edge.pairs[0].equals == (declared.pairs[0].equals if declared else None), pair
        assert set(edge.pairs[0].orders) == set(declared.pairs[0].orders if declared else ()), pair
    assert wide.index == "public.wide"
