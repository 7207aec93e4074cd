"""One section of a backup against its table as it is now: where its rows are, and the SQL that puts them back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.guard import Numbers
from fkexplorer.fixes.images import row_source, values
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.shapes import AT, among, numbered, typed
from fkexplorer.schema.model import TypeName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.fixes.backup import Section
    from fkexplorer.fixes.shapes import Place, Shape, Stored
    from fkexplorer.fixes.writer import Transaction


@dataclass(slots=True)
class Piece:
    """One section of the backup, and what it is now."""

    section: Section
    shape: Shape
    columns: tuple[Stored, ...]
    """Those of the section, in its order."""
    old: list[bytes]
    new: list[bytes]
    places: list[Place] = field(default_factory=list)
    """Where the rows of `new` are, in their order; fewer if some are not as they were left."""

    @property
    def numbers(self) -> Numbers:
        """What putting it back does."""
        match self.section.verb:
            case Verb.DELETE:
                return Numbers(inserted=len(self.old))
            case Verb.INSERT:
                return Numbers(deleted=len(self.new))
            case Verb.UPDATE:
                return Numbers(updated=len(self.old) if self.changed else 0)

    @property
    def changed(self) -> list[int]:
        """Of an UPDATE the columns, from 0, that differ in any row."""
        pairs = [(values(old), values(new)) for old, new in zip(self.old, self.new, strict=True)]
        return [at for at in range(len(self.columns)) if any(old[at] != new[at] for old, new in pairs)]


def columns_of(shape: Shape, section: Section) -> tuple[Stored, ...] | None:
    """The section's columns as the table has them now; None where one is gone or has another type."""
    now = {column.name: column for column in shape.columns}
    found = []
    for name, (schema, type_) in zip(section.columns, section.types, strict=True):
        column = now.get(name)
        if column is None or column.type != TypeName(schema, type_):
            return None
        found.append(column)
    return tuple(found)


def rows_of(columns: Sequence[Stored], lines: Sequence[bytes], alias: str) -> bytes:
    """A FROM element with these rows, their columns named and typed as the table's."""
    named = typed(columns).encode()
    return b"(SELECT " + named + b" FROM " + row_source(lines, len(columns)) + b") AS " + alias.encode()


def _image(piece: Piece, alias: str) -> str:
    return f"ROW({', '.join(f'{alias}.{sql.name(column.name)}' for column in piece.columns)})::pg_catalog.text"


def same_key(piece: Piece) -> str:
    """Whether `c` has the key of `w`; empty where there is no key that the backup holds."""
    known = {column.name for column in piece.columns}
    if not piece.shape.key or not all(name in known for name, _ in piece.shape.key):
        return ""
    return " AND ".join(f"c.{sql.name(name)} {equals} w.{sql.name(name)}" for name, equals in piece.shape.key)


def with_key(piece: Piece, but: Sequence[Place], also: Sequence[bytes]) -> bytes:
    """Counts the rows that have the key of one that went.

    Args:
        piece: the rows that went.
        but: places of rows that will be gone by then.
        also: rows that will be there by then.
    """
    same = same_key(piece).encode()
    if not same:
        return b"SELECT 0"
    went = rows_of(piece.columns, piece.old, "w") + b" ON " + same
    query = b"SELECT count(*) FROM " + piece.shape.source.encode() + b" JOIN " + went
    if but:
        query += f" WHERE NOT {among(but)}".encode()
    if also:
        more = rows_of(piece.columns, also, "c")
        query = b"SELECT (" + query + b") + (SELECT count(*) FROM " + more + b" JOIN " + went + b")"
    return query


async def places_of(tx: Transaction, piece: Piece, lines: Sequence[bytes]) -> dict[int, Place]:
    """Where the rows are that are printed as these lines, by their numbers from 1; without those that are nowhere."""
    number = "n"
    while number in {column.name for column in piece.columns}:
        number += "_"  # a name that no column has
    rows = f"(SELECT v.n AS {number}, {typed(piece.columns)} FROM ".encode()
    rows += row_source(lines, len(piece.columns)) + b") AS w"
    place = "c.tableoid::bigint, c.ctid::pg_catalog.text"
    if same := same_key(piece):
        query = f"SELECT w.{number}, {place} FROM ".encode() + rows
        query += f" JOIN {piece.shape.source} ON {same} AND {_image(piece, 'c')} = {_image(piece, 'w')}".encode()
    else:
        # Rows that are alike in all columns are told apart by nothing: the first stands for the first, and so on.
        alike = "pg_catalog.row_number() OVER (PARTITION BY {0}) AS k"
        wanted = f"(SELECT w.{number} AS n, {_image(piece, 'w')} AS image, {alike.format(_image(piece, 'w'))} FROM "
        there = f"(SELECT c.tableoid::bigint AS leaf, c.ctid::pg_catalog.text AS place, {_image(piece, 'c')} AS image,"
        there += f" {alike.format(_image(piece, 'c'))} FROM {piece.shape.source}) AS t"
        query = b"SELECT w.n, t.leaf, t.place FROM " + wanted.encode() + rows + b") AS w JOIN "
        query += there.encode() + b" ON t.image = w.image AND t.k = w.k"
    return {number: (leaf, tid) for number, leaf, tid in sorted(await tx.rows(query))}


def arm(piece: Piece) -> bytes:
    """The statement that puts one piece back, returning `n`, `leaf`, `place`."""
    place = "c.tableoid::bigint AS leaf, c.ctid::pg_catalog.text AS place"
    match piece.section.verb:
        case Verb.INSERT:
            where = f"{numbered(piece.places)} WHERE {AT} RETURNING at.n, {place}"
            return f"DELETE FROM {piece.shape.source} USING {where}".encode()
        case Verb.DELETE:
            names = ", ".join(sql.name(column.name) for column in piece.columns)
            target = sql.name(piece.shape.schema, piece.shape.name)
            head = f"INSERT INTO {target} AS c ({names}) OVERRIDING SYSTEM VALUE SELECT {typed(piece.columns)} FROM "
            return head.encode() + row_source(piece.old, len(piece.columns)) + f" RETURNING 0 AS n, {place}".encode()
        case Verb.UPDATE:
            sets = ", ".join(f"{sql.name(piece.columns[at].name)} = v.new{at}" for at in piece.changed)
            columns = [piece.columns[at] for at in piece.changed]
            renamed = ", ".join(
                f'v."{number}"::{sql.type_name(column.type)} AS new{at}'
                for number, (at, column) in enumerate(zip(piece.changed, columns, strict=True), 1)
            )
            head = f"UPDATE {piece.shape.source} SET {sets} FROM {numbered(piece.places)}"
            head += f" JOIN (SELECT v.n, {renamed} FROM "
            narrow = [_only(line, piece.changed) for line in piece.old]
            tail = f") AS v ON v.n = at.n WHERE {AT} RETURNING at.n, {place}"
            return head.encode() + row_source(narrow, len(columns)) + tail.encode()


def _only(line: bytes, columns: Sequence[int]) -> bytes:
    fields = line.split(b"\t")
    return b"\t".join(fields[at] for at in columns)


def shown(piece: Piece) -> str:
    """What a piece's statement is, for people."""
    table = sql.name(piece.shape.schema, piece.shape.name)
    match piece.section.verb:
        case Verb.INSERT:
            return f"DELETE FROM {table} …;  -- {len(piece.new)} rows"
        case Verb.DELETE:
            names = ", ".join(sql.name(column.name) for column in piece.columns)
            return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES …;  -- {len(piece.old)} rows"
        case Verb.UPDATE:
            names = ", ".join(f"{sql.name(piece.columns[at].name)} = …" for at in piece.changed)
            return f"UPDATE {table} SET {names};  -- {len(piece.old)} rows"
