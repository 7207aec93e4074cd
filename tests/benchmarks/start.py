"""How long the app takes to show something: `python -m tests.benchmarks.start`.

Prints, each a median: the time to the first frame against that of an empty Textual app in the same run, and the time
from the command to the first count on screen, on the demo (server and data included).
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import time

from tests.terminal import Terminal

BARE = "from textual.app import App; App().run()"
"""The least that a Textual program can be."""


def first_frame(command: list[str]) -> float:
    """Milliseconds from the start of the process to its first painted cells."""
    begin = time.perf_counter()
    with Terminal(command) as terminal:
        while b"\x1b[1;1H" not in terminal.raw and time.perf_counter() - begin < 30:
            terminal.pump(0.001)
        return 1000 * (time.perf_counter() - begin)


def first_count() -> float:
    """Milliseconds from the command to a count on screen."""
    begin = time.perf_counter()
    with Terminal([sys.executable, "-m", "fkexplorer", "--demo"]) as terminal:
        terminal.wait_for(r"(?m)(ok|!\d+) .*KiB", timeout=60)
        taken = 1000 * (time.perf_counter() - begin)
        terminal.send("q")
        terminal.exit_code()
        return taken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    bare: list[float] = []
    ours: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # A server that never answers: what is painted before an answer is what counts.
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/app"
        for _ in range(rounds):  # in turn, since the machine's speed drifts
            bare.append(first_frame([sys.executable, "-c", BARE]))
            ours.append(first_frame([sys.executable, "-m", "fkexplorer", url]))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    print(f"first frame, ms      bare Textual {statistics.median(bare):.0f}   fkexplorer {statistics.median(ours):.0f}")
    print(f"ratio                {ratio:.2f}   (aim: at most 1.5)")
    counts = [first_count() for _ in range(3)]
    print(f"first count, ms      {statistics.median(counts):.0f}   (fkexplorer --demo, from the command)")


if __name__ == "__main__":
    main()
