"""On a physical standby: it is seen, reads work, and a conflict with recovery has its own word."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.connection import Database
from fkexplorer.database.errors import Kind, translate
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from fkexplorer.fixes.writer import WriteLimits, writing
from tests.database.listening import listening
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.database.listening import Listening


@contextmanager
def standby(primary: Listening, programs: Path) -> Iterator[str]:
    """The conninfo of a standby of the primary, which cancels conflicting queries at once."""
    account = (primary.server.data / "PG_VERSION").stat()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        copy = [str(programs / "pg_basebackup"), "-D", str(data), "-R", "-c", "fast", "-d", primary.server.conninfo()]
        subprocess.run(copy, check=True, capture_output=True)
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, account.st_uid, account.st_gid)
        rules = data / "pg_hba.conf"
        rules.write_text("local all all trust\n")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "max_standby_streaming_delay": "0",
            "max_standby_archive_delay": "0",
            "wal_receiver_status_interval": "1s",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        root = os.geteuid() == 0
        with subprocess.Popen(
            [programs / "postgres", "-D", data, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account.st_uid if root else None,
            group=account.st_gid if root else None,
            extra_groups=[] if root else None,
            cwd="/",
        ) as process:
            try:
                conninfo = f"host='{folder}' hostaddr='' port={primary.port} user=postgres dbname=postgres"
                for attempt in range(200):
                    with suppress(psycopg.OperationalError), psycopg.connect(conninfo):
                        break
                    assert attempt < 199, "the standby does not answer"
                    time.sleep(0.05)
                yield conninfo
            finally:
                process.terminate()
                process.wait(10)


async def test_a_standby() -> None:
    programs = binaries("15")
    if not (programs / "pg_basebackup").exists():
        missing("pg_basebackup of PostgreSQL 15")
    with listening(programs=programs, settings={"wal_level": "replica", "max_wal_senders": "4"}) as primary:
        primary.run("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n")
        primary.add_rules("local replication all trust")
        with standby(primary, programs) as conninfo:
            database = await Database.connect(Source(conninfo, "argument"))
            assert database.facts.standby
            with pytest.raises(Trouble) as refused:
                async with writing(database, WriteLimits()):
                    pass
            assert refused.value.code == "standby"

            async def conflict() -> int:
                async with database.read(snapshot=True) as connection:
                    counted = (await connection.exec_driver_sql("SELECT count(*) FROM public.t")).scalar_one()
                    assert counted == 1000
                    await asyncio.to_thread(primary.run, "DELETE FROM t", "VACUUM t")
                    await connection.exec_driver_sql("SELECT pg_sleep(10)")
                    return int(counted)

            with pytest.raises(DBAPIError) as caught:
                await conflict()
            told = translate(caught.value)
            assert (told.kind, told.sqlstate) == (Kind.CONFLICT, "40001")
            async with database.read() as connection:
                assert (await connection.exec_driver_sql("SELECT count(*) FROM public.t")).scalar_one() == 0
            await database.close()
