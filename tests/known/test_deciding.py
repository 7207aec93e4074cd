"""Accepting, rejecting and forgetting: the last decision holds, however the pair was written before, comments stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.config.settings import load_settings
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.known.bind import bind
from fkexplorer.known.deciding import accepted, forgotten, rejected
from fkexplorer.schema.model import Condition
from fkexplorer.schema.names import edge_label, find_tables
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = """\
# mine
[limits]
max_bytes = "1G"  # enough

[[rejected]]
pair = 'Posts(author):users(id)'
reason = "not now"
# the end
"""
LABEL = 'public."Posts"(author):public.users(id)'


async def test_the_last_decision_holds(database_url: str, tmp_path: Path) -> None:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute('CREATE TABLE users (id int); CREATE TABLE "Posts" (author int, kind text)')
    file = tmp_path / ".fkexplorer.toml"
    file.write_text(BEFORE)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "none")}
    settings = load_settings(None, environ, tmp_path)
    assert settings.file == file
    async with opened(database_url) as (database, schema):
        [users], [posts] = find_tables(schema, "users"), find_tables(schema, "Posts")
        author, kind = posts.columns
        edge = await read_pair(database, schema, (posts, [author]), (users, list(users.columns)))

        settings = accepted(schema, settings, edge, "seen in the code", environ)
        assert [(each.pair, each.reason) for each in settings.relationships] == [(LABEL, "seen in the code")]
        assert settings.rejected == ()
        assert [edge.oid for edge in (await bind(database, schema, settings)).schema.edges.values()] == [edge.oid]
        assert file.read_text().startswith('# mine\n[limits]\nmax_bytes = "1G"  # enough\n')
        assert "# the end\n" in file.read_text()

        settings = rejected(schema, settings, edge, "", environ)
        assert ([each.pair for each in settings.rejected], settings.relationships) == ([LABEL], ())
        assert (await bind(database, schema, settings)).schema.edges == {}

        one = Condition(kind, "it's a kind")
        some = await read_pair(database, schema, (posts, [author]), (users, list(users.columns)), only=one)
        settings = accepted(schema, settings, some, "", environ)
        assert [each.pair for each in settings.relationships] == [f"{LABEL} [kind='it''s a kind']"]
        assert settings.rejected == ()
        [made] = (await bind(database, schema, settings)).schema.edges.values()
        assert (made.oid, made.only, edge_label(schema, made)) == (some.oid, one, edge_label(schema, some))

        settings = forgotten(schema, settings, some, environ)
        assert (settings.relationships, settings.rejected) == ((), ())
        assert file.read_text().rstrip() == BEFORE[: BEFORE.index("[[")].rstrip() + "\n\n# the end"


async def test_a_file_in_place_of_the_project_s(database_url: str, tmp_path: Path) -> None:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE a (b int, c int)")
    file = tmp_path / "other.toml"
    file.write_text("")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "none")}
    async with opened(database_url) as (database, schema):
        [a] = schema.tables.values()
        edge = await read_pair(database, schema, (a, [a.columns[0]]), (a, [a.columns[1]]))
        settings = accepted(schema, load_settings(str(file), environ, tmp_path), edge, "", environ)
    assert [each.origin for each in settings.relationships] == [f"{file}:1"]
    assert not (tmp_path / ".fkexplorer.toml").exists()
