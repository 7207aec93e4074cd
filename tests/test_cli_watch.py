"""`check --watch` as a process: a line for each change, through everything that happens to a database, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.commands import run as command
from tests.commands import start
from tests.orphans.connected import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 10);
CREATE TABLE clean (pid int REFERENCES p); INSERT INTO clean VALUES (1);
CREATE TABLE broken (pid int); INSERT INTO broken VALUES (99);
ALTER TABLE broken ADD CONSTRAINT broken_fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""
ORPHAN = "BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO clean VALUES (77), (78); COMMIT"
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (\S+) (.+) -> (.+)")


class Watching:
    """The program, and its lines as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        """The next line of its output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def change(self) -> tuple[str, str, str]:
        """The next change: edge, before, after."""
        found = LINE.fullmatch(await self.line())
        assert found is not None
        return found[2], found[3], found[4]

    async def heard(self, word: str) -> None:
        """Wait for a word on stderr."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while word not in (await self.process.stderr.readline()).decode():
                pass


@asynccontextmanager
async def watching(*arguments: str) -> AsyncIterator[Watching]:
    process = await start("check", "--watch", *arguments)
    try:
        yield Watching(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_each_change_is_a_line(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watching(database_url) as told:
        # Of the beginning only what is not clean.
        assert await told.change() == ("public.broken.broken_fk", "?", "1 orphan")
        await told.heard("Ctrl-C")
        await run(database_url, ORPHAN)
        assert await told.change() == ("public.clean.clean_pid_fkey", "clean", "2 orphans")
        await run(database_url, "DELETE FROM broken")
        assert await told.change() == ("public.broken.broken_fk", "1 orphan", "clean")
        await run(database_url, "CREATE TABLE late (pid int REFERENCES p)")
        assert await told.change() == ("public.late.late_pid_fkey", "?", "clean")
        await run(database_url, "DROP TABLE clean")
        assert await told.change() == ("public.clean.clean_pid_fkey", "2 orphans", "dropped")
        told.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(told.process.wait(), 10) == 130
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await cursor.fetchone() == (0,)


async def test_lines_for_a_program_of_what_was_asked_for(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watching(database_url, "--format", "json", "--table", "clean") as told:
        await told.heard("1 foreign key counted")
        await run(database_url, "DELETE FROM broken")
        await run(database_url, ORPHAN)
        change = json.loads(await told.line())
        assert change["edge"] == "public.clean.clean_pid_fkey"
        assert change["before"] == {"status": "clean", "orphans": 0, "bound": "exact", "error": None}
        assert change["after"] == {"status": "orphans", "orphans": 2, "bound": "exact", "error": None}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", change["time"])
        await run(database_url, "DROP TABLE clean")
        change = json.loads(await told.line())
        assert (change["before"]["orphans"], change["after"]) == (2, None)


async def test_a_connection_that_is_lost_is_made_again(database_url: str) -> None:
    await run(database_url, TABLES)
    async with watching(database_url) as told:
        assert await told.change() == ("public.broken.broken_fk", "?", "1 orphan")
        await told.heard("Ctrl-C")
        await run(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        # The change comes once, and nothing is said anew of what is as it was.
        await run(database_url, ORPHAN)
        assert await told.change() == ("public.clean.clean_pid_fkey", "clean", "2 orphans")


async def test_a_reader_that_goes_away_ends_it(database_url: str) -> None:
    await run(database_url, TABLES)
    process = await start("check", "--watch", database_url)
    told = Watching(process)
    assert await told.change() == ("public.broken.broken_fk", "?", "1 orphan")
    await told.heard("Ctrl-C")
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    await run(database_url, ORPHAN)
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_what_it_can_not_do(database_url: str) -> None:
    done = await command("check", "--watch", database_url, "--table", "absent")
    assert (done.code, done.out) == (2, "")
    assert "there is no table absent" in done.err


@pytest.mark.parametrize("option", ["--deep", "--eager"])
async def test_options_of_counting(database_url: str, option: str) -> None:
    await run(database_url, TABLES)
    done = await command("check", database_url, option, "--format", "json")
    assert done.code == 1
    assert json.loads(done.out)["summary"]["orphans"] == 1
