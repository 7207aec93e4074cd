"""`tail -f app.log | fkexplorer explain -`: a race of two connections, told while it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.following import _Watch
from tests.commands import Done, finish, start
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TABLES = """
CREATE TABLE workspaces (id int PRIMARY KEY);
CREATE TABLE users (id int PRIMARY KEY, workspace_id int CONSTRAINT users_workspace_fk REFERENCES workspaces);
CREATE TABLE members (workspace_id int CONSTRAINT members_workspace_fk REFERENCES workspaces ON DELETE CASCADE, n int);
INSERT INTO workspaces VALUES (1), (2), (3);
INSERT INTO members VALUES (1, 1), (2, 2), (3, 3);
"""


class Followed:
    """A running `explain -`, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    def write(self, text: str) -> None:
        """More of the log."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    async def until(self, *words: str) -> None:
        """Wait for words in the output, half a minute at most."""
        assert self.process.stdout is not None
        async with asyncio.timeout(15):
            while not all(word in " ".join(self.said.split()) for word in words):
                piece = await self.process.stdout.read(1 << 16)
                assert piece, (words, self.said)
                self.said += piece.decode()

    async def end(self) -> Done:
        """The end of the log, and that of the program."""
        done = await finish(self.process, "")
        return Done(done.code, self.said + done.out, done.err)


@pytest.fixture
def race(make_database: Callable[[str], str]) -> str:
    return make_database(TABLES)


@pytest.fixture
async def followed(race: str) -> AsyncIterator[Followed]:
    process = await start("explain", "-", "-d", race, stdin=asyncio.subprocess.PIPE)
    yield Followed(process)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_race_while_it_goes_on(race: str, followed: Followed) -> None:
    followed.write("[app] started\n")
    async with (
        await psycopg.AsyncConnection.connect(race, application_name="signup", autocommit=True) as inserter,
        await psycopg.AsyncConnection.connect(race, application_name="cleaner") as deleter,
    ):
        await deleter.execute("DELETE FROM workspaces WHERE id = 2")
        refused = asyncio.create_task(inserter.execute("INSERT INTO users VALUES (1, 2)"))
        await followed.until("lock wait of", "signup", "waits for a row locked by", "cleaner")
        await deleter.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as raised:
            await refused
    error = f"[app] ERROR:  {raised.value}\n"
    followed.write(error)
    # The pipe is open still.
    await followed.until(
        "public.workspaces has no row with id = 2.",
        "may have been deleted between its read and the insert",
        "ON DELETE disagrees about public.workspaces",
        "0 rows, 2 parents, 0 NULL, 0 orphans",
        "FOR KEY SHARE",
    )
    assert "seen 2 times" not in followed.said
    followed.write(error)
    await followed.until("seen 2 times: public.users.users_workspace_fk")
    followed.write(error.replace("(2)", "(9)"))
    await followed.until("seen 3 times: public.users.users_workspace_fk, 2 keys: 2 (2 times), 9")
    done = await followed.end()
    assert done.code == 1
    assert "the text has ended: 1 error, seen 3 times: 1 would come again" in done.err
    assert done.out.count("what would mend it") == 1


async def test_a_table_that_came_since_is_known(race: str, followed: Followed) -> None:
    followed.write("[app] started\n")
    message = 'insert or update on table "{0}" violates foreign key constraint "{0}_fk"\nDETAIL:  Key (p)=(7) is not '
    message += 'present in table "workspaces".\n'
    followed.write(message.format("early"))
    await followed.until("There is no constraint early_fk")
    with psycopg.connect(race, autocommit=True) as connection:
        connection.execute("CREATE TABLE late (p int CONSTRAINT late_fk REFERENCES workspaces)")
    followed.write(message.format("late"))
    await followed.until("public.late.late_fk", "public.workspaces has no row with id = 7.")
    done = await followed.end()
    assert done.code == 1


async def test_a_connection_that_breaks_is_made_again(race: str, followed: Followed) -> None:
    message = 'insert or update on table "users" violates foreign key constraint "users_workspace_fk"\n'
    followed.write(f'{message}DETAIL:  Key (workspace_id)=(8) is not present in table "workspaces".\n')
    await followed.until("public.workspaces has no row with id = 8.")
    with psycopg.connect(race, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    message = message.replace("users", "members")
    followed.write(f'{message}DETAIL:  Key (workspace_id)=(9) is not present in table "workspaces".\n')
    await followed.until("public.members.members_workspace_fk", "public.workspaces has no row with id = 9.")
    with psycopg.connect(race, autocommit=True) as connection:
        connection.execute("INSERT INTO workspaces VALUES (8), (9)")
    done = await followed.end()
    # At the end all is looked at again, and is mended by now.
    assert done.code == 0
    assert "2 would not come again" in done.err


async def test_ctrl_c_ends_it_without_a_word_of_a_fault(followed: Followed) -> None:
    followed.write('update or delete on table "workspaces" violates foreign key constraint "members_workspace_fk" on')
    followed.write(' table "members"\n')
    await followed.until("public.members.members_workspace_fk")
    os.kill(followed.process.pid, signal.SIGINT)
    done = await followed.end()
    assert done.code == 130
    assert "Traceback" not in done.err
    assert "fault" not in done.err


async def test_a_reader_that_is_gone_is_no_fault(followed: Followed) -> None:
    assert followed.process.stdout is not None
    followed.process.stdout._transport.close()  # type: ignore[attr-defined]
    followed.write('insert or update on table "users" violates foreign key constraint "users_workspace_fk"\n')
    followed.write('DETAIL:  Key (workspace_id)=(9) is not present in table "workspaces".\n')
    # The log goes on, and yet it ends.
    assert followed.process.stderr is not None
    said = await asyncio.wait_for(followed.process.stderr.read(), 30)
    assert await asyncio.wait_for(followed.process.wait(), 30) == 1
    assert b"fault" not in said


async def test_deletes_are_counted_while_a_text_is_followed(race: str) -> None:
    async with opened(race) as (database, _):
        schema = await read_schema(database)
        parent = next(table.oid for table in schema.tables.values() if table.name == "workspaces")
        watch = _Watch(database, print)
        assert (watch.deletes, watch.since) == (None, None)
        await watch._look(schema)
        assert (watch.deletes or {})[parent] == 0
        with psycopg.connect(race, autocommit=True) as connection:
            connection.execute("DELETE FROM workspaces WHERE id = 3")
        async with asyncio.timeout(30):
            while (watch.deletes or {})[parent] != 1:
                await asyncio.sleep(0.1)
                await watch._look(schema)
        assert watch.since is not None
