"""A program that starts an embedded server and waits; the tests end it in all the ways there are.

It prints the folder of the server and sleeps. With the argument `fork` it also forks a child that exits as a
process does, its exit handlers run, before the folder is printed. With `early` it prints `starting` before the start.
With `patient` Ctrl-C does not end it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from fkexplorer.demo.server import EmbeddedServer


def main(how: str) -> None:
    """Start a server and sleep."""
    if how == "early":
        print("starting", flush=True)  # noqa: T201 - read by the test
    if how == "patient":
        signal.signal(signal.SIGINT, lambda *_: None)
    server = EmbeddedServer.start()
    if how == "fork":
        child = os.fork()
        if child == 0:
            sys.exit()
        os.waitpid(child, 0)
    print(server.folder, flush=True)  # noqa: T201 - read by the test
    time.sleep(300)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
