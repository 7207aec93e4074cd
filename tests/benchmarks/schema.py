"""How long the catalogue takes to read, ours against SQLAlchemy's Inspector: `python -m tests.benchmarks.schema`.

2,000 tables, 18,000 columns, 4,000 foreign keys and 3,000 indexes, to a finished model of plain values, over one warm
connection each, in turns; once locally and once through a proxy that adds 40 ms to each round trip.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.demo.server import EmbeddedServer
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = 10
TABLES = 200
DELAY = 0.020
"""Seconds, each way."""


def ddl() -> Iterator[list[str]]:
    """The statements of each transaction: one for all would need more locks than a server has."""
    names = [(f"s{n // TABLES}", f"table_{n}") for n in range(SCHEMAS * TABLES)]
    yield [f"CREATE SCHEMA s{n}" for n in range(SCHEMAS)]
    for start in range(0, len(names), 100):
        yield [
            f"""CREATE TABLE {schema}.{name} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                  first_id bigint NOT NULL, second_id bigint, name varchar(80) NOT NULL, note text DEFAULT '',
                  price numeric(12,2), created_at timestamptz NOT NULL DEFAULT now(), active boolean, doc jsonb)"""
            for schema, name in names[start : start + 100]
        ]
    for start in range(0, len(names), 100):
        batch = []
        for n in range(start, start + 100):
            (schema, name), (first_schema, first) = names[n], names[n // 2]
            second_schema, second = names[(n * 7 + 13) % len(names)]
            batch += [
                f"""ALTER TABLE {schema}.{name}
                  ADD CONSTRAINT {name}_first_fkey FOREIGN KEY (first_id) REFERENCES {first_schema}.{first},
                  ADD CONSTRAINT {name}_second_fkey FOREIGN KEY (second_id) REFERENCES {second_schema}.{second}
                    ON DELETE CASCADE"""
            ]
            if n % 2:
                batch.append(f"CREATE INDEX ON {schema}.{name} (first_id)")
        yield batch


def build(conninfo: str) -> None:
    """Make the tables."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for batch in ddl():
            with connection.transaction():
                connection.execute(";".join(batch).encode())
        connection.execute("VACUUM ANALYZE pg_catalog.pg_attribute")
        connection.execute("VACUUM ANALYZE pg_catalog.pg_constraint")


def inspected(connection: sa.Connection) -> dict[tuple[str | None, str], Any]:
    """The Inspector's answers as plain values: columns, keys, foreign keys, indexes, unique constraints, comments."""
    inspector = sa.inspect(connection)
    model: dict[tuple[str | None, str], Any] = {}
    for schema in inspector.get_schema_names():
        if schema == "information_schema":
            continue
        keys = inspector.get_multi_pk_constraint(schema)
        foreign = inspector.get_multi_foreign_keys(schema)
        indexes = inspector.get_multi_indexes(schema)
        unique = inspector.get_multi_unique_constraints(schema)
        comments = inspector.get_multi_table_comment(schema)
        for table, columns in inspector.get_multi_columns(schema).items():
            model[table] = (
                tuple((c["name"], str(c["type"]), c["nullable"], c["default"], c.get("comment")) for c in columns),
                tuple(keys[table]["constrained_columns"]),
                tuple(
                    (f["name"], f["constrained_columns"], f["referred_schema"], f["referred_table"], f["options"])
                    for f in foreign[table]
                ),
                tuple((i["name"], i["column_names"], i["unique"]) for i in indexes[table]),
                tuple((u["name"], u["column_names"]) for u in unique[table]),
                comments[table]["text"],
            )
    return model


async def timed(conninfo: str, rounds: int) -> tuple[float, float]:
    """Median seconds of ours and of the Inspector's, taken in turns after one run of each that does not count."""
    database = await Database.connect(Source(conninfo, "argument"))
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=sa.StaticPool
    )
    ours: list[float] = []
    theirs: list[float] = []

    def inspect() -> float:
        with engine.connect() as connection:
            started = time.perf_counter()
            model = inspected(connection)
            seconds = time.perf_counter() - started
        counts = len(model), sum(len(t[0]) for t in model.values()), sum(len(t[2]) for t in model.values())
        check(counts, "the Inspector")
        return seconds

    try:
        for _ in range(rounds + 1):
            started = time.perf_counter()
            schema = await read_schema(database)
            ours.append(time.perf_counter() - started)
            tables = schema.tables.values()
            check((len(tables), sum(len(t.columns) for t in tables), len(schema.edges)), "fkexplorer")
            theirs.append(await asyncio.to_thread(inspect))
    finally:
        await database.close()
        engine.dispose()
    return statistics.median(ours[1:]), statistics.median(theirs[1:])


def check(counts: tuple[int, int, int], who: str) -> None:
    """A fast answer has to be a whole one."""
    wanted = (SCHEMAS * TABLES, SCHEMAS * TABLES * 9, SCHEMAS * TABLES * 2)
    if counts != wanted:
        raise SystemExit(f"{who} found {counts} tables, columns and foreign keys in place of {wanted}")


async def measure(conninfo: str, rounds: int) -> None:
    """Print a line for each way to the server."""
    print("catalogue to model, median   fkexplorer   Inspector   times as fast")
    for name, delay, aim in (("local", None, 2), ("40 ms round trip", DELAY, 6)):
        if delay is None:
            ours, theirs = await timed(conninfo, rounds)
        else:
            async with Proxy(conninfo, delay=delay) as proxy:
                ours, theirs = await timed(proxy.conninfo, rounds)
        print(f"{name:<27}{ours * 1000:>9.0f} ms{theirs * 1000:>9.0f} ms{theirs / ours:>16.1f}   (aim: at least {aim})")


def main() -> None:
    """Build the schema on a server of our own, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with EmbeddedServer.start() as server:
        conninfo = server.conninfo()
        build(conninfo)
        asyncio.run(measure(conninfo, rounds))


if __name__ == "__main__":
    main()
