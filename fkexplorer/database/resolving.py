"""Names of hosts to addresses, in threads that nobody waits for.

psycopg resolves on the event loop's own threads, and the loop's end waits for those: with a name server that is gone,
10 s and more after somebody quit.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import threading

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_ELSEWHERE = {"service": "PGSERVICE", "hostaddr": "PGHOSTADDR"}
"""With one of these the addresses are known, or libpq alone knows the host."""


async def with_addresses(conninfo: str) -> str:
    """The conninfo with an address for each of its hosts, several for a host that has several.

    Raises:
        OSError: not one of the hosts is known.
        UnicodeError: a host's name can't be one.
        psycopg.ProgrammingError: libpq can't read the conninfo.
    """
    given = conninfo_to_dict(conninfo)
    if any(given.get(key) or os.environ.get(variable) for key, variable in _ELSEWHERE.items()):
        return conninfo
    hosts = str(given.get("host") or os.environ.get("PGHOST", "")).split(",")
    if all(map(_is_known, hosts)):
        return conninfo
    ports = str(given.get("port") or os.environ.get("PGPORT", "")).split(",")
    if len(ports) not in (1, len(hosts)):
        return conninfo
    found: list[tuple[str, str, str]] = []
    failure: OSError | None = None
    for number, host in enumerate(hosts):
        port = ports[number] if len(ports) > 1 else ports[0]
        try:
            found += [(host, address, port) for address in ([""] if _is_known(host) else await _addresses(host))]
        except OSError as error:
            failure = error
    if not found and failure:
        raise failure
    names, addresses, chosen = (",".join(parts) for parts in zip(*found, strict=True))
    return make_conninfo(conninfo, host=names, hostaddr=addresses, port=chosen)


def _is_known(host: str) -> bool:
    """Whether it is a socket's folder or an address already."""
    if not host or host.startswith(("/", "@")):
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


async def _addresses(host: str) -> list[str]:
    """Every address of the host, in the order of the system's preference."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def deliver(result: list[str] | Exception) -> None:
        if answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def ask() -> None:
        result: list[str] | Exception
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            result = [str(entry[4][0]) for entry in found]
        except (OSError, UnicodeError) as error:
            result = error
        # Who asked may be gone, and the loop with him.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver, result)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    return await answer
