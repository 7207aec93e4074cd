"""Styled text without a terminal: what a report says, and in which of a few words it is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of one line.

    `style` is a semantic word, never a colour: "", "dim", "title", "ok", "problem", "severe", "unknown", "tag",
    "arrow", "box", "key", "null".
    """

    text: str
    style: str = ""


Line = tuple[Span, ...]
"""One line on a screen; its texts are inert and hold no line break."""


def plain(spans: Iterable[Span]) -> str:
    """The text of a line without its styles."""
    return "".join(span.text for span in spans)


def joined(spans: Iterable[Span]) -> Line:
    """The same line with neighbours of one style made one span: each change of style costs bytes on the wire."""
    line: list[Span] = []
    for span in spans:
        if not span.text:
            continue
        if line and line[-1].style == span.style:
            line[-1] = Span(line[-1].text + span.text, span.style)
        else:
            line.append(span)
    return tuple(line)
