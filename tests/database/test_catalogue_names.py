"""Names that somebody will have one day, read whole, and quoted as PostgreSQL quotes them."""

from __future__ import annotations

import psycopg
import pytest

from fkexplorer.schema.names import KEYWORDS, edge_label, find_edges, qualified, quote
from tests.database.catalogue import load

pytestmark = pytest.mark.matrix

HOSTILE = [
    'Order "Items"',
    "user",
    "per%cent %s %(x)s %%",
    "new\nline",
    "[/]",
    "[bold]x[/bold]",
    "'; DROP TABLE x; --",
    "Ünïcödé 表 🐘",
    "a.b",
    "{x} ${y} $1",
    "\x1b[31mred",
    "x" * 63,
    "  ",
    "\\",
]


async def test_hostile_names(database_url: str) -> None:
    statements = []
    for name in HOSTILE:
        quoted = '"' + name.replace('"', '""') + '"'
        statements += [
            f"CREATE SCHEMA {quoted}",
            f"""CREATE TABLE {quoted}.{quoted} ({quoted} int PRIMARY KEY, up int,
                  CONSTRAINT {quoted} FOREIGN KEY (up) REFERENCES {quoted}.{quoted})""",
            f"CREATE INDEX ON {quoted}.{quoted} (up)",
            f"COMMENT ON TABLE {quoted}.{quoted} IS '{name.replace(chr(39), chr(39) * 2)}'",
            f"COMMENT ON CONSTRAINT {quoted} ON {quoted}.{quoted} IS '{name.replace(chr(39), chr(39) * 2)}'",
        ]
    schema = await load(database_url, *statements)
    for table in schema.tables.values():
        assert table.schema == table.name == table.comment == table.columns[0].name
    for edge in schema.edges.values():
        child = schema.tables[edge.child]
        assert edge.name == edge.comment == child.name
        assert edge.index == qualified(child.schema, child.indexes[1].name)
        assert find_edges(schema, edge_label(schema, edge)) == [edge]
    assert sorted(table.name for table in schema.tables.values()) == sorted(HOSTILE)
    assert len(schema.edges) == len(HOSTILE)


async def test_quoting_is_postgresqls_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for name in [*HOSTILE, "plain", "_x9", "9x", "a$b", "Mixed", "ünï", ""]:
            row = connection.execute("SELECT quote_ident(%s)", (name,)).fetchone()
            assert row == (quote(name),)
        words = connection.execute("SELECT word, quote_ident(word) FROM pg_get_keywords()").fetchall()
    assert {word for word, quoted in words if quoted != word} <= KEYWORDS
    # One list serves 12 to 18: a few words are key words only later.
    assert {word for word, quoted in words if quoted == word} & KEYWORDS <= {"json", "normalize", "system_user"}
