"""A program with nothing but the standard library that tries to get into a server by its socket.

It prints `closed` and the reason when the socket cannot be reached, else the first byte of the server's answer to a
start-up message (`R`: authentication goes on; `E`: an error) and, for R, the kind of authentication (0: let in).
With a second argument, the number of a user and group, it is that user before it knocks.
"""

from __future__ import annotations

import os
import socket
import struct
import sys


def main(path: str) -> None:
    """Knock as the superuser."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    try:
        client.connect(path)
    except OSError as error:
        print("closed", error.strerror)  # noqa: T201 - read by the test
        return
    body = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
    client.sendall(struct.pack("!I", len(body) + 4) + body)
    answer = client.recv(9)
    kind = answer[:1].decode()
    print(kind, struct.unpack("!I", answer[5:9])[0] if kind == "R" else "")  # noqa: T201 - read by the test


if __name__ == "__main__":
    if len(sys.argv) > 2:
        user = int(sys.argv[2])
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    main(sys.argv[1])
