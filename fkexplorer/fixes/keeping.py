"""The backup of one part of a run: its rows before they change, and what became of each, whatever triggers did to it.

An undo takes back what it finds in the backup. A row that a trigger kept from being changed must not be in it, and one
that a trigger changed in place of deleting it has to come back to what it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes.backup import load_rows
from fkexplorer.fixes.bonds import affordable, countable, edge_key, is_orphan, naming
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.shapes import latest, shapes
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fkexplorer.fixes.backup import Backup, Section
    from fkexplorer.fixes.shapes import Place, Shape
    from fkexplorer.fixes.writer import Transaction
    from fkexplorer.schema.model import Schema


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of one table that are locked, and what is to happen to them."""

    shape: Shape
    verb: Verb
    places: list[Place]


class Keeper:
    """Makes the backup of one part.

    Args:
        schema: the schema that the change is of.
        tx: the part's transaction.
        backup: where the rows are written to.
        held: the rows that are locked, those of the change itself first.
    """

    def __init__(self, schema: Schema, tx: Transaction, backup: Backup, held: Sequence[Held]) -> None:
        self._schema = schema
        self._tx = tx
        self._backup = backup
        self._held = held
        self._sections: list[Section] = []
        self._orphans: dict[str, set[Place] | None] = {}
        """By edge: which of the rows had no parent."""

    async def before(self) -> bool:
        """Write down the rows as they are; whether there are any.

        Raises:
            Trouble: there is no room for them (`no_space`).
            OSError: they could not be written.
        """
        async with self._tx.images():
            await self._backup.begin([(held.shape, held.places) for held in self._held])
            self._sections = [await self._backup.keep(held.shape, held.verb, held.places) for held in self._held]
            for held in self._held:
                await self._find_orphans(held)
            self._note_orphans(None)
        if self._held:
            await self._backup.finish()
        return bool(self._held)

    async def _find_orphans(self, held: Held) -> None:
        """Which of these rows have no parent, by each edge of their table."""
        schema = self._schema
        for edge in schema.edges.values():
            if edge.child != held.shape.oid or edge.kind is not EdgeKind.DECLARED:
                continue
            key = edge_key(schema, edge)
            known = self._orphans.setdefault(key, set())
            if known is None or not countable(schema, edge):
                self._orphans[key] = None
                continue
            rows = held.shape.held(held.places)
            found = await self._tx.rows(
                f"SELECT c.tableoid::bigint, c.ctid::text FROM {rows} WHERE {is_orphan(schema, edge)}"
            )
            known |= {(leaf, place) for leaf, place in found}

    def _note_orphans(self, kept: set[Place] | None) -> None:
        """Write down how many of the rows that are kept had no parent; None: of all."""
        for key, places in self._orphans.items():
            number = None if places is None else len(places if kept is None else places & kept)
            self._backup.manifest.orphans[key] = number

    async def after(self, returned: list[tuple[Any, ...]], side: int, doubted: Collection[int]) -> None:
        """Write down the rows as they are now: an undo takes back what it finds unchanged.

        Args:
            returned: what the change has returned: of an UPDATE the row's number among those of the change itself, and
                its place, of an INSERT the place.
            side: OID of the table into which rows came; 0 for none.
            doubted: OIDs of the tables of whose rows triggers may have made something else.

        Raises:
            Trouble: a row that came is not there any more (`moved`).
            OSError: they could not be written.
        """
        async with self._tx.images():
            kept: set[Place] = set()
            for number, (held, section) in enumerate(zip(self._held, self._sections, strict=True)):
                own = number == 0 and held.verb is Verb.UPDATE
                now = {at: (leaf, place) for at, leaf, place in returned} if own else {}
                if held.shape.oid in doubted:
                    kept |= await self._became(held, section, now)
                    continue
                kept.update(held.places)
                if held.verb is Verb.UPDATE:
                    places = [place for _, place in sorted(now.items())] or held.places
                    places = await latest(self._tx.rows, held.shape, places, returned=own)
                    await self._backup.keep_new(section, held.shape, places)
            self._note_orphans(kept)
            if side:
                await self._came(side, [(leaf, place) for leaf, place in returned])
        await self._backup.finish()

    async def _became(self, held: Held, section: Section, returned: dict[int, Place]) -> set[Place]:
        """Keep of a section what really became of its rows; where those were that changed or went."""
        places = [returned.get(number, place) for number, place in enumerate(held.places, 1)]
        now = await latest(self._tx.rows, held.shape, places, returned=False)
        query = f"SELECT at.n, {held.shape.image} FROM {held.shape.at(now)} ORDER BY at.n"
        printed = b"".join([piece async for piece in self._tx.copy_out(query)]).split(b"\n")[:-1]
        there = {int(number): line for number, _, line in (each.partition(b"\t") for each in printed)}
        old = load_rows(self._backup.folder, section.old, section.rows)
        gone = [number for number in range(1, len(old) + 1) if number not in there]
        changed = [number for number, line in there.items() if line != old[number - 1]]
        await self._backup.split(
            section, [old[number - 1] for number in gone], [(old[number - 1], there[number]) for number in changed]
        )
        return {held.places[number - 1] for number in (*gone, *changed)}

    async def _came(self, table: int, places: Sequence[Place]) -> None:
        """Keep the rows that came, and how many others name them."""
        schema = self._schema
        shape = (await shapes(self._tx.rows, [table]))[table]
        new = await latest(self._tx.rows, shape, places, returned=True)
        await self._backup.keep(shape, Verb.INSERT, new)
        for edge in schema.edges.values():
            if edge.parent == table and edge.kind is EdgeKind.DECLARED:
                number = None
                if countable(schema, edge) and affordable(schema, edge) and not edge.period:
                    [(number,)] = await self._tx.rows(naming(schema, edge, new))
                self._backup.manifest.referring[edge_key(schema, edge)] = number
