"""What the workers of a fix tell its screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.model import Trouble
    from fkexplorer.fixes.entries import Entry, Touched
    from fkexplorer.fixes.finding import Found
    from fkexplorer.fixes.model import Advance, Choice, Outcome
    from fkexplorer.schema.model import Relationship


@dataclass
class Chosen(Message):
    """What can be done with an edge is known."""

    choices: Sequence[Choice]


@dataclass
class Paired(Message):
    """The pair of columns that was typed can be compared."""

    text: str
    edge: Relationship


@dataclass
class Entries(Message):
    """The journal was read, the newest entry first; `words` is why the server could not be asked about some."""

    entries: Sequence[Entry]
    words: str = ""


@dataclass
class ParentsFound(Message):
    """A search of parents ended; `words` is why it could not be done."""

    text: str
    found: Found | None
    words: str = ""


@dataclass
class Seen(Message):
    """What it would do is known."""


@dataclass
class Saved(Message):
    """A script was saved, and where; or why it was not."""

    words: str


@dataclass
class Failed(Message):
    """It could not be found out, and why; what was known before stands where `stands`."""

    trouble: Trouble
    stands: bool = False


@dataclass
class Advanced(Message):
    """It came so far."""

    advance: Advance


@dataclass
class Finished(Message):
    """It ended; `touched` is what was committed, as the journal has it."""

    outcome: Outcome
    touched: Sequence[Touched] = ()
