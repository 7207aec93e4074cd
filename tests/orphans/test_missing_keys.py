"""The missing keys of an edge: each once, with its rows, the most named first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.limits import Limits
from fkexplorer.database.model import Trouble
from fkexplorer.orphans import missing
from fkexplorer.orphans.model import Value
from fkexplorer.orphans.paging import How
from fkexplorer.orphans.rows import missing_keys, orphan_rows
from fkexplorer.orphans.ways.explain import plan_of
from fkexplorer.orphans.ways.merge import Merge
from fkexplorer.orphans.ways.way import nodes
from tests.orphans.pages import ask, opened, run, texts, the_edge, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


async def test_the_most_named_come_first_and_ties_in_their_order(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int8 PRIMARY KEY);
        INSERT INTO parent VALUES (100), (101);
        CREATE TABLE child (k int PRIMARY KEY, pid int4 CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT g, NULLIF(g % 120, 3) - 5 FROM generate_series(1, 1000) g;
        """,
    )
    wanted = ask(
        database_url,
        "SELECT pid::text, count(*)::text FROM child WHERE pid NOT IN (SELECT id FROM parent)"
        " GROUP BY child.pid ORDER BY count(*) DESC, child.pid",
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=11))
        assert [(field.name, field.foreign) for field in pages[0].fields] == [("pid", True), ("rows", False)]
        assert [row for page in pages for row in texts(page, "pid", "rows")] == wanted
        assert [len(page.rows) for page in pages[:-1]] == [11] * (len(pages) - 1)
        assert pages[0].after == (pages[0].rows[-1][1].text, pages[0].rows[-1][0].text)
        orphans = await walk(lambda after: orphan_rows(database, schema, edge, after=after))
        assert sum(int(count or 0) for _, count in wanted) == sum(len(page.rows) for page in orphans)
        whole = await missing_keys(database, schema, edge)
        assert (len(whole.rows), whole.more, whole.after) == (len(wanted), False, None)


# For each kind of key what has to be there first, the parent's and the child's type, and a query of values.
KINDS = {
    "citext": ("", "citext", "citext", "SELECT chr(g) FROM generate_series(65, 122) g"),
    "domain to citext": (
        "CREATE DOMAIN word AS citext",
        "citext",
        "word",
        "SELECT chr(g) FROM generate_series(65, 122) g",
    ),
    "int8 to int4": ("", "int4", "int8", "SELECT g % 7 * 1000000000::int8 FROM generate_series(1, 40) g"),
    "int to numeric": ("", "numeric", "int4", "SELECT g % 9 FROM generate_series(1, 40) g"),
    "numeric": (
        "",
        "numeric",
        "numeric",
        (
            "SELECT (g % 9)::text || CASE g % 2 WHEN 0 THEN '.00' ELSE '' END"
            " FROM generate_series(1, 40) g UNION ALL VALUES ('NaN'), ('NaN'), ('1e300')"
        ),
    ),
    "float8": ("", "float8", "float8", "VALUES ('0'), ('-0'), ('NaN'), ('NaN'), ('0.1'), ('0.30000000000000004')"),
    "char to text": ("", "text", "char(5)", "SELECT 'a' || g % 9 || repeat(' ', g % 2) FROM generate_series(1, 40) g"),
    "text to char": ("", "char(5)", "text", "SELECT 'a' || g % 9 || repeat(' ', g % 2) FROM generate_series(1, 40) g"),
    "varchar": ("", "varchar(9)", "varchar(5)", "SELECT 'a' || g % 9 FROM generate_series(1, 40) g"),
    "date to timestamptz": (
        "",
        "timestamptz",
        "date",
        "SELECT '2026-01-01'::date + g % 9 FROM generate_series(1, 40) g",
    ),
    "uuid": ("", "uuid", "uuid", "SELECT md5((g % 9)::text) FROM generate_series(1, 40) g"),
    "bytea": ("", "bytea", "bytea", "SELECT decode(md5((g % 9)::text), 'hex') FROM generate_series(1, 40) g"),
    "enum": ("CREATE TYPE mood AS ENUM ('z', 'y', 'A', 'a')", "mood", "mood", "SELECT unnest(enum_range(NULL::mood))"),
    "array": ("", "int4[]", "int4[]", "SELECT ARRAY[g % 3, NULL] FROM generate_series(1, 40) g"),
    "composite type": (
        "CREATE TYPE pair AS (a text, b int)",
        "pair",
        "pair",
        "SELECT ROW('x', g % 5)::pair FROM generate_series(1, 40) g",
    ),
    "own range": (
        "CREATE TYPE frange AS RANGE (subtype = float8)",
        "frange",
        "frange",
        "SELECT frange(0.1, 1 + g % 5) FROM generate_series(1, 40) g",
    ),
    "other collation": (
        'CREATE COLLATION c2 FROM "C"',
        'text COLLATE "C"',
        "text COLLATE c2",
        "SELECT chr(g) FROM generate_series(65, 99) g",
    ),
}


def _kinds() -> Iterator[str]:
    for number, (first, parent, child, values) in enumerate(KINDS.values()):
        yield f"""CREATE SCHEMA s{number}; SET search_path = s{number}, public; {first};
        CREATE TABLE parent (id {parent} PRIMARY KEY);
        CREATE TABLE child (k int GENERATED ALWAYS AS IDENTITY, pid {child} CONSTRAINT fk{number} REFERENCES parent);
        INSERT INTO child (pid) SELECT v::{_bare(child)} FROM ({values}) s(v);
        INSERT INTO child (pid) SELECT pid FROM child WHERE k <= 3;
        """


def _bare(type_: str) -> str:
    return type_.split(" COLLATE", maxsplit=1)[0]


@pytest.fixture(scope="module")
def kinds_url(make_database: Callable[[str], str]) -> str:
    """A database with an edge for each kind of key."""
    return make_database("CREATE EXTENSION citext; SET session_replication_role = replica;" + "".join(_kinds()))


@pytest.mark.parametrize("kind", KINDS)
async def test_keys_that_the_constraint_holds_for_equal_are_one(kinds_url: str, kind: str) -> None:
    _, parent, child, _ = KINDS[kind]
    number = list(KINDS).index(kind)
    path = f"s{number}, public"
    # The values as they are compared: of the parent's type, if that can hold the child's.
    compared = "" if kind == "int8 to int4" else "::bpchar" if parent.startswith("char(") else f"::{_bare(parent)}"
    sizes = ask(
        kinds_url,
        f"""SELECT (SELECT count(*) FROM child o WHERE o.pid{compared} = c.pid{compared}) FROM child c
         WHERE NOT EXISTS (SELECT FROM child e WHERE e.k < c.k AND e.pid{compared} = c.pid{compared})
         ORDER BY 1 DESC""",
        path=path,
    )
    async with opened(kinds_url) as (database, schema):
        edge = the_edge(schema, f"fk{number}")
        pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=2))
    found = [row for page in pages for row in texts(page, "pid", "rows")]
    assert [int(count or 0) for _, count in found] == [size for (size,) in sizes]
    assert len({key for key, _ in found}) == len(sizes)
    # Among those of one number of rows the keys come in the order of their type.
    groups: dict[str | None, list[str]] = {}
    for key, count in found:
        groups.setdefault(count, []).append(str(key))
    collate = ' COLLATE "C"' if "COLLATE" in parent else ""
    for keys in groups.values():
        array = ", ".join("'" + key.replace("'", "''") + "'" for key in keys)
        order = ask(
            kinds_url,
            f"""SELECT n FROM unnest(ARRAY[{array}]) WITH ORDINALITY u(v, n)
             ORDER BY v::{_bare(child)}{compared}{collate}""",
            path=path,
        )
        assert [n for (n,) in order] == list(range(1, len(keys) + 1))


@pytest.mark.parametrize("match", ["SIMPLE", "FULL"])
async def test_composite_keys_and_nulls_in_part(database_url: str, match: str) -> None:
    run(
        database_url,
        f"""CREATE TABLE parent (a int, b text, PRIMARY KEY (a, b));
        INSERT INTO parent VALUES (1, 'x');
        CREATE TABLE child (a int, b text, CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES parent MATCH {match});
        INSERT INTO child VALUES (1, 'x'), (1, 'y'), (1, 'y'), (2, NULL), (2, NULL), (NULL, 'x'), (NULL, NULL),
         (NULL, 'NULL'), (2, 'NULL'), (2, '');
        """,
    )
    partly = [("2", None, "2")] if match == "FULL" else []
    singly = [(None, "NULL", "1"), (None, "x", "1")] if match == "FULL" else []
    wanted = [("1", "y", "2"), *partly, ("2", "", "1"), ("2", "NULL", "1"), *singly]
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        for limit in (1, 2, 3, 10):
            pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=limit))  # noqa: B023
            assert [row for page in pages for row in texts(page, "a", "b", "rows")] == wanted


async def test_periods_are_grouped_by_key_and_range(database_url: str) -> None:
    run(
        database_url,
        """CREATE EXTENSION btree_gist;
        CREATE TABLE parent (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
        INSERT INTO parent VALUES (1, '[2026-01-01,2026-02-01)'), (1, '[2026-02-01,2026-03-01)');
        CREATE TABLE child (id int, during daterange,
         CONSTRAINT fk FOREIGN KEY (id, PERIOD during) REFERENCES parent (id, PERIOD during));
        INSERT INTO child VALUES (1, '[2026-01-05,2026-02-05)'), (1, '[2026-01-05,2026-04-01)'),
         (1, '[2026-01-05,2026-04-01)'), (2, '[2026-01-05,2026-01-06)'), (1, 'empty'),
         (NULL, '[2026-01-05,2026-01-06)');
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=1))
        assert [row for page in pages for row in texts(page, "id", "during", "rows")] == [
            ("1", "[2026-01-05,2026-04-01)", "2"),
            ("1", "empty", "1"),
            ("2", "[2026-01-05,2026-01-06)", "1"),
        ]


async def test_long_keys_are_cut_for_show_and_whole_in_the_cursor(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id text PRIMARY KEY);
        CREATE TABLE child (pid text CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT repeat('x', 500) || g FROM generate_series(1, 9) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=2, width=10))
        assert [len(page.rows) for page in pages] == [2, 2, 2, 2, 1]
        assert {row[0] for page in pages for row in page.rows} == {Value("x" * 10, cut=True)}
        assert pages[1].after == ("1", "x" * 500 + "4")
        whole = await missing_keys(database, schema, edge, width=None)
        assert [key for (key,) in texts(whole, "pid")] == ["x" * 500 + str(g) for g in range(1, 10)]


async def test_a_key_that_is_a_secret_is_counted_and_not_shown(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (token text PRIMARY KEY);
        CREATE TABLE child (token text CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT 'tok' || g % 5 FROM generate_series(1, 17) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=2))
        assert [count for page in pages for (count,) in texts(page, "rows")] == ["4", "4", "3", "3", "3"]
        assert all(row[0] == Value(None, masked=True) for page in pages for row in page.rows)
        assert "tok" not in str([(page.rows, page.after, page.keys) for page in pages])
        shown = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=2, reveal=True))
        assert [key for page in shown for (key,) in texts(page, "token")] == ["tok1", "tok2", "tok0", "tok3", "tok4"]
        with pytest.raises(Trouble, match="another order"):
            await missing_keys(database, schema, edge, after=shown[0].after)


async def test_writes_between_pages_repeat_no_key(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (pid int CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT g FROM generate_series(1, 9) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        page = await missing_keys(database, schema, edge, limit=4)
        run(
            database_url, "DELETE FROM child WHERE pid = 4; INSERT INTO child VALUES (0); INSERT INTO parent VALUES (6)"
        )
        rest = await missing_keys(database, schema, edge, after=page.after)
        assert [key for (key,) in texts(rest, "pid")] == ["5", "7", "8", "9"]


# Pages whose commit is not in the log yet are not all-visible.
LARGE = """
SET synchronous_commit = on;
CREATE TABLE p (a int, b text, PRIMARY KEY (b, a));
INSERT INTO p SELECT n % 100, (n % 1000)::text FROM generate_series(1, 12000) n ON CONFLICT DO NOTHING;
CREATE TABLE c (x int8, y text);
INSERT INTO c SELECT n % 150, nullif((n % 1100)::text, '7') FROM generate_series(1, 24000) n;
CREATE INDEX ON c (y, x);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES p (a, b) NOT VALID;
"""


async def test_in_a_large_table_the_keys_come_in_the_order_of_indexes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database_url, LARGE)
    run(database_url, "VACUUM ANALYZE")
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        by_rows = await walk(lambda after: missing_keys(database, schema, edge, after=after))
        assert by_rows[0].order == "by the number of rows"
        monkeypatch.setattr(missing, "LONG_MS", -1.0)
        by_key = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=77))
        assert by_key[0].order == "by y, x"
        assert by_key[0].after is not None
        assert len(by_key[0].after) == 2
        keys = [row for page in by_key for row in texts(page, "x", "y", "rows")]
        assert len(keys) > 500
        assert len(keys) == len(set(keys))
        assert sorted(keys) == sorted(row for page in by_rows for row in texts(page, "x", "y", "rows"))
        # A cursor of the other order is none of this.
        with pytest.raises(Trouble) as caught:
            await missing_keys(database, schema, edge, after=by_rows[0].after)
        assert caught.value.code == "changed"


async def test_the_first_keys_are_found_without_the_others(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(database_url, LARGE)
    run(database_url, "VACUUM ANALYZE")
    monkeypatch.setattr(missing, "LONG_MS", -1.0)
    async with opened(database_url) as (database, schema):
        asked = missing._of_orphans(schema, the_edge(schema), How(limit=10))
        async with database.read(Limits(planner=Merge.settings)) as connection:
            plan = await plan_of(connection, asked.statement())
    steps = [node["Node Type"] for node in nodes(plan)]
    # All that orders is the page itself.
    below = steps[steps.index("Limit") :]
    assert below == ["Limit", "Aggregate", "Merge Join", "Index Only Scan", "Index Only Scan"]
