"""A monitor beside random writers, each of its numbers held against the truth: `python -m tests.orphans.monitor_run`.

Every transaction writes into a ledger by how much it changes the orphans of an edge, so that the truth of any snapshot
is a sum over the transactions that it sees. A count must be true in its own snapshot, and a count that is said to be
right still, in the snapshot of the look that said so.

Each writer has keys of its own, so that what it changes does not depend on what others do at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.events import Confirmed, Counted, Event
from fkexplorer.orphans.monitor import Monitor, MonitorOptions
from tests.servers import DEFAULT, Servers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from fkexplorer.schema.model import Schema

    Step = Callable[[psycopg.AsyncConnection, random.Random, int], Awaitable[None]]

EDGES = 8
KEYS = 100
"""Keys of each writer in each table; it has the first half as parents at the start, and the second never."""

SCHEMA = f"""
CREATE TABLE ledger (edge int, delta int, xid xid8 DEFAULT pg_current_xact_id());
DO $$ BEGIN FOR n IN 0 .. {EDGES - 1} LOOP
 EXECUTE format('CREATE TABLE p%s (id int PRIMARY KEY)', n);
 EXECUTE format('INSERT INTO p%s SELECT w * {KEYS} + k'
  ' FROM generate_series(0, 19) w, generate_series(0, {KEYS // 2 - 1}) k', n);
 IF n < {EDGES - 1} THEN EXECUTE format('CREATE TABLE c%s (pid int)', n);
 ELSE
  EXECUTE format('CREATE TABLE c%s (pid int) PARTITION BY HASH (pid)', n);
  EXECUTE format('CREATE TABLE c%s_0 PARTITION OF c%s FOR VALUES WITH (MODULUS 2, REMAINDER 0)', n, n);
  EXECUTE format('CREATE TABLE c%s_1 PARTITION OF c%s FOR VALUES WITH (MODULUS 2, REMAINDER 1)', n, n);
 END IF;
 EXECUTE format('ALTER TABLE c%s ADD FOREIGN KEY (pid) REFERENCES p%s', n, n);
END LOOP; END $$;

CREATE FUNCTION orphans(n int, low int, high int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE found int; BEGIN
 EXECUTE format('SELECT count(*) FROM c%s WHERE pid BETWEEN %s AND %s AND NOT EXISTS (SELECT FROM p%s WHERE id = pid)',
  n, low, high, n) INTO found;
 RETURN found; END $$;

CREATE FUNCTION change(n int, low int, kind text, key int, rows int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE high int := low + {KEYS - 1}; before int;
BEGIN
 PERFORM set_config('session_replication_role', 'replica', true);
 IF kind = 'truncate' THEN
  EXECUTE format('LOCK TABLE c%s', n);
  low := 0; high := 1000000;
 END IF;
 before := orphans(n, low, high);
 CASE kind
  WHEN 'insert' THEN EXECUTE format('INSERT INTO c%s SELECT %s FROM generate_series(1, %s)', n, low + key, rows);
  WHEN 'delete' THEN EXECUTE format('DELETE FROM c%s WHERE pid = %s', n, low + key);
  WHEN 'update' THEN
   EXECUTE format('UPDATE c%s SET pid = %s WHERE pid = %s', n, low + (key + rows) % {KEYS}, low + key);
  WHEN 'parent gone' THEN EXECUTE format('DELETE FROM p%s WHERE id = %s', n, low + key);
  WHEN 'parent back' THEN
   EXECUTE format('INSERT INTO p%s SELECT %s ON CONFLICT DO NOTHING', n, low + key % {KEYS // 2});
  WHEN 'truncate' THEN EXECUTE format('TRUNCATE c%s', n);
 END CASE;
 INSERT INTO ledger VALUES (n, orphans(n, low, high) - before);
END $$;

CREATE PROCEDURE changes(n int, low int, times int) LANGUAGE plpgsql AS $$ BEGIN
 FOR k IN 1 .. times LOOP
  PERFORM change(n, low, 'insert', {KEYS - 1}, k); COMMIT; PERFORM pg_sleep(0.1);
 END LOOP; END $$;
"""

TRUTHS = """
SELECT claimed.edge, claimed.orphans, coalesce(sum(l.delta), 0)::int, claimed.what
FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[]) claimed(edge, orphans, snapshot, what)
LEFT JOIN ledger l ON l.edge = claimed.edge AND pg_visible_in_snapshot(l.xid, claimed.snapshot::pg_snapshot)
GROUP BY claimed.edge, claimed.orphans, claimed.snapshot, claimed.what
HAVING coalesce(sum(l.delta), 0) <> claimed.orphans
"""


@dataclass
class Outcome:
    """What a run saw."""

    counts: int = 0
    changes: int = 0
    """Counts that had another number than the one before."""
    skipped: int = 0
    """Recounts that were skipped although something had been committed: a proof by counters."""
    confirmed: int = 0
    """Counts that were said to be right still, once for each look."""
    transactions: int = 0
    wrong: list[tuple[object, ...]] = field(default_factory=list)
    """What was not true: edge, number, truth, and whether it was `counted` or `confirmed`."""


class Run:
    """One run: writers, a monitor, and what it claimed."""

    def __init__(self, conninfo: str, seed: int) -> None:
        self.conninfo = conninfo
        self.outcome = Outcome()
        self._random = random.Random(seed)  # noqa: S311 - that it can be repeated is what it is for
        self._numbers: dict[int, int] = {}
        self._snapshots: dict[int, str | None] = {}
        self._claims: set[tuple[int, int, str, str]] = set()
        self._monitor: Monitor | None = None

    # Writers

    def _change(self, random: random.Random, writer: int) -> str:
        kinds = ["insert"] * 4 + ["delete", "update", "parent gone", "parent back"] * 2
        kind = random.choice(kinds)
        return (
            f"SELECT change({random.randrange(EDGES)}, {writer * KEYS}, '{kind}', {random.randrange(KEYS)},"
            f" {random.randint(1, 3)})"
        )

    async def _one_statement(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        await session.execute(self._change(random, writer).encode())

    async def _one_message(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        """It commits, and idles in its next transaction, all in one message."""
        await session.execute(f"BEGIN; {self._change(random, writer)}; COMMIT; BEGIN; SELECT 1".encode())
        await asyncio.sleep(random.uniform(0.1, 1.5))
        await session.execute("COMMIT")

    async def _long(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        await session.execute("BEGIN")
        for _ in range(random.randint(1, 3)):
            await session.execute(self._change(random, writer).encode())
            await asyncio.sleep(random.uniform(0.05, 0.8))
        await session.execute(random.choice([b"COMMIT", b"COMMIT", b"ROLLBACK"]))

    async def _prepared(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        name = f"run_{writer}_{random.randrange(1 << 30)}"
        await session.execute(f"BEGIN; {self._change(random, writer)}; PREPARE TRANSACTION '{name}'".encode())
        await asyncio.sleep(random.uniform(0.05, 0.8))
        how = random.choice(["COMMIT", "COMMIT", "ROLLBACK"])
        async with await self._session() as other:
            await other.execute(f"{how} PREPARED '{name}'".encode())

    async def _truncate(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        change = f"SELECT change({random.randrange(EDGES)}, {writer}, 'truncate', 0, 0)"
        await session.execute(f"BEGIN; SET LOCAL lock_timeout = '200ms'; {change}; COMMIT".encode())

    async def _procedure(self, session: psycopg.AsyncConnection, random: random.Random, writer: int) -> None:
        call = f"CALL changes({random.randrange(EDGES)}, {writer * KEYS}, {random.randint(2, 6)})"
        await session.execute(call.encode())

    async def _session(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)

    async def _write(self, writer: int, seed: int, *, stays: bool) -> None:
        """Write until cancelled, in one session or in a new one each time."""
        choice = random.Random(seed)  # noqa: S311 - as above
        steps: list[Step] = [self._one_statement, self._one_statement, self._truncate]
        if stays:
            steps += [self._one_message, self._long, self._prepared, self._procedure]
            async with await self._session() as session:
                while True:
                    await self._step(session, choice, writer, steps)
                    await asyncio.sleep(choice.uniform(0.02, 0.4))
        while True:
            async with await self._session() as session:
                await self._step(session, choice, writer, steps)
            await asyncio.sleep(choice.uniform(0.1, 0.8))

    async def _step(
        self, session: psycopg.AsyncConnection, choice: random.Random, writer: int, steps: Sequence[Step]
    ) -> None:
        with contextlib.suppress(psycopg.Error):  # a deadlock, a lock that took too long
            await choice.choice(steps)(session, choice, writer)
            self.outcome.transactions += 1
        if session.info.transaction_status:
            await session.execute("ROLLBACK")

    async def _writers(self, seconds: float) -> None:
        """Sessions that stay and hold their counts back, and in turns with them sessions that come and go."""
        async with asyncio.timeout(seconds):
            while True:
                for stays in (False, True):
                    number = 4 if stays else 2
                    seeds = [self._random.randrange(1 << 30) for _ in range(number)]
                    writers = [asyncio.create_task(self._write(n, seed, stays=stays)) for n, seed in enumerate(seeds)]
                    try:
                        await asyncio.sleep(self._random.uniform(2, 4))
                        for task in writers:
                            if task.done():
                                task.result()
                    finally:
                        for task in writers:
                            task.cancel()
                        await asyncio.gather(*writers, return_exceptions=True)
                        await self._end_prepared()

    async def _end_prepared(self) -> None:
        """End what a writer that was cancelled has left prepared: its locks would stay for ever."""
        async with await self._session() as session:
            cursor = await session.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
            for (name,) in await cursor.fetchall():
                with contextlib.suppress(psycopg.Error):
                    await session.execute(f"ROLLBACK PREPARED '{name}'".encode())

    # Claims

    def _edge(self, schema: Schema, oid: int) -> int:
        return int(schema.child_of(schema.edges[oid]).name.removeprefix("c"))

    def _listen(self, event: Event) -> None:
        assert self._monitor is not None
        schema = self._monitor.schema
        match event:
            case Counted(count) if count.orphans is not None and count.snapshot is not None:
                edge = self._edge(schema, count.edge)
                self.outcome.counts += 1
                self.outcome.changes += self._numbers.get(count.edge, count.orphans) != count.orphans
                self._numbers[count.edge], self._snapshots[count.edge] = count.orphans, count.snapshot
                self._claims.add((edge, count.orphans, count.snapshot, "counted"))
            case Confirmed(_, edges):
                for oid in edges:
                    snapshot = self._monitor._fresh.proofs[oid].snapshot
                    assert snapshot is not None
                    self.outcome.confirmed += 1
                    self.outcome.skipped += snapshot != self._snapshots[oid]
                    self._snapshots[oid] = snapshot
                    self._claims.add((self._edge(schema, oid), self._numbers[oid], snapshot, "confirmed"))
            case _:
                pass

    async def _verify(self) -> None:
        """Hold all claims against the ledger, and the ledger against the tables."""
        async with await self._session() as session:
            columns = [list(column) for column in zip(*self._claims, strict=True)]
            cursor = await session.execute(TRUTHS, columns)
            self.outcome.wrong += await cursor.fetchall()
            for edge in range(EDGES):
                cursor = await session.execute(
                    "SELECT orphans(%s, 0, 1000000), (SELECT coalesce(sum(delta), 0) FROM ledger WHERE edge = %s)",
                    [edge, edge],
                )
                row = await cursor.fetchone()
                assert row is not None
                assert row[0] == row[1], f"the ledger of edge {edge} is wrong"

    async def go(self, seconds: float, every: float) -> Outcome:
        """Run for so long.

        Args:
            seconds: how long the writers write.
            every: seconds between two looks of the monitor.
        """
        async with await self._session() as session:
            await session.execute(SCHEMA.encode())
        database = await Database.connect(Source(self.conninfo, "argument"))
        self._monitor = Monitor(database, await read_schema(database), MonitorOptions(every=every), self._listen)
        self._monitor.count_all()
        running = asyncio.create_task(self._monitor.run())
        try:
            with contextlib.suppress(TimeoutError):
                await self._writers(seconds)
            assert not running.done(), running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await database.close()
        await self._verify()
        return self.outcome


def main() -> None:
    """Run it on an embedded server, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the writers write (600)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random (1)")
    options = parser.parse_args()
    servers = Servers()
    try:
        conninfo = servers.get(DEFAULT).conninfo("postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE DATABASE monitor_run")
        run = Run(make_conninfo(conninfo, dbname="monitor_run"), options.seed)
        outcome = asyncio.run(run.go(options.seconds, 1.0))
    finally:
        servers.stop()
    print(  # noqa: T201 - it is a program
        f"{outcome.transactions} transactions, {outcome.counts} counts, {outcome.changes} changes seen, "
        f"{outcome.confirmed} times confirmed, {outcome.skipped} recounts skipped, {len(outcome.wrong)} wrong"
    )
    least = options.seconds / 10
    if outcome.wrong or outcome.changes < least or outcome.skipped < least:
        raise SystemExit(f"wrong: {outcome.wrong[:10]}; at least {least:.0f} changes and skipped recounts are expected")


if __name__ == "__main__":
    main()
