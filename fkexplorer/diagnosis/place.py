"""Where an error belongs: from the names that its text tells to the foreign key that they mean, and how sure that is.

An edge is certain where the text's own names lead to no other. What the text says otherwise (a schema, a partition) is
told; what only a constraint's name suggests is a guess, and never an edge.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.absent import absences
from fkexplorer.diagnosis.ancestry import deleted_from
from fkexplorer.diagnosis.guessing import guesses
from fkexplorer.diagnosis.model import Candidate, Evidence, Placed
from fkexplorer.diagnosis.named_there import Name, Told, look
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, qualified, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.database.connection import Database
    from fkexplorer.diagnosis.named_there import Own, Seen
    from fkexplorer.diagnosis.reading.model import ParsedError
    from fkexplorer.schema.model import Relationship, Schema, Table

_ABOVE = "SELECT conparentid FROM pg_catalog.pg_constraint WHERE oid = {}"


async def place(database: Database, schema: Schema, error: ParsedError) -> Placed:
    """The edge that an error means; several, where its text does not tell them apart; guesses; none.

    Args:
        database: whom to ask for partitions and for what came since.
        schema: the catalogue.
        error: the error.

    Raises:
        Trouble: the server refused, or the connection is lost.
    """
    told = Told.of(error)
    seen = await look(database, told)
    placing = _Placing(schema, error, told, seen)
    candidates = placing.candidates()
    what = "foreign keys" if candidates else "pairs of columns"
    if not candidates or placing.contradicted:
        # Names are taken apart for some 10 ms, hashes are made for up to half a second.
        more = await asyncio.to_thread(guesses, schema, told)
        known = {candidate.label for candidate in candidates}
        candidates += [each for each in more if each.label not in known]
    here = database.facts.place
    placing.evidence += absences(schema, told, seen, error, candidates, place=here)
    placing.evidence += deleted_from(schema, error, placing.parent(candidates), seen.at)
    if len(candidates) > 1:
        listed = ", ".join(each.label for each in candidates)
        placing.tell("ambiguous", f"The text may mean {len(candidates)} {what}: {listed}.", weight=80)
    return Placed(tuple(candidates), tuple(placing.evidence))


@dataclass(frozen=True, slots=True)
class _Match:
    """An edge that the names lead to, and in what the text says otherwise."""

    edge: Relationship
    own: Own | None
    """The constraint as it is on the table that the text names."""
    table: bool
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
        self.evidence: list[Evidence] = []
        self.contradicted = False
        """The constraint's name is that of foreign keys which the text cannot mean."""

    def candidates(self) -> list[Candidate]:
        """The edges that the names lead to; those are guesses that the text contradicts or does not name."""
        if found := self._by_constraint():
            named = [self._candidate(match, "the constraint's name") for match in _best(found)]
            self.contradicted = not any(each.edge for each in named)
            return named
        told = self._told
        alone = not (told.parent or told.child_columns or told.parent_columns)
        reason = "the table that is named" if alone else "the tables and columns that are named"
        known = [self._candidate(match, reason) for match in _best(self._by_tables())]
        if self._told.constraint is None:
            return known
        if known and all(self._is_configured(each) for each in known):
            return known  # it has no name that could be another one
        renamed = "its name is another than the text says"
        return [replace(each, edge=None, reasons=(*each.reasons, renamed)) for each in known]

    def _is_configured(self, candidate: Candidate) -> bool:
        edge = self._schema.edges.get(candidate.edge or 0)
        return edge is not None and edge.kind is not EdgeKind.DECLARED

    def parent(self, candidates: list[Candidate]) -> int | None:
        """OID of the table whose row is still referred to: the named one, else that of the only candidate."""
        if self._told.parent is not None:
            found = {
                self._schema.partition_roots.get(each.oid, each.oid) for each in self._seen.tables(self._told.parent)
            }
            of_candidates = found & {each.parent for each in candidates}
            found = of_candidates or (found & set(self._schema.tables))
            return found.pop() if len(found) == 1 else None
        return candidates[0].parent if len(candidates) == 1 else None

    def _by_constraint(self) -> list[_Match]:
        """The foreign keys of the name that is told."""
        name = self._told.constraint
        if name is None:
            return []
        form = name.among({own.name for own in self._seen.constraints})
        owns = [own for own in self._seen.constraints if own.name == form and own.root in self._schema.edges]
        if owns:
            return [self._match(self._schema.edges[own.root], own) for own in owns]
        form = name.among({edge.name for edge in self._schema.edges.values()})
        return [self._match(edge, None) for edge in self._schema.edges.values() if edge.name == form]

    def _by_tables(self) -> list[_Match]:
        """The foreign keys between the tables, and over the columns, that are told."""
        told = self._told
        if not (told.child or told.parent):
            return []
        # A refused row is refused by one of its table's own foreign keys: enough where the text is broken off.
        refused = told.child is not None and told.constraint is None and self._error.kind is ErrorKind.MISSING_PARENT
        if not refused and not (told.child_columns or told.parent_columns) and not (told.child and told.parent):
            return []
        matches = [self._match(edge, None) for edge in self._schema.edges.values()]
        found = [each for each in matches if not (each.table or each.parent or each.columns)]
        found = [each for each in found if not self._means_others(each.edge)]
        # Only a constraint refuses a row: one that is configured alone is meant where there is none.
        return [each for each in found if each.edge.kind is EdgeKind.DECLARED] or found

    def _means_others(self, edge: Relationship) -> bool:
        """Whether the edge is about some rows, and the text about others; where it names a constraint, about all."""
        only, row = edge.only, self._error.row
        if only is None or self._told.constraint is not None:
            return only is not None
        return row is not None and row.values.get(only.column.name, only.value) != only.value

    def _match(self, edge: Relationship, own: Own | None) -> _Match:
        child, parent = self._schema.child_of(edge), self._schema.parent_of(edge)
        told = self._told
        names = [(own.schema, own.relation)] if own else []
        of_child = [*names, *self._names(child, told.child)]
        of_parent = self._names(parent, told.parent)
        return _Match(
            edge,
            own,
            table=_differs(told.child, of_child),
            parent=_differs(told.parent, of_parent),
            columns=self._columns_differ(edge),
            schema=_schema_differs(told.child, of_child) or _schema_differs(told.parent, of_parent),
        )

    def _columns_differ(self, edge: Relationship) -> bool:
        told = self._told
        of_child = {pair.child.name.casefold() for pair in edge.pairs}
        of_parent = {pair.parent.name.casefold() for pair in edge.pairs}
        differ = told.child_columns is not None and not _same_columns(told.child_columns, of_child)
        if differ and told.child_columns and self._error.kind is ErrorKind.OTHER:
            # Where the direction is not told, they may be the parent's.
            differ = not _same_columns(told.child_columns, of_parent)
        return differ or (told.parent_columns is not None and not _same_columns(told.parent_columns, of_parent))

    def _names(self, table: Table, told: Name | None) -> list[tuple[str, str]]:
        """Schema and name of the table, and of those of its partitions that have the name that is told."""
        below = [
            (each.schema, each.name)
            for each in (self._seen.tables(told) if told else ())
            if self._schema.partition_roots.get(each.oid) == table.oid
        ]
        return [*below, (table.schema, table.name)]

    def _candidate(self, match: _Match, reason: str) -> Candidate:
        edge = match.edge
        child, parent = self._schema.child_of(edge), self._schema.parent_of(edge)
        guess = self._doubtful(match)
        if not guess:
            self._tell_difference(match, child, parent)
        return Candidate(
            None if guess else edge.oid,
            edge_label(self._schema, edge),
            (reason, *self._otherwise(match, child, parent)),
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
            found.append(f"the text says schema {self._schemas(match, child, parent)[0]}")
        if match.parent and told.parent:
            found.append(f"the text says that it refers to {told.parent.text}, and it refers to {table_label(parent)}")
        if match.columns:
            named = (told.child_columns or ()) + (told.parent_columns or ())
            found.append(f"the text names the columns {', '.join(named)}")
        if match.own and match.own.table != child.oid:
            found.append(f"{qualified(match.own.schema, match.own.relation)} is a partition of {table_label(child)}")
        return found

    def _schemas(self, match: _Match, child: Table, parent: Table) -> tuple[str, str]:
        """The schema that the text tells, and the table that is in another."""
        told = self._told
        names = [(match.own.schema, match.own.relation)] if match.own else []
        if told.child and told.child.schema and _schema_differs(told.child, [*names, *self._names(child, told.child)]):
            return told.child.schema, table_label(child)
        return (told.parent.schema or "" if told.parent else ""), table_label(parent)

    def _tell_difference(self, match: _Match, child: Table, parent: Table) -> None:
        edge = match.edge
        if match.schema:
            schema, table = self._schemas(match, child, parent)
            text = f"The text says schema {schema}; here the table of {qualified(edge.name)} is {table}."
            told = self._told.child
            if told and any(each.schema == schema == told.schema for each in self._seen.tables(told)):
                text += f" {qualified(schema, child.name)} is here too, without that constraint."
            self.tell(
                "schema_differs",
                text,
                edge=edge.oid,
                weight=60,
            )
        own = match.own
        if own and own.oid != edge.oid:
            name = qualified(own.schema, own.relation, own.name)
            self.tell(
                "partition_clone",
                f"{name} stands for {edge_label(self._schema, edge)} on a partition.",
                edge=edge.oid,
                weight=20,
                query=_ABOVE.format(own.oid),
                result=str(own.root),
            )

    def tell(
        self, code: str, text: str, *, edge: int | None = None, weight: int = 0, query: str = "", result: str = ""
    ) -> None:
        """Add what was found, once."""
        evidence = Evidence(code, text, self._seen.at, "the catalogue", query, result, edge, weight)
        if evidence not in self.evidence:
            self.evidence.append(evidence)


def _best(matches: Iterable[_Match]) -> list[_Match]:
    """Those that agree best with the text, each edge once."""
    found = list(matches)
    least = min((match.rank for match in found), default=())
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


def _same_columns(told: tuple[str, ...], columns: set[str]) -> bool:
    return {each.casefold() for each in told} == columns
