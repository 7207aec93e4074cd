"""What lies over the main screen: help, one row in full, the password that a server asks for."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from fkexplorer.reports.style import Span
from fkexplorer.reports.values import fit, inert
from fkexplorer.tui.keys import KEYS
from fkexplorer.tui.lines import LineList
from fkexplorer.tui.rows import MASK
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.orphans.model import Page
    from fkexplorer.reports.style import Line


class TextLines(LineList):
    """Lines that are only read."""

    def __init__(self, lines: Sequence[Sequence[Span]] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.content: Sequence[Sequence[Span]] = list(lines)

    def line_count(self) -> int:
        """As many as were given."""
        return len(self.content)

    def line(self, index: int, width: int) -> Sequence[Span]:  # noqa: ARG002 - they were made for the width
        """One of them."""
        return self.content[index]


_BADGES: tuple[tuple[str, str, str], ...] = (
    ("ok", "ok", "counted, no orphans"),
    ("?  ..", "unknown", "not counted yet; being counted"),
    ("!37", "problem", "orphans: child rows whose parent is missing"),
    ("!1.3k", "severe", "1,000 or more of them, or 1 % of the rows and more"),
    ("!!37", "severe", "orphans under a constraint that PostgreSQL calls valid"),
    (">=37", "unknown", "at least so many: the count is under way, or stopped early"),
    ("<=1.6%", "unknown", "at most, as a sample of the rows says, until there is a number"),
    ("*!37", "severe", "orphans have appeared since somebody looked (! goes there)"),
    ("&ok", "unknown", "somebody waits for a lock on its tables: the detail says who for whom"),
    ("T  D  R", "unknown", "timed out; privilege missing; row security hides rows"),
    ("-  X  E", "unknown", "over the cost limit (r counts it); types can't be compared; failed"),
    ("NV", "tag", "NOT VALID: rows of before were never checked"),
    ("off", "tag", "not enforced, or a trigger of it is disabled"),
    ("cfg", "tag", "linked by hand or accepted, in .fkexplorer.toml: no constraint binds it"),
    ("inf .9", "tag", "a guess and how likely it is, dotted: in no total until + accepts it"),
    ("noix", "tag", "no index of the child supports it"),
    ("(2)  c2", "tag", "key of two columns; in a cycle of two tables"),
)

_GROUPS = (
    ("list", "In every list"),
    ("columns", "Sides and columns"),
    ("main", "Views and actions"),
    ("app", "Always"),
)


class HelpScreen(ModalScreen[None]):
    """All keys, with the reason where one does nothing just now, and the badges."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "close", id="help.close", tooltip="Close the help.")
    ]
    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > TextLines { width: 90%; max-width: 96; height: 90%; border: round $primary; background: $surface; }
    HelpScreen.-ascii > TextLines { border: ascii $primary; }
    """

    def __init__(self, reasons: Mapping[str, str], own: Sequence[Binding] = (), title: str = "") -> None:
        super().__init__()
        self._reasons = reasons
        self._own = own
        """The keys of the dialog that it was asked for in; they come first."""
        self._title = title

    def compose(self) -> ComposeResult:
        """One list of lines, filled in once the width is known."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        lines = TextLines()
        lines.border_title = "help"
        yield lines

    def on_resize(self) -> None:
        """Wrap for the width."""
        lines = self.query_one(TextLines)
        lines.content = self._lines(min(96, int(self.size.width * 0.9)) - 4)
        lines.move_to(lines.cursor)
        lines.refresh()

    def _lines(self, cells: int) -> list[Line]:
        lines: list[Line] = [(Span(f" {self._title}", "heading"),)] if self._own else []
        for binding in self._own:
            shown = binding.key_display or binding.key.split(",")[0]
            lines += _hanging(Span(shown, "key"), [Span(binding.tooltip)], cells)
        lines += [(Span(""),)] if self._own else []
        for group, title in _GROUPS:
            lines.append((Span(f" {title}", "heading"),))
            for key in KEYS:
                if key.group != group:
                    continue
                reason = self._reasons.get(key.action)
                texts = [Span(key.tooltip, "off" if reason else "")]
                if reason:
                    texts.append(Span(f"({reason})", "unknown"))
                lines += _hanging(Span(key.shown, "off" if reason else "key"), texts, cells)
            lines.append((Span(""),))
        lines.append((Span(" What the badges say", "heading"),))
        for badge, style, text in _BADGES:
            lines += _hanging(Span(badge, style), [Span(text)], cells)
        lines.append((Span(""),))
        for text in (
            "The arrow always points to the referenced table. A row of the Lens is one foreign key.",
            "Select text with the mouse: hold Shift, or start with --no-mouse.",
        ):
            lines += [(Span(" " + piece, "dim"),) for piece in textwrap.wrap(text, max(8, cells - 1))]
        return lines


def _hanging(label: Span, texts: Sequence[Span], cells: int) -> list[Line]:
    """A label and what is said of it, wrapped beside it; each text begins a line unless it fits on the last one."""
    indent = 12
    pieces: list[list[Span]] = []
    for text in texts:
        new = [[Span(piece, text.style)] for piece in textwrap.wrap(text.text, max(8, cells - indent))]
        taken = sum(len(span.text) for span in pieces[-1]) if pieces else cells
        if len(new) == 1 and taken + 2 + len(text.text) <= cells - indent:
            pieces[-1] += [Span("  "), *new[0]]
        else:
            pieces += new
    first = Span(f"  {label.text:<{indent - 2}}", label.style)
    return [(first if at == 0 else Span(" " * indent), *spans) for at, spans in enumerate(pieces)]


class RowScreen(ModalScreen[None]):
    """One row, its values in full."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,backspace", "dismiss", "close", id="row.close", tooltip="Close the row."),
        Binding("y", "copy", "copy", id="row.copy", tooltip="Copy the value of the field under the cursor."),
    ]
    DEFAULT_CSS = """
    RowScreen { align: center middle; }
    RowScreen > TextLines { width: 94%; height: 90%; border: round $primary; background: $surface; }
    RowScreen.-ascii > TextLines { border: ascii $primary; }
    """

    def __init__(self, title: str, page: Page) -> None:
        super().__init__()
        self._title = title
        self._page = page
        self._field_of_line: list[int] = []

    def compose(self) -> ComposeResult:
        """The fields, filled in once the width is known."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        lines = TextLines()
        yield lines

    def on_resize(self) -> None:
        """Wrap for the width."""
        lines = self.query_one(TextLines)
        cells = max(10, int(self.size.width * 0.94) - 6)
        lines.border_title = Content(fit(self._title, cells, ascii=painted(self.app).ascii_only, pad=False))
        lines.content, self._field_of_line = self._wrapped(max(20, int(self.size.width * 0.94) - 4))
        lines.styles.height = min(len(lines.content), int(self.size.height * 0.9) - 2) + 2
        lines.refresh()

    def _wrapped(self, cells: int) -> tuple[list[Sequence[Span]], list[int]]:
        ascii_only = painted(self.app).ascii_only
        names = min(max(len(field.name) for field in self._page.fields), cells // 3)
        lines: list[Sequence[Span]] = []
        fields: list[int] = []
        row = self._page.rows[0]
        for at, (field, value) in enumerate(zip(self._page.fields, row, strict=True)):
            label = Span(" " + fit(field.name, names, ascii=ascii_only) + "  ", "key" if field.key else "heading")
            blank = Span(" " * (names + 3))
            text, style = (
                (MASK, "dim") if value.masked else ("NULL", "null") if value.text is None else (value.text, "")
            )
            for number, piece in enumerate(_pieces(text, cells - names - 3, ascii_only=ascii_only)):
                lines.append((label if number == 0 else blank, Span(piece, style)))
                fields.append(at)
        return lines, fields

    def action_copy(self) -> None:
        """Copy the value under the cursor."""
        cursor = self.query_one(TextLines).cursor
        value = self._page.rows[0][self._field_of_line[cursor]]
        if value.text is not None:
            self.app.copy_to_clipboard(value.text)
            self.notify("Sent to the terminal's clipboard.", markup=False)


def _pieces(text: str, cells: int, *, ascii_only: bool) -> list[str]:
    """A value as screen lines: its own line breaks kept, long lines wrapped, everything inert."""
    pieces: list[str] = []
    for line in text.split("\n") or [""]:
        shown = inert(line, ascii=ascii_only)
        # A wide character takes two cells; half the width holds any text of that many characters.
        step = cells if shown.isascii() else max(1, cells // 2)
        pieces += [shown[at : at + step] for at in range(0, len(shown), step)] or [""]
    return pieces


class Hidden(Input):
    """Shows the length of what is typed, in stars: Textual's bullet is beyond ASCII."""

    @property
    def _value(self) -> Text:
        return Text("*" * len(self.value), no_wrap=True, overflow="ignore", end="")


class PasswordScreen(ModalScreen[str | None]):
    """The server wants a password. Esc gives up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="password.cancel", tooltip="Give up connecting.")
    ]
    DEFAULT_CSS = """
    PasswordScreen { align: center middle; }
    PasswordScreen > Vertical { width: 60; max-width: 90%; height: auto; padding: 1 2; }
    PasswordScreen > Vertical { border: round $primary; background: $surface; }
    PasswordScreen.-ascii > Vertical { border: ascii $primary; }
    PasswordScreen Input, PasswordScreen Input:focus { border: none; height: 1; background: $panel; margin: 1 0; }
    """

    def __init__(self, label: str, reason: str | None) -> None:
        super().__init__()
        self._label = label
        self._reason = reason

    def compose(self) -> ComposeResult:
        """A question and a field that shows nothing of what is typed but its length."""
        ascii_only = painted(self.app).ascii_only
        self.set_class(ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = "password"
            yield Static(Content(inert(f"Password for {self._label}", ascii=ascii_only)))
            yield Hidden(password=True)
            yield Static(
                Content(inert(self._reason or "Enter connects, Esc gives up. It is kept nowhere.", ascii=ascii_only))
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try it."""
        self.dismiss(event.value)
