"""Commands on pairs that no constraint could be: for some rows of the child only, or of types without an operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fkexplorer.config.settings import load_settings
from fkexplorer.console import Console
from fkexplorer.headless import CheckOptions, RowsOptions, check, rows
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

SCRIPT = """
CREATE TABLE users (id uuid PRIMARY KEY);
CREATE TABLE sessions (id int PRIMARY KEY, user_id text);
CREATE TABLE posts (id int PRIMARY KEY);
CREATE TABLE notes (id int PRIMARY KEY, about_type text, about_id int);
INSERT INTO sessions VALUES (1, 'x'), (2, '11111111-1111-1111-1111-111111111111'), (3, NULL);
INSERT INTO posts VALUES (1);
INSERT INTO notes VALUES (1, 'Post', 1), (2, 'Post', 2), (3, 'Photo', 3);
"""
CONFIG = """
[[relationships]]
pair = "sessions(user_id):users(id)"
[[relationships]]
pair = "notes(about_id):posts(id) [about_type=Post]"
"""
NOTES = "public.notes(about_id):public.posts(id) [about_type=Post]"


async def test_check_and_rows(
    make_database: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".fkexplorer.toml").write_text(CONFIG)
    known = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path)
    console = Console({})
    async with opened(make_database(SCRIPT)) as (database, _):
        assert await check(database, console, known, CheckOptions(format="json")) == 1
        document = json.loads(capsys.readouterr().out)
        sessions, notes = sorted(document["edges"], key=lambda edge: edge["status"])
        assert (sessions["status"], sessions["orphans"], notes["status"], notes["orphans"]) == (
            "incomparable",
            None,
            "orphans",
            1,
        )
        assert (sessions["uncastable"], sessions["orphans_if_cast"], notes["uncastable"]) == (1, 1, None)
        assert (notes["id"], notes["where"]) == (NOTES, {"about_type": "Post"})
        assert await check(database, console, known, CheckOptions()) == 1
        told = capsys.readouterr().out
        assert "no operator compares uuid with text: 1 row does not cast, 1 would be an orphan" in told
        assert NOTES in told
        for kind, column in (("orphans", "id"), ("keys", "about_id")):
            await rows(database, console, known, RowsOptions(NOTES, kind, format="csv"))
            header, *lines = capsys.readouterr().out.splitlines()
            assert header.startswith(column)
            assert [line.split(",")[0] for line in lines] == ["2"]
