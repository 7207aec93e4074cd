"""Relationships that people know of and PostgreSQL does not: as they are written down, and bound to a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.schema.model import Schema


@dataclass(frozen=True, slots=True)
class WrittenRelation:
    """A relationship as a file has it: names alone, not looked up yet."""

    child: str
    """`table` or `schema.table`, quoted as SQL does where it must be."""
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    origin: str
    """The file and the line, as `.fkexplorer.toml:12`, `models/schema.yml:31`."""
    only: tuple[str, str] | None = None
    """Column and value of the rows that it is about, where it is not about all."""
    reason: str = ""
    """What somebody wrote of it."""
    home: str = ""
    """The schema that a table's name without one means where several have such a table; "" for none."""


@dataclass(frozen=True, slots=True)
class Known:
    """A schema with all that is known beside its catalogue."""

    schema: Schema
    """The catalogue's edges, and those of kind `configured`, whose OIDs are below 0."""
    origins: Mapping[int, str]
    """Where each configured edge is written, by its OID."""
    problems: tuple[str, ...]
    """What is written and could not be bound (no such table, no such column, a file that can't be read), a sentence
    each with its file and line."""
    unbound: tuple[WrittenRelation, ...] = ()
    """Those of which a table or a column is not in the catalogue; each has its problem too."""
