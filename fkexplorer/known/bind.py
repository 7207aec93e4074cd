"""Binds relationships that people have written down to the catalogue: names become tables and columns of this database.

What is written and not there is told and stops nothing: a project is often ahead of a database, or behind it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.config_known import NotedPair
from fkexplorer.database.postgresql.pairs import read_pairs
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.known.model import Known, WrittenRelation
from fkexplorer.known.sources import read_sources
from fkexplorer.schema.model import ColumnPair, Condition, EdgeKind
from fkexplorer.schema.names import find_column, find_tables, similar_tables, split_condition, split_pair, table_label
from fkexplorer.schema.undeclared import undeclared_oid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.config import Settings
    from fkexplorer.database.connection import Database
    from fkexplorer.database.postgresql.pairs import Side
    from fkexplorer.schema.model import Column, Relationship, Schema, Table


async def read_known(database: Database, settings: Settings, folder: Path = Path()) -> Known:
    """The catalogue with all that is known beside it: what is configured, and what the files tell that it names.

    Args:
        database: whose catalogue is read.
        settings: what is configured.
        folder: files below it are told relative to it.

    Raises:
        Trouble: the server refused a statement, or the connection is lost. Files that can't be read are problems.
    """
    schema, (written, problems) = await asyncio.gather(
        read_schema(database), asyncio.to_thread(read_sources, settings.sources, folder)
    )
    return await bind(database, schema, settings, written, problems)


async def bind(
    database: Database,
    schema: Schema,
    settings: Settings,
    written: Sequence[WrittenRelation] = (),
    problems: Sequence[str] = (),
) -> Known:
    """The same for a catalogue that has been read.

    Args:
        database: what compares the columns is asked of it, in one round trip.
        schema: the catalogue, without configured edges.
        settings: what is configured.
        written: what other files tell. One of it that is rejected in the settings is left out.
        problems: what has been found wrong with those.

    Raises:
        Trouble: the server refused a statement, or the connection is lost.
    """
    found = list(problems)
    bound: list[tuple[WrittenRelation, _Bound]] = []
    configured = map(relation_of, settings.relationships)
    unbound = [relation for relation in configured if not _add(schema, relation, bound, found)]
    own = len(bound)
    refused = rejected_oids(schema, settings.rejected)
    unbound += [relation for relation in written if not _add(schema, relation, bound, found)]
    made = await read_pairs(database, schema, [each.sides for _, each in bound])
    edges: dict[int, Relationship] = {}
    origins: dict[int, str] = {}
    for at, ((relation, each), edge) in enumerate(zip(bound, made, strict=True)):
        if edge.kind is not EdgeKind.CONFIGURED or each.key in edges:
            continue
        if at >= own and not refused.isdisjoint({each.key, each.of_all}):
            continue
        edges[each.key] = replace(edge, oid=each.key, only=each.only) if each.only else edge
        origins[each.key] = relation.origin
    return Known(replace(schema, edges={**schema.edges, **edges}), origins, tuple(dict.fromkeys(found)), tuple(unbound))


def rejected_oids(schema: Schema, rejected: Sequence[NotedPair]) -> set[int]:
    """The OIDs of the edges that guesses between those columns have; what is not in this database has none."""
    found: list[tuple[WrittenRelation, _Bound]] = []
    for each in rejected:
        _add(schema, relation_of(each), found, [])
    return {each.key for _, each in found}


def means(schema: Schema, text: str, *oids: int) -> bool:
    """Whether a pair, as somebody wrote it, is one of the undeclared edges with these OIDs."""
    found: list[tuple[WrittenRelation, _Bound]] = []
    if split_pair(split_condition(text)[0]) is not None:
        _add(schema, relation_of(NotedPair(text, "")), found, [])
    return any(each.key in oids for _, each in found)


def of_all(edge: Relationship) -> int:
    """The OID of the edge between the same columns that is about all rows of the child."""
    return undeclared_oid(edge.child, edge.parent, edge.pairs)


def relation_of(noted: NotedPair) -> WrittenRelation:
    """A pair of the configuration by its parts; the configuration has made sure that it is one."""
    text, only = split_condition(noted.pair)
    sides = split_pair(text)
    assert sides is not None  # noqa: S101 - as above
    (child, columns), (parent, parent_columns) = sides
    return WrittenRelation(
        child, tuple(columns), parent, tuple(parent_columns), noted.origin, only, reason=noted.reason
    )


class _Bound:
    """A relation whose names were found."""

    __slots__ = ("key", "of_all", "only", "sides")

    def __init__(self, child: Side, parent: Side, only: Condition | None) -> None:
        pairs = [ColumnPair(one, other, None) for one, other in zip(child[1], parent[1], strict=True)]
        self.sides = (child, parent)
        self.only = only
        self.key = undeclared_oid(child[0].oid, parent[0].oid, pairs, only)
        """The OID of its edge."""
        self.of_all = undeclared_oid(child[0].oid, parent[0].oid, pairs)
        """The one that it would have if it were about all rows."""


def _add(
    schema: Schema, relation: WrittenRelation, bound: list[tuple[WrittenRelation, _Bound]], problems: list[str]
) -> bool:
    """Find a relation's names, or say which is not there; whether they were found."""
    try:
        child = _side(schema, relation.child, relation.columns, relation.home)
        parent = _side(schema, relation.parent, relation.parent_columns, relation.home)
        only = None
        if relation.only is not None:
            column = _column(child[0], relation.only[0])
            only = Condition(column, relation.only[1])
    except LookupError as error:
        problems.append(f"{relation.origin}: {error}")
        return False
    if len(child[1]) == len(parent[1]):
        bound.append((relation, _Bound(child, parent, only)))
        return True
    problems.append(f"{relation.origin}: {relation.child} and {relation.parent} are not named with as many columns")
    return False


def _side(schema: Schema, name: str, columns: Sequence[str], home: str) -> Side:
    """The table and the columns of these names; LookupError, which says so, where one is none or several."""
    tables = find_tables(schema, name)
    if not tables:
        near = similar_tables(schema, name, 1)
        raise LookupError(f"there is no table {name}" + (f"; did you mean {near[0]}?" if near else ""))
    if len(tables) > 1:
        tables = [table for table in tables if table.schema == home] or tables
    if len(tables) > 1:
        raise LookupError(f"{name} may be {' or '.join(table_label(table) for table in tables[:3])}")
    return tables[0], [_column(tables[0], column) for column in columns]


def _column(table: Table, name: str) -> Column:
    found = find_column(table, name)
    if found is None:
        raise LookupError(f"{table_label(table)} has no column {name}")
    return found
