"""The counting benchmark's figures as lines of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Way
from tests.benchmarks.counting_cases import OTHERS, OURS, SUM_AIMS
from tests.benchmarks.counting_edges import AIMS, SHARES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.counting_measure import Line
    from tests.benchmarks.counting_run import Found

_CANCEL, _GROWTH, _ESTIMATE, _PIECES = 25.0, 32.0, 0.02, 1.05
"""Aims: milliseconds, MiB, ratios to the time of a scan of 20 million rows and to that of one statement."""


def heading() -> str:
    """The table's first line: medians in ms, then our time to each of the others', then what memory a count took."""
    medians = "".join(f"{name:>12}" for name in (*OTHERS, OURS))
    return f"{'case':<34}{'way':<8}{medians}" + "".join(f"{'/' + name:>12}" for name in OTHERS) + f"{'RSS':>8}  aims"


def row(line: Line) -> str:
    """A line of the table; an aim that was missed is marked."""
    medians = "".join(f"{1000 * line.median(name):>12,.1f}" for name in (*OTHERS, OURS))
    ratios = "".join(f"{line.ratio(name):>12.3f}" for name in OTHERS)
    aims = ", ".join(
        f"{'' if line.ratio(aim.against) <= aim.limit else 'MISSED '}{aim.limit} {aim.against}" for aim in line.aims
    )
    return f"{line.name:<34}{line.way:<8}{medians}{ratios}{_mib(line.growth):>5.1f} MB  {aims}".rstrip()


def summary(found: Found) -> Iterator[str]:
    """What follows the table."""
    sums = found.sums()
    for aim in SUM_AIMS if sums else ():
        yield _line(f"all with an index or integer keys, /{aim.against}", f"{sums[aim.against]:.3f}", f"{aim.limit}")
    for sampled in found.samples:
        what = f"estimate of {sampled.name}, {sampled.holding} of {len(sampled.bounds)} hold, /scan"
        yield _line(what, f"{sampled.to_scan:.3f}", f"{_ESTIMATE}")
    for each in found.pieces:
        what = f"{each.name} in pieces, {each.reports} times told, /one statement"
        yield _line(what, f"{each.to_whole:.3f}", f"{_PIECES}")
    # A hash join of many rows writes most of them to temporary files: the server takes 0.2 ms to remove each MiB.
    in_files = {line.name for line in found.lines if line.way == Way.PLAIN.value}
    for whose, named in (
        ("", found.cancels.keys() - in_files),
        (" with temporary files", found.cancels.keys() & in_files),
    ):
        cancels = sorted(1000 * seconds for name in named for seconds in found.cancels[name])
        if cancels:
            what = f"cancelled{whose}, until the server is at rest, p95 of {len(cancels)}"
            yield _line(what, f"{cancels[math.ceil(0.95 * len(cancels)) - 1]:.1f} ms", f"{_CANCEL:.0f} ms")
    if found.lines:
        most = max(_mib(line.growth) for line in found.lines)
        yield _line("growth of the client's memory, most", f"{most:.1f} MB", f"{_GROWTH:.0f} MB")
    if found.edges:
        yield f"{'500 foreign keys, ms until counted':<42}" + "".join(f"{share:>12}" for share in SHARES)
    for delay, reached in found.edges.items():
        times = "".join(f"{1000 * at.seconds:>12,.1f}" for at in reached.values())
        yield f"{f'  round trip of {2000 * delay:.0f} ms':<42}{times}"
        if delay:
            trips = "".join(f"{at.seconds / (2 * delay):>12.1f}" for at in reached.values())
            yield f"{'  the same in round trips':<42}{trips}   (aim: at most {AIMS})"
        trips = "".join(f"{at.round_trips:>12}" for at in reached.values())
        yield f"{'  round trips of all connections':<42}{trips}"


def _line(what: str, figure: str, aim: str) -> str:
    return f"{what:<66}{figure:>10}   (aim: at most {aim})"


def _mib(size: int) -> float:
    return size / (1 << 20)
