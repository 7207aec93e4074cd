"""What replication has to do with a missing key: a standby that is behind, a primary that is read elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.causes import causes
from tests.database.listening import listening
from tests.database.test_standby import standby
from tests.diagnosis.cases import by_code, by_hand, case, told
from tests.orphans.connected import run
from tests.orphans.test_monitor_standby import programs, replayed

if TYPE_CHECKING:
    from fkexplorer.diagnosis.model import Part

TABLES = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p)"
BEHIND = """
SELECT 1 WHERE pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()
 AND now() - pg_last_xact_replay_timestamp() > interval '0.2 seconds'
"""


async def why(conninfo: str) -> Part:
    async with case(conninfo, "fk", told("pid", "7")) as one:
        return await causes(one, (), None, None)


async def test_a_standby_that_is_behind_comes_first() -> None:
    with listening(programs=programs(), settings={"wal_level": "replica", "max_wal_senders": "4"}) as primary:
        conninfo = primary.server.conninfo()
        await run(conninfo, TABLES)
        primary.add_rules("local replication all trust")
        with standby(primary, programs()) as copy:
            await run(conninfo, "INSERT INTO p VALUES (1)")
            await replayed(conninfo, copy)
            lag = by_code((await why(copy)).findings)["standby_lag"]
            assert lag.result == "lag 0 s"
            assert "what is missing here may be there, so look on the primary" in lag.text
            await run(copy, "SELECT pg_wal_replay_pause()")
            await run(conninfo, "INSERT INTO p VALUES (7)")
            async with asyncio.timeout(20):
                while not by_hand(copy, BEHIND):  # noqa: ASYNC110 - nothing tells of what a standby receives
                    await asyncio.sleep(0.05)
            part = await why(copy)
            first = part.findings[0]
            assert first.code == "standby_lag"
            assert first.text.startswith("This is a standby, up to ")
            assert "standby_lag" not in by_code(part.ruled_out)
            assert "a standby counts no deletes" in by_code(part.findings)["concurrent_delete"].text
            await run(copy, "SELECT pg_wal_replay_resume()")
            part = await why(conninfo)
            assert by_code(part.ruled_out)["standby_lag"].result == "primary"
            reads = by_code(part.findings)["replica_reads"]
            assert reads.text.startswith("1 replica is fed from here")
            assert by_hand(conninfo, reads.query)[0][0] == 1


async def test_a_parent_that_a_subscription_fills(database_url: str) -> None:
    await run(database_url, TABLES)
    assert "parent_subscribed" not in by_code((await why(database_url)).findings)
    # A subscription that is not connected tells of no table: its row is written by hand.
    await run(
        database_url,
        "SET allow_system_table_mods = on;"
        " INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) VALUES (1, 'p'::regclass, 'r')",
    )
    found = by_code((await why(database_url)).findings)["parent_subscribed"]
    assert found.text.startswith("public.p is filled by a logical subscription: ")
