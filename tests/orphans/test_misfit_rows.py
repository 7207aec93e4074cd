"""Rows and keys of pairs that no operator compares: those that do not cast are told apart, page by page."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.settings import load_settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.headless import RowsOptions, rows
from fkexplorer.named import edge_or_pair
from fkexplorer.orphans.rows import childless_parents, missing_keys, orphan_rows
from tests.orphans.connected import opened
from tests.orphans.test_incomparable import MAKE, UUID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.database.connection import Database
    from fkexplorer.orphans.model import Page
    from fkexplorer.schema.model import Schema

# Percent signs, colons and quotes of names and values are data alone.
ODD = """
CREATE TABLE "par:ents%s" ("id %s:x" uuid PRIMARY KEY);
CREATE TABLE "chi'ld" ("a %s:y" text, "kind ?" text, password text);
INSERT INTO "chi'ld" VALUES ('100%', ':it''s %s', 'x'), ('', 'other', 'x'), ('none', NULL, 'y'),
 ('100%', ':it''s %s', 'z');
"""


async def every(
    read: Callable[..., object], database: Database, schema: Schema, pair: str, *, limit: int
) -> list[tuple[str | None, ...]]:
    """The texts of all pages."""
    edge = await edge_or_pair(database, schema, pair, incomparable=True)
    found: list[tuple[str | None, ...]] = []
    after = None
    while True:
        page: Page = await read(database, schema, edge, after=after, limit=limit)  # type: ignore[misc]
        names = [field.name for field in page.fields]
        assert len(page.rows) <= limit
        wanted = [at for at, field in enumerate(page.fields) if field.column is None or field.key or field.foreign]
        assert "problem" in names
        found += [tuple(row[at].text for at in wanted) for row in page.rows]
        if not page.more:
            return found
        after = page.after


@pytest.mark.matrix
async def test_each_row_says_which_of_the_two_it_is(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(MAKE + "ALTER TABLE sessions ADD PRIMARY KEY (id)")
    seventh, eighth = UUID.format(7), UUID.format(8)
    async with opened(conninfo) as (database, schema):
        for limit in (1, 3, 50):
            assert await every(orphan_rows, database, schema, "sessions(user_id):users(id)", limit=limit) == [
                ("3", "no parent", seventh),
                ("4", "no parent", eighth),
                ("5", "does not cast", "nobody"),
                ("6", "does not cast", ""),
            ]
            assert await every(orphan_rows, database, schema, "sessions(number):users(n) [kind=b]", limit=limit) == [
                ("4", "no parent", "8"),
                ("6", "does not cast", "99999999999"),
            ]
            assert await every(missing_keys, database, schema, "sessions(number):users(n)", limit=limit) == [
                ("1x", "does not cast", "1"),
                ("7", "no parent", "1"),
                ("8", "no parent", "1"),
                ("99999999999", "does not cast", "1"),
            ]
        edge = await edge_or_pair(database, schema, "sessions(user_id):users(id)", incomparable=True)
        with pytest.raises(Trouble, match="no operator compares"):
            await childless_parents(database, schema, edge)
        edge = await edge_or_pair(database, schema, "sessions(day):users(day)", incomparable=True)
        if database.facts.version_number < 160000:
            for read in (orphan_rows, missing_keys):
                with pytest.raises(Trouble, match="what casts is not known: PostgreSQL 16 is the first") as refused:
                    await read(database, schema, edge)
                assert refused.value.code == "incomparable"


async def test_no_name_and_no_value_is_taken_for_more(make_database: Callable[[str], str]) -> None:
    pair = """"chi'ld"("a %s:y"):"par:ents%s"("id %s:x")"""
    async with opened(make_database(ODD)) as (database, schema):
        for limit in (1, 9):
            assert await every(missing_keys, database, schema, pair, limit=limit) == [
                ("100%", "does not cast", "2"),
                ("", "does not cast", "1"),
                ("none", "does not cast", "1"),
            ]
            rows_ = await every(orphan_rows, database, schema, pair, limit=limit)
            assert rows_ == [("does not cast", text) for text in ("100%", "", "none", "100%")]
            conditional = f"{pair} [\"kind ?\"=':it''s %s']"
            rows_ = await every(orphan_rows, database, schema, conditional, limit=limit)
            assert rows_ == [("does not cast", "100%")] * 2
        secret = await edge_or_pair(
            database, schema, """"chi'ld"(password):"par:ents%s"("id %s:x")""", incomparable=True
        )
        page = await missing_keys(database, schema, secret, limit=1)
        assert [value.text for value in page.rows[0]] == [None, "does not cast", "2"]
        assert page.after == ("1",)
        page = await missing_keys(database, schema, secret, limit=1, after=page.after)
        assert [value.text for value in page.rows[0]] == [None, "does not cast", "1"]


async def test_the_demos_sessions(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_demo(database_url)
    pair = "nextauth.sessions(user_id):nextauth.users(id)"
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
    console = Console({})
    async with opened(database_url) as (database, _):

        async def said(kind: str, form: str) -> tuple[str, str]:
            assert await rows(database, console, settings, RowsOptions(pair, kind, format=form)) == 0
            told = capsys.readouterr()
            return told.out, told.err

        text, end = await said("orphans", "text")
        assert text.count("does not cast") == 3
        assert text.count("no parent") == 5
        assert f"{pair}: 8 rows that do not cast or have no parent\n" in end
        found = list(csv.DictReader((await said("orphans", "csv"))[0].splitlines()))
        assert sorted(row["problem"] for row in found) == ["does not cast"] * 3 + ["no parent"] * 5
        document = json.loads((await said("keys", "json"))[0])
        assert document["columns"] == ["user_id", "problem", "rows"]
        by = [int(row["rows"]) for row in document["rows"] if row["problem"] == "does not cast"]
        assert (sum(by), sum(int(row["rows"]) for row in document["rows"])) == (3, 8)
