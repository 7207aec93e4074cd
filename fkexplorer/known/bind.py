"""Binds relationships that people have written down to the catalogue: names become tables and columns of this database.

What is written and not there is told and stops nothing: a project is often ahead of a database, or behind it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.config.known import NotedPair
from fkexplorer.database.postgresql.pairs import named_twice, read_pairs
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.known.model import Known, WrittenRelation
from fkexplorer.known.sources import read_sources
from fkexplorer.schema.model import ColumnPair, Condition, EdgeKind
from fkexplorer.schema.names import find_column, find_tables, similar_tables, split_condition, split_pair, table_label
from fkexplorer.schema.undeclared import undeclared_oid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.config.settings import Settings
    from fkexplorer.database.connection import Database
    from fkexplorer.database.postgresql.pairs import Pair, Side
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

_HINTS = 5
"""Tables that are not there for which the nearest name is looked for: of 1,500 tables it takes 50 ms each."""


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
    binder = _Binder(schema)
    unbound = [relation for relation in map(relation_of, settings.relationships) if not binder.add(relation, found)]
    bound = binder.bound
    own = len(bound)
    refused = rejected_oids(schema, settings.rejected)
    unbound += [relation for relation in written if not binder.add(relation, found)]
    made = await read_pairs(database, schema, [each.asked for _, each in bound])
    edges: dict[int, Relationship] = {}
    origins: dict[int, str] = {}
    for at, ((relation, each), edge) in enumerate(zip(bound, made, strict=True)):
        if edge.kind is not EdgeKind.CONFIGURED or each.key in edges:
            continue
        if at >= own and not refused.isdisjoint({each.key, each.of_all}):
            continue
        edges[each.key] = edge
        origins[each.key] = relation.origin
    return Known(replace(schema, edges={**schema.edges, **edges}), origins, tuple(dict.fromkeys(found)), tuple(unbound))


def by_hand(known: Known, settings: Settings) -> tuple[WrittenRelation, ...]:
    """Those that somebody has linked in the settings, and of which something is not there.

    What the files of other tools name may well be in other databases.
    """
    origins = {each.origin for each in settings.relationships}
    return tuple(each for each in known.unbound if each.origin in origins)


def rejected_oids(schema: Schema, rejected: Sequence[NotedPair]) -> set[int]:
    """The OIDs of the edges that guesses between those columns have; what is not in this database has none."""
    binder = _Binder(schema)
    for each in rejected:
        binder.add(relation_of(each), [])
    return {each.key for _, each in binder.bound}


def means(schema: Schema, text: str, *oids: int) -> bool:
    """Whether a pair, as somebody wrote it, is one of the undeclared edges with these OIDs."""
    binder = _Binder(schema)
    if split_pair(split_condition(text)[0]) is not None:
        binder.add(relation_of(NotedPair(text, "")), [])
    return any(each.key in oids for _, each in binder.bound)


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

    __slots__ = ("asked", "key", "of_all")

    def __init__(self, child: Side, parent: Side, only: Condition | None) -> None:
        pairs = [ColumnPair(one, other, None) for one, other in zip(child[1], parent[1], strict=True)]
        self.asked: Pair = (child, parent, only)
        self.key = undeclared_oid(child[0].oid, parent[0].oid, pairs, only)
        """The OID of its edge."""
        self.of_all = undeclared_oid(child[0].oid, parent[0].oid, pairs)
        """The one that it would have if it were about all rows."""


class _Binder:
    """Finds the names of many relations: by a dictionary, since each of thousands would look at all tables.

    Attributes:
        bound: the relations whose names were found, in their order.
    """

    def __init__(self, schema: Schema) -> None:
        self.bound: list[tuple[WrittenRelation, _Bound]] = []
        self._schema = schema
        self._named: dict[str, dict[int, Table]] = {}
        for oid, table in schema.tables.items():
            self._named.setdefault(table.name.casefold(), {})[oid] = table
        self._hints = _HINTS

    def add(self, relation: WrittenRelation, problems: list[str]) -> bool:
        """Find a relation's names, or say which is not there; whether they were found."""
        try:
            child = self._side(relation.child, relation.columns, relation.home)
            parent = self._side(relation.parent, relation.parent_columns, relation.home)
            only = Condition(_column(child[0], relation.only[0]), relation.only[1]) if relation.only else None
        except LookupError as error:
            problems.append(f"{relation.origin}: {error}")
            return False
        wrong = f"{relation.child} and {relation.parent} are not named with as many columns"
        if len(child[1]) == len(parent[1]) and not (wrong := named_twice(child, parent)):
            self.bound.append((relation, _Bound(child, parent, only)))
            return True
        problems.append(f"{relation.origin}: {wrong}")
        return False

    def _side(self, name: str, columns: Sequence[str], home: str) -> Side:
        """The table and the columns of these names; LookupError, which says so, where one is none or several."""
        tables = self._tables(name)
        if not tables:
            near = similar_tables(self._schema, name, 1) if self._hints else []
            self._hints -= bool(self._hints)
            raise LookupError(f"there is no table {name}" + (f"; did you mean {near[0]}?" if near else ""))
        if len(tables) > 1:
            tables = [table for table in tables if table.schema == home] or tables
        if len(tables) > 1:
            raise LookupError(f"{name} may be {' or '.join(table_label(table) for table in tables[:3])}")
        return tables[0], [_column(tables[0], column) for column in columns]

    def _tables(self, name: str) -> list[Table]:
        if '"' in name:
            return find_tables(self._schema, name)
        alike = [self._named.get(each.strip().casefold(), {}) for each in (name, name.rpartition(".")[2])]
        return find_tables(replace(self._schema, tables={**alike[0], **alike[1]}), name)


def _column(table: Table, name: str) -> Column:
    found = find_column(table, name)
    if found is None:
        raise LookupError(f"{table_label(table)} has no column {name}")
    return found
