"""Bytes that the app sends to the terminal, by key: `python -m tests.benchmarks.wire`.

They decide which widgets are used, since on a slow line bytes are waiting time.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from tests.terminal import KEYS, Terminal

STEPS = (
    ("cursor", "j", "1"),
    ("Tab", "<tab>", "3"),
    ("page", "<pgdn>", "6"),
    ("Enter", "<enter>", "12"),
)
IDLE_SECONDS = 20.0


def measure(size: tuple[int, int], *, colours: str) -> dict[str, int]:
    """Median bytes of each step, three times each; `idle`: of a minute without a key."""
    env = {"COLORTERM": "truecolor"} if colours == "truecolor" else {}
    command = [sys.executable, "-m", "fkexplorer", "--demo"]
    with Terminal(command, cols=size[0], rows=size[1], env=env) as terminal:
        terminal.wait_for(r"FKs with orphans +live|counted \d\d:\d\d")
        terminal.pump(1.0)
        found = {"start": len(terminal.raw)}
        for name, key, _ in STEPS:
            terminal.send("1")  # Tab has left the keys elsewhere
            sizes = []
            for _round in range(3):
                if key == "<pgdn>":
                    # From the top the first page only moves the cursor to the screen's last line.
                    terminal.send("g", "<pgdn>")
                sizes.append(_cost(terminal, key))
                if key == "<enter>":
                    terminal.send("1")
            found[name] = round(statistics.median(sizes))
        terminal.send("1")
        terminal.pump(1.0)
        found["idle"] = round(terminal.sent_in(IDLE_SECONDS) * 60 / IDLE_SECONDS)
        terminal.send("q")
        terminal.exit_code()
    return found


def _cost(terminal: Terminal, key: str) -> int:
    terminal.process.write(KEYS.get(key, key).encode())
    return terminal.sent_in(0.5)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    aims = {name: aim for name, _, aim in STEPS}
    names = ["start", *aims, "idle"]
    print(f"{'size':>8} {'colours':>10} " + "".join(f"{name:>9}" for name in names))
    for size in ((80, 24), (140, 40)):
        for colours in ("256", "truecolor"):
            found = measure(size, colours=colours)
            print(f"{size[0]}x{size[1]:<5} {colours:>10} " + "".join(f"{found[name]:>9,}" for name in names))
    print(f"{'aim, KB':>19} " + "".join(f"{aims.get(name, ''):>9}" for name in names) + "   at 80x24")


if __name__ == "__main__":
    main()
