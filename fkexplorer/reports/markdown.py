"""Foreign text in Markdown: shown as it is, whatever markup is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.reports.values import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MARKUP = re.compile(r"([\\`*\[\]<~]|(?<![^\W_])_|_(?![^\W_]))")


def plain(text: str) -> str:
    """Foreign text that Markdown is to show as it is."""
    return _MARKUP.sub(r"\\\1", inert(text))


def code(text: str) -> str:
    """Foreign text as code on one line, behind as many backticks as it needs."""
    shown = inert(text)
    most = max((len(found) for found in re.findall("`+", shown)), default=0)
    fence = "`" * (most + 1)
    return f"{fence} {shown} {fence}" if most else f"`{shown}`"


def fenced(text: str, language: str) -> Iterator[str]:
    """A block of code, whatever backticks are in it."""
    most = max((len(found) for found in re.findall("`{3,}", text)), default=2)
    fence = "`" * (most + 1)
    yield f"{fence}{language}"
    yield from (inert(line) for line in text.rstrip().split("\n"))
    yield fence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of GitHub's Markdown; the cells are Markdown already."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    # A bar ends a cell even within code.
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
