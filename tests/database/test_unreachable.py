"""Failing to connect where no PostgreSQL answers: nobody, something else, or silence; and what libpq does not take."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.source import Source
from tests.database.listening import free_port
from tests.database.refusal import PASSWORD, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def test_nobody_listens(tmp_path: Path) -> None:
    port = free_port()
    trouble = await refusal(f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/app")
    assert (trouble.code, trouble.reason) == ("refused", f"127.0.0.1:{port} refused the connection")
    trouble = await refusal(f"host=localhost port={port} user=ann password={PASSWORD}")
    assert (trouble.code, trouble.reason) == ("refused", f"localhost:{port} refused the connection")
    trouble = await refusal(f"host=127.0.0.1,localhost port={port} user=ann password={PASSWORD}")
    assert trouble.code == "refused"
    trouble = await refusal(f"host={tmp_path} user=ann password={PASSWORD}")
    assert (trouble.code, trouble.reason) == (
        "no_socket",
        f"no PostgreSQL listens at the socket in {tmp_path}, port 5432",
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70, "ü" * 70 + ".invalid"])
async def test_no_such_host(host: str) -> None:
    trouble = await refusal(f"postgresql://ann:{PASSWORD}@{host}/app")
    assert trouble.code == "unknown_host"
    assert "app" not in trouble.hint


def test_a_name_server_that_is_gone_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the time limit nor the end of the program waits for it."""
    asked = threading.Event()

    def wait_long(*_: object, **__: object) -> list[object]:
        asked.set()
        time.sleep(3)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait_long)
    started = time.monotonic()
    trouble = asyncio.run(refusal("host=db.example user=ann", timeout=0.2))
    assert trouble.code == "timeout"
    assert asked.is_set()
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize(
    ("conninfo", "code"),
    [
        ("postgresql://ann@127.0.0.1:99999/app?password=♠-s3cret-♥", "malformed_url"),
        ("postgresql://ann:♠-s3cret-♥@127.0.0.1/app?sslmode=s3cret", "malformed_url"),
        ("postgresql://ann:♠-s3cret-♥@127.0.0.1/app?s3cret=1", "malformed_url"),
        ("host=127.0.0.1 password=♠ s3cret", "malformed_url"),
        ("host=127.0.0.1 target_session_attrs=x password=♠-s3cret-♥", "malformed_url"),
        ("service=nowhere password=♠-s3cret-♥", "unknown_service"),
    ],
)
async def test_libpq_does_not_take_it(
    conninfo: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services"
    services.write_text("[somewhere]\nhost=h\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    trouble = await refusal(conninfo)
    assert trouble.code == code
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "nothing"))
    assert (await refusal(conninfo)).code == code


@contextlib.asynccontextmanager
async def _answers(words: bytes | None, *, first: bool = False) -> AsyncIterator[int]:
    """Something on a port that answers every message with these words; None: with nothing, b"": by hanging up."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError):
            if first and words:
                writer.write(words)
            messages = 0
            while await reader.read(1024):
                messages += 1
                if words and not first:
                    writer.write(words)
                if words is not None and (not first or messages > 1):
                    break
        if words is not None:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


@pytest.mark.parametrize("ssl_mode", ["prefer", "disable", "require"])
@pytest.mark.parametrize(
    ("words", "first"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nwhat?", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", True),
        (b"-ERR unknown command\r\n", False),
        (b"J\x00\x00\x00\x0a8.0.36\x00", True),
    ],
)
async def test_not_a_postgresql(words: bytes, ssl_mode: str, *, first: bool) -> None:
    async with _answers(words, first=first) as port:
        trouble = await refusal(f"host=127.0.0.1 port={port} user=ann password={PASSWORD} sslmode={ssl_mode}")
    if (words[:1], ssl_mode) == (b"S", "require"):
        # For PostgreSQL an S means: encryption will begin. Then nothing is said that tells more.
        assert trouble.code == "closed"
        return
    assert trouble.code == "not_postgresql", trouble.reason
    assert trouble.reason == f"what answers at 127.0.0.1:{port} is not a PostgreSQL"


async def test_hung_up() -> None:
    async with _answers(b"") as port:
        trouble = await refusal(f"host=127.0.0.1 port={port} user=ann sslmode=disable")
    assert trouble.code == "closed"


async def test_silence() -> None:
    loop = asyncio.get_running_loop()
    async with _answers(None) as port:
        started = loop.time()
        trouble = await refusal(f"host=127.0.0.1 port={port} user=ann password={PASSWORD}", timeout=0.3)
        assert loop.time() - started < 1.0
        assert trouble.code == "timeout"
        assert trouble.reason == f"ann@127.0.0.1:{port} did not answer in time"
        # The limit that the URL itself gives; libpq takes 2 seconds at least.
        trouble = await refusal(f"host=127.0.0.1 port={port} user=ann connect_timeout=2")
        assert trouble.code == "timeout"
        assert loop.time() - started < 4.0


async def test_cancelled_while_connecting() -> None:
    loop = asyncio.get_running_loop()
    async with _answers(None) as port:
        connecting = asyncio.create_task(Database.connect(Source(f"host=127.0.0.1 port={port} user=ann", "argument")))
        await asyncio.sleep(0.1)
        started = loop.time()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert loop.time() - started < 0.5
        assert asyncio.all_tasks() - {asyncio.current_task()} <= {
            task for task in asyncio.all_tasks() if "serve" in repr(task)
        }
