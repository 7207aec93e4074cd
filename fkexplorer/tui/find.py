"""Fuzzy find over tables, columns and constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.fuzzy import FuzzySearch
from textual.screen import ModalScreen
from textual.widgets import Input

from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert
from fkexplorer.schema.names import edge_label, table_label
from fkexplorer.tui.dialogs import TextLines
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.tui.lines import LineList
    from fkexplorer.tui.world import World


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
    found += [Place(edge_label(schema, edge), edge.child, edge.oid, "constraint") for edge in schema.edges.values()]
    return found


class FindScreen(ModalScreen[Place | None]):
    """Fuzzy find over tables, columns and constraints."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="find.close", tooltip="Close."),
        Binding("down,ctrl+n", "move(1)", "down", id="find.down", tooltip="Next."),
        Binding("up,ctrl+p", "move(-1)", "up", id="find.up", tooltip="Previous."),
    ]
    DEFAULT_CSS = """
    FindScreen { align: center top; }
    FindScreen > Vertical { width: 90%; max-width: 100; height: 80%; background: $surface; border: round $primary; }
    FindScreen.-ascii > Vertical { border: ascii $primary; }
    FindScreen Input, FindScreen Input:focus { border: none; height: 1; background: $panel; }
    """
    LIMIT = 100

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__()
        self._places = places
        self._found: list[Place] = []
        self._search = FuzzySearch()

    def compose(self) -> ComposeResult:
        """An input above the matches."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        with Vertical() as box:
            box.border_title = "find a table, column or constraint"
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
        if not typed:
            self._found = [place for place in self._places if place.edge is None and place.what == "table"][
                : self.LIMIT
            ]
        else:
            scored = []
            letters = typed.casefold().replace(" ", "")
            for place in self._places:
                # A cheap look first: scoring all 22,000 names of a large schema at each key would take a second.
                if _in_order(letters, place.text.casefold()):
                    score, _ = self._search.match(letters, place.text)
                    # Most look for a table; its columns begin with its name and match as well.
                    weight = 1.25 if place.what == "table" else 1.0
                    scored.append((-score * weight, len(place.text), place.text, place))
            scored.sort(key=lambda entry: entry[:3])
            self._found = [entry[3] for entry in scored[: self.LIMIT]]
        lines = self.query_one(TextLines)
        ascii_only = painted(self.app).ascii_only
        lines.content = [
            (Span(f" {place.what:<11}", "dim"), Span(inert(place.text, ascii=ascii_only))) for place in self._found
        ]
        lines.cursor = lines.top = 0
        lines.refresh()

    def action_move(self, by: int) -> None:
        """Next or previous match."""
        lines = self.query_one(TextLines)
        lines.move_to(lines.cursor + by)

    def on_input_submitted(self) -> None:
        """Go there."""
        cursor = self.query_one(TextLines).cursor
        self.dismiss(self._found[cursor] if cursor < len(self._found) else None)

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        """The same by mouse."""
        self.dismiss(self._found[event.index] if event.index < len(self._found) else None)


def _in_order(letters: str, text: str) -> bool:
    found = iter(text)
    return all(letter in found for letter in letters)
