"""A connection breaks and comes back, on the same server or on another: writing is armed for the one that was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fkexplorer.database.connection import Database, Lane
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.run import run
from fkexplorer.fixes.writer import WriteLimits, writing
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.fixes.deed import DeedScreen
from tests.fixes.byhand import QUICK, delete, edge_named, hashes, preview_of
from tests.orphans import connected
from tests.proxy import Proxy
from tests.servers import SETTINGS
from tests.tui.helpers import Person, gone, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Both servers have the same, down to the OIDs, as far as these tests can see: as after a failover.
TABLES = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
SET session_replication_role = replica;
INSERT INTO c VALUES (1, 1), (2, 2);
"""


@pytest.fixture
def here(make_database: Callable[[str], str]) -> str:
    return make_database(TABLES)


@pytest.fixture(scope="module")
def second() -> Iterator[EmbeddedServer]:
    with EmbeddedServer.start(settings=SETTINGS) as server:
        yield server


@pytest.fixture
def there(second: EmbeddedServer, here: str) -> str:
    """The other server's database: of the same name, with the same in it."""
    name = str(conninfo_to_dict(here)["dbname"])
    with psycopg.connect(second.conninfo(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    with psycopg.connect(second.conninfo(name), autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return second.conninfo(name)


def hang_up(proxy: Proxy, conninfo: str) -> str:
    """Drop all connections; new ones reach that server. The conninfo of the one before."""
    before = proxy.lead_to(conninfo)
    proxy.hang_up()
    return before


async def cut(proxy: Proxy, conninfo: str) -> None:
    """Drop all connections, that nobody uses just now; new ones reach that server."""
    await gone(hang_up(proxy, conninfo))


async def look(database: Database) -> None:
    async with database.read() as connection:
        await connection.exec_driver_sql("SELECT 1")


async def write(database: Database) -> None:
    async with writing(database, WriteLimits()) as transaction:
        await transaction.run("DELETE FROM c")
        await transaction.commit()


async def test_a_reconnect_is_told_with_what_it_reached(here: str, there: str) -> None:
    async with Proxy(here) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        told: list[bool] = []
        database.on_reconnect = told.append
        try:
            async with database.read(), database.read(lane=Lane.COUNTS):
                await look(database)
            assert told == [], "further connections are no reconnect"
            await cut(proxy, here)
            async with database.read(), database.read(lane=Lane.COUNTS):
                await look(database)
            assert told == [True], "once, however many broke"
            await cut(proxy, there)
            await look(database)
            assert told == [True, False]
        finally:
            await database.close()


async def test_one_thrown_away_is_told_only_if_another_server_is_reached(here: str, there: str) -> None:
    async with Proxy(here) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        told: list[bool] = []
        database.on_reconnect = told.append

        async def refused() -> None:
            with pytest.raises(psycopg.Error):
                async with database.raw() as driver:
                    await driver.execute(b"SELECT 1 / 0")
            await look(database)

        try:
            await refused()
            assert told == []
            proxy.lead_to(there)
            await refused()
            assert told == [False]
        finally:
            await database.close()


@pytest.mark.parametrize("change", ["server", "user", "database"])
async def test_nothing_is_written_but_where_it_was_connected(here: str, there: str, change: str) -> None:
    was = hashes(here)
    async with Proxy(here) as proxy:
        database = await Database.connect(Source(proxy.conninfo, "argument"))
        try:
            if change == "server":
                await cut(proxy, there)
            elif change == "user":
                await connected.run(here, f"ALTER DATABASE {database.facts.database} SET role = pg_monitor")
                await cut(proxy, here)
            else:  # dropped and made again under its name, as a restore does
                name = database.facts.database
                with psycopg.connect(make_conninfo(here, dbname="postgres"), autocommit=True) as connection:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
                    connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
                await connected.run(here, TABLES)
            with pytest.raises(Trouble, match="another server answers now") as caught:
                await write(database)
            assert caught.value.code == "other_server"
            elsewhere = make_conninfo(here, dbname="postgres")
            await connected.run(elsewhere, f"ALTER DATABASE {database.facts.database} RESET role")
            assert (hashes(here), hashes(there)) == (was, was)
            if change == "server":
                await cut(proxy, here)
                await write(database)
                assert hashes(here) != was
        finally:
            await database.close()


async def test_a_run_that_was_confirmed_on_another_server_is_refused(here: str, there: str, open_folder: Path) -> None:
    was = hashes(here)
    async with Proxy(here) as proxy, connected.opened(proxy.conninfo) as (database, schema):
        edge = edge_named(schema, "c.fk")
        preview = await preview_of(database, schema, edge, delete(schema, edge))
        await cut(proxy, there)
        outcome = await run(database, schema, preview, Journal(open_folder), limits=QUICK)
    assert outcome.ending is Ending.REFUSED
    assert "another server answers now" in outcome.words
    assert "nothing was changed" in outcome.words
    assert (hashes(here), hashes(there)) == (was, was)
    assert Journal(open_folder).entries()[0].state is State.NOTHING


async def armed(person: Person) -> Arming:
    facts = person.app.world.facts
    assert facts is not None
    assert person.app.world.arming.arm(facts, facts.place)
    await person.sees(r"^.* WRITE 10 min")
    return person.app.world.arming


async def test_the_screen_disarms_when_a_connection_was_made_again_unnoticed(here: str) -> None:
    async with Proxy(here) as proxy, opened(proxy.conninfo, arming=Arming(allow_writes=True)) as person:
        await person.open_lens("c", "fk")
        arming = await armed(person)
        # What keeps the counts true might be reading at this moment, and say that the connection is lost.
        person.app.workers.cancel_group(person.app, "counts")
        await cut(proxy, here)
        assert arming.armed(person.app.world.facts), "nobody has noticed yet"
        await person.press("o")
        await person.told("Writing is off: the connection broke and was made again")
        assert not arming.armed(person.app.world.facts)
        await person.sees(r"^.* RO$")
        assert "LOST" not in person.lines()[0]


async def test_the_screen_goes_on_with_another_server_only_when_asked(here: str, there: str) -> None:
    async with Proxy(here) as proxy, opened(proxy.conninfo, arming=Arming(allow_writes=True)) as person:
        arming = await armed(person)
        former = person.app.world.facts
        hang_up(proxy, there)
        await person.told(r"another server answers now.*R reconnects.*Writing is off")
        await person.sees(r"LOST \(R reconnects\)")
        assert not arming.armed(former)
        await person.press("W")
        await person.told("can't be armed")
        await person.press("R")
        await person.misses("LOST")
        await person.counted()
        facts = person.app.world.facts
        assert former is not None
        assert facts is not None
        assert facts.place == former.place
        assert arming.arm(former, former.place)
        assert not arming.armed(facts), "armed for the one, not for the other of the same name"


async def test_a_preview_on_screen_is_not_confirmed_after_a_reconnect(here: str) -> None:
    async with Proxy(here) as proxy, opened(proxy.conninfo, size=(100, 30), arming=Arming(allow_writes=True)) as person:
        await person.open_lens("c", "fk")
        await armed(person)
        await person.press("a", "d")
        await person.until(lambda: isinstance(person.app.screen, DeedScreen))
        await person.sees("Enter asks you to type 2")
        hang_up(proxy, here)
        await person.sees("writing is not armed: W arms it|nothing is connected")
        await person.press("enter")
        assert isinstance(person.app.screen, DeedScreen)
