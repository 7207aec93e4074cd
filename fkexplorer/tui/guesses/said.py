"""What the workers that guess, and that write a decision down, tell the screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from fkexplorer.config.settings import Settings
    from fkexplorer.database.model import Trouble
    from fkexplorer.inference.model import Inference
    from fkexplorer.tui.guesses.deciding import Wish


@dataclass
class Guessed(Message):
    """What nobody declared and is likely."""

    generation: int
    inference: Inference


@dataclass
class NotGuessed(Message):
    """The look ended before its end: why, or None where somebody stopped it."""

    trouble: Trouble | None


@dataclass
class Decided(Message):
    """A decision stands in the configuration, and this is what it says now."""

    wish: Wish
    settings: Settings


@dataclass
class NotDone(Message):
    """A decision could not be written, or the catalogue could not be read with it."""

    trouble: Trouble
