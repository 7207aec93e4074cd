"""Puts the rows of one backup back, if they are still as the fix has left them; else tells what came in between."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes import sql
from fkexplorer.fixes.backup import load_manifest, load_rows
from fkexplorer.fixes.bonds import countable, edge_key, is_orphan, naming
from fkexplorer.fixes.bypass import bypass_for, lift
from fkexplorer.fixes.entries import Conflict
from fkexplorer.fixes.guard import Names, Numbers, compare, counters, difference, moved, user_triggers
from fkexplorer.fixes.images import row_source, values
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.shapes import AT, latest, numbered, shapes, typed
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.model import TypeName
from fkexplorer.schema.names import edge_label, qualified

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.fixes.backup import Section
    from fkexplorer.fixes.bypass import Bypass
    from fkexplorer.fixes.guard import Tally
    from fkexplorer.fixes.model import Trigger
    from fkexplorer.fixes.shapes import Place, Shape, Stored
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Relationship, Schema


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


@dataclass(slots=True)
class Findings:
    """What stands in the way of putting a backup back, and what it takes."""

    conflicts: list[Conflict]
    broken: list[Relationship]
    """Edges that the rows violate, as they did before the fix."""


class Restoration:
    """The rows of one part of an entry.

    Args:
        schema: the schema as it is now.
        facts: of the session.
        folder: of the part's backup.

    Attributes:
        pieces: its sections, once they are examined, but for those whose tables are no more what they were.

    Raises:
        Trouble: the backup is not there, or not whole (`no_backup`).
    """

    def __init__(self, schema: Schema, facts: ServerFacts, folder: Path) -> None:
        self._schema = schema
        self._facts = facts
        self._folder = folder
        self._manifest = load_manifest(folder)
        self.pieces: list[Piece] = []

    async def examine(self, tx: Transaction) -> Findings:
        """Find the rows as they were left, and what is in the way; changes nothing."""
        findings = Findings([], [])
        found = await self._find_shapes(tx)
        self.pieces = []
        async with tx.images():
            for section in self._manifest.sections:
                shape = found.get((section.schema, section.table))
                columns = None if shape is None else _columns(shape, section)
                if shape is None or columns is None:
                    words = "the table is gone" if shape is None else "columns are gone, or have another type"
                    label = qualified(section.schema, section.table)
                    findings.conflicts.append(Conflict(label, words, section.rows))
                    continue
                piece = Piece(section, shape, columns, self._load(section, "old"), self._load(section, "new"))
                self.pieces.append(piece)
                findings.conflicts += await self._examine(tx, piece)
            for edge in self._schema.edges.values():
                await self._examine_children(tx, edge, findings)
                await self._examine_parents(tx, edge, findings)
        return findings

    def _load(self, section: Section, kind: str) -> list[bytes]:
        name = section.old if kind == "old" else section.new
        return load_rows(self._folder, name, section.rows) if name else []

    async def _find_shapes(self, tx: Transaction) -> dict[tuple[str, str], Shape]:
        oids = []
        for section in self._manifest.sections:
            name = sql.literal(sql.name(section.schema, section.table))
            [(oid,)] = await tx.rows(f"SELECT pg_catalog.to_regclass({name})::pg_catalog.oid::bigint")
            oids += [] if oid is None else [oid]
        return {(shape.schema, shape.name): shape for shape in (await shapes(tx.rows, oids)).values()}

    async def _examine(self, tx: Transaction, piece: Piece) -> list[Conflict]:
        """Whether the rows are as they were left, and the places of those that went are free."""
        label, conflicts = piece.shape.label, []
        if piece.section.new:
            piece.places = await places_of(tx, piece, piece.new)
            if missing := piece.section.rows - len(piece.places):
                conflicts.append(Conflict(label, "changed or deleted since", missing))
        elif key := [name for name, _ in piece.shape.key]:
            taken = await tx.rows(_with_key(piece))
            if taken[0][0]:
                conflicts.append(Conflict(label, f"the same {', '.join(key)} is there again", taken[0][0]))
        return conflicts

    async def _examine_children(self, tx: Transaction, edge: Relationship, findings: Findings) -> None:
        """Whether rows that come back would be without a parent, by this edge, that had one before."""
        pieces = [piece for piece in self.pieces if piece.shape.oid == edge.child and piece.section.old]
        before = self._manifest.orphans.get(edge_key(self._schema, edge), 0)
        if not pieces or before is None or not countable(self._schema, edge):
            return  # The server knows, and refuses where it must.
        orphans = 0
        for piece in pieces:
            if not {pair.child.name for pair in edge.pairs} <= {column.name for column in piece.columns}:
                return
            condition = is_orphan(self._schema, edge).encode()
            same = sql.written(sql.same_key(EdgePredicate(self._schema, edge))).encode()
            for parent in self.pieces:
                if parent.shape.oid == edge.parent and parent.section.old:
                    back = _rows(parent, parent.old, "p")
                    condition += b" AND NOT EXISTS (SELECT 1 FROM " + back + b" WHERE " + same + b")"
            query = b"SELECT count(*) FROM " + _rows(piece, piece.old, "c") + b" WHERE " + condition
            [(number,)] = await tx.rows(query)
            orphans += number
        if orphans > before:
            words = "their parent is gone since"
            findings.conflicts.append(Conflict(edge_label(self._schema, edge), words, orphans - before))
        elif orphans:
            findings.broken.append(edge)

    async def _examine_parents(self, tx: Transaction, edge: Relationship, findings: Findings) -> None:
        """Whether rows name a parent, by this edge, that the fix brought and that would go again."""
        pieces = [
            piece for piece in self.pieces if piece.shape.oid == edge.parent and piece.section.verb is Verb.INSERT
        ]
        places = [place for piece in pieces for place in piece.places]
        if not places or edge.period or not countable(self._schema, edge):
            return
        [(number,)] = await tx.rows(naming(self._schema, edge, places))
        before = self._manifest.referring.get(edge_key(self._schema, edge)) or 0
        if number > before:
            words = "name the rows that would go, since"
            findings.conflicts.append(Conflict(edge_label(self._schema, edge), words, number - before))
        elif number:
            findings.broken.append(edge)

    def bypass(self, findings: Findings) -> Bypass:
        """How the orphans get under their constraints.

        Raises:
            Trouble: this role may not do it.
        """
        return bypass_for(self._schema, findings.broken, self._facts)

    @property
    def tally(self) -> Tally:
        """What putting it back does, by table; known once it is examined."""
        total: dict[int, Numbers] = defaultdict(Numbers)
        for piece in self.pieces:
            total[piece.shape.oid] += piece.numbers
        return dict(total)

    @property
    def verbs(self) -> dict[int, list[Verb]]:
        """What it does to the rows of each table."""
        opposite = {Verb.DELETE: Verb.INSERT, Verb.INSERT: Verb.DELETE, Verb.UPDATE: Verb.UPDATE}
        found: dict[int, list[Verb]] = defaultdict(list)
        for piece in self.pieces:
            found[piece.shape.oid].append(opposite[piece.section.verb])
        return found

    @property
    def statement(self) -> str:
        """What it runs, its rows left out."""
        return "\n".join(_shown(piece) for piece in self.pieces)

    async def apply(self, tx: Transaction, *, consent: frozenset[Trigger]) -> Tally:
        """Put the rows back, and make sure that they are what they were.

        Args:
            tx: a writing transaction.
            consent: triggers that may touch other tables too; no other may fire.

        Raises:
            Trouble: something came in between (`moved`), or the role may not (see `bypass`).
        """
        findings = await self.examine(tx)
        if await self._lock(tx):
            findings = await self.examine(tx)
        if findings.conflicts:
            first = findings.conflicts[0]
            raise moved(f"{first.place}: {first.rows} rows: {first.words}")
        names = await Names.of(tx.rows, self.tally)
        known = {(names.root(each.table), each.name) for each in consent}
        for trigger in await user_triggers(tx.rows, {names.root(oid): verbs for oid, verbs in self.verbs.items()}):
            if (trigger.table, trigger.name) not in known:
                raise moved(f"the trigger {trigger.name} on {names.label(trigger.table)} fires, and may change more")
        async with tx.images():
            back = await lift(tx, self._schema, self.bypass(findings))
        start = await counters(tx.rows)
        async with tx.images(paths=False):
            # One statement: foreign keys among the rows are checked when all are there, whatever their order.
            _, returned = await tx.change(self._all())
        tally = difference(await counters(tx.rows), start)
        for statement in back:
            await tx.run(statement)
        compare(tally, {names.root(oid): numbers for oid, numbers in self.tally.items()}, names, others=bool(consent))
        await self._compare_images(tx, returned)
        return tally

    async def _lock(self, tx: Transaction) -> bool:
        """Lock the rows that are as they were left; whether there are any, which have to be looked at again then."""
        found = [piece for piece in self.pieces if piece.places]
        for piece in found:
            await tx.run(f"SELECT FROM {piece.shape.at(piece.places)} FOR UPDATE OF c")
        return bool(found)

    def _all(self) -> bytes:
        """The statement: it returns for each row of a piece its number in it, and where it is then."""
        arms, results = [], []
        for number, piece in enumerate(self.pieces):
            if piece.numbers == Numbers():
                continue
            arms.append(f"a{number} AS (".encode() + _arm(piece) + b")")
            results.append(f"SELECT {number} AS piece, n, leaf, place FROM a{number}")
        if not arms:
            return b"SELECT 0, 0, 0, '' WHERE false"
        return b"WITH " + b", ".join(arms) + b" " + " UNION ALL ".join(results).encode()

    async def _compare_images(self, tx: Transaction, returned: list[tuple[Any, ...]]) -> None:
        """Make sure that what came back is what went, byte for byte, whatever triggers made of it."""
        by_piece: dict[int, list[tuple[int, Place]]] = defaultdict(list)
        for number, at, leaf, place in returned:
            by_piece[number].append((at, (leaf, place)))
        async with tx.images():
            for number, piece in enumerate(self.pieces):
                if piece.section.verb is Verb.INSERT or piece.numbers == Numbers():
                    continue
                found = [place for _, place in sorted(by_piece[number])]
                places = await latest(tx.rows, piece.shape, found, returned=True)
                columns = ", ".join(f"c.{sql.name(column.name)}" for column in piece.columns)
                query = f"SELECT {columns} FROM {piece.shape.at(places)} ORDER BY at.n"
                lines = b"".join([part async for part in tx.copy_out(query)]).split(b"\n")[:-1]
                if sorted(lines) != sorted(piece.old):
                    raise moved(f"a trigger changed what was put back into {piece.shape.label}")


def _columns(shape: Shape, section: Section) -> tuple[Stored, ...] | None:
    """The section's columns as the table has them now; None where one is gone or has another type."""
    now = {column.name: column for column in shape.columns}
    found = []
    for name, (schema, type_) in zip(section.columns, section.types, strict=True):
        column = now.get(name)
        if column is None or column.type != TypeName(schema, type_):
            return None
        found.append(column)
    return tuple(found)


def _rows(piece: Piece, lines: Sequence[bytes], alias: str) -> bytes:
    """A FROM element with these rows of a piece, their columns named and typed as the table's."""
    columns = typed(piece.columns).encode()
    return b"(SELECT " + columns + b" FROM " + row_source(lines, len(piece.columns)) + b") AS " + alias.encode()


def _image(piece: Piece, alias: str) -> str:
    return f"ROW({', '.join(f'{alias}.{sql.name(column.name)}' for column in piece.columns)})::pg_catalog.text"


def _same_key(piece: Piece) -> str:
    """Whether `c` has the key of `w`; empty where there is no key that the backup holds."""
    known = {column.name for column in piece.columns}
    if not piece.shape.key or not all(name in known for name, _ in piece.shape.key):
        return ""
    return " AND ".join(f"c.{sql.name(name)} {equals} w.{sql.name(name)}" for name, equals in piece.shape.key)


def _with_key(piece: Piece) -> bytes:
    """Counts the rows that have the key of one that went."""
    same = _same_key(piece)
    if not same:
        return b"SELECT 0"
    return (
        f"SELECT count(*) FROM {piece.shape.source} JOIN ".encode()
        + _rows(piece, piece.old, "w")
        + f" ON {same}".encode()
    )


async def places_of(tx: Transaction, piece: Piece, lines: Sequence[bytes]) -> list[Place]:
    """Where the rows are that are printed as these lines, in their order; without those that are nowhere."""
    number = "n"
    while number in {column.name for column in piece.columns}:
        number += "_"  # a name that no column has
    rows = f"(SELECT v.n AS {number}, {typed(piece.columns)} FROM ".encode()
    rows += row_source(lines, len(piece.columns)) + b") AS w"
    place = "c.tableoid::bigint, c.ctid::pg_catalog.text"
    if same := _same_key(piece):
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
    return [(leaf, tid) for _, leaf, tid in sorted(await tx.rows(query))]


def _arm(piece: Piece) -> bytes:
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


def _shown(piece: Piece) -> str:
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
