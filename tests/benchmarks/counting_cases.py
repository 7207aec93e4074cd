"""What the counting benchmark measures: its cases by name, those of a default run, and the ratios to reach."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCAN, VALIDATE, NOT_EXISTS, OURS = "scan", "VALIDATE", "NOT EXISTS", "ours"
OTHERS = (SCAN, VALIDATE, NOT_EXISTS)

KINDS = ("int8", "uuid", "text", "pair")
PARENTS = ("1k", "100k", "quarter")
RATES = ("0", "1e-6", "1%", "50%")
DENSE = ("dense", "tail")
"""Integer parents that have every key up to the greatest: no orphan, or a few beyond the greatest."""


@dataclass(frozen=True, slots=True)
class Data:
    """A child table and its parents, one for each share of orphans."""

    kind: str
    """Of the key: `pair` is two integers."""
    parent: str
    """Parent keys: `1k`, `100k`, or a `quarter` of the child's rows."""
    nulls: int = 0
    """Percent of the child's rows whose key is NULL."""
    wide: bool = False
    """500 bytes a row in place of about 76, and a quarter of the rows."""
    visible: bool = True
    """VACUUM has set the visibility map."""

    def rows(self, scale: int) -> int:
        """Rows of the child."""
        return scale // 4 if self.wide else scale

    def keys(self, scale: int) -> int:
        """Rows of the parent, within some percent: those that make orphans by lacking keys have fewer."""
        return {"1k": 1_000, "100k": 100_000, "quarter": scale // 4}[self.parent]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    data: Data
    index: bool
    """Whether the child's key has an index."""
    orphans: str
    """Share of the child's rows: one of `RATES` or `DENSE`."""

    @property
    def name(self) -> str:
        """What `--cases` matches, as `int8-100k-index-1%-null10`."""
        parts = [self.data.kind, self.data.parent, "index" if self.index else "none", self.orphans]
        if self.data.nulls:
            parts.append(f"null{self.data.nulls}")
        if self.data.wide:
            parts += ["wide"] if self.data.visible else ["wide", "novm"]
        return "-".join(parts)


@dataclass(frozen=True, slots=True)
class Aim:
    """A ratio of our time that is to be reached on 20 million rows."""

    against: str
    limit: float


def matrix() -> list[Case]:
    """Every case."""
    cases = [
        Case(Data(kind, parent, nulls), index, orphans)
        for kind, parent, nulls, index in itertools.product(KINDS, PARENTS, (0, 10), (False, True))
        for orphans in RATES + (DENSE if kind == "int8" else ())
    ]
    wide = [Data("int8", "100k", wide=True, visible=visible) for visible in (True, False)]
    return cases + [Case(data, index, "1e-6") for data in wide for index in (False, True)]


FIVE = ("five-dense", "five-holes")
"""Five integer keys of one child without an index, against parents with all numbers, or with holes."""
EDGES = "edges"
"""A schema of 500 foreign keys, counted from the first to the last."""

# One or more for each of the ratios to reach, and for what each way of counting is at its worst.
DEFAULT = (
    "int8-1k-index-0",
    "int8-100k-index-1e-6",
    "int8-100k-index-1%",
    "int8-100k-none-1e-6",
    "int8-100k-none-tail",
    "int8-quarter-index-1%",
    "int8-quarter-index-50%",
    "int8-quarter-index-dense",
    "int8-quarter-none-1%",
    "int8-quarter-none-dense",
    "uuid-1k-index-1%",
    "uuid-100k-index-1%",
    "uuid-quarter-index-1e-6",
    "uuid-quarter-none-1e-6",
    "text-quarter-index-0",
    "text-quarter-none-1%",
    "pair-quarter-index-1e-6-null10",
    "int8-100k-index-1e-6-wide",
    "int8-100k-index-1e-6-wide-novm",
    "five-dense",
    EDGES,
)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns (`*` and `?`, or `all`) means this name."""
    return any(pattern == "all" or fnmatch(name, pattern) for pattern in patterns)


def chosen(patterns: Sequence[str]) -> list[Case]:
    """The cases that the patterns mean, grouped so that each child table is made once."""
    cases = [case for case in matrix() if matches(case.name, patterns)]
    order = list(dict.fromkeys(case.data for case in cases))
    return sorted(cases, key=lambda case: (order.index(case.data), case.index))


def aims(case: Case, scale: int) -> tuple[Aim, ...]:
    """The ratios that this case is to reach, where the parent is as small as they suppose for that many rows."""
    data = case.data
    limits: tuple[float | None, float | None] = (None, None)
    integer, quarter, small = data.kind == "int8", data.parent == "quarter", data.keys(scale) * 100 <= scale
    if data.wide or case.orphans == "50%":
        pass
    elif case.index and small:
        limits = (0.05, 0.01) if integer else (0.25, 0.05)
    elif case.index and quarter:
        limits = (0.4 if case.orphans in DENSE else 1.5, 0.1) if integer else (4.5, None)
    elif not case.index and integer:
        limits = (2.0, 0.15) if quarter else (1.3, 0.3) if small and data.parent == "100k" else limits
    elif not case.index and quarter and data.kind != "pair":
        limits = (8.0, 0.6)
    return tuple(Aim(what, limit) for what, limit in zip((SCAN, VALIDATE), limits, strict=True) if limit is not None)


SUM_AIMS = (Aim(VALIDATE, 0.25), Aim(NOT_EXISTS, 0.35))
"""Over the sum of the times of all cases that have an index or integer keys."""


def in_sum(case: Case) -> bool:
    """Whether the case is one of those."""
    return case.index or case.data.kind in ("int8", "pair")
