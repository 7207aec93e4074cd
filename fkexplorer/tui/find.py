"""Choosing from many by a few letters: tables, columns and constraints, or actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input

from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, table_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.keys import KEYS, Key
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.reports.style import Line
    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.world import World


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be found: a table, or an edge in it."""

    text: str
    table: int
    edge: int | None
    what: str


def places(world: World, order: Iterable[int]) -> list[Place]:
    """Everything that has a name: tables in this order, then their columns, then the constraints."""
    schema = world.schema
    if schema is None:
        return []
    named = [(oid, table_label(schema.tables[oid])) for oid in order]
    found = [Place(label, oid, None, "table") for oid, label in named]
    for oid, label in named:
        edges = {pair.child.number: edge.oid for edge in world.edges_of(oid).own for pair in edge.pairs}
        columns = schema.tables[oid].columns
        found += [Place(f"{label}.{column.name}", oid, edges.get(column.number), "column") for column in columns]
    kinds = {EdgeKind.DECLARED: "constraint", EdgeKind.CONFIGURED: "link", EdgeKind.INFERRED: "guess"}
    found += [Place(edge_label(schema, edge), edge.child, edge.oid, kinds[edge.kind]) for edge in schema.edges.values()]
    return found


@dataclass(frozen=True, slots=True)
class Entry(Generic[Item]):
    """Something to choose: what finds it, each text with its weight, and whether it shows before anything is typed."""

    item: Item
    names: tuple[tuple[str, float], ...]
    first: bool = True


class Chooser(ModalScreen[Item | None]):
    """A field above what matches it; Enter gives the entry under the cursor, Esc nothing.

    Args:
        entries: what there is, in the order that is shown before anything is typed.
        line: an entry on one line, in ASCII alone or not.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="find.close", tooltip="Close."),
        Binding("down,ctrl+n", "move(1)", "down", id="find.down", tooltip="Next."),
        Binding("up,ctrl+p", "move(-1)", "up", id="find.up", tooltip="Previous."),
    ]
    DEFAULT_CSS = """
    Chooser { align: center top; }
    Chooser > Vertical { width: 90%; max-width: 100; height: 80%; background: $surface; border: round $primary; }
    Chooser.-ascii > Vertical { border: ascii $primary; }
    Chooser Input, Chooser Input:focus { border: none; height: 1; background: $panel; }
    """
    HEADING: ClassVar[str] = ""
    LIMIT = 100

    def __init__(self, entries: Sequence[Entry[Item]], line: Callable[[Item, bool], Line]) -> None:
        super().__init__()
        self._entries = entries
        self._line = line
        self._found: list[Item] = []
        self._search = FuzzySearch()

    def compose(self) -> ComposeResult:
        """An input above the matches."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = self.HEADING
            yield Input(placeholder="a few letters", select_on_focus=False)
            matches = TextLines()
            matches.can_focus = False
            yield matches

    def on_mount(self) -> None:
        """Everything matches nothing typed."""
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Match again."""
        self._show(event.value)

    def _show(self, typed: str) -> None:
        self._found = self._matching(typed)[: self.LIMIT]
        ascii_only = painted(self.app).ascii_only
        lines = self.query_one(TextLines)
        lines.content = [self._line(item, ascii_only) for item in self._found]
        lines.cursor = lines.top = 0
        lines.refresh()

    def _matching(self, typed: str) -> list[Item]:
        """What matches, the best first; of equals the shorter."""
        letters = typed.casefold().replace(" ", "")
        if not letters:
            return [entry.item for entry in self._entries if entry.first]
        scored = []
        for at, entry in enumerate(self._entries):
            if score := max(weight * self._score(letters, name) for name, weight in entry.names):
                scored.append((-score, len(entry.names[0][0]), at, entry.item))
        scored.sort(key=lambda found: found[:3])
        return [found[3] for found in scored]

    def _score(self, letters: str, text: str) -> float:
        # A cheap look first: scoring all 22,000 names of a large schema at each key would take a second.
        return self._search.match(letters, text)[0] if in_order(letters, text.casefold()) else 0.0

    def action_move(self, by: int) -> None:
        """Next or previous match."""
        lines = self.query_one(TextLines)
        lines.move_to(lines.cursor + by)

    def _choose(self, index: int) -> None:
        self.dismiss(self._found[index] if index < len(self._found) else None)

    def on_input_submitted(self) -> None:
        """Take it."""
        self._choose(self.query_one(TextLines).cursor)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """The same by mouse."""
        self._choose(event.index)


class FindScreen(Chooser[Place]):
    """Find a table, a column or a constraint."""

    HEADING = "find a table, column or constraint"

    def __init__(self, places: Sequence[Place]) -> None:
        # Most look for a table; its columns begin with its name and match as well.
        super().__init__(
            [
                Entry(place, ((place.text, 1.25 if place.what == "table" else 1.0),), first=place.what == "table")
                for place in places
            ],
            lambda place, ascii: (Span(f" {place.what:<11}", "dim"), Span(inert(place.text, ascii=ascii))),
        )


class PaletteScreen(Chooser[Key]):
    """The command palette: the actions of the key table, greyed with the reason where one does nothing now."""

    HEADING = "do"

    def __init__(self, reasons: Mapping[str, str]) -> None:
        actions = [key for key in KEYS if key.group in ("main", "app") and key.action != "palette"]

        def line(key: Key, _ascii: bool) -> Line:  # noqa: FBT001 - the table is in ASCII
            reason = reasons.get(key.action)
            return (
                Span(f" {key.label:<18}", "off" if reason else ""),
                Span(f"{key.shown:<10}", "off" if reason else "key"),
                Span(f"({reason})" if reason else key.tooltip, "unknown" if reason else "dim"),
            )

        # A label says more than a sentence that happens to hold the letters.
        super().__init__([Entry(key, ((key.label, 2.0), (key.tooltip, 1.0))) for key in actions], line)


def in_order(letters: str, text: str) -> bool:
    """Whether a text has these letters in their order: a cheap look before a match is scored."""
    found = iter(text)
    return all(letter in found for letter in letters)
