"""What is configured is in the app like what is declared: listed, counted, kept true; told where it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from fkexplorer.config.settings import load_settings
from fkexplorer.tui.arming import Arming
from tests.tui.helpers import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = """
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE posts (id int PRIMARY KEY, author int, editor int REFERENCES users);
INSERT INTO users VALUES (1);
INSERT INTO posts VALUES (1, 1, 1), (2, 7, NULL), (3, 7, NULL);
"""
CONFIG = """
[[relationships]]
pair = "posts(author):users(id)"
[[relationships]]
pair = "posts(writer):users(id)"
"""


async def test_a_configured_pair_is_listed_counted_and_kept_true(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = make_database(SCRIPT)
    (tmp_path / ".fkexplorer.toml").write_text(CONFIG)
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path)
    async with opened(url, arming=Arming(settings)) as person:
        await person.sees(r"2 tables 1 FK \+ 1 cfg")
        await person.told(r"\.fkexplorer\.toml:4: public\.posts has no column writer")
        await person.sees(r"posts .*!2")
        await person.press("enter")
        await person.sees(r"!2 .*cfg|cfg .*!2")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("INSERT INTO users VALUES (7)")
            await person.sees(r"ok .*cfg|cfg .*ok")
            # The constraint takes its place, and what is configured goes.
            connection.execute("ALTER TABLE posts ADD CONSTRAINT by FOREIGN KEY (author) REFERENCES users")
            await person.sees(r"2 tables 2 FKs( |$)")
