"""What somebody decides of a pair of columns: asked in a small box, and written into the configuration on Enter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from fkexplorer.database.model import Trouble
from fkexplorer.known.bind import means
from fkexplorer.known.deciding import accepted, forgotten, rejected
from fkexplorer.reports.values import inert
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label
from fkexplorer.tui.theme import painted

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from fkexplorer.config.settings import Settings
    from fkexplorer.schema.model import Relationship, Schema


class Decision(Enum):
    """What is written down: the heading of the box, what it means, and what is said of a pair and the file then."""

    ACCEPT = (
        "accept a guess",
        "From now on it is counted, explained and fixed as a foreign key is. Nothing is written to the database.",
        "Accepted: {pair}. Written to {file}.",
    )
    LINK = (
        "link two columns",
        "From now on they are counted, explained and fixed as a foreign key is. Nothing is written to the database.",
        "Linked: {pair}. Written to {file}.",
    )
    REJECT = ("reject a guess", "It is not shown again.", "Rejected: {pair}. Written to {file}.")
    LEAVE_OUT = (
        "leave out what another file tells",
        "It is rejected here: the other file stays as it is.",
        "Left out: {pair}. Written to {file}.",
    )
    FORGET = (
        "take a link back",
        "It is taken out of the file, and counted no more.",
        "Taken back: {pair}. It is no more in {file}.",
    )

    def __init__(self, title: str, meaning: str, done: str) -> None:
        self.title = title
        self.meaning = meaning
        self.done = done


def taken_back(schema: Schema, settings: Settings, edge: Relationship) -> Decision:
    """What taking away an edge means that no constraint declares: of a guess, of one in the file, of another file's."""
    if edge.kind is EdgeKind.INFERRED:
        return Decision.REJECT
    own = any(means(schema, each.pair, edge.oid) for each in settings.relationships)
    return Decision.FORGET if own else Decision.LEAVE_OUT


@dataclass(frozen=True, slots=True)
class Wish:
    """A decision on a pair of columns, before it is written or after."""

    decision: Decision
    edge: Relationship
    reason: str = ""

    def written(self, schema: Schema, settings: Settings) -> Settings:
        """Write it; what is configured then.

        Raises:
            Trouble: the file cannot be read or written, or another one says the same (`no_config`); it is wrong
                (`bad_config`).
        """
        match self.decision:
            case Decision.ACCEPT | Decision.LINK:
                return accepted(schema, settings, self.edge, self.reason, os.environ)
            case Decision.REJECT | Decision.LEAVE_OUT:
                return rejected(schema, settings, self.edge, self.reason, os.environ)
            case Decision.FORGET:
                left = forgotten(schema, settings, self.edge, os.environ)
                for each in left.relationships:
                    if means(schema, each.pair, self.edge.oid):
                        raise Trouble(f"{each.origin} links them, too", "take it out there", code="no_config")
                return left


class DecideScreen(ModalScreen["str | None"]):
    """Says what is written, and where; Enter gives the reason, which may be empty, Esc gives nothing.

    Args:
        schema: what the pair is of.
        wish: what is to be decided.
        file: where it is written.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel", id="decide.cancel", tooltip="Give it up: nothing is written."),
        Binding("enter", "go", "write", id="decide.go", tooltip="Write it."),
    ]
    DEFAULT_CSS = """
    DecideScreen { align: center middle; }
    DecideScreen > Vertical { width: 76; max-width: 96%; height: auto; padding: 1 2; }
    DecideScreen > Vertical { border: round $primary; background: $surface; }
    DecideScreen.-ascii > Vertical { border: ascii $primary; }
    DecideScreen Input, DecideScreen Input:focus { border: none; height: 1; background: $panel; margin: 0 0 1 0; }
    """

    def __init__(self, schema: Schema, wish: Wish, file: Path) -> None:
        super().__init__()
        # A side a line: both together are seldom as short as the box is wide.
        self._label = edge_label(schema, wish.edge).replace("):", "):\n  ", 1)
        self._decision = wish.decision
        self._file = file

    @property
    def _takes_reason(self) -> bool:
        return self._decision is not Decision.FORGET

    def compose(self) -> ComposeResult:
        """The pair, the file, a field for the reason, what Enter and Esc do."""
        self.set_class(painted(self.app).ascii_only, "-ascii")
        path = Path(os.path.abspath(self._file))  # noqa: PTH100 - a link is shown as it is named
        new = "" if path.exists() else ", which is made"
        with Vertical() as box:
            box.border_title = Content(self._decision.title)
            yield self._text(f"{self._label}\n\nin {path}{new}\n\n{self._decision.meaning}\n")
            if self._takes_reason:
                yield self._text("reason, which may be empty:")
                yield Input(select_on_focus=False)
            yield self._text("Enter writes it, Esc leaves all as it is.")

    def _text(self, text: str) -> Static:
        ascii_only = painted(self.app).ascii_only
        return Static(Content("\n".join(inert(line, ascii=ascii_only) for line in text.split("\n"))))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field."""
        self.dismiss(event.value.strip())

    def action_go(self) -> None:
        """Enter where there is no field."""
        if not self._takes_reason:
            self.dismiss("")
