"""Fixes of marked keys: all rows of a key and no others, whatever compares the keys, done and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.orphans.rows import missing_keys
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges
from tests.fixes.byhand import hashes
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAKE = """
CREATE EXTENSION citext;
CREATE TABLE p (id int8 PRIMARY KEY, a int, b int, mail citext UNIQUE, UNIQUE (a, b));
INSERT INTO p VALUES (1, 1, 1, 'one@x');
CREATE TABLE narrow (id int PRIMARY KEY, pid int CONSTRAINT narrow_fk REFERENCES p);
CREATE TABLE pair (id int PRIMARY KEY, a int, b int, CONSTRAINT pair_fk FOREIGN KEY (a, b) REFERENCES p (a, b));
CREATE TABLE entire (id int PRIMARY KEY, a int, b int,
 CONSTRAINT entire_fk FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL);
CREATE TABLE folded (id int PRIMARY KEY, mail citext CONSTRAINT folded_fk REFERENCES p (mail));
SET session_replication_role = replica;
INSERT INTO narrow VALUES (1, 1), (2, 70), (3, 71), (4, 70), (5, NULL);
INSERT INTO pair VALUES (1, 1, 1), (2, 7, 0), (3, 7, 1), (4, 7, 0), (5, 7, NULL);
INSERT INTO entire VALUES (1, 1, 1), (2, 7, NULL), (3, 7, 1), (4, 7, NULL), (5, NULL, NULL);
INSERT INTO folded VALUES (1, 'ONE@x'), (2, 'Two@x'), (3, 'three@x'), (4, 'two@X');
"""


@pytest.mark.parametrize("table", ["narrow", "pair", "entire", "folded"])
async def test_the_rows_of_the_key_that_most_name(
    make_database: Callable[[str], str], tmp_path: Path, table: str
) -> None:
    conninfo = make_database(MAKE)
    before, journal = hashes(conninfo), Journal(tmp_path)
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, f"{table}_fk")[0]
        page = await missing_keys(database, schema, edge)
        keys = tuple(
            tuple(value.text for field, value in zip(page.fields, row, strict=True) if field.foreign)
            for row in page.rows
        )
        counts = {key: int(row[-1].text or "") for key, row in zip(keys, page.rows, strict=True)}
        assert counts[keys[0]] == 2
        for some in ((keys[0],), keys[1:], keys):
            seen = await preview(database, schema, Request(edge, FixAction.DELETE, missing=some))
            assert seen.rows == sum(counts[key] for key in some)
        seen = await preview(database, schema, Request(edge, FixAction.DELETE, missing=keys[:1]))
        assert seen.before is not None
        assert seen.before.keys == (("2",), ("4",))
        outcome = await run(database, schema, seen, journal)
        assert outcome.ending is Ending.REMAINING, outcome.words
        assert hashes(conninfo) != before
        back = await undo_preview(database, schema, journal, outcome.entry)
        assert (await undo(database, schema, back, journal)).ending is Ending.DONE
    assert hashes(conninfo) == before


async def test_a_key_lacks_a_value(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(MAKE)) as (database, schema):
        edge = find_edges(schema, "pair_fk")[0]
        with pytest.raises(Trouble) as trouble:
            await preview(database, schema, Request(edge, FixAction.DELETE, missing=(("7",),)))
        assert trouble.value.code == "incomplete"
        assert "a, b" in trouble.value.reason
