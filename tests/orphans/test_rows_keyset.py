"""Pages of orphan rows in the order of every kind of key, walked to the end: each row once, in the server's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from fkexplorer.orphans.rows import missing_keys, orphan_rows, whole_row
from tests.orphans.keykinds import KINDS, SETTINGS
from tests.orphans.pages import ask, opened, run, texts, the_edge, the_table, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fkexplorer.demo.server import EmbeddedServer


def _kinds(*, citext: bool) -> Iterator[str]:
    if citext:
        yield 'CREATE EXTENSION citext SCHEMA "ex%t";'
    for number, (kind, (first, type_, values)) in enumerate(KINDS.items()):
        if "citext" in kind and not citext:
            continue
        yield f"""CREATE SCHEMA s{number}; SET search_path = s{number}, public, "ex%t"; {first};
        CREATE TABLE child (pid int CONSTRAINT fk{number} REFERENCES parent, place int, "the key" {type_} PRIMARY KEY);
        INSERT INTO child SELECT 7, NULL, v FROM ({values}) s(v) ORDER BY random();
        UPDATE child SET place = s.place
         FROM (SELECT ctid AS here, row_number() OVER (ORDER BY "the key") AS place FROM child) s WHERE s.here = ctid;
        """


@pytest.fixture(scope="module")
def citext(server: EmbeddedServer) -> bool:
    """Whether the server brings the extension."""
    return bool(
        ask(server.conninfo("postgres"), "SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'citext'")
    )


@pytest.fixture(scope="module")
def keys_url(make_database: Callable[[str], str], *, citext: bool) -> str:
    """A database with a table for each kind of key."""
    return make_database(SETTINGS + "".join(_kinds(citext=citext)))


@pytest.mark.matrix
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_of_key_is_walked_once_in_its_order(keys_url: str, kind: str, *, citext: bool) -> None:
    if "citext" in kind and not citext:
        pytest.skip("this server has no citext")
    number = list(KINDS).index(kind)
    [(count,)] = ask(keys_url, "SELECT count(*) FROM child", path=f"s{number}")
    async with opened(keys_url) as (database, schema):
        edge = the_edge(schema, f"fk{number}")
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=3, width=None))
        places = [int(place or 0) for page in pages for (place,) in texts(page, "place")]
        assert places == list(range(1, count + 1))
        assert [len(page.rows) for page in pages[:-1]] == [3] * (len(pages) - 1)
        assert {page.order for page in pages} == {'by "the key"'}
        for page in pages:
            row = await whole_row(database, schema, schema.child_of(edge), key=page.keys[-1])
            assert texts(row, "place") == texts(page, "place")[-1:]


@pytest.mark.matrix
async def test_keys_that_a_collation_holds_for_equal(database_url: str) -> None:
    if not ask(database_url, "SELECT FROM pg_collation WHERE collname = 'und-x-icu'"):
        pytest.skip("this server has no ICU")
    run(
        database_url,
        """CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE parent (id text COLLATE nocase PRIMARY KEY);
        CREATE TABLE child (k text COLLATE nocase PRIMARY KEY, pid text COLLATE nocase CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g, CASE g % 3 WHEN 0 THEN 'x' ELSE 'X' END
         FROM generate_series(10, 40) g;
        CREATE TABLE apart (k text COLLATE nocase NOT NULL, pid text COLLATE nocase CONSTRAINT other REFERENCES parent);
        CREATE UNIQUE INDEX ON apart (k COLLATE "C");
        INSERT INTO apart VALUES ('b', 'x'), ('A', 'x'), ('B', 'x'), ('a', 'x');
        """,
    )
    wanted = ask(database_url, "SELECT k FROM child ORDER BY k")
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=4))
        assert [row for page in pages for row in texts(page, "k")] == wanted
        row = await whole_row(database, schema, schema.child_of(edge), key=(str(wanted[3][0]).swapcase(),))
        assert texts(row, "k") == [wanted[3]]
        assert texts(await missing_keys(database, schema, edge), "rows") == [("31",)]
        # The index tells apart what the column's own collation does not.
        edge = the_edge(schema, "other")
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=1))
        assert [row for page in pages for row in texts(page, "k")] == [("A",), ("B",), ("a",), ("b",)]
        for key in ("A", "a"):
            assert texts(await whole_row(database, schema, schema.child_of(edge), key=(key,)), "k") == [(key,)]


async def test_values_that_their_domain_would_refuse_today(database_url: str) -> None:
    run(
        database_url,
        """CREATE DOMAIN small AS int4;
        CREATE TABLE parent (id small PRIMARY KEY);
        CREATE TABLE child (k small PRIMARY KEY, pid small CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT g, g FROM generate_series(1, 20) g;
        ALTER DOMAIN small ADD CHECK (value > 15) NOT VALID;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=3))
        assert [row for page in pages for row in texts(page, "k")] == [(str(g),) for g in range(1, 21)]
        groups = await walk(lambda after: missing_keys(database, schema, edge, after=after, limit=3))
        assert [row for page in groups for row in texts(page, "pid")] == [(str(g),) for g in range(1, 21)]
        assert texts(await whole_row(database, schema, schema.child_of(edge), key=("3",)), "k") == [("3",)]


async def test_times_are_read_back_whatever_the_datestyle(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (k timestamptz, d date, pid int CONSTRAINT fk REFERENCES parent, PRIMARY KEY (d, k));
        INSERT INTO child
         SELECT '2026-10-25 00:30:00+00'::timestamptz + g * interval '30 min', '2026-02-01'::date - g, 7
         FROM generate_series(1, 20) g;
        """,
    )
    async with opened(database_url) as (_, schema):
        pass
    name = ask(database_url, "SELECT current_database()")[0][0]
    run(
        database_url,
        f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'; ALTER DATABASE {name} SET timezone = 'Europe/London'",
    )
    database = await Database.connect(Source(database_url, "test"))
    try:
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=3))
        days = [day for page in pages for (day,) in texts(page, "d")]
        assert days == sorted(str(day) for (day,) in ask(database_url, "SELECT to_char(d, 'YYYY-MM-DD') FROM child"))
        assert texts(pages[-1], "k")[-1] == ("2026-10-25 01:00:00+00",)
    finally:
        await database.close()


# A table without a primary key, by what its rows are told apart with, and the order that a page names.
OTHER_KEYS = {
    "unique index": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (k)", "by k"),
    "pattern operators": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (k text_pattern_ops)", "by k"),
    "another collation": ("k text COLLATE alike NOT NULL", 'CREATE UNIQUE INDEX ON child (k COLLATE "C")', "by k"),
    "downwards": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (k DESC NULLS FIRST)", "by k"),
    "included column": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (k) INCLUDE (n)", "by k"),
    "deferrable": ("k text", "ALTER TABLE child ADD PRIMARY KEY (k) DEFERRABLE INITIALLY DEFERRED", "by k"),
    "two columns": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (half, k)", "by half, k"),
    "three columns": ("k text NOT NULL", "ALTER TABLE child ADD PRIMARY KEY (k, n, half)", "by k, n, half"),
    "own operators": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (n backwards)", "by n"),
    "the shorter of two": (
        "k text NOT NULL",
        "CREATE UNIQUE INDEX ON child (half, n); CREATE UNIQUE INDEX ON child (k)",
        "by k",
    ),
    "nullable": ("k text", "CREATE UNIQUE INDEX ON child (k)", "place"),
    "partial": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (k) WHERE half > 0", "place"),
    "expression": ("k text NOT NULL", "CREATE UNIQUE INDEX ON child (lower(k))", "place"),
    "not unique": ("k text NOT NULL", "CREATE INDEX ON child (k)", "place"),
    "invalid": (
        "k text NOT NULL",
        "CREATE UNIQUE INDEX i ON child (k); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass",
        "place",
    ),
    "secret": ("k text NOT NULL, session_token text", "ALTER TABLE child ADD UNIQUE (session_token)", "place"),
}

BACKWARDS = """
SET session_replication_role = replica;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE COLLATION alike FROM "C";
CREATE SCHEMA "o%p";
CREATE FUNCTION "o%p".lt(int8, int8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > $2';
CREATE FUNCTION "o%p".le(int8, int8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 >= $2';
CREATE FUNCTION "o%p".eq(int8, int8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = $2';
CREATE FUNCTION "o%p".ge(int8, int8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 <= $2';
CREATE FUNCTION "o%p".gt(int8, int8) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 < $2';
CREATE FUNCTION "o%p".cmp(int8, int8) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT pg_catalog.btint8cmp($2, $1)';
CREATE OPERATOR "o%p".%< (FUNCTION = "o%p".lt, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR "o%p".%<= (FUNCTION = "o%p".le, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR "o%p".%= (FUNCTION = "o%p".eq, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR "o%p".%>= (FUNCTION = "o%p".ge, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR "o%p".%> (FUNCTION = "o%p".gt, LEFTARG = int8, RIGHTARG = int8);
CREATE OPERATOR CLASS backwards FOR TYPE int8 USING btree AS OPERATOR 1 "o%p".%<, OPERATOR 2 "o%p".%<=,
 OPERATOR 3 "o%p".%=, OPERATOR 4 "o%p".%>=, OPERATOR 5 "o%p".%>, FUNCTION 1 "o%p".cmp(int8, int8);
"""


def _other_keys() -> Iterator[str]:
    for number, (column, index, _) in enumerate(OTHER_KEYS.values()):
        yield f"""CREATE SCHEMA s{number}; SET search_path = s{number}, public;
        CREATE TABLE child (n int8 NOT NULL, half int4 NOT NULL, {column},
         pid int CONSTRAINT fk{number} REFERENCES parent);
        INSERT INTO child (n, half, pid, k)
         SELECT g, g / 2, 7, CASE g % 2 WHEN 0 THEN 'a' ELSE 'B' END || g FROM generate_series(10, 40) g
         ORDER BY random();
        {index};
        """


@pytest.fixture(scope="module")
def other_keys_url(make_database: Callable[[str], str]) -> str:
    """A database with a table for each of the other keys."""
    return make_database(BACKWARDS + "".join(_other_keys()))


@pytest.mark.parametrize("kind", OTHER_KEYS)
async def test_the_best_key_orders_the_rows(other_keys_url: str, kind: str) -> None:
    order, number = OTHER_KEYS[kind][2], list(OTHER_KEYS).index(kind)
    by = {
        "by k": 'k COLLATE "C"',
        "by half, k": 'child.half, k COLLATE "C"',
        "by k, n, half": 'k COLLATE "C", child.n, child.half',
        "by n": "child.n DESC",
        "place": "ctid",
    }[order]
    wanted = ask(other_keys_url, f"SELECT n::text, half::text, k FROM child ORDER BY {by}", path=f"s{number}")
    async with opened(other_keys_url) as (database, schema):
        edge = the_edge(schema, f"fk{number}")
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=4))
        assert [row for page in pages for row in texts(page, "n", "half", "k")] == wanted
        assert {page.order for page in pages} == {"by their place in the table" if order == "place" else order}
        row = await whole_row(database, schema, schema.child_of(edge), key=pages[2].keys[1])
        assert texts(row, "n", "half", "k") == wanted[9:10]


async def test_rows_whose_not_null_was_never_validated_are_all_there(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (k text, pid int CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT CASE WHEN g > 5 THEN g::text END, 7 FROM generate_series(1, 20) g;
        CREATE UNIQUE INDEX ON child (k);
        ALTER TABLE child ADD CONSTRAINT n NOT NULL k NOT VALID;
        """,
    )
    async with opened(database_url) as (database, schema):
        assert the_table(schema, "child").column(1).not_null
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=3))
        assert [row for page in pages for row in texts(page, "k")] == ask(
            database_url, "SELECT k FROM child ORDER BY ctid"
        )
        run(database_url, "DELETE FROM child WHERE k IS NULL; ALTER TABLE child VALIDATE CONSTRAINT n")
        assert (await orphan_rows(database, schema, edge)).order == "by k"


@pytest.mark.parametrize("key", ["", ", PRIMARY KEY (region, n)"])
async def test_partitions_are_walked_through_their_root(database_url: str, key: str) -> None:
    run(
        database_url,
        f"""CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (n int, region text, pid int CONSTRAINT fk REFERENCES parent {key})
         PARTITION BY LIST (region);
        CREATE TABLE south PARTITION OF child FOR VALUES IN ('s');
        CREATE TABLE north PARTITION OF child FOR VALUES IN ('n') PARTITION BY LIST (region);
        CREATE TABLE north_1 PARTITION OF north FOR VALUES IN ('n');
        INSERT INTO child SELECT g, CASE g % 2 WHEN 0 THEN 's' ELSE 'n' END, g FROM generate_series(1, 40) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=7))
        order = "region, child.n" if key else "tableoid, ctid"
        wanted = ask(database_url, f"SELECT n::text, region FROM child ORDER BY {order}")
        assert [row for page in pages for row in texts(page, "n", "region")] == wanted
        for page in pages:
            row = await whole_row(database, schema, the_table(schema, "child"), key=page.keys[-1])
            assert texts(row, "n") == texts(page, "n")[-1:]


async def test_rows_of_inheritance_children_are_not_the_tables(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (n int, pid int CONSTRAINT fk REFERENCES parent);
        CREATE TABLE grown () INHERITS (child);
        INSERT INTO child VALUES (1, 7); INSERT INTO grown VALUES (2, 8);
        """,
    )
    async with opened(database_url) as (database, schema):
        page = await orphan_rows(database, schema, the_edge(schema))
        assert texts(page, "n", "pid") == [("1", "7")]
        assert texts(await whole_row(database, schema, the_table(schema, "child"), key=page.keys[0]), "n") == [("1",)]


async def test_writes_between_pages_repeat_nothing(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (a int, b text, pid int CONSTRAINT fk REFERENCES parent, PRIMARY KEY (a, b));
        INSERT INTO child SELECT g / 10, 'b' || g % 10, 7 FROM generate_series(0, 99) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        page = await orphan_rows(database, schema, edge, limit=15)
        seen = list(page.keys)
        assert page.after == ("1", "b4")
        run(
            database_url,
            """DELETE FROM child WHERE (a, b) IN ((1, 'b4'), (3, 'b0'));
            INSERT INTO child VALUES (0, 'late', 7), (1, 'b4x', 7), (9, 'z', 7);
            UPDATE child SET pid = 8 WHERE a = 2;
            INSERT INTO parent VALUES (8);
            """,
        )
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after or page.after, limit=15))
        seen += [key for each in pages for key in each.keys]
        assert len(seen) == len(set(seen))
        rest = ask(database_url, "SELECT a::text, b FROM child WHERE (a, b) > (1, 'b4') AND pid = 7 ORDER BY a, b")
        assert seen[15:] == rest
        assert ("1", "b4x") in seen
        with pytest.raises(Trouble) as gone:
            await whole_row(database, schema, the_table(schema, "child"), key=("1", "b4"))
        assert (gone.value.code, gone.value.reason) == ("gone", "the row is gone")


async def test_a_cursor_of_another_key_is_refused(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (a int, b int, pid int CONSTRAINT fk REFERENCES parent, PRIMARY KEY (a, b));
        """,
    )
    async with opened(database_url) as (database, schema):
        with pytest.raises(Trouble, match="key has changed"):
            await orphan_rows(database, schema, the_edge(schema), after=("1",))


async def test_a_later_page_starts_its_index_scan_at_the_cursor(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY);
        INSERT INTO parent SELECT generate_series(1, 1000);
        CREATE TABLE child (a int, b int, pid int CONSTRAINT fk REFERENCES parent, PRIMARY KEY (a, b));
        INSERT INTO child SELECT g / 10, g % 10, 2000 + g FROM generate_series(0, 99999) g;
        ANALYZE;
        """,
    )
    asked = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'child'"
    [(before,)] = ask(database_url, asked)
    async with opened(database_url) as (database, schema):
        page = await orphan_rows(database, schema, the_edge(schema), after=("5000", "4"), limit=10)
        assert page.keys[0] == ("5000", "5")
    [(after,)] = ask(database_url, asked)
    # All from the cursor on; without the bound the planner does not use the index.
    assert 0 < after - before <= 50_000
