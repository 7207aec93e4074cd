"""Whether a transaction that the server calls committed can be the one that was meant: its rows tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.pieces import places_of
from fkexplorer.fixes.restore import Restoration
from fkexplorer.fixes.writer import WriteLimits, looking
from fkexplorer.schema.model import Schema

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.database.connection import Database


async def contradicted(database: Database, folder: Path) -> bool:
    """Whether all rows of a part are as they were before it; False also where nothing tells.

    Args:
        database: where.
        folder: of the part's backup.
    """
    try:
        restoration = Restoration(Schema({}, {}, datetime.now(UTC)), database.facts, folder)
        async with looking(database, WriteLimits()) as tx:
            await restoration.examine(tx)
            pieces = [
                piece for piece in restoration.pieces if piece.section.verb is not Verb.UPDATE or piece.old != piece.new
            ]
            async with tx.images():
                for piece in pieces:
                    inserted = piece.section.verb is Verb.INSERT
                    before = 0 if inserted else len(piece.old)
                    if len(await places_of(tx, piece, piece.new if inserted else piece.old)) != before:
                        return False
    except (Trouble, psycopg.Error):
        return False
    return bool(pieces)
