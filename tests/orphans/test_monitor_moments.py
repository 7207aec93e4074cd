"""Moments of a monitor that come about by chance: brought about, for what it must not tell or ask then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from fkexplorer.orphans.events import Counted
from fkexplorer.orphans.model import Status
from tests.orphans.connected import run
from tests.orphans.test_pipeline import tables
from tests.orphans.watched import watched
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_count_that_fails_while_the_catalogue_is_known_to_be_old_is_not_told(database_url: str) -> None:
    """The catalogue is read again after a rest at most so often: until then the name that it has is not the table's."""
    await run(database_url, tables(2))
    async with watched(database_url) as told:
        since, oid = len(told.events), told.oid("c1")
        told.monitor._read_at = asyncio.get_running_loop().time() + 2.0
        await run(database_url, "INSERT INTO c1 VALUES (10); ALTER TABLE c1 RENAME TO renamed")
        await told.until(lambda: oid in told.monitor._failed or told.counted("c1", since))
        await told.until(lambda: told.monitor.schema.child_of(told.monitor.schema.edges[oid]).name == "renamed")
        await told.confirmed("renamed")
        assert [event for event in told.of(Counted, since) if event.count.status is Status.FAILED] == []


async def test_an_idle_database_is_asked_as_little_however_many_edges_it_has(
    make_database: Callable[[str], str],
) -> None:
    """One message there and back for a look, as with a single edge, on connections that stay and are three at most."""
    url = make_database(tables(200))
    async with Proxy(url) as proxy, watched(make_conninfo(proxy.conninfo, sslmode="disable")) as told:
        assert len(told.monitor.schema.edges) == 200
        await told.confirmed("c1", times=15)  # for a second counters are looked at, which may come late
        since, before, made = len(told.events), proxy.round_trips, proxy.clients
        await told.confirmed("c1", times=10)
        assert proxy.round_trips - before <= 11
        assert told.of(Counted, since) == []
        assert proxy.clients == made <= 3
