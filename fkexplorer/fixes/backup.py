"""The backup of one transaction: every row that it changes, takes away or brings, in private files, before it commits.

A folder holds for each table and verb a file of the rows as they were (`old`), as they are after (`new`), or both,
line by line the same rows, in COPY's text format; and `manifest.json`, which says what each file is. Nothing in it is
masked, since it has to restore.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.images import read_lines
from fkexplorer.fixes.journal import sync_folder
from fkexplorer.fixes.model import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fkexplorer.fixes.shapes import Place, Shape
    from fkexplorer.fixes.writer import Transaction

_MARGIN = 1 << 20
"""Bytes that must stay free beside the rows: for the manifest, and for the journal."""
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one table that one verb was done to."""

    schema: str
    table: str
    verb: Verb
    rows: int
    columns: tuple[str, ...]
    types: tuple[tuple[str, str], ...]
    """Of each column its type's schema and name (`pg_type.typname`)."""
    old: str = ""
    """The file's name in the folder; empty for an INSERT."""
    new: str = ""
    """Likewise; empty for a DELETE."""


@dataclass(slots=True)
class Manifest:
    """What a backup folder holds."""

    encoding: str
    """Of the files: the client's encoding."""
    sections: list[Section] = field(default_factory=list)
    orphans: dict[str, int | None] = field(default_factory=dict)
    """By edge (see `edge_key`): how many of the old rows had no parent. None: it could not be known."""
    referring: dict[str, int | None] = field(default_factory=dict)
    """By edge: how many rows of its child name one of the rows that were inserted."""


class Backup:
    """The backup that a transaction is making.

    Args:
        folder: where; made by `begin`.
        transaction: which rows are read in, with all of them locked.
    """

    def __init__(self, folder: Path, transaction: Transaction) -> None:
        self.folder = folder
        self.manifest = Manifest(encoding="")
        self._transaction = transaction
        self._files = 0

    async def begin(self, wanted: Sequence[tuple[Shape, Sequence[Place]]]) -> None:
        """Make the folder, and make sure that there is room for these rows, as they are and as they will be.

        Raises:
            Trouble: there is too little (`no_space`).
            OSError: the folder could not be made.
        """
        shutil.rmtree(self.folder, ignore_errors=True)  # what a try before this one has left
        for each in (self.folder.parent.parent, self.folder.parent, self.folder):
            each.mkdir(mode=0o700, exist_ok=True)
            sync_folder(each.parent)
        ask = self._transaction.rows
        [(self.manifest.encoding,)] = await ask("SELECT pg_catalog.current_setting('client_encoding')")
        needed = _MARGIN
        for shape, places in wanted:
            size = f"pg_catalog.sum(pg_catalog.octet_length(ROW({shape.image})::pg_catalog.text))"
            [(bytes_,)] = await ask(f"SELECT {size} FROM {shape.at(places)}")
            # Once as they are and once as they will be, and half as much again for what COPY escapes.
            needed += 3 * int(bytes_ or 0)
        found = os.statvfs(self.folder)
        free = found.f_bavail * found.f_frsize
        if free < needed:
            raise Trouble(
                f"the backup needs {needed} bytes, and {free} are free in {self.folder}",
                "make room there, or set XDG_STATE_HOME to a larger place; without a backup nothing is changed",
                code="no_space",
            )

    async def keep(self, shape: Shape, verb: Verb, places: Sequence[Place]) -> Section:
        """Write the rows at these places as they are now; those of an INSERT are the new ones.

        Raises:
            Trouble: there are not as many rows as places (`moved`).
            OSError: they could not be written.
        """
        kind = "new" if verb is Verb.INSERT else "old"
        name = f"{self._files:03d}.{kind}"
        self._files += 1
        await self._copy(shape, places, name)
        section = Section(
            schema=shape.schema,
            table=shape.name,
            verb=verb,
            rows=len(places),
            columns=tuple(column.name for column in shape.columns),
            types=tuple((column.type.schema, column.type.name) for column in shape.columns),
        )
        section = replace(section, new=name) if verb is Verb.INSERT else replace(section, old=name)
        self.manifest.sections.append(section)
        return section

    async def keep_new(self, section: Section, shape: Shape, places: Sequence[Place]) -> None:
        """Write the same rows of an UPDATE as they are now, at their new places, in the same order."""
        name = section.old.replace("old", "new")
        await self._copy(shape, places, name)
        self.manifest.sections[self.manifest.sections.index(section)] = replace(section, new=name)

    async def split(self, section: Section, gone: Sequence[bytes], changed: Sequence[tuple[bytes, bytes]]) -> None:
        """Have in place of a section what really became of its rows; those that are as they were are in none.

        Args:
            section: rows as they were; its file is replaced.
            gone: of it the rows that are no more.
            changed: those that are other rows now, as they were and as they are.

        Raises:
            OSError: they could not be written.
        """
        at = self.manifest.sections.index(section)
        stem = section.old.removesuffix(".old")
        made = []
        if gone:
            made.append(replace(section, verb=Verb.DELETE, rows=len(gone), old=f"{stem}-gone.old"))
            await self._write(made[-1].old, gone)
        if changed:
            old, new = f"{stem}-changed.old", f"{stem}-changed.new"
            made.append(replace(section, verb=Verb.UPDATE, rows=len(changed), old=old, new=new))
            await self._write(old, [line for line, _ in changed])
            await self._write(new, [line for _, line in changed])
        self.manifest.sections[at : at + 1] = made
        (self.folder / section.old).unlink()

    async def _write(self, name: str, lines: Sequence[bytes]) -> None:
        with _opened(self.folder / name) as file:
            file.write(b"".join(line + b"\n" for line in lines))
            await asyncio.to_thread(_sync, file)

    async def finish(self) -> None:
        """Write the manifest; all is on the disk when this returns."""
        await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        path, part = self.folder / _MANIFEST, self.folder / f"{_MANIFEST}.part"
        with _opened(part) as file:
            file.write(json.dumps(asdict(self.manifest)).encode())
            _sync(file)
        part.rename(path)
        sync_folder(self.folder)

    async def _copy(self, shape: Shape, places: Sequence[Place], name: str) -> None:
        rows = 0
        with _opened(self.folder / name) as file:
            async for piece in self._transaction.copy_out(
                f"SELECT {shape.image} FROM {shape.at(places)} ORDER BY at.n"
            ):
                file.write(piece)
                rows += piece.count(b"\n")
            await asyncio.to_thread(_sync, file)
        if rows != len(places):
            raise Trouble(
                f"{len(places) - rows} of {len(places)} rows of {shape.label} are not where they were",
                "somebody changes them, or a trigger does: look at the preview again",
                code="moved",
            )


def _opened(path: Path) -> BinaryIO:
    """A new file that nobody else may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def load_manifest(folder: Path) -> Manifest:
    """What a backup folder holds.

    Raises:
        Trouble: it is not there, or not whole (`no_backup`).
    """
    try:
        found = json.loads((folder / _MANIFEST).read_bytes())
        sections = [
            Section(
                **{
                    **each,
                    "verb": Verb(each["verb"]),
                    "columns": tuple(each["columns"]),
                    "types": tuple((schema, name) for schema, name in each["types"]),
                }
            )
            for each in found.pop("sections")
        ]
        return Manifest(sections=sections, **found)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Trouble(
            f"the backup in {folder} cannot be read: {type(error).__name__}",
            "it may have been moved or removed: without it nothing can be taken back",
            code="no_backup",
        ) from None


def load_rows(folder: Path, name: str, rows: int) -> list[bytes]:
    """The rows of one file of a backup.

    Raises:
        Trouble: there are not as many as the manifest says (`no_backup`).
    """
    try:
        lines = read_lines(folder / name)
    except OSError:
        lines = []
    if len(lines) != rows:
        raise Trouble(
            f"the backup's file {folder / name} has {len(lines)} rows in place of {rows}",
            "it was changed or removed: without it nothing can be taken back",
            code="no_backup",
        )
    return lines
