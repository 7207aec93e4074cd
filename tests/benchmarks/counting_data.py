"""The tables of the counting benchmark: children whose missing keys, NULLs and parents are known beforehand.

Keys come from numbers 1, 2, 3, …, of which every hundredth is a hole that no ordinary row refers to, as a sequence
has after some rollbacks. Ordinary rows refer to the others at random, in no order. A few special rows, a millionth of
all, refer to a hole each, or to a number beyond the greatest. The parents differ in what they lack:

| orphans | the parent has |
|---|---|
| 0 | all that is referred to |
| 1e-6 | all but the keys of the special rows |
| 1%, 50% | the same without one number in a hundred, or without every second |
| dense, tail | every number up to the greatest, also those of the holes; the special rows' beyond it or not |

So one child serves all, and the constraint to the first parent is there for VALIDATE CONSTRAINT to succeed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

    from tests.benchmarks.counting_cases import Data

SCHEMA = "fkx_bench"
_MARK = "tables of the counting benchmark of fkexplorer"
_HOLES = 100


@dataclass(frozen=True, slots=True)
class Names:
    """How a key is written in SQL; the child's and the parent's columns have the same names."""

    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The columns, between commas."""
        return ", ".join(self.columns)


_KEYS = {
    "int8": (Names(("k",), ("bigint",)), ("n",)),
    "uuid": (Names(("k",), ("uuid",)), ("md5(n::text)::uuid",)),
    "text": (Names(("k",), ("text",)), ("'u' || left(md5(n::text), 19)",)),
    "pair": (Names(("a", "b"), ("int", "int")), ("(coalesce(n, g) % 97)::int", "(n / 97)::int")),
}
"""By kind: the columns, and what makes their values of a number `n` (and, where `n` is NULL, the row's number `g`)."""


def names(data: Data) -> Names:
    """The key's columns."""
    return _KEYS[data.kind][0]


def parent_name(orphans: str) -> str:
    """The parent table of a share of orphans."""
    return {"0": "p_clean", "1e-6": "p_few", "1%": "p_some", "50%": "p_half", "dense": "p_dense", "tail": "p_tail"}[
        orphans
    ]


def constraint_name(orphans: str) -> str:
    """The child's constraint to that parent."""
    return f"to_{parent_name(orphans)}"


def make_schema(connection: psycopg.Connection) -> None:
    """An empty schema of our own; one that a run left behind is replaced.

    Raises:
        SystemExit: there is a schema of that name that no benchmark made.
    """
    drop_schema(connection)
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() != (None,):
        raise SystemExit(f"the schema {SCHEMA} is somebody's: drop it, or use another database")
    connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
    connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{_MARK}'".encode())
    connection.execute(f"SET search_path = {SCHEMA}".encode())
    # VACUUM calls no row visible to all whose commit has not reached the log yet.
    connection.execute("SET synchronous_commit = on")


def drop_schema(connection: psycopg.Connection) -> None:
    """Remove the schema, if a benchmark made it."""
    made = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
    if connection.execute(made, [SCHEMA]).fetchone() == (_MARK,):
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE".encode())


def make_tables(connection: psycopg.Connection, data: Data, orphans: set[str], scale: int) -> None:
    """The child and the parents that these shares of orphans want, without an index on the child's key.

    Statements run one by one in autocommit: with `wal_level = minimal` a table that is made by its own rows is not
    logged.
    """
    rows, keys = data.rows(scale), data.keys(scale)
    top = (keys - 1) // (_HOLES - 1) * _HOLES + (keys - 1) % (_HOLES - 1) + 1
    specials = max(2, rows // 1_000_000)
    every = rows // specials
    columns = _KEYS[data.kind][1]
    key, values = names(data), ", ".join(f"{e} AS {c}" for e, c in zip(columns, names(data).columns, strict=True))
    pad = f"repeat('x', {430 if data.wide else 28})"
    special = f"CASE WHEN s % 2 = 0 THEN {_HOLES} * (1 + s * 7919 % {top // _HOLES}) ELSE {top} + 1 + s / 2 END"
    ordinary = f"(j / {_HOLES - 1} * {_HOLES} + j % {_HOLES - 1} + 1)"
    connection.execute("SELECT setseed(0.5)")
    execute(
        connection,
        f"""CREATE TABLE child AS
        SELECT g AS id, {values}, {pad} AS pad FROM (
          SELECT g, CASE WHEN g % {every} = {every // 2} THEN (SELECT {special} FROM (SELECT g / {every} AS s) e)
                         WHEN blank < {data.nulls / 100} THEN NULL ELSE {ordinary} END AS n
          FROM (SELECT g, random() AS blank, floor(random() * {keys})::bigint AS j
                FROM (SELECT generate_series(1::bigint, {rows}) AS g) a OFFSET 0) b OFFSET 0) c""",
    )
    everything = f"SELECT {ordinary} AS n FROM generate_series(0::bigint, {keys - 1}) j"
    extra = f"SELECT DISTINCT {special} FROM generate_series(0::bigint, {specials - 1}) s"
    for share in sorted(orphans | {"0"}):
        numbers = {
            "0": f"{everything} UNION ALL {extra}",
            "1e-6": everything,
            "1%": f"SELECT n FROM ({everything}) e WHERE n % {_HOLES} <> 7",
            "50%": f"SELECT n FROM ({everything}) e WHERE n % 2 = 1",
            "dense": f"SELECT generate_series(1::bigint, {top + specials}) AS n",
            "tail": f"SELECT generate_series(1::bigint, {top}) AS n",
        }[share]
        parent = parent_name(share)
        execute(
            connection,
            f"""CREATE TABLE {parent} AS SELECT {values}, 'parent ' || n AS name
            FROM (SELECT n, n AS g FROM ({numbers}) a ORDER BY n) b""",
            f"ALTER TABLE {parent} ADD PRIMARY KEY ({key.listed})",
            f"""ALTER TABLE child ADD CONSTRAINT {constraint_name(share)}
            FOREIGN KEY ({key.listed}) REFERENCES {parent} NOT VALID""",
            f"VACUUM (ANALYZE) {parent}",
        )
    execute(connection, "VACUUM (ANALYZE) child" if data.visible else "ANALYZE child")


def add_index(connection: psycopg.Connection, data: Data) -> None:
    """Index the child's key."""
    execute(connection, f"CREATE INDEX child_key ON child ({names(data).listed})")


def drop_tables(connection: psycopg.Connection) -> None:
    """Remove all tables of the schema."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA]).fetchall()
    if tables:
        execute(connection, f"DROP TABLE {', '.join(name for (name,) in tables)}")


def execute(connection: psycopg.Connection, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    for statement in statements:
        connection.execute(statement.encode())
