"""What guessing relationships gives: each guess with its score and every reason for it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fkexplorer.schema.model import Operator, Relationship, TypeName

SHOWN = 0.75
"""Guesses of this score or more are shown as edges."""
SUGGESTED = 0.5
"""Those from here to `SHOWN` are a list of suggestions; below, nothing is said."""

PairKey = tuple[int, tuple[int, ...], int, tuple[int, ...], tuple[int, str] | None]
"""A pair of columns: OID of the child, its columns by number, OID of the parent, its columns in the same order; where
it is about some rows of the child only, the column and the value that tell them."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for a guess, or against it."""

    code: str
    """A stable word, as `name_of_table`, `same_type`, `declared_elsewhere`, `contained`."""
    text: str
    """A few words for people, as `named like users.id`, `985 of 1,000 sampled keys are there`."""
    points: float
    """What it adds to the score; below 0 where it speaks against."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Sampled distinct keys of a child, and how many of them the parent has."""

    keys: int
    """Distinct keys that were looked up, none with a NULL."""
    present: int
    at: datetime
    """The server's clock, UTC."""
    whole: bool = False
    """They are all keys of the child, not a sample."""
    also_in: int = 0
    """Other keys of the same type, of other tables, that hold as many of them: then being contained says little."""
    problem: str = ""
    """Why nothing could be looked up, in a few words; then both numbers are 0."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A relationship that nobody declared, as likely as its score."""

    edge: Relationship
    """Of kind `inferred`; its OID is below 0, as `read_pair` numbers the same columns. `pairs[n].equals` is None where
    the two can't be compared, which is a reason to tell, and none to drop it. With `only` it is one of the kinds of a
    polymorphic pair of columns."""
    score: float
    """0 to 1."""
    reasons: tuple[Reason, ...]
    """The weightiest first."""
    rivals: tuple[int, ...] = ()
    """OIDs of parents that are as likely, this one's too: with any it is ambiguous, and never drawn."""
    inclusion: Inclusion | None = None
    """None where no data was looked at."""

    @property
    def shown(self) -> bool:
        """Whether it is drawn as an edge."""
        return self.score >= SHOWN and not self.rivals


@dataclass(frozen=True, slots=True)
class Lonely:
    """Columns that look like a reference, and nothing is found that they refer to; or that can only be told of."""

    table: int
    columns: tuple[int, ...]
    text: str
    """Why it is listed, in a few words: `no table is named like it`, `an array of keys of tags.id`."""


@dataclass(frozen=True, slots=True)
class Join:
    """Two columns that a view or a function compares with each other."""

    left: tuple[int, int]
    """OID of a table, number of a column."""
    right: tuple[int, int]
    where: str
    """`schema.name` of the view or function."""


@dataclass(frozen=True, slots=True)
class CatalogueEvidence:
    """What guessing wants of the catalogue beyond the schema."""

    operators: Mapping[tuple[TypeName, TypeName], Operator | None] = field(default_factory=dict)
    """By the child's type and the parent's (under their domains) what a foreign key would compare them with, parent on
    the left; None where nothing does. A pair that is missing here was not asked for."""
    joins: tuple[Join, ...] = ()
    kinds: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    """Of a polymorphic pair's type column, by table and number, the values that it has; none that was not read."""
    content_types: Mapping[str, str] = field(default_factory=dict)
    """Of Django's `django_content_type`, by the `id` as text, what it stands for: `app_label.model`."""
    problems: tuple[str, ...] = ()
    """What could not be read, a sentence each."""


@dataclass(frozen=True, slots=True)
class Inference:
    """All guesses about one schema."""

    guesses: tuple[Guess, ...]
    """All of `SUGGESTED` or more, best first; `Guess.shown` tells those that are drawn."""
    lonely: tuple[Lonely, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be looked at, a sentence each."""

    @property
    def shown(self) -> tuple[Guess, ...]:
        """Those that are drawn."""
        return tuple(guess for guess in self.guesses if guess.shown)
