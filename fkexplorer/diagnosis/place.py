"""Where an error belongs: from the names that its text tells to the foreign key that they mean, and how sure that is.

An edge is certain where the text's own names lead to no other. What the text says otherwise (a schema, a partition) is
told; what only a constraint's name suggests is a guess, and never an edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.model import Candidate, Evidence, Placed
from fkexplorer.diagnosis.named_there import Name, Told, look
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.schema.names import edge_label, qualified, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.named_there import Own, Seen
    from fkexplorer.diagnosis.reading.model import ParsedError
    from fkexplorer.schema.model import Relationship, Schema, Table

_ABOVE = "SELECT conparentid FROM pg_catalog.pg_constraint WHERE oid = {}"


async def place(database: Database, schema: Schema, error: ParsedError) -> Placed:
    """The edge that an error means; several, where its text does not tell them apart; none.

    Args:
        database: whom to ask for partitions and for what came since.
        schema: the catalogue.
        error: the error.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    told = Told.of(error)
    seen = await look(database, told)
    return _Placing(schema, error, told, seen).placed()


@dataclass(frozen=True, slots=True)
class _Match:
    """An edge that the names lead to, and what the text says otherwise."""

    edge: Relationship
    own: Own | None
    """The constraint as it is on the table that the text names."""
    table: bool
    """The text names another table."""
    parent: bool
    columns: bool
    schema: bool

    @property
    def rank(self) -> tuple[bool, ...]:
        """The lower, the better it agrees."""
        return (self.table, self.parent, self.columns, self.schema)


class _Placing:
    """One error in one catalogue."""

    def __init__(self, schema: Schema, error: ParsedError, told: Told, seen: Seen) -> None:
        self._schema = schema
        self._error = error
        self._told = told
        self._seen = seen
        self._evidence: list[Evidence] = []

    def placed(self) -> Placed:
        matches = _best(self._by_constraint() or self._by_tables())
        candidates = tuple(self._candidate(match) for match in matches)
        if len(candidates) > 1:
            self._tell(
                "ambiguous",
                f"The text may mean {len(candidates)} foreign keys: {', '.join(each.label for each in candidates)}.",
                weight=80,
            )
        return Placed(candidates, tuple(self._evidence))

    def _by_constraint(self) -> list[_Match]:
        """The foreign keys of the name that is told."""
        name = self._told.constraint
        if name is None:
            return []
        form = name.among({own.name for own in self._seen.constraints})
        owns = [own for own in self._seen.constraints if own.name == form and own.root in self._schema.edges]
        if owns:
            return [self._match(self._schema.edges[own.root], own) for own in owns]
        form = name.among(edge.name for edge in self._schema.edges.values())
        return [self._match(edge, None) for edge in self._schema.edges.values() if edge.name == form]

    def _by_tables(self) -> list[_Match]:
        """The foreign keys between the tables, and over the columns, that are told."""
        told = self._told
        if told.constraint is not None or not (told.child or told.parent):
            return []
        if told.columns is None and not (told.child and told.parent):
            return []
        matches = [self._match(edge, None) for edge in self._schema.edges.values()]
        return [each for each in matches if not (each.table or each.parent or each.columns)]

    def _match(self, edge: Relationship, own: Own | None) -> _Match:
        child, parent = self._schema.child_of(edge), self._schema.parent_of(edge)
        told = self._told
        names = [(own.schema, own.relation)] if own else []
        of_child = [*names, *self._names(child, told.child)]
        of_parent = self._names(parent, told.parent)
        sides = {
            ErrorKind.MISSING_PARENT: [[pair.child.name for pair in edge.pairs]],
            ErrorKind.STILL_REFERENCED: [[pair.parent.name for pair in edge.pairs]],
        }.get(
            self._error.kind,
            [[pair.child.name for pair in edge.pairs], [pair.parent.name for pair in edge.pairs]],
        )
        return _Match(
            edge,
            own,
            table=_differs(told.child, of_child),
            parent=_differs(told.parent, of_parent),
            columns=told.columns is not None and not any(_same_columns(told.columns, side) for side in sides),
            schema=_schema_differs(told.child, of_child) or _schema_differs(told.parent, of_parent),
        )

    def _names(self, table: Table, told: Name | None) -> list[tuple[str, str]]:
        """Schema and name of the table, and of those of its partitions that have the name that is told."""
        below = [
            (each.schema, each.name)
            for each in (self._seen.tables(told) if told else ())
            if self._schema.partition_roots.get(each.oid) == table.oid
        ]
        return [*below, (table.schema, table.name)]

    def _candidate(self, match: _Match) -> Candidate:
        edge = match.edge
        child, parent = self._schema.child_of(edge), self._schema.parent_of(edge)
        label = edge_label(self._schema, edge)
        reasons = ["the constraint's name" if self._told.constraint else "the tables and columns that are named"]
        otherwise = self._otherwise(match, child, parent)
        guess = self._doubtful(match)
        if not guess:
            self._tell_difference(match, child)
        return Candidate(
            None if guess else edge.oid,
            label,
            (*reasons, *otherwise),
            child.oid,
            parent.oid,
            tuple(pair.child.number for pair in edge.pairs),
            tuple(pair.parent.number for pair in edge.pairs),
        )

    def _doubtful(self, match: _Match) -> bool:
        """Whether the text contradicts it in more than a schema's name."""
        if match.table or (match.schema and (match.parent or match.columns)):
            return True
        # A constraint's name is unique on its table alone.
        return self._told.child is None and (match.parent or match.columns)

    def _otherwise(self, match: _Match, child: Table, parent: Table) -> list[str]:
        """What the text says otherwise, in a few words each."""
        told = self._told
        found = []
        if match.table and told.child:
            found.append(f"the text names the table {told.child.text}")
        if match.schema:
            found.append(f"the text says schema {self._told_schema()}")
        if match.parent and told.parent:
            found.append(f"the text says that it refers to {told.parent.text}, and it refers to {table_label(parent)}")
        if match.columns and told.columns:
            found.append(f"the text names the columns {', '.join(told.columns)}")
        if match.own and match.own.table != child.oid:
            found.append(f"{qualified(match.own.schema, match.own.relation)} is a partition of {table_label(child)}")
        return found

    def _told_schema(self) -> str:
        named = (self._told.child, self._told.parent)
        return next((each.schema for each in named if each and each.schema), "")

    def _tell_difference(self, match: _Match, child: Table) -> None:
        edge = match.edge
        if match.schema:
            self._tell(
                "schema_differs",
                f"The text says schema {self._told_schema()}; here {qualified(edge.name)} is in {child.schema}.",
                edge=edge.oid,
                weight=60,
            )
        own = match.own
        if own and own.oid != edge.oid:
            name = qualified(own.schema, own.relation, own.name)
            self._tell(
                "partition_clone",
                f"{name} stands for {edge_label(self._schema, edge)} on a partition.",
                edge=edge.oid,
                weight=20,
                query=_ABOVE.format(own.oid),
                result=str(own.root),
            )

    def _tell(
        self, code: str, text: str, *, edge: int | None = None, weight: int = 0, query: str = "", result: str = ""
    ) -> None:
        evidence = Evidence(code, text, self._seen.at, "the catalogue", query, result, edge, weight)
        if evidence not in self._evidence:
            self._evidence.append(evidence)


def _best(matches: Iterable[_Match]) -> list[_Match]:
    """Those that agree best with the text, each edge once."""
    found = list(matches)
    if not found:
        return []
    least = min(match.rank for match in found)
    return list({match.edge.oid: match for match in reversed(found) if match.rank == least}.values())[::-1]


def _differs(told: Name | None, names: list[tuple[str, str]]) -> bool:
    """Whether the table that is told is none of these."""
    return told is not None and told.among(name for _, name in names) is None


def _schema_differs(told: Name | None, names: list[tuple[str, str]]) -> bool:
    """Whether its schema is told and none of theirs."""
    if told is None or told.schema is None:
        return False
    form = told.among(name for _, name in names)
    return form is not None and told.schema not in {schema for schema, name in names if name == form}


def _same_columns(told: tuple[str, ...], columns: list[str]) -> bool:
    return {each.casefold() for each in told} == {each.casefold() for each in columns}
