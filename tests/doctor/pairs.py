"""Pairs of columns that a test names, examined as `doctor` examines them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.database.postgresql.pairs import read_pairs
from fkexplorer.doctor.examine import examine
from fkexplorer.known.model import WrittenRelation
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import find_column, find_tables, split_pair
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Column, Schema, Table


async def examined_pairs(
    conninfo: str, *texts: str, role: str | None = None, max_bytes: int = 1 << 30, whole: bool = False
) -> Examination:
    """The examination of these pairs alone, or of all that is configured where that is them."""
    async with opened(conninfo, role) as (database, schema):
        sides = [(_side(schema, *child), _side(schema, *parent), None) for child, parent in map(_split, texts)]
        edges = await read_pairs(database, schema, sides)
        known = replace(schema, edges={**schema.edges, **{edge.oid: edge for edge in edges}})
        return await examine(database, known, Graph(known), None if whole else edges, max_bytes=max_bytes)


async def examined_names(conninfo: str, text: str) -> Examination:
    """The examination of a pair of which something is not there."""
    (child, columns), (parent, key) = _split(text)
    relation = WrittenRelation(child, tuple(columns), parent, tuple(key), "file.toml:3")
    async with opened(conninfo) as (database, schema):
        return await examine(database, schema, Graph(schema), [], max_bytes=1 << 30, unbound=[relation])


def errors(found: Examination) -> dict[str, Finding]:
    """The errors by their code; each code once."""
    some = [each for each in found.findings if each.severity == "error"]
    assert len({each.code for each in some}) == len(some)
    return {each.code: each for each in some}


def runnable(finding: Finding) -> list[str]:
    """The statements of its treatment, without the comments."""
    return [each for each in finding.treatment.statements if not each.startswith("--")]


def _split(text: str) -> tuple[tuple[str, list[str]], tuple[str, list[str]]]:
    pair = split_pair(text)
    assert pair is not None, text
    return pair


def _side(schema: Schema, name: str, columns: Sequence[str]) -> tuple[Table, list[Column]]:
    [table] = find_tables(schema, name)
    found = [find_column(table, each) for each in columns]
    return table, [each for each in found if each is not None]
