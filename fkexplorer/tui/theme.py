"""From the reports' style words to what a terminal shows.

Meaning never hangs on colour: badges carry it in letters, colour and weight repeat it. Under 16 colours the
terminal's own palette is used (Textual maps the red of its default theme to magenta there), otherwise a quiet
dark theme whose lines carry few colour changes: each costs about 35 bytes on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

from fkexplorer.config.settings import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from rich.console import Console
    from textual.app import App

    from fkexplorer.reports.style import Span

DARK = Theme(
    name="fkexplorer-dark",
    primary="#5fafd7",
    secondary="#5f87af",
    accent="#5fafd7",
    warning="#d7af5f",
    error="#ff5f5f",
    success="#87af87",
    foreground="#d0d0d0",
    background="#16191d",
    surface="#1c2025",
    panel="#23282e",
    dark=True,
)

_RICH: dict[str, str] = {
    "": "",
    "dim": "#8a8f98",
    "title": "bold #ffffff",
    "ok": "#8a8f98",
    "problem": "#ff5f5f",
    "severe": "bold #ff5f5f",
    "unknown": "#d7af5f",
    "tag": "#87afaf",
    "arrow": "#8a8f98",
    "box": "#5f87af",
    "key": "bold #5fafd7",
    "null": "italic #8a8f98",
    "heading": "bold #8fb8d8",
    "readonly": "bold #87af87",
    "write": "bold #ffffff on #af0000",
    "cursor": "on #2f4a63",
    "cursor-away": "on #262c33",
    "off": "#5c626b",
    # An environment's name; darker than WRITE, which may stand beside it.
    "env": "bold",
    "env red": "bold #ffffff on #870000",
    "env green": "bold #ffffff on #005f00",
    "env yellow": "bold #000000 on #d7af00",
    "env blue": "bold #ffffff on #005f87",
    "env magenta": "bold #ffffff on #870087",
    "env cyan": "bold #000000 on #00afaf",
}

_ANSI: dict[str, str] = {
    "": "",
    "dim": "dim",
    "title": "bold",
    "ok": "",
    "problem": "red",
    "severe": "bold red",
    "unknown": "yellow",
    "tag": "cyan",
    "arrow": "",
    "box": "",
    "key": "bold",
    "null": "dim",
    "heading": "bold",
    "readonly": "bold green",
    "write": "bold reverse",
    "cursor": "reverse",
    "cursor-away": "underline",
    "off": "dim",
    "env": "bold",
    **{f"env {colour}": f"bold reverse {colour}" for colour in COLOURS},
}

_MONO: dict[str, str] = {
    **dict.fromkeys(_ANSI, ""),
    "title": "bold",
    "problem": "bold",
    "severe": "bold",
    "key": "bold",
    "heading": "bold",
    "readonly": "bold",
    "write": "bold reverse",
    "cursor": "reverse",
    "cursor-away": "underline",
    **dict.fromkeys(("env", *(f"env {colour}" for colour in COLOURS)), "bold underline"),
}


@dataclass(frozen=True, slots=True)
class Palette:
    """A style for each word."""

    styles: Mapping[str, Style]

    def __getitem__(self, word: str) -> Style:
        """The style of a word; words of several styles are joined by a space."""
        found = self.styles.get(word)
        if found is not None:
            return found
        return Style.combine(self.styles.get(part, _PLAIN) for part in word.split(" "))


_PLAIN = Style()


def palette(*, colours: int, no_color: bool) -> Palette:
    """The palette for a terminal with this many colours (16, 256, 2**24); `no_color` is NO_COLOR's wish."""
    words = _MONO if no_color else _ANSI if colours <= 16 else _RICH
    return Palette({word: Style.parse(text) if text else _PLAIN for word, text in words.items()})


def chosen(console: Console, *, no_color: bool) -> tuple[str, Palette]:
    """The name of the theme and the palette for this terminal.

    Under NO_COLOR Textual turns the colours of a theme into greys, but a terminal's own, which it cannot know, into
    black on black.
    """
    depths = {"standard": 16, "windows": 16, "256": 256, "truecolor": 1 << 24}
    colours = depths.get(console.color_system or "standard", 16)
    name = "ansi-dark" if colours <= 16 and not no_color else DARK.name
    return name, palette(colours=colours, no_color=no_color)


class HasPalette(Protocol):
    """An app that owns a palette."""

    palette: Palette
    ascii_only: bool

    def now(self) -> datetime:
        """The clock that ages are told by."""


def painted(app: App[object]) -> HasPalette:
    """The app as the owner of the palette that its widgets paint with."""
    return cast("HasPalette", app)


def strip_of(spans: Iterable[Span], width: int, colours: Palette, *, over: Style | None = None) -> Strip:
    """One screen line of exactly `width` cells.

    Every segment has a style: one without crashes Textual under NO_COLOR. `over` (a cursor) lies above all.
    """
    base = over or _PLAIN
    segments = [Segment(span.text, colours[span.style] + base) for span in spans if span.text]
    return Strip(segments).crop_extend(0, width, base).simplify()
