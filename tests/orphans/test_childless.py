"""Parents without a child: which they are by another way of asking, and that the newest come first."""

from __future__ import annotations

import pytest

from fkexplorer.orphans.childless import creation_column
from fkexplorer.orphans.rows import childless_parents, whole_row
from tests.orphans.pages import ask, opened, run, texts, the_edge, the_table, walk

# How parent and child look, and what the parents' order is by SQL and by name.
SHAPES = {
    "date": (
        "id int PRIMARY KEY, note text, created_at timestamptz",
        "pid int CONSTRAINT fk REFERENCES parent",
        "SELECT g, 'n', CASE WHEN g % 7 > 0 THEN timestamptz '2026-01-01' + g / 4 * interval '1 us' END",
        "created_at DESC NULLS LAST, parent.id DESC",
        "newest created_at first",
    ),
    "infinite date": (
        "id int PRIMARY KEY, created date",
        "pid int CONSTRAINT fk REFERENCES parent",
        "SELECT g, CASE g % 3 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' ELSE '2026-01-01' END::date",
        "created DESC NULLS LAST, parent.id DESC",
        "newest created first",
    ),
    "integer": (
        "id int8 PRIMARY KEY",
        "pid int CONSTRAINT fk REFERENCES parent",
        "SELECT g",
        "parent.id DESC",
        "highest id first",
    ),
    "text": (
        "id text PRIMARY KEY",
        "pid text CONSTRAINT fk REFERENCES parent",
        "SELECT (g)::text",
        "parent.id",
        "by id",
    ),
    "date and no key": (
        "id int, created_at date, UNIQUE (id)",
        "pid int CONSTRAINT fk REFERENCES parent (id)",
        "SELECT NULLIF(g, 30), date '2026-01-01' + g / 10",
        "created_at DESC, parent.ctid DESC",
        "newest created_at first",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_childless_parents_in_their_order(database_url: str, shape: str) -> None:
    parent, child, values, order, said = SHAPES[shape]
    run(
        database_url,
        f"""CREATE TABLE parent ({parent});
        INSERT INTO parent {values} FROM generate_series(1, 60) g ORDER BY random();
        CREATE TABLE child ({child});
        INSERT INTO child SELECT id FROM parent WHERE ctid > '(0,20)';
        INSERT INTO child VALUES (NULL), ('999');
        """,
    )
    wanted = ask(
        database_url,
        f"SELECT parent.id::text FROM parent LEFT JOIN child ON pid = parent.id WHERE pid IS NULL ORDER BY {order}",
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: childless_parents(database, schema, edge, after=after, limit=3))
        assert [row for page in pages for row in texts(page, "id")] == wanted
        assert {page.order for page in pages} == {said}
        assert len(wanted) >= 20
        key = pages[1].keys[2]
        assert texts(await whole_row(database, schema, the_table(schema, "parent"), key=key), "id") == [wanted[5]]


async def test_self_reference_and_composite_keys_with_nulls(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (a int, b int, up_a int, up_b int, PRIMARY KEY (a, b),
         CONSTRAINT fk FOREIGN KEY (up_a, up_b) REFERENCES parent);
        INSERT INTO parent VALUES (1, 1, NULL, NULL), (1, 2, 1, 1), (1, 3, 1, NULL), (2, 1, NULL, 2), (2, 2, 1, 2);
        """,
    )
    async with opened(database_url) as (database, schema):
        page = await childless_parents(database, schema, the_edge(schema))
        assert texts(page, "a", "b") == [("1", "3"), ("2", "1"), ("2", "2")]
        assert [(field.name, field.key, field.foreign) for field in page.fields] == [
            ("a", True, True),
            ("b", True, True),
            ("up_a", False, False),
            ("up_b", False, False),
        ]


async def test_rows_of_inheritance_children_keep_no_parent(database_url: str) -> None:
    run(
        database_url,
        """CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
        CREATE TABLE child (pid int CONSTRAINT fk REFERENCES parent); INSERT INTO child VALUES (1);
        CREATE TABLE grown () INHERITS (child); INSERT INTO grown VALUES (2);
        """,
    )
    async with opened(database_url) as (database, schema):
        assert texts(await childless_parents(database, schema, the_edge(schema)), "id") == [("2",)]


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ("updated_at timestamptz DEFAULT now(), created_at timestamptz", "created_at"),
        ('"createdAt" timestamp, expires_at timestamptz NOT NULL', "createdAt"),
        ("inserted_at timestamp, created date", "inserted_at"),
        ("signed timestamptz DEFAULT now(), ordered_on date NOT NULL", "signed"),
        ("birth_date date NOT NULL, ordered_on date NOT NULL", "ordered_on"),
        ("birth_date date NOT NULL, valid_until date NOT NULL, deleted_at timestamptz DEFAULT now()", None),
        ("created_at text, created_by int, ordered_on date", None),
        ("created_at time", None),
        ("created_at moment, ordered_on date NOT NULL", "created_at"),
        ('"dateOfBirth" date NOT NULL, "lastSeen" timestamptz NOT NULL', None),
    ],
)
async def test_the_date_that_tells_a_rows_age(database_url: str, columns: str, chosen: str | None) -> None:
    run(database_url, f"CREATE DOMAIN moment AS timestamptz; CREATE TABLE parent (id int PRIMARY KEY, {columns});")
    async with opened(database_url) as (_, schema):
        column = creation_column(the_table(schema, "parent"))
        assert (column.name if column else None) == chosen
