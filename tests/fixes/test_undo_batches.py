"""The undo of several batches: its preview knows what each of them finds once those after it are taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import RunLimits
from tests.fixes.byhand import QUICK, delete, do, hashes, take_back
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCHES = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, pid int);
INSERT INTO p VALUES (1);
INSERT INTO c SELECT n, CASE n WHEN 1 THEN 1 ELSE n END FROM generate_series(1, 7) n;
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@dataclass(frozen=True)
class Below:
    """A table below `c`, what others do after the fix, and in which table it is in the way of the undo."""

    sql: str
    meddle: str
    place: str = "public.g"


KEYED = "CREATE TABLE g (id int PRIMARY KEY, a int REFERENCES c ON DELETE {}, b int REFERENCES c ON DELETE {});"
BELOW = {
    "a row of an earlier batch has its parent in a later one": Below(
        KEYED.format("CASCADE", "CASCADE") + "INSERT INTO g VALUES (1, 2, 4), (2, 3, 7), (3, 5, 2), (4, 6, 7)",
        "INSERT INTO c VALUES (4)",
        "public.c",
    ),
    "a row is changed by two batches": Below(
        KEYED.format("SET NULL", "SET NULL") + "INSERT INTO g VALUES (1, 2, 4), (2, 3, 7), (3, 2, 3)",
        "UPDATE g SET id = id + 10 WHERE id = 1",
    ),
    "rows without a key, alike, are changed by two batches": Below(
        KEYED.replace("id int PRIMARY KEY, ", "").format("SET NULL", "SET NULL")
        + "INSERT INTO g VALUES (2, 4), (2, 4), (2, 6), (3, 7), (4, 6)",
        "DELETE FROM g WHERE ctid = (SELECT min(ctid) FROM g)",
    ),
    "a row is changed by one batch, and goes with a later one": Below(
        KEYED.format("SET NULL", "CASCADE") + "INSERT INTO g VALUES (1, 2, 4), (2, 3, 7)", "INSERT INTO g VALUES (1)"
    ),
    "the key of a row that goes is taken by a later batch": Below(
        "CREATE TABLE g (a int DEFAULT 1 REFERENCES c ON DELETE SET DEFAULT, n int,"
        " b int REFERENCES c ON DELETE CASCADE, PRIMARY KEY (a, n)); INSERT INTO g VALUES (1, 5, 2), (4, 5, NULL)",
        "UPDATE g SET b = 1",
    ),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", BELOW)
async def test_what_later_batches_did_is_no_conflict(
    make_database: Callable[[str], str], open_folder: Path, name: str
) -> None:
    conninfo = make_database(BATCHES + BELOW[name].sql)
    was = hashes(conninfo)
    outcome = await do(conninfo, open_folder, "c.fk", delete, limits=RunLimits(QUICK.transaction, batch_rows=2))
    assert outcome.ending is Ending.DONE, outcome.words
    preview, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert len(preview.parts) == 3
    assert preview.conflicts == ()
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


@pytest.mark.parametrize("name", BELOW)
async def test_what_others_did_still_is_one(make_database: Callable[[str], str], open_folder: Path, name: str) -> None:
    below = BELOW[name]
    conninfo = make_database(BATCHES + below.sql)
    outcome = await do(conninfo, open_folder, "c.fk", delete, limits=RunLimits(QUICK.transaction, batch_rows=2))
    await execute(conninfo, below.meddle)
    now = hashes(conninfo)
    preview, undone = await take_back(conninfo, open_folder, outcome.entry)
    assert below.place in {each.place for each in preview.conflicts}
    assert undone.ending is Ending.REFUSED
    assert hashes(conninfo) == now
