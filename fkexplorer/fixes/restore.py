"""Puts the rows of one backup back, if they are still as the fix has left them; else tells what came in between."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes import sql
from fkexplorer.fixes.backup import load_manifest, load_rows
from fkexplorer.fixes.bonds import countable, edge_key, is_orphan, naming
from fkexplorer.fixes.bypass import bypass_for, lift
from fkexplorer.fixes.entries import Conflict
from fkexplorer.fixes.guard import Names, Numbers, compare, counters, difference, moved, user_triggers
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.pieces import Piece, arm, columns_of, places_of, rows_of, shown, with_key
from fkexplorer.fixes.shapes import latest, shapes
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import edge_label, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.fixes.ahead import Ahead
    from fkexplorer.fixes.backup import Section
    from fkexplorer.fixes.bypass import Bypass
    from fkexplorer.fixes.guard import Tally
    from fkexplorer.fixes.model import Trigger
    from fkexplorer.fixes.shapes import Place, Shape, Stored
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Relationship, Schema


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

    async def examine(self, tx: Transaction, ahead: Ahead | None = None) -> Findings:
        """Find the rows as they were left, and what is in the way; changes nothing.

        Args:
            tx: a transaction, which may be READ ONLY.
            ahead: the parts that will have been taken back by then.
        """
        findings = Findings([], [])
        found = await self._find_shapes(tx)
        self.pieces = []
        async with tx.images():
            for section in self._manifest.sections:
                shape = found.get((section.schema, section.table))
                columns = None if shape is None else columns_of(shape, section)
                if shape is None or columns is None:
                    words = "the table is gone" if shape is None else "columns are gone, or have another type"
                    label = qualified(section.schema, section.table)
                    findings.conflicts.append(Conflict(label, words, section.rows))
                    continue
                piece = Piece(section, shape, columns, self.load(section, "old"), self.load(section, "new"))
                self.pieces.append(piece)
                findings.conflicts += await self._examine(tx, piece, ahead)
            for edge in [edge for edge in self._schema.edges.values() if edge.kind is EdgeKind.DECLARED]:
                await self._examine_children(tx, edge, findings, ahead)
                await self._examine_parents(tx, edge, findings)
        return findings

    def release(self) -> None:
        """Let go of the rows; what the pieces are of is known still."""
        for piece in self.pieces:
            piece.old, piece.new, piece.places = [], [], []

    def load(self, section: Section, kind: str) -> list[bytes]:
        """The rows of a section, `old` or `new`; none where it has no such file.

        Raises:
            Trouble: there are not as many as the manifest says (`no_backup`).
        """
        name = section.old if kind == "old" else section.new
        return load_rows(self._folder, name, section.rows) if name else []

    async def _find_shapes(self, tx: Transaction) -> dict[tuple[str, str], Shape]:
        oids = []
        for section in self._manifest.sections:
            name = sql.literal(sql.name(section.schema, section.table))
            [(oid,)] = await tx.rows(f"SELECT pg_catalog.to_regclass({name})::pg_catalog.oid::bigint")
            oids += [] if oid is None else [oid]
        return {(shape.schema, shape.name): shape for shape in (await shapes(tx.rows, oids)).values()}

    async def _examine(self, tx: Transaction, piece: Piece, ahead: Ahead | None) -> list[Conflict]:
        """Whether the rows are as they were left, and the places of those that went are free."""
        label, conflicts = piece.shape.label, []
        if piece.section.new:
            # Rows without a key may be alike: of those the ones that others take stand for themselves first.
            gone = _alike(piece.new, ahead.gone(piece)) if ahead and not piece.shape.key else []
            found = await places_of(tx, piece, [*gone, *piece.new])
            piece.places = [place for number, place in found.items() if number > len(gone)]
            missing = [line for number, line in enumerate(piece.new, len(gone) + 1) if number not in found]
            if missing and ahead:
                missing = ahead.without(piece, missing)
            if missing:
                conflicts.append(Conflict(label, "changed or deleted since", len(missing)))
        elif key := [name for name, _ in piece.shape.key]:
            [(taken,)] = await tx.rows(with_key(piece, (), ()))
            if taken and ahead and ahead.changes(piece.shape.oid):
                others = await places_of(tx, piece, ahead.gone(piece))
                [(taken,)] = await tx.rows(with_key(piece, list(others.values()), ahead.back(piece)))
            if taken:
                conflicts.append(Conflict(label, f"the same {', '.join(key)} is there again", taken))
        return conflicts

    async def _examine_children(
        self, tx: Transaction, edge: Relationship, findings: Findings, ahead: Ahead | None
    ) -> None:
        """Whether rows that come back would be without a parent, by this edge, that had one before."""
        pieces = [piece for piece in self.pieces if piece.shape.oid == edge.child and piece.section.old]
        before = self._manifest.orphans.get(edge_key(self._schema, edge), 0)
        if not pieces or before is None or not countable(self._schema, edge):
            return  # The server knows, and refuses where it must.
        columns = {pair.child.name for pair in edge.pairs}
        if not all(columns <= {column.name for column in piece.columns} for piece in pieces):
            return
        back = [(piece.columns, piece.old) for piece in self.pieces if piece.shape.oid == edge.parent]
        orphans = await self._orphans(tx, edge, pieces, back)
        if orphans and ahead and ahead.changes(edge.parent):
            orphans = await self._orphans(tx, edge, pieces, [*back, *ahead.all_back(edge.parent)])
        if orphans > before:
            words = "their parent is gone since"
            findings.conflicts.append(Conflict(edge_label(self._schema, edge), words, orphans - before))
        elif orphans:
            findings.broken.append(edge)

    async def _orphans(
        self,
        tx: Transaction,
        edge: Relationship,
        pieces: Sequence[Piece],
        back: Iterable[tuple[Sequence[Stored], Sequence[bytes]]],
    ) -> int:
        """How many of the old rows of these pieces have no parent, neither now nor among the rows that come back."""
        condition = is_orphan(self._schema, edge).encode()
        same = sql.written(sql.same_key(EdgePredicate(self._schema, edge))).encode()
        for columns, lines in back:
            if lines:
                parents = rows_of(columns, lines, "p")
                condition += b" AND NOT EXISTS (SELECT 1 FROM " + parents + b" WHERE " + same + b")"
        orphans = 0
        for piece in pieces:
            old = rows_of(piece.columns, piece.old, "c")
            [(number,)] = await tx.rows(b"SELECT count(*) FROM " + old + b" WHERE " + condition)
            orphans += number
        return orphans

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
        return "\n".join(shown(piece) for piece in self.pieces)

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
            arms.append(f"a{number} AS (".encode() + arm(piece) + b")")
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


def _alike(some: Sequence[bytes], others: Sequence[bytes]) -> list[bytes]:
    """Those of the others that are printed as one of these."""
    wanted = set(some)
    return [line for line in others if line in wanted]
