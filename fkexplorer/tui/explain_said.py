"""What the workers that explain and trace tell their screens; `number` tells answers to a former question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.database.model import Trouble
    from fkexplorer.diagnosis.model import Diagnosis, Suggestion, Trace
    from fkexplorer.diagnosis.reading.model import Reading
    from fkexplorer.schema.model import Relationship, Schema


@dataclass
class TextRead(Message):
    """A text was read to its end."""

    reading: Reading


@dataclass
class TextUnread(Message):
    """It could not be read, and why."""

    words: str


@dataclass
class Diagnosed(Message):
    """What the database says about a finding; `schema` is the catalogue that it was looked at with."""

    number: int
    at: int
    diagnosis: Diagnosis
    schema: Schema


@dataclass
class Traced(Message):
    """Where a key lives."""

    number: int
    trace: Trace


@dataclass
class PairKnown(Message):
    """The pair of columns that a finding is guessed to mean can be compared; `wishes` is what it suggests."""

    edge: Relationship
    wishes: Sequence[Suggestion]


@dataclass
class NotLooked(Message):
    """The database was not looked at, or not to the end; None where somebody stopped it."""

    number: int
    trouble: Trouble | None
