"""Reads the `relations` of a `.tbls.yml`: table, columns, parentTable, parentColumns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.known.marked import LINE, load, mappings, texts
from fkexplorer.known.model import WrittenRelation

if TYPE_CHECKING:
    from fkexplorer.known.sources import Reading, Texts


def relations(files: Texts) -> Reading:
    """All relations that these files tell."""
    found: list[WrittenRelation] = []
    problems: list[str] = []
    for name, text in files:
        try:
            document = load(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        for each in mappings(document.get("relations") if isinstance(document, dict) else None):
            columns, parent_columns = texts(each.get("columns")), texts(each.get("parentColumns"))
            child, parent, origin = each.get("table"), each.get("parentTable"), f"{name}:{each[LINE]}"
            if isinstance(child, str) and isinstance(parent, str) and columns and parent_columns:
                found.append(WrittenRelation(child, columns, parent, parent_columns, origin, home="public"))
            else:
                problems.append(f"{origin}: a relation wants table, columns, parentTable and parentColumns")
    return found, problems
